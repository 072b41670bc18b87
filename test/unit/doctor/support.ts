import { expect } from 'chai';
import type { Check } from '../../../src/doctor/check.js';
import type { NodeView, Outside, Told } from '../../../src/doctor/cluster-view.js';
import type { KeyspaceStatus, NodeStatus, PeerStatus } from '../../../src/ports/cache.js';
import type { Member } from '../../../src/ports/membership.js';

/** `fail tls.key: what was found`. */
export const lines = (checks: readonly Check[]): readonly string[] =>
  checks.map(({ check, result, found }) => `${result} ${check}: ${found}`);

/** What warns or fails says what to do, and nothing else does. */
export function expectAdvice(checks: readonly Check[]): void {
  for (const { check, result, mend } of checks) {
    const needs = result === 'warn' || result === 'fail';
    expect(mend !== undefined && mend !== '', `${check} ${result} says what to do`).to.equal(needs);
  }
}

/** The one check of this name. */
export function one(checks: readonly Check[], check: string): Check {
  const found = checks.filter((candidate) => candidate.check === check);
  expect(found, `${check} in ${lines(checks).join('\n')}`).to.have.length(1);
  return found[0]!;
}

export const peer = (name: string, more: Partial<PeerStatus> = {}): PeerStatus => ({
  id: `id-${name}`,
  name,
  state: 'alive' satisfies Member['state'],
  isSelf: false,
  serving: true,
  bindAddr: '10.0.0.1',
  bindPort: 3320,
  discoveryPort: 3322,
  gossip: '10.0.0.1:3322',
  admin: '',
  ringShare: 0.5,
  incarnation: 1,
  weight: 1,
  version: '0.1.0',
  ...more,
});

export const keyspace = (name: string, more: Partial<KeyspaceStatus> = {}): KeyspaceStatus => ({
  name,
  maxBytes: 1024,
  defaultTtlMs: 1000,
  negativeTtlMs: undefined,
  ttlJitter: 0,
  staleWhileRevalidateMs: undefined,
  staleIfErrorMs: undefined,
  readTimeoutMs: 5000,
  writeTimeoutMs: 5000,
  hotShare: 0.125,
  eviction: 'lru',
  warmKeys: [],
  source: undefined,
  stats: {},
  ...more,
});

export const status = (node: string, more: Partial<NodeStatus> = {}): NodeStatus => ({
  node,
  version: '0.1.0',
  healthy: true,
  ready: true,
  uptimeMs: 1,
  ringShare: 0.5,
  peers: 2,
  grpc: '10.0.0.1:3320',
  admin: 'off',
  gossip: '10.0.0.1:3322',
  state: 'serving',
  label: '',
  serving: true,
  incarnation: 1,
  weight: 1,
  id: `id-${node}`,
  gossipCounts: { gossip_packets_sent: 5, gossip_packets_dropped_undecryptable: 0 },
  ...more,
});

export const outside = (more: Partial<Outside> = {}): Outside => ({
  address: '10.0.0.1:3320',
  tls: { is: 'tls', protocol: 'TLSv1.3', expiresMs: 100 * 86_400_000, refusedFor: undefined },
  takesOldTls: false,
  stranger: 'turned away',
  ...more,
});

export const view = (name: string, told: Partial<Told> = {}, more: Partial<NodeView> = {}): NodeView => ({
  name,
  told: {
    node: name,
    is: 'answered',
    answer: {
      status: status(name),
      peers: [],
      keyspaces: [keyspace('ks')],
      ahead: { ms: 0, unsureMs: 5 },
      ...told,
    },
  },
  grpc: outside(),
  admin: undefined,
  process: undefined,
  ...more,
});
