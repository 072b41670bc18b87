import { invalidArgument, type KeyspaceResult, type NodeOutcome, PartialFailure } from '../base/errors.js';
import {
  adminPaths,
  type BreakersDocument,
  type ConfigDocument,
  type DrainedDocument,
  type HealthDocument,
  type HotKeysDocument,
  type IndexDocument,
  type KeyDeletedDocument,
  type KeyspaceClearedDocument,
  type KeyspaceDocument,
  type KeyspacesDocument,
  type NodeDocument,
  type PeersDocument,
  type ReadyDocument,
  type RingDocument,
  type SourceDocument,
} from '../ports/admin.js';
import type { Clock } from '../ports/clock.js';
import type { AdminNode, MetricsText, ProcessGauges } from '../ports/insight.js';
import {
  hotKeyspaceDocument,
  keyspaceDocument,
  nodeDocument,
  peerDocument,
  ringDocument,
  sourceDocument,
  type Untold,
} from './documents.js';
import { Refused } from './failure.js';

export interface RouteDeps {
  readonly node: AdminNode;
  readonly gauges: ProcessGauges;
  readonly clock: Clock;
  /** What the node runs with, secrets blanked. */
  readonly config: () => Readonly<Record<string, unknown>>;
  /** undefined: there is no `metrics` endpoint. */
  readonly metrics?: MetricsText | undefined;
}

export interface Asked {
  /** Of `{name}`; '' where the path has none. */
  readonly name: string;
  readonly query: URLSearchParams;
  /** Of a POST, parsed; undefined: empty. */
  readonly body: unknown;
  /** Aborts when whoever asked has gone. */
  readonly signal: AbortSignal;
}

export type Answered =
  | { readonly status: number; readonly document: unknown }
  | { readonly status: number; readonly text: string; readonly contentType: string };

export interface Route {
  readonly method: 'GET' | 'POST';
  /** Of `adminPaths`. */
  readonly path: string;
  answer(asked: Asked): Answered | Promise<Answered>;
}

/** Of each keyspace, unless `?limit=` says otherwise. */
const hotKeysShown = 20;
/** Shorter than a connection may be idle; what was not handed over by then is asked for by its new owners. */
const drainMs = 25_000;

/** What is served beside events, each with what it answers. */
export function routesOf(deps: RouteDeps, urlOf: (path: string) => string): readonly Route[] {
  const { node, gauges, clock, config, metrics } = deps;
  const told = <D extends { readonly node: string; readonly time: string }>(document: Untold<D>): D =>
    ({ node: node.status().node, time: new Date(clock.wallMs()).toISOString(), ...document }) as unknown as D;
  const ok = (document: unknown): Answered => ({ status: 200, document });
  const get = (path: string, answer: Route['answer']): Route => ({ method: 'GET', path, answer });
  const post = (path: string, answer: Route['answer']): Route => ({ method: 'POST', path, answer });
  const routes: readonly Route[] = [
    get(adminPaths.index, () =>
      ok(told<IndexDocument>({ version: node.status().version, endpoints: endpoints().sort() })),
    ),
    get(adminPaths.node, () => ok(told<NodeDocument>(nodeDocument(node, gauges)))),
    get(adminPaths.peers, () => ok(told<PeersDocument>({ peers: node.peers().map(peerDocument) }))),
    get(adminPaths.keyspaces, () =>
      ok(told<KeyspacesDocument>({ keyspaces: node.describeKeyspaces().map(keyspaceDocument) })),
    ),
    get(adminPaths.keyspace, ({ name }) =>
      ok(keyspaceDocument(node.describeKeyspace(name)) satisfies KeyspaceDocument),
    ),
    get(adminPaths.hotKeys, ({ query }) => {
      const keyspace = query.get('keyspace') ?? undefined;
      const given = query.get('limit') ?? String(hotKeysShown);
      if (!/^\d+$/.test(given))
        throw invalidArgument(`limit is ${JSON.stringify(given)}, must be a whole number above 0`);
      const limit = Number(given);
      return ok(told<HotKeysDocument>({ keyspaces: node.hotKeys({ keyspace, limit }).map(hotKeyspaceDocument) }));
    }),
    get(adminPaths.breakers, () =>
      ok(
        told<BreakersDocument>({
          sources: [...node.insights.sources()].map(([keyspace, source]) => sourceDocument(keyspace, source)),
        }),
      ),
    ),
    get(adminPaths.ring, () => ok(told<RingDocument>(ringDocument(node.insights.ring())))),
    get(adminPaths.config, () => ok(told<ConfigDocument>({ config: config() }))),
    get(adminPaths.health, () => {
      const { healthy, state } = node.status();
      return { status: healthy ? 200 : 503, document: told<HealthDocument>({ healthy, state }) };
    }),
    get(adminPaths.ready, () => {
      const { ready, state, reason } = node.insights.readiness();
      const document = told<ReadyDocument>({ ready, state, reason: reason ?? null });
      return { status: ready ? 200 : 503, document };
    }),
    post(adminPaths.deleteKey, async ({ name, body, signal }) => {
      const key = keyOf(body);
      const { version, unreached } = await node.delete(name, key, { signal });
      return ok(told<KeyDeletedDocument>({ keyspace: name, key, version, unreached }));
    }),
    post(adminPaths.clearKeyspace, async ({ name, signal }) => {
      const { nodes } = await node.clearKeyspace(name, { signal }).catch(whatEachNodeSaid);
      return ok(told<KeyspaceClearedDocument>({ keyspace: name, nodes: nodes.map(nodeOutcome) }));
    }),
    post(adminPaths.resetBreaker, ({ name }) => {
      node.resetBreaker(name);
      return ok(sourceDocument(name, node.insights.sources().get(name)!) satisfies SourceDocument);
    }),
    post(adminPaths.drain, async ({ signal }) => {
      const { handedOver, left } = await node.drain({ signal, timeoutMs: drainMs });
      return ok(told<DrainedDocument>({ handed_over: handedOver, left }));
    }),
  ];
  const served = [
    ...routes,
    ...(metrics === undefined ? [] : [get(adminPaths.metrics, async () => ({ status: 200, ...(await metrics()) }))]),
  ];
  const endpoints = (): string[] => [
    ...served.map(({ method, path }) => `${method} ${urlOf(path)}`),
    `GET ${urlOf(adminPaths.events)}`,
  ];
  return served;
}

/** A change that some nodes could not be told of is an answer: it says which. */
function whatEachNodeSaid(error: unknown): KeyspaceResult {
  const [result] = error instanceof PartialFailure ? error.results : [];
  if (result === undefined) throw error;
  return result;
}

const nodeOutcome = ({ node, outcome, error }: NodeOutcome): KeyspaceClearedDocument['nodes'][number] => ({
  node,
  outcome,
  ...(error === undefined ? {} : { error }),
});

function keyOf(body: unknown): string {
  const key = (body as { key?: unknown } | null | undefined)?.key;
  if (typeof key === 'string') return key;
  throw new Refused(400, 'INVALID_ARGUMENT', 'the body must be JSON with a text as key: {"key":"42"}');
}
