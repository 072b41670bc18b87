import { z } from 'zod';
import type * as documents from '../ports/admin.js';

/** The documents of src/ports/admin.ts as schemas, from which docs/admin.schema.json is made. Not loaded by a node. */

const text = z.string();
const count = z.number().nonnegative();
const share = z.number().min(0).max(1);
const names = z.array(text);
const stats = z.record(text, z.number());
const told = { node: text, time: z.iso.datetime() };
const nodeState = z.enum(['starting', 'serving', 'draining', 'stopped']);

const latency = z.strictObject({
  count,
  total_ms: count,
  p50_ms: count.nullable(),
  p99_ms: count.nullable(),
  max_ms: count.nullable(),
});

const peer = z.strictObject({
  name: text,
  state: z.enum(['alive', 'suspect', 'dead', 'left', 'draining']),
  is_self: z.boolean(),
  bind_addr: text,
  bind_port: count,
  discovery_port: count,
  admin: text,
  ring_share: share,
  incarnation: count,
  version: text,
  id: text,
  serving: z.boolean(),
  gossip: text,
  weight: count,
});

const keyspace = z.strictObject({
  name: text,
  max_bytes: count,
  default_ttl: text.nullable(),
  default_ttl_ms: count.nullable(),
  negative_ttl_ms: count.nullable(),
  read_timeout: text,
  read_timeout_ms: count,
  write_timeout: text,
  write_timeout_ms: count,
  ttl_jitter: share,
  stale_while_revalidate_ms: count.nullable(),
  stale_if_error_ms: count.nullable(),
  hot_share: share,
  eviction: text,
  warm_keys: names,
  main_cache_bytes: count,
  hot_cache_bytes: count,
  stats,
});

const hotKeyspace = z.strictObject({
  name: text,
  hits: count,
  window_ms: count,
  keys: z.array(z.strictObject({ key: text, hits: count, share, hits_per_second: count, owner: text })),
});

const source = z.strictObject({
  keyspace: text,
  state: z.enum(['closed', 'open', 'half-open', 'off']),
  failures: count,
  failures_to_open: count.nullable(),
  next_probe_ms: count.nullable(),
  opened: count,
  bucket: z.strictObject({ level: z.number(), burst: count, rate_per_second: count }).nullable(),
  in_flight: count,
  in_flight_max: count,
  queued: count,
  queued_max: count,
  loads: count,
  load_errors: count,
  refused_circuit_open: count,
  refused_rate_limited: count,
  refused_overloaded: count,
});

const error = z.strictObject({ code: text, message: text });

/** By the name of the type in src/ports/admin.ts. */
export const adminSchemas = {
  IndexDocument: z.strictObject({
    ...told,
    version: text,
    endpoints: names,
  }) satisfies z.ZodType<documents.IndexDocument>,
  NodeDocument: z.strictObject({
    ...told,
    id: text,
    version: text,
    label: text,
    state: nodeState,
    healthy: z.boolean(),
    ready: z.boolean(),
    serving: z.boolean(),
    uptime_ms: count,
    grpc: text,
    admin: text,
    gossip: text,
    incarnation: count,
    weight: count,
    ring_share: share,
    ring_version: text,
    peers: count,
    totals: stats,
    latencies: z.strictObject({ reads: latency, misses: latency, source_loads: latency, writes: latency }),
    memory: z.strictObject({
      rss_bytes: count,
      heap_used_bytes: count,
      heap_limit_bytes: count,
      array_buffers_bytes: count,
      cache_bytes: count,
      cache_max_bytes: count,
    }),
    event_loop: z.strictObject({ lag_p50_ms: count, lag_p99_ms: count, lag_max_ms: count }),
    inflight: count,
  }) satisfies z.ZodType<documents.NodeDocument>,
  PeersDocument: z.strictObject({ ...told, peers: z.array(peer) }) satisfies z.ZodType<documents.PeersDocument>,
  KeyspacesDocument: z.strictObject({
    ...told,
    keyspaces: z.array(keyspace),
  }) satisfies z.ZodType<documents.KeyspacesDocument>,
  KeyspaceDocument: keyspace satisfies z.ZodType<documents.KeyspaceDocument>,
  HotKeysDocument: z.strictObject({
    ...told,
    keyspaces: z.array(hotKeyspace),
  }) satisfies z.ZodType<documents.HotKeysDocument>,
  BreakersDocument: z.strictObject({
    ...told,
    sources: z.array(source),
  }) satisfies z.ZodType<documents.BreakersDocument>,
  SourceDocument: source satisfies z.ZodType<documents.SourceDocument>,
  RingDocument: z.strictObject({
    ...told,
    ring_version: text,
    virtual_nodes: count,
    replicas: count,
    nodes: z.array(z.strictObject({ name: text, share, weight: count })),
    hottest: z.strictObject({ name: text, ratio: count }).nullable(),
  }) satisfies z.ZodType<documents.RingDocument>,
  ConfigDocument: z.strictObject({
    ...told,
    config: z.record(text, z.unknown()),
  }) satisfies z.ZodType<documents.ConfigDocument>,
  EventDocument: z.strictObject({
    time: z.iso.datetime(),
    type: text,
    told_by: text,
    node: text.optional(),
    state: text.optional(),
    serving: z.boolean().optional(),
    grpc: text.optional(),
    gossip: text.optional(),
    admin: text.optional(),
    version: text.optional(),
    weight: count.optional(),
    incarnation: count.optional(),
    id: text.optional(),
    keyspace: text.optional(),
    from: text.optional(),
    to: text.optional(),
    missed: count.optional(),
  }),
  HealthDocument: z.strictObject({
    ...told,
    healthy: z.boolean(),
    state: nodeState,
  }) satisfies z.ZodType<documents.HealthDocument>,
  ReadyDocument: z.strictObject({
    ...told,
    ready: z.boolean(),
    state: nodeState,
    reason: text.nullable(),
  }) satisfies z.ZodType<documents.ReadyDocument>,
  ErrorDocument: z.strictObject({ error }) satisfies z.ZodType<documents.ErrorDocument>,
  DeleteKeyBody: z.strictObject({ key: text }) satisfies z.ZodType<documents.DeleteKeyBody>,
  KeyDeletedDocument: z.strictObject({
    ...told,
    keyspace: text,
    key: text,
    version: count,
    unreached: names,
  }) satisfies z.ZodType<documents.KeyDeletedDocument>,
  KeyspaceClearedDocument: z.strictObject({
    ...told,
    keyspace: text,
    nodes: z.array(
      z.strictObject({ node: text, outcome: z.enum(['applied', 'unchanged', 'failed']), error: error.optional() }),
    ),
  }),
  DrainedDocument: z.strictObject({
    ...told,
    handed_over: count,
    left: count,
  }) satisfies z.ZodType<documents.DrainedDocument>,
};

/** JSON Schema, draft 2020-12: one definition for each document. */
export function adminJsonSchema(): Readonly<Record<string, unknown>> {
  const $defs = Object.fromEntries(
    Object.entries(adminSchemas).map(([name, schema]) => {
      // More fields may come, so whoever checks answers must not refuse them.
      const { $schema: _, ...rest } = JSON.parse(
        JSON.stringify(z.toJSONSchema(schema, { io: 'output' }), (key, value) =>
          key === 'additionalProperties' && value === false ? undefined : value,
        ),
      );
      return [name, rest];
    }),
  );
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: "Documents of distcache's admin endpoints",
    $defs,
  };
}
