/*
 * What clients of a cluster did and saw, as data that checkers judge afterwards.
 *
 * Two kinds of time stand in a record. Milliseconds are for people and for windows ("while the network was cut"). Steps
 * are a counter of this history, taken when something begins and when it ends: they tell what came first even where a
 * fake clock stands still, so "the read began after the write was acknowledged" means `read.startStep > write.endStep`.
 *
 * A value is the text `key#seq`. A writer takes the next seq of its key, first changes the data source to it, then puts
 * or deletes in the cache; its record begins before the source changes. So the source is never older than an
 * acknowledged write, every value tells which write of which key made it, and a write that failed may still be seen.
 */

interface Span {
  readonly startMs: number;
  readonly startStep: number;
  readonly endMs: number;
  readonly endStep: number;
}

interface Operation extends Span {
  readonly client: string;
  /** Name of the node that was asked. */
  readonly node: string;
  readonly key: string;
}

export type WriteOutcome =
  | {
      readonly is: 'ok';
      readonly version: number;
      readonly unreached: readonly string[];
      /** Name of the owner that wrote; undefined: all nodes did, or it is not told. */
      readonly by?: string;
    }
  /** Refused; nothing was written to the cache, but the data source has it. */
  | { readonly is: 'failed'; readonly code: string }
  /** Timed out, or the connection broke: it may have been carried out, or may be still. */
  | { readonly is: 'unknown'; readonly code: string };

export interface WriteRecord extends Operation {
  readonly is: 'write';
  readonly kind: 'put' | 'delete';
  readonly seq: number;
  readonly outcome: WriteOutcome;
}

export type ReadOutcome =
  | {
      readonly is: 'ok';
      readonly value: string;
      readonly version: number;
      /** hit, hot, load and so on. */
      readonly how: string;
      /** Name of the node whose memory or source answered. */
      readonly by: string;
    }
  | { readonly is: 'missing'; readonly version: number }
  | { readonly is: 'failed'; readonly code: string };

export interface ReadRecord extends Operation {
  readonly is: 'read';
  readonly minVersion: number | undefined;
  readonly consistency: 'cached' | 'owner';
  /** One of those that ask every node for every key once all is quiet. */
  readonly final: boolean;
  readonly outcome: ReadOutcome;
}

/** One request that the data source answered. */
export interface LoadRecord extends Span {
  readonly is: 'load';
  readonly key: string;
  /** Name of the node that asked, or '' where that is not known. */
  readonly node: string;
  /** When it asked, by its own word, where the question takes time to arrive; its step is of the arrival. */
  readonly askedMs?: number | undefined;
}

interface Moment {
  readonly atMs: number;
  readonly step: number;
  readonly node: string;
}

export interface NodeRecord extends Moment {
  readonly is: 'node';
  readonly what: 'start' | 'crash' | 'freeze' | 'wake' | 'drain' | 'cut' | 'heal';
}

/** What `node` said about a peer. `present`: it was in its list of peers, without an event. */
export interface MemberRecord extends Moment {
  readonly is: 'member';
  readonly what: 'present' | 'joined' | 'left' | 'failed' | 'updated' | 'gap';
  /** Name of the peer; '' of a gap. */
  readonly peer: string;
}

export type HistoryRecord = WriteRecord | ReadRecord | LoadRecord | NodeRecord | MemberRecord;

export const textFor = (key: string, seq: number): string => `${key}#${seq}`;

/** undefined: not a text that a writer of these histories makes. */
export function partsOf(value: string): { readonly key: string; readonly seq: number } | undefined {
  const at = value.lastIndexOf('#');
  const digits = value.slice(at + 1);
  return at < 0 || !/^\d{1,15}$/.test(digits) ? undefined : { key: value.slice(0, at), seq: Number(digits) };
}

/** What a read saw: NaN where it has no value, or one that no writer made (C9 tells of those). */
export const seqOf = (read: ReadRecord): number =>
  read.outcome.is === 'ok' ? (partsOf(read.outcome.value)?.seq ?? Number.NaN) : Number.NaN;

/** NaN where a read or write has none. */
export const versionOf = (record: ReadRecord | WriteRecord): number =>
  record.outcome.is === 'ok' && record.outcome.version > 0 ? record.outcome.version : Number.NaN;

/** One line for people. */
export function lineOf(record: HistoryRecord): string {
  switch (record.is) {
    case 'node':
      return `${ms(record.atMs)} node ${record.node}: ${record.what}`;
    case 'member':
      return `${ms(record.atMs)} ${record.node} says: ${record.peer} ${record.what}`;
    case 'load':
      return `${span(record)} load of ${record.key} by ${record.node || 'a node'}`;
    case 'write':
      return `${span(record)} ${record.client} at ${record.node}: ${record.kind} ${textFor(record.key, record.seq)} -> ${JSON.stringify(record.outcome)}`;
    case 'read': {
      const least = record.minVersion === undefined ? '' : ` from version ${record.minVersion}`;
      const how = record.consistency === 'owner' ? ' of the owner' : '';
      return `${span(record)} ${record.client} at ${record.node}: get ${record.key}${how}${least} -> ${JSON.stringify(record.outcome)}`;
    }
  }
}

const ms = (value: number): string => `[${value.toFixed(1)}]`;
const span = (record: Span): string => `[${record.startMs.toFixed(1)} to ${record.endMs.toFixed(1)}]`;
