import type { History } from './history.js';
import type { CheckOptions } from './options.js';
import { partsOf, type ReadRecord, seqOf, textFor, versionOf, type WriteRecord } from './records.js';
import { againstHighestBefore } from './sweep.js';
import { groupBy, type Violation, violation } from './violations.js';

/*
 * C1, C2, C3 and G7: no read goes back behind what it had to know.
 *
 * With one writer a key's seqs are its order. With several, writes of the same key overlap and nobody but the owner knows
 * which came first: there the versions that the cache gave are the order, and seqs are not compared.
 *
 * A put whose outcome its writer never learnt may come into effect after later writes were acknowledged, as when it lay
 * in a frozen owner. Reading it then is no fault, however low its seq; `lateWriteMs` bounds how late that may be.
 */

const never = (): boolean => false;

/** Acknowledged writes and unknown puts by key. */
export class Writes {
  readonly #byKey: ReadonlyMap<string, readonly WriteRecord[]>;
  readonly #puts = new Map<string, WriteRecord>();
  readonly #crashSteps: readonly number[];
  /** Values of writes that the cache refused, after their writers had changed the data source. */
  readonly #refused = new Set<string>();
  readonly #lateMs: number;
  readonly #excuses: NonNullable<CheckOptions['excuses']>;
  /** Its data source does not get what is put. */
  readonly isLagging: (key: string) => boolean;

  constructor(
    history: History,
    { lateWriteMs = Number.POSITIVE_INFINITY, isLagging = never, excuses = never }: CheckOptions,
  ) {
    this.isLagging = isLagging;
    this.#excuses = excuses;
    this.#byKey = groupBy(history.writes, (write) => write.key);
    this.#lateMs = lateWriteMs;
    this.#crashSteps = history.nodes.filter(({ what }) => what === 'crash').map(({ step }) => step);
    for (const write of history.writes) {
      const { key, seq, kind, outcome } = write;
      if (kind === 'put') this.#puts.set(textFor(key, seq), write);
      if (outcome.is !== 'ok' && outcome.code === 'OVERLOADED') this.#refused.add(textFor(key, seq));
    }
  }

  keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  of(key: string): readonly WriteRecord[] {
    return this.#byKey.get(key) ?? [];
  }

  acknowledged(key: string): readonly WriteRecord[] {
    return this.of(key).filter((write) => write.outcome.is === 'ok');
  }

  /** Seqs tell the order of its writes. */
  hasOneWriter(key: string): boolean {
    const [first, ...others] = this.of(key);
    return others.every((write) => write.client === first!.client);
  }

  /** This read need not know of this acknowledged write. */
  isExcused(read: ReadRecord, write: WriteRecord): boolean {
    return this.mayBeLate(read, write) || this.#excuses(read, write, this.#seenBy(read));
  }

  /** What was read may be a put that came into effect after `than`. */
  mayBeLate(read: ReadRecord, than: WriteRecord | ReadRecord): boolean {
    const put = this.#seenBy(read);
    return put?.outcome.is === 'unknown' && put.startMs + this.#lateMs >= than.startMs;
  }

  /**
   * What was seen earlier was a put that nobody had acknowledged yet when the later read began, and a node has crashed between
   * the two: the put may have gone with it.
   */
  mayHaveGone(earlier: ReadRecord, later: ReadRecord): boolean {
    const put = this.#seenBy(earlier);
    if (put === undefined || (put.outcome.is === 'ok' && put.endStep < later.startStep)) return false;
    return this.#crashSteps.some((step) => step > earlier.startStep && step < later.endStep);
  }

  /** The write that was seen earlier, a put or a delete, was not acknowledged when the later read began. */
  isOpen(earlier: ReadRecord, later: ReadRecord): boolean {
    const { outcome } = earlier;
    if (outcome.is !== 'ok') return false;
    const seen = this.of(earlier.key).find(({ key, seq }) => textFor(key, seq) === outcome.value);
    return seen !== undefined && !(seen.outcome.is === 'ok' && seen.endStep < later.startStep);
  }

  /** Another write of the key was on its way when this was read, or nobody has learnt what became of it. */
  isUnderWay(read: ReadRecord): boolean {
    return this.of(read.key).some(({ startStep, startMs, endStep, outcome }) => {
      if (startStep >= read.endStep) return false;
      return outcome.is === 'unknown' ? startMs + this.#lateMs >= read.startMs : endStep > read.startStep;
    });
  }

  wasRefused({ outcome }: ReadRecord): boolean {
    return outcome.is === 'ok' && this.#refused.has(outcome.value);
  }

  #seenBy({ outcome }: ReadRecord): WriteRecord | undefined {
    return outcome.is === 'ok' ? this.#puts.get(outcome.value) : undefined;
  }
}

const howOf = ({ outcome }: ReadRecord): string => (outcome.is === 'ok' ? outcome.how : '');

/** C1: a read that begins after a write was acknowledged returns it or a newer one. */
export function checkAcknowledged(history: History, options: CheckOptions = {}, writes = new Writes(history, options)) {
  return staleReads('C1', history.reads, writes);
}

/** C3: the same for the client's own writes. Told apart because a client can be served wrong while others are not. */
export function checkOwnWrites(history: History, options: CheckOptions = {}, writes = new Writes(history, options)) {
  const found: Violation[] = [];
  for (const [client, reads] of groupBy(history.reads, (read) => read.client)) {
    const own = (write: WriteRecord): boolean => write.client === client;
    found.push(...staleReads('C3', reads, writes, own));
  }
  return found;
}

function staleReads(
  checker: 'C1' | 'C3',
  all: readonly ReadRecord[],
  writes: Writes,
  counts: (write: WriteRecord) => boolean = () => true,
): readonly Violation[] {
  const found: Violation[] = [];
  for (const [key, reads] of groupBy(all, (read) => read.key)) {
    if (writes.isLagging(key)) continue;
    const acknowledged = writes.acknowledged(key).filter(counts);
    const bySeq = writes.hasOneWriter(key);
    const rank = bySeq ? (write: WriteRecord) => write.seq : versionOf;
    const seen = bySeq ? seqOf : versionOf;
    const isBehind = (read: ReadRecord, write: WriteRecord): boolean =>
      seen(read) < rank(write) && !writes.isExcused(read, write);
    againstHighestBefore(acknowledged, reads, rank, (read, highest) => {
      if (!(seen(read) < rank(highest))) return;
      // Excused for the newest write, a read may still be behind an older one; this happens seldom.
      const behind = isBehind(read, highest)
        ? highest
        : acknowledged.findLast((write) => write.endStep < read.startStep && isBehind(read, write));
      if (behind === undefined) return;
      const whose = checker === 'C3' ? 'its own write of' : '';
      const what = bySeq
        ? `seq ${seen(read)} after ${whose} ${rank(behind)}`
        : `version ${seen(read)} after ${whose} ${rank(behind)}`;
      found.push(violation(checker, `stale read of ${key}: ${what.replace('  ', ' ')} was acknowledged`, behind, read));
    });
  }
  return found;
}

/**
 * C2: what a client reads of a key never goes back, in seq nor in version. A read beside the cache, version 0, sees the
 * source, which may have what no write has brought into the cache yet: it must be new enough, and binds no later read.
 */
export function checkMonotonic(
  history: History,
  options: CheckOptions = {},
  writes = new Writes(history, options),
): readonly Violation[] {
  const { excusesBack = never, monotonicAcrossNodes = true, ownersCrash = false } = options;
  const at = (read: ReadRecord): string => (monotonicAcrossNodes ? '' : read.node);
  const found: Violation[] = [];
  for (const reads of groupBy(history.reads, (read) => JSON.stringify([read.client, read.key, at(read)])).values()) {
    const { client, key } = reads[0]!;
    const bindingReads = reads.filter((read) => !Number.isNaN(versionOf(read)));
    const compare = (
      name: string,
      rank: (read: ReadRecord) => number,
      isExcused: (earlier: ReadRecord, later: ReadRecord) => boolean,
    ): void =>
      againstHighestBefore(bindingReads, reads, rank, (later, earlier) => {
        if (!(rank(later) < rank(earlier)) || isExcused(earlier, later) || writes.mayHaveGone(earlier, later)) return;
        const what = `${client} read ${name} ${rank(later)} of ${key} after ${rank(earlier)}`;
        found.push(violation('C2', what, earlier, later));
      });
    const isExcusedBack = (earlier: ReadRecord, later: ReadRecord): boolean =>
      excusesBack(earlier, later, writes.isOpen(earlier, later));
    compare('version', versionOf, isExcusedBack);
    if (!writes.hasOneWriter(key)) continue;
    // Beside the cache is the source, which has not what was put.
    const isBeside = (read: ReadRecord): boolean => writes.isLagging(key) && Number.isNaN(versionOf(read));
    // A load sees what a write has brought to the source and not to the cache yet, and a later entry need not have it.
    const isLater = (earlier: ReadRecord, later: ReadRecord): boolean =>
      howOf(earlier) === 'load' && versionOf(later) > versionOf(earlier);
    const isUndone = (read: ReadRecord): boolean => ownersCrash && writes.isLagging(key) && writes.isUnderWay(read);
    compare(
      'seq',
      seqOf,
      (earlier, later) =>
        isBeside(later) ||
        isUndone(later) ||
        isLater(earlier, later) ||
        writes.mayBeLate(later, earlier) ||
        isExcusedBack(earlier, later),
    );
  }
  return found;
}

/** G7: a read that asks for a version gets that or a newer one. */
export const checkMinVersion = (history: History): readonly Violation[] =>
  history.reads
    .filter((read) => read.minVersion !== undefined && read.outcome.is === 'ok' && versionOf(read) < read.minVersion)
    .map((read) => violation('G7', `a read of ${read.key} got less than the version it asked for`, read));

/** C9: every value was made for exactly this key, by a write that had begun. */
export function checkProduced(history: History, { mayBeMissing = never }: CheckOptions = {}): readonly Violation[] {
  const found: Violation[] = [];
  const writesOf = groupBy(history.writes, (write) => write.key);
  for (const [key, reads] of groupBy(history.reads, (read) => read.key)) {
    const byStart = [...(writesOf.get(key) ?? [])].sort((a, b) => a.startStep - b.startStep);
    let next = 0;
    let newest = 0;
    for (const read of [...reads].sort((a, b) => a.endStep - b.endStep)) {
      for (; next < byStart.length && byStart[next]!.startStep < read.endStep; next++) {
        newest = Math.max(newest, byStart[next]!.seq);
      }
      const { outcome } = read;
      if (outcome.is === 'missing' && !mayBeMissing(read)) {
        found.push(violation('C9', `${key} was said to be missing, which it never was`, read));
      }
      if (outcome.is !== 'ok') continue;
      const parts = partsOf(outcome.value);
      if (parts === undefined) found.push(violation('C9', `nobody ever made this value of ${key}`, read));
      else if (parts.key !== key) found.push(violation('C9', `a read of ${key} got a value of ${parts.key}`, read));
      else if (parts.seq > newest) {
        found.push(violation('C9', `${key} was read with seq ${parts.seq} when ${newest} was the newest`, read));
      }
    }
  }
  return found;
}
