/** What the benches share: the built library, loops under load, and tables. */
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const cli = `${root}bin/run.js`;

/** How two things compare in one run. With `atLeast` or `atMost` it is something that this project wants of itself. */
export interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/**
 * The library as it is shipped. The sources run by tsx would not be the same: it gives every closure a name when it is
 * made, which costs more than many of the things that are timed here.
 */
export async function library(): Promise<typeof import('../src/index.js')> {
  const built = `${root}dist/src/index.js`;
  if (!existsSync(built)) throw new Error(`${built} is missing; run npm run build first`);
  return import(built);
}

export function printMachine(title: string): void {
  const cores = cpus();
  console.log(
    `\n${title}\nNode ${process.version}, ${cores.length} cores of ${cores[0]?.model.trim() ?? 'unknown make'}`,
  );
}

/** 100 bytes by default, different for every key. */
export function sampleValue(key: string, bytes = 100): Uint8Array {
  const value = new Uint8Array(bytes);
  new TextEncoder().encodeInto(key, value);
  return value;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

export interface Timing {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

/** Samples kept for percentiles, so that a long run does not measure the growth of an array. */
const samplesMax = 200_000;

/** `callers` loops, each waiting for its own answer before the next call. Percentiles in milliseconds. */
export async function underLoad(call: (i: number) => Promise<void>, callers: number, forMs: number): Promise<Timing> {
  const load: Load = { call, samples: [], count: 0, startMs: performance.now(), forMs };
  const loops: Promise<void>[] = [];
  for (let i = 0; i < callers; i++) loops.push(caller(load));
  await Promise.all(loops);
  const tookMs = performance.now() - load.startMs;
  return { perSecond: (load.count * 1000) / tookMs, ...percentiles(load.samples) };
}

interface Load {
  readonly call: (i: number) => Promise<void>;
  readonly samples: number[];
  count: number;
  readonly startMs: number;
  readonly forMs: number;
}

async function caller(load: Load): Promise<void> {
  for (let nowMs = performance.now(); nowMs - load.startMs < load.forMs; ) {
    await load.call(load.count++);
    const afterMs = performance.now();
    if (load.samples.length < samplesMax) load.samples.push(afterMs - nowMs);
    nowMs = afterMs;
  }
}

export function percentiles(samples: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

/** The one whose rate lies in the middle. */
export function median(timings: readonly Timing[]): Timing {
  const sorted = [...timings].sort((a, b) => a.perSecond - b.perSecond);
  return sorted[Math.floor(sorted.length / 2)]!;
}

export const whole = (value: number): string => Math.round(value).toLocaleString('en');

/** The first column to the left, the others to the right. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of [head, ...rows]) {
    console.log(
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    );
  }
}

/** Prints the ratios, and hands them to `run.ts` where that started this bench. */
export function report(ratios: readonly Ratio[]): void {
  console.log();
  printRatios(ratios);
  process.send?.(ratios);
}

export function printRatios(ratios: readonly Ratio[]): void {
  for (const { name, value, atLeast, atMost } of ratios) {
    const met = value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY);
    const bound = atLeast !== undefined ? `at least ${atLeast}` : `at most ${atMost}`;
    const verdict = atLeast === undefined && atMost === undefined ? '' : `  (wanted: ${bound}: ${met ? 'yes' : 'NO'})`;
    console.log(`${value.toFixed(2).padStart(7)}  ${name}${verdict}`);
  }
}
