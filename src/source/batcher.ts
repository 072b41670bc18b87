import { aborted } from '../base/errors.js';
import { Stop, type StopSignal } from '../base/stop-signal.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { KeyAnswer, SourceAnswer } from './answers.js';

export interface BatchLimits {
  /** Keys of one question; 1: no key is asked for along with another. */
  readonly maxKeys: number;
  /** How long the first key waits for others; 0: to the end of the current turn of the event loop. */
  readonly windowMs: number;
}

/** What a batch comes to for each of its keys, in their order. */
export type Ask = (batch: Batch, signal: StopSignal) => Promise<readonly KeyAnswer[]>;
export type AskAlone = (load: SingleLoad) => Promise<SourceAnswer>;

export interface SingleLoad {
  readonly key: string;
  /** The name of this load, for those it waits for. */
  readonly loading: string;
  readonly signal: StopSignal;
}

interface Waiting extends SingleLoad {
  onAbort(): void;
  resolve(answer: SourceAnswer | Promise<SourceAnswer>): void;
  reject(error: unknown): void;
}

/** Keys that are to be asked for together. It takes in more for as long as it is not sent. */
export class Batch {
  readonly stop = new Stop();
  /** Loads of one key that begin before it is asked for share the answer. */
  readonly waiting = new Map<string, Set<Waiting>>();
  /** Of all keys together. */
  loads = 0;
  /** undefined once it is on its way. */
  cancelTimer: Cancel | undefined;
  isSent = false;

  /** The keys that somebody waits for now, each once; from here on there are no more. */
  send(): readonly SingleLoad[] {
    this.isSent = true;
    return [...this.waiting.values()].map((loads) => loads.values().next().value!);
  }
}

/**
 * Loads of the same moment become one question of many keys. Each has its own caller, who may leave at any time: the
 * others are not touched by that, and the question is ended when the last one leaves.
 *
 * A batch is on its way at the end of the turn in which its first key came, or of its window. Where it then has to wait,
 * for a token or a place, it goes on taking in keys until it is through: the busier the source, the fewer the questions.
 */
export class Batcher {
  readonly #clock: Clock;
  readonly #ask: Ask;
  readonly #askAlone: AskAlone;
  #limits: BatchLimits;
  #open: Batch | undefined;

  /** @param ask is to call `send` on the batch when its time has come, and to ask for the keys that this gives */
  constructor(clock: Clock, limits: BatchLimits, ask: Ask, askAlone: AskAlone) {
    this.#clock = clock;
    this.#limits = limits;
    this.#ask = ask;
    this.#askAlone = askAlone;
  }

  retune(limits: BatchLimits): void {
    this.#limits = limits;
  }

  /** Rejects with ABORTED as soon as the load's own signal says so. */
  load(load: SingleLoad): Promise<SourceAnswer> {
    const { key, signal } = load;
    if (signal.aborted) return Promise.reject(aborted(`loading '${key}'`, signal.reason));
    const batch = this.#batchFor(key);
    const answer = new Promise<SourceAnswer>((resolve, reject) => {
      const waiting: Waiting = { ...load, resolve, reject, onAbort: () => this.#leave(batch, waiting) };
      const loads = batch.waiting.get(key);
      if (loads === undefined) batch.waiting.set(key, new Set([waiting]));
      else loads.add(waiting);
      batch.loads++;
      signal.addEventListener('abort', waiting.onAbort, { once: true });
    });
    const { maxKeys, windowMs } = this.#limits;
    if (windowMs > 0 && batch.waiting.size >= maxKeys) this.#start(batch);
    return answer;
  }

  #batchFor(key: string): Batch {
    const { maxKeys, windowMs } = this.#limits;
    const open = this.#open;
    if (open !== undefined && !open.isSent && (open.waiting.size < maxKeys || open.waiting.has(key))) return open;
    const batch = new Batch();
    this.#open = batch;
    if (windowMs > 0) batch.cancelTimer = this.#clock.after(windowMs, () => this.#start(batch));
    else {
      batch.cancelTimer = () => {};
      this.#clock.soon(() => this.#start(batch));
    }
    return batch;
  }

  /** Once. A batch that everybody has left is none. */
  #start(batch: Batch): void {
    if (batch.cancelTimer === undefined) return;
    batch.cancelTimer();
    batch.cancelTimer = undefined;
    if (batch.loads === 0) {
      this.#close(batch);
      return;
    }
    this.#ask(batch, batch.stop).then(
      (answers) => this.#end(batch, (waiting, at) => this.#answer(waiting, answers[at])),
      (error) => this.#end(batch, (waiting) => waiting.reject(error)),
    );
  }

  #answer(waiting: Waiting, answer: KeyAnswer): void {
    if (answer instanceof Error) waiting.reject(answer);
    else waiting.resolve(answer ?? this.#askAlone(waiting));
  }

  #end(batch: Batch, tell: (waiting: Waiting, at: number) => void): void {
    this.#close(batch);
    for (const [at, loads] of [...batch.waiting.values()].entries()) {
      for (const waiting of loads) {
        waiting.signal.removeEventListener('abort', waiting.onAbort);
        tell(waiting, at);
      }
    }
    batch.waiting.clear();
  }

  #leave(batch: Batch, waiting: Waiting): void {
    const { key, signal } = waiting;
    waiting.reject(aborted(`loading '${key}'`, signal.reason));
    const loads = batch.waiting.get(key);
    loads?.delete(waiting);
    batch.loads--;
    // Once it is sent, a key keeps its place among the answers.
    if (loads?.size === 0 && !batch.isSent) batch.waiting.delete(key);
    if (batch.loads > 0) return;
    this.#close(batch);
    batch.cancelTimer?.();
    batch.stop.abort(signal.reason);
  }

  #close(batch: Batch): void {
    batch.isSent = true;
    if (this.#open === batch) this.#open = undefined;
  }
}
