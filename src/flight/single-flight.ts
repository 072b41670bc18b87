import { aborted, type DistcacheError, timedOut } from '../base/errors.js';
import { Stop, type StopSignal } from '../base/stop-signal.js';
import type { Clock, Wait } from '../ports/clock.js';
import { Deadlines, type Due } from './deadlines.js';

/*
 * One run per key, many waiters. Each waiter has a deadline and a signal of its own: whoever gives up leaves alone, and
 * only when the last one has left is the run itself told to stop. That is where the Go original goes wrong: there the
 * first caller's context carries the load, and its cancel fails everybody.
 *
 * A flight bears a guard, the slot token at its start. A caller whose token differs has seen a write since: the flight's
 * value may be older than that write, so the caller starts a flight of its own, which takes the key's place in the map.
 * The earlier one goes on for those who wait for it.
 *
 * A caller may also rule out runs that began before it came, as one who holds no lease must: a write may have been
 * acknowledged since. Those who come while such a run goes on gather for a moment and share the next one, so that many of
 * them cost a run every `gatherMs` at most.
 */

const gatherMs = 50;

/** What a run is given: its signal aborts when nobody waits any more. */
export type Run<T> = (signal: StopSignal) => Promise<T>;

/** A run and those who wait for it, in a list of their own making: most have one waiter, some have thousands. */
class Flight<T> {
  readonly stop = new Stop();
  first: Waiter<T> | undefined;
  #last: Waiter<T> | undefined;
  /** Infinity while others gather for it. */
  beganMs = Number.POSITIVE_INFINITY;

  constructor(
    readonly key: string,
    readonly guard: number,
  ) {}

  add(waiter: Waiter<T>): void {
    waiter.previous = this.#last;
    if (this.#last === undefined) this.first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
  }

  remove(waiter: Waiter<T>): void {
    const { previous, next } = waiter;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
  }

  clear(): void {
    this.first = undefined;
    this.#last = undefined;
  }
}

class Waiter<T> implements Due<Waiter<T>> {
  onAbort: (() => void) | undefined;
  bucket: Due<Waiter<T>>['bucket'];
  earlier: Waiter<T> | undefined;
  later: Waiter<T> | undefined;
  next: Waiter<T> | undefined;
  previous: Waiter<T> | undefined;

  constructor(
    readonly flight: Flight<T>,
    readonly deadlineMs: number,
    /** From its start to the deadline. */
    readonly givenMs: number,
    readonly signal: StopSignal | undefined,
    readonly resolve: (value: T) => void,
    readonly reject: (error: unknown) => void,
  ) {}
}

export interface FlightCounts {
  /** Runs begun. */
  readonly started: number;
  /** Callers who waited on a run that another caller began. */
  readonly joined: number;
  /** Runs stopped because nobody waited any more. */
  readonly abandoned: number;
  /** Callers turned away because as many runs as may be were under way. */
  readonly refused: number;
  /** Under way now. */
  readonly running: number;
}

export class SingleFlight<T> {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #overloaded: (limit: number) => DistcacheError;
  readonly #flights = new Map<string, Flight<T>>();
  /** Flights whose place in the map a later one took, for as long as they run. */
  readonly #displaced = new Set<Flight<T>>();
  readonly #deadlines: Deadlines<Waiter<T>>;
  #running = 0;
  #started = 0;
  #joined = 0;
  #abandoned = 0;
  #refused = 0;

  /** Beyond `limit` runs at once, `overloaded` makes the error of whoever would begin one more. */
  constructor(clock: Clock, limit: number, overloaded: (limit: number) => DistcacheError) {
    this.#clock = clock;
    this.#limit = limit;
    this.#overloaded = overloaded;
    this.#deadlines = new Deadlines(clock, (waiter) => {
      this.#leave(waiter, timedOut(`reading '${waiter.flight.key}'`, waiter.givenMs));
    });
  }

  /**
   * Waits for the key's run, beginning it where there is none with this guard that began after `sinceMs`; Infinity joins
   * nobody. Rejects with TIMEOUT or ABORTED for this waiter alone, with what the run threw for all of them.
   */
  wait(key: string, guard: number, wait: Wait, run: Run<T>, sinceMs = Number.NEGATIVE_INFINITY): Promise<T> {
    if (wait.signal?.aborted === true) return Promise.reject(aborted(`waiting for '${key}'`, wait.signal.reason));
    let flight = this.#flights.get(key);
    if (flight !== undefined && flight.guard === guard && flight.beganMs > sinceMs) {
      this.#joined++;
      return this.#board(flight, wait);
    }
    if (this.#running >= this.#limit) {
      this.#refused++;
      return Promise.reject(this.#overloaded(this.#limit));
    }
    const gathers = flight?.guard === guard && sinceMs < Number.POSITIVE_INFINITY;
    if (flight !== undefined) this.#displaced.add(flight);
    flight = new Flight(key, guard);
    this.#flights.set(key, flight);
    this.#started++;
    this.#running++;
    const boarded = this.#board(flight, wait);
    this.#fly(flight, gathers ? this.#gathered(flight, run) : this.#begun(flight, run));
    return boarded;
  }

  /** Waits for the key's latest run, whatever its guard; undefined where there is none. */
  waitRunning(key: string, wait: Wait): Promise<T> | undefined {
    const flight = this.#flights.get(key);
    if (flight === undefined) return undefined;
    this.#joined++;
    return this.#board(flight, wait);
  }

  /** True when a run of this key with this guard is under way. */
  has(key: string, guard: number): boolean {
    return this.#flights.get(key)?.guard === guard;
  }

  counts(): FlightCounts {
    return {
      started: this.#started,
      joined: this.#joined,
      abandoned: this.#abandoned,
      refused: this.#refused,
      running: this.#running,
    };
  }

  /** Ends every run and fails every waiter. */
  abortAll(error: DistcacheError): void {
    for (const flight of [...this.#flights.values(), ...this.#displaced]) {
      this.#land(flight);
      this.#fail(flight, error);
      flight.stop.abort(error);
    }
  }

  #begun(flight: Flight<T>, run: Run<T>): Promise<T> {
    flight.beganMs = this.#clock.nowMs();
    try {
      return run(flight.stop);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #gathered(flight: Flight<T>, run: Run<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(gatherMs, () => {
        flight.stop.removeEventListener('abort', onAbort);
        resolve(this.#begun(flight, run));
      });
      const onAbort = (): void => {
        cancel();
        reject(flight.stop.reason);
      };
      flight.stop.addEventListener('abort', onAbort);
    });
  }

  #fly(flight: Flight<T>, running: Promise<T>): void {
    running.then(
      (value) => {
        this.#running--;
        this.#land(flight);
        for (let waiter = flight.first; waiter !== undefined; waiter = waiter.next) {
          this.#release(waiter);
          waiter.resolve(value);
        }
        flight.clear();
      },
      (error) => {
        this.#running--;
        this.#land(flight);
        this.#fail(flight, error);
      },
    );
  }

  /** Nobody can join it any more. */
  #land(flight: Flight<T>): void {
    if (this.#flights.get(flight.key) === flight) this.#flights.delete(flight.key);
    else this.#displaced.delete(flight);
  }

  #board(flight: Flight<T>, { deadlineMs, signal }: Wait): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiter = new Waiter(flight, deadlineMs, deadlineMs - this.#clock.nowMs(), signal, resolve, reject);
      if (signal !== undefined) {
        waiter.onAbort = () => this.#leave(waiter, aborted(`waiting for '${flight.key}'`, signal.reason));
        signal.addEventListener('abort', waiter.onAbort, { once: true });
      }
      flight.add(waiter);
      this.#deadlines.add(waiter);
    });
  }

  /** One waiter gives up; the last one to do so stops the run. */
  #leave(waiter: Waiter<T>, error: DistcacheError): void {
    const { flight } = waiter;
    this.#release(waiter);
    flight.remove(waiter);
    waiter.reject(error);
    if (flight.first !== undefined) return;
    this.#abandoned++;
    this.#land(flight);
    flight.stop.abort(error);
  }

  #fail(flight: Flight<T>, error: unknown): void {
    for (let waiter = flight.first; waiter !== undefined; waiter = waiter.next) {
      this.#release(waiter);
      waiter.reject(error);
    }
    flight.clear();
  }

  #release(waiter: Waiter<T>): void {
    this.#deadlines.drop(waiter);
    if (waiter.onAbort !== undefined) waiter.signal?.removeEventListener('abort', waiter.onAbort);
  }
}
