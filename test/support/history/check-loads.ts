import type { History } from './history.js';
import type { CheckOptions } from './options.js';
import type { LoadRecord, WriteRecord } from './records.js';
import { groupBy, type Violation, violation } from './violations.js';

/*
 * C6: loads of one key do not overlap, unless the key was invalidated between their beginnings: a caller who comes after
 * a write must not join a load from before it. A write counts from its beginning to its end, as nobody outside knows when
 * within that time it took effect; one with unknown outcome until `lateWriteMs` after its beginning. Where questions take time
 * to arrive, a load began when its node asked: what was written and acknowledged before the question arrived came between.
 */

type Event =
  | { readonly step: number; readonly do: 'load'; readonly load: LoadRecord }
  | { readonly step: number; readonly do: 'loaded'; readonly load: LoadRecord }
  | { readonly step: number; readonly do: 'write' }
  | { readonly step: number; readonly do: 'written'; readonly atMs: number };

export function checkLoads(history: History, options: CheckOptions = {}): readonly Violation[] {
  const { epochOf = (key: string) => key } = options;
  const found: Violation[] = [];
  const writesOf = groupBy(history.writes, (write) => epochOf(write.key));
  for (const [key, loads] of groupBy(history.loads, (load) => load.key)) {
    found.push(...overlaps(key, loads, writesOf.get(epochOf(key)) ?? [], options));
  }
  return found;
}

function overlaps(
  key: string,
  loads: readonly LoadRecord[],
  writes: readonly WriteRecord[],
  { loadsAtOnce = 1, excusesLoad = () => false, lateWriteMs = Number.POSITIVE_INFINITY }: CheckOptions,
): readonly Violation[] {
  const found: Violation[] = [];
  const underway = new Set<LoadRecord>();
  let writing = 0;
  let lastWritten = 0;
  let lastWrittenMs = Number.NEGATIVE_INFINITY;
  const isSince = ({ startStep, askedMs }: LoadRecord): boolean =>
    startStep > lastWritten && (askedMs === undefined || askedMs > lastWrittenMs);
  const late = writes.filter((write) => write.outcome.is === 'unknown');
  const mayBeWritten = (load: LoadRecord): boolean =>
    late.some((write) => write.startStep < load.startStep && write.startMs + lateWriteMs >= load.startMs);
  for (const event of eventsOf(loads, writes)) {
    if (event.do === 'write') writing++;
    else if (event.do === 'written') {
      writing--;
      lastWritten = event.step;
      lastWrittenMs = event.atMs;
    } else if (event.do === 'loaded') underway.delete(event.load);
    else {
      const beside = [...underway].filter((load) => isSince(load) && !excusesLoad(load));
      const isFault = writing === 0 && beside.length >= loadsAtOnce && !excusesLoad(event.load);
      if (isFault && !mayBeWritten(event.load)) {
        const what = `${beside.length + 1} loads of ${key} at once, without an invalidation between them`;
        found.push(violation('C6', what, ...beside, event.load));
      }
      underway.add(event.load);
    }
  }
  return found;
}

function eventsOf(loads: readonly LoadRecord[], writes: readonly WriteRecord[]): readonly Event[] {
  const events: Event[] = [];
  for (const load of loads) {
    events.push({ step: load.startStep, do: 'load', load }, { step: load.endStep, do: 'loaded', load });
  }
  for (const write of writes) {
    events.push({ step: write.startStep, do: 'write' }, { step: write.endStep, do: 'written', atMs: write.endMs });
  }
  return events.sort((a, b) => a.step - b.step);
}
