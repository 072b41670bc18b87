import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection, createServer, type Server } from 'node:net';
import type { PacketMessage, PushPull, StreamMessage } from '../../../src/membership/messages.js';
import { KeyRing } from '../../../src/wire/memberlist/key-ring.js';
import { encodePacketMessage } from '../../../src/wire/memberlist/messages.js';
import { PacketCodec, type PacketPolicy } from '../../../src/wire/memberlist/packet.js';
import { StreamCodec } from '../../../src/wire/memberlist/stream.js';
import { streamByte } from '../../../src/wire/memberlist/tcp-packet.js';
import type { GoPeer } from '../../support/go-memberlist.js';
import { within } from '../../support/until.js';

/*
 * The codec against a Go peer with nothing between: no core that has an opinion of what it hears, no transport that sorts
 * things out. What a peer holds of everybody, the dead and the left included, is seen this way alone.
 */

export type Policy = PacketPolicy;

/** @param keys in hex */
export function policyOf({ label = '', keys = [], ...rest }: Partial<Omit<Policy, 'label' | 'keys'>> & Secrets = {}) {
  const policy: Policy = {
    label: Buffer.from(label),
    skipInboundLabelCheck: false,
    keys: keys.length === 0 ? undefined : new KeyRing(keys.map((key) => Buffer.from(key, 'hex'))),
    sealVersion: 1,
    verifyIncoming: true,
    verifyOutgoing: true,
    nonce: () => randomBytes(12),
    compress: false,
    inflatedBytesMax: 1024 * 1024,
    ...rest,
  };
  return policy;
}

export interface Secrets {
  readonly label?: string;
  /** In hex, the first to encrypt with. */
  readonly keys?: readonly string[];
}

const limitMs = 10_000;

/** Sends these bytes over a connection, which `thenEnd` ends, and gives all that came back until the peer closed it. */
export async function exchangeBytes(peer: GoPeer, bytes: Uint8Array, { thenEnd = false } = {}): Promise<Buffer> {
  const socket = createConnection(peer.self.port, peer.self.addr);
  const pieces: Buffer[] = [];
  socket.on('data', (piece) => pieces.push(piece));
  // A peer that refuses may close while we still write; what came back before that is what counts.
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.on('close', resolve));
  if (thenEnd) socket.end(bytes);
  else socket.write(bytes);
  try {
    await within(limitMs, 'the answer of a Go peer', closed);
  } finally {
    socket.destroy();
  }
  return Buffer.concat(pieces);
}

/** What a peer answers to a message over a stream; undefined when it closes without a word. */
export async function exchange(
  peer: GoPeer,
  message: StreamMessage,
  policy: Policy = policyOf(),
  overTcpPackets = false,
): Promise<StreamMessage | undefined> {
  const codec = new StreamCodec(policy);
  const kind = overTcpPackets ? Uint8Array.of(streamByte) : new Uint8Array();
  return readAnswer(codec, await exchangeBytes(peer, Buffer.concat([kind, codec.write(message, 'dialler')])));
}

export function readAnswer(codec: StreamCodec, answer: Uint8Array): StreamMessage | undefined {
  if (answer.length === 0) return undefined;
  const step = codec.reader('dialler').push(answer);
  if (step.is !== 'message') throw new Error(`unreadable answer: ${JSON.stringify(step)}`);
  return step.message;
}

export const emptyState: PushPull = { is: 'pushPull', join: false, nodes: [], userState: new Uint8Array() };

/** All that a peer holds, by name and state, sorted: the dead and the left as well. */
export async function everybody(peer: GoPeer, policy?: Policy, overTcpPackets?: boolean): Promise<readonly string[]> {
  const answer = await exchange(peer, emptyState, policy, overTcpPackets);
  if (answer?.is !== 'pushPull') throw new Error(`no state but ${answer?.is}`);
  return answer.nodes.map(({ name, state }) => `${name} ${state}`).sort();
}

/** What comes back to a socket of ours for one packet. Rejects when nothing does. */
export async function askByPacket(
  peer: GoPeer,
  messages: readonly PacketMessage[],
  policy: Policy,
  { crc = false, waitMs = limitMs } = {},
): Promise<readonly PacketMessage[]> {
  const codec = new PacketCodec(policy);
  const socket = createSocket('udp4');
  try {
    const arrived = once(socket, 'message') as Promise<[Buffer]>;
    for (const packet of codec.write(messages.map(encodePacketMessage), crc)) {
      socket.send(packet, peer.self.port, peer.self.addr);
    }
    const [packet] = await within(waitMs, 'a packet of a Go peer', arrived);
    const { messages: read, drops } = codec.read(packet);
    if (drops.length > 0) throw new Error(`unreadable packet: ${JSON.stringify(drops)}`);
    return read;
  } finally {
    socket.close();
  }
}

/** A socket that only listens, for what a peer sends over streams by itself. */
export async function listen(): Promise<{ port: number; next(): Promise<Buffer>; close(): void }> {
  const arrived: Promise<Buffer>[] = [];
  const server: Server = createServer((socket) => {
    const pieces: Buffer[] = [];
    socket.on('error', () => {}).on('data', (piece) => pieces.push(piece));
    arrived.push(new Promise((resolve) => socket.on('close', () => resolve(Buffer.concat(pieces)))));
    server.emit('stored');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const next = async (): Promise<Buffer> => {
    while (arrived.length === 0) await within(limitMs, 'a stream of a Go peer', once(server, 'stored'));
    return within(limitMs, 'the end of a stream of a Go peer', arrived.shift()!);
  };
  return { port, next, close: () => server.close() };
}

/** One datagram in the clear, from a socket that hears no answer. */
export async function sendPacket(
  to: { readonly addr: string; readonly port: number },
  messages: readonly PacketMessage[],
  policy: Policy = policyOf(),
): Promise<void> {
  const socket = createSocket('udp4');
  try {
    for (const packet of new PacketCodec(policy).write(messages.map(encodePacketMessage), false)) {
      await new Promise<void>((resolve, reject) => {
        socket.send(packet, to.port, to.addr, (error) => (error === null ? resolve() : reject(error)));
      });
    }
  } finally {
    socket.close();
  }
}
