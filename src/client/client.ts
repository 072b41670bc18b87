import { DistcacheError, invalidArgument, type KeyspaceResult, PartialFailure } from '../base/errors.js';
import { systemClock } from '../platform/clock.js';
import type {
  Cache,
  CallOptions,
  DrainResult,
  FailedLookup,
  Found,
  GetOptions,
  HotKeysOptions,
  KeyLocation,
  KeyspaceStatus,
  Lookup,
  NodeStatus,
  PeerStatus,
  PutEntry,
  SweepResult,
  WarmResult,
  WriteManyResult,
  WriteOptions,
  WriteResult,
} from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import type { KeyspaceChanges, KeyspacePreview } from '../ports/keyspace-changes.js';
import { readFlagsOf, writeFlagsOf } from '../wire/public.js';
import { checkKey, entryBound, entryMessage, keyBytes, timeoutOf } from './arguments.js';
import { batchesOf, writeInBatches } from './batches.js';
import { type Ask, type Call, type HeadersGiven, headersOf, type Method, serverStream, unary } from './calls.js';
import { watchEvents } from './events.js';
import { askEach, type NodeAnswer } from './everywhere.js';
import { KeyspaceCalls } from './keyspace-calls.js';
import { asked, type ClientTls, type LinkOptions, Links } from './links.js';
import { methods } from './methods.js';
import type { WatchedEvent } from './replies.js';
import {
  failedLookupOf,
  failureOf,
  keyLocationOf,
  keyspaceStatusOf,
  lookupOf,
  nodeStatusOf,
  peerStatusOf,
  writeResultOf,
} from './replies.js';
import { type ClientWarmOptions, type ClusterHotKeys, hotKeysOfAll, WarmthCalls } from './warmth-calls.js';

export interface ConnectOptions {
  /** `host:port` of one or more nodes of the same cluster; the next is tried when one is out of reach. */
  readonly addresses: readonly string[];
  /** For each call, in milliseconds, unless the call brings its own; 5000 without. */
  readonly timeoutMs?: number | undefined;
  /** Largest answer accepted, in bytes; 64 MiB without. A larger one is refused with VALUE_TOO_LARGE. */
  readonly maxMessageBytes?: number | undefined;
  /**
   * Asked for each call, and sent with it: `traceparent` and `tracestate` have the node go on with the caller's trace.
   * What it throws leaves them out.
   */
  readonly headers?: (() => Readonly<Record<string, string>>) | undefined;
  /** Shown with every call. A function is asked each time, so that a token can change while the client lives. */
  readonly token?: string | (() => string) | undefined;
  /**
   * Speaks TLS; `{}` trusts the authorities that the machine trusts. A function is asked for each new connection, so that
   * certificates can change while the client lives. Without: in the clear.
   */
  readonly tls?: ClientTls | (() => ClientTls) | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * A running cluster, asked over the network. Any node answers for every key. Calls reject with DistcacheError and the
 * codes of the node that failed; with PEER_UNREACHABLE when no address is within reach, TIMEOUT when a node took the
 * call and did not answer in time, ABORTED when the caller's signal fired, NOT_STARTED after `close`.
 */
export interface Client extends Cache {
  /** As `get`, but a key that the data source does not have is an answer. */
  lookup(keyspace: string, key: string, options?: GetOptions): Promise<Lookup>;
  /** As `getMany`, but a key that failed is an element too. */
  lookupMany(
    keyspace: string,
    keys: readonly string[],
    options?: GetOptions,
  ): Promise<readonly (Lookup | FailedLookup)[]>;
  /** Of the node that answers. */
  status(options?: CallOptions): Promise<NodeStatus>;
  peers(options?: CallOptions): Promise<readonly PeerStatus[]>;
  keyspaces(options?: CallOptions): Promise<readonly KeyspaceStatus[]>;
  /** Rejects with KEYSPACE_NOT_FOUND. */
  keyspace(name: string, options?: CallOptions): Promise<KeyspaceStatus>;
  /**
   * Changes options of a keyspace on every node; entries that are valid stay. Rejects with PARTIAL_FAILURE where a node could
   * not be told, which has the results of all.
   */
  updateKeyspace(name: string, changes: KeyspaceChanges, options?: CallOptions): Promise<KeyspaceResult>;
  /** What that would change on the node that answers; nothing is changed. */
  previewKeyspace(name: string, changes: KeyspaceChanges, options?: CallOptions): Promise<KeyspacePreview>;
  /** Empties a keyspace on every node: no node then answers with anything from before. Rejects as `updateKeyspace` does. */
  clearKeyspace(name: string, options?: CallOptions): Promise<KeyspaceResult>;
  /** Removes keyspaces on every node. All are checked before the first is removed. Rejects as `updateKeyspace` does. */
  deleteKeyspaces(names: readonly string[], options?: CallOptions): Promise<readonly KeyspaceResult[]>;
  /** Who owns a key, as the node that answers sees it. Rejects with KEYSPACE_NOT_FOUND. */
  locate(keyspace: string, key: string, options?: CallOptions): Promise<KeyLocation>;
  /**
   * Loads keys ahead of need, each by its owner, in batches; `onProgress` is told how many are done. `timeoutMs` is for each
   * key. Keys that failed are listed; rejects where a batch could not be asked for at all.
   */
  warm(keyspace: string, keys: readonly string[], options?: ClientWarmOptions): Promise<WarmResult>;
  /** The keys that callers ask for most, over all nodes. Who could not be asked is named in `unreached`. */
  hotKeys(options?: CallOptions & HotKeysOptions): Promise<ClusterHotKeys>;
  /** Asks every node by itself, through a client of its own; some at a time, each within the call's time-out. */
  eachNode<T>(ask: (node: Client) => Promise<T>, options?: CallOptions): Promise<readonly NodeAnswer<T>[]>;
  /** Takes the node that answers out of the ring and hands what it holds to the owners to come; it goes on answering. */
  drain(options?: CallOptions): Promise<DrainResult & { readonly node: string }>;
  /**
   * What happens in the cluster, as one node sees it; the first event says `listening`. The time-out is that of
   * subscribing. Ends when that node stops; rejects with PEER_UNREACHABLE when the connection to it breaks.
   */
  events(options?: CallOptions): AsyncGenerator<WatchedEvent, void>;
  /** Ends the connections; calls under way fail. May be called twice. */
  close(): Promise<void>;
}

const defaultTimeoutMs = 5_000;
const defaultMaxMessageBytes = 64 * 1024 * 1024;
/** Per request of a batch. Nodes refuse longer batches (limits.maxBatch, 10,000 unless configured) and messages beyond their largest value. */
const batchLimits = { items: 1_000, bytes: 1024 * 1024 };

/**
 * Opens a client. Connections are made when they are first needed, so this neither waits nor fails for want of a node.
 *
 * @example
 * const client = connect({ addresses: ['10.0.0.2:3320', '10.0.0.3:3320'] });
 * const { value } = await client.get('users', '42');
 * await client.put('users', { key: '42', value: new TextEncoder().encode('Ada'), ttlMs: 30_000 });
 * await client.close();
 */
export function connect(options: ConnectOptions): Client {
  const { addresses, timeoutMs = defaultTimeoutMs, maxMessageBytes = defaultMaxMessageBytes } = options;
  if (addresses.length === 0) throw invalidArgument('addresses is empty, must name at least one node as host:port');
  if (!(Number.isSafeInteger(maxMessageBytes) && maxMessageBytes > 0)) {
    throw invalidArgument(`maxMessageBytes is ${maxMessageBytes}, must be a whole number above 0`);
  }
  const { clock = systemClock, token, tls } = options;
  const headers = headersOf(options.headers);
  return new GrpcClient({
    addresses,
    timeoutMs: timeoutOf(timeoutMs),
    maxMessageBytes,
    headers,
    clock,
    token: asked(token),
    tls: asked(tls),
  });
}

class GrpcClient implements Client {
  readonly #links: Links;
  readonly #ask: Ask = (method, request, what, options, repeatable) =>
    this.#unary(method, request, this.#call(what, options), repeatable);
  readonly #keyspaces = new KeyspaceCalls(this.#ask);
  readonly #warmth = new WarmthCalls(this.#ask);

  constructor(
    private readonly options: LinkOptions & Pick<ConnectOptions, 'addresses'> & Pick<Call, 'timeoutMs'> & HeadersGiven,
  ) {
    this.#links = new Links(options.addresses, options);
  }

  async get(keyspace: string, key: string, options?: GetOptions): Promise<Found> {
    const lookup = await this.lookup(keyspace, key, options);
    if (lookup.found) return lookup;
    throw new DistcacheError(
      'NOT_FOUND',
      `${JSON.stringify(key)} is not in ${keyspace}: its data source has no such key`,
      {
        node: lookup.node,
      },
    );
  }

  async lookup(keyspace: string, key: string, options?: GetOptions): Promise<Lookup> {
    checkKey(key);
    const call = this.#call(`get ${JSON.stringify(key)} of ${keyspace}`, options);
    return lookupOf(
      key,
      await this.#unary(methods.get, { keyspace, key, ...readFlagsOf(options) }, call, true),
      this.options.clock,
    );
  }

  async getMany(keyspace: string, keys: readonly string[], options?: GetOptions): Promise<readonly Lookup[]> {
    const entries = await this.lookupMany(keyspace, keys, options);
    const found: Lookup[] = [];
    const failed: FailedLookup[] = [];
    for (const entry of entries) 'error' in entry ? failed.push(entry) : found.push(entry);
    if (failed.length === 0) return found;
    const failures = failed.map(({ key, error }) => ({
      key,
      code: error.code,
      message: error.message,
      node: error.node ?? '',
    }));
    throw new PartialFailure(
      `get ${keys.length} keys of ${keyspace}: ${failed.length} failed, first ${JSON.stringify(failures[0]!.key)}: ${failures[0]!.message}`,
      failures,
    );
  }

  async lookupMany(
    keyspace: string,
    keys: readonly string[],
    options?: GetOptions,
  ): Promise<readonly (Lookup | FailedLookup)[]> {
    for (const key of keys) checkKey(key);
    const call = this.#call(`get ${keys.length} keys of ${keyspace}`, options);
    const entries: (Lookup | FailedLookup)[] = [];
    for (const batch of batchesOf(keys, batchLimits, keyBytes)) {
      entries.push(...(await this.#lookupBatch(keyspace, batch, call, options)));
    }
    return entries;
  }

  #lookupBatch(
    keyspace: string,
    keys: readonly string[],
    call: Call,
    options: GetOptions | undefined,
  ): Promise<(Lookup | FailedLookup)[]> {
    return this.#links.use(call.what, call.wait, true, async (link, wait) => {
      const entries: (Lookup | FailedLookup)[] = [];
      for await (const message of serverStream(
        link,
        methods.getMany,
        { keyspace, keys: [...keys], ...readFlagsOf(options) },
        { ...call, wait },
      )) {
        for (const { reply, failure } of message.entries ?? []) {
          const key = keys[entries.length];
          if (key === undefined) throw malformed(call, link.address, 'more answers than keys');
          entries.push(failure == null ? lookupOf(key, reply ?? {}, this.options.clock) : failedLookupOf(key, failure));
        }
      }
      if (entries.length < keys.length) throw malformed(call, link.address, 'fewer answers than keys');
      return entries;
    });
  }

  async put(keyspace: string, entry: PutEntry, options?: WriteOptions): Promise<WriteResult> {
    const call = this.#call(`put ${JSON.stringify(entry.key)} of ${keyspace}`, options);
    const message = { keyspace, entry: entryMessage(entry, this.options.clock), ...writeFlagsOf(options) };
    return writeResultOf(await this.#unary(methods.put, message, call, false));
  }

  async putMany(keyspace: string, entries: readonly PutEntry[], options?: WriteOptions): Promise<WriteManyResult> {
    const messages = entries.map((entry) => entryMessage(entry, this.options.clock));
    const call = this.#call(`put ${entries.length} keys of ${keyspace}`, options);
    const batches = batchesOf(messages, batchLimits, entryBound);
    return writeInBatches(
      call.what,
      messages,
      batches,
      (entry) => entry.key,
      async (batch) => {
        const message = { keyspace, entries: [...batch], ...writeFlagsOf(options) };
        const reply = await this.#unary(methods.putMany, message, call, false);
        return { written: reply.written, unreached: reply.unreached, failures: reply.failures.map(failureOf) };
      },
    );
  }

  async delete(keyspace: string, key: string, options?: WriteOptions): Promise<WriteResult> {
    checkKey(key);
    const call = this.#call(`delete ${JSON.stringify(key)} of ${keyspace}`, options);
    return writeResultOf(await this.#unary(methods.delete, { keyspace, key, ...writeFlagsOf(options) }, call, false));
  }

  async deleteMany(keyspace: string, keys: readonly string[], options?: WriteOptions): Promise<WriteManyResult> {
    for (const key of keys) checkKey(key);
    const call = this.#call(`delete ${keys.length} keys of ${keyspace}`, options);
    const batches = batchesOf(keys, batchLimits, keyBytes);
    return writeInBatches(
      call.what,
      keys,
      batches,
      (key) => key,
      async (batch) => {
        const message = { keyspace, keys: [...batch], ...writeFlagsOf(options) };
        const reply = await this.#unary(methods.deleteMany, message, call, false);
        return { written: reply.written, unreached: reply.unreached, failures: reply.failures.map(failureOf) };
      },
    );
  }

  async status(options?: CallOptions): Promise<NodeStatus> {
    return nodeStatusOf(await this.#unary(methods.status, {}, this.#call('node status', options), true));
  }

  async peers(options?: CallOptions): Promise<readonly PeerStatus[]> {
    const reply = await this.#unary(methods.listPeers, {}, this.#call('list peers', options), true);
    return reply.peers.map(peerStatusOf);
  }

  async keyspaces(options?: CallOptions): Promise<readonly KeyspaceStatus[]> {
    const reply = await this.#unary(methods.listKeyspaces, {}, this.#call('list keyspaces', options), true);
    return reply.keyspaces.map(keyspaceStatusOf);
  }

  async keyspace(name: string, options?: CallOptions): Promise<KeyspaceStatus> {
    const call = this.#call(`show keyspace ${name}`, options);
    return keyspaceStatusOf(await this.#unary(methods.getKeyspace, { name }, call, true));
  }

  deleteByTag(keyspace: string, tag: string, options?: CallOptions): Promise<SweepResult> {
    return this.#keyspaces.deleteMatching(keyspace, 'tag', tag, options);
  }

  deleteByPrefix(keyspace: string, prefix: string, options?: CallOptions): Promise<SweepResult> {
    return this.#keyspaces.deleteMatching(keyspace, 'prefix', prefix, options);
  }

  updateKeyspace(name: string, changes: KeyspaceChanges, options?: CallOptions): Promise<KeyspaceResult> {
    return this.#keyspaces.update(name, changes, options);
  }

  previewKeyspace(name: string, changes: KeyspaceChanges, options?: CallOptions): Promise<KeyspacePreview> {
    return this.#keyspaces.preview(name, changes, options);
  }

  clearKeyspace(name: string, options?: CallOptions): Promise<KeyspaceResult> {
    return this.#keyspaces.clear(name, options);
  }

  deleteKeyspaces(names: readonly string[], options?: CallOptions): Promise<readonly KeyspaceResult[]> {
    return this.#keyspaces.delete(names, options);
  }

  async locate(keyspace: string, key: string, options?: CallOptions): Promise<KeyLocation> {
    checkKey(key);
    const call = this.#call(`locate ${JSON.stringify(key)} of ${keyspace}`, options);
    return keyLocationOf(await this.#unary(methods.locateKey, { keyspace, key }, call, true));
  }

  warm(keyspace: string, keys: readonly string[], options?: ClientWarmOptions): Promise<WarmResult> {
    for (const key of keys) checkKey(key);
    return this.#warmth.warm(keyspace, keys, { ...options, timeoutMs: options?.timeoutMs ?? this.options.timeoutMs });
  }

  hotKeys(options: CallOptions & HotKeysOptions = {}): Promise<ClusterHotKeys> {
    return hotKeysOfAll((ask) => this.eachNode((node) => ask((node as GrpcClient).#warmth), options), options);
  }

  async eachNode<T>(ask: (node: Client) => Promise<T>, options?: CallOptions): Promise<readonly NodeAnswer<T>[]> {
    return askEach(await this.peers(options), async (address) => {
      const node = new GrpcClient({ ...this.options, addresses: [address] });
      try {
        return await ask(node);
      } finally {
        await node.close();
      }
    });
  }

  async drain(options?: CallOptions): Promise<DrainResult & { readonly node: string }> {
    const { node, handedOver, left } = await this.#unary(methods.drain, {}, this.#call('drain a node', options), false);
    return { node, handedOver, left };
  }

  async *events(options?: CallOptions): AsyncGenerator<WatchedEvent, void> {
    const call = this.#call('follow events', options);
    yield* await this.#links.use(call.what, call.wait, true, (link, wait) => watchEvents(link, { ...call, wait }));
  }

  async close(): Promise<void> {
    this.#links.close();
  }

  #unary<Request, Reply>(
    method: Method<Request, Reply>,
    request: Request,
    call: Call,
    repeatable: boolean,
  ): Promise<Reply> {
    return this.#links.use(call.what, call.wait, repeatable, (link, wait) =>
      unary(link, method, request, { ...call, wait }),
    );
  }

  #call(what: string, options: CallOptions = {}): Call {
    const { clock, maxMessageBytes, headers } = this.options;
    const timeoutMs = timeoutOf(options.timeoutMs ?? this.options.timeoutMs);
    const wait = { deadlineMs: clock.nowMs() + timeoutMs, signal: options.signal };
    return { what, wait, timeoutMs, maxMessageBytes, clock, headers: headers() };
  }
}

const malformed = (call: Call, address: string, what: string): DistcacheError =>
  new DistcacheError('PEER_UNREACHABLE', `${call.what}: ${address} sent ${what}; does it run the same release?`);
