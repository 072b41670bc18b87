import { joinAddress } from '../../base/addresses.js';
import { invalidArgument } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Discovery } from '../../ports/discovery.js';
import type { Log } from '../../ports/log.js';
import type { NodeInfo } from '../../ports/membership.js';
import type { PeerNetwork } from '../../ports/peers.js';
import type { Random } from '../../ports/random.js';
import { endpointOf } from '../endpoints.js';
import type { PacketMessage } from '../messages.js';
import { nameOfText } from '../names.js';
import type { SwimConfig } from '../swim/config.js';
import { SwimCore } from '../swim/core.js';
import type { SwimEvent } from '../swim/effects.js';
import { plainVsn } from '../swim/self.js';
import type { Watchers } from './bounded.js';
import { Driver } from './driver.js';
import { Finder } from './finder.js';
import { Links } from './links.js';
import type { MinuteLog } from './minute-log.js';
import { encodeMeta, type NodePhase } from './node-meta.js';
import { Roster } from './roster.js';
import { Seeker } from './seeker.js';
import type { GossipAt, GossipTransport } from './transport.js';

export interface GossipMembershipDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly transport: GossipTransport;
  readonly discovery: Discovery;
  readonly peers: Pick<PeerNetwork, 'dial' | 'undial' | 'linked' | 'onLink'>;
  /** Its `incarnation` must be above that of any earlier life, and at least 1: seconds since 1970. */
  readonly self: () => NodeInfo;
  /** Bytes of a message as it is encoded, its type byte included. */
  readonly sizeOf: (message: PacketMessage) => number;
}

export interface GossipMembershipOptions {
  /** Where others reach this node's gossip: an IP literal, no wildcard. Asked once, when the transport is open. */
  readonly advertise: (at: GossipAt) => GossipAt;
  /** `packetOverheadBytes` is taken from the transport. */
  readonly swim: SwimConfig;
  /** For the programs in the pool that check them: the application's protocol, [lowest, highest, in use]. */
  readonly delegateVersions?: readonly [min: number, max: number, current: number];
  /** Cache nodes, this one included, without which start fails. */
  readonly minimumPeers: number;
  readonly joinRetryIntervalMs: number;
  /** Then a node that need not wait for others goes on alone. */
  readonly maxJoinAttempts: number;
  /** How long start waits for links to all that it met. 5000 is a good value. */
  readonly linkWithinMs: number;
}

/** What exists once the node knows where it stands. */
export interface Parts {
  readonly self: NodeInfo;
  readonly core: SwimCore;
  readonly driver: Driver;
  readonly roster: Roster;
  readonly links: Links;
  readonly finder: Finder;
  readonly seeker: Seeker;
}

export interface PartsContext {
  readonly at: GossipAt;
  readonly phase: NodePhase;
  readonly log: MinuteLog;
  readonly watchers: Watchers;
  readonly onEvent: (event: SwimEvent) => void;
}

/**
 * Everything that needs to know where this node stands; nothing happens yet.
 * @throws DistcacheError INVALID_ARGUMENT for a node that others could not reach or read.
 */
export function createParts(
  deps: GossipMembershipDeps,
  options: GossipMembershipOptions,
  context: PartsContext,
): Parts {
  const { clock, random, sizeOf, transport, discovery, peers } = deps;
  const { swim, delegateVersions = [0, 0, 0], joinRetryIntervalMs, minimumPeers } = options;
  const { at, phase, log, watchers, onEvent } = context;
  const { host, port } = options.advertise(at);
  const place = endpointOf(host, port);
  if (place === undefined || place.addr.every((byte) => byte === 0)) {
    throw invalidArgument(
      `the advertised gossip host is "${host}"; give the IP address at which others reach this node`,
    );
  }
  const self: NodeInfo = { ...deps.self(), gossip: joinAddress(host, port) };
  const [pMin, pMax, pCur] = plainVsn;
  const core = new SwimCore(
    {
      ...place,
      name: nameOfText(self.name),
      incarnation: self.incarnation,
      meta: encodeMeta(self, phase),
      vsn: [pMin, pMax, pCur, ...delegateVersions],
    },
    { ...swim, packetOverheadBytes: transport.packetOverheadBytes },
    { random: random.fork('swim'), sizeOf },
  );
  const driver = new Driver(core, { clock, log, transport, onEvent });
  const roster = new Roster(self.id);
  const finder = new Finder(discovery, clock, place);
  const isQuorate = (): boolean => 1 + roster.countable >= minimumPeers;
  const seeker = new Seeker(
    { clock, random: random.fork('seek'), log, finder, watchers, feed: (input) => driver.feed(input) },
    {
      joinRetryIntervalMs,
      findAgainMs: discovery.findAgainMs,
      isWanting: () => !roster.hasCompany || !isQuorate(),
    },
  );
  return { self, core, driver, roster, links: new Links(peers, self.address), finder, seeker };
}
