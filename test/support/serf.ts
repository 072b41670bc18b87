import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { joinAddress } from '../../src/base/addresses.js';
import { bytesOfIp } from '../../src/base/ip.js';
import type { Endpoint } from '../../src/membership/swim/effects.js';
import { until, within } from './until.js';

/**
 * How long to wait for what is not timed. Serf tells news a few times, to members at random; who missed all of it learns of
 * it by an exchange of states within half a minute.
 */
export const patienceMs = 35_000;

export type SerfStatus = 'alive' | 'leaving' | 'left' | 'failed';

/** A line of `serf members -format=json -detailed`. */
export interface SerfMember {
  readonly name: string;
  /** `ip:port` */
  readonly addr: string;
  readonly port: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly status: SerfStatus;
  readonly protocol: { readonly min: number; readonly max: number; readonly version: number };
}

export interface SerfOptions {
  readonly name?: string;
  /** By default `lan`; in `local` news is told so seldom that a fourth or fifth member misses some. */
  readonly profile?: 'local' | 'lan';
  /** A key as of `keygen`. */
  readonly encrypt?: string;
  /** `ip:port` to join while it starts. It ends when none of them answers. */
  readonly join?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly compression?: boolean;
}

export interface SerfLine {
  readonly text: string;
  /** When it was read, on this process's monotonic clock; the log itself has whole seconds. */
  readonly atMs: number;
}

export interface CliEnd {
  /** 0 is well. */
  readonly exit: number;
  /** Stdout, then stderr. */
  readonly text: string;
}

/** Runs `serf ARGS`; never rejects for what serf makes of them. */
export const serf = (...args: readonly string[]): Promise<CliEnd> =>
  new Promise((resolve) => {
    execFile('serf', args, { timeout: 30_000, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const exit = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
      resolve({ exit, text: stdout + stderr });
    });
  });

/** A fresh gossip key, in base64. */
export async function keygen(): Promise<string> {
  const { exit, text } = await serf('keygen');
  if (exit !== 0) throw new Error(`serf keygen: ${text}`);
  return text.trim();
}

/** IPs of this machine alone, for one test process: each member of a test gets its own. */
export class LoopbackIps {
  #last = 1;

  /** 127.x.y.n with x and y of this process, so that suites which run side by side don't meet. */
  next(): string {
    if (this.#last === 254) throw new Error('no more addresses: 253 members in one test');
    return `127.${100 + ((process.pid >> 8) % 100)}.${process.pid % 256}.${++this.#last}`;
  }
}

/** A port that is free for UDP and for TCP at this IP. */
export async function freePort(host: string): Promise<number> {
  for (let tries = 0; tries < 20; tries++) {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const socket = createSocket('udp4');
    const isFree = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false)).bind(port, host, () => resolve(true));
    });
    if (isFree) socket.close();
    server.close();
    await once(server, 'close');
    if (isFree) return port;
  }
  throw new Error(`no port of ${host} is free for both UDP and TCP`);
}

/** One `serf agent` as a process, on an IP of its own. */
export class SerfAgent {
  readonly lines: SerfLine[] = [];
  exit: number | NodeJS.Signals | undefined;
  readonly #child: ChildProcess;
  #rest = '';

  constructor(
    readonly name: string,
    readonly host: string,
    readonly port: number,
    private readonly rpc: string,
    args: readonly string[],
  ) {
    this.#child = spawn('serf', ['agent', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    }
    this.#child.on('close', (code, signal) => {
      this.exit = signal ?? code ?? -1;
    });
    this.#child.on('error', (error) => this.#read(`${error.message}\n`));
  }

  /** `ip:port` of its gossip. */
  get address(): string {
    return joinAddress(this.host, this.port);
  }

  get endpoint(): Endpoint {
    return { addr: bytesOfIp(this.host)!, port: this.port };
  }

  /** Its log, without a word of our own questions. */
  get text(): string {
    const lines = this.lines.map(({ text }) => text);
    return lines.filter((text) => !text.includes('agent.ipc: Accepted client')).join('\n');
  }

  /** Resolves when its gossip and its RPC answer. */
  async ready(): Promise<this> {
    await this.logged('agent: Serf agent starting');
    await until(`the RPC of ${this.name}`, async () => (await this.cli('members')).exit === 0, 10_000, 50);
    return this;
  }

  /** Its log's first line with these words, from line `from` on, when it is there. */
  async logged(words: string | RegExp, limitMs = patienceMs, from = 0): Promise<SerfLine> {
    const find = (): SerfLine | undefined => this.lines.slice(from).find(({ text }) => has(text, words));
    try {
      await until(
        `"${words}" in the log of ${this.name}`,
        () => find() !== undefined || this.exit !== undefined,
        limitMs,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.text}`);
    }
    const line = find();
    if (line === undefined) throw new Error(`${this.name} ended with ${this.exit} before "${words}"\n${this.text}`);
    return line;
  }

  /** All lines so far with these words. */
  log(words: string | RegExp): readonly SerfLine[] {
    return this.lines.filter(({ text }) => has(text, words));
  }

  /** `serf SUBCOMMAND` for this agent. */
  cli(subcommand: string, ...args: readonly string[]): Promise<CliEnd> {
    return serf(subcommand, `-rpc-addr=${this.rpc}`, ...args);
  }

  /** Sorted by name. */
  async members(): Promise<readonly SerfMember[]> {
    const { exit, text } = await this.cli('members', '-format=json', '-detailed');
    if (exit !== 0) throw new Error(`serf members of ${this.name}: ${text}\n${this.text}`);
    const { members } = JSON.parse(text) as { members: SerfMember[] };
    return members.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async member(name: string): Promise<SerfMember | undefined> {
    return (await this.members()).find((member) => member.name === name);
  }

  /** The member as soon as it has this status, and all else that is asked. */
  async shows(
    name: string,
    status: SerfStatus,
    { limitMs = patienceMs, where = (_: SerfMember): boolean => true } = {},
  ): Promise<SerfMember> {
    let seen: SerfMember | undefined;
    const holds = async (): Promise<boolean> => {
      seen = await this.member(name);
      return seen?.status === status && where(seen);
    };
    try {
      await until(`${this.name} shows ${name} as ${status}`, holds, limitMs, 40);
    } catch (error) {
      throw new Error(`${(error as Error).message}; it shows ${JSON.stringify(seen)}\n${this.text}`);
    }
    return seen!;
  }

  /** @param names all members, and each alive */
  async showsAlive(names: readonly string[], limitMs = patienceMs): Promise<void> {
    const wanted = [...names].sort().join();
    let seen = '';
    const holds = async (): Promise<boolean> => {
      const members = await this.members();
      seen = members.map(({ name, status }) => `${name} ${status}`).join();
      return members.map(({ name }) => name).join() === wanted && members.every(({ status }) => status === 'alive');
    };
    try {
      await until(`${this.name} shows ${wanted} alive`, holds, limitMs, 40);
    } catch (error) {
      throw new Error(`${(error as Error).message}; it shows ${seen}\n${this.text}`);
    }
  }

  /** SIGSTOP and SIGCONT freeze and thaw it, SIGKILL ends it without a word. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL' | 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  /** Resolves when the process is gone. */
  async ended(limitMs = patienceMs): Promise<void> {
    if (this.exit === undefined) await within(limitMs, `the end of ${this.name}`, once(this.#child, 'close'));
  }

  #read(text: string): void {
    const parts = (this.#rest + text).split('\n');
    this.#rest = parts.pop()!;
    const atMs = performance.now();
    for (const line of parts) this.lines.push({ text: line, atMs });
  }
}

const has = (text: string, words: string | RegExp): boolean =>
  typeof words === 'string' ? text.includes(words) : words.test(text);

/** The agents of one test: whatever was started here is gone after `close`, and at the latest with this process. */
export class SerfAgents {
  readonly #agents: SerfAgent[] = [];
  #count = 0;
  readonly #killAll = (): void => {
    for (const agent of this.#agents) agent.signal('SIGKILL');
  };
  /** Without it SIGTERM, of a time limit around the tests perhaps, would end this process alone. */
  readonly #terminate = (): void => process.exit(143);

  constructor(readonly ips: LoopbackIps) {}

  /** Starts an agent, and resolves when it is ready. */
  async start(options: SerfOptions = {}): Promise<SerfAgent> {
    const { profile = 'lan', encrypt, join = [], tags = {}, compression = true } = options;
    const name = options.name ?? `s${++this.#count}`;
    const host = this.ips.next();
    const port = await freePort(host);
    const rpc = joinAddress(host, await freePort(host));
    const args = [
      `-node=${name}`,
      `-bind=${joinAddress(host, port)}`,
      `-rpc-addr=${rpc}`,
      `-profile=${profile}`,
      '-log-level=debug',
      ...(encrypt === undefined ? [] : [`-encrypt=${encrypt}`]),
      ...(compression ? [] : ['-disable-compression']),
      ...join.map((address) => `-join=${address}`),
      ...Object.entries(tags).flatMap(([key, value]) => ['-tag', `${key}=${value}`]),
    ];
    if (this.#agents.length === 0) process.on('exit', this.#killAll).on('SIGTERM', this.#terminate);
    const agent = new SerfAgent(name, host, port, rpc, args);
    this.#agents.push(agent);
    return agent.ready();
  }

  async close(): Promise<void> {
    this.#killAll();
    await Promise.all(this.#agents.map((agent) => agent.ended()));
    process.removeListener('exit', this.#killAll).removeListener('SIGTERM', this.#terminate);
    this.#agents.length = 0;
    this.#count = 0;
  }
}
