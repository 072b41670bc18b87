import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { DistcacheError, isErrorCode } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import { eachLine } from './lines.js';

/** How to run the command line in a process of its own. */
export interface Launcher {
  /** The Node binary. */
  readonly execPath: string;
  /** The script that takes `node start`. */
  readonly script: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Addresses are `host:port`, or `off`/`none` where there is none. */
export interface RunningNode {
  readonly node: string;
  readonly grpc: string;
  readonly admin: string;
  readonly gossip: string;
  readonly pid: number;
}

const lineMax = 16 * 1024;
/** Lines of a node's stderr that are kept to explain a failed start. */
const tailMax = 20;
/** After SIGTERM; nodes are told to drain within less. */
const graceMs = 10_000;

// A node that outlives its demo would hold ports and memory that nobody knows of, and a demo that is killed cannot end
// it. So each node's stdin is a pipe that nobody writes to: when it ends, the demo has, and this preloaded script sends
// the node the signal that the demo would have sent, and takes the folder along that the demo could not remove.
const tether = `
import { rmSync } from 'node:fs';
import { env, kill, pid, stdin } from 'node:process';
stdin.on('error', () => {}).on('end', () => {
  rmSync(env.DISTCACHE_DEMO_FOLDER, { recursive: true, force: true });
  kill(pid, 'SIGTERM');
}).resume().unref();
`;

/** Joining and leaving is the demo's own doing; what is left to tell are faults. */
const logFlags = ['--log-level', 'warn', '--log-format', 'json'];

/** One `distcache node start` as a child process. */
export class NodeProcess {
  /** Resolves when the process is gone, with how it went, for people; never rejects. */
  readonly exited: Promise<string>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ready = Promise.withResolvers<RunningNode>();
  readonly #tail: string[] = [];
  #startFailure: DistcacheError | undefined;
  #isGone = false;

  /** `folder` is removed by the node should this process be killed. `onLog` is told each line of the node's stderr. */
  constructor(
    readonly name: string,
    config: string,
    folder: string,
    launcher: Launcher,
    private readonly clock: Clock,
    onLog: (line: string) => void,
  ) {
    const preload = `data:text/javascript,${encodeURIComponent(tether)}`;
    const args = ['--import', preload, launcher.script, 'node', 'start', '--config', config, '--json', ...logFlags];
    this.#child = spawn(launcher.execPath, args, {
      env: { ...withoutOwn(launcher.env), DISTCACHE_DEMO_FOLDER: folder },
      stdio: ['pipe', 'pipe', 'pipe'],
      // Ctrl-C goes to every process of the terminal's group; nodes are stopped by the demo, in its order.
      detached: true,
      windowsHide: true,
    });
    this.#child.stdin.on('error', () => {});
    eachLine(this.#child.stdout, lineMax, (line) => this.#onOutput(line));
    eachLine(this.#child.stderr, lineMax, (raw) => {
      const line = sentenceOf(raw);
      if (this.#tail.push(line) > tailMax) this.#tail.shift();
      onLog(line);
    });
    this.exited = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(`did not start: ${error.message}`));
      this.#child.on('close', (code, signal) =>
        resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
      );
    });
    this.exited.then((how) => {
      this.#isGone = true;
      this.#ready.reject(this.#startFailure ?? this.#failedStart(how));
    });
    // Whoever waits for it hears of it; a node that ends later has nobody waiting.
    this.#ready.promise.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Resolves when the node serves; rejects with its own error when it ends before. */
  get ready(): Promise<RunningNode> {
    return this.#ready.promise;
  }

  /** Asks the node to drain and end, ends it after a grace period or once `force` aborts, and resolves when it is gone. */
  async stop(force: AbortSignal): Promise<void> {
    if (this.#isGone) return;
    const kill = (): void => {
      this.#child.kill('SIGKILL');
    };
    if (force.aborted) kill();
    else this.#child.kill('SIGTERM');
    const cancel = this.clock.after(graceMs, kill);
    force.addEventListener('abort', kill, { once: true });
    try {
      await this.exited;
    } finally {
      cancel();
      force.removeEventListener('abort', kill);
    }
  }

  #onOutput(line: string): void {
    let message: {
      ready?: unknown;
      node?: unknown;
      grpc?: unknown;
      gossip?: unknown;
      admin?: unknown;
      error?: { code?: unknown; message?: unknown };
    };
    try {
      message = JSON.parse(line);
    } catch {
      return;
    }
    if (message.ready === true) {
      this.#ready.resolve({
        node: String(message.node),
        grpc: String(message.grpc),
        gossip: String(message.gossip),
        admin: String(message.admin),
        pid: this.pid,
      });
    } else if (message.error !== undefined) {
      const { code, message: text } = message.error;
      this.#startFailure = new DistcacheError(
        isErrorCode(code) ? code : 'PEER_UNREACHABLE',
        `${this.name} did not start: ${text}`,
      );
    }
  }

  #failedStart(how: string): Error {
    const why = this.#tail.findLast((line) => line.trim() !== '');
    return new Error(`${this.name} ${how} before it served${why === undefined ? '' : `: ${why}`}`);
  }
}

/** What the user has set for other nodes and clients must not reach those of the demo. */
const withoutOwn = (env: Launcher['env']): Launcher['env'] =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('DISTCACHE_')));

/** The message of a log line, or the line itself where it is none. */
function sentenceOf(line: string): string {
  try {
    const { msg } = JSON.parse(line);
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line;
  }
}
