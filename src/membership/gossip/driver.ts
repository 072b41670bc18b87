import { messageOf } from '../../base/errors.js';
import type { Cancel, Clock } from '../../ports/clock.js';
import type { SwimCore } from '../swim/core.js';
import type { SwimEvent, SwimInput } from '../swim/effects.js';
import type { MinuteLog } from './minute-log.js';
import type { GossipTransport } from './transport.js';

export interface DriverDeps {
  readonly clock: Clock;
  readonly log: MinuteLog;
  readonly transport: Pick<GossipTransport, 'carry'>;
  /** Hears what the core tells, event by event. May feed the driver again. */
  readonly onEvent: (event: SwimEvent) => void;
}

/** Inputs that wait while a step is under way: those that listeners feed, so a few. More are dropped and counted. */
const queueMax = 4096;
/** After a fault of the core's its wish to be woken may be lost: it is then woken after so long. */
const afterFaultMs = 1000;

/**
 * Turns the core's wishes into timers and packets, one step at a time and never one within another.
 *
 * Nothing here measures how late this node is: the core compares each step's time with that of the wake it asked for, and
 * it asks for one at least every gossip interval. A blocked event loop, a suspended process (SIGSTOP: the monotonic clock
 * goes on) and a slow listener all show in that, timers being run before sockets are read. What goes unseen is shorter
 * than a gossip interval, far below the probe timeout.
 */
export class Driver {
  readonly #deps: DriverDeps;
  readonly #core: SwimCore;
  readonly #queue: SwimInput[] = [];
  #isStepping = false;
  #isClosed = false;
  #cancelWake: Cancel = () => {};
  #dropped = 0;
  #faults = 0;

  constructor(core: SwimCore, deps: DriverDeps) {
    this.#core = core;
    this.#deps = deps;
  }

  feed(input: SwimInput): void {
    if (this.#isClosed) return;
    if (this.#queue.length >= queueMax) {
      this.#dropped++;
      return;
    }
    this.#queue.push(input);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
    } finally {
      this.#isStepping = false;
    }
  }

  counts(): Readonly<Record<string, number>> {
    return { inputs_dropped: this.#dropped, core_faults: this.#faults };
  }

  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
    this.#cancelWake();
  }

  #step(input: SwimInput): void {
    try {
      for (const effect of this.#core.step(input, this.#deps.clock.nowMs())) {
        if (this.#isClosed) return;
        if (effect.do === 'wake') this.#wakeAfter(effect.afterMs);
        else if (effect.do === 'tell') this.#deps.onEvent(effect.event);
        else this.#deps.transport.carry(effect);
      }
    } catch (error) {
      this.#faults++;
      this.#deps.log.write('fault', 'error', `gossip: a step failed: ${messageOf(error)}`, { input: input.is, error });
      if (!this.#isClosed) this.#wakeAfter(afterFaultMs);
    }
  }

  #wakeAfter(afterMs: number): void {
    this.#cancelWake();
    this.#cancelWake = this.#deps.clock.after(afterMs, () => this.feed({ is: 'wake' }), { background: true });
  }
}
