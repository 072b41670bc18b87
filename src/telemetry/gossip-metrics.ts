import type { NodeStatus } from '../ports/cache.js';
import type { Metric, Point } from './metric.js';

interface GossipReading {
  readonly status: Pick<NodeStatus, 'gossipCounts'>;
}

type GossipMetric = Metric<GossipReading>;
type Counts = NodeStatus['gossipCounts'];

/** A node that does not gossip counts nothing. */
const points = (pointsOf: (counts: Counts) => readonly Point[]): GossipMetric['points'] => {
  return ({ status: { gossipCounts } }) => (Object.keys(gossipCounts).length === 0 ? [] : pointsOf(gossipCounts));
};

const of = (counts: Counts, name: string): number => counts[name] ?? 0;

const sent = { 'network.io.direction': 'transmit' };
const received = { 'network.io.direction': 'receive' };
const packets = { 'distcache.gossip.channel': 'packet' };
const streams = { 'distcache.gossip.channel': 'stream' };

/** Counts with a metric of their own, and packets as the protocol counts them before it packs several; all others are events. */
const named: ReadonlySet<string> = new Set([
  'gossip_packets_sent',
  'gossip_packets_received',
  'gossip_packet_bytes_sent',
  'gossip_packet_bytes_received',
  'gossip_stream_bytes_sent',
  'gossip_stream_bytes_received',
  'packets_sent',
  'packets_received',
  'probes',
  'probes_acked',
  'probes_by_stream',
  'probes_failed',
  'lag_ms',
  'health',
]);

export const gossipMetrics: readonly GossipMetric[] = [
  {
    name: 'distcache.gossip.packets',
    kind: 'counter',
    unit: '{packet}',
    description: 'Packets of gossip.',
    attributes: ['network.io.direction'],
    points: points((counts) => [
      { value: of(counts, 'gossip_packets_sent'), attributes: sent },
      { value: of(counts, 'gossip_packets_received'), attributes: received },
    ]),
  },
  {
    name: 'distcache.gossip.io',
    kind: 'counter',
    unit: 'By',
    description: 'Bytes of gossip, in packets and over streams.',
    attributes: ['network.io.direction', 'distcache.gossip.channel'],
    points: points((counts) => [
      { value: of(counts, 'gossip_packet_bytes_sent'), attributes: { ...sent, ...packets } },
      { value: of(counts, 'gossip_packet_bytes_received'), attributes: { ...received, ...packets } },
      { value: of(counts, 'gossip_stream_bytes_sent'), attributes: { ...sent, ...streams } },
      { value: of(counts, 'gossip_stream_bytes_received'), attributes: { ...received, ...streams } },
    ]),
  },
  {
    name: 'distcache.gossip.probes',
    kind: 'counter',
    unit: '{probe}',
    description: 'Members asked whether they live: answered by packet, answered over a stream alone, or not at all.',
    attributes: ['distcache.outcome'],
    points: points((counts) => [
      { value: of(counts, 'probes_acked'), attributes: { 'distcache.outcome': 'acked' } },
      { value: of(counts, 'probes_by_stream'), attributes: { 'distcache.outcome': 'by_stream' } },
      { value: of(counts, 'probes_failed'), attributes: { 'distcache.outcome': 'failed' } },
    ]),
  },
  {
    name: 'distcache.gossip.lag',
    kind: 'counter',
    unit: 's',
    description: 'Time by which this node was late itself, as its gossip noticed.',
    points: points((counts) => [{ value: of(counts, 'lag_ms') / 1000 }]),
  },
  {
    name: 'distcache.gossip.health',
    kind: 'gauge',
    unit: '1',
    description: 'How slow this node seems to itself; 0 is well.',
    points: points((counts) => [{ value: of(counts, 'health') }]),
  },
  {
    name: 'distcache.gossip.events',
    kind: 'counter',
    unit: '{event}',
    description: 'All else that the gossip counts: what was refused, dropped for which reason, exchanged and denied.',
    attributes: ['distcache.gossip.event'],
    points: points((counts) =>
      Object.keys(counts)
        .filter((name) => !named.has(name))
        .map((name) => ({
          value: of(counts, name),
          attributes: { 'distcache.gossip.event': name.replace(/^gossip_/, '') },
        })),
    ),
  },
];
