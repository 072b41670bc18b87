import { defaultGossipPort } from '../../base/addresses.js';
import { invalidArgument } from '../../base/errors.js';
import { type Discovery, foundMax } from '../../ports/discovery.js';
import { standalone } from '../standalone.js';
import { isHostName, isPort, listed, shown } from './options.js';
import { canonicalIp, forEach, type Names, systemNames, whyUnreachable } from './resolve.js';
import { RoundsDiscovery } from './rounds.js';

export interface StaticOptions {
  /**
   * Gossip addresses of other nodes, at most 1000; this node's own may be among them. `host:port`, `[ipv6]:port`, or only
   * the host for port 3322. None: a seed, which waits to be found.
   */
  readonly peers: readonly string[];
}

/** How long until the list is resolved and tried again, so that seeds which were down are met when they are back. */
const findAgainMs = 10_000;
/** Names asked for at a time: the machine's look-ups share a small thread pool with files. */
const atOnce = 2;

interface Peer {
  readonly host: string;
  readonly port: number;
}

/**
 * A fixed list of the other nodes. IP addresses are taken as they are. Host names are resolved anew every 10 s, as the
 * machine does it (hosts file, search domains, DNS), and stand for all their IPv4 and IPv6 addresses; one that cannot be
 * resolved does not hide the others. Throws INVALID_ARGUMENT for a list that can never work.
 */
export const staticDiscovery = (options: StaticOptions): Discovery => staticWith(options, systemNames);

/** The same with names resolved elsewhere: for tests. */
export function staticWith(options: StaticOptions, makeNames: () => Names): Discovery {
  const peers = checkPeers(options?.peers);
  // Nobody to look for is no reason to complain of finding nobody.
  if (peers.length === 0) return { ...standalone(), provider: 'static' };
  const literals = peers.filter(({ host }) => canonicalIp(host) !== undefined);
  const portsOf = new Map<string, number[]>();
  for (const { host, port } of peers) {
    if (canonicalIp(host) === undefined) portsOf.set(host, [...(portsOf.get(host) ?? []), port]);
  }
  const hosts = [...portsOf.keys()];
  return new RoundsDiscovery(
    {
      provider: 'static',
      findAgainMs,
      source: `the names of discovery.peers (${listed(hosts)})`,
      // A name without any address has failed, and one whose addresses are of no use is told as that.
      none: '',
      check: 'check their spelling, and that this machine can look them up',
      async ask(round) {
        for (const { host, port } of literals) round.found(host, port, 'discovery.peers');
        await forEach(hosts, atOnce, round.stopping, (host) => round.resolve(host, 0, portsOf.get(host)!));
      },
    },
    makeNames,
  );
}

function checkPeers(peers: unknown): readonly Peer[] {
  if (!Array.isArray(peers)) {
    throw invalidArgument(`discovery.peers is ${shown(peers)}, must be a list of host:port such as 10.0.0.2:3322`);
  }
  if (peers.length > foundMax) {
    throw invalidArgument(`discovery.peers has ${peers.length} entries, must have at most ${foundMax}`);
  }
  return peers.map((peer: unknown, i) => checkPeer(`discovery.peers[${i}]`, peer));
}

function checkPeer(field: string, text: unknown): Peer {
  const peer = typeof text === 'string' ? parsePeer(text) : undefined;
  if (peer === undefined) {
    throw invalidArgument(
      `${field} is ${shown(text)}, must be host:port such as 10.0.0.2:3322, [fd00::2]:3322 or cache-2:3322; the port may be left out for ${defaultGossipPort}`,
    );
  }
  const ip = canonicalIp(peer.host);
  const why = ip === undefined ? undefined : whyUnreachable(ip);
  if (why !== undefined) {
    throw invalidArgument(`${field} is ${shown(text)}, which ${why}; give the address at which others reach that node`);
  }
  return peer;
}

/** Undefined for what is neither an IP nor a host name, with or without a port from 1 to 65535. */
function parsePeer(text: string): Peer | undefined {
  if (canonicalIp(text) !== undefined) return { host: text, port: defaultGossipPort };
  const [, v6, name, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = v6 ?? name;
  const port = digits === undefined ? defaultGossipPort : Number(digits);
  if (host === undefined || !isPort(port)) return undefined;
  if (v6 !== undefined) return v6.includes(':') && canonicalIp(v6) !== undefined ? { host, port } : undefined;
  return canonicalIp(host) !== undefined || isHostName(host) ? { host, port } : undefined;
}
