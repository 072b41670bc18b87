import { expect } from 'chai';
import { startUi } from '../../../../tui/model/ui.js';
import { Session } from '../../../../tui/polling/session.js';
import { namesOf } from '../../../support/admin-documents.js';
import { FakeApi } from '../../../support/fake-admin-api.js';
import { FakeClock } from '../../../support/fake-clock.js';

const names = namesOf('cache', 3);

describe('watching a cluster', () => {
  let clock: FakeClock;
  let api: FakeApi;
  let session: Session;

  beforeEach(() => {
    clock = new FakeClock();
    api = new FakeApi(clock, { nodes: names.map((name) => ({ name })), keyspaces: ['users'] });
    session = new Session({ api, clock, seed: api.targetOf('cache-1'), timeoutMs: 5_000, intervalMs: 2_000 });
  });
  afterEach(() => {
    session.stop();
    expect(clock.pending()).to.equal(0);
  });

  const states = (): Record<string, string> =>
    Object.fromEntries(session.seen.snapshot.nodes.map(({ name, state }) => [name, state]));

  it('finds all nodes through one, and asks each of them at the interval', async () => {
    session.start();
    await clock.advance(200);
    expect(states()).to.deep.equal({ 'cache-1': 'alive', 'cache-2': 'alive', 'cache-3': 'alive' });
    await clock.advance(6_000);
    expect(session.seen.snapshot.rates?.requests).to.be.closeTo(282, 1);
    expect(api.polls.get('cache-2')).to.equal(4);
    session.pace(500);
    await clock.advance(2_000);
    expect(api.polls.get('cache-2')).to.equal(8);
  });

  it('is held up by no node: one that hangs is not even asked twice at a time', async () => {
    api.hanging.add('cache-2');
    session.start();
    await clock.advance(10_100);
    expect(api.polls.get('cache-2')).to.equal(1);
    expect(api.polls.get('cache-3')).to.equal(6);
    expect(session.seen.snapshot.nodes.find(({ name }) => name === 'cache-3')?.latest?.atMs).to.be.at.least(10_000);
  });

  it('keeps the data of a node that fails, tells since when, and takes it back', async () => {
    session.start();
    await clock.advance(2_100);
    api.failing.add('cache-3');
    await clock.advance(6_000);
    const row = session.seen.snapshot.nodes.find(({ name }) => name === 'cache-3')!;
    expect(row).to.deep.include({ state: 'unreachable', rates: undefined });
    expect(row.latest?.atMs).to.equal(2_000);
    expect(row.failure).to.deep.equal({
      sinceMs: 4_000,
      code: 'PEER_UNREACHABLE',
      message: 'cache-3 refused the connection',
    });
    expect(row.history.slice(-2)).to.deep.equal([undefined, undefined]);
    api.failing.clear();
    await clock.advance(2_000);
    expect(states()).to.deep.include({ 'cache-3': 'alive' });
  });

  it('goes on when the node it was given is gone, and keeps looking for it', async () => {
    session.start();
    await clock.advance(2_100);
    api.failing.add('cache-1');
    await clock.advance(4_000);
    expect(states()).to.deep.equal({ 'cache-1': 'unreachable', 'cache-2': 'alive', 'cache-3': 'alive' });
    // Nobody lists it any more: it is forgotten, and asked for all the same.
    api.made = { ...api.made, nodes: api.made.nodes.slice(1) };
    await clock.advance(4_000);
    expect(Object.keys(states())).to.deep.equal(['cache-2', 'cache-3']);
    const asked = api.polls.get('cache-1')!;
    await clock.advance(4_000);
    expect(api.polls.get('cache-1')).to.equal(asked + 2);
  });

  it('tells why nobody answers, from the start, and forgets nobody while nobody answers', async () => {
    for (const name of names) api.failing.add(name);
    session.start();
    await clock.advance(5_000);
    expect(session.seen.snapshot.failure).to.deep.equal({
      sinceMs: 0,
      code: 'PEER_UNREACHABLE',
      message: 'cache-1 refused the connection',
    });
    api.failing.clear();
    await clock.advance(2_000);
    expect(session.seen.snapshot.failure).to.equal(undefined);
    for (const name of names) api.failing.add(name);
    await clock.advance(20_000);
    expect(Object.keys(states())).to.deep.equal(names);
  });

  it('makes rates of two different answers only: nodes give the same one again within a moment', async () => {
    session.start();
    await clock.advance(2_100);
    const before = session.seen.snapshot.rates?.requests;
    await session.refresh();
    await session.refresh();
    expect(session.seen.snapshot.rates?.requests).to.be.closeTo(before!, 1);
  });

  it('does not ask nodes without an admin server', async () => {
    api.made = { ...api.made, nodes: names.map((name) => ({ name, ...(name === 'cache-3' ? { admin: 'off' } : {}) })) };
    session.start();
    await clock.advance(4_100);
    expect(api.polls.has('cache-3')).to.equal(false);
    expect(states()).to.deep.include({ 'cache-3': 'alive' });
  });

  it('asks nobody while it is paused', async () => {
    session.start();
    await clock.advance(2_100);
    session.pause();
    const asked = api.polls.get('cache-2');
    const { nowMs, snapshot } = session.seen;
    await clock.advance(10_000);
    expect(api.polls.get('cache-2')).to.equal(asked);
    expect(session.seen.nowMs - nowMs).to.be.at.least(9_000);
    expect(session.seen.snapshot).to.equal(snapshot);
    session.resume();
    await clock.advance(100);
    expect(api.polls.get('cache-2')).to.equal(asked! + 1);
  });

  it('follows the events of another node when the one it followed stops to answer', async () => {
    session.start();
    await clock.advance(1_500);
    expect(session.seen.snapshot.feed.teller).to.equal('cache-1');
    api.failing.add('cache-1');
    await clock.advance(5_000);
    expect(session.seen.snapshot.feed.teller).to.be.oneOf(['cache-2', 'cache-3']);
    expect(api.followed[0]).to.equal('cache-1');
    expect(session.seen.snapshot.events[0]?.text).to.match(/listening to what cache-[23] tells/);
  });

  it('says how writes went, and who could not be told', async () => {
    session.start();
    await clock.advance(100);
    expect(await session.act({ do: 'drain-node', node: 'cache-2' })).to.deep.equal({
      is: 'done',
      text: 'drained cache-2: 7 entries handed over, 1 left',
    });
    await session.act({ do: 'reset-breaker', keyspace: 'users', nodes: ['cache-2', 'cache-3'] });
    expect(api.writes).to.deep.equal(['drain at cache-2', 'reset users at cache-2', 'reset users at cache-3']);
    expect(await session.act({ do: 'drain-node', node: 'nowhere' })).to.deep.include({ is: 'failed' });
    api.refusal = 'not with this token';
    expect(await session.act({ do: 'delete-key', keyspace: 'users', key: 'a' })).to.deep.equal({
      is: 'failed',
      text: 'not with this token',
    });
  });

  it('starts in the view it was told, without a filter, the hottest keys first', () => {
    const ui = startUi({ allowWrites: false, intervalMs: 2_000, view: 'hotkeys' });
    expect(ui.lists.hotkeys).to.deep.equal({
      chosen: undefined,
      filter: '',
      sort: { column: 'rate', descending: true },
    });
  });
});
