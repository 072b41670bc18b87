import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import type { EngineEvent } from '../../../src/engine/events.js';
import { resolveOptions } from '../../../src/engine/options.js';
import { bytesOf, ks, TestCluster, textOf } from '../../support/cluster.js';

const codeOfRejected = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error) => codeOf(error) ?? String(error),
  );

describe('engine: start, stop, events', () => {
  it('refuses every operation before start and after stop', async () => {
    const cluster = await TestCluster.of({ nodes: 1 });
    const idle = cluster.make('node-9', 1).engine;
    const { engine } = cluster.node(0);
    await cluster.run(engine.close(cluster.wait(1000)));
    for (const one of [idle, engine]) {
      const codes = await Promise.all(
        [
          one.get(ks, 'k'),
          one.getMany(ks, ['k']),
          one.put(ks, { key: 'k', value: bytesOf('v') }),
          one.delete(ks, 'k'),
          one.deleteKeyspace(ks),
        ].map(codeOfRejected),
      );
      expect(new Set(codes)).to.deep.equal(new Set(['NOT_STARTED']));
    }
    await cluster.stop();
    expect(cluster.clock.pending()).to.equal(0);
  });

  it('stop is idempotent, may be called during start, and waits for loads under way', async () => {
    const cluster = await TestCluster.of({
      fetch: () =>
        new Promise((resolve) => {
          cluster.clock.after(300, () => resolve('late'));
        }),
    });
    const [first] = cluster.nodes;
    const reading = first!.engine.get(ks, cluster.keyOwnedBy(first!));
    const stopping = first!.engine.close(cluster.wait(1000));
    expect(first!.engine.close(cluster.wait(1))).to.equal(stopping);
    expect(textOf((await cluster.run(reading)).value)).to.equal('late');
    await cluster.run(stopping);

    const other = cluster.make('node-4', 3);
    const starting = codeOfRejected(other.engine.open(cluster.wait(5000)));
    await cluster.run(other.engine.close(cluster.wait(1000)));
    expect(await cluster.run(starting)).to.equal('NOT_STARTED');
    await cluster.stop();
    expect(cluster.clock.pending()).to.equal(0);
  });

  it('stop lets loads end that other nodes wait for', async () => {
    const cluster = await TestCluster.of({
      fetch: () =>
        new Promise((resolve) => {
          cluster.clock.after(300, () => resolve('late'));
        }),
    });
    const [owner, other] = cluster.nodes;
    const key = cluster.keyOwnedBy(owner!);
    const reading = other!.engine.get(ks, key);
    await cluster.clock.advance(100);
    const stopping = owner!.engine.close(cluster.wait(1000));
    expect(textOf((await cluster.run(reading)).value)).to.equal('late');
    await cluster.run(stopping);
    expect(cluster.fetched.get(key)).to.equal(1);
    await cluster.stop();
  });

  it('a signal that is none is refused by its type', async () => {
    const cluster = await TestCluster.of({ nodes: 1 });
    const options = { signal: {} as AbortSignal };
    const error = await cluster.run(
      cluster
        .node(0)
        .engine.get(ks, 'k', options)
        .then(
          () => undefined,
          (thrown) => thrown,
        ),
    );
    expect(error).to.be.instanceOf(TypeError);
    expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
    await cluster.stop();
  });

  it('stop does not wait beyond its deadline; what is under way then fails', async () => {
    const cluster = await TestCluster.of({ nodes: 1, fetch: () => new Promise(() => {}) });
    const reading = codeOfRejected(cluster.node(0).engine.get(ks, 'k'));
    await cluster.run(cluster.node(0).engine.close(cluster.wait(100)), 100);
    expect(await cluster.run(reading)).to.equal('NOT_STARTED');
    expect(cluster.clock.pending()).to.equal(0);
  });

  it('a hundred starts and stops leave no timer and no stream', async () => {
    const cluster = await TestCluster.of({ nodes: 2 });
    for (let i = 0; i < 100; i++) {
      const node = cluster.make('node-3', 2);
      await cluster.run(node.engine.open(cluster.wait(5000)));
      expect(node.engine.status().peers).to.equal(3);
      await cluster.run(node.engine.get(ks, `key-${i}`));
      await cluster.run(node.engine.close(cluster.wait(1000)));
    }
    await cluster.stop();
    expect(cluster.clock.pending()).to.equal(0);
    expect(cluster.network.openStreams()).to.equal(0);
  });

  it('tells who joins, leaves and fails', async () => {
    const cluster = await TestCluster.of({ nodes: 2 });
    const seen: string[] = [];
    const events = cluster.node(0).engine.events();
    const following = (async () => {
      for await (const event of events) seen.push(event.type + ('peer' in event ? ` ${event.peer.name}` : ''));
    })();
    const third = cluster.make('node-3', 3);
    await cluster.run(third.engine.open(cluster.wait(5000)));
    expect(
      cluster
        .node(0)
        .engine.peers()
        .map(({ name, state }) => [name, state]),
    ).to.deep.equal([
      ['node-1', 'alive'],
      ['node-2', 'alive'],
      ['node-3', 'alive'],
    ]);
    cluster.network.crash('node-2:3320');
    await cluster.clock.advance(5000);
    await cluster.run(third.engine.close(cluster.wait(1000)));
    await cluster.clock.settle();
    expect(seen).to.deep.equal(['peer-joined node-3', 'peer-failed node-2', 'peer-left node-3']);
    expect(
      cluster
        .node(0)
        .engine.peers()
        .map(({ name, state, ringShare }) => [name, state, ringShare]),
    ).to.deep.equal([
      ['node-1', 'alive', 1],
      ['node-2', 'dead', 0],
      ['node-3', 'left', 0],
    ]);
    await cluster.stop();
    await following;
  });

  it('a slow subscriber delays nobody and finds a marker where events are missing', async () => {
    const cluster = await TestCluster.of({ nodes: 1 });
    const events = cluster.node(0).engine.events();
    for (let i = 0; i < 700; i++) {
      const node = cluster.make('node-2', 1);
      await cluster.run(node.engine.open(cluster.wait(5000)));
      await cluster.run(node.engine.close(cluster.wait(1000)));
    }
    await cluster.stop();
    const seen: EngineEvent[] = [];
    for await (const event of events) seen.push(event);
    expect(seen.length).to.equal(1025);
    expect(seen.at(-1)).to.deep.equal({ type: 'gap', missed: 1400 - 1024 });
  });

  it('deleteKeyspace removes it on every node', async () => {
    const cluster = await TestCluster.of();
    await cluster.run(Promise.all(cluster.nodes.map(({ engine }) => engine.get(ks, 'k'))));
    expect(await cluster.run(cluster.node(1).engine.deleteKeyspace(ks))).to.deep.equal({
      keyspace: ks,
      nodes: cluster.nodes.map(({ name }) => ({ node: name, outcome: 'applied' })),
    });
    for (const { engine } of cluster.nodes) {
      expect(engine.keyspaces()).to.deep.equal([]);
      expect(await codeOfRejected(engine.get(ks, 'k'))).to.equal('KEYSPACE_NOT_FOUND');
    }
    await cluster.stop();
  });

  it('a source that cannot be opened fails the start, and nothing is left running', async () => {
    const cluster = await TestCluster.of({
      nodes: 0,
      keyspace: { dataSource: { fetch: () => null, open: () => Promise.reject(new Error('no such file')) } },
    });
    const node = cluster.make('node-1', 1);
    expect(await codeOfRejected(cluster.run(node.engine.open(cluster.wait(1000))))).to.include('no such file');
    expect(node.engine.status().state).to.equal('stopped');
    expect(cluster.clock.pending()).to.equal(0);
  });

  describe('options', () => {
    const dataSource = { fetch: () => null };
    const context = { totalMemoryBytes: 2 ** 30, evictionPolicies: ['lru'] };
    const good = { name: 'a', maxBytes: '1MiB', dataSource };
    const rows: readonly [string, object, string][] = [
      ['maxBytes 0', { maxBytes: 0 }, 'keyspaces[0].maxBytes is 0'],
      ['maxBytes 1', { maxBytes: 1 }, 'keyspaces[0].maxBytes is 1'],
      ['maxBytes 7', { maxBytes: 7 }, 'keyspaces[0].maxBytes is 7'],
      ['maxBytes NaN', { maxBytes: Number.NaN }, 'keyspaces[0].maxBytes is NaN'],
      ['maxBytes beyond the memory', { maxBytes: '2GiB' }, "keyspaces[0].maxBytes is '2GiB'"],
      ['maxBytes in words', { maxBytes: 'plenty' }, "keyspaces[0].maxBytes is 'plenty'"],
      ['no name', { name: '' }, 'keyspaces[0].name'],
      ['a name with a line break', { name: 'a\nb' }, 'keyspaces[0].name'],
      ['no data source', { dataSource: undefined }, 'keyspaces[0].dataSource'],
      ['a negative time to live', { defaultTtl: -1 }, 'keyspaces[0].defaultTtl is -1'],
      ['a time to live of 0', { defaultTtl: 0 }, 'keyspaces[0].defaultTtl is 0'],
      ['a time to live of 36501 days', { defaultTtl: '36501d' }, 'at most 36500d'],
      ['a share above a half', { hotShare: 0.6 }, 'keyspaces[0].hotShare is 0.6'],
      ['an unknown policy', { eviction: 'arc' }, "keyspaces[0].eviction is 'arc'"],
      ['a time-out of 0', { readTimeout: 0 }, 'keyspaces[0].readTimeout is 0'],
    ];
    for (const [name, change, message] of rows) {
      it(`${name} is refused by name`, () => {
        expect(() => resolveOptions({ keyspaces: [{ ...good, ...change } as never] }, context))
          .to.throw()
          .with.property('message')
          .that.includes(message);
      });
    }

    it('names every problem at once', () => {
      const broken = [
        { ...good, maxBytes: 0 },
        { ...good, hotShare: 2 },
      ] as never;
      expect(() => resolveOptions({ keyspaces: broken, virtualNodes: 0 }, context)).to.throw(
        /keyspaces\[0\]\.maxBytes.*keyspaces\[1\]\.name.*keyspaces\[1\]\.hotShare.*virtualNodes/s,
      );
    });

    it('has the defaults of the original', () => {
      const { keyspaces, limits, virtualNodes } = resolveOptions({ keyspaces: [good] }, context);
      expect(keyspaces[0]).to.include({ readTimeoutMs: 5000, writeTimeoutMs: 5000, hotShare: 0.125, eviction: 'lru' });
      expect(limits).to.deep.equal({
        maxKeyBytes: 4096,
        maxValueBytes: 16 * 1024 ** 2,
        maxBatch: 10_000,
        maxInflight: 100_000,
        maxInflightPerClient: 25_000,
        maxInflightBytes: 256 * 1024 ** 2,
        maxConnections: 10_000,
      });
      expect(virtualNodes).to.equal(512);
    });
  });
});
