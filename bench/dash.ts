/*
 * What the dashboard costs whoever watches 50 nodes with 200 keyspaces on a screen of 160x50: one refresh, every two seconds,
 * is reading the documents, making a snapshot, one frame of it, and drawing that. `npx tsx bench/dash.ts [nodes] [keyspaces]`
 */
import { EventEmitter } from 'node:events';
import { render } from 'ink';
import { createElement } from 'react';
import { documentsOf, namesOf } from '../test/support/admin-documents.js';
import { Screen } from '../tui/components/screen.js';
import { colours } from '../tui/components/theme.js';
import { type Frame, frameOf } from '../tui/model/frame.js';
import { unicode } from '../tui/model/glyphs.js';
import { type Snapshot, snapshotOf } from '../tui/model/snapshot.js';
import type { Sample, Track } from '../tui/model/track.js';
import { startUi } from '../tui/model/ui.js';
import { viewNames } from '../tui/model/view.js';
import { percentiles, printMachine, printTable, report } from './harness.js';

const nodeCount = Number(process.argv[2] ?? 50);
const keyspaceCount = Number(process.argv[3] ?? 200);
const size = { columns: 160, rows: 50 };
const refreshMs = 2_000;
const rounds = 15;

const nodes = namesOf('cache', nodeCount).map((name) => ({ name }));
const keyspaces = namesOf('keyspace', keyspaceCount);
const hotKeys = keyspaces
  .slice(0, 50)
  .flatMap((keyspace) => namesOf('key', 10).map((key, index) => ({ keyspace, key, perSecond: 1000 / (index + 1) })));

/** As they come over the network: text. */
const textsAt = (seconds: number): readonly string[] =>
  nodes.map(({ name }) => JSON.stringify(documentsOf({ nodes, keyspaces, hotKeys, seconds }, name)));

function samplesOf(texts: readonly string[], atMs: number): readonly Sample[] {
  return texts.map((text) => ({ atMs, ...JSON.parse(text) }));
}

function snapshotAt(samples: readonly Sample[], before: readonly Sample[]): Snapshot {
  const tracks = samples.map(
    (latest, index): Track => ({
      name: nodes[index]!.name,
      admin: '127.0.0.1:1',
      latest,
      previous: before[index],
      failure: undefined,
      history: Array.from({ length: 120 }, (_, at) => (at * 37) % 100),
    }),
  );
  return snapshotOf({ tracks, leftOut: 0, failure: undefined, feed: { events: [], dropped: 0, teller: '' } });
}

/** Milliseconds of a processor that each step took, by name: what else the machine does counts for little. */
const took = new Map<string, number[]>();

function timed<T>(name: string, run: () => T): T {
  const start = process.cpuUsage();
  const result = run();
  const { user, system } = process.cpuUsage(start);
  const samples = took.get(name) ?? [];
  samples.push((user + system) / 1000);
  took.set(name, samples);
  return result;
}

/** A terminal that takes everything. */
class Taker extends EventEmitter {
  readonly columns = size.columns;
  readonly rows = size.rows;
  readonly isTTY = true;
  bytes = 0;
  write(text: string, done?: () => void): boolean {
    this.bytes += text.length;
    done?.();
    return true;
  }
}

const stdout = new Taker();
const elementOf = (frame: Frame) => createElement(Screen, { frame, size, theme: colours });
const texts = [textsAt(100), textsAt(102), textsAt(104)];
const first = samplesOf(texts[0]!, 0);
const start = startUi({ allowWrites: false, intervalMs: refreshMs, view: 'nodes' });
const empty = frameOf(snapshotAt(first, first), start, size, { glyphs: unicode, nowMs: 0 });
const screen = render(elementOf(empty), {
  stdout: stdout as unknown as NodeJS.WriteStream,
  interactive: true,
  incrementalRendering: true,
  maxFps: 1_000,
  patchConsole: false,
});
async function refreshes(): Promise<void> {
  let before = first;
  for (let round = 1; round <= rounds; round++) {
    const received = texts[round % texts.length]!;
    const atMs = round * refreshMs;
    const samples = timed('read documents', () => samplesOf(received, atMs));
    const snapshot = timed('snapshot', () => snapshotAt(samples, before));
    for (const view of viewNames) {
      const frame = timed(`frame: ${view}`, () =>
        frameOf(snapshot, { ...start, view }, size, { glyphs: unicode, nowMs: atMs }),
      );
      timed('draw with Ink', () => screen.rerender(elementOf(frame)));
      await screen.waitUntilRenderFlush();
    }
    before = samples;
  }
}

await refreshes();
screen.unmount();

printMachine(`Dashboard, ${nodeCount} nodes with ${keyspaceCount} keyspaces, ${size.columns}x${size.rows}`);
printTable(
  ['step', 'p50 ms', 'p99 ms'],
  [...took].map(([name, samples]) => {
    const { p50, p99 } = percentiles(samples);
    return [name, p50.toFixed(2), p99.toFixed(2)];
  }),
);
const p50Of = (name: string): number => percentiles(took.get(name)!).p50;
const frames = viewNames.map((view) => p50Of(`frame: ${view}`));
const refresh = p50Of('read documents') + p50Of('snapshot') + Math.max(...frames) + p50Of('draw with Ink');
report([
  { name: 'part of one core that the dashboard takes at its usual interval', value: refresh / refreshMs, atMost: 0.25 },
]);
