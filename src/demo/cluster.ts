import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { timedOut } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import { cityQuery } from './city-database.js';
import { type Launcher, NodeProcess, type RunningNode } from './node-process.js';

export const keyspace = 'cities';
const readyWithinMs = 30_000;

export interface ClusterEvents {
  /** A line of a node's stderr. */
  onLog(node: string, line: string): void;
  /** A node that served has ended though nobody asked it to; `left` still serve. */
  onLoss(node: string, how: string, left: number): void;
}

/** Nodes of one demo: processes on free ports of this machine that share a folder with their files. */
export class LocalCluster {
  readonly #processes: NodeProcess[] = [];
  readonly #running: RunningNode[] = [];
  readonly #allGone = Promise.withResolvers<void>();
  #isStopping = false;

  constructor(
    private readonly folder: string,
    private readonly databaseFile: string,
    private readonly launcher: Launcher,
    private readonly clock: Clock,
    private readonly events: ClusterEvents,
  ) {}

  /** Nodes that serve, in the order of their start. */
  get running(): readonly RunningNode[] {
    return this.#running;
  }

  /** Resolves when the last node has ended by itself. */
  get allGone(): Promise<void> {
    return this.#allGone.promise;
  }

  /** One node more, which meets those that run. Rejects with the node's own error, or after half a minute. */
  async add(name: string): Promise<RunningNode> {
    const config = join(this.folder, `${name}.json`);
    await writeFile(config, JSON.stringify(this.#configOf(name), undefined, 2));
    if (this.#isStopping) throw new Error('the cluster is being stopped');
    const log = (line: string): void => this.events.onLog(name, line);
    const child = new NodeProcess(name, config, this.folder, this.launcher, this.clock, log);
    this.#processes.push(child);
    const running = await this.#readyInTime(child);
    this.#running.push(running);
    child.exited.then((how) => this.#onExit(running, how));
    return running;
  }

  /** Ends all nodes and resolves when none is left. `force` ends them at once. */
  async stop(force: AbortSignal): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#processes.map((child) => child.stop(force)));
  }

  async #readyInTime(child: NodeProcess): Promise<RunningNode> {
    const late = Promise.withResolvers<never>();
    const cancel = this.clock.after(readyWithinMs, () =>
      late.reject(timedOut(`the start of ${child.name}`, readyWithinMs)),
    );
    try {
      return await Promise.race([child.ready, late.promise]);
    } finally {
      cancel();
    }
  }

  #onExit(running: RunningNode, how: string): void {
    this.#running.splice(this.#running.indexOf(running), 1);
    if (this.#isStopping) return;
    this.events.onLoss(running.node, how, this.#running.length);
    if (this.#running.length === 0) this.#allGone.resolve();
  }

  #configOf(name: string): unknown {
    const peers = this.#running.map((node) => node.gossip);
    return {
      name,
      bind: { addr: '127.0.0.1', port: 0 },
      gossip: { port: 0, profile: 'local' },
      admin: { port: 0 },
      // Static without peers too: a node waits to be met by those that come later.
      discovery: { provider: 'static', peers },
      cluster: { shutdownTimeout: '5s' },
      keyspaces: {
        [keyspace]: {
          maxBytes: '64MiB',
          defaultTtl: '5m',
          negativeTtl: '10s',
          source: { type: 'sqlite', file: this.databaseFile, query: cityQuery },
        },
      },
    };
  }
}
