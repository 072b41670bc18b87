import type { KeyspaceResult, PartialFailure } from '../base/errors.js';
import type {
  ClusterEvent,
  DrainResult,
  FailedLookup,
  GetOptions,
  HotKeysOptions,
  HotKeyspace,
  KeyLocation,
  KeyspaceStatus,
  Lookup,
  NodeStatus,
  PeerStatus,
  PutEntry,
  SweepResult,
  WarmOptions,
  WarmResult,
  WriteManyResult,
  WriteOptions,
  WriteResult,
} from '../ports/cache.js';
import type { KeyspaceChanges, KeyspacePreview } from '../ports/keyspace-changes.js';
import type { KeyspaceSettings, SettingValue, Sweep, Tunable } from '../ports/keyspace-record.js';
import type { Member } from '../ports/membership.js';
import type { Outcome } from '../ports/peers.js';
import type { BreakerStatus, SourceStatus } from '../ports/source-status.js';
import { distcache } from './generated/distcache.js';
import { changesIn, resultMessage, settingsMessage } from './keyspace-settings.js';
import { MalformedError, Reader, wireType } from './reader.js';

/*
 * The public service (proto/distcache/v1/cache.proto) as the server sees it: bytes to arguments, results to bytes.
 * Values of decoded requests are views on the message, which has a buffer of its own; whoever stores one copies it.
 */

const { v1 } = distcache;

/** Keys or entries in one request. Checked on the bytes, before a single element is made. */
export const batchMax = 131_072;

interface Finishable {
  finish(): Uint8Array;
}

const bytesOf = (writer: Finishable): Buffer => {
  const bytes = writer.finish();
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};

function parse<T>(what: string, bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new MalformedError(`the bytes are no ${what}`, { cause });
  }
}

/** Refuses a message in which field `number` occurs more than `batchMax` times. */
function checkCount(bytes: Uint8Array, number: number, what: string): void {
  const reader = new Reader(bytes);
  const wanted = (number << 3) | wireType.bytes;
  let count = 0;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === wanted && ++count > batchMax)
      throw new MalformedError(`${what} of one call are limited to ${batchMax}`);
    reader.skip(tag & 7);
  }
}

export interface KeyRequest {
  readonly keyspace: string;
  readonly key: string;
}
export interface KeysRequest {
  readonly keyspace: string;
  readonly keys: readonly string[];
}
interface ReadFlags {
  readonly minVersion: number;
  readonly fromOwner: boolean;
}
interface WriteFlags {
  readonly ackOwner: boolean;
}
export interface PutCall extends WriteFlags {
  readonly keyspace: string;
  readonly entry: PutEntry;
}
export interface PutManyCall extends WriteFlags {
  readonly keyspace: string;
  readonly entries: readonly PutEntry[];
}

/** What a request says of how it is to be carried out, as options of the call. */
export const readOptionsOf = ({
  minVersion,
  fromOwner,
}: ReadFlags): Pick<GetOptions, 'minVersion' | 'consistency'> => ({
  ...(minVersion === 0 ? {} : { minVersion }),
  ...(fromOwner ? { consistency: 'owner' } : {}),
});
export const writeOptionsOf = ({ ackOwner }: WriteFlags): Pick<WriteOptions, 'ack'> =>
  ackOwner ? { ack: 'owner' } : {};

/** The other way round. */
export const readFlagsOf = (options: GetOptions | undefined): ReadFlags => ({
  minVersion: options?.minVersion ?? 0,
  fromOwner: options?.consistency === 'owner',
});
export const writeFlagsOf = (options: WriteOptions | undefined): WriteFlags => ({ ackOwner: options?.ack === 'owner' });

const toEntry = (entry: distcache.v1.Entry): PutEntry => ({
  key: entry.key,
  value: entry.value,
  ...(typeof entry.ttlMs === 'number' ? { ttlMs: entry.ttlMs } : {}),
  ...(entry.tags.length > 0 ? { tags: entry.tags } : {}),
});

/** Each throws MalformedError on bytes that are no such request. */
export const decodeRequest = {
  get: (bytes: Uint8Array): KeyRequest & ReadFlags => parse('GetRequest', bytes, (b) => v1.GetRequest.decode(b)),
  delete: (bytes: Uint8Array): KeyRequest & WriteFlags =>
    parse('DeleteRequest', bytes, (b) => v1.DeleteRequest.decode(b)),
  getMany(bytes: Uint8Array): KeysRequest & ReadFlags {
    checkCount(bytes, 2, 'the keys');
    return parse('GetManyRequest', bytes, (b) => v1.GetManyRequest.decode(b));
  },
  deleteMany(bytes: Uint8Array): KeysRequest & WriteFlags {
    checkCount(bytes, 2, 'the keys');
    return parse('DeleteManyRequest', bytes, (b) => v1.DeleteManyRequest.decode(b));
  },
  deleteMatching(bytes: Uint8Array): { readonly keyspace: string; readonly by: Sweep['by']; readonly text: string } {
    const { keyspace, tag, prefix } = parse('DeleteMatchingRequest', bytes, (b) => v1.DeleteMatchingRequest.decode(b));
    const by = typeof tag === 'string' ? 'tag' : 'prefix';
    return { keyspace, by, text: tag ?? prefix ?? '' };
  },
  put(bytes: Uint8Array): PutCall {
    const { keyspace, entry, ackOwner } = parse('PutRequest', bytes, (b) => v1.PutRequest.decode(b));
    if (!entry) throw new MalformedError('a PutRequest without entry');
    return { keyspace, entry: toEntry(entry as distcache.v1.Entry), ackOwner };
  },
  putMany(bytes: Uint8Array): PutManyCall {
    checkCount(bytes, 2, 'the entries');
    const { keyspace, entries, ackOwner } = parse('PutManyRequest', bytes, (b) => v1.PutManyRequest.decode(b));
    return { keyspace, entries: entries.map((entry) => toEntry(entry as distcache.v1.Entry)), ackOwner };
  },
  getKeyspace: (bytes: Uint8Array): { readonly name: string } =>
    parse('GetKeyspaceRequest', bytes, (b) => v1.GetKeyspaceRequest.decode(b)),
  warm(bytes: Uint8Array): KeysRequest & { readonly options: WarmOptions } {
    checkCount(bytes, 2, 'the keys');
    const { keyspace, keys, concurrency, keyTimeoutMs } = parse('WarmRequest', bytes, (b) => v1.WarmRequest.decode(b));
    const options = {
      ...(concurrency === 0 ? {} : { concurrency }),
      ...(keyTimeoutMs === 0 ? {} : { keyTimeoutMs }),
    };
    return { keyspace, keys, options };
  },
  hotKeys(bytes: Uint8Array): HotKeysOptions {
    const { keyspace, limit } = parse('HotKeysRequest', bytes, (b) => v1.HotKeysRequest.decode(b));
    return { ...(typeof keyspace === 'string' ? { keyspace } : {}), ...(limit === 0 ? {} : { limit }) };
  },
  updateKeyspace(bytes: Uint8Array): {
    readonly name: string;
    readonly changes: KeyspaceChanges;
    readonly dryRun: boolean;
  } {
    const { name, settings, dryRun } = parse('UpdateKeyspaceRequest', bytes, (b) => v1.UpdateKeyspaceRequest.decode(b));
    return { name, changes: changesIn(settings ?? {}), dryRun };
  },
  clearKeyspace: (bytes: Uint8Array): { readonly name: string } =>
    parse('ClearKeyspaceRequest', bytes, (b) => v1.ClearKeyspaceRequest.decode(b)),
  deleteKeyspaces(bytes: Uint8Array): { readonly names: readonly string[] } {
    checkCount(bytes, 1, 'the names');
    return parse('DeleteKeyspacesRequest', bytes, (b) => v1.DeleteKeyspacesRequest.decode(b));
  },
  locateKey: (bytes: Uint8Array): KeyRequest => parse('LocateKeyRequest', bytes, (b) => v1.LocateKeyRequest.decode(b)),
};

const outcomeNumber: Readonly<Record<Outcome, distcache.v1.Outcome>> = {
  hit: 1,
  hot: 2,
  load: 3,
  stale: 4,
  negative: 5,
};

function getReply(lookup: Lookup, wallMs: number): distcache.v1.GetReply.$Properties {
  return {
    found: lookup.found,
    outcome: outcomeNumber[lookup.outcome],
    node: lookup.node,
    version: lookup.version,
    ...(lookup.found ? { value: lookup.value } : {}),
    ...(lookup.found && lookup.staleMs !== undefined ? { staleMs: lookup.staleMs } : {}),
    ...(lookup.expiresAt === undefined ? {} : { lifeMs: Math.max(0, lookup.expiresAt.getTime() - wallMs) }),
  };
}

const replyOverheadBytes = 64;

/**
 * The answers of a GetMany, in order, cut into messages of about `chunkBytes`; made one at a time, so that a slow reader
 * costs one message. At least one message, so that an empty batch is answered too.
 */
export function* encodeGetMany(
  lookups: readonly (Lookup | FailedLookup)[],
  wallMs: number,
  chunkBytes: number,
): Generator<Buffer, void> {
  let entries: distcache.v1.GetManyEntry.$Properties[] = [];
  let sizeBytes = 0;
  for (const lookup of lookups) {
    if ('error' in lookup) {
      const { key, error } = lookup;
      const { code, message, node = '' } = error;
      entries.push({ failure: { key, code, message, node } });
      sizeBytes += replyOverheadBytes + key.length + message.length;
    } else {
      entries.push({ reply: getReply(lookup, wallMs) });
      sizeBytes += replyOverheadBytes + (lookup.value?.byteLength ?? 0);
    }
    if (sizeBytes >= chunkBytes) {
      yield bytesOf(v1.GetManyReply.encode({ entries }));
      entries = [];
      sizeBytes = 0;
    }
  }
  if (entries.length > 0 || lookups.length === 0) yield bytesOf(v1.GetManyReply.encode({ entries }));
}

export const encodeReply = {
  /** `wallMs`: now, to tell the remaining life of an entry rather than its end. */
  get: (lookup: Lookup, wallMs: number): Buffer => bytesOf(v1.GetReply.encode(getReply(lookup, wallMs))),
  write: ({ version, node, unreached }: WriteResult): Buffer =>
    bytesOf(v1.WriteReply.encode({ version, node, unreached: [...unreached] })),
  writeMany: ({ written, unreached }: WriteManyResult): Buffer =>
    bytesOf(v1.WriteManyReply.encode({ written, unreached: [...unreached] })),
  matchingDeleted: ({ version, removed, unreached }: SweepResult): Buffer =>
    bytesOf(v1.DeleteMatchingReply.encode({ version, removed, unreached: [...unreached] })),
  /** A batch of `total` writes that went through in part is an answer that lists what did not. */
  partialWrite: (failure: PartialFailure, total: number): Buffer =>
    bytesOf(
      v1.WriteManyReply.encode({
        written: Math.max(0, total - failure.failures.length),
        failures: failure.failures.map(({ key, code, message, node }) => ({ key, code, message, node })),
      }),
    ),
  drain: ({ handedOver, left }: DrainResult, node: string): Buffer =>
    bytesOf(v1.DrainReply.encode({ node, handedOver, left })),
  status: (status: NodeStatus): Buffer =>
    bytesOf(v1.StatusReply.encode({ ...status, gossipCounts: { ...status.gossipCounts } })),
  peers: (peers: readonly PeerStatus[]): Buffer => bytesOf(v1.ListPeersReply.encode({ peers: [...peers] })),
  keyspace: (keyspace: KeyspaceStatus): Buffer => bytesOf(v1.Keyspace.encode(keyspaceMessage(keyspace))),
  keyspaces: (keyspaces: readonly KeyspaceStatus[]): Buffer =>
    bytesOf(v1.ListKeyspacesReply.encode({ keyspaces: keyspaces.map(keyspaceMessage) })),
  keyspaceResult: (result: KeyspaceResult): Buffer => bytesOf(v1.KeyspaceResult.encode(resultMessage(result))),
  keyspaceUpdated: (result: KeyspaceResult): Buffer =>
    bytesOf(v1.UpdateKeyspaceReply.encode({ result: resultMessage(result) })),
  keyspacePreview: ({ before, after }: KeyspacePreview): Buffer =>
    bytesOf(v1.UpdateKeyspaceReply.encode({ before: inReply(before), after: inReply(after) })),
  keyspacesDeleted: (results: readonly KeyspaceResult[]): Buffer =>
    bytesOf(v1.DeleteKeyspacesReply.encode({ results: results.map(resultMessage) })),
  location: ({ owner, replicas, nodes }: KeyLocation): Buffer =>
    bytesOf(v1.LocateKeyReply.encode({ owner, replicas: [...replicas], nodes: [...nodes] })),
  warm: ({ failures, ...counts }: WarmResult, node: string): Buffer =>
    bytesOf(v1.WarmReply.encode({ node, ...counts, failures: failures.map((failure) => ({ ...failure })) })),
  hotKeys: (keyspaces: readonly HotKeyspace[], node: string): Buffer =>
    bytesOf(
      v1.HotKeysReply.encode({ node, keyspaces: keyspaces.map((space) => ({ ...space, keys: [...space.keys] })) }),
    ),
  /** `node`: who tells. `atMs`: milliseconds since 1970. */
  event: (event: ClusterEvent | { readonly type: 'listening' }, node: string, atMs: number): Buffer =>
    bytesOf(
      v1.Event.encode({
        atMs,
        type: event.type,
        node,
        ...('peer' in event ? { peer: memberMessage(event.peer) } : {}),
        ...('keyspace' in event ? { keyspace: event.keyspace } : {}),
        ...('missed' in event ? { missed: event.missed } : {}),
        ...('from' in event ? { from: event.from, to: event.to } : {}),
      }),
    ),
};

const inReply = (settings: KeyspaceSettings) =>
  settingsMessage(Object.entries(settings) as [Tunable, SettingValue][], 'reply');

const memberMessage = ({ address, ...rest }: Member): distcache.v1.Member.$Properties => ({ ...rest, grpc: address });

function keyspaceMessage(keyspace: KeyspaceStatus): distcache.v1.Keyspace.$Properties {
  const { defaultTtlMs, negativeTtlMs, staleWhileRevalidateMs, staleIfErrorMs, source, warmKeys, ...rest } = keyspace;
  return {
    ...rest,
    stats: { ...rest.stats },
    warmKeys: [...warmKeys],
    ...(defaultTtlMs === undefined ? {} : { defaultTtlMs }),
    ...(negativeTtlMs === undefined ? {} : { negativeTtlMs }),
    ...(staleWhileRevalidateMs === undefined ? {} : { staleWhileRevalidateMs }),
    ...(staleIfErrorMs === undefined ? {} : { staleIfErrorMs }),
    ...(source === undefined ? {} : { source: sourceMessage(source) }),
  };
}

function sourceMessage({ breaker, rateLimit, counts, ...rest }: SourceStatus): distcache.v1.SourceStatus.$Properties {
  return {
    ...rest,
    counts: { ...counts },
    ...(breaker === undefined ? {} : { breaker: breakerMessage(breaker) }),
    ...(rateLimit === undefined ? {} : { rateLimit: { ...rateLimit } }),
  };
}

const breakerMessage = ({ nextProbeInMs, ...rest }: BreakerStatus): distcache.v1.BreakerStatus.$Properties => ({
  ...rest,
  ...(nextProbeInMs === undefined ? {} : { nextProbeInMs }),
});
