import { expect } from 'chai';
import { MembershipPool, type PoolNode } from '../../../support/membership-pool.js';

const names = ['node-a', 'node-b', 'node-c', 'node-d'];
const all = names.map((name) => `${name} alive serving`);
const hourMs = 3_600_000;

describe('a cluster by gossip, when things break', () => {
  let pool: MembershipPool;
  beforeEach(() => {
    pool = new MembershipPool();
  });
  afterEach(() => pool.stop());
  const cut = (left: readonly PoolNode[], right: readonly PoolNode[]): void => {
    for (const a of left) for (const b of right) pool.net.cut(pool.hostOf(a.self.name), pool.hostOf(b.self.name));
  };
  const living = (node: PoolNode): readonly string[] => node.list().filter((line) => line.includes(' alive'));

  it('two halves that forgot each other for an hour meet again through discovery', async () => {
    // Nor does anybody remember where the lost were: only discovery knows.
    const nodes = await pool.cluster(names, { swim: { lostKeepMs: 0 } });
    cut(nodes.slice(0, 2), nodes.slice(2));
    await pool.clock.advance(hourMs);
    expect(nodes[0]!.list(), 'long forgotten').to.deep.equal(all.slice(0, 2));
    expect(nodes[3]!.list()).to.deep.equal(all.slice(2));
    pool.net.healAll();
    await pool.clock.advance(60_000);
    for (const node of nodes) expect(node.list()).to.deep.equal(all);
  }).timeout(60_000);

  it('a node that was alone for an hour finds the others, as soon as discovery knows them', async () => {
    const nodes = await pool.cluster(names.slice(0, 2));
    const lone = pool.node('node-c');
    await pool.clock.until(lone.start());
    await pool.clock.advance(hourMs);
    lone.discovery.tell([pool.gossipOf('node-a')]);
    await pool.clock.advance(1000);
    for (const node of [...nodes, lone]) expect(node.list()).to.deep.equal(all.slice(0, 3));
  }).timeout(60_000);

  for (const behaviour of ['reject', 'throw', 'hang', 'rubbish'] as const) {
    it(`discovery that does this takes nothing apart: ${behaviour}`, async () => {
      const nodes = names.map((name) => pool.node(name, { seeds: names.map((other) => pool.gossipOf(other)) }));
      for (const { discovery } of nodes) discovery.findAgainMs = 10_000;
      await pool.clock.until(Promise.all(nodes.map((node) => node.start())));
      await pool.clock.advance(5000);
      for (const { discovery, heard } of nodes) {
        discovery.behaviour = behaviour;
        heard.length = 0;
      }
      await pool.clock.advance(300_000);
      for (const { discovery } of nodes) {
        discovery.behaviour = 'answer';
        discovery.tell([]);
      }
      await pool.clock.advance(60_000);
      for (const node of nodes) {
        expect(node.list()).to.deep.equal(all);
        expect(node.heard).to.deep.equal([]);
        expect(node.warnings().length, 'a line a minute at most').to.be.within(1, 6);
        expect(node.discovery.overlaps).to.equal(0);
      }
    });
  }

  it('a provider is asked again at the interval it names, with jitter', async () => {
    const nodes = names
      .slice(0, 2)
      .map((name) => pool.node(name, { seeds: names.map((other) => pool.gossipOf(other)) }));
    for (const { discovery } of nodes) discovery.findAgainMs = 30_000;
    await pool.clock.until(Promise.all(nodes.map((node) => node.start())));
    await pool.clock.advance(600_000);
    for (const { discovery } of nodes) expect(discovery.finds).to.be.within(16, 28);
  });

  it('a process that is suspended for three seconds is not declared dead, and blames nobody when it wakes', async () => {
    const nodes = await pool.cluster(names);
    const [a, b] = nodes;
    b!.clock.pause();
    await pool.clock.advance(3000);
    b!.clock.resume();
    await pool.clock.advance(20_000);
    for (const node of nodes) {
      expect(node.list()).to.deep.equal(all);
      expect(node.heard.filter((line) => line.startsWith('failed'))).to.deep.equal([]);
    }
    expect(
      b!.heard.filter((line) => line.endsWith('suspect')),
      'it blames nobody',
    ).to.deep.equal([]);
    expect(b!.membership.counts().lag_ms).to.be.within(2500, 3100);
    expect(a!.membership.counts().lags).to.equal(0);
  });

  it('one that is suspended for a minute is back by itself, and finds all the others alive', async () => {
    const nodes = await pool.cluster(names);
    const [a, b] = nodes;
    b!.clock.pause();
    await pool.clock.advance(60_000);
    expect(a!.member('node-b')!.state).to.equal('dead');
    b!.clock.resume();
    await pool.clock.advance(30_000);
    for (const node of nodes) expect(node.list()).to.deep.equal(all);
    expect(a!.heard.filter((line) => !line.startsWith('updated'))).to.deep.equal([
      'failed node-b: dead',
      'joined node-b: alive',
    ]);
    expect(b!.heard.filter((line) => line.startsWith('failed'))).to.deep.equal([]);
  });

  it('one whose whole machine was suspended finds nothing in its sockets, and still makes itself known at once', async () => {
    const nodes = await pool.cluster(names);
    const [a, b] = nodes;
    cut([b!], [a!, ...nodes.slice(2)]);
    b!.clock.pause();
    await pool.clock.advance(90_000);
    expect(a!.member('node-b')!.state).to.equal('dead');
    pool.net.healAll();
    b!.clock.resume();
    await pool.clock.advance(2000);
    for (const node of nodes) expect(node.list()).to.deep.equal(all);
  });

  it('a link that breaks means nothing', async () => {
    const nodes = await pool.cluster(names);
    for (const a of nodes) for (const b of nodes) a.peers.down(b);
    await pool.clock.advance(10_000);
    for (const node of nodes) {
      expect(node.list()).to.deep.equal(all);
      expect(node.heard).to.deep.equal([]);
    }
  });

  it('a one-way cut between two is no failure while others reach both', async () => {
    const nodes = await pool.cluster(names);
    pool.net.cutOneWay(pool.hostOf('node-a'), pool.hostOf('node-b'));
    await pool.clock.advance(120_000);
    for (const node of nodes) expect(living(node)).to.deep.equal(all);
  });

  it('who listens and throws, stops, drains or asks in the middle of a change harms nothing', async () => {
    const nodes = await pool.cluster(names);
    const [a, , c, d] = nodes;
    a!.membership.onChange(() => {
      a!.membership.members();
      a!.membership.drain();
      throw new Error('not my day');
    });
    c!.membership.onChange(() => void c!.membership.stop({ deadlineMs: pool.clock.nowMs() + 3000 }));
    pool.kill(d!);
    await pool.clock.advance(30_000);
    expect(a!.list()).to.deep.equal(['node-a draining', 'node-b alive serving', 'node-c left', 'node-d dead']);
    expect(a!.warnings()[0]).to.match(/a listener of the membership failed: not my day/);
    expect(a!.membership.counts()).to.include({ core_faults: 0 });
  });
});
