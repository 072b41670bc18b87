import { defaultGossipPort, splitAddress } from '../../base/addresses.js';
import { invalidArgument } from '../../base/errors.js';
import { type Duration, parseDuration } from '../../base/units.js';
import { type Discovery, foundMax } from '../../ports/discovery.js';
import { isHostName, isPort, listed, shown } from './options.js';
import { canonicalIp, type Family, forEach, type Names, serverNames, systemNames } from './resolve.js';
import { type Plan, type Round, RoundsDiscovery } from './rounds.js';

export interface DnsOptions {
  /** What to ask for: `cache.prod.svc`; with `srv` in full: `_gossip._tcp.cache.prod.svc.cluster.local`. */
  readonly name: string;
  /** Of the gossip of the nodes found. Default 3322; not with `srv`, whose records have it. */
  readonly port?: number | undefined;
  /** Default: both. */
  readonly family?: 'ipv4' | 'ipv6' | undefined;
  /** How often it is asked, 100 ms to 24 h. Default 10 s. */
  readonly interval?: Duration | undefined;
  /** Ask for SRV records, and for the addresses of the hosts they name. */
  readonly srv?: boolean | undefined;
  /** DNS servers to ask instead of the machine's: 1 to 16 of `ip`, `ip:port` or `[ipv6]:port`. */
  readonly servers?: readonly string[] | undefined;
}

const defaultIntervalMs = 10_000;
const intervalMinMs = 100;
const intervalMaxMs = 86_400_000;
const serversMax = 16;
/** Hosts of SRV records asked for at a time. */
const atOnce = 32;
const families = { ipv4: 4, ipv6: 6 } as const;

/**
 * The nodes behind a DNS name, asked for anew at an interval. No such name, or none of its records, is an empty cluster;
 * a server that fails, refuses or is silent is an error that names it. Throws INVALID_ARGUMENT for impossible options.
 *
 * How names are looked up: addresses without `servers` the way the machine does it for every program, so that the hosts
 * file and the search domains of resolv.conf count and a short name such as `cache.prod.svc` works in Kubernetes. With
 * `servers`, or for SRV records, only DNS is asked and names must be given in full (`cache.prod.svc.cluster.local`). All
 * addresses of all SRV records are used: priority and weight, which are about load, mean nothing to gossip.
 */
export const dnsDiscovery = (options: DnsOptions): Discovery =>
  dnsWith(options, options?.servers === undefined ? systemNames : () => serverNames(options.servers));

/** The same with names resolved elsewhere: for tests. */
export function dnsWith(options: DnsOptions, makeNames: () => Names): Discovery {
  const { name, srv = false, servers } = options ?? {};
  checkName(name);
  if (typeof srv !== 'boolean') throw invalidArgument(`discovery.dns.srv is ${shown(srv)}, must be true or false`);
  const port = checkPort(options.port, srv);
  const family = checkFamily(options.family);
  const findAgainMs = checkInterval(options.interval);
  checkServers(servers);
  return new RoundsDiscovery({ provider: 'dns', findAgainMs, ...planOf(name, port, family, srv, servers) }, makeNames);
}

function planOf(
  name: string,
  port: number,
  family: Family,
  srv: boolean,
  servers: readonly string[] | undefined,
): Pick<Plan, 'source' | 'none' | 'check' | 'ask'> {
  const records = srv ? 'SRV' : family === 4 ? 'A' : family === 6 ? 'AAAA' : 'A and AAAA';
  const asked = servers === undefined ? "this machine's DNS" : listed(servers);
  const inFull = srv || servers !== undefined ? ', which must be the full name' : '';
  const source = `the ${records} records of ${name} (asked of ${asked})`;
  const check = `check discovery.dns.name${inFull}, and that the DNS server runs and can be reached`;
  return {
    source,
    none: `${source} have no address now; ${check}`,
    check,
    ask: (round) => (srv ? askServices(round, name, family) : round.resolve(name, family, [port], { mayBeNone: true })),
  };
}

async function askServices(round: Round, name: string, family: Family): Promise<void> {
  const portsOf = new Map<string, Set<number>>();
  for (const { host, port } of await round.names.services(name)) {
    // A host '' is how a zone says that the service is not offered.
    if (host === '' || !isPort(port)) continue;
    const ports = portsOf.get(host) ?? new Set();
    portsOf.set(host, ports.add(port));
  }
  // One more than can be used, so that the warning about it comes.
  const hosts = [...portsOf.keys()].sort().slice(0, foundMax + 1);
  await forEach(hosts, atOnce, round.stopping, (host) => round.resolve(host, family, [...portsOf.get(host)!]));
}

function checkName(name: unknown): asserts name is string {
  if (typeof name === 'string' && isHostName(name)) return;
  const hint =
    typeof name === 'string' && canonicalIp(name.replace(/:\d+$/, '')) !== undefined
      ? '; an IP address needs no DNS: give it to the static provider'
      : '; the port goes into discovery.dns.port';
  throw invalidArgument(`discovery.dns.name is ${shown(name)}, must be a DNS name such as cache.example.org${hint}`);
}

function checkPort(port: unknown, srv: boolean): number {
  if (port === undefined) return defaultGossipPort;
  if (srv)
    throw invalidArgument(`discovery.dns.port is ${shown(port)}, but SRV records bring their ports; leave it out`);
  if (isPort(port)) return port;
  throw invalidArgument(`discovery.dns.port is ${shown(port)}, must be a whole number from 1 to 65535`);
}

function checkFamily(family: unknown): Family {
  if (family === undefined) return 0;
  if (family === 'ipv4' || family === 'ipv6') return families[family];
  throw invalidArgument(`discovery.dns.family is ${shown(family)}, must be ipv4 or ipv6; leave it out for both`);
}

function checkInterval(interval: unknown): number {
  if (interval === undefined) return defaultIntervalMs;
  const ms = typeof interval === 'string' ? parseDuration(interval) : interval;
  if (typeof ms === 'number' && ms >= intervalMinMs && ms <= intervalMaxMs) return ms;
  throw invalidArgument(
    `discovery.dns.interval is ${shown(interval)}, must be a duration from 100ms to 24h, such as 10s`,
  );
}

function checkServers(servers: unknown): void {
  if (servers === undefined) return;
  if (!Array.isArray(servers) || servers.length === 0 || servers.length > serversMax) {
    throw invalidArgument(
      `discovery.dns.servers is ${Array.isArray(servers) ? `a list of ${servers.length}` : shown(servers)}, must be a list of 1 to ${serversMax} DNS servers; leave it out for the machine's`,
    );
  }
  for (const [i, server] of servers.entries()) {
    if (typeof server !== 'string' || !isServer(server)) {
      throw invalidArgument(
        `discovery.dns.servers[${i}] is ${shown(server)}, must be an IP address with or without a port, such as 10.0.0.10, 10.0.0.10:5353 or [fd00::10]:53`,
      );
    }
  }
}

function isServer(text: string): boolean {
  if (canonicalIp(text) !== undefined) return true;
  if (!/^(?:[\d.]+|\[[^[\]]+\]):\d{1,5}$/.test(text)) return false;
  const { host, port } = splitAddress(text);
  return canonicalIp(host) !== undefined && isPort(port);
}
