import { Writes } from './check-reads.js';
import type { History } from './history.js';
import type { CheckOptions } from './options.js';
import { type ReadRecord, versionOf } from './records.js';
import { againstHighestBefore } from './sweep.js';
import { groupBy, type Violation, violation } from './violations.js';

/** C4: what a node answers of a key never falls in version. A node that was started again counts as another node. */
export function checkVersions(
  history: History,
  options: CheckOptions = {},
  writes = new Writes(history, options),
): readonly Violation[] {
  const { excusesBack = () => false } = options;
  const found: Violation[] = [];
  const startsOf = groupBy(
    history.nodes.filter((record) => record.what === 'start'),
    (record) => record.node,
  );
  for (const atNode of groupBy(history.reads, (read) => read.node).values()) {
    const { node } = atNode[0]!;
    const runOf = runs((startsOf.get(node) ?? []).map(({ step }) => step));
    for (const reads of groupBy(atNode, (read) => JSON.stringify([read.key, runOf(read)])).values()) {
      againstHighestBefore(reads, reads, versionOf, (later, earlier) => {
        if (!(versionOf(later) < versionOf(earlier))) return;
        if (excusesBack(earlier, later, writes.isOpen(earlier, later)) || writes.mayHaveGone(earlier, later)) return;
        const what = `${node} answered ${later.key} with version ${versionOf(later)} after ${versionOf(earlier)}`;
        found.push(violation('C4', what, earlier, later));
      });
    }
  }
  return found;
}

/** Which start of its node a read came after. */
function runs(startSteps: readonly number[]): (read: ReadRecord) => number {
  const steps = [...startSteps].sort((a, b) => a - b);
  return (read) => {
    let [low, high] = [0, steps.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (steps[middle]! < read.startStep) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
