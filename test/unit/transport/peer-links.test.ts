import { expect } from 'chai';
import type { FakeNetwork } from '../../support/fake-network.js';
import { addressOf, LinkCluster } from '../../support/link-cluster.js';
import { countingStamp, nodeInfo, type PeerNode, type PeerNodeOptions } from '../../support/peer-nodes.js';

const names = (node: PeerNode): string[] => node.links.linked().map(({ name }) => name);

describe('PeerLinks: who dials', () => {
  for (const [name, dialer, dialled] of [
    ['the node with the smaller id dials', 'a', 'b'],
    ['the node with the larger id dials and is dialled back', 'b', 'a'],
  ] as const) {
    it(`${name}: one link, seen by both`, async () => {
      const cluster = new LinkCluster();
      const [from, to] = [cluster.add(dialer), cluster.add(dialled)];
      from.links.dial(to.info.address);
      await cluster.clock.advance(1_000);
      expect([from.events, to.events]).to.deep.equal([[`up node-${dialled}`], [`up node-${dialer}`]]);
      expect(cluster.network.openStreams()).to.equal(1);
      expect(await cluster.get(from, dialled)).to.equal(`node-${dialled}:x`);
      expect(await cluster.get(to, dialer)).to.equal(`node-${dialer}:x`);
      expect([...from.problems, ...to.problems]).to.deep.equal([]);
      await cluster.stop();
    });
  }

  it('many nodes that all dial each other at once end with one link a pair', async () => {
    const cluster = new LinkCluster();
    const nodes = ['a', 'b', 'c', 'd', 'e'].map((id) => cluster.add(id));
    for (const { links } of nodes) for (const { info } of nodes) links.dial(info.address);
    await cluster.clock.advance(10_000);
    expect(cluster.network.openStreams()).to.equal(10);
    for (const node of nodes) {
      expect(names(node)).to.have.length(4);
      expect(node.events).to.have.length(4);
      expect(node.problems.map(({ message }) => message)).to.deep.equal([
        `${node.info.address} is the address of this node itself`,
      ]);
    }
    await cluster.stop();
  });

  it('does not dial an address again whose node has linked itself', async () => {
    const cluster = new LinkCluster();
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    a.links.dial(b.info.address);
    await cluster.clock.advance(100);
    b.links.dial(a.info.address);
    await cluster.clock.advance(10_000);
    expect(b.links.counters().dialsFailed).to.equal(0);
    await cluster.stop();
  });

  it('links once where two addresses lead to one node', async () => {
    const cluster = new LinkCluster();
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    cluster.network.host('alias:3320').listen((stream) => b.links.accept(stream));
    a.links.dial('alias:3320');
    a.links.dial(b.info.address);
    await cluster.clock.advance(20_000);
    expect(cluster.network.openStreams()).to.equal(1);
    expect(a.events).to.deep.equal(['up node-b']);
    expect(a.problems).to.deep.equal([]);
    expect(a.links.counters().dialsFailed).to.be.below(5);
    await cluster.stop();
  });

  it('says after a while that a node which is to dial back does not', async () => {
    const cluster = new LinkCluster();
    const b = cluster.add('b', { self: () => nodeInfo('b', 'nowhere:1') });
    const a = cluster.add('a');
    b.links.dial(a.info.address);
    await cluster.clock.advance(60_000);
    expect(b.events).to.deep.equal([]);
    expect(b.problems[0]?.message).to.match(/a:3320 is to dial this node at nowhere:1 but does not/);
    await cluster.stop();
  });
});

describe('PeerLinks: who is refused', () => {
  const rows: Record<string, { more: Partial<PeerNodeOptions>; message: RegExp; passing: boolean }> = {
    'another label': { more: { label: 'other' }, message: /label/, passing: false },
    'another hasher': { more: { hasher: 'md5' }, message: /places keys by/, passing: false },
    'the same name': {
      more: { info: nodeInfo('b', addressOf('b'), 'node-a') },
      message: /named node-a/,
      passing: false,
    },
    'a clock that runs ahead': {
      more: { stamp: Object.assign(countingStamp(), { at: 1e6 }) },
      message: /clock of node-b is too far ahead/,
      passing: true,
    },
  };
  for (const [name, { more, message, passing }] of Object.entries(rows)) {
    for (const dialer of ['a', 'b']) {
      it(`${name}, when ${dialer} dials`, async () => {
        const cluster = new LinkCluster();
        const a = cluster.add('a', { hasher: 'xxh3', stamp: countingStamp(1_000) });
        const b = cluster.add('b', { hasher: 'xxh3', ...more });
        const [from, to] = dialer === 'a' ? [a, b] : [b, a];
        from.links.dial(to.info.address);
        await cluster.clock.advance(20_000);
        expect([a.events, b.events]).to.deep.equal([[], []]);
        expect(from.problems).to.have.length(1);
        expect(from.problems[0]).to.include({ address: to.info.address, passing });
        expect(from.problems[0]!.message).to.match(message);
        expect(from.links.counters().dialsFailed).to.be.above(0);
        // Who dialled and objects itself refuses no stream of another's.
        const objects = name === 'a clock that runs ahead' && dialer === 'a' ? from : to;
        expect(to.links.counters().linksRefused > 0).to.equal(objects === to);
        await cluster.stop();
      });
    }
  }

  it('itself, by another address, and dials that no more', async () => {
    const cluster = new LinkCluster();
    const a = cluster.add('a');
    cluster.network.host('alias:3320').listen((stream) => a.links.accept(stream));
    a.links.dial('alias:3320');
    await cluster.clock.advance(60_000);
    expect(a.problems).to.deep.equal([
      { address: 'alias:3320', message: 'alias:3320 leads to this node itself', passing: false },
    ]);
    expect(a.links.counters().framesOut).to.equal(0);
    await cluster.stop();
  });

  it('a second node of a name while the first one is linked; the restarted one takes the place when it is gone', async () => {
    const cluster = new LinkCluster();
    const a = cluster.add('a');
    const old = cluster.add('b');
    a.links.dial(addressOf('b'));
    await cluster.clock.advance(100);
    const twin = cluster.add('c', { info: nodeInfo('c', 'c:3320', 'node-b') });
    twin.links.dial(a.info.address);
    await cluster.clock.advance(5_000);
    expect(twin.problems[0]?.passing).to.equal(false);
    expect(names(a)).to.deep.equal(['node-b']);
    await cluster.clock.until(old.links.close());
    await cluster.clock.advance(10_000);
    expect(a.links.linked().map(({ id }) => id)).to.deep.equal(['c']);
    expect(a.events).to.deep.equal(['up node-b', 'down node-b', 'up node-b']);
    await cluster.stop();
  });
});

describe('PeerLinks: what breaks', () => {
  it('dials again, whichever side dialled first, when a link breaks', async () => {
    const cluster = new LinkCluster();
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    b.links.dial(a.info.address);
    await cluster.clock.advance(1_000);
    for (let round = 0; round < 3; round++) {
      cluster.network.hangUp(a.info.address, b.info.address);
      await cluster.clock.advance(3_000);
      expect(names(a)).to.deep.equal(['node-b']);
      expect(await cluster.get(a, 'b')).to.equal('node-b:x');
    }
    expect(a.events).to.have.length(7);
    expect(a.links.counters()).to.include({ links: 1, linksOpened: 4 });
    await cluster.stop();
  });

  it('fails the calls under way when the link breaks', async () => {
    const cluster = new LinkCluster(50);
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    a.links.dial(b.info.address);
    await cluster.clock.advance(1_000);
    const answer = cluster.get(a, 'b');
    cluster.network.hangUp(a.info.address, b.info.address);
    expect(await answer).to.equal('PEER_UNREACHABLE');
    expect(await cluster.get(a, 'nobody')).to.equal('PEER_UNREACHABLE');
    await cluster.stop();
  });

  it('finds a node that comes back with a new id at its old address', async () => {
    const cluster = new LinkCluster();
    const a = cluster.add('m');
    const old = cluster.add('p', { address: 'b:3320' });
    a.links.dial('b:3320');
    await cluster.clock.advance(1_000);
    cluster.network.crash('b:3320');
    await cluster.clock.until(old.links.close());
    await cluster.clock.advance(30_000);
    expect(a.problems.map(({ message }) => message)).to.deep.equal(['b:3320: connection refused']);
    for (const id of ['c', 'z']) {
      const again = cluster.add(id, { address: 'b:3320' });
      await cluster.clock.advance(12_000);
      expect(a.links.linked().map((peer) => peer.id)).to.deep.equal([id]);
      cluster.network.crash('b:3320');
      await cluster.clock.until(again.links.close());
      await cluster.clock.advance(6_000);
    }
    await cluster.stop();
  });

  for (const [name, cut] of [
    ['both ways', (n: FakeNetwork) => n.cut('a:3320', 'b:3320')],
    ['one way', (n: FakeNetwork) => n.cutOneWay('a:3320', 'b:3320')],
  ] as const) {
    it(`declares a peer down after 3 to 4 s when the path is cut ${name}, and links again when it heals`, async () => {
      const cluster = new LinkCluster();
      const [a, b] = [cluster.add('a'), cluster.add('b')];
      a.links.dial(b.info.address);
      await cluster.clock.advance(10_000);
      cut(cluster.network);
      await cluster.clock.advance(2_000);
      expect([names(a).length, names(b).length]).to.deep.equal([1, 1]);
      await cluster.clock.advance(2_500);
      expect(names(b)).to.deep.equal([]);
      await cluster.clock.advance(4_500);
      expect(names(a)).to.deep.equal([]);
      cluster.network.healAll();
      await cluster.clock.advance(12_000);
      expect([names(a), names(b)]).to.deep.equal([['node-b'], ['node-a']]);
      expect(await cluster.get(b, 'a')).to.equal('node-a:x');
      await cluster.stop();
    });
  }

  it('keeps a quiet link up for as long as both live', async () => {
    const cluster = new LinkCluster();
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    a.links.dial(b.info.address);
    await cluster.clock.advance(600_000);
    expect([a.events, b.events]).to.deep.equal([['up node-b'], ['up node-a']]);
    expect(a.links.counters().framesOut).to.be.within(590, 620);
    await cluster.stop();
  });

  it('blames nobody after its own event loop was blocked', async () => {
    const cluster = new LinkCluster();
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    a.links.dial(b.info.address);
    await cluster.clock.advance(10_000);
    cluster.clock.skip(8_000);
    await cluster.clock.advance(10_000);
    expect(a.events).to.deep.equal(['up node-b']);
    await cluster.stop();
  });

  it('redials with back-off, for ever, and tells the same problem once a minute', async () => {
    const cluster = new LinkCluster();
    const a = cluster.add('a');
    a.links.dial('b:3320');
    await cluster.clock.advance(10 * 60_000);
    const { dialsFailed } = a.links.counters();
    expect(dialsFailed).to.be.within(150, 500);
    expect(a.problems.length).to.be.within(9, 11);
    a.links.undial('b:3320');
    const b = cluster.add('b');
    await cluster.clock.advance(60_000);
    expect(b.events).to.deep.equal([]);
    await cluster.stop();
  });

  it('gives a peer that stops time to do so before it dials again, and tells that it left', async () => {
    const cluster = new LinkCluster();
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    const left: unknown[] = [];
    a.links.onLink((event) => left.push(event.is === 'down' && event.left));
    a.links.dial(b.info.address);
    await cluster.clock.advance(1_000);
    await cluster.clock.until(b.links.close());
    await cluster.clock.advance(900);
    expect(left).to.deep.equal([false, true]);
    expect(a.links.counters().dialsFailed).to.equal(0);
    await cluster.stop();
  });

  it('closes within its time though the peer is frozen, and takes no stream after that', async () => {
    const cluster = new LinkCluster();
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    a.links.dial(b.info.address);
    await cluster.clock.advance(1_000);
    cluster.network.freeze(b.info.address);
    const pending = cluster.get(a, 'b');
    const startMs = cluster.clock.nowMs();
    await cluster.clock.until(a.links.close());
    expect(cluster.clock.nowMs() - startMs).to.equal(500);
    expect(await pending).to.equal('PEER_UNREACHABLE');
    cluster.network.thaw(b.info.address);
    b.links.dial(a.info.address);
    a.links.dial(b.info.address);
    await cluster.clock.advance(10_000);
    expect(names(b)).to.deep.equal([]);
    await cluster.stop();
  });

  it('goes on though a listener throws', async () => {
    const cluster = new LinkCluster();
    const logged: string[] = [];
    const a = cluster.add('a', { log: { write: (_level, message) => logged.push(message) } });
    const b = cluster.add('b');
    a.links.onLink(() => {
      throw new Error('a listener of the user');
    });
    a.links.dial(b.info.address);
    await cluster.clock.advance(1_000);
    expect(await cluster.get(a, 'b')).to.equal('node-b:x');
    expect(logged).to.include('a listener of the peer links failed');
    await cluster.stop();
  });
});
