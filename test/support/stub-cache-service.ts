import { DistcacheError, PartialFailure } from '../../src/base/errors.js';
import type {
  CacheService,
  CallOptions,
  FailedLookup,
  KeyspaceStatus,
  Lookup,
  NodeStatus,
} from '../../src/ports/cache.js';
import { CannedService, keyspaceStatus, nodeStatus } from './canned-service.js';

/**
 * A node's service over a map, for tests of what stands before it. Keys with a meaning of their own: `missing` is not
 * found, `fail` fails, `slow` waits for its signal.
 */
export class StubCacheService extends CannedService implements CacheService {
  readonly entries = new Map<string, Uint8Array>();
  /** Options of every call, in order. */
  readonly options: CallOptions[] = [];
  ready = true;

  constructor() {
    super('users');
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

  status(): NodeStatus {
    const state = this.ready ? 'serving' : 'starting';
    return { ...nodeStatus, ready: this.ready, state, label: 'test', serving: this.ready };
  }

  peers() {
    return [];
  }

  locate() {
    return { owner: 'node-a', replicas: [], nodes: [{ name: 'node-a', share: 1 }] };
  }

  async *events(): AsyncGenerator<never, undefined> {}

  describeKeyspace(name: string): KeyspaceStatus {
    if (name !== 'users') throw new DistcacheError('KEYSPACE_NOT_FOUND', `no keyspace ${name}`);
    return { ...keyspaceStatus, name, negativeTtlMs: 500, stats: { gets: 3, hit_ratio: 0.5 } };
  }
}
