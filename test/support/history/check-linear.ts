import type { History } from './history.js';
import type { CheckOptions } from './options.js';
import { type ReadRecord, seqOf, type WriteRecord } from './records.js';
import { groupBy, type Violation, violation } from './violations.js';

/*
 * C5: reads of the owner and the writes of a key can be put into one order that is true to real time, in which every
 * read returns the last write before it (Wing and Gong 1993; here in the just-in-time form of Lowe 2017).
 *
 * The history is walked event by event. A configuration is one way things may have gone so far: the register's value, and
 * which of the operations now under way have already taken effect. When an operation ends it must have taken effect, so
 * each configuration lets whatever is under way take effect, in every order, and those without the ending one are
 * dropped. None left: no order exists. With few operations at once there are few configurations, so the walk is linear;
 * in the worst case they are exponential, so their number has a limit, beyond which the key is left undecided.
 *
 * A write that failed or whose outcome is unknown stays under way until the last read of its value: it may take effect at
 * any time, or never. One that nobody read is left out.
 */

type Op = { readonly id: number; readonly record: WriteRecord | ReadRecord; readonly seq: number };
type Config = { readonly value: number; readonly done: readonly number[] };

export interface LinearResult {
  readonly violations: readonly Violation[];
  /** Keys whose history leaves too many orders open. */
  readonly undecided: readonly string[];
}

export function checkLinear(history: History, options: CheckOptions = {}): LinearResult {
  const violations: Violation[] = [];
  const undecided: string[] = [];
  const isJudged = (read: ReadRecord): boolean => read.consistency === 'owner' && !Number.isNaN(seqOf(read));
  const readsOf = groupBy(history.reads.filter(isJudged), (read) => read.key);
  const writesOf = groupBy(history.writes, (write) => write.key);
  for (const [key, reads] of readsOf) {
    const result = judgeKey([...(writesOf.get(key) ?? []), ...reads], options.orderingsMax ?? 20_000);
    if (result === 'undecided') undecided.push(key);
    else if (result !== 'fine') {
      violations.push(violation('C5', `no order of ${key}'s operations explains this one`, ...result));
    }
  }
  return { violations, undecided };
}

const endsKnown = (record: WriteRecord | ReadRecord): boolean => record.is === 'read' || record.outcome.is === 'ok';

/** The operation that fits nowhere, after those under way with it. */
function judgeKey(
  records: readonly (WriteRecord | ReadRecord)[],
  configsMax: number,
): 'fine' | 'undecided' | readonly (WriteRecord | ReadRecord)[] {
  const events: { readonly step: number; readonly op: Op; readonly isEnd: boolean }[] = [];
  const lastRead = new Map<number, number>();
  for (const [id, record] of records.entries()) {
    const op: Op = { id, record, seq: record.is === 'read' ? seqOf(record) : record.seq };
    events.push({ step: record.startStep, op, isEnd: false });
    if (endsKnown(record)) events.push({ step: record.endStep, op, isEnd: true });
    if (record.is === 'read') lastRead.set(op.seq, Math.max(lastRead.get(op.seq) ?? 0, record.endStep));
  }
  events.sort((a, b) => a.step - b.step);
  const isWanted = ({ record, seq }: Op, step: number): boolean => endsKnown(record) || (lastRead.get(seq) ?? 0) > step;
  const open = new Map<number, Op>();
  let configs: readonly Config[] = [{ value: 0, done: [] }];
  for (const { step, op, isEnd } of events) {
    if (!isEnd) {
      if (isWanted(op, step)) open.set(op.id, op);
      continue;
    }
    const reached = reach(configs, open, op.id, configsMax);
    if (reached === undefined) return 'undecided';
    if (reached.length === 0) {
      const beside = [...open.values()].filter(({ id }) => id !== op.id).map(({ record }) => record);
      return [...beside.slice(-8), op.record];
    }
    open.delete(op.id);
    configs = reached;
    for (const other of open.values()) {
      if (isWanted(other, step)) continue;
      open.delete(other.id);
      configs = configs.map(({ value, done }) => ({ value, done: done.filter((id) => id !== other.id) }));
    }
  }
  return 'fine';
}

/** All ways on in which `ending` has taken effect; undefined when they are too many. */
function reach(
  configs: readonly Config[],
  open: ReadonlyMap<number, Op>,
  ending: number,
  configsMax: number,
): readonly Config[] | undefined {
  const seen = new Set<string>();
  const out = new Map<string, Config>();
  const todo = [...configs];
  for (let config = todo.pop(); config !== undefined; config = todo.pop()) {
    const name = `${config.value}|${config.done.join()}`;
    if (seen.has(name)) continue;
    seen.add(name);
    if (seen.size > configsMax) return undefined;
    if (config.done.includes(ending)) {
      const rest: Config = { value: config.value, done: config.done.filter((id) => id !== ending) };
      out.set(`${rest.value}|${rest.done.join()}`, rest);
      continue;
    }
    for (const { id, record, seq } of open.values()) {
      if (config.done.includes(id) || (record.is === 'read' && seq !== config.value)) continue;
      todo.push({ value: seq, done: [...config.done, id].sort((a, b) => a - b) });
    }
  }
  return [...out.values()];
}
