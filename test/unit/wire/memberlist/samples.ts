import { readFileSync } from 'node:fs';
import type {
  Alive,
  PacketMessage,
  PingSource,
  PushNodeState,
  PushPull,
  Vsn,
} from '../../../../src/membership/messages.js';
import { type Drop, dropOf } from '../../../../src/wire/memberlist/fault.js';
import type { PacketPolicy } from '../../../../src/wire/memberlist/packet.js';
import type { Seeded } from '../../../support/seeded.js';

/** Bytes from hex; blanks are for the reader. */
export const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
export const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
export const none = new Uint8Array();

export interface Vectors {
  readonly codec: Readonly<Record<'go-msgpack v0.5.5' | 'go-msgpack v2.1.5', Readonly<Record<string, string>>>>;
  readonly lzw: Readonly<Record<string, string>>;
  readonly gcm: Readonly<Record<string, string>>;
  readonly frames: Readonly<Record<string, string>>;
  readonly captures: Readonly<Record<string, string>>;
}

export const readVectors = (): Vectors =>
  JSON.parse(readFileSync(new URL('../../../fixtures/memberlist-vectors.json', import.meta.url), 'utf8'));

export const noSource: PingSource = { addr: none, port: 0, node: '' };
export const plainVsn: Vsn = [1, 5, 2, 0, 0, 0];

export const ack = (seqNo: number): PacketMessage => ({ is: 'ack', seqNo, payload: none });

export const aliveNode = (node: string, change: Partial<Alive> = {}): Alive => ({
  is: 'alive',
  incarnation: 1,
  node,
  addr: hex('7f000002'),
  port: 7946,
  meta: none,
  vsn: plainVsn,
  ...change,
});

export const stateOf = (name: string, change: Partial<PushNodeState> = {}): PushNodeState => ({
  name,
  addr: hex('7f000002'),
  port: 7946,
  meta: none,
  incarnation: 1,
  state: 'alive',
  vsn: plainVsn,
  ...change,
});

/** Neither label nor keys, nothing compressed; a nonce that tests can foretell. */
export const plainPolicy: PacketPolicy = {
  label: none,
  skipInboundLabelCheck: false,
  keys: undefined,
  sealVersion: 1,
  verifyIncoming: true,
  verifyOutgoing: true,
  nonce: () => hex('a0a1a2a3a4a5a6a7a8a9aaab'),
  compress: false,
  inflatedBytesMax: 1 << 20,
};

export const randomBytes = (random: Seeded, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => random.below(256));

const randomNumber = (random: Seeded, max: number): number =>
  Math.min(max, random.pick([0, 1, 127, 128, 255, 256, 65_535, 65_536, max, random.below(max + 1)]));

const randomName = (random: Seeded): string =>
  Buffer.from(randomBytes(random, random.pick([0, 1, 5, 31, 32, 40, 300]))).toString('latin1');

const randomTarget = (random: Seeded): Uint8Array => randomBytes(random, random.pick([4, 16]));
const randomAddress = (random: Seeded): Uint8Array => randomBytes(random, random.pick([0, 4, 4, 16]));
const randomBlob = (random: Seeded): Uint8Array => randomBytes(random, random.pick([0, 1, 31, 32, 255, 256, 512]));
const randomVsn = (random: Seeded): Vsn => [...randomBytes(random, 6)] as unknown as Vsn;

const randomSource = (random: Seeded): PingSource =>
  random.chance(0.3)
    ? noSource
    : { addr: randomAddress(random), port: randomNumber(random, 65_535), node: randomName(random) };

export function randomMessage(random: Seeded): PacketMessage {
  const seqNo = randomNumber(random, 0xffff_ffff);
  const node = randomName(random);
  const from = randomName(random);
  const port = randomNumber(random, 65_535);
  const source = randomSource(random);
  return random.pick<() => PacketMessage>([
    () => ({ is: 'ping', seqNo, node, source }),
    () => ({ is: 'indirectPing', seqNo, target: randomTarget(random), port, node, nack: random.chance(0.5), source }),
    () => ({ is: 'ack', seqNo, payload: randomBlob(random) }),
    () => ({ is: 'nack', seqNo }),
    () => ({ is: 'suspect', incarnation: seqNo, node, from }),
    () => ({ is: 'dead', incarnation: seqNo, node, from }),
    () =>
      aliveNode(node, {
        incarnation: seqNo,
        addr: randomAddress(random),
        port,
        meta: randomBlob(random),
        vsn: randomVsn(random),
      }),
    () => ({ is: 'user', payload: randomBlob(random) }),
  ])();
}

export function randomPushPull(random: Seeded, nodesMax: number): PushPull {
  const nodes = Array.from({ length: random.below(nodesMax + 1) }, () =>
    stateOf(randomName(random), {
      addr: randomAddress(random),
      port: randomNumber(random, 65_535),
      meta: randomBlob(random),
      incarnation: randomNumber(random, 0xffff_ffff),
      state: random.pick(['alive', 'suspect', 'dead', 'left'] as const),
      vsn: randomVsn(random),
    }),
  );
  return { is: 'pushPull', join: random.chance(0.5), nodes, userState: randomBlob(random) };
}

/** Cuts bytes at random places, an empty piece now and then among them. */
export function cutUp(random: Seeded, bytes: Uint8Array, pieceMax: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = random.below(pieceMax + 1);
    pieces.push(bytes.slice(at, at + length));
    at += length;
  }
  return pieces;
}

/** The fault that this throws, undefined when it throws none; any other error goes on. */
export function dropOfFault(run: () => unknown): Drop | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return dropOf(error);
  }
}

export const faultOf = (run: () => unknown): string => dropOfFault(run)?.reason ?? 'no fault';
