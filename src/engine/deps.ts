import type { Guards } from '../coherence/guards.js';
import type { HybridClock } from '../coherence/hybrid-clock.js';
import type { Clock } from '../ports/clock.js';
import type { Hasher } from '../ports/hasher.js';
import type { LoadContext } from '../ports/load-context.js';
import type { Log } from '../ports/log.js';
import type { Membership, NodeInfo } from '../ports/membership.js';
import type { PeerNetwork } from '../ports/peers.js';
import type { Random } from '../ports/random.js';
import type { Recorder } from '../ports/recorder.js';
import type { EvictionIndexFactory } from '../store/entry.js';

/** What the engine gets from outside: time, chance, network, members. */
export interface EngineDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly hasher: Hasher;
  readonly context: LoadContext;
  readonly membership: Membership;
  readonly peers: PeerNetwork;
  readonly hybrid: HybridClock;
  /** Who this node is; asked again after start, when the port it listens on is known. */
  readonly self: () => NodeInfo;
  readonly label: string;
  readonly evictionPolicies: ReadonlyMap<string, EvictionIndexFactory>;
  /** All on, unless the simulation shows what one of them prevents. */
  readonly guards?: Guards;
  /** Watches what callers, peers and data sources take; without it nobody does. */
  readonly recorder?: Recorder | undefined;
}
