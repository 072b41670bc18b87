import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { GuardName } from '../../../src/coherence/guards.js';

/** A run to be made: a scenario by name, with some guards off. */
export interface Errand {
  readonly scenario: string;
  readonly seed: string;
  readonly without: readonly GuardName[];
}

/** What came of it. */
export interface Ended {
  readonly operations: number;
  /** Names of the checkers that fired. */
  readonly checkers: readonly string[];
  readonly problems: readonly string[];
  /** How to make it again, and all that is wrong with it. */
  readonly story: string;
}

export const isBad = ({ checkers, problems }: Ended): boolean => checkers.length + problems.length > 0;

/** Without stacks of errors and with room for what is young: a tenth less time. */
const execArgv = ['--stack-trace-limit=0', '--max-semi-space-size=64'];

/** All of it as one file: what tsx adds to each function for the sake of debuggers takes a fifth of the time. */
async function bundled(directory: string): Promise<string> {
  const outfile = join(directory, 'worker.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('worker.ts', import.meta.url))],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'esnext',
  });
  return outfile;
}

/** Processes that make simulated runs side by side, each one at a time: they are nothing but work for a processor. */
export class Workers {
  readonly #all: readonly ChildProcess[];
  readonly #idle: ChildProcess[];
  readonly #waiting: ((worker: ChildProcess) => void)[] = [];

  static async open(jobs = availableParallelism()): Promise<Workers> {
    // Where packages are found from.
    const directory = await mkdtemp(fileURLToPath(new URL('../../../node_modules/.simulation-', import.meta.url)));
    return new Workers(jobs, directory, await bundled(directory));
  }

  private constructor(
    readonly jobs: number,
    private readonly directory: string,
    file: string,
  ) {
    this.#all = Array.from({ length: jobs }, () => fork(file, [], { execArgv }));
    this.#idle = [...this.#all];
  }

  /** Rejects where the process ended. */
  async run(scenario: string, seed: string, without: readonly GuardName[] = []): Promise<Ended> {
    const worker = this.#idle.pop() ?? (await new Promise<ChildProcess>((resolve) => this.#waiting.push(resolve)));
    try {
      return await this.#ended(worker, { scenario, seed, without });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(worker);
      else next(worker);
    }
  }

  /** To be called when nothing is under way. */
  async close(): Promise<void> {
    await Promise.all(
      this.#all.map(async (worker) => {
        if (worker.exitCode !== null || worker.signalCode !== null) return;
        const exited = new Promise((resolve) => worker.once('exit', resolve));
        worker.disconnect();
        await exited;
      }),
    );
    await rm(this.directory, { recursive: true });
  }

  #ended(worker: ChildProcess, errand: Errand): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        worker.off('message', onMessage);
        worker.off('exit', onExit);
      };
      const onMessage = (ended: Ended): void => {
        settle();
        resolve(ended);
      };
      const onExit = (code: number | null, signal: string | null): void => {
        settle();
        reject(new Error(`the process that ran ${errand.scenario} ${errand.seed} ended with ${signal ?? code}`));
      };
      worker.on('message', onMessage);
      worker.on('exit', onExit);
      if (worker.exitCode !== null || worker.signalCode !== null) onExit(worker.exitCode, worker.signalCode);
      else worker.send(errand);
    });
  }
}
