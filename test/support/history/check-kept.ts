import { Writes } from './check-reads.js';
import type { History } from './history.js';
import type { CheckOptions } from './options.js';
import { type ReadRecord, seqOf, versionOf, type WriteRecord } from './records.js';
import { againstHighestBefore } from './sweep.js';
import { groupBy, type Violation, violation } from './violations.js';

/*
 * G6: what was put and acknowledged is not lost. Judges keys whose data source lags: their one writer changes the source
 * before a delete and not before a put, so that whoever reads the source, where an entry should be, shows it; and so does a
 * deleted value that is back.
 *
 * While nodes come and go a read beside the cache, version 0, may find no put in the source: it is as new as the source, and
 * that is all that is promised of it. It has every acknowledged delete. Once all is quiet nobody reads beside the cache.
 */
export function checkKept(
  history: History,
  options: CheckOptions = {},
  writes = new Writes(history, options),
): readonly Violation[] {
  const { isLagging = () => false, lateWriteMs = Number.POSITIVE_INFINITY } = options;
  const { ownersCrash = false } = options;
  const found: Violation[] = [];
  const lagging = history.reads.filter((read) => isLagging(read.key));
  for (const [key, reads] of groupBy(lagging, (read) => read.key)) {
    const acknowledged = writes.acknowledged(key);
    const unknownDeletes = writes.of(key).filter(({ kind, outcome }) => kind === 'delete' && outcome.is === 'unknown');
    /** A delete of which nobody learnt may take away what was put after it had begun. */
    const mayBeDeleted = (put: WriteRecord): boolean =>
      unknownDeletes.some((write) => write.startMs + lateWriteMs >= put.startMs);
    const isBehind = (read: ReadRecord, write: WriteRecord): boolean => {
      if (!(seqOf(read) < write.seq) || writes.isExcused(read, write)) return false;
      const isBeside = Number.isNaN(versionOf(read)) && !read.final;
      const isUndone = ownersCrash && writes.isUnderWay(read);
      return write.kind === 'delete' || !(isBeside || isUndone || mayBeDeleted(write));
    };
    againstHighestBefore(
      acknowledged,
      reads,
      ({ seq }) => seq,
      (read, highest) => {
        if (!(seqOf(read) < highest.seq)) return;
        // Excused for the newest write, a read may still be behind an older one.
        const behind = isBehind(read, highest)
          ? highest
          : acknowledged.findLast((write) => write.endStep < read.startStep && isBehind(read, write));
        if (behind === undefined) return;
        const what =
          behind.kind === 'put' ? 'was put, acknowledged and lost' : 'was deleted, and an older value is back';
        found.push(violation('G6', `seq ${behind.seq} of ${key} ${what}: seq ${seqOf(read)} was read`, behind, read));
      },
    );
  }
  return found;
}
