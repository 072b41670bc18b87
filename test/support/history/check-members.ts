import type { History } from './history.js';
import type { MemberRecord } from './records.js';
import { type Violation, violation } from './violations.js';

/*
 * C10: the events of each run of a node tell a whole story of each peer: joined, perhaps updated, then left or failed,
 * then joined again. Whoever begins to listen later has the peers of the list, told as `present`; as list and events come
 * by different ways, the `joined` of a listed peer may still follow, once.
 */

type Known = { readonly is: 'present' | 'joined' | 'gone'; readonly by: MemberRecord };

export function checkMembers(history: History): readonly Violation[] {
  const found: Violation[] = [];
  const views = new Map<string, Map<string, Known>>();
  const starts = history.nodes.filter((record) => record.what === 'start');
  for (const record of [...history.members, ...starts].sort((a, b) => a.step - b.step)) {
    if (record.is === 'node') {
      views.delete(record.node);
      continue;
    }
    const view = views.get(record.node) ?? new Map<string, Known>();
    views.set(record.node, view);
    const known = view.get(record.peer);
    const fault = faultOf(record, known?.is);
    if (fault !== undefined) {
      found.push(violation('C10', `${record.node} ${fault}`, ...(known === undefined ? [] : [known.by]), record));
    }
    const is = stateAfter(record.what);
    const isStale = record.what === 'present' && known !== undefined;
    if (is !== undefined && !isStale) view.set(record.peer, { is, by: record });
  }
  return found;
}

function stateAfter(what: MemberRecord['what']): Known['is'] | undefined {
  switch (what) {
    case 'present':
    case 'joined':
      return what;
    case 'left':
    case 'failed':
      return 'gone';
    case 'updated':
    case 'gap':
      return undefined;
  }
}

function faultOf({ what, peer }: MemberRecord, known: Known['is'] | undefined): string | undefined {
  const isHere = known === 'present' || known === 'joined';
  switch (what) {
    case 'present':
      return undefined;
    case 'joined':
      return known === 'joined' ? `told twice that ${peer} joined` : undefined;
    case 'gap':
      return 'missed events';
    case 'left':
    case 'failed':
    case 'updated':
      return isHere ? undefined : `told that ${peer} ${what}, and before not that it joined`;
  }
}
