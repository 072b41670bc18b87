/** `skip`: could not be looked at, and why. */
export type Result = 'ok' | 'warn' | 'fail' | 'skip';

/** One thing that was looked at. */
export interface Check {
  /** What, in words that stay: scripts may look for them. A setting of the config goes by its path. */
  readonly check: string;
  readonly result: Result;
  /** For people; never a secret. */
  readonly found: string;
  /** What to do next; there with `warn` and `fail`. */
  readonly mend: string | undefined;
}

export const ok = (check: string, found: string): Check => ({ check, result: 'ok', found, mend: undefined });
export const skip = (check: string, found: string): Check => ({ check, result: 'skip', found, mend: undefined });
export const warn = (check: string, found: string, mend: string): Check => ({ check, result: 'warn', found, mend });
export const fail = (check: string, found: string, mend: string): Check => ({ check, result: 'fail', found, mend });

export type Counts = Readonly<Record<Result, number>>;

export function countsOf(checks: readonly Check[]): Counts {
  const counts = { ok: 0, warn: 0, fail: 0, skip: 0 };
  for (const { result } of checks) counts[result]++;
  return counts;
}
