import type { KeyspaceResult } from '../../src/base/errors.js';
import type { DrainResult, HotKeysOptions, HotKeyspace, KeyspaceStatus, NodeStatus } from '../../src/ports/cache.js';
import type { KeyspacePreview } from '../../src/ports/keyspace-changes.js';
import { sourceStatus } from './source-status.js';

/** The calls of a node's service that its doubles answer alike, by heart: all that hold no value. */
export abstract class CannedService {
  protected constructor(readonly keyspace: string) {}

  /** Fails where there is no such keyspace. */
  abstract describeKeyspace(name: string): KeyspaceStatus;

  describeKeyspaces(): readonly KeyspaceStatus[] {
    return [this.describeKeyspace(this.keyspace)];
  }

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

  drain(): Promise<DrainResult> {
    return Promise.resolve({ handedOver: 3, left: 1 });
  }

  /** Of the keys, `fail` fails, `held` is held and `missing` is nowhere. */
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
    const name = options.keyspace ?? this.keyspace;
    this.describeKeyspace(name);
    const keys = [
      { key: 'paris', hits: 30, share: 0.75, hitsPerSecond: 0.5, owner: 'other' },
      { key: 'oslo', hits: 10, share: 0.25, hitsPerSecond: 0.2, owner: 'other' },
    ];
    return [{ name, hits: 40, windowMs: 60_000, keys: keys.slice(0, options.limit) }];
  }
}

export const nodeStatus: NodeStatus = {
  node: 'node-a',
  version: '0.1.0',
  healthy: true,
  ready: true,
  uptimeMs: 5,
  ringShare: 1,
  peers: 1,
  grpc: '127.0.0.1:1',
  admin: 'off',
  gossip: 'none',
  state: 'serving',
  label: '',
  serving: true,
  incarnation: 1,
  weight: 1,
  gossipCounts: { gossip_packets_dropped_malformed: 3, probes: 7 },
  id: 'a',
};

export const keyspaceStatus: KeyspaceStatus = {
  name: 'ks',
  maxBytes: 1024 * 1024,
  defaultTtlMs: undefined,
  negativeTtlMs: undefined,
  readTimeoutMs: 5_000,
  writeTimeoutMs: 5_000,
  hotShare: 0.125,
  eviction: 'lru',
  warmKeys: [],
  ttlJitter: 0.1,
  staleWhileRevalidateMs: 30_000,
  staleIfErrorMs: undefined,
  source: sourceStatus,
  stats: {},
};
