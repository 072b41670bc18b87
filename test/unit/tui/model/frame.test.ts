import { expect } from 'chai';
import { frameOf, linesOf, type Size } from '../../../../tui/model/frame.js';
import { unicode } from '../../../../tui/model/glyphs.js';
import { bindings, press } from '../../../../tui/model/keys.js';
import { type Snapshot, snapshotOf } from '../../../../tui/model/snapshot.js';
import { lineWidth, plainText } from '../../../../tui/model/text.js';
import type { Track } from '../../../../tui/model/track.js';
import { startUi, type Ui } from '../../../../tui/model/ui.js';
import { viewNames } from '../../../../tui/model/view.js';
import { documentsOf, type MadeCluster, namesOf } from '../../../support/admin-documents.js';
import { seeded } from '../../../support/seeded.js';

const look = { glyphs: unicode, nowMs: 100_000 };

type Made = Omit<MadeCluster, 'seconds'> & { readonly failing?: readonly string[] };

/** Tracks after two polls, a second apart, the later one half a second ago. */
function tracksOf({ failing = [], ...made }: Made): readonly Track[] {
  const sample = (name: string, seconds: number) => ({
    atMs: look.nowMs - 500 - (10 - seconds) * 1000,
    ...documentsOf({ ...made, seconds }, name),
  });
  return made.nodes.map(({ name }) => ({
    name,
    admin: '127.0.0.1:1',
    latest: sample(name, 10),
    previous: sample(name, 9),
    failure: failing.includes(name)
      ? { sinceMs: look.nowMs - 12_000, code: 'PEER_UNREACHABLE' as const, message: 'refused the connection' }
      : undefined,
    history: [1, 2, 3],
  }));
}

const watched = (tracks: readonly Track[]) =>
  snapshotOf({ tracks, leftOut: 0, failure: undefined, feed: { events: [], dropped: 0, teller: '' } });

const made: Made = { nodes: namesOf('cache', 3).map((name) => ({ name })), keyspaces: ['users', 'sessions'] };
const start = startUi({ allowWrites: false, intervalMs: 2_000, view: 'nodes' });
const size: Size = { columns: 100, rows: 30 };

const textOf = (snapshot: Snapshot, ui: Ui = start, on: Size = size): string =>
  linesOf(frameOf(snapshot, ui, on, look))
    .map(plainText)
    .join('\n');

/** What keys make of it, one after the other. */
const pressing = (snapshot: Snapshot, keys: readonly string[], ui: Ui = start): Ui =>
  keys.reduce((current, key) => {
    const { pageRows, topMax } = frameOf(snapshot, current, size, look);
    return press(current, key, { snapshot, pageRows, topMax }).ui;
  }, ui);

describe('the frame', () => {
  it('fills the screen exactly, whatever the size, the view, the mode and the names', () => {
    const random = seeded('frame');
    const odd = ['plain', '日本語の名前', 'x'.repeat(300), 'evil\u001b[2J\n', 'a👩‍👩‍👧b', ''];
    for (let round = 0; round < 25; round++) {
      const nodes = namesOf('node', random.between(0, 12)).map((name) => ({ name: `${random.pick(odd)}${name}` }));
      const keyspaces = namesOf('ks', random.between(1, 25)).map((name) => `${random.pick(odd)}${name}`);
      const hotKeys = keyspaces.map((keyspace) => ({
        keyspace,
        key: random.pick(odd),
        perSecond: random.between(0, 1e6),
      }));
      const failing = nodes.filter(() => random.chance(0.2)).map(({ name }) => name);
      const snapshot = watched(tracksOf({ nodes, keyspaces, hotKeys, failing, label: random.pick(odd) }));
      const allKeys = bindings.flatMap(({ keys }) => keys).concat('y', 'n', 'x');
      let ui = startUi({ allowWrites: true, intervalMs: 2_000, view: random.pick(viewNames) });
      for (let step = 0; step < 8; step++) {
        const on = { columns: random.between(20, 220), rows: random.between(3, 70) };
        const frame = frameOf(snapshot, ui, on, look);
        const lines = linesOf(frame);
        expect(lines.length, `round ${round}`).to.equal(on.rows);
        for (const line of lines) expect(lineWidth(line), plainText(line)).to.be.at.most(on.columns);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        for (const line of lines) expect(plainText(line)).to.not.match(/[\u0000-\u001f\u007f-\u009f]/);
        ui = press(ui, random.pick(allKeys), { snapshot, ...frame }).ui;
      }
    }
  }).timeout(60_000);

  it('tells what the cluster does: requests by callers, reads without a load, loads', () => {
    // Each keyspace on each node, a second: 100 gets, 10 of them asked by other nodes, 4 puts and deletes, 5 loads.
    const text = textOf(watched(tracksOf(made)));
    expect(text).to.include('requests 564/s');
    expect(text).to.include('hit ratio 94.4%');
    expect(text).to.include('loads 30.0/s');
    expect(text).to.include('data 0s old');
    expect(text).to.match(/cache-1 +● alive +33\.3% +188 +80\.0% +0\.42ms +███··· +50% +1\.4ms +now/);
  });

  it('tells a node that does not answer, and how old its data is', () => {
    const text = textOf(watched(tracksOf({ ...made, failing: ['cache-2'] })));
    expect(text).to.match(/cache-2 +▲ unreachable .* 0s/);
    expect(text).to.include(' 1 unreachable  2 alive');
    expect(text).to.include('requests 376/s');
    const details = textOf(
      watched(tracksOf({ ...made, failing: ['cache-2'] })),
      pressing(watched(tracksOf(made)), ['j', 'enter']),
    );
    expect(details).to.include('no answer for 12s: refused the connection');
  });

  it('counts nothing over a restart', () => {
    const tracks = tracksOf(made).map((track) => ({
      ...track,
      previous: { ...track.previous!, node: { ...track.previous!.node, id: 'another run' } },
    }));
    expect(textOf(watched(tracks)))
      .to.include('requests -/s')
      .and.include('hit ratio -');
  });

  it('warns when nodes see different rings', () => {
    const snapshot = watched(tracksOf({ ...made, ringVersion: (node) => (node === 'cache-3' ? 'bbb' : 'aaa') }));
    expect(textOf(snapshot)).to.include('ring aaa  2 rings seen ');
  });

  it('takes the gravest breaker of all nodes, and says on how many', () => {
    const source = (keyspace: string, node: string) =>
      keyspace === 'users' && node === 'cache-2' ? ({ state: 'open', failures: 5, next_probe_ms: 4_200 } as const) : {};
    const text = textOf(watched(tracksOf({ ...made, source })), pressing(watched(tracksOf(made)), ['4']));
    expect(text).to.match(/users +▲ open 1\/3 +5\/5 +5s +\S+ +80% +6/);
    expect(text.indexOf('users')).to.be.below(text.indexOf('sessions  '));
  });

  it('adds up hot keys over nodes', () => {
    const hotKeys = [
      { keyspace: 'users', key: 'ada', perSecond: 100 },
      { keyspace: 'users', key: 'bob', perSecond: 50 },
    ];
    const text = textOf(watched(tracksOf({ ...made, hotKeys })), pressing(watched(tracksOf(made)), ['3']));
    expect(text).to.match(/ada +users +█+ +300 +10\.0% +cache-1/);
    expect(text).to.match(/bob +users +█+·+ +150 +5\.0%/);
  });

  it('says why a list is empty', () => {
    const nothing = snapshotOf({
      tracks: [],
      leftOut: 0,
      failure: {
        sinceMs: look.nowMs - 3_000,
        code: 'PEER_UNREACHABLE',
        message: '127.0.0.1:3321 refused the connection',
      },
      feed: { events: [], dropped: 0, teller: '' },
    });
    expect(textOf(nothing)).to.include('no answer for 3s  127.0.0.1:3321 refused the connection');
    expect(textOf(nothing)).to.include('no node has answered yet');
    const filtered = pressing(watched(tracksOf(made)), ['/', 'z', 'enter']);
    expect(textOf(watched(tracksOf(made)), filtered)).to.include('no line has these words');
  });
});

describe('keys', () => {
  const snapshot = watched(tracksOf({ ...made, keyspaces: namesOf('ks', 60) }));

  it('keeps the choice by name when the order of the rows changes', () => {
    const chosen = pressing(snapshot, ['2', 'down', 'down', 'S']);
    expect(textOf(snapshot, chosen)).to.include('› ks-03').and.include('58 of 60');
    const fewer = watched(tracksOf({ ...made, keyspaces: namesOf('ks', 60).slice(0, 30) }));
    expect(textOf(fewer, chosen)).to.include('› ks-03').and.include('28 of 30');
    const without = watched(tracksOf({ ...made, keyspaces: namesOf('ks', 60).filter((name) => name !== 'ks-03') }));
    expect(textOf(without, chosen)).to.match(/› ks-0[24]/);
  });

  it('keeps order, filter and choice of each view for itself', () => {
    const ui = pressing(snapshot, ['2', '/', '0', '7', 'enter', '1', 's', '2']);
    expect(textOf(snapshot, ui)).to.include('"07"').and.include('› ks-07').and.include('KEYSPACE↑');
    expect(textOf(snapshot, pressing(snapshot, ['1'], ui))).to.include('STATE↑');
  });

  it('gives the old filter back on escape', () => {
    const ui = pressing(snapshot, ['2', '/', '7', 'enter', '/', 'x', 'escape']);
    expect(ui.lists.keyspaces.filter).to.equal('7');
    expect(pressing(snapshot, ['escape'], ui).lists.keyspaces.filter).to.equal('');
  });

  it('writes nothing without being allowed to, and nothing but on y', () => {
    const denied = press(pressing(snapshot, ['2']), 'C', { snapshot, pageRows: 5, topMax: 0 });
    expect(denied.effect).to.equal(undefined);
    expect(denied.ui.message?.text).to.include('--allow-writes');
    const allowed = startUi({ allowWrites: true, intervalMs: 2_000, view: 'keyspaces' });
    const asked = pressing(snapshot, ['down', 'C'], allowed);
    expect(textOf(snapshot, asked)).to.include('Clear keyspace ks-02 on every node?');
    for (const key of bindings.flatMap(({ keys }) => keys)) {
      expect(press(asked, key, { snapshot, pageRows: 5, topMax: 0 }).effect, key).to.equal(undefined);
    }
    expect(press(asked, 'y', { snapshot, pageRows: 5, topMax: 0 }).effect).to.deep.equal({
      do: 'act',
      action: { do: 'clear-keyspace', keyspace: 'ks-02' },
    });
  });

  it('asks for the row that was chosen, also when the rows change under the question', () => {
    const allowed = startUi({ allowWrites: true, intervalMs: 2_000, view: 'keyspaces' });
    const asked = pressing(snapshot, ['C'], allowed);
    const others = watched(tracksOf({ ...made, keyspaces: ['another', 'ks-01'] }));
    const { effect } = press(asked, 'y', { snapshot: others, pageRows: 5, topMax: 0 });
    expect(effect).to.deep.include({ action: { do: 'clear-keyspace', keyspace: 'ks-01' } });
  });

  it('goes through the usual intervals, from whichever it was', () => {
    const at = (intervalMs: number): Ui => ({ ...start, intervalMs });
    expect(pressing(snapshot, ['+'], at(2_000)).intervalMs).to.equal(1_000);
    expect(pressing(snapshot, ['-'], at(2_000)).intervalMs).to.equal(5_000);
    expect(pressing(snapshot, ['-'], at(200)).intervalMs).to.equal(500);
    expect(pressing(snapshot, ['+'], at(200)).intervalMs).to.equal(200);
    expect(pressing(snapshot, ['-'], at(60_000)).intervalMs).to.equal(60_000);
  });

  it('has one meaning for each key in each mode', () => {
    for (const mode of ['list', 'details', 'help'] as const) {
      const keys = bindings.filter(({ modes }) => modes.includes(mode)).flatMap(({ keys: names }) => names);
      expect(new Set(keys).size, mode).to.equal(keys.length);
    }
  });

  it('lists all keys in the help, which can be scrolled to its end', () => {
    const tall = { columns: 120, rows: 60 };
    const help = textOf(snapshot, pressing(snapshot, ['?']), tall);
    for (const { label, help: text } of bindings) expect(help).to.include(label).and.include(text);
    const end = pressing(snapshot, ['?', 'end', 'up']);
    const { topMax } = frameOf(snapshot, end, size, look);
    expect(end.mode).to.deep.equal({ is: 'help', top: Math.max(0, topMax - 1) });
  });
});
