import { expect } from 'chai';
import { bytesOf, type ClusterOptions, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

describe('engine: warm-up', () => {
  let cluster: TestCluster;
  const start = async (options: ClusterOptions = {}): Promise<void> => {
    cluster = await TestCluster.of({ latencyMs: 1, ...options });
  };
  const fetches = (): number => [...cluster.fetched.values()].reduce((sum, count) => sum + count, 0);
  const holds = ({ engine }: TestNode, key: string): boolean => engine.peek(ks, key) !== undefined;
  const join = async (name: string): Promise<TestNode> => {
    const node = cluster.make(name, 9);
    await cluster.run(node.engine.open(cluster.wait(10_000)));
    return node;
  };
  /** As `start`, with one node, whose data source can use the clock of the cluster from the first load on. */
  const startAlone = async (options: ClusterOptions): Promise<TestNode> => {
    cluster = await TestCluster.of({ ...options, nodes: 0 });
    const node = cluster.make('node-1', 1);
    await cluster.run(node.engine.open(cluster.wait(10_000)));
    return node;
  };
  const later = (ms: number): Promise<void> => new Promise((resolve) => void cluster.clock.after(ms, resolve));
  const warmKeys = Array.from({ length: 40 }, (_, i) => `warm-${i}`);

  afterEach(() => cluster.stop());

  it('loads warm keys at the start, each once and by its owner', async () => {
    await start({ keyspace: { warmKeys } });
    await cluster.clock.advance(1000);
    for (const key of warmKeys) {
      expect(cluster.fetched.get(key), key).to.equal(1);
      expect(
        cluster.nodes.filter((node) => holds(node, key)),
        key,
      ).to.deep.equal([cluster.ownerOf(key)]);
    }
    expect(fetches()).to.equal(warmKeys.length);
  });

  it('a node is ready once it has loaded them, or the deadline has passed', async () => {
    const { engine } = await startAlone({
      keyspace: { warmKeys: ['a', 'b', 'never'] },
      core: { warmup: { concurrency: 1, timeout: '20s', deadline: '5s' } },
      fetch: (key) => (key === 'never' ? new Promise(() => {}) : later(100).then(() => key)),
    });
    await cluster.clock.advance(150);
    expect(engine.insights.readiness()).to.deep.equal({
      state: 'serving',
      ready: false,
      reason: 'warming up, 1 of 3 keys',
    });
    expect(engine.status().ready).to.equal(false);
    await cluster.clock.advance(4900);
    expect(engine.status().ready).to.equal(true);
  });

  it('gives each key its time, goes on without it, and says so once', async () => {
    await start({
      nodes: 1,
      keyspace: { warmKeys: ['down', 'stuck', 'fine'] },
      core: { warmup: { concurrency: 1, timeout: '2s' } },
      fetch: (key) => {
        if (key === 'down') throw new Error('no such host');
        return key === 'stuck' ? new Promise(() => {}) : key;
      },
    });
    await cluster.clock.advance(2100);
    const node = cluster.node(0);
    expect(holds(node, 'fine')).to.equal(true);
    expect(node.engine.status().ready).to.equal(true);
    const warned = node.logged.filter(({ message }) => message.includes('ahead of need'));
    expect(warned).to.have.lengthOf(1);
    expect(warned[0]?.message).to.match(
      /^2 of 3 keys were not loaded ahead of need; the first: 'down' of 'ks': .*no such host/,
    );
  });

  it('asks the data source for as many keys at once as it may', async () => {
    let running = 0;
    let most = 0;
    await startAlone({
      keyspace: { warmKeys },
      core: { warmup: { concurrency: 3 } },
      fetch: async (key) => {
        most = Math.max(most, ++running);
        await later(10);
        running--;
        return key;
      },
    });
    await cluster.clock.advance(1000);
    expect(fetches()).to.equal(warmKeys.length);
    expect(most).to.equal(3);
  });

  it('leaves alone what a reader has loaded by the time its turn comes', async () => {
    const { engine } = await startAlone({
      keyspace: { warmKeys: ['a', 'b', 'c'] },
      core: { warmup: { concurrency: 1 } },
      fetch: (key) => later(100).then(() => key),
    });
    await cluster.run(Promise.all([engine.get(ks, 'c'), engine.warm(ks, ['b', 'd', 'c'], { concurrency: 1 })]));
    await cluster.clock.advance(1000);
    expect(Object.fromEntries(cluster.fetched)).to.deep.equal({ a: 1, b: 1, c: 1, d: 1 });
  });

  it('a node that joins takes warm keys from those who owned them, not from the data source', async () => {
    await start({ keyspace: { warmKeys } });
    await cluster.clock.advance(1000);
    const joined = await join('node-4');
    await cluster.clock.advance(1000);
    const moved = warmKeys.filter((key) => cluster.ownerOf(key) === joined);
    expect(moved.length).to.be.above(2);
    for (const key of moved) expect(holds(joined, key), key).to.equal(true);
    expect(fetches()).to.equal(warmKeys.length);
  });

  it('whoever takes over from a node that is gone loads the hot keys of it that it knows', async () => {
    await start();
    const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode];
    const hot = cluster.keyOwnedBy(third, 'hot');
    for (const node of [first, second]) for (let i = 0; i < 3; i++) await cluster.text(node, hot);
    await cluster.run(third.engine.close(cluster.wait(1000)));
    await cluster.clock.advance(2000);
    const heir = [first, second].find(({ name }) => first.engine.owner(ks, hot) === name)!;
    expect(holds(heir, hot)).to.equal(true);
  });

  it('a node that joins is ready with the hot keys that callers of others ask for, and costs the data source nothing', async () => {
    await start();
    const keys = Array.from({ length: 60 }, (_, i) => `hot-${i}`);
    for (const [index, key] of keys.entries()) {
      for (let i = 0; i < 3; i++) await cluster.text(cluster.node(index % 3), key);
    }
    const joined = await join('node-4');
    for (let i = 0; i < 100 && !joined.engine.status().ready; i++) await cluster.clock.advance(50);
    const moved = keys.filter((key) => cluster.ownerOf(key) === joined);
    expect(moved.length).to.be.above(5);
    for (const key of moved) expect(holds(joined, key), key).to.equal(true);
    expect(fetches()).to.equal(keys.length);
  });

  it('does nothing where it is told so', async () => {
    await start({ keyspace: { warmKeys }, core: { warmup: { onJoin: false, onLeave: false } } });
    await join('node-4');
    await cluster.clock.advance(5000);
    expect(fetches()).to.equal(0);
    expect(cluster.node(0).engine.status().ready).to.equal(true);
  });

  it('loads hot keys again before they expire, once in the cluster, and leaves alone what was put', async () => {
    await start({ keyspace: { defaultTtl: '10s' }, core: { warmup: { refreshInterval: '4s' } } });
    const [node] = cluster.nodes as [TestNode];
    const hot = cluster.keyOwnedBy(node, 'hot');
    const put = cluster.keyOwnedBy(node, 'put');
    await cluster.text(node, hot);
    await cluster.run(node.engine.put(ks, { key: put, value: bytesOf('mine'), ttlMs: 60_000 }));
    for (let second = 0; second < 30; second++) {
      await cluster.clock.advance(1000);
      expect(holds(node, hot), `after ${second + 1} s`).to.equal(true);
      expect(await cluster.text(node, hot)).to.equal(`value of ${hot}`);
      expect(await cluster.text(node, put)).to.equal('mine');
    }
    // One read loaded it; every later load was ahead of need.
    expect(node.engine.stats()[ks]).to.include({ loads: 1 });
    expect(cluster.fetched.get(hot)).to.be.within(4, 9);
    expect(cluster.fetched.get(put)).to.equal(undefined);
  });

  it('gives way to what is put while it loads, and so do those who wait for it', async () => {
    const node = await startAlone({
      keyspace: { warmKeys: ['k'] },
      fetch: () => later(100).then(() => 'row'),
    });
    await cluster.clock.advance(50);
    const reading = node.engine.get(ks, 'k');
    await cluster.run(node.engine.put(ks, { key: 'k', value: bytesOf('put') }));
    expect(await cluster.text(node, 'k')).to.equal('put');
    expect(textOf((await cluster.run(reading)).value)).to.equal('put');
    await cluster.clock.advance(1000);
    expect(await cluster.text(node, 'k')).to.equal('put');
  });

  it('keeps a copy of a key of another node that is read all the time', async () => {
    await start({ nodes: 2, keyspace: { defaultTtl: '10s' }, core: { warmup: { refreshInterval: '4s' } } });
    const [owner, reader] = cluster.nodes as [TestNode, TestNode];
    const hot = cluster.keyOwnedBy(owner, 'hot');
    await cluster.text(owner, hot);
    let misses = 0;
    for (let step = 0; step < 300; step++) {
      if (!holds(reader, hot)) misses++;
      await cluster.text(reader, hot);
      await cluster.text(owner, hot);
      await cluster.clock.advance(100);
    }
    // The first read finds nothing; a copy that is asked for anew before its owner has loaded lives as long as before.
    expect(misses).to.be.at.most(3);
  });

  it('a row of keys that are asked for once pushes out no copy that is hot', async () => {
    await start({ nodes: 2, keyspace: { maxBytes: 8192, hotShare: 0.25 }, fetch: () => 'x'.repeat(100) });
    const [reader, owner] = cluster.nodes as [TestNode, TestNode];
    const hot = cluster.keyOwnedBy(owner, 'hot');
    for (let i = 0; i < 3; i++) await cluster.text(reader, hot);
    let scanned = 0;
    for (let i = 0; scanned < 100; i++) {
      if (cluster.ownerOf(`scan-${i}`) !== owner) continue;
      await cluster.text(reader, `scan-${i}`);
      scanned++;
    }
    expect(holds(reader, hot)).to.equal(true);
  });

  describe('of keys that somebody names', () => {
    it('counts each of them once', async () => {
      await start({
        fetch: (key) => (key === 'none' ? null : key === 'bad' ? Promise.reject(new Error('down')) : key),
      });
      const { engine } = cluster.node(0);
      await cluster.text(cluster.node(1), 'held');
      const result = await cluster.run(engine.warm(ks, ['a', 'b', 'a', 'held', 'none', 'bad']));
      const { failures, ...counts } = result;
      expect(counts).to.deep.equal({ loaded: 2, held: 1, missing: 1 });
      expect(failures.map(({ key, code }) => [key, code])).to.deep.equal([['bad', 'DATA_SOURCE_FAILED']]);
      for (const key of ['a', 'b']) expect(holds(cluster.ownerOf(key), key), key).to.equal(true);
      expect(engine.hotKeys()).to.have.nested.property('[0].keys').that.deep.equals([]);
    });

    it('names those for which there was no time', async () => {
      await start({ nodes: 1, fetch: () => new Promise(() => {}) });
      const warming = cluster.node(0).engine.warm(ks, ['a', 'b', 'c'], { concurrency: 1, timeoutMs: 500 });
      const { failures } = await cluster.run(warming);
      expect(failures.map(({ key, code }) => [key, code])).to.deep.equal([
        ['a', 'TIMEOUT'],
        ['b', 'TIMEOUT'],
        ['c', 'TIMEOUT'],
      ]);
    });

    it('refuses what no keyspace can have', async () => {
      await start({ nodes: 1 });
      const { engine } = cluster.node(0);
      const codeOf = (call: Promise<unknown>): Promise<string> =>
        call.then(
          () => 'done',
          (error: { code: string }) => error.code,
        );
      expect(await codeOf(engine.warm('nope', ['a']))).to.equal('KEYSPACE_NOT_FOUND');
      expect(await codeOf(engine.warm(ks, ['']))).to.equal('INVALID_ARGUMENT');
      expect(await codeOf(engine.warm(ks, ['a'], { concurrency: 0 }))).to.equal('INVALID_ARGUMENT');
    });
  });
});
