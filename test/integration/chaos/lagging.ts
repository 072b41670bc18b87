import { checkQuiet } from '../../support/history/check-quiet.js';
import { History } from '../../support/history/history.js';
import type { CheckOptions } from '../../support/history/options.js';
import { type Violation, violation } from '../../support/history/violations.js';
import type { Seeded } from '../../support/seeded.js';
import { pause } from '../../support/until.js';
import { laggingKeys, put, readAll, Seqs, type Stage } from './clients.js';

/**
 * Puts of keys whose source never follows: only a node's memory has them. They are read back when all is quiet again
 * after each fault, as a read that goes to the source meanwhile, which is allowed, would look like a loss. Between two
 * checks half of the keys rest: a put that was lost would else soon be covered by the next one of its key.
 */
export class Lagging {
  #history: History;
  readonly #seqs = new Seqs();
  #busy: readonly string[] = [];
  #isPaused = true;
  #underway: Promise<void> = Promise.resolve();
  lost = 0;
  acknowledged = 0;

  constructor(
    private readonly stage: Stage,
    private readonly random: Seeded,
    private readonly nowMs: () => number,
  ) {
    this.#history = new History(nowMs);
  }

  async run(): Promise<void> {
    await this.#putAll();
    this.#goOn();
    while (!this.stage.signal.aborted) {
      if (!this.#isPaused) {
        this.#underway = this.#put(this.random.pick(this.#busy));
        await this.#underway;
      }
      await pause(this.random.between(20, 80));
    }
  }

  /**
   * Reads all back, none of them beside the cache by now. Begins afresh: with new puts of all keys where some were lost, or may
   * have been.
   */
  async check(options: CheckOptions, mayBeLost: boolean): Promise<readonly Violation[]> {
    this.#isPaused = true;
    await this.#underway;
    const history = this.#history;
    await readAll(this.stage.cluster, history, laggingKeys);
    this.acknowledged += history.writes.filter(({ outcome }) => outcome.is === 'ok').length;
    const beside = history.reads.filter(({ outcome }) => outcome.is === 'ok' && outcome.version === 0);
    const unkept = beside.map((read) =>
      violation('C7', `${read.key} is read beside the cache although all is quiet`, read),
    );
    const found = checkQuiet(history, options);
    this.#history = new History(this.nowMs);
    if (found.length > 0 || mayBeLost) await this.#putAll();
    else this.#carryOver(history);
    this.#goOn();
    if (mayBeLost) return unkept;
    this.lost += found.length;
    return [...unkept, ...found];
  }

  /** The newest acknowledged put of each key is still owed, and unknown ones may still come. */
  #carryOver(history: History): void {
    const newest = new Map(
      history.writes.filter(({ outcome }) => outcome.is === 'ok').map((write) => [write.key, write]),
    );
    const unknown = history.writes.filter(({ outcome }) => outcome.is === 'unknown').slice(-100);
    this.#history.writes.push(...newest.values(), ...unknown);
  }

  #goOn(): void {
    this.#busy = this.random.shuffled(laggingKeys).slice(laggingKeys.length / 2);
    this.#isPaused = false;
  }

  async #putAll(): Promise<void> {
    for (const key of laggingKeys) await this.#put(key);
  }

  async #put(key: string): Promise<void> {
    const up = this.stage.cluster.up();
    if (up.length === 0) return;
    const place = this.random.pick(up);
    const seq = this.#seqs.next(key);
    const ended = this.#history.write({ client: 'lagging', node: place.name, key, kind: 'put', seq });
    ended(await put(place, key, seq, Number.POSITIVE_INFINITY));
  }
}
