import type { History } from './history.js';
import type { ReadRecord, WriteRecord } from './records.js';

/** Nodes that start within this time of each other may each join over another one. */
const atOnceMs = 1000;
/** By then everybody has heard of who started. */
const gossipMs = 5000;
/** News that one has heard is on its way to the other's link a little longer. */
const settledMs = 50;

/**
 * Two nodes that start at once, each over another node, may both answer for a key until they have heard of each other: the one
 * that read, or answered, need not know of what the other wrote before that.
 */
export function strangersIn({ nodes, members }: History): (read: ReadRecord, write: WriteRecord) => boolean {
  const startedMs = (name: string, byMs: number): number | undefined =>
    nodes.findLast(({ node, what, atMs }) => node === name && what === 'start' && atMs <= byMs)?.atMs;
  const heardMs = (name: string, peer: string, sinceMs: number): number =>
    members.find((one) => one.node === name && one.peer === peer && one.what === 'joined' && one.atMs >= sinceMs)
      ?.atMs ?? Number.POSITIVE_INFINITY;
  return (read, write) => {
    if (read.outcome.is !== 'ok' || write.outcome.is !== 'ok') return false;
    const [reader, writer] = [read.outcome.by, write.outcome.by ?? write.node];
    if (reader === writer) return false;
    const [a, b] = [startedMs(reader, read.startMs), startedMs(writer, write.startMs)];
    if (a === undefined || b === undefined || Math.abs(a - b) > atOnceMs) return false;
    const sinceMs = Math.min(a, b);
    const metMs = Math.max(heardMs(reader, writer, sinceMs), heardMs(writer, reader, sinceMs));
    return read.startMs <= Math.min(metMs + settledMs, Math.max(a, b) + gossipMs);
  };
}
