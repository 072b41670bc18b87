import { type Check, type Counts, countsOf } from '../doctor/check.js';
import { oneLine } from './failure.js';

export interface DoctorJson {
  /** Nothing fails. */
  readonly healthy: boolean;
  readonly counts: Counts;
  readonly checks: readonly {
    readonly check: string;
    readonly result: Check['result'];
    readonly found: string;
    readonly mend: string | null;
  }[];
}

export function doctorJson(checks: readonly Check[]): DoctorJson {
  const counts = countsOf(checks);
  return {
    healthy: counts.fail === 0,
    counts,
    checks: checks.map(({ check, result, found, mend }) => ({ check, result, found, mend: mend ?? null })),
  };
}

/** A line for each check, and below it what to do: long lines are the terminal's to fold, since advice cut short is none. */
export function doctorText({ checks, counts }: DoctorJson): string {
  const width = Math.max(...checks.map(({ check }) => oneLine(check).length), 'CHECK'.length);
  const row = (result: string, check: string, found: string): string =>
    `${result.padEnd(6)}  ${check.padEnd(width)}  ${found}`;
  const lines = checks.flatMap(({ check, result, found, mend }) => [
    row(result.toUpperCase(), oneLine(check), oneLine(found)),
    ...(mend === null ? [] : [row('', '', `-> ${oneLine(mend)}`)]),
  ]);
  return [row('RESULT', 'CHECK', 'FOUND'), ...lines, summary(counts)].join('\n');
}

const summary = ({ ok, warn, fail, skip }: Counts): string =>
  `${fail} failed, ${warn} to think about, ${ok} in order${skip === 0 ? '' : `, ${skip} not looked at`}`;
