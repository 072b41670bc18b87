import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import type { KeyspaceOptions } from '../../../src/engine/options.js';
import type { FetchResult } from '../../../src/ports/data-source.js';
import { bytesOf, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

const day = 86_400_000;

describe('entries that are kept past their expiry', () => {
  let cluster: TestCluster;
  let row: FetchResult | Error;
  afterEach(() => cluster.stop());

  const start = async (keyspace: Partial<KeyspaceOptions>, more: object = {}): Promise<void> => {
    row = 'one';
    cluster = await TestCluster.of({
      keyspace: { defaultTtl: 10_000, staleIfError: 60_000, ...keyspace },
      fetch: () => {
        if (row instanceof Error) throw row;
        return row;
      },
      ...more,
    });
  };
  const read = async (node: TestNode, key: string): Promise<string> => {
    try {
      const found = await cluster.run(node.engine.lookup(ks, key));
      return found.found ? `${found.outcome} ${textOf(found.value)} +${Math.round(found.staleMs ?? 0)}` : 'none';
    } catch (error) {
      return codeOf(error) ?? String(error);
    }
  };
  const bytes = (node: TestNode): number => node.engine.stats()[ks]!.main_cache_bytes!;

  for (const [name, ageMs] of [
    ['is fresh', 7000],
    ['has expired', 15_000],
  ] as const) {
    it(`what ${name} when its key moves to a node that joins grows no younger by it, and stands in when the source fails`, async () => {
      await start({});
      const keys = Array.from({ length: 60 }, (_, i) => `moving ${i}`);
      for (const key of keys) await read(cluster.node(0), key);
      const loadedMs = cluster.clock.nowMs();
      await cluster.clock.advance(ageMs);
      row = new Error('down');
      const joined = cluster.make('node-4', 9);
      await cluster.run(joined.engine.open(cluster.wait(10_000)));
      await cluster.clock.advance(500);
      const moved = keys.filter((key) => cluster.ownerOf(key) === joined);
      expect(moved.length).to.be.above(3);
      const first = ageMs < 10_000 ? /^(hit|hot) one \+0$/ : /^stale one \+\d+$/;
      for (const key of moved) expect(await read(cluster.node(1), key)).to.match(first);
      await cluster.clock.advance(10_000);
      for (const key of moved) {
        expect(await read(cluster.node(1), key)).to.equal(`stale one +${cluster.clock.nowMs() - loadedMs - 10_000}`);
      }
      await cluster.clock.advance(60_000);
      for (const key of moved) expect(await read(cluster.node(1), key)).to.equal('DATA_SOURCE_FAILED');
    });
  }

  it('what has expired when its key moves is answered with at once too, with one load behind it', async () => {
    await start({ staleWhileRevalidate: 60_000 });
    const keys = Array.from({ length: 60 }, (_, i) => `moving ${i}`);
    for (const key of keys) await read(cluster.node(0), key);
    await cluster.clock.advance(15_000);
    row = 'two';
    const joined = cluster.make('node-4', 9);
    await cluster.run(joined.engine.open(cluster.wait(10_000)));
    await cluster.clock.advance(500);
    const moved = keys.filter((key) => cluster.ownerOf(key) === joined);
    for (const key of moved) {
      cluster.fetched.clear();
      for (const told of await Promise.all(cluster.nodes.map((node) => read(node, key))))
        expect(told).to.match(/^stale one/);
      await cluster.clock.advance(10);
      for (const node of cluster.nodes) expect(await read(node, key)).to.match(/^(hit|hot) two/);
      expect(cluster.fetched.get(key)).to.equal(1);
    }
    const stats = joined.engine.stats()[ks]!;
    expect(stats.loads! + stats.refreshes!).to.equal(stats.loads_coalesced! + stats.loads_deduped!);
  });

  it('what a node that leaves hands over past its expiry is taken as that, and not beyond its time', async () => {
    await start({});
    const [owner, leaving] = cluster.nodes as [TestNode, TestNode];
    row = new Error('down');
    for (const [lifeMs, told] of [
      [-2000, 'stale one +2000'],
      [-59_999, 'stale one +59999'],
      [-60_000, 'DATA_SOURCE_FAILED'],
    ] as const) {
      const key = cluster.keyOwnedBy(owner, `after ${lifeMs}`);
      const { id } = owner.engine.status();
      const held = { do: 'hold', keyspace: ks, key, value: bytesOf('one'), version: 5, lifeMs, wasPut: false } as const;
      const request = {
        ...held,
        sourceVersion: undefined,
        floor: leaving.hybrid.next(),
        generation: 0,
        sequence: 0,
        heard: owner.hybrid.next(),
        yours: true,
      };
      await cluster.run(leaving.links.call(id, request, cluster.wait(1000)));
      expect(await read(owner, key)).to.equal(told);
    }
  });

  it('of a node that crashes: its replica stands in when the source fails, and no copy does', async () => {
    await start({ hotShare: 0.5 }, { core: { replicas: 2 } });
    const crashing = cluster.node(0);
    const keys = Array.from({ length: 10 }, (_, i) => cluster.keyOwnedBy(crashing, `key ${i}`));
    for (const key of keys) for (const node of cluster.nodes) await read(node, key);
    await cluster.clock.advance(11_000);
    row = new Error('down');
    cluster.network.crash(crashing.address);
    await cluster.clock.advance(8000);
    for (const key of keys) {
      for (const node of [cluster.node(1), cluster.node(2)])
        expect(await read(node, key)).to.match(/^stale one \+\d+$/);
    }
  });

  it('count in the budget, make room as the least used do, and are gone without reads when their time is over', async () => {
    await start({ maxBytes: '64KiB' }, { nodes: 1 });
    const node = cluster.node(0);
    row = 'x'.repeat(1000);
    for (let i = 0; i < 20; i++) await read(node, `old ${i}`);
    const used = bytes(node);
    await cluster.clock.advance(12_000);
    expect(bytes(node)).to.equal(used);
    for (let i = 0; i < 500; i++) {
      await read(node, `new ${i}`);
      expect(bytes(node)).to.be.at.most(65_536);
    }
    node.engine.check();
    row = new Error('down');
    expect(await read(node, 'old 0')).to.equal('DATA_SOURCE_FAILED');
    await cluster.clock.advance(72_000);
    expect(bytes(node)).to.equal(0);
  });

  for (const [name, stepMs] of [
    ['forward', 3_600_000],
    ['back', -3_600_000],
  ] as const) {
    it(`a clock on the wall that is set ${name} by an hour neither ends nor prolongs them`, async () => {
      await start({ staleWhileRevalidate: 5000, staleIfError: 5000 }, { nodes: 1 });
      await read(cluster.node(0), 'k');
      cluster.clock.stepWall(stepMs);
      await cluster.clock.advance(9000);
      expect(await read(cluster.node(0), 'k')).to.equal('hit one +0');
      await cluster.clock.advance(2000);
      row = new Error('down');
      cluster.clock.stepWall(-2 * stepMs);
      expect(await read(cluster.node(0), 'k')).to.equal('stale one +1000');
      await cluster.clock.advance(4000);
      expect(await read(cluster.node(0), 'k')).to.equal('DATA_SOURCE_FAILED');
    });
  }

  it('also beyond the reach of a timer: for months, to the moment', async () => {
    await start({ defaultTtl: 40 * day, staleIfError: 40 * day }, { nodes: 1 });
    await read(cluster.node(0), 'k');
    row = new Error('down');
    cluster.clock.skip(40 * day - 1);
    expect(await read(cluster.node(0), 'k')).to.equal('hit one +0');
    cluster.clock.skip(40 * day);
    expect(await read(cluster.node(0), 'k')).to.equal(`stale one +${40 * day - 1}`);
    cluster.clock.skip(1);
    expect(await read(cluster.node(0), 'k')).to.equal('DATA_SOURCE_FAILED');
  });

  it('a node that was out of touch asks the others first, and then stands in for the source as before', async () => {
    await start({});
    const [away, ...others] = cluster.nodes;
    const key = cluster.keyOwnedBy(away!);
    await read(away!, key);
    await cluster.clock.advance(11_000);
    row = new Error('down');
    for (const { address } of others) cluster.network.cut(away!.address, address);
    await cluster.clock.advance(2500);
    expect(await read(away!, key), 'alone it answers with nothing that it holds').to.equal('DATA_SOURCE_FAILED');
    cluster.network.healAll();
    await cluster.clock.advance(10_000);
    expect(await read(away!, key)).to.match(/^stale one/);
    await cluster.run(others[0]!.engine.put(ks, { key, value: bytesOf('new') }));
    expect(await read(away!, key)).to.match(/^(hit|hot) new/);
  });
});
