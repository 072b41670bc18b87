import { fileURLToPath } from 'node:url';
import { DistcacheError, PartialFailure } from '../../src/base/errors.js';
import { EventHub } from '../../src/engine/events.js';
import { systemClock } from '../../src/platform/clock.js';
import type {
  CacheService,
  CallOptions,
  ClusterEvent,
  FailedLookup,
  Found,
  GetOptions,
  KeyLocation,
  KeyspaceStatus,
  Lookup,
  NodeStatus,
  PeerStatus,
  PutEntry,
  WriteManyResult,
  WriteOptions,
  WriteResult,
} from '../../src/ports/cache.js';
import { silent } from '../../src/ports/log.js';
import { createGrpcServer } from '../../src/transport/grpc-server.js';
import { CannedService, keyspaceStatus, nodeStatus } from './canned-service.js';
import { openAccess, serverLimits } from './grpc-nodes.js';

/** What a test wants to go wrong; keys of `refuse` fail with the code that stands there. */
export interface Mischief {
  readonly refuse: Map<string, DistcacheError>;
  /** Names that every write reports as not reached. */
  unreached: readonly string[];
  /** Calls never end until their caller gives up. */
  silent: boolean;
}

const maxValueBytes = 16 * 1024 * 1024;

/** A node of one keyspace `ks` over a Map, behind the real gRPC server: the double that client and CLI are tested on. */
export class FakeService extends CannedService implements CacheService {
  /** What is found has expired so long ago. */
  staleMs: number | undefined = undefined;
  readonly values = new Map<string, { value: Uint8Array; ttlMs: number | undefined; version: number }>();
  /** Of what was put, by key. */
  readonly tags = new Map<string, readonly string[]>();
  readonly mischief: Mischief = { refuse: new Map(), unreached: [], silent: false };
  /** Calls seen, by name. */
  readonly calls: string[] = [];
  /** How new a read was to be, and when a write was to be answered, of the latest call. */
  asked: Pick<GetOptions, 'minVersion' | 'consistency'> & Pick<WriteOptions, 'ack'> = {};
  /** What those who follow the events are told. */
  readonly hub = new EventHub();
  #version = 0;

  constructor(
    readonly name: string,
    readonly address: () => string,
  ) {
    super('ks');
  }

  async get(keyspace: string, key: string, options?: CallOptions): Promise<Found> {
    const lookup = await this.lookup(keyspace, key, options);
    if (lookup.found) return lookup;
    throw new DistcacheError('NOT_FOUND', `no ${key}`);
  }

  async getMany(keyspace: string, keys: readonly string[], options?: CallOptions): Promise<readonly Lookup[]> {
    return Promise.all(keys.map((key) => this.lookup(keyspace, key, options)));
  }

  async lookup(keyspace: string, key: string, options?: CallOptions): Promise<Lookup> {
    await this.#enter('lookup', keyspace, options);
    return this.#lookup(key);
  }

  async lookupMany(
    keyspace: string,
    keys: readonly string[],
    options?: CallOptions,
  ): Promise<readonly (Lookup | FailedLookup)[]> {
    await this.#enter(`lookupMany ${keys.length}`, keyspace, options);
    return keys.map((key) => {
      const error = this.mischief.refuse.get(key);
      return error === undefined ? this.#lookup(key) : { key, error };
    });
  }

  async put(keyspace: string, entry: PutEntry, options?: CallOptions): Promise<WriteResult> {
    await this.#enter('put', keyspace, options);
    return { version: this.#put(entry), node: this.name, unreached: this.mischief.unreached };
  }

  async putMany(keyspace: string, entries: readonly PutEntry[], options?: CallOptions): Promise<WriteManyResult> {
    await this.#enter(`putMany ${entries.length}`, keyspace, options);
    return this.#batch(
      entries,
      ({ key }) => key,
      (entry) => this.#put(entry),
    );
  }

  async delete(keyspace: string, key: string, options?: CallOptions): Promise<WriteResult> {
    await this.#enter('delete', keyspace, options);
    this.#delete(key);
    return { version: ++this.#version, node: this.name, unreached: this.mischief.unreached };
  }

  async deleteMany(keyspace: string, keys: readonly string[], options?: CallOptions): Promise<WriteManyResult> {
    await this.#enter(`deleteMany ${keys.length}`, keyspace, options);
    return this.#batch(
      keys,
      (key) => key,
      (key) => this.#delete(key),
    );
  }

  status(): NodeStatus {
    return {
      ...nodeStatus,
      node: this.name,
      uptimeMs: 61_000,
      ringShare: 0.5,
      peers: 2,
      grpc: this.address(),
      incarnation: 7,
    };
  }

  peers(): readonly PeerStatus[] {
    const peer = {
      bindAddr: '127.0.0.1',
      discoveryPort: 0,
      admin: '',
      ringShare: 0.5,
      incarnation: 1,
      weight: 1,
      version: '0.1.0',
      gossip: 'none',
      serving: true,
    };
    const gossip = '127.0.0.1:7946';
    const foreign = { bindAddr: '', bindPort: 0, discoveryPort: 7946, gossip, ringShare: 0, weight: 0, version: '' };
    return [
      { ...peer, id: 'a', name: this.name, state: 'alive', isSelf: true, bindPort: 3320 },
      { ...peer, id: 'b', name: 'other', state: 'suspect', isSelf: false, bindPort: 3321 },
      { ...peer, ...foreign, id: 'c', name: 'serf', state: 'alive', isSelf: false, serving: false },
    ];
  }

  locate(keyspace: string, key: string): KeyLocation {
    checkKeyspace(keyspace);
    this.#refuse(key);
    const nodes = [
      { name: this.name, share: 0.45 },
      { name: 'other', share: 0.55 },
    ];
    return { owner: 'other', replicas: [], nodes };
  }

  events(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<ClusterEvent> {
    return this.hub.subscribe(options?.signal);
  }

  describeKeyspace(name: string): KeyspaceStatus {
    checkKeyspace(name);
    return {
      ...keyspaceStatus,
      maxBytes: 64 * 1024 * 1024,
      defaultTtlMs: 300_000,
      stats: { gets: 10, cache_hits: 9, loads: 1, entries: this.values.size, main_cache_bytes: 1536 },
    };
  }

  async #enter(
    call: string,
    keyspace: string,
    options: (CallOptions & GetOptions & WriteOptions) | undefined,
  ): Promise<void> {
    const { minVersion, consistency, ack } = options ?? {};
    this.asked = { minVersion, consistency, ack };
    this.calls.push(call);
    if (this.mischief.silent) {
      await new Promise<void>((_, reject) => {
        options?.signal?.addEventListener('abort', () => reject(new DistcacheError('ABORTED', 'given up')));
      });
    }
    checkKeyspace(keyspace);
  }

  #lookup(key: string): Lookup {
    this.#refuse(key);
    const entry = this.values.get(key);
    const read = { key, node: this.name, expiresAt: undefined };
    if (entry === undefined) return { ...read, found: false, outcome: 'negative', version: 0 };
    const { staleMs } = this;
    if (staleMs !== undefined) {
      const late = { outcome: 'stale', staleMs, expiresAt: new Date(systemClock.wallMs() - staleMs) } as const;
      return { ...read, found: true, value: entry.value, version: entry.version, ...late };
    }
    const expiresAt = entry.ttlMs === undefined ? undefined : new Date(systemClock.wallMs() + entry.ttlMs);
    return { ...read, found: true, outcome: 'hit', value: entry.value, version: entry.version, expiresAt };
  }

  #put({ key, value, ttlMs, tags = [] }: PutEntry): number {
    this.#refuse(key);
    if (value.byteLength > maxValueBytes) {
      throw new DistcacheError(
        'VALUE_TOO_LARGE',
        `value is ${value.byteLength} bytes long; limits.maxValueBytes allows ${maxValueBytes}`,
      );
    }
    this.tags.set(key, tags);
    this.values.set(key, { value: value.slice(), ttlMs, version: ++this.#version });
    return this.#version;
  }

  #delete(key: string): void {
    this.#refuse(key);
    this.values.delete(key);
  }

  #batch<T>(items: readonly T[], keyOf: (item: T) => string, write: (item: T) => void): WriteManyResult {
    const failures = [];
    for (const item of items) {
      try {
        write(item);
      } catch (error) {
        const { code, message } = error as DistcacheError;
        failures.push({ key: keyOf(item), code, message, node: this.name });
      }
    }
    if (failures.length > 0) throw new PartialFailure('some keys failed', failures);
    return { written: items.length, unreached: this.mischief.unreached };
  }

  #refuse(key: string): void {
    if (key === '') throw new DistcacheError('INVALID_ARGUMENT', 'key is empty, must have at least one character');
    const error = this.mischief.refuse.get(key);
    if (error !== undefined) throw error;
  }
}

function checkKeyspace(name: string): void {
  if (name !== 'ks') throw new DistcacheError('KEYSPACE_NOT_FOUND', `no keyspace ${name}; there is ks`);
}

export interface FakeNode {
  readonly address: string;
  readonly service: FakeService;
  stop(): Promise<void>;
}

export async function startFakeNode(name = 'fake-1', port = 0): Promise<FakeNode> {
  let address = '';
  const service = new FakeService(name, () => address);
  const server = await createGrpcServer({
    addr: '127.0.0.1',
    port,
    service,
    links: {
      accept: () => {
        throw new Error('a fake node has no peers');
      },
    },
    limits: { ...serverLimits, maxKeyBytes: 4096, maxValueBytes, maxFrameBytes: maxValueBytes },
    protoDir: fileURLToPath(new URL('../../proto', import.meta.url)),
    log: silent,
    clock: systemClock,
    access: openAccess(),
  });
  address = `127.0.0.1:${server.port}`;
  return { address, service, stop: () => server.stop({ deadlineMs: systemClock.nowMs() }) };
}
