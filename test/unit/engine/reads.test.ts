import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { bytesOf, type ClusterOptions, ks, TestCluster, textOf } from '../../support/cluster.js';

const codeOfRejected = async (promise: Promise<unknown>): Promise<string | undefined> => {
  try {
    await promise;
  } catch (error) {
    return codeOf(error) ?? String(error);
  }
  return undefined;
};

describe('engine: reads', () => {
  let cluster: TestCluster;
  const start = async (options?: ClusterOptions): Promise<TestCluster> => {
    cluster = await TestCluster.of(options);
    return cluster;
  };
  afterEach(async () => {
    await cluster.stop();
    expect(cluster.clock.pending(), 'timers left').to.equal(0);
  });

  const slowly = (ms: number) => (key: string) =>
    new Promise<string>((resolve) => {
      cluster.clock.after(ms, () => resolve(`slow ${key}`));
    });

  it('loads a cold key once for 1,000 concurrent gets spread over three nodes', async () => {
    await start({ fetch: slowly(100), latencyMs: 3 });
    const gets = Array.from({ length: 1000 }, (_, i) => cluster.node(i % 3).engine.get(ks, 'cold'));
    const found = await cluster.run(Promise.all(gets));
    expect(new Set(found.map(({ value }) => textOf(value)))).to.deep.equal(new Set(['slow cold']));
    expect(cluster.fetched.get('cold')).to.equal(1);
  });

  it('answers again from memory: the owner as a hit, the others as a hot copy', async () => {
    await start();
    const owner = cluster.ownerOf('k');
    const [other] = cluster.others('k');
    const first = await cluster.run(other!.engine.get(ks, 'k'));
    expect([first.outcome, first.node]).to.deep.equal(['load', owner.name]);
    const second = await other!.engine.get(ks, 'k');
    expect([second.outcome, second.node]).to.deep.equal(['hot', other!.name]);
    const third = await owner.engine.get(ks, 'k');
    expect([third.outcome, third.node]).to.deep.equal(['hit', owner.name]);
    expect(new Set([first.version, second.version, third.version]).size).to.equal(1);
    expect(cluster.fetched.get('k')).to.equal(1);
  });

  it('keeps no copies of other nodes entries where hotShare is 0', async () => {
    await start({ keyspace: { hotShare: 0 } });
    const [other] = cluster.others('k');
    await cluster.run(other!.engine.get(ks, 'k'));
    expect((await cluster.run(other!.engine.get(ks, 'k'))).outcome).to.equal('hit');
  });

  it('fails only the caller that cancels or runs out of time, whoever came first', async () => {
    await start({ fetch: slowly(300) });
    for (const node of [cluster.ownerOf('k'), cluster.others('k')[0]!]) {
      const controller = new AbortController();
      const cancelled = codeOfRejected(node.engine.get(ks, 'k', { signal: controller.signal }));
      const hasty = codeOfRejected(node.engine.get(ks, 'k', { timeoutMs: 50 }));
      const patient = node.engine.get(ks, 'k');
      await cluster.clock.advance(10);
      controller.abort();
      expect(await cluster.run(cancelled)).to.equal('ABORTED');
      expect(await cluster.run(hasty)).to.equal('TIMEOUT');
      expect(textOf((await cluster.run(patient)).value)).to.equal('slow k');
      await cluster.run(node.engine.delete(ks, 'k'));
    }
    expect(cluster.fetched.get('k')).to.equal(2);
  });

  it('cancels the load when the last caller leaves, also across nodes', async () => {
    let aborts = 0;
    await start({
      fetch: (_key, { signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => aborts++);
        }),
    });
    for (const node of [cluster.ownerOf('k'), cluster.others('k')[0]!]) {
      const controller = new AbortController();
      const get = codeOfRejected(node.engine.get(ks, 'k', { signal: controller.signal }));
      await cluster.clock.advance(10);
      controller.abort();
      expect(await cluster.run(get)).to.equal('ABORTED');
      await cluster.clock.advance(10);
    }
    expect(aborts).to.equal(2);
  });

  it('says NOT_FOUND for a key that the source does not have, and remembers it for negativeTtl', async () => {
    await start({ fetch: () => null, keyspace: { negativeTtl: '10s' } });
    const owner = cluster.ownerOf('none');
    expect(await codeOfRejected(cluster.run(owner.engine.get(ks, 'none')))).to.equal('NOT_FOUND');
    const lookup = await cluster.run(owner.engine.lookup(ks, 'none'));
    expect([lookup.found, lookup.outcome]).to.deep.equal([false, 'negative']);
    expect(cluster.fetched.get('none')).to.equal(1);
    await cluster.clock.advance(10_001);
    await cluster.run(owner.engine.lookup(ks, 'none'));
    expect(cluster.fetched.get('none')).to.equal(2);
  });

  it('does not remember an absence without negativeTtl', async () => {
    await start({ nodes: 1, fetch: () => null });
    await cluster.run(cluster.node(0).engine.lookup(ks, 'none'));
    await cluster.run(cluster.node(0).engine.lookup(ks, 'none'));
    expect(cluster.fetched.get('none')).to.equal(2);
  });

  describe('a data source that misbehaves', () => {
    const cases: readonly [string, ClusterOptions['fetch'] & {}, string][] = [
      [
        'throws at once',
        () => {
          throw new Error('boom');
        },
        'DATA_SOURCE_FAILED',
      ],
      ['rejects', () => Promise.reject(new Error('boom')), 'DATA_SOURCE_FAILED'],
      ['rejects with something that is no error', () => Promise.reject('boom'), 'DATA_SOURCE_FAILED'],
      ['never settles', () => new Promise(() => {}), 'TIMEOUT'],
      ['takes ten times the time-out', slowly(50_000), 'TIMEOUT'],
      ['returns undefined', () => undefined as unknown as null, 'DATA_SOURCE_FAILED'],
      ['returns a number', () => 42 as unknown as null, 'DATA_SOURCE_FAILED'],
      ['returns an object without bytes', () => ({}) as unknown as null, 'DATA_SOURCE_FAILED'],
      ['returns an expiry that is none', () => ({ value: 'x', ttlMs: Number.NaN }), 'DATA_SOURCE_FAILED'],
      ['returns more than maxValueBytes', () => new Uint8Array(1025), 'VALUE_TOO_LARGE'],
      [
        'throws our own not found',
        () => Promise.reject(Object.assign(new Error('gone'), { code: 'NOT_FOUND' })),
        'NOT_FOUND',
      ],
    ];
    for (const [name, fetch, code] of cases) {
      it(`${name}: one error, ${code}, for all waiters on all nodes, and nothing is kept`, async () => {
        await start({ fetch, core: { limits: { maxValueBytes: 1024 } } });
        const gets = Promise.all(
          cluster.nodes.flatMap(({ engine }) => [1, 2].map(() => codeOfRejected(engine.get(ks, 'k')))),
        );
        expect(new Set(await cluster.run(gets))).to.deep.equal(new Set([code]));
        // A failure is shared by whoever waits for it, not by those whose request is still on its way.
        const fetched = cluster.fetched.get('k')!;
        expect(fetched).to.be.at.most(2);
        const again = codeOfRejected(cluster.node(0).engine.get(ks, 'k'));
        expect(await cluster.run(again)).to.equal(code);
        expect(cluster.fetched.get('k')).to.equal(fetched + 1);
        // A source that settles after its time-out finds nobody, and disturbs nobody.
        await cluster.clock.advance(60_000);
        expect(cluster.node(0).engine.stats()[ks]).to.include({ entries: 0, loads_running: 0, loads_queued: 0 });
      });
    }

    it('asks the cache for the key it is loading: an error, not a deadlock', async () => {
      await start({
        fetch: async (key, _options, name) => {
          const node = cluster.nodes.find((one) => one.name === name)!;
          return (await node.engine.get(ks, key)).value;
        },
      });
      for (const node of cluster.nodes) {
        expect(await codeOfRejected(cluster.run(node.engine.get(ks, 'selfish'), 100))).to.equal('INVALID_ARGUMENT');
      }
    });

    it('asks over another key, on another node, for the key it is loading: an error, not a deadlock', async () => {
      const next: Record<string, string> = {};
      await start({
        fetch: async (key, _options, name) => {
          const node = cluster.nodes.find((one) => one.name === name)!;
          return (await node.engine.get(ks, next[key]!)).value;
        },
      });
      const a = cluster.keyOwnedBy(cluster.node(0));
      const b = cluster.keyOwnedBy(cluster.node(1));
      Object.assign(next, { [a]: b, [b]: a });
      expect(await codeOfRejected(cluster.run(cluster.node(2).engine.get(ks, a), 100))).to.equal('INVALID_ARGUMENT');
    });

    it('may ask the cache for other keys, even when all places for loads are taken', async () => {
      await start({
        nodes: 1,
        fetch: async (key) =>
          key.startsWith('outer') ? (await cluster.node(0).engine.get(ks, `inner of ${key}`)).value : 'inner',
        keyspace: { maxConcurrentLoads: 2 },
      });
      const found = await cluster.run(
        Promise.all(['outer-1', 'outer-2', 'outer-3'].map((key) => cluster.node(0).engine.get(ks, key))),
        100,
      );
      expect(found.map(({ value }) => textOf(value))).to.deep.equal(['inner', 'inner', 'inner']);
    });
  });

  it('bounds the loads in flight, first come first served, and refuses beyond the queue', async () => {
    let running = 0;
    let most = 0;
    const order: string[] = [];
    await start({
      nodes: 1,
      keyspace: { maxConcurrentLoads: 3, maxQueuedLoads: 5 },
      fetch: async (key) => {
        order.push(key);
        most = Math.max(most, ++running);
        const value = await slowly(10)(key);
        running--;
        return value;
      },
    });
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
    const codes = await cluster.run(
      Promise.all(keys.map((key) => codeOfRejected(cluster.node(0).engine.get(ks, key)))),
    );
    expect(codes).to.deep.equal([...Array(8).fill(undefined), 'OVERLOADED', 'OVERLOADED']);
    expect(order).to.deep.equal(keys.slice(0, 8));
    expect(most).to.equal(3);
  });

  it('refuses at once when more operations are under way than maxInflight', async () => {
    await start({ nodes: 1, fetch: slowly(10), core: { limits: { maxInflight: 2 } } });
    const codes = await cluster.run(
      Promise.all(['a', 'b', 'c'].map((key) => codeOfRejected(cluster.node(0).engine.get(ks, key)))),
    );
    expect(codes).to.deep.equal([undefined, undefined, 'OVERLOADED']);
    expect(cluster.node(0).engine.insights.counts()).to.include({ operationsRefused: 1, operationsActive: 0 });
  });

  describe('when the owner is out of reach', () => {
    it('asks who owns the key now, and reads go on after a crash', async () => {
      await start();
      const key = 'k';
      const owner = cluster.ownerOf(key);
      const others = cluster.others(key);
      await cluster.run(Promise.all(cluster.nodes.map(({ engine }) => engine.get(ks, key))));
      cluster.network.crash(owner.address);
      const found = await cluster.run(Promise.all(others.map(({ engine }) => engine.get(ks, key))), 5000);
      expect(found.map(({ value }) => textOf(value))).to.deep.equal(['value of k', 'value of k']);
    });

    it('no read outlives its deadline when the owner falls silent', async () => {
      await start({ keyspace: { readTimeout: '5s' } });
      const key = 'k';
      const [other] = cluster.others(key);
      cluster.network.freeze(cluster.ownerOf(key).address);
      const startedMs = cluster.clock.nowMs();
      // The silent link is given up before the read's time is over, so the read is answered all the same.
      expect(textOf((await cluster.run(other!.engine.get(ks, key), 5000)).value)).to.equal('value of k');
      expect(cluster.clock.nowMs() - startedMs).to.be.below(5000);
      expect(await codeOfRejected(cluster.run(other!.engine.get(ks, `${key}2`, { timeoutMs: 1 }), 5000))).to.be.oneOf([
        undefined,
        'TIMEOUT',
      ]);
    });

    it('drops copies of a node whose link is lost, since its invalidations cannot arrive', async () => {
      await start();
      const key = 'k';
      const [other] = cluster.others(key);
      await cluster.run(other!.engine.get(ks, key));
      expect(other!.engine.peek(ks, key)?.outcome).to.equal('hot');
      cluster.network.hangUp(cluster.ownerOf(key).address, other!.address);
      await cluster.clock.settle();
      expect(other!.engine.peek(ks, key)).to.equal(undefined);
    });

    it('goes one hop at most between nodes that disagree, then reads the source and keeps nothing', async () => {
      await start();
      const [first, second, third] = cluster.nodes;
      // Only the first has lost the third: a key that the third owned goes to whom the first believes to be the owner now.
      const key = cluster.keyOwnedBy(third!);
      cluster.network.cut(first!.address, third!.address);
      await cluster.clock.advance(4000);
      expect(first!.engine.owner(ks, key)).not.to.equal(third!.name);
      expect(second!.engine.owner(ks, key)).to.equal(third!.name);
      const found = await cluster.run(first!.engine.get(ks, key));
      expect(textOf(found.value)).to.equal(`value of ${key}`);
      if (first!.engine.owner(ks, key) === second!.name) {
        expect([found.outcome, found.node]).to.deep.equal(['load', first!.name]);
        expect(first!.engine.peek(ks, key)).to.equal(undefined);
      }
    });

    it('is not answered by an owner of the other side of a split that has not heard of a write yet', async () => {
      let row = 'old';
      await start({ nodes: 4, latencyMs: 2, fetch: () => row });
      const [n1, n2, n3, n4] = cluster.nodes;
      const key = cluster.keyOwnedBy(n1!);
      for (const a of [n1!, n2!]) for (const b of [n3!, n4!]) cluster.network.cut(a.address, b.address);
      await cluster.clock.advance(15_000);
      expect(await cluster.text(n1!, key)).to.equal('old');
      // One link of four is back: n3 takes n1 for the owner again, n4 does not know of it.
      cluster.network.heal(n1!.address, n3!.address);
      for (let waited = 0; n3!.engine.owner(ks, key) !== n1!.name && waited < 60_000; waited += 20) {
        await cluster.clock.advance(20);
      }
      row = 'new';
      const { unreached } = await cluster.run(n4!.engine.delete(ks, key));
      expect(unreached).to.deep.equal([]);
      expect(n1!.engine.peek(ks, key)?.outcome, 'what n1 holds').to.equal('hit');
      const ofOwner = cluster.run(n3!.engine.get(ks, key, { consistency: 'owner' }));
      expect(await codeOfRejected(ofOwner)).to.equal('PEER_UNREACHABLE');
      expect(await cluster.text(n3!, key)).to.equal('new');
    });
  });

  it('getMany keeps the order of its keys, tells missing from found, and loads each key once', async () => {
    await start({ fetch: (key) => (key.startsWith('no') ? null : `value of ${key}`) });
    const keys = ['b', 'no-1', 'a', 'c', 'b', 'no-2'];
    const lookups = await cluster.run(cluster.node(1).engine.getMany(ks, keys));
    expect(lookups.map(({ key, found, value }) => [key, found, textOf(value)])).to.deep.equal([
      ['b', true, 'value of b'],
      ['no-1', false, undefined],
      ['a', true, 'value of a'],
      ['c', true, 'value of c'],
      ['b', true, 'value of b'],
      ['no-2', false, undefined],
    ]);
    expect(cluster.fetched.get('b')).to.equal(1);
  });

  it('a put that comes while readers gather for a load is what they get, and not loaded over', async () => {
    const rows = ['before', null];
    await start({
      fetch: () =>
        new Promise((resolve) => {
          cluster.clock.after(500, () => resolve(rows.shift() ?? null));
        }),
    });
    const owner = cluster.node(0);
    const key = cluster.keyOwnedBy(owner);
    const { links } = cluster.node(1);
    const { id } = links.linked().find(({ name }) => name === owner.name)!;
    // Somebody else is about to take the key over, so that nobody joins a load which began before.
    await cluster.run(links.call(id, { do: 'recall', keyspace: ks, key, claim: true }, cluster.wait(1000)));
    const first = owner.engine.get(ks, key);
    await cluster.clock.advance(10);
    const gathering = owner.engine.get(ks, key);
    const put = owner.engine.put(ks, { key, value: bytesOf('put') });
    expect(textOf((await cluster.run(gathering)).value)).to.equal('put');
    await cluster.run(put);
    expect(textOf((await cluster.run(first)).value)).to.equal('put');
    expect(await cluster.text(owner, key)).to.equal('put');
    expect(cluster.fetched.get(key)).to.equal(1);
  });

  it('getMany names the keys that failed', async () => {
    await start({ fetch: (key) => (key === 'bad' ? Promise.reject(new Error('boom')) : 'fine') });
    const { engine } = cluster.node(0);
    const error = await cluster.run(
      engine.getMany(ks, ['good', 'bad']).then(
        () => undefined,
        (thrown) => thrown,
      ),
    );
    expect(error.code).to.equal('PARTIAL_FAILURE');
    expect(error.failures.map(({ key, code }: { key: string; code: string }) => [key, code])).to.deep.equal([
      ['bad', 'DATA_SOURCE_FAILED'],
    ]);
    expect(await codeOfRejected(cluster.run(engine.getMany(ks, ['bad'])))).to.equal('DATA_SOURCE_FAILED');
  });

  it('counts so that gets = cache_hits + loads on every node', async () => {
    await start({ fetch: slowly(5) });
    for (let round = 0; round < 3; round++) {
      await cluster.run(
        Promise.all(cluster.nodes.flatMap(({ engine }) => ['a', 'b', 'a', 'c'].map((key) => engine.get(ks, key)))),
      );
    }
    for (const { engine } of cluster.nodes) {
      const stats = engine.stats()[ks]!;
      expect(stats.gets, JSON.stringify(stats)).to.equal(stats.cache_hits! + stats.loads!);
      expect(stats.loads).to.equal(stats.loads_coalesced! + stats.loads_deduped!);
    }
  });
});
