import type { Hasher } from '../ports/hasher.js';

/** Size of the circle: places and hashes are whole numbers in [0, 2^32). */
export const circle = 2 ** 32;

/** Places that one virtual node takes; see the essay in ring.ts for why it is more than one. */
export const placesPerVirtualNode = 4;

/** More than this nobody gets, however large the weight, so that one member cannot exhaust the others' memory. */
export const placesMax = 1 << 18;

/** How many places a member takes: in proportion to its weight, at least 1, at most `placesMax`. A NaN counts as 1. */
export function placeCount(virtualNodes: number, weight: number): number {
  const wanted = Math.round(virtualNodes * weight * placesPerVirtualNode);
  return wanted >= 1 ? Math.min(wanted, placesMax) : 1;
}

/** Murmur3's last mix: a permutation of the 32-bit numbers in which each input bit turns about half of the output's. */
function mixed(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Where on the circle a member of this name stands; the first n places are the same whatever `count` is. Two hashes of
 * the name seed a stream of mixed numbers: hashing `name#0`, `name#1`, ... spreads no better and costs some 25 times more.
 */
export function placesOf(name: string, count: number, hasher: Hasher): Uint32Array {
  const start = hasher.hash(name);
  const salt = hasher.hash(`${name}\0`);
  const places = new Uint32Array(count);
  for (let i = 0; i < count; i++) places[i] = mixed(mixed(start + Math.imul(i, 0x9e3779b1)) ^ salt);
  return places;
}
