import { Slots } from '../../../src/coherence/slots.js';
import { xxh3Hasher } from '../../../src/platform/hasher.js';

/*
 * Keys of the simulation. The data source of those that begin with `k` follows every write. That of the others hears of
 * deletes, and never of a put: `l0` is written all the time, `b0` once.
 */

export const isLagging = (key: string): boolean => !key.startsWith('k');

export const numbered = (letter: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${letter}${i}`);

const slots = new Slots();
const slotOf = (key: string): number => slots.slotOf(xxh3Hasher.hash(key));

/** Keys that fall into one slot, on whatever nodes: what is told of one, floors and tokens say of all. */
export const ofOneSlot: readonly string[] = (() => {
  const keys = ['k0'];
  for (let i = 1; keys.length < 4; i++) if (slotOf(`k${i}`) === slotOf('k0')) keys.push(`k${i}`);
  return keys;
})();

/** Keys to put once, none of which shares its slot with another or with one that is written. */
export const ofOwnSlots: readonly string[] = (() => {
  const taken = new Set([...numbered('k', 10), ...numbered('l', 10)].map(slotOf));
  const keys: string[] = [];
  for (let i = 0; keys.length < 900; i++) {
    if (!taken.has(slotOf(`b${i}`))) keys.push(`b${i}`);
    taken.add(slotOf(`b${i}`));
  }
  return keys;
})();

/** Keys to put once, each of which shares its slot with one that is written. */
export const ofTakenSlots: readonly string[] = (() => {
  const taken = new Set(['k0', 'k1', 'l0', 'l1'].map(slotOf));
  const keys: string[] = [];
  for (let i = 0; keys.length < 40; i++) if (taken.has(slotOf(`b${i}`))) keys.push(`b${i}`);
  return keys;
})();
