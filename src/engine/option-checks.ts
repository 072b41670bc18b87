import { type Duration, formatDuration, formatSize, parseDuration, parseSize, type Size } from '../base/units.js';

/** One thing that is wrong: where, and in words what is allowed. */
export interface OptionProblem {
  readonly path: Path;
  readonly message: string;
}

export type Path = readonly (string | number)[];

const warmKeysMax = 1000;
const encoder = new TextEncoder();

/** Checks single values and collects every problem it finds, so that all are mended in one go. */
export class Checker {
  readonly problems: OptionProblem[] = [];

  problem(path: Path, message: string): void {
    this.problems.push({ path, message });
  }

  keyspaceName(path: Path, name: unknown): void {
    if (typeof name !== 'string' || name === '') {
      this.problem(path, 'is not a name; give a text of 1 to 128 bytes');
      return;
    }
    const bytes = encoder.encode(name).byteLength;
    if (bytes > 128) this.problem(path, `is ${bytes} bytes long, may be at most 128`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
    if (/[\u0000-\u001f\u007f]/.test(name)) this.problem(path, 'has control characters');
    if (!name.isWellFormed()) this.problem(path, 'is not well-formed Unicode');
  }

  duration(path: Path, given: Duration | undefined, fallbackMs: number, minMs: number, maxMs: number): number {
    if (given === undefined) return fallbackMs;
    const ms = typeof given === 'string' ? parseDuration(given) : given;
    if (typeof ms === 'number' && ms >= minMs && (ms <= maxMs || ms === fallbackMs)) return ms;
    this.problem(
      path,
      `is ${show(given)}, must be a duration of at least ${minMs} ms and at most ${formatDuration(maxMs)}, such as 250ms, 30s or 5m`,
    );
    return fallbackMs;
  }

  size(path: Path, given: Size | undefined, fallback: number | undefined, min: number, max: number): number {
    if (given === undefined && fallback !== undefined) return fallback;
    const bytes = typeof given === 'string' ? parseSize(given) : given;
    if (Number.isSafeInteger(bytes) && bytes! >= min && bytes! <= max) return bytes!;
    this.problem(path, `is ${show(given)}, must be a size from ${min}B to ${formatSize(max)}, such as 512KiB or 64MiB`);
    return fallback ?? min;
  }

  count(path: Path, given: number | undefined, fallback: number, min: number, max: number): number {
    if (given === undefined) return fallback;
    if (Number.isSafeInteger(given) && given >= min && given <= max) return given;
    this.problem(path, `is ${show(given)}, must be a whole number from ${min} to ${max}`);
    return fallback;
  }

  /** Each once. */
  keys(path: Path, given: readonly string[] | undefined, maxKeyBytes: number): readonly string[] {
    if (given === undefined) return [];
    if (!Array.isArray(given) || given.length > warmKeysMax) {
      this.problem(path, `is not a list of at most ${warmKeysMax} keys`);
      return [];
    }
    for (const [index, key] of given.entries()) {
      const isKey = typeof key === 'string' && key !== '' && key.isWellFormed();
      if (!isKey || encoder.encode(key).byteLength > maxKeyBytes) {
        this.problem(
          [...path, index],
          `is ${show(key)}, must be a key of 1 to ${maxKeyBytes} bytes of well-formed text`,
        );
      }
    }
    return [...new Set(given)];
  }

  share(path: Path, given: number | undefined, fallback: number, max: number): number {
    if (given === undefined) return fallback;
    if (typeof given === 'number' && given >= 0 && given <= max) return given;
    this.problem(path, `is ${show(given)}, must be a part from 0 to ${max}`);
    return fallback;
  }
}

export const show = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : String(value));
