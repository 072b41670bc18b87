import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { joinAddress } from '../../src/base/addresses.js';
import { bytesOfIp, ipOfBytes } from '../../src/base/ip.js';
import type {
  PacketMessage,
  PingSource,
  PushNodeState,
  PushState,
  StreamMessage,
  Vsn,
} from '../../src/membership/messages.js';
import type { Endpoint } from '../../src/membership/swim/effects.js';
import { KeyRing } from '../../src/wire/memberlist/key-ring.js';
import { encodePacketMessage } from '../../src/wire/memberlist/messages.js';
import { PacketCodec, type PacketPolicy } from '../../src/wire/memberlist/packet.js';
import { StreamCodec } from '../../src/wire/memberlist/stream.js';
import { patienceMs } from './serf.js';
import { until, within } from './until.js';

/** What a member of a Serf pool announces: the application's versions must fit those of the agents. */
export const serfVsn: Vsn = [1, 5, 2, 2, 5, 4];

const none = new Uint8Array();

/** A short text, or a small number, in msgpack. */
const packed = (value: string | number): Uint8Array =>
  typeof value === 'number'
    ? Uint8Array.of(value)
    : Buffer.concat([Uint8Array.of(0xa0 | value.length), Buffer.from(value)]);

/** Metadata as Serf's agents read it: their tags. Fewer than 16 of them, each text of up to 31 characters of ASCII. */
export function serfTags(tags: Readonly<Record<string, string>>): Uint8Array {
  const words = Object.entries(tags).flat();
  return new Uint8Array(Buffer.concat([Uint8Array.of(0xff, 0x80 | (words.length / 2)), ...words.map(packed)]));
}

/** Serf's own announcement that a node is about to leave, as payload of a user message. `time` is below 128. */
export const serfLeaveIntent = (node: string, time: number): Uint8Array =>
  new Uint8Array(
    Buffer.concat([Uint8Array.of(0, 0x83), ...['LTime', time, 'Node', node, 'Prune'].map(packed), Uint8Array.of(0xc2)]),
  );

/** No label, no compression; in the clear, or under this key. */
export const gossipPolicy = (key?: Uint8Array): PacketPolicy => ({
  label: none,
  skipInboundLabelCheck: false,
  keys: key && new KeyRing([key]),
  sealVersion: 1,
  verifyIncoming: true,
  verifyOutgoing: true,
  nonce: () => randomBytes(12),
  compress: false,
  inflatedBytesMax: 1 << 20,
});

export interface HandPacket {
  readonly bytes: Uint8Array;
  readonly messages: readonly PacketMessage[];
  readonly from: Endpoint;
  readonly atMs: number;
}

type Kind = PacketMessage['is'];
type Of<K extends Kind> = Extract<PacketMessage, { is: K }>;

/**
 * A peer made by hand: one UDP socket that sends what a test tells it and keeps what comes. It behaves only as far as it
 * is told to: `answersPings` and `nacks` make of it a member that is well and has no opinion of others.
 */
export class HandPeer {
  readonly packets: HandPacket[] = [];
  answersPings = false;
  nacks = false;
  readonly #codec: PacketCodec;
  readonly #streams: StreamCodec;
  readonly #socket: Socket;
  #seqNo = 1000;

  private constructor(
    readonly name: string,
    readonly host: string,
    socket: Socket,
    policy: PacketPolicy,
  ) {
    this.#socket = socket;
    this.#codec = new PacketCodec(policy);
    this.#streams = new StreamCodec(policy);
    socket.on('message', (bytes, { address, port }) => this.#receive(bytes, { addr: bytesOfIp(address)!, port }));
  }

  static async open(name: string, host: string, policy: PacketPolicy = gossipPolicy()): Promise<HandPeer> {
    const socket = createSocket('udp4').bind(0, host);
    await once(socket, 'listening');
    return new HandPeer(name, host, socket, policy);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get address(): string {
    return joinAddress(this.host, this.port);
  }

  get endpoint(): Endpoint {
    return { addr: bytesOfIp(this.host)!, port: this.port };
  }

  get source(): PingSource {
    return { ...this.endpoint, node: this.name };
  }

  /** It says of itself that it lives. */
  alive(incarnation = 1, meta = none): Of<'alive'> {
    return { is: 'alive', incarnation, node: this.name, ...this.endpoint, meta, vsn: serfVsn };
  }

  /** The same, as one entry of an exchange of states. */
  state(state: PushState = 'alive', incarnation = 1): PushNodeState {
    return { name: this.name, ...this.endpoint, meta: none, incarnation, state, vsn: serfVsn };
  }

  nextSeqNo(): number {
    return ++this.#seqNo;
  }

  /** One datagram, as it is. */
  async send({ addr, port }: Endpoint, bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(bytes, port, ipOfBytes(addr), (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** These messages in one packet. */
  async say(to: Endpoint, ...messages: readonly PacketMessage[]): Promise<void> {
    for (const bytes of this.#codec.write(messages.map(encodePacketMessage), false)) await this.send(to, bytes);
  }

  /** Pings `node` in a packet that `wrap` may change; the ack's seqNo proves that it was read. */
  async pings(to: Endpoint, node: string, wrap = (ping: Uint8Array): Uint8Array => ping): Promise<number> {
    const seqNo = this.nextSeqNo();
    await this.send(to, wrap(encodePacketMessage({ is: 'ping', seqNo, node, source: this.source })));
    return seqNo;
  }

  /** All messages of a kind so far, with when they came. */
  heard<K extends Kind>(kind: K): readonly (Of<K> & { readonly atMs: number })[] {
    return this.packets.flatMap(({ messages, atMs }) =>
      messages.filter((message): message is Of<K> => message.is === kind).map((message) => ({ ...message, atMs })),
    );
  }

  /** The first message of a kind that fits, when it is there. */
  async hears<K extends Kind>(
    kind: K,
    fits: (message: Of<K>) => boolean = () => true,
    limitMs = patienceMs,
  ): Promise<Of<K> & { readonly atMs: number }> {
    await until(`${this.name} hears ${kind}`, () => this.heard(kind).some(fits), limitMs, 5);
    return this.heard(kind).find(fits)!;
  }

  /** Sends a message on a stream of its own, and reads the answer; undefined when the other closes without one. */
  ask(to: Endpoint, message: StreamMessage, limitMs = 5_000): Promise<StreamMessage | undefined> {
    return this.exchange(to, this.#streams.write(message, 'dialler'), limitMs);
  }

  /** The same for bytes as they are. */
  async exchange(to: Endpoint, bytes: Uint8Array, limitMs = 5_000): Promise<StreamMessage | undefined> {
    const socket = connect({ host: ipOfBytes(to.addr)!, port: to.port, localAddress: this.host });
    const reader = this.#streams.reader('dialler');
    const answer = new Promise<StreamMessage | undefined>((resolve, reject) => {
      socket.on('data', (piece) => {
        const step = reader.push(piece);
        if (step.is === 'message') resolve(step.message);
        else if (step.is === 'refused') reject(new Error(`${step.drop.reason}: ${step.drop.detail}`));
      });
      socket.on('error', reject).on('close', () => resolve(undefined));
    });
    try {
      socket.write(bytes);
      return await within(limitMs, 'an answer on a stream', answer);
    } finally {
      socket.destroy();
    }
  }

  async close(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #receive(bytes: Buffer, from: Endpoint): void {
    const copy = new Uint8Array(bytes);
    const { messages } = this.#codec.read(copy);
    this.packets.push({ bytes: copy, messages, from, atMs: performance.now() });
    for (const message of messages) this.#answer(message, from);
  }

  #answer(message: PacketMessage, from: Endpoint): void {
    if (message.is === 'ping' && this.answersPings) {
      void this.say(from, { is: 'ack', seqNo: message.seqNo, payload: none });
    } else if (message.is === 'indirectPing' && message.nack && this.nacks) {
      void this.say(from, { is: 'nack', seqNo: message.seqNo });
    }
  }
}
