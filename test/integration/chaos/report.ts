import type { History } from '../../support/history/history.js';
import type { Verdict } from '../../support/history/judge.js';
import { textOfAll } from '../../support/history/violations.js';

export interface Report {
  readonly seed: string;
  readonly history: History;
  readonly verdict: Verdict;
  /** What was done, and what was left out. */
  readonly faults: readonly string[];
  /** What nodes said of having lost or found each other though nothing was done to them. */
  readonly unrest: readonly { readonly atMs: number; readonly what: string }[];
  readonly skipped: readonly string[];
  /** What went wrong besides answers: nodes that did not end well, or found no way back. */
  readonly problems: readonly string[];
  readonly lagging: { readonly acknowledged: number; readonly lost: number };
}

const countBy = (names: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
};

/** The run in a table for people, and every violation with its records. */
export function textOfReport({ seed, history, verdict, faults, unrest, skipped, problems, lagging }: Report): string {
  const { reads, writes, loads } = history;
  const acks = writes.filter(({ outcome }) => outcome.is === 'ok').map(({ startMs, endMs }) => endMs - startMs);
  acks.sort((a, b) => a - b);
  const ackAt = (share: number): string => `${(acks[Math.floor((acks.length - 1) * share)] ?? 0).toFixed(0)} ms`;
  const failed = [...reads, ...writes].flatMap(({ is, outcome }) =>
    outcome.is === 'failed' || outcome.is === 'unknown' ? [`${is} ${outcome.code}`] : [],
  );
  const unreached = writes.filter(({ outcome }) => outcome.is === 'ok' && outcome.unreached.length > 0).length;
  const perKey = [...Map.groupBy(loads, ({ key }) => key).values()].map((of) => of.length);
  const rows: readonly (readonly [string, string])[] = [
    ['seed', seed],
    [
      'operations',
      `${reads.length} reads, ${writes.length} writes (${acks.length} acknowledged, ${unreached} not by all)`,
    ],
    ['answers', countBy(reads.map(({ outcome }) => (outcome.is === 'ok' ? outcome.how : outcome.is)))],
    ['failures', countBy(failed)],
    ['faults', `${faults.length}: ${faults.join('; ')}`],
    [
      'unrest',
      unrest.map(({ atMs, what }) => `${(atMs / 1000).toFixed(1)} s ${what}`).join('; ') || 'none but by faults',
    ],
    ['skipped', skipped.join('; ') || 'nothing'],
    ['loads', `${loads.length}, per key at most ${Math.max(0, ...perKey)}`],
    ['acknowledged', `p50 ${ackAt(0.5)}, p99 ${ackAt(0.99)}, slowest ${ackAt(1)}`],
    ['membership', countBy(history.members.map(({ what }) => what))],
    ['lagging keys', `${lagging.acknowledged} puts acknowledged, ${lagging.lost} found wrong`],
    ['undecided', verdict.undecided.join(', ') || 'none'],
    ['problems', problems.join('; ') || 'none'],
    ['violations', countBy(verdict.violations.map(({ checker }) => checker))],
  ];
  const table = rows.map(([name, text]) => `${name.padEnd(14)}${text}`);
  return [...table, textOfAll(verdict.violations)].join('\n').trimEnd();
}
