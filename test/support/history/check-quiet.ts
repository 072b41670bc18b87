import { Writes } from './check-reads.js';
import type { History } from './history.js';
import type { CheckOptions } from './options.js';
import { type ReadRecord, seqOf, versionOf, type WriteRecord } from './records.js';
import { groupBy, type Violation, violation } from './violations.js';

/**
 * C7: once all is quiet every node gives the same value of a key, and none older than the newest acknowledged write.
 * Judges the final reads; where there are several of one node and key, each of them. The row of a write that was refused
 * is in the source, where some node may have loaded it, and no other was told of it: it may differ from theirs.
 */
export function checkQuiet(
  history: History,
  options: CheckOptions = {},
  writes = new Writes(history, options),
): readonly Violation[] {
  const found: Violation[] = [];
  const finals = history.reads.filter((read) => read.final);
  for (const [key, reads] of groupBy(finals, (read) => read.key)) {
    const failed = reads.find((read) => read.outcome.is === 'failed');
    if (failed !== undefined) found.push(violation('C7', `${key} can't be read although all is quiet`, failed));
    const answered = reads.filter((read) => read.outcome.is !== 'failed');
    const [first, ...others] = answered.filter((read) => !writes.wasRefused(read));
    const other = others.find((read) => saw(read) !== saw(first!));
    if (other !== undefined) found.push(violation('C7', `nodes differ about ${key}`, first!, other));
    // G6 judges whether it is new enough.
    if (writes.isLagging(key)) continue;
    const bySeq = writes.hasOneWriter(key);
    const rank = bySeq ? (write: WriteRecord) => write.seq : versionOf;
    const seen = bySeq ? seqOf : versionOf;
    for (const read of answered) {
      const behind = writes
        .acknowledged(key)
        .filter((write) => seen(read) < rank(write) && !writes.isExcused(read, write))
        .reduce<WriteRecord | undefined>((most, write) => (most && rank(most) > rank(write) ? most : write), undefined);
      if (behind === undefined) continue;
      found.push(violation('C7', `${read.node} is behind on ${key} although all is quiet`, behind, read));
    }
  }
  return found;
}

const saw = (read: ReadRecord): string => (read.outcome.is === 'ok' ? `=${read.outcome.value}` : read.outcome.is);
