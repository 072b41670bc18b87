import { DistcacheError } from '../../src/base/errors.js';
import type { AdminTarget } from '../../src/client/admin-target.js';
import type { EventDocument } from '../../src/ports/admin.js';
import type { Clock } from '../../src/ports/clock.js';
import type { AdminApi } from '../../tui/polling/admin-api.js';
import { documentsOf, type MadeCluster, type MadeDocuments } from './admin-documents.js';

type Made = Omit<MadeCluster, 'seconds'>;

/** Admin servers of a made-up cluster without sockets, whose counters grow with the clock. */
export class FakeApi implements AdminApi {
  /** Names of nodes that refuse. */
  readonly failing = new Set<string>();
  /** Names of nodes that never answer. */
  readonly hanging = new Set<string>();
  readonly writes: string[] = [];
  /** Why writes are refused. */
  refusal: string | undefined;
  /** Polls that each node was asked for. */
  readonly polls = new Map<string, number>();
  /** Whose events are followed now. */
  readonly followed: string[] = [];

  constructor(
    private readonly clock: Clock,
    public made: Made,
  ) {}

  targetOf = (name: string): AdminTarget => ({ origin: `http://${name}:1`, basePath: '' });

  node: AdminApi['node'] = (target, call) => {
    const name = nameOf(target);
    this.polls.set(name, (this.polls.get(name) ?? 0) + 1);
    return this.#told(target, 'node', call?.signal);
  };
  peers: AdminApi['peers'] = (target, call) => this.#told(target, 'peers', call?.signal);
  keyspaces: AdminApi['keyspaces'] = (target, call) => this.#told(target, 'keyspaces', call?.signal);
  hotKeys: AdminApi['hotKeys'] = (target, call) => this.#told(target, 'hotKeys', call?.signal);
  breakers: AdminApi['breakers'] = (target, call) => this.#told(target, 'breakers', call?.signal);

  async *events(...[target, call]: Parameters<AdminApi['events']>): AsyncGenerator<EventDocument, void> {
    const name = nameOf(target);
    this.followed.push(name);
    yield { time: '2026-01-01T00:00:00.000Z', type: 'listening', told_by: name };
    await aborted(call?.signal);
  }

  deleteKey: AdminApi['deleteKey'] = (target, keyspace, key) =>
    this.#wrote(`delete ${key} of ${keyspace}`, target, { keyspace, key, version: 1, unreached: [] });
  clearKeyspace: AdminApi['clearKeyspace'] = (target, keyspace) =>
    this.#wrote(`clear ${keyspace}`, target, {
      keyspace,
      nodes: this.made.nodes.map(({ name }) => ({ node: name, outcome: 'applied' as const })),
    });
  resetBreaker: AdminApi['resetBreaker'] = (target, keyspace) =>
    this.#wrote(
      `reset ${keyspace}`,
      target,
      documentsOf({ ...this.made, seconds: 1 }, nameOf(target)).breakers.sources[0]!,
    );
  drain: AdminApi['drain'] = (target) => this.#wrote('drain', target, { handed_over: 7, left: 1 });

  async #wrote<T extends object>(what: string, target: AdminTarget, answer: T) {
    if (this.refusal !== undefined) throw new DistcacheError('UNAUTHORIZED', this.refusal);
    this.writes.push(`${what} at ${nameOf(target)}`);
    return { node: nameOf(target), time: '', ...answer };
  }

  async #told<K extends keyof MadeDocuments>(
    target: AdminTarget,
    document: K,
    signal?: AbortSignal,
  ): Promise<MadeDocuments[K]> {
    const name = nameOf(target);
    if (this.hanging.has(name)) await aborted(signal);
    if (this.failing.has(name)) throw new DistcacheError('PEER_UNREACHABLE', `${name} refused the connection`);
    const nodes = this.made.nodes.map((node) => ({ admin: `${node.name}:1`, ...node }));
    return documentsOf({ ...this.made, nodes, seconds: this.clock.nowMs() / 1000 + 1 }, name)[document];
  }
}

const nameOf = ({ origin }: AdminTarget): string => origin.replace('http://', '').replace(':1', '');

const aborted = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => {
    const fail = (): void => reject(new DistcacheError('ABORTED', 'cancelled'));
    if (signal?.aborted) fail();
    signal?.addEventListener('abort', fail, { once: true });
  });
