import { z } from 'zod';
import { discovery, gossip } from './discovery-schema.js';
import { leaf, section } from './leaf.js';
import { defaults, evictions, ranges } from './ranges.js';
import * as scalar from './scalars.js';
import { auth, tls, tlsFiles } from './security-schema.js';
import { batch, eviction, ownProtection, sourceDefaults, sourceDefinition } from './source-schema.js';

const timeout = () => scalar.duration(ranges.timeoutMs);
const pause = () => scalar.duration(ranges.pauseMs);
const lifetime = () => scalar.duration(ranges.ttlMs);
const grace = () => scalar.duration(ranges.graceMs);
const list = <T extends z.ZodType>(doc: string, element: T) =>
  z.array(element).max(ranges.listLengthMax).meta({ description: doc });

const bind = () =>
  section('Where the node listens for clients and other nodes (gRPC).', {
    addr: leaf(scalar.host, { doc: 'Address to listen on.', standard: defaults.addr }).optional(),
    port: leaf(scalar.port(), { doc: 'Port; 0 takes a free one.', standard: defaults.bindPort }).optional(),
    interface: leaf(scalar.text('the name of a network interface'), {
      doc: 'Network interface whose address is used. With addr as well, the interface must have that address.',
      examples: ['eth0'],
    }).optional(),
  });

const admin = () =>
  z
    .union(
      [
        z.literal(false),
        section('Where the admin endpoints listen (HTTP).', {
          addr: leaf(scalar.host, { doc: 'Address to listen on.', standard: defaults.addr }).optional(),
          port: leaf(scalar.port(), { doc: 'Port; 0 takes a free one.', standard: defaults.adminPort }).optional(),
          basePath: leaf(scalar.urlPath, {
            doc: 'Put before every path.',
            standard: defaults.adminBasePath,
          }).optional(),
          tls: z
            .union([z.boolean(), section('TLS files of the admin endpoints.', tlsFiles())], {
              error: 'true, false, or a map with ca, cert and key',
            })
            .meta({ description: 'TLS of the admin endpoints.' })
            .optional(),
          token: leaf(scalar.token, { doc: 'Asked of every caller.' }).optional(),
        }),
      ],
      { error: 'false, or a map with addr and port' },
    )
    .meta({ description: 'Admin endpoints; false for none.' });

const cluster = () =>
  section('How the cluster forms.', {
    minimumPeers: leaf(scalar.integer(ranges.minimumPeers), {
      doc: 'Nodes, this one included, without which the node does not serve.',
      standard: defaults.minimumPeers,
    }).optional(),
    weight: leaf(scalar.number(ranges.weight), {
      doc: "This node's part of the ring relative to others: 2 for a machine with twice the memory.",
      standard: defaults.weight,
    }).optional(),
    replicas: leaf(scalar.integer(ranges.replicas), {
      doc: 'Nodes that keep each entry: with 2, what was put survives the crash of one. The same on all nodes.',
      standard: defaults.replicas,
    }).optional(),
    onSplit: leaf(scalar.oneOf(['serve', 'passthrough']), {
      doc: 'What a node does that lost sight of half of the cluster or more: go on with whom it sees, or read the data sources and keep nothing.',
      standard: defaults.onSplit,
    }).optional(),
    virtualNodes: leaf(scalar.integer(ranges.virtualNodes), {
      doc: 'Points of each node on the ring. The same on all nodes.',
      standard: defaults.virtualNodes,
    }).optional(),
    joinRetryInterval: leaf(timeout(), { doc: 'Pause between attempts to join.', standard: '1s' }).optional(),
    maxJoinAttempts: leaf(scalar.integer(ranges.maxJoinAttempts), {
      doc: 'Attempts to join before the node goes on with those it has met.',
      standard: defaults.maxJoinAttempts,
    }).optional(),
    bootstrapTimeout: leaf(timeout(), { doc: 'How long starting may take.', standard: '30s' }).optional(),
    shutdownTimeout: leaf(timeout(), { doc: 'How long stopping may take.', standard: '30s' }).optional(),
  });

const keyspace = (totalMemoryBytes: number) =>
  section('A named part of the cache, with a budget and a source of its own.', {
    maxBytes: leaf(scalar.size({ min: ranges.maxBytesMin, max: totalMemoryBytes }), {
      doc: "Budget per node for keys, values and their overhead; at most the machine's memory.",
      examples: ['64MiB'],
    }),
    eviction: eviction(evictions).optional(),
    defaultTtl: leaf(lifetime(), {
      doc: 'Time to live of entries without an expiry of their own. Left out: they do not expire.',
      examples: ['5m'],
    }).optional(),
    ttlJitter: leaf(scalar.share(ranges.ttlJitter), {
      doc: 'Part by which lifetimes are shortened at random, so that entries made together do not expire together.',
      standard: '0%',
    }).optional(),
    negativeTtl: leaf(grace(), {
      doc: '"The source has no such key" is remembered this long.',
      standard: '0s',
    }).optional(),
    staleWhileRevalidate: leaf(grace(), {
      doc: 'Expired entries are served this long while a load refreshes them.',
    }).optional(),
    staleIfError: leaf(grace(), { doc: 'Expired entries are served this long while the source fails.' }).optional(),
    hotShare: leaf(scalar.share(ranges.hotShare), {
      doc: "Part of maxBytes for copies of other nodes' entries.",
      standard: '12.5%',
    }).optional(),
    readTimeout: leaf(timeout(), { doc: 'How long a read may take. Left out: timeouts.read.' }).optional(),
    writeTimeout: leaf(timeout(), { doc: 'How long a write may take. Left out: timeouts.write.' }).optional(),
    warmKeys: list(
      'Keys loaded ahead of need, each by its owner, when a node joins or leaves.',
      leaf(scalar.text('a key'), { doc: 'A key.' }),
    ).optional(),
    ...ownProtection(),
    batch: batch().optional(),
    source: sourceDefinition(),
  });

/** Keys of a keyspace that stay as they are while it runs. */
export const fixedKeys = ['source', 'eviction', 'batch'] as const;

/** What `keyspace update --file` takes: the same keys below no name, without those that stay; `none` is gone. */
export const keyspaceChangesSchema = () =>
  keyspace(Number.MAX_SAFE_INTEGER).omit({ source: true, eviction: true, batch: true }).partial();

/**
 * The whole file, later releases' keys included; not-yet.ts tells which are in force. The output has milliseconds,
 * bytes and shares in place of texts, and no defaults.
 */
export const fileSchema = (totalMemoryBytes: number) =>
  z.strictObject({
    $schema: leaf(scalar.text('a path or URL'), { doc: 'JSON Schema of this file, for editors.' }).optional(),
    name: leaf(scalar.nodeName, {
      doc: 'Name of this node: unique in the cluster, and the same after a restart. Left out: hostname-bindPort.',
      examples: ['cache-1'],
    }).optional(),
    label: leaf(scalar.label, {
      doc: 'Nodes with another label never join.',
      standard: '',
      examples: ['prod'],
    }).optional(),
    bind: bind().optional(),
    admin: admin().optional(),
    gossip: gossip().optional(),
    discovery: discovery().optional(),
    cluster: cluster().optional(),
    timeouts: section('How long operations may take.', {
      read: leaf(timeout(), { doc: 'Reads of keyspaces that do not say otherwise.', standard: '5s' }).optional(),
      write: leaf(timeout(), { doc: 'Writes of keyspaces that do not say otherwise.', standard: '5s' }).optional(),
      keepAlive: leaf(timeout(), { doc: 'Silence after which a connection is tested.', standard: '300s' }).optional(),
    }).optional(),
    tls: tls().optional(),
    auth: auth().optional(),
    limits: section('Bounds of every operation.', {
      maxKeyBytes: leaf(scalar.size(ranges.maxKeyBytes), { doc: 'Longest key.', standard: '4KiB' }).optional(),
      maxValueBytes: leaf(scalar.size(ranges.maxValueBytes), { doc: 'Largest value.', standard: '16MiB' }).optional(),
      maxBatch: leaf(scalar.integer(ranges.maxBatch), {
        doc: 'Keys in one batch.',
        standard: defaults.maxBatch,
      }).optional(),
      maxInflight: leaf(scalar.integer(ranges.maxInflight), {
        doc: 'Operations under way at once on this node, and to each peer.',
        standard: defaults.maxInflight,
      }).optional(),
      maxInflightPerClient: leaf(scalar.integer(ranges.maxInflight), {
        doc: 'Of them, those of one client. Left out: a quarter.',
        examples: [1000],
      }).optional(),
      maxInflightBytes: leaf(scalar.size(ranges.maxInflightBytes), {
        doc: 'Requests held at once, of clients and of other nodes each; of one a quarter. Beyond, they are OVERLOADED.',
        standard: '256MiB',
      }).optional(),
      maxConnections: leaf(scalar.integer(ranges.openConnections), {
        doc: 'Connections of clients and nodes at a time; one more is dropped.',
        standard: defaults.openConnections,
      }).optional(),
    }).optional(),
    warmup: section('Loading hot keys ahead of need.', {
      maxHotKeys: leaf(scalar.integer(ranges.maxHotKeys), {
        doc: 'Hot keys of each keyspace that are counted and loaded.',
        standard: 100,
      }).optional(),
      minHits: leaf(scalar.integer(ranges.minHits), {
        doc: 'Hits in the last minute or two from which a key is hot.',
        standard: 1,
      }).optional(),
      concurrency: leaf(scalar.integer(ranges.warmupConcurrency), { doc: 'Loads at once.', standard: 4 }).optional(),
      timeout: leaf(timeout(), { doc: 'Time for each load.', standard: '2s' }).optional(),
      deadline: leaf(pause(), {
        doc: 'A node that starts is ready after so long, warm or not.',
        standard: '30s',
      }).optional(),
      onJoin: leaf(scalar.flag, { doc: 'When a node joins, this one included.', standard: true }).optional(),
      onLeave: leaf(scalar.flag, { doc: 'When a node leaves.', standard: true }).optional(),
      refreshInterval: leaf(pause(), {
        doc: 'Time between rounds that load hot keys again before they expire; 0s for none.',
        standard: '0s',
      }).optional(),
    }).optional(),
    source: sourceDefaults().optional(),
    telemetry: section('Metrics and traces.', {
      metrics: leaf(scalar.oneOf(['prometheus', 'otlp', 'none']), {
        doc: 'How metrics leave: at the admin endpoints in the text format of Prometheus, or over OTLP.',
        standard: defaults.metrics,
      }).optional(),
      otlp: leaf(scalar.url(['http:', 'https:']), {
        doc: 'Where OTLP goes, over HTTP: the URL above /v1/traces and /v1/metrics.',
        examples: ['http://127.0.0.1:4318'],
      }).optional(),
      traces: leaf(scalar.flag, { doc: 'Whether traces are sent over OTLP.', standard: false }).optional(),
      sampling: leaf(scalar.share(ranges.sampling), {
        doc: 'Part of the traces that begin at this node; those that come with a call are followed if its caller follows them.',
        standard: '10%',
      }).optional(),
      interval: leaf(scalar.duration(ranges.exportIntervalMs), {
        doc: 'How often metrics leave over OTLP, and traces where it is below 5s.',
        standard: '30s',
      }).optional(),
    }).optional(),
    keyspaces: z
      .record(
        z
          .string()
          .refine((name) => scalar.keyspaceName.parse(name) !== undefined, { error: scalar.keyspaceName.expected }),
        keyspace(totalMemoryBytes),
      )
      .meta({ description: 'Keyspaces by name.' })
      .optional(),
  });

/** What the schema makes of a file. */
export type FileConfig = z.output<ReturnType<typeof fileSchema>>;
