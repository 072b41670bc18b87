import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import calculateSlot from 'cluster-key-slot';
import { Redis } from 'ioredis';
import { frozen, killed } from './child.js';
import { freePort } from './free-port.js';
import { programPath } from './servers.js';
import { until } from './until.js';

const slots = 16_384;

/** A real `redis-server` on loopback that keeps nothing; it keeps its port when it is killed and started again. */
export class TestRedisServer {
  #child: ChildProcess | undefined;
  #admin: Redis | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly args: readonly string[],
  ) {}

  static async started(...args: readonly string[]): Promise<TestRedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'distcache-redis-'));
    const server = new TestRedisServer(await freePort(), folder, args);
    await server.start();
    return server;
  }

  /** As many nodes as a cluster takes, each with its part of the slots. */
  static async cluster(): Promise<readonly TestRedisServer[]> {
    const own = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-require-full-coverage', 'no'];
    const nodes = await Promise.all([0, 1, 2].map(() => TestRedisServer.started(...own)));
    for (const [at, node] of nodes.entries()) {
      const first = Math.ceil((slots * at) / nodes.length);
      const last = Math.ceil((slots * (at + 1)) / nodes.length) - 1;
      await node.command('cluster', 'addslotsrange', String(first), String(last));
      await node.command('cluster', 'set-config-epoch', String(at + 1));
    }
    for (const node of nodes) await nodes[0]!.command('cluster', 'meet', '127.0.0.1', String(node.port));
    await TestRedisServer.whole(nodes);
    return nodes;
  }

  /** Resolves when each node takes the cluster for whole. */
  static async whole(nodes: readonly TestRedisServer[]): Promise<void> {
    for (const node of nodes) {
      await until('a node of the cluster sees it whole', async () =>
        /cluster_state:ok[\s\S]*cluster_known_nodes:3/.test(String(await node.command('cluster', 'info'))),
      );
    }
  }

  /** Which of the cluster's nodes has a key. */
  static partOf(key: string, nodes: number): number {
    return Math.floor((calculateSlot(key) * nodes) / slots);
  }

  /** Tells all of these that this node of the cluster has the key's slot. */
  async take(key: string, nodes: readonly TestRedisServer[]): Promise<void> {
    const id = String(await this.command('cluster', 'myid'));
    for (const node of nodes) await node.command('cluster', 'setslot', String(calculateSlot(key)), 'node', id);
    await this.command('cluster', 'bumpepoch');
  }

  url(port = this.port): string {
    return `redis://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const options = { cwd: this.folder, stdio: 'ignore' as const };
    this.#child = spawn(programPath('redis-server')!, [...own, '--dir', this.folder, ...this.args], options);
    const admin = new Redis({
      host: '127.0.0.1',
      port: this.port,
      lazyConnect: true,
      retryStrategy: null,
      protocol: 2,
      enableReadyCheck: false,
    });
    admin.on('error', () => {});
    this.#admin = admin;
    await until('redis-server takes connections', () =>
      admin.connect().then(
        () => true,
        () => false,
      ),
    );
  }

  command(name: string, ...args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#admin!.call(name, ...args);
  }

  /** Calls of each command since the last `forget`, in the server's own count. */
  async calls(): Promise<Readonly<Record<string, number>>> {
    const text = String(await this.command('info', 'commandstats'));
    const lines = [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)];
    return Object.fromEntries(lines.map(([, name, calls]) => [name, Number(calls)]));
  }

  async forget(): Promise<void> {
    await this.command('config', 'resetstat');
  }

  /** As a crash: SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#admin?.disconnect();
    await killed(child);
  }

  /** Stops it where it stands; resolves when it does. */
  async freeze(): Promise<void> {
    await frozen(this.#child!, 'redis-server');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
