import type { Random } from '../../src/ports/random.js';

/** Chance that repeats: the same seed gives the same draws on every machine. For tests only, it is easily foretold. */
export interface Seeded extends Random {
  /** What to print when a test fails, and to pass in again. */
  readonly seed: string;
  fork(label: string): Seeded;
  /** A whole number in [0, bound). */
  below(bound: number): number;
  /** A whole number in [from, to], both included. */
  between(from: number, to: number): number;
  /** True in about `share` of the draws; share in [0, 1]. */
  chance(share: number): boolean;
  /** One of the items, each as likely. Throws on an empty list. */
  pick<T>(items: readonly T[]): T;
  /** A new list in another order. */
  shuffled<T>(items: readonly T[]): T[];
}

/** FNV-1a with a last mix, so that seeds such as `1` and `2` start far apart. */
function hash32(text: string, salt: number): number {
  let h = 0x811c9dc5 ^ salt;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Draws from sfc32 (C. Doty-Humphrey), 128 bits of state. A fork depends on the seed and the label alone, never on how
 * many draws came before, so that a new draw in one place shifts nothing elsewhere.
 */
export function seeded(seed: string | number): Seeded {
  const name = String(seed);
  let a = hash32(name, 0x1);
  let b = hash32(name, 0x2);
  let c = hash32(name, 0x3);
  let counter = 1;
  const u32 = (): number => {
    const t = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) u32();

  const random: Seeded = {
    seed: name,
    next: () => ((u32() >>> 5) * 0x4000000 + (u32() >>> 6)) / 2 ** 53,
    fork: (label) => seeded(`${name}/${label}`),
    id: () => u32().toString(16).padStart(8, '0') + u32().toString(16).padStart(8, '0'),
    below: (bound) => Math.floor(random.next() * bound),
    between: (from, to) => from + random.below(to - from + 1),
    chance: (share) => random.next() < share,
    pick: (items) => {
      if (items.length === 0) throw new RangeError(`SEED=${name}: nothing to pick from`);
      return items[random.below(items.length)]!;
    },
    shuffled: (items) => {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i--) {
        const j = random.below(i + 1);
        const held = out[i]!;
        out[i] = out[j]!;
        out[j] = held;
      }
      return out;
    },
  };
  return random;
}
