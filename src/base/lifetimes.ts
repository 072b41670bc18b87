/** How long entries live, and when that ends. */

/** The longest time to live that ends at all; longer ones are mistakes of units. Infinity is none of them: it never ends. */
export const ttlMaxMs = 36_500 * 86_400_000;

/** The latest moment that a Date can hold, in milliseconds since 1970. */
const lastDateMs = 8.64e15;

/** A moment in milliseconds since 1970; what lies beyond what a Date can hold is the last or first that it can. */
export const dateAt = (atMs: number): Date => new Date(Math.min(lastDateMs, Math.max(-lastDateMs, atMs)));
