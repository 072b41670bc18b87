import { codeOf, messageOf } from '../base/errors.js';
import { formatDuration } from '../base/units.js';
import type { KeyspaceStatus, PeerStatus } from '../ports/cache.js';
import { type Check, fail, ok, skip, warn } from './check.js';
import type { ClusterView, NodeView, Told } from './cluster-view.js';

/** Versions of writes from a clock further ahead are refused; half of it is a reason to look at the clocks. */
const skewFailMs = 500;
const skewWarnMs = 250;

/** @param mayBeAbsent nobody said that a cluster runs */
export function checkCluster(view: ClusterView, mayBeAbsent: boolean): readonly Check[] {
  if (view.is === 'unseen') return [unseen(view.error, mayBeAbsent)];
  const { peers, nodes } = view;
  const told = nodes.flatMap(({ name, told }) => (told.is === 'answered' ? [{ name, ...told.answer }] : []));
  return [
    ...checkMembers(peers),
    ...checkReach(nodes),
    ...checkReadiness(told),
    ...checkAgreement(told),
    ...checkVersions(peers),
    ...checkKeyspaces(told),
    ...checkBreakers(told),
    ...checkClocks(told),
    ...checkGossip(told),
  ];
}

function unseen(error: unknown, mayBeAbsent: boolean): Check {
  const found = messageOf(error);
  const code = codeOf(error);
  if (mayBeAbsent && code === 'PEER_UNREACHABLE') return skip('cluster', `no node runs there yet: ${found}`);
  const mend =
    code === 'UNAUTHORIZED'
      ? 'show what it asks for: --tls-ca, and --tls-cert with --tls-key or a --token that may read every keyspace'
      : 'start a node, or name one that runs (--addr)';
  return fail('cluster', found, mend);
}

const listed = (names: readonly string[]): string => [...new Set(names)].sort().join(', ');

interface Teller extends Told {
  readonly name: string;
}

function checkMembers(peers: readonly PeerStatus[]): readonly Check[] {
  const check = 'members';
  const inState = (state: PeerStatus['state']): readonly string[] =>
    peers.filter((peer) => peer.state === state).map(({ name }) => name);
  const [dead, suspect, draining] = [inState('dead'), inState('suspect'), inState('draining')];
  const idle = peers.filter(({ state, serving, bindAddr }) => state === 'alive' && !serving && bindAddr !== '');
  const found = [
    ...(dead.length === 0
      ? []
      : [fail(check, `${listed(dead)}: dead`, 'look at the log of that node, and start it again')]),
    ...(suspect.length === 0
      ? []
      : [
          warn(check, `${listed(suspect)}: suspect, it does not answer in time`, 'look at its load and at the network'),
        ]),
    ...(draining.length === 0
      ? []
      : [warn(check, `${listed(draining)}: draining, it owns no keys any more`, 'stop it, or start it again')]),
    ...(idle.length === 0
      ? []
      : [
          warn(
            check,
            `${listed(idle.map(({ name }) => name))}: alive, but does not serve`,
            'it may be starting, or have no links to the others: see its log, and the reach of its gRPC address',
          ),
        ]),
  ];
  if (found.length > 0) return found;
  return [
    ok(
      check,
      `${peers.filter(({ state }) => state === 'alive').length} alive: ${listed(peers.map(({ name }) => name))}`,
    ),
  ];
}

function checkReach(nodes: readonly NodeView[]): readonly Check[] {
  const check = 'reach';
  const failed = nodes.flatMap(({ name, told }) => (told.is === 'failed' ? [{ name, error: told.error }] : []));
  if (failed.length === 0) return [ok(check, `each of ${nodes.length} answers here, asked by itself`)];
  return failed.map(({ name, error }) =>
    error.code === 'UNAUTHORIZED'
      ? fail(
          check,
          `${name}: ${error.message}`,
          'give all nodes the same tokens and authorities, and doctor a token that may read',
        )
      : fail(
          check,
          `${name}: ${error.message}`,
          'is bind.addr of that node an address that others reach? open its gRPC port',
        ),
  );
}

function checkReadiness(told: readonly Teller[]): readonly Check[] {
  const late = told.filter(({ status }) => !status.ready).map(({ name, status }) => `${name} (${status.state})`);
  if (told.length === 0) return [];
  if (late.length === 0) return [ok('ready', 'all nodes are')];
  return [
    warn('ready', `not ready: ${listed(late)}`, 'distcache node wait --ready --addr ADDRESS tells what is missing'),
  ];
}

/** Every node counts the same members. */
function checkAgreement(told: readonly Teller[]): readonly Check[] {
  if (told.length < 2) return [];
  const counts = new Set(told.map(({ status }) => status.peers));
  if (counts.size === 1) return [ok('one cluster', `all nodes count ${[...counts][0]} that serve`)];
  const seen = told.map(({ name, status }) => `${name} counts ${status.peers}`).sort();
  return [
    warn(
      'one cluster',
      `nodes see different members: ${seen.join(', ')}`,
      'ask again in a minute; if it stays so, look at the network between them',
    ),
  ];
}

function checkVersions(peers: readonly PeerStatus[]): readonly Check[] {
  const nodes = peers.filter(({ version, state }) => version !== '' && state !== 'dead' && state !== 'left');
  const versions = [...new Set(nodes.map(({ version }) => version))].sort();
  if (versions.length <= 1) return [ok('releases', `all nodes run ${versions[0] ?? 'the same'}`)];
  const of = versions.map(
    (version) => `${version} (${listed(nodes.filter((peer) => peer.version === version).map(({ name }) => name))})`,
  );
  return [warn('releases', `nodes run ${of.join(' and ')}`, 'bring all nodes to one release')];
}

/** Settings of a keyspace that are to be the same on all nodes; a budget may differ. */
const shared = [
  'defaultTtlMs',
  'negativeTtlMs',
  'ttlJitter',
  'staleWhileRevalidateMs',
  'staleIfErrorMs',
  'readTimeoutMs',
  'writeTimeoutMs',
  'eviction',
] as const satisfies readonly (keyof KeyspaceStatus)[];

function checkKeyspaces(told: readonly Teller[]): readonly Check[] {
  const names = [...new Set(told.flatMap(({ keyspaces }) => keyspaces.map(({ name }) => name)))].sort();
  const found: Check[] = [];
  for (const name of names) {
    const holders = told.flatMap((node) => {
      const keyspace = node.keyspaces.find((one) => one.name === name);
      return keyspace === undefined ? [] : [{ node: node.name, keyspace }];
    });
    const check = `keyspace ${name}`;
    const without = told.map((node) => node.name).filter((node) => !holders.some((holder) => holder.node === node));
    if (without.length > 0) {
      const mend = 'add it to the files of these nodes and send them SIGHUP, or remove it everywhere';
      found.push(fail(check, `${listed(without)}: does not have it, so its part of the keys is kept by nobody`, mend));
    }
    for (const setting of shared) {
      const values = new Map<string, string[]>();
      for (const { node, keyspace } of holders) {
        const value = shown(keyspace[setting]);
        values.set(value, [...(values.get(value) ?? []), node]);
      }
      if (values.size < 2) continue;
      const of = [...values].map(([value, nodes]) => `${value} (${listed(nodes)})`).sort();
      found.push(
        warn(check, `${setting} differs: ${of.join(' and ')}`, 'write the same into all files and send SIGHUP'),
      );
    }
  }
  if (found.length > 0) return found;
  return told.length === 0
    ? []
    : [ok('keyspaces', names.length === 0 ? 'there is none' : `the same on all nodes: ${names.join(', ')}`)];
}

const shown = (value: number | string | undefined): string => (value === undefined ? 'none' : String(value));

function checkBreakers(told: readonly Teller[]): readonly Check[] {
  const states = told.flatMap(({ name, keyspaces }) =>
    keyspaces.flatMap((keyspace) => {
      const state = keyspace.source?.breaker?.state;
      return state === undefined ? [] : [{ where: `${keyspace.name} at ${name}`, state }];
    }),
  );
  const where = (state: string): string => listed(states.filter((one) => one.state === state).map((one) => one.where));
  const mend = 'look at that data source: distcache keyspace show KEYSPACE has its counts';
  const found = [
    ...(where('open') === '' ? [] : [fail('circuits', `open: ${where('open')}; its data source keeps failing`, mend)]),
    ...(where('half-open') === '' ? [] : [warn('circuits', `half open: ${where('half-open')}`, mend)]),
  ];
  if (found.length > 0 || states.length === 0) return found;
  return [ok('circuits', `${states.length} closed`)];
}

/** By what the nodes tell; how sure it is, the slowest answer says. */
function checkClocks(told: readonly Teller[]): readonly Check[] {
  const clocks = told.flatMap(({ name, ahead }) => (ahead === undefined ? [] : [{ name, ...ahead }]));
  const check = 'clocks';
  if (told.length === 0) return [];
  if (clocks.length === 0) return [skip(check, 'no node tells its time to who may not read every keyspace')];
  const sorted = [...clocks].sort((a, b) => a.ms - b.ms);
  const [first, last] = [sorted[0]!, sorted.at(-1)!];
  const spreadMs = last.ms - first.ms;
  const unsureMs = first.name === last.name ? first.unsureMs : first.unsureMs + last.unsureMs;
  const surelyMs = Math.max(0, spreadMs - unsureMs);
  const sure = `give or take ${formatDuration(Math.ceil(unsureMs))}`;
  if (clocks.length === 1) {
    const ms = Math.round(Math.abs(first.ms));
    return [ok(check, `${first.name} differs from this machine by ${formatDuration(ms)}, ${sure}`)];
  }
  const found = `${last.name} is ${formatDuration(Math.round(spreadMs))} ahead of ${first.name}, ${sure}`;
  const mend = 'set the clocks by NTP; a node refuses what comes from more than 500ms ahead';
  if (surelyMs > skewFailMs) return [fail(check, found, mend)];
  return [surelyMs > skewWarnMs ? warn(check, found, mend) : ok(check, found)];
}

/** What the gossip of nodes dropped, and what that says. */
const drops: readonly (readonly [RegExp, string, string])[] = [
  [
    /_dropped_(label_mismatch|label_unexpected)$/,
    'of another label',
    'give all nodes of this cluster one label; or it is another cluster that has an address of this one in its list',
  ],
  [
    /_dropped_(undecryptable|unencrypted|unexpectedly_encrypted)$/,
    'that does not fit gossip.secrets',
    'give all nodes the same gossip.secrets, the first of each among those of all',
  ],
  [
    /^(inputs_dropped|gossip_sends_dropped)$/,
    'for want of time',
    'the node is too busy to keep up with its gossip: look at its event loop',
  ],
];

function checkGossip(told: readonly Teller[]): readonly Check[] {
  const found = drops.flatMap(([pattern, what, mend]) => {
    const nodes = told.flatMap(({ name, status }) => {
      const count = Object.entries(status.gossipCounts).reduce(
        (sum, [key, value]) => sum + (pattern.test(key) ? value : 0),
        0,
      );
      return count === 0 ? [] : [`${name} ${count}`];
    });
    return nodes.length === 0 ? [] : [warn('gossip', `dropped since start, ${what}: ${listed(nodes)}`, mend)];
  });
  if (found.length > 0) return found;
  const gossips = told.some(({ status }) => Object.keys(status.gossipCounts).length > 0);
  return gossips ? [ok('gossip', 'nothing was dropped for another label or secret')] : [];
}
