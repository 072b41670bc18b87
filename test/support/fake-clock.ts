import { Heap } from '../../src/base/heap.js';
import type { Cancel, Clock } from '../../src/ports/clock.js';

interface Timer {
  readonly atMs: number;
  readonly sequence: number;
  /** undefined once it ran or was cancelled. */
  run: (() => void) | undefined;
}

const before = (a: Timer, b: Timer): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);

/** A turn that keeps asking for another turn is a loop of the code under test; past this many it is reported. */
const turnsMax = 100_000;
const restless = (): Error => new Error(`not at rest after ${turnsMax} turns: something calls soon() for ever`);

interface FakeClockOptions {
  readonly startMs?: number;
  readonly wallMs?: number;
  /**
   * Nothing but promises and this clock drives what is tested: no socket, stream or worker. Then rest needs no turn of the
   * event loop, which is a quarter of what a simulated run takes. Mocha's time-outs do not come before the clock is done.
   */
  readonly isAlone?: boolean;
}

/**
 * Time that moves only when a test says so. Timers run one by one in the order (time, sequence), and between two of them
 * everything that the first one caused is brought to rest: promise chains of any length and the callbacks of `soon`.
 */
export class FakeClock implements Clock {
  #nowMs: number;
  #wallOffsetMs: number;
  #sequence = 0;
  #live = 0;
  #soon: (() => void)[] = [];
  #soonFlush: NodeJS.Immediate | undefined;
  /** Cancelled timers stay until they reach the top or make up more than half. */
  readonly #heap = new Heap<Timer>(before);
  readonly #isAlone: boolean;

  constructor(options: FakeClockOptions = {}) {
    this.#isAlone = options.isAlone ?? false;
    this.#nowMs = options.startMs ?? 0;
    this.#wallOffsetMs = (options.wallMs ?? Date.UTC(2026, 0, 1)) - this.#nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    if (Number.isNaN(delayMs)) throw new RangeError('delayMs is NaN');
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, run };
    this.#live++;
    this.#heap.push(timer);
    return () => {
      if (timer.run === undefined) return;
      timer.run = undefined;
      this.#live--;
      if (this.#heap.size > 64 && this.#heap.size > 2 * this.#live) this.#heap.keep(({ run }) => run !== undefined);
    };
  }

  soon(run: () => void): void {
    this.#soon.push(run);
    this.#soonFlush ??= setImmediate(() => {
      this.#soonFlush = undefined;
      this.#flushSoon();
    });
  }

  /** Timers and `soon` callbacks that have not run yet: zero after everything was stopped. */
  pending(): number {
    return this.#live + this.#soon.length;
  }

  /** Brings everything to rest that needs no time to pass. */
  async settle(): Promise<void> {
    if (this.#isAlone) return this.#settleAlone();
    let quiet = 0;
    for (let turn = 0; quiet < 2; turn++) {
      if (turn > turnsMax) throw restless();
      await new Promise<void>((resolve) => setImmediate(resolve));
      quiet = this.#soon.length === 0 ? quiet + 1 : 0;
    }
  }

  /** Lets `ms` pass, one timer at a time. Rejects with what a timer throws. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.settle();
    for (let timer = this.#next(untilMs); timer !== undefined; timer = this.#next(untilMs)) {
      this.#fire(timer);
      await this.settle();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Lets time pass until `promise` settles and gives its outcome; rejects when that takes longer than `limitMs`. */
  async until<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    const untilMs = this.#nowMs + limitMs;
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.settle();
    while (!settled) {
      const timer = this.#next(untilMs);
      if (timer === undefined) throw new Error(`not settled within ${limitMs} ms of fake time`);
      this.#fire(timer);
      await this.settle();
    }
    return promise;
  }

  /** Time passes but nothing runs, as when the process was suspended or its event loop blocked; timers are late after it. */
  skip(ms: number): void {
    this.#nowMs += ms;
  }

  /** The clock on the wall is set by `ms`; monotonic time does not notice. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** A tick comes when the queue of promises is empty. */
  async #settleAlone(): Promise<void> {
    for (let turn = 0; turn <= turnsMax; turn++) {
      await new Promise<void>((resolve) => process.nextTick(resolve));
      if (this.#soon.length === 0) return;
      this.#flushSoon();
    }
    throw restless();
  }

  #flushSoon(): void {
    const due = this.#soon;
    this.#soon = [];
    for (const run of due) run();
  }

  #fire(timer: Timer): void {
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    const run = timer.run!;
    timer.run = undefined;
    this.#live--;
    run();
  }

  #next(untilMs: number): Timer | undefined {
    for (let top = this.#heap.top(); top !== undefined; top = this.#heap.top()) {
      if (top.run !== undefined && top.atMs > untilMs) return undefined;
      this.#heap.pop();
      if (top.run !== undefined) return top;
    }
    return undefined;
  }
}
