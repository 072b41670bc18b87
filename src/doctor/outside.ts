import { splitAddress } from '../base/addresses.js';
import { isLoopback } from '../base/ip.js';
import { formatSize } from '../base/units.js';
import { daysLeft, expiresSoonDays } from '../certificates/material.js';
import { type Check, fail, ok, skip, warn } from './check.js';
import type { NodeView, Outside } from './cluster-view.js';

/** From where a node is too busy to answer on time, and its heap too full to go on for long. */
const lagWarnMs = 200;
const heapWarn = 0.9;

export interface Seeing {
  readonly wallMs: number;
  /** The config or the flags say that there is TLS. */
  readonly expectsTls: boolean;
}

/** What somebody finds who comes to the nodes from where doctor runs. */
export function checkOutside(nodes: readonly NodeView[], seeing: Seeing): readonly Check[] {
  if (nodes.length === 0) return [];
  const grpc = nodes.map(({ name, grpc }) => ({ name, ...grpc }));
  const admin = nodes.flatMap(({ name, admin }) => (admin === undefined ? [] : [{ name, ...admin }]));
  return [
    ...checkTls(grpc, seeing),
    ...checkStrangers('strangers', grpc, 'start it with tls or auth.tokens'),
    ...checkAdminTls(admin, seeing),
    ...checkStrangers('admin endpoints', admin, 'give auth.tokens or admin.token, or let them listen on 127.0.0.1'),
    ...checkProcesses(nodes),
  ];
}

interface Seen extends Outside {
  readonly name: string;
}

const isNear = ({ address }: Outside): boolean => isLoopback(splitAddress(address).host);
const names = (nodes: readonly Seen[]): string =>
  nodes
    .map(({ name }) => name)
    .sort()
    .join(', ');

function checkTls(nodes: readonly Seen[], { wallMs, expectsTls }: Seeing): readonly Check[] {
  const check = 'TLS';
  const plain = nodes.filter(({ tls }) => tls?.is === 'plain');
  const secure = nodes.filter(({ tls }) => tls?.is === 'tls');
  const found: Check[] = [];
  if (plain.length > 0 && (expectsTls || secure.length > 0)) {
    const mend = 'start these nodes again with tls: it takes a restart to turn it on';
    found.push(fail(check, `${names(plain)}: in the clear, though TLS is configured`, mend));
  } else if (plain.some((node) => !isNear(node))) {
    found.push(
      warn(
        check,
        `${names(plain)}: calls and links travel in the clear`,
        'give tls on all nodes; distcache cert create makes certificates',
      ),
    );
  } else if (plain.length > 0) found.push(ok(check, 'in the clear, on this machine alone'));
  const old = nodes.filter(({ takesOldTls }) => takesOldTls);
  if (old.length > 0)
    found.push(
      fail(
        check,
        `${names(old)}: takes TLS 1.1`,
        'what listens there is no node of ours, or something stands before it; close the old versions there',
      ),
    );
  for (const { name, tls } of nodes) {
    if (tls?.is !== 'tls') continue;
    const days = daysLeft(tls.expiresMs, wallMs);
    const mend = 'put a new one in its place, which is read without a restart';
    if (days < 0) found.push(fail('certificates', `${name}: has expired ${-days} days ago`, mend));
    else if (days < expiresSoonDays) found.push(warn('certificates', `${name}: ${days} days left`, mend));
    if (tls.refusedFor !== undefined) {
      found.push(
        warn(
          'certificates',
          `${name}: would not be taken here: ${tls.refusedFor}`,
          'give --tls-ca, the authority of the nodes, or --config',
        ),
      );
    }
  }
  if (secure.length > 0 && !found.some(({ result }) => result !== 'ok')) {
    const versions = [...new Set(secure.map(({ tls }) => (tls?.is === 'tls' ? tls.protocol : '')))].sort();
    found.push(ok(check, `${versions.join(' and ')}, and not 1.1, at ${names(secure)}`));
  }
  return found;
}

function checkAdminTls(nodes: readonly Seen[], { expectsTls }: Seeing): readonly Check[] {
  const plain = nodes.filter((node) => node.tls?.is === 'plain' && !isNear(node));
  if (plain.length === 0 || !expectsTls) return [];
  const found = `${names(plain)}: in the clear, so that others can read the tokens that are shown there`;
  return [fail('admin endpoints', found, 'leave admin.tls out or set it to true, or let them listen on 127.0.0.1')];
}

/** Who shows nothing is to be told nothing. */
function checkStrangers(check: string, nodes: readonly Seen[], mend: string): readonly Check[] {
  const open = nodes.filter(({ stranger }) => stranger === 'let in');
  const away = nodes.filter(({ stranger }) => stranger === 'turned away');
  const far = open.filter((node) => !isNear(node));
  if (far.length > 0) return [fail(check, `${names(far)}: answers whoever asks, without token or certificate`, mend)];
  if (open.length > 0) return [ok(check, `${names(open)}: open, to this machine alone`)];
  if (away.length > 0) return [ok(check, `${names(away)}: turns away who shows no token and no certificate`)];
  return nodes.length === 0 ? [] : [skip(check, 'none could be asked from here')];
}

function checkProcesses(nodes: readonly NodeView[]): readonly Check[] {
  const told = nodes.flatMap(({ name, process }) => (process === undefined ? [] : [{ name, ...process }]));
  if (told.length === 0) return [];
  const found = told.flatMap(({ name, memory, event_loop }) => [
    ...(memory.heap_used_bytes > heapWarn * memory.heap_limit_bytes
      ? [
          warn(
            'processes',
            `${name}: ${formatSize(memory.heap_used_bytes)} of the heap's ${formatSize(memory.heap_limit_bytes)} are used`,
            'lower maxBytes, or raise NODE_OPTIONS=--max-old-space-size',
          ),
        ]
      : []),
    ...(event_loop.lag_p99_ms > lagWarnMs
      ? [
          warn(
            'processes',
            `${name}: its event loop is ${Math.round(event_loop.lag_p99_ms)}ms late`,
            'give it more processor time, or spread its load over more nodes',
          ),
        ]
      : []),
  ]);
  return found.length > 0 ? found : [ok('processes', `event loops and heaps of ${told.length} nodes are well`)];
}
