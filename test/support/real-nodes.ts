import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Client, type ConnectOptions, connect } from '../../src/client/client.js';
import { startCli } from './cli.js';
import { until, within } from './until.js';

export interface NodeOptions {
  readonly name?: string;
  /** YAML of the keyspaces and whatever else; without it no file is given. */
  readonly config?: string;
  /** The others to look for; without it the node waits to be found. */
  readonly peers?: readonly RealNode[];
  readonly addr?: string;
  /** Of the gossip; 0, a free one, unless it is given. */
  readonly gossipPort?: number;
  /** What runs the process, as `ip netns exec NAME`. */
  readonly via?: readonly string[];
  readonly port?: number;
  /** Of the admin endpoints; 'off' without. */
  readonly admin?: string;
  /** Without `--json`. */
  readonly plain?: boolean;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export type Exit = number | NodeJS.Signals | null;

/** One line of a node's log. */
export interface LogLine {
  readonly level: number;
  /** As ISO 8601 writes it. */
  readonly time: string;
  readonly msg: string;
}

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** One `distcache node start` as a process. */
export class RealNode {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  /** Ended by a signal that does not let it end well; `RealNodes.close` then asks nothing of its exit. */
  wasKilled = false;
  exit: Exit | undefined;

  constructor(
    readonly options: NodeOptions,
    args: readonly string[],
  ) {
    this.child = startCli(args, { env: { ...options.env }, via: options.via });
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        this.exit = signal ?? code;
        resolve(this.exit);
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** `host:port` of gRPC, once it is ready. */
  get grpc(): string {
    const grpc = /"grpc":"([^"]+)"|grpc=(\S+)/.exec(this.stdout);
    if (grpc === null) throw new Error(`the node is not ready: ${this.stderr}`);
    return grpc[1] ?? grpc[2]!;
  }

  get port(): number {
    return Number(this.grpc.split(':').at(-1));
  }

  /** `host:port` of its gossip, once it is ready. */
  get gossip(): string {
    const gossip = /"gossip":"([^"]+)"|gossip=(\S+)/.exec(this.stdout);
    if (gossip === null) throw new Error(`the node is not ready: ${this.stderr}`);
    return gossip[1] ?? gossip[2]!;
  }

  /** `host:port` of its admin endpoints, once it is ready. */
  get admin(): string {
    const admin = /"admin":"([^"]+)"/.exec(this.stdout);
    if (admin === null) throw new Error(`the node is not ready: ${this.stderr}`);
    return admin[1]!;
  }

  get gossipPort(): number {
    return Number(this.gossip.split(':').at(-1));
  }

  /** Resolves when it has said that it serves. */
  async ready(): Promise<this> {
    await until('a node is ready', () => this.stdout.endsWith('\n') || this.exit !== undefined, 30_000, 5);
    if (this.exit !== undefined) throw new Error(`the node ended with ${this.exit}: ${this.stderr}`);
    return this;
  }

  /** The lines of its log so far. */
  log(): readonly LogLine[] {
    return this.stderr
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line));
  }

  signal(signal: NodeJS.Signals): void {
    if (signal === 'SIGKILL') this.wasKilled = true;
    this.child.kill(signal);
  }
}

/** Node processes of one test with their clients and files: whatever was started here is gone after `close`. */
export class RealNodes {
  readonly #nodes: RealNode[] = [];
  readonly #clients: Client[] = [];
  #files = 0;

  private constructor(readonly folder: string) {}

  static async open(): Promise<RealNodes> {
    return new RealNodes(await mkdtemp(join(tmpdir(), 'distcache-nodes-')));
  }

  /** Writes a file into the folder and gives its path. */
  async file(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(this.folder, name);
    await writeFile(path, content);
    return path;
  }

  /** Starts a process without waiting for it. */
  async spawn(options: NodeOptions = {}): Promise<RealNode> {
    const {
      name,
      config,
      peers = [],
      addr,
      port = 0,
      gossipPort = 0,
      admin = 'off',
      plain = false,
      args = [],
    } = options;
    const file = config === undefined ? [] : ['--config', await this.file(`node-${this.#files++}.yaml`, config)];
    const flags = [
      ...file,
      // Nothing of these nodes is protected, and in a test nothing need be.
      ...(addr === undefined ? [] : ['--bind-addr', addr, '--insecure']),
      ...['--bind-port', String(port), '--discovery-port', String(gossipPort), '--admin-addr', admin],
      ...(name === undefined ? [] : ['--name', name]),
      ...(peers.length === 0 ? [] : ['--peers', peers.map((peer) => peer.gossip).join(',')]),
      ...(plain ? [] : ['--json']),
    ];
    const node = new RealNode(options, ['node', 'start', ...flags, ...args]);
    this.#nodes.push(node);
    return node;
  }

  async start(options: NodeOptions = {}): Promise<RealNode> {
    return (await this.spawn(options)).ready();
  }

  /** As many nodes as names, each of which sees all others. */
  async cluster(names: readonly string[], options: NodeOptions = {}): Promise<readonly RealNode[]> {
    const nodes: RealNode[] = [];
    for (const name of names) nodes.push(await this.start({ ...options, name, peers: [...nodes] }));
    await this.linked(nodes);
    return nodes;
  }

  /** Resolves when each of the nodes counts `count` members that serve. */
  async linked(
    nodes: readonly RealNode[],
    count = nodes.length,
    how: Omit<ConnectOptions, 'addresses'> = {},
  ): Promise<void> {
    for (const node of nodes) {
      const client = this.client([node], how);
      await until(`${node.options.name} sees ${count} nodes`, async () => (await client.status()).peers === count);
      await client.close();
    }
  }

  /** A client of these nodes, closed with everything else. */
  /** Patient, unless told otherwise: a machine may be busy with other things. */
  client(nodes: readonly RealNode[], options: Omit<ConnectOptions, 'addresses'> = {}): Client {
    const client = connect({ addresses: nodes.map((node) => node.grpc), timeoutMs: 30_000, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Ends all nodes, which must end well unless they were killed, and removes their files. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
    const nodes = this.#nodes.splice(0);
    const running = nodes.filter((node) => node.exit === undefined);
    for (const node of running) {
      node.child.kill('SIGCONT');
      node.child.kill('SIGTERM');
    }
    try {
      await within(20_000, 'the end of the nodes', Promise.all(nodes.map((node) => node.exited)));
      for (const node of running) if (!node.wasKilled) expect(node.exit, node.stderr).to.equal(0);
    } finally {
      for (const node of nodes) if (node.exit === undefined) node.child.kill('SIGKILL');
      await Promise.all(nodes.map((node) => node.exited));
      await rm(this.folder, { recursive: true, force: true });
    }
    for (const node of nodes) expect(isAlive(node.pid), `process ${node.pid}`).to.equal(false);
  }
}

/** Lines of a node's config file: one keyspace `ks` with this source, and others beside it. */
export const configOf = (
  source: string,
  more: { readonly keyspace?: string; readonly keyspaces?: readonly string[]; readonly top?: string } = {},
): string =>
  [
    'admin: false',
    more.top ?? '',
    'keyspaces:',
    `  ks: { maxBytes: 256MiB, ${more.keyspace === undefined ? '' : `${more.keyspace}, `}source: ${source} }`,
    ...(more.keyspaces ?? []).map((line) => `  ${line}`),
    '',
  ].join('\n');

export const httpSource = (template: string): string => `{ type: http, url: "${template}" }`;
