import type { History } from './history.js';
import type { CheckOptions } from './options.js';
import { type Violation, violation } from './violations.js';

/** G3: a write is answered in time, whatever the answer says: trouble that has passed costs it one lease at most. */
export const checkAnswers = (
  history: History,
  { answersWithinMs = Number.POSITIVE_INFINITY }: CheckOptions = {},
): readonly Violation[] =>
  history.writes
    .filter(({ startMs, endMs }) => endMs - startMs > answersWithinMs)
    .map((write) => {
      const tookMs = (write.endMs - write.startMs).toFixed(0);
      return violation('G3', `a write of ${write.key} took ${tookMs} ms, ${answersWithinMs} are allowed`, write);
    });
