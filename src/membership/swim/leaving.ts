import type { Dead } from '../messages.js';
import { onDead } from './claims.js';
import type { Context } from './context.js';
import { isGone } from './members.js';

/**
 * Saying goodbye: the node spreads its own death, signed by itself, and is done when that was sent as often as any news,
 * or when nobody is left to tell, or when time ran out. It goes on answering until it is stopped.
 */
export class Leaving {
  readonly #context: Context;
  /** What is being spread, until that is done. */
  #news: Dead | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  begin(withinMs: number): void {
    const context = this.#context;
    const { self, schedule, broadcasts, nowMs } = context;
    if (context.leaving) return;
    context.leaving = true;
    this.#news = { is: 'dead', incarnation: self.incarnation, node: self.name, from: self.name };
    onDead(context, this.#news);
    if (broadcasts.has(this.#news)) schedule.set('leaveTimeout', nowMs + withinMs, { is: 'leaveTimeout' });
    else this.end(false);
  }

  /** To be called after every step. */
  check(): void {
    if (this.#news === undefined) return;
    const { broadcasts, members, self } = this.#context;
    const somebodyHears = members.some((entry) => entry !== self && !isGone(entry));
    if (!broadcasts.has(this.#news) || !somebodyHears) this.end(true);
  }

  end(sent: boolean): void {
    this.#news = undefined;
    this.#context.schedule.clear('leaveTimeout');
    this.#context.tell({ is: 'leaveDone', sent });
  }
}
