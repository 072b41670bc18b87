import { DistcacheError, type KeyspaceResult, PartialFailure } from '../../src/base/errors.js';
import type {
  CacheService,
  CallOptions,
  DrainResult,
  FailedLookup,
  HotKeysOptions,
  HotKeyspace,
  Lookup,
  NodeStatus,
} from '../../src/ports/cache.js';
import type { KeyspacePreview } from '../../src/ports/keyspace-changes.js';
import { sourceStatus } from './source-status.js';

/**
 * A node's service over a map, for tests of what stands before it. Keys with a meaning of their own: `missing` is not
 * found, `fail` fails, `slow` waits for its signal.
 */
export class StubCacheService implements CacheService {
  readonly entries = new Map<string, Uint8Array>();
  /** Options of every call, in order. */
  readonly options: CallOptions[] = [];
  ready = true;

  async deleteByTag() {
    return { version: 9, removed: 2, unreached: ['node-c'] };
  }

  async deleteByPrefix() {
    return { version: 9, removed: 1, unreached: [] };
  }

  async updateKeyspace(name: string): Promise<KeyspaceResult> {
    return { keyspace: name, nodes: [{ node: 'node-a', outcome: 'applied' }] };
  }

  async clearKeyspace(name: string): Promise<KeyspaceResult> {
    return this.updateKeyspace(name);
  }

  async deleteKeyspaces(names: readonly string[]): Promise<readonly KeyspaceResult[]> {
    return Promise.all(names.map((name) => this.updateKeyspace(name)));
  }

  previewKeyspace(): KeyspacePreview {
    throw new Error('not asked for');
  }

  async lookup(keyspace: string, key: string, options: CallOptions = {}): Promise<Lookup> {
    this.options.push(options);
    if (keyspace !== 'users') throw new DistcacheError('KEYSPACE_NOT_FOUND', `no keyspace ${keyspace}`);
    if (key === 'fail') throw new DistcacheError('DATA_SOURCE_FAILED', `source failed for ${key}`, { node: 'node-b' });
    if (key === 'fault') throw new TypeError('secret');
    if (key === 'slow') {
      await new Promise((_resolve, reject) => {
        options.signal?.addEventListener('abort', () => reject(new DistcacheError('ABORTED', 'aborted')), {
          once: true,
        });
      });
    }
    const read = { key, node: 'node-a', version: 7, expiresAt: undefined };
    const value = this.entries.get(key);
    if (value === undefined) return { ...read, found: false, outcome: 'negative' };
    return { ...read, found: true, outcome: 'hit', value };
  }

  async lookupMany(
    keyspace: string,
    keys: readonly string[],
    options: CallOptions = {},
  ): Promise<readonly (Lookup | FailedLookup)[]> {
    const all = keys.map((key) =>
      this.lookup(keyspace, key, options).catch((error: DistcacheError): FailedLookup => {
        if (error.code === 'KEYSPACE_NOT_FOUND') throw error;
        return { key, error };
      }),
    );
    return Promise.all(all);
  }

  async get(): Promise<never> {
    throw new Error('the server uses lookup');
  }

  async getMany(): Promise<never> {
    throw new Error('the server uses lookupMany');
  }

  async put(
    _keyspace: string,
    entry: { key: string; value: Uint8Array; ttlMs?: number | undefined },
    options: CallOptions = {},
  ) {
    this.options.push(options);
    this.entries.set(entry.key, Uint8Array.from(entry.value));
    return { version: 8, node: 'node-b', unreached: ['node-c'] };
  }

  async putMany(keyspace: string, entries: readonly { key: string; value: Uint8Array }[]) {
    const failed = entries.filter(({ key }) => key === 'fail');
    for (const entry of entries) if (entry.key !== 'fail') await this.put(keyspace, entry);
    if (failed.length === 0) return { written: entries.length, unreached: [] };
    throw new PartialFailure(
      'some failed',
      failed.map(({ key }) => ({ key, code: 'PEER_UNREACHABLE' as const, message: 'down', node: 'node-b' })),
    );
  }

  async delete(_keyspace: string, key: string) {
    this.entries.delete(key);
    return { version: 9, node: 'node-a', unreached: [] };
  }

  async deleteMany(_keyspace: string, keys: readonly string[]) {
    for (const key of keys) this.entries.delete(key);
    return { written: keys.length, unreached: ['node-d'] };
  }

  drain(): Promise<DrainResult> {
    return Promise.resolve({ handedOver: 3, left: 1 });
  }

  status(): NodeStatus {
    return {
      node: 'node-a',
      version: '0.1.0',
      healthy: true,
      ready: this.ready,
      uptimeMs: 5,
      ringShare: 1,
      peers: 1,
      grpc: '127.0.0.1:1',
      admin: 'off',
      gossip: 'none',
      state: this.ready ? 'serving' : 'starting',
      label: 'test',
      serving: this.ready,
      incarnation: 1,
      weight: 1,
      gossipCounts: { gossip_packets_dropped_malformed: 3, probes: 7 },
      id: 'a',
    };
  }

  peers() {
    return [];
  }

  async warm(keyspace: string, keys: readonly string[]) {
    this.describeKeyspace(keyspace);
    const failures = keys
      .filter((key) => key === 'fail')
      .map((key) => ({ key, code: 'DATA_SOURCE_FAILED' as const, message: 'down', node: '' }));
    const held = keys.includes('held') ? 1 : 0;
    const missing = keys.includes('missing') ? 1 : 0;
    return { loaded: keys.length - failures.length - held - missing, held, missing, failures };
  }

  hotKeys(options: HotKeysOptions = {}): readonly HotKeyspace[] {
    const name = options.keyspace ?? 'users';
    this.describeKeyspace(name);
    const keys = [
      { key: 'paris', hits: 30, share: 0.75, hitsPerSecond: 0.5, owner: 'other' },
      { key: 'oslo', hits: 10, share: 0.25, hitsPerSecond: 0.2, owner: 'other' },
    ];
    return [{ name, hits: 40, windowMs: 60_000, keys: keys.slice(0, options.limit) }];
  }

  locate() {
    return { owner: 'node-a', replicas: [], nodes: [{ name: 'node-a', share: 1 }] };
  }

  async *events(): AsyncGenerator<never, undefined> {}

  describeKeyspaces() {
    return [this.describeKeyspace('users')];
  }

  describeKeyspace(name: string) {
    if (name !== 'users') throw new DistcacheError('KEYSPACE_NOT_FOUND', `no keyspace ${name}`);
    return {
      name,
      maxBytes: 1 << 20,
      defaultTtlMs: undefined,
      negativeTtlMs: 500,
      readTimeoutMs: 5_000,
      writeTimeoutMs: 5_000,
      hotShare: 0.125,
      eviction: 'lru',
      warmKeys: [],
      ttlJitter: 0.1,
      staleWhileRevalidateMs: 30_000,
      staleIfErrorMs: undefined,
      source: sourceStatus,
      stats: { gets: 3, hit_ratio: 0.5 },
    };
  }
}
