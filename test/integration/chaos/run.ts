import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../src/base/errors.js';
import { root } from '../../support/cli.js';
import { History } from '../../support/history/history.js';
import { judge } from '../../support/history/judge.js';
import type { Violation } from '../../support/history/violations.js';
import { RealNodes } from '../../support/real-nodes.js';
import { type Seeded, seeded } from '../../support/seeded.js';
import { pause, until } from '../../support/until.js';
import { ChaosCluster } from './chaos-cluster.js';
import { keys, readAll, readers, runReader, runWriter, Seqs, type Stage, writers } from './clients.js';
import { Cuts } from './cuts.js';
import { Excuses } from './excuses.js';
import { faultOrder, makeFault } from './faults.js';
import { Lagging } from './lagging.js';
import type { Report } from './report.js';
import { ChaosSource } from './source.js';

/*
 * Real node processes under faults. Clients write and read at any node and record what they saw, while one fault after
 * another is made, each ended and followed by a quiet time. In the end everything is healed, every node is asked for every
 * key, and the checkers judge the whole history. The seed decides the faults and what clients ask; how the machine
 * schedules it all is not in its hands, so a run of the same seed is alike, not equal.
 */

export interface ChaosOptions {
  readonly seed: string;
  /** No fault begins after this; the last one and the quiet at the end take some time more. */
  readonly forMs: number;
  readonly replicas?: number;
  /** Without: no network of its own, and so none that is cut. Default true, where the machine allows it. */
  readonly cuts?: boolean;
  /** Ends the run early, with everything healed and judged. */
  readonly signal?: AbortSignal;
  readonly say?: (line: string) => void;
}

const names = ['a', 'b', 'c', 'd'];
const spares = ['e'];
const quietMs = 8_500;

export async function runChaos(options: ChaosOptions): Promise<Report> {
  const cuts = options.cuts === false ? 'not asked for' : await Cuts.open([...names, ...spares]);
  const network = typeof cuts === 'string' ? undefined : cuts;
  try {
    const skipped = typeof cuts === 'string' ? [`cuts and splits: ${cuts}`] : [];
    const hasReadOptions = await carriesReadOptions();
    if (!hasReadOptions) skipped.push('reads of the owner and from a version: clients cannot ask for them');
    for (const line of skipped) options.say?.(`SKIPPED: ${line}`);
    return await withNodes(options, { cuts: network, skipped, hasReadOptions });
  } finally {
    await network?.close();
  }
}

async function withNodes(
  options: ChaosOptions,
  here: Pick<Parts, 'cuts' | 'skipped' | 'hasReadOptions'>,
): Promise<Report> {
  const { cuts } = here;
  const startMs = performance.now();
  const nowMs = (): number => performance.now() - startMs;
  const random = seeded(options.seed);
  const history = new History(nowMs);
  const nodes = await RealNodes.open();
  const source = await ChaosSource.start(join(nodes.folder, 'source.sock'), history, random.fork('source'), nowMs);
  const cluster = new ChaosCluster(nodes, history, cuts, source.path, options.replicas ?? 1);
  const close = async (): Promise<void> => {
    try {
      await cuts?.heal();
    } finally {
      await cluster.close().finally(() => source.stop());
    }
  };
  let report: Report;
  try {
    for (const name of names) await cluster.start(name);
    await cluster.linked();
    report = await new Round(options, { ...here, random, history, source, cluster, nowMs }).play();
  } catch (error) {
    // What went wrong first is what people need to read.
    await close().catch(() => {});
    throw error;
  }
  try {
    await close();
    return report;
  } catch (error) {
    return { ...report, problems: [...report.problems, `at the end: ${messageOf(error)}`] };
  }
}

/** Whether the public interface has them: a run without them still judges all else. */
async function carriesReadOptions(): Promise<boolean> {
  return (await readFile(join(root, 'proto/distcache/v1/cache.proto'), 'utf8')).includes('min_version');
}

interface Parts {
  readonly random: Seeded;
  readonly history: History;
  readonly source: ChaosSource;
  readonly cluster: ChaosCluster;
  readonly cuts: Cuts | undefined;
  readonly skipped: readonly string[];
  readonly hasReadOptions: boolean;
  nowMs(): number;
}

class Round {
  readonly #ending = new AbortController();
  readonly #excuses: Excuses;
  readonly #lagging: Lagging;
  readonly #stage: Stage;
  readonly #found: Violation[] = [];
  readonly #faults: string[] = [];
  readonly #problems: string[] = [];

  constructor(
    private readonly options: ChaosOptions,
    private readonly parts: Parts,
  ) {
    const { cluster, source, history, random, nowMs } = parts;
    const excuses = new Excuses(nowMs);
    this.#excuses = excuses;
    this.#stage = {
      cluster,
      source,
      history,
      signal: this.#ending.signal,
      isCalm: () => excuses.isCalm,
      hasReadOptions: parts.hasReadOptions,
    };
    this.#lagging = new Lagging(this.#stage, random.fork('lagging'), nowMs);
  }

  async play(): Promise<Report> {
    const { random, history, cluster, source, skipped, nowMs } = this.parts;
    const startedMs = nowMs();
    const seqs = new Seqs();
    const clients = [
      ...writers.map((name) => runWriter(name, this.#stage, seqs, random.fork(name))),
      ...readers.map((name) => runReader(name, this.#stage, random.fork(name))),
      this.#lagging.run(),
    ];
    try {
      await this.#makeFaults();
    } finally {
      this.#ending.abort();
      await Promise.all(clients);
    }
    await pause(quietMs);
    await readAll(cluster, history, keys);
    await until('all loads have ended', () => source.underway === 0);
    const wallAtStartMs = Date.now() - nowMs();
    const unrest = cluster.unrest().map(({ wallMs, what }) => ({ atMs: wallMs - wallAtStartMs, what }));
    this.#excuses.noteUnrest(unrest.map(({ atMs }) => atMs));
    const verdict = judge(history, this.#excuses.options());
    return {
      seed: this.options.seed,
      history,
      verdict: { ...verdict, violations: [...verdict.violations, ...this.#found] },
      faults: this.#faults,
      unrest: unrest.filter(({ atMs }) => atMs > startedMs && !this.#excuses.isFault(atMs)),
      skipped,
      problems: this.#problems,
      lagging: this.#lagging,
    };
  }

  async #makeFaults(): Promise<void> {
    const { random, cluster, cuts, nowMs } = this.parts;
    const { forMs, signal, say = () => {}, replicas = 1 } = this.options;
    const drawn = random.fork('faults');
    const order = faultOrder(drawn.fork('order'));
    const problem = (what: string): void => void this.#problems.push(what);
    const endMs = nowMs() + forMs;
    await pause(2_000);
    while (nowMs() < endMs && signal?.aborted !== true) {
      const fault = makeFault(order.next().value, { cluster, cuts, spares, random: drawn, problem });
      if (fault === undefined) continue;
      say(`${(nowMs() / 1_000).toFixed(1).padStart(7)} s  ${fault.name}: ${fault.what}`);
      this.#faults.push(`${fault.name} (${fault.what})`);
      const over = this.#excuses.begin(fault.sides);
      const begunWallMs = Date.now();
      try {
        await fault.run();
        await cluster.linked();
      } catch (error) {
        problem(`after ${fault.what}: ${messageOf(error)}`);
        return;
      } finally {
        over();
      }
      await pause(quietMs + drawn.between(0, 1_000));
      // Whoever falls silent has others stand in for it, who load what only it had, hot keys unasked.
      const safeCopies = cluster.wasSilent(begunWallMs) ? Math.max(2, fault.safeCopies) : fault.safeCopies;
      const found = await this.#lagging.check(this.#excuses.options(), replicas < safeCopies);
      for (const each of found) this.#found.push({ ...each, what: `after ${fault.what}: ${each.what}` });
    }
  }
}
