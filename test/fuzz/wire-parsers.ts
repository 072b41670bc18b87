import { isDeepStrictEqual } from 'node:util';
import { codeOf } from '../../src/base/errors.js';
import {
  hotKeyspaceOf,
  keyLocationOf,
  keyspaceStatusOf,
  lookupOf,
  nodeStatusOf,
  peerStatusOf,
  watchedEventOf,
  writeResultOf,
} from '../../src/client/replies.js';
import { decodeMeta, encodeMeta, metaBytesMax, nameBytesMax } from '../../src/membership/gossip/node-meta.js';
import { decodeFrame, encodeFrame, type Frame, operationsPerFrameMax } from '../../src/wire/frames.js';
import { distcache } from '../../src/wire/generated/distcache.js';
import { decodeRecord, encodeRecord } from '../../src/wire/keyspace-records.js';
import { dropReasons } from '../../src/wire/memberlist/fault.js';
import { KeyRing } from '../../src/wire/memberlist/key-ring.js';
import { packetFaultsMax, packetMessagesMax } from '../../src/wire/memberlist/limits.js';
import { encodePacketMessage } from '../../src/wire/memberlist/messages.js';
import { PacketCodec, type PacketPolicy } from '../../src/wire/memberlist/packet.js';
import { StreamCodec } from '../../src/wire/memberlist/stream.js';
import { encodeTcpPacket, TcpPacketReader } from '../../src/wire/memberlist/tcp-packet.js';
import { decodeRequest } from '../../src/wire/public.js';
import { MalformedError } from '../../src/wire/reader.js';
import { nodeInfo } from '../support/peer-nodes.js';
import type { Seeded } from '../support/seeded.js';
import { cutUp, plainPolicy, randomBytes, randomMessage, randomPushPull } from '../unit/wire/memberlist/samples.js';
import type { Parser } from './fuzzer.js';

const { v1 } = distcache;
const known: ReadonlySet<string> = new Set(dropReasons);
const ring = new KeyRing([new Uint8Array(16).fill(1)]);
const policies: readonly PacketPolicy[] = [
  plainPolicy,
  { ...plainPolicy, compress: true },
  { ...plainPolicy, keys: ring },
  { ...plainPolicy, keys: ring, verifyIncoming: false, verifyOutgoing: false, compress: true },
];

/** Runs it, and lets through what says that the bytes are none; anything else is broken. */
function refusable<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof MalformedError || codeOf(error) === 'INVALID_ARGUMENT') return undefined;
    throw error;
  }
}

const text = (random: Seeded): string =>
  random.pick(['', 'users', 'é', '🙂'.repeat(3), '__proto__', '\0/../%2F', 'k'.repeat(200)]);
const number = (random: Seeded): number => random.pick([0, 1, 127, 128, 5_000, 2 ** 31, 2 ** 40, 0xffff_ffff]);

const gossipPacket: Parser = {
  name: 'gossip-packet',
  sound: (random) => {
    const messages = Array.from({ length: random.between(1, 4) }, () => encodePacketMessage(randomMessage(random)));
    return new PacketCodec(random.pick(policies)).write(messages, random.chance(0.5))[0] ?? new Uint8Array();
  },
  read(bytes) {
    for (const policy of policies) {
      const { messages, drops } = new PacketCodec(policy).read(bytes);
      if (messages.length > packetMessagesMax || drops.length > packetFaultsMax + 1) throw new Error('too many of it');
      for (const { reason } of drops) if (!known.has(reason)) throw new Error(`dropped for ${reason}`);
    }
  },
};

const gossipStream: Parser = {
  name: 'gossip-stream',
  sound: (random) => new StreamCodec(random.pick(policies)).write(randomPushPull(random, 5), 'dialler'),
  read(bytes, random) {
    for (const policy of policies) {
      const reader = new StreamCodec(policy).reader('listener');
      for (const piece of cutUp(random, bytes, 1 + bytes.length)) {
        const step = reader.push(piece);
        if (step.is === 'refused' && !known.has(step.drop.reason)) throw new Error(`refused for ${step.drop.reason}`);
        if (step.is !== 'more') break;
      }
      reader.end();
    }
  },
};

const gossipTcp: Parser = {
  name: 'gossip-tcp',
  sound: (random) => encodeTcpPacket('10.0.0.1:7946', randomBytes(random, random.below(60))),
  read(bytes, random) {
    const reader = new TcpPacketReader(64 * 1024);
    for (const piece of cutUp(random, bytes, 1 + bytes.length)) reader.push(piece);
    const end = reader.end();
    if ('reason' in end && !known.has(end.reason)) throw new Error(`dropped for ${end.reason}`);
  },
};

const gossipMeta: Parser = {
  name: 'gossip-meta',
  sound: (random) =>
    encodeMeta(
      { ...nodeInfo(random.id(), '10.0.0.1:3320'), gossip: '10.0.0.1:3322' },
      random.pick(['joining', 'serving', 'draining']),
    ),
  read(bytes) {
    const meta = decodeMeta(bytes.subarray(0, metaBytesMax));
    if (meta === undefined) return;
    for (const value of Object.values(meta)) {
      if (typeof value === 'string' && Buffer.byteLength(value) > 4 * nameBytesMax) throw new Error('a text too long');
      if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('a number that is none');
    }
  },
};

function someFrame(random: Seeded): Frame {
  const clock = random.pick([0, 1, 1_700_000_000_000 * 4096]);
  if (random.chance(0.2)) return { clock, operations: [], goodbye: { reason: 'LEAVING', detail: text(random) } };
  if (random.chance(0.2)) {
    const hello = {
      ...nodeInfo(`id-${random.id()}`, '10.0.0.1:3320'),
      protocol: 1,
      label: text(random),
      hasher: 'xxh3',
    };
    const proofs = random.chance(0.5) ? {} : { nonce: randomBytes(random, 16), proof: randomBytes(random, 32) };
    return { clock, operations: [], hello: { ...hello, ...proofs } };
  }
  const [keyspace, key] = [text(random), text(random)];
  const version = 1_700_000_000_000 * 4096 + random.below(4096);
  const requests = [
    { do: 'get', keyspace, key, loading: [text(random)], minVersion: 0, standIn: random.chance(0.5) },
    { do: 'put', keyspace, key, value: randomBytes(random, random.below(40)), ttlMs: number(random), ack: 'applied' },
    { do: 'delete', keyspace, key, ack: 'applied' },
    { do: 'invalidate', keyspace, key, version, sequence: number(random) },
  ] as const;
  const operations = Array.from({ length: random.between(0, 4) }, () => ({
    is: 'request' as const,
    id: random.below(1_000),
    remainingMs: random.below(60_000),
    request: random.pick(requests),
  }));
  return { clock, operations };
}

const peerFrame: Parser = {
  name: 'peer-frame',
  sound: (random) => encodeFrame(someFrame(random)),
  read(bytes) {
    const frame = refusable(() => decodeFrame(bytes));
    if (frame === undefined) return;
    if (frame.operations.length > operationsPerFrameMax) throw new Error('more operations than a frame may have');
    if (!(frame.clock >= 0) || !Number.isFinite(frame.clock)) throw new Error(`the clock is ${frame.clock}`);
  },
};

const keyspaceRecord: Parser = {
  name: 'keyspace-record',
  sound: (random) => {
    const written = { version: 1 + random.below(1e9), by: random.id() };
    return encodeRecord({
      keyspace: text(random),
      existence: random.chance(0.5) ? undefined : { ...written, deleted: random.chance(0.5) },
      generation: random.below(1e9),
      settings: [
        { ...written, tunable: 'maxBytes', value: number(random) },
        { ...written, tunable: 'warmKeys', value: [text(random), text(random)] },
        { ...written, tunable: 'rate', value: random.pick([null, undefined]) },
      ],
      sweeps: [],
      digest: random.below(2 ** 32),
    });
  },
  read(bytes) {
    const record = refusable(() => decodeRecord(bytes));
    if (record === undefined) return;
    const twice = decodeRecord(encodeRecord(record));
    if (!isDeepStrictEqual(twice, record)) throw new Error('it is another one once it was written and read');
  },
};

const requests: Parser = {
  name: 'public-request',
  sound: (random) => {
    const [keyspace, key, name] = [text(random), text(random), text(random)];
    const entry = { key, value: randomBytes(random, random.below(40)), ttlMs: number(random) };
    const settings = { maxBytes: number(random), warmKeys: { keys: [key] }, none: ['default_ttl_ms', text(random)] };
    return random
      .pick([
        () => v1.GetRequest.encode({ keyspace, key }),
        () => v1.GetManyRequest.encode({ keyspace, keys: [key, name] }),
        () => v1.PutRequest.encode({ keyspace, entry }),
        () => v1.PutManyRequest.encode({ keyspace, entries: [entry, entry] }),
        () => v1.UpdateKeyspaceRequest.encode({ name, settings, dryRun: true }),
        () => v1.WarmRequest.encode({ keyspace, keys: [key], concurrency: number(random) }),
        () => v1.DeleteKeyspacesRequest.encode({ names: [name, key] }),
        () => v1.HotKeysRequest.encode({ keyspace, limit: 5 }),
      ])()
      .finish();
  },
  read(bytes) {
    for (const decode of Object.values(decodeRequest)) refusable<unknown>(() => decode(bytes));
  },
};

/** What a client reads of a node: protobuf's own errors end the call; what it lets through must be usable. */
const replies: Parser = {
  name: 'public-reply',
  sound: (random) => {
    const node = text(random);
    return random
      .pick([
        () =>
          v1.GetReply.encode({
            found: true,
            outcome: random.below(8),
            node,
            version: number(random),
            value: randomBytes(random, 9),
            lifeMs: number(random),
          }),
        () => v1.WriteReply.encode({ version: number(random), node, unreached: [node] }),
        () => v1.StatusReply.encode({ node, ready: true, state: text(random), uptimeMs: number(random) }),
        () => v1.PeerStatus.encode({ name: node, state: text(random), ringShare: Number.NaN }),
        () => v1.Keyspace.encode({ name: node, maxBytes: number(random), stats: { gets: 1 } }),
        () => v1.LocateKeyReply.encode({ owner: node, replicas: [node] }),
        () => v1.Event.encode({ type: text(random), node }),
      ])()
      .finish();
  },
  read(bytes) {
    const clock = { nowMs: () => 0, wallMs: () => 1_700_000_000_000, after: () => () => {} } as unknown as Parameters<
      typeof lookupOf
    >[2];
    const readers: readonly ((bytes: Uint8Array) => () => unknown)[] = [
      (b) =>
        (
          (reply) => () =>
            lookupOf('k', reply, clock)
        )(v1.GetReply.decode(b)),
      (b) =>
        (
          (reply) => () =>
            writeResultOf(reply)
        )(v1.WriteReply.decode(b)),
      (b) =>
        (
          (reply) => () =>
            nodeStatusOf(reply as distcache.v1.StatusReply)
        )(v1.StatusReply.decode(b)),
      (b) =>
        (
          (reply) => () =>
            peerStatusOf(reply)
        )(v1.PeerStatus.decode(b)),
      (b) =>
        (
          (reply) => () =>
            keyspaceStatusOf(reply)
        )(v1.Keyspace.decode(b)),
      (b) =>
        (
          (reply) => () =>
            hotKeyspaceOf(reply)
        )(v1.HotKeyspace.decode(b)),
      (b) =>
        (
          (reply) => () =>
            keyLocationOf(reply as distcache.v1.LocateKeyReply)
        )(v1.LocateKeyReply.decode(b)),
      (b) =>
        (
          (reply) => () =>
            watchedEventOf(reply as distcache.v1.Event)
        )(v1.Event.decode(b)),
    ];
    for (const decode of readers) {
      let use: () => unknown;
      try {
        use = decode(bytes);
      } catch {
        continue;
      }
      use();
    }
  },
};

export const wireParsers: readonly Parser[] = [
  gossipPacket,
  gossipStream,
  gossipTcp,
  gossipMeta,
  peerFrame,
  keyspaceRecord,
  requests,
  replies,
];
