import { invalidArgument } from '../../base/errors.js';
import { formatDuration } from '../../base/units.js';

/** Everything the gossip core can be told. Plain data: check it once with `checkSwimConfig`. */
export interface SwimConfig {
  /** One member is probed per interval. Shorter finds failures sooner and costs packets in proportion. */
  readonly probeIntervalMs: number;
  /** How long a ping may go unanswered before others are asked. Above the 99th percentile of round trips, below the interval. */
  readonly probeTimeoutMs: number;
  /** Members asked to ping in our place. 0 trusts the direct path alone. */
  readonly indirectChecks: number;
  /** Also ping over a stream when a packet got no answer: networks that drop packets but pass TCP then look healthy. */
  readonly tcpPings: boolean;
  /** For each exchange of state over a stream. */
  readonly tcpTimeoutMs: number;
  /** Local health counts from 0 (well) to this less 1; the probe interval is multiplied by health + 1. */
  readonly awarenessMax: number;
  /** A suspect has mult x log10(n) x probeInterval at least to refute; mult - 2 confirmations bring the maximum down to that. */
  readonly suspicionMult: number;
  /** The longest a suspicion lasts, in multiples of the shortest. */
  readonly suspicionMaxTimeoutMult: number;
  /** Each broadcast is sent mult x ceil(log10(n + 1)) times by each member. */
  readonly retransmitMult: number;
  readonly gossipIntervalMs: number;
  /** Packets per gossip interval, each to another member. */
  readonly gossipNodes: number;
  /** The dead are gossiped to for this long, so that one that still lives can refute; then they are forgotten. */
  readonly gossipToTheDeadMs: number;
  /** After this long a dead member's name may come back from another address; 0: only once forgotten. */
  readonly deadReclaimMs: number;
  /** Whole states are exchanged with one random member this often; less often above 32 members. */
  readonly pushPullIntervalMs: number;
  /** How often one seed, or one member that was lost, is tried again; two halves that forgot each other meet through it. */
  readonly rejoinIntervalMs: number;
  /** How long the addresses of failed members are tried again after they were forgotten. */
  readonly lostKeepMs: number;
  /** Bytes of a packet before checksum, all parts and framing included. */
  readonly packetBytesMax: number;
  /** Bytes that label and encryption add to each packet. */
  readonly packetOverheadBytes: number;
  /** A timer later than this is the doing of this node, not of others: that time does not count. */
  readonly lagToleranceMs: number;
  /** Longer metadata, own or others', is refused. memberlist: 512. */
  readonly metaBytesMax: number;
  /** Members known at a time, this one included; more are refused and counted. */
  readonly membersMax: number;
  /** Broadcasts waiting; beyond it the one sent most often is dropped and counted. */
  readonly broadcastsMax: number;
  /** Pings made for others at a time; more requests are refused and counted. */
  readonly relaysMax: number;
  /** Exchanges of state begun by this node and under way; more are refused and counted. */
  readonly exchangesMax: number;
  /** Seeds kept, and lost members kept, each. Seeds beyond it are ignored; of the lost the oldest is dropped. */
  readonly seedsMax: number;
}

const lan: SwimConfig = {
  probeIntervalMs: 1000,
  probeTimeoutMs: 500,
  indirectChecks: 3,
  tcpPings: true,
  tcpTimeoutMs: 10_000,
  awarenessMax: 8,
  suspicionMult: 4,
  suspicionMaxTimeoutMult: 6,
  retransmitMult: 4,
  gossipIntervalMs: 200,
  gossipNodes: 3,
  gossipToTheDeadMs: 30_000,
  deadReclaimMs: 0,
  pushPullIntervalMs: 30_000,
  rejoinIntervalMs: 10_000,
  lostKeepMs: 86_400_000,
  packetBytesMax: 1400,
  packetOverheadBytes: 0,
  lagToleranceMs: 100,
  metaBytesMax: 512,
  membersMax: 10_000,
  broadcastsMax: 20_000,
  relaysMax: 1024,
  exchangesMax: 64,
  seedsMax: 128,
};

/**
 * memberlist's profiles: one data centre, one machine, the open internet. One value is ours: memberlist's local profile
 * passes news on half as often, which in a pool of five leaves a member without it now and then, until states are exchanged.
 */
export const swimProfiles = {
  lan,
  local: {
    ...lan,
    probeTimeoutMs: 200,
    indirectChecks: 1,
    tcpTimeoutMs: 1000,
    suspicionMult: 3,
    gossipIntervalMs: 100,
    gossipToTheDeadMs: 15_000,
    pushPullIntervalMs: 15_000,
    rejoinIntervalMs: 5000,
    lagToleranceMs: 50,
  },
  wan: {
    ...lan,
    probeIntervalMs: 5000,
    probeTimeoutMs: 3000,
    tcpTimeoutMs: 30_000,
    suspicionMult: 6,
    gossipIntervalMs: 500,
    gossipNodes: 4,
    gossipToTheDeadMs: 60_000,
    pushPullIntervalMs: 60_000,
    rejoinIntervalMs: 30_000,
    lagToleranceMs: 200,
  },
} as const satisfies Readonly<Record<string, SwimConfig>>;

export type SwimProfile = keyof typeof swimProfiles;

/** A checked configuration: a profile and what differs from it. Throws INVALID_ARGUMENT. */
export function swimConfig(profile: SwimProfile = 'lan', changes: Partial<SwimConfig> = {}): SwimConfig {
  const config: SwimConfig = { ...swimProfiles[profile], ...changes };
  checkSwimConfig(config);
  return config;
}

/** Smallest and largest value of each number; durations in ms. A day is as long as anything here may take. */
const dayMs = 86_400_000;
const ranges: Readonly<Record<Exclude<keyof SwimConfig, 'tcpPings'>, readonly [min: number, max: number]>> = {
  probeIntervalMs: [10, dayMs],
  probeTimeoutMs: [1, dayMs],
  indirectChecks: [0, 32],
  tcpTimeoutMs: [10, dayMs],
  awarenessMax: [1, 64],
  suspicionMult: [1, 64],
  suspicionMaxTimeoutMult: [1, 64],
  retransmitMult: [1, 64],
  gossipIntervalMs: [10, dayMs],
  gossipNodes: [1, 64],
  gossipToTheDeadMs: [0, dayMs],
  deadReclaimMs: [0, dayMs],
  pushPullIntervalMs: [100, dayMs],
  rejoinIntervalMs: [100, dayMs],
  lostKeepMs: [0, 30 * dayMs],
  packetBytesMax: [576, 65_507],
  packetOverheadBytes: [0, 512],
  lagToleranceMs: [1, dayMs],
  metaBytesMax: [0, 512],
  membersMax: [2, 1_000_000],
  broadcastsMax: [16, 1_000_000],
  relaysMax: [1, 65_536],
  exchangesMax: [1, 4096],
  seedsMax: [1, 4096],
};

/**
 * Checks every number and how they stand to each other.
 * @throws DistcacheError INVALID_ARGUMENT naming the field, its value and what is allowed.
 */
export function checkSwimConfig(config: SwimConfig): void {
  for (const [name, [min, max]] of Object.entries(ranges) as [keyof typeof ranges, readonly [number, number]][]) {
    const value = config[name];
    if (!Number.isInteger(value) || value < min || value > max) {
      throw invalidArgument(`gossip ${name} is ${value}; give a whole number from ${min} to ${max}`);
    }
  }
  const { probeTimeoutMs, probeIntervalMs, lagToleranceMs } = config;
  if (probeTimeoutMs >= probeIntervalMs) {
    throw invalidArgument(
      `gossip probeTimeoutMs is ${probeTimeoutMs}; it must lie below probeIntervalMs (${formatDuration(probeIntervalMs)}), ` +
        'or no time is left to ask others: lower the timeout or raise the interval',
    );
  }
  if (lagToleranceMs >= probeIntervalMs) {
    throw invalidArgument(
      `gossip lagToleranceMs is ${lagToleranceMs}; it must lie below probeIntervalMs (${formatDuration(probeIntervalMs)})`,
    );
  }
  if (config.broadcastsMax < config.membersMax) {
    throw invalidArgument(
      `gossip broadcastsMax is ${config.broadcastsMax}; it must be at least membersMax (${config.membersMax}), one for each`,
    );
  }
}

/** Exchanges of whole states get rarer as the cluster doubles beyond 32 members, so that their traffic stays level. */
export function pushPullPeriodMs(config: SwimConfig, knownCount: number): number {
  if (knownCount <= 32) return config.pushPullIntervalMs;
  return config.pushPullIntervalMs * (Math.ceil(Math.log2(knownCount) - 5) + 1);
}
