import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until, within } from './until.js';

/*
 * Members of hashicorp/memberlist, each a process of the Go program in `test/integration/go-memberlist/peer`. It stands
 * beside the tests against serf for what that older release cannot show, so it is never required: where there is no Go, or
 * its modules cannot be fetched, `GoProgram.build` says so and the tests are skipped.
 */

const source = fileURLToPath(new URL('../integration/go-memberlist/peer', import.meta.url));
const run = promisify(execFile);

/** Enough for a machine with two slow cores that has to compile everything for the first time. */
const fetchLimitMs = 60_000;
const buildLimitMs = 120_000;
const answerLimitMs = 15_000;

const slowness = /Refuting a|Was able to connect to|Failed fallback|no acks received/;

/** The peer's program, in a directory of its own until `remove`. */
export class GoProgram {
  private constructor(
    readonly path: string,
    readonly remove: () => Promise<void>,
  ) {}

  /** Rejects when the program does not compile. @returns a sentence instead, where there is no Go or no module */
  static async build(): Promise<GoProgram | string> {
    const env = { ...process.env, GOWORK: 'off', GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' };
    const options = { cwd: source, env, killSignal: 'SIGKILL' } as const;
    try {
      await run('go', ['version'], { ...options, timeout: fetchLimitMs });
    } catch (error) {
      return `there is no Go here (Debian: apt-get install golang): ${textOf(error)}`;
    }
    try {
      await run('go', ['mod', 'download'], { ...options, timeout: fetchLimitMs });
    } catch (error) {
      return `the modules of the Go peer cannot be fetched: ${textOf(error)}`;
    }
    const directory = await mkdtemp(join(tmpdir(), 'distcache-go-'));
    const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
    const path = join(directory, 'peer');
    try {
      await run('go', ['build', '-o', path, '.'], { ...options, timeout: buildLimitMs });
      return new GoProgram(path, remove);
    } catch (error) {
      await remove();
      if ((error as { killed?: boolean }).killed === true) return `compiling took over ${buildLimitMs / 1000} seconds`;
      throw error;
    }
  }
}

const textOf = (error: unknown): string => {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr || message).trim().split('\n').slice(-2).join(' ');
};

export interface GoMember {
  readonly name: string;
  readonly addr: string;
  readonly port: number;
  readonly meta: string;
  readonly vsn: readonly number[];
}

export interface GoPeerOptions {
  readonly name: string;
  /** A free one otherwise. */
  readonly port?: number;
  readonly label?: string;
  /** In hex, the first to encrypt with. */
  readonly keys?: readonly string[];
  readonly profile?: 'lan' | 'local' | 'wan';
  readonly compress?: boolean;
  readonly meta?: string;
  readonly versions?: readonly [low: number, high: number, current: number];
  readonly transport?: 'net' | 'tcp';
  readonly stateBytes?: number;
  readonly probeIntervalMs?: number;
  readonly probeTimeoutMs?: number;
  readonly pushPullIntervalMs?: number;
  readonly gossipToTheDeadMs?: number;
}

export type GoEvent =
  | { readonly event: 'joined' | 'gone' | 'updated' | 'conflict'; readonly member: GoMember }
  | { readonly event: 'user'; readonly bytes: string }
  | { readonly event: 'state'; readonly length: number; readonly join: boolean };

type Line = Partial<{ ready: GoMember; answer: number; result: unknown; error: string; log: string }> &
  Partial<GoEvent>;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** One member, as a process. */
export class GoPeer {
  readonly events: GoEvent[] = [];
  readonly log: string[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<unknown>;
  #ready: GoMember | undefined;
  #stderr = '';
  #ended = false;
  #id = 0;

  private constructor(program: GoProgram, options: GoPeerOptions) {
    this.#child = spawn(program.path, flagsOf(options), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#exited = once(this.#child, 'exit').finally(() => this.#onEnd());
    this.#exited.catch(() => {});
    // A peer that is killed closes its end first.
    this.#child.stdin!.on('error', () => {});
    this.#child.stderr!.setEncoding('utf8').on('data', (text) => {
      this.#stderr += text;
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#onLine(JSON.parse(line) as Line));
  }

  static async start(program: GoProgram, options: GoPeerOptions): Promise<GoPeer> {
    const peer = new GoPeer(program, options);
    try {
      await until(`${options.name} is ready`, () => peer.#ready !== undefined || peer.#ended, answerLimitMs);
    } catch (error) {
      await peer.kill();
      throw error;
    }
    if (peer.#ready === undefined) throw new Error(`the Go peer ${options.name} ended: ${peer.#stderr}`);
    return peer;
  }

  get self(): GoMember {
    return this.#ready!;
  }

  get address(): string {
    return `${this.self.addr}:${this.self.port}`;
  }

  /** Those alive or suspect, itself included. */
  async members(): Promise<readonly GoMember[]> {
    return (await this.#ask('members')) as readonly GoMember[];
  }

  /** The names of `members`, sorted. */
  async names(): Promise<readonly string[]> {
    return (await this.members()).map(({ name }) => name).sort();
  }

  /** How many of them answered. Rejects when none did. */
  async join(...addresses: readonly string[]): Promise<number> {
    return (await this.#ask('join', { addresses })) as number;
  }

  async leave(withinMs = 5000): Promise<void> {
    await this.#ask('leave', { withinMs });
  }

  async changeMeta(text: string): Promise<void> {
    await this.#ask('meta', { text, withinMs: 5000 });
  }

  /** Resolves when the member acknowledges; rejects when it doesn't in time. */
  async ping(to: string): Promise<void> {
    await this.#ask('ping', { to });
  }

  /** A message of the application: to one member in a packet or, `reliable`, over a stream; to all by gossip without `to`. */
  async send(payload: Uint8Array, { to = '', reliable = false } = {}): Promise<void> {
    await this.#ask('send', { bytes: Buffer.from(payload).toString('hex'), to, reliable });
  }

  async key(change: 'addKey' | 'useKey' | 'removeKey', hex: string): Promise<void> {
    await this.#ask(change, { bytes: hex });
  }

  /** Stops it in the middle of whatever it does. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** Ends it as a crash does: it says nothing to anybody. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await within(answerLimitMs, 'the end of a Go peer', this.#exited);
  }

  /** The kinds of events about a member so far, in order. */
  told(name: string): readonly GoEvent['event'][] {
    return this.events.flatMap((event) => ('member' in event && event.member.name === name ? [event.event] : []));
  }

  /** Warnings and errors that it logged, but for those that a slow machine is reason enough for. */
  complaints(): readonly string[] {
    return this.log.filter((line) => /\[(?:WARN|ERR)/.test(line) && !slowness.test(line));
  }

  logged(pattern: RegExp): boolean {
    return this.log.some((line) => pattern.test(line));
  }

  async #ask(what: string, how: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (this.#ended) throw new Error(`the Go peer has ended: ${this.#stderr}`);
    this.#id++;
    const id = this.#id;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    this.#child.stdin!.write(`${JSON.stringify({ id, do: what, ...how })}\n`);
    try {
      return await within(answerLimitMs, `'${what}' of a Go peer`, answer);
    } finally {
      this.#waiting.delete(id);
    }
  }

  #onLine(line: Line): void {
    if (line.ready !== undefined) this.#ready = line.ready;
    else if (line.answer !== undefined) {
      const waiting = this.#waiting.get(line.answer);
      if (line.error === undefined) waiting?.resolve(line.result);
      else waiting?.reject(new Error(line.error));
    } else if (line.log !== undefined) this.log.push(line.log);
    else this.events.push(line as GoEvent);
  }

  #onEnd(): void {
    this.#ended = true;
    for (const { reject } of this.#waiting.values()) reject(new Error(`the Go peer ended: ${this.#stderr}`));
  }
}

function flagsOf(options: GoPeerOptions): readonly string[] {
  const ms = (value: number | undefined): string | undefined => (value === undefined ? undefined : `${value}ms`);
  const flags: Readonly<Record<string, string | number | boolean | undefined>> = {
    name: options.name,
    bind: `127.0.0.1:${options.port ?? 0}`,
    label: options.label,
    keys: options.keys?.join(','),
    profile: options.profile,
    compress: options.compress,
    meta: options.meta,
    versions: options.versions?.join(','),
    transport: options.transport,
    'state-bytes': options.stateBytes,
    'probe-interval': ms(options.probeIntervalMs),
    'probe-timeout': ms(options.probeTimeoutMs),
    'push-pull-interval': ms(options.pushPullIntervalMs),
    'gossip-to-the-dead': ms(options.gossipToTheDeadMs),
  };
  return Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [`-${flag}=${value}`]));
}
