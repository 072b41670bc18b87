import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { nothingDone } from '../../../src/engine/keyspace-records.js';
import type { KeyspaceOptions } from '../../../src/engine/options.js';
import { bytesOf, type ClusterOptions, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error) => error,
  );
const codeAndText = async (promise: Promise<unknown>): Promise<string> => {
  const error = await failureOf(promise);
  return `${codeOf(error)}: ${messageOf(error)}`;
};

describe('engine: keyspaces of one node, and what others say of them', () => {
  let cluster: TestCluster;
  const start = async (options?: ClusterOptions): Promise<TestCluster> => {
    cluster = await TestCluster.of(options);
    return cluster;
  };
  afterEach(async () => {
    for (const { engine } of cluster.nodes) engine.check();
    await cluster.stop();
    expect(cluster.clock.pending()).to.equal(0);
  });

  const described = <K extends 'maxBytes' | 'defaultTtlMs' | 'negativeTtlMs' | 'readTimeoutMs'>(field: K): unknown[] =>
    cluster.nodes.map(({ engine }) => engine.describeKeyspace(ks)[field]);
  const put = (node: TestNode, key: string, text: string) =>
    cluster.run(node.engine.put(ks, { key, value: bytesOf(text) }));
  describe("a node's own keyspaces", () => {
    const more: KeyspaceOptions = { name: 'more', maxBytes: '1MiB', dataSource: { fetch: (key) => `more of ${key}` } };

    it('one is added while others have it, and hears of every write before it answers', async () => {
      await start({ keyspacesOf: (node, usual) => (node === 'node-3' ? [usual] : [usual, more]) });
      const added = cluster.node(2);
      const get = async (node: TestNode) => textOf((await cluster.run(node.engine.get('more', 'k'))).value);
      expect(await get(cluster.node(0))).to.equal('more of k');
      await cluster.run(added.engine.addKeyspace(more));
      await cluster.clock.advance(1000);
      for (const node of cluster.nodes) expect(await get(node)).to.equal('more of k');
      await cluster.run(added.engine.put('more', { key: 'k', value: bytesOf('put') }));
      for (const node of cluster.nodes) expect(await get(node)).to.equal('put');
      expect(await codeAndText(added.engine.addKeyspace(more))).to.match(/there is a keyspace 'more' already/);
    });

    it('a source that cannot be opened leaves nothing behind', async () => {
      await start({ nodes: 1 });
      const { engine } = cluster.node(0);
      let closed = 0;
      const broken = {
        ...more,
        dataSource: {
          fetch: () => 'x',
          open: () => Promise.reject(new Error('no such table')),
          close: async () => void closed++,
        },
      };
      expect(await cluster.run(codeAndText(engine.addKeyspace(broken)))).to.match(/no such table/);
      expect(engine.keyspaces()).to.deep.equal([ks]);
      expect(closed).to.equal(1);
      await cluster.run(engine.addKeyspace(more));
      expect(engine.keyspaces()).to.deep.equal([ks, 'more']);
    });

    it('one that was deleted everywhere is brought back by being added, without what was said of it before', async () => {
      await start({ nodes: 2, keyspacesOf: (_, usual) => [usual, more] });
      const [a, b] = cluster.nodes as [TestNode, TestNode];
      await cluster.run(a.engine.updateKeyspace('more', { maxBytes: '2MiB' }));
      await cluster.run(a.engine.deleteKeyspace('more'));
      await cluster.run(b.engine.addKeyspace(more));
      await cluster.run(a.engine.addKeyspace(more));
      await cluster.clock.advance(1000);
      const late = cluster.make('node-3', 2);
      await cluster.run(late.engine.open(cluster.wait(5000)));
      for (const { engine } of cluster.nodes) expect(engine.describeKeyspace('more').maxBytes).to.equal(1024 ** 2);
    });

    it('is removed from one node alone', async () => {
      await start({ keyspacesOf: (_, usual) => [usual, more] });
      expect(cluster.node(1).engine.removeKeyspace('more')).to.equal(true);
      expect(cluster.node(1).engine.removeKeyspace('more')).to.equal(false);
      expect(cluster.nodes.map(({ engine }) => engine.keyspaces().length)).to.deep.equal([2, 1, 2]);
      // Its part of the keys is read from the source by whoever is asked.
      for (let i = 0; i < 10; i++) {
        const { value } = await cluster.run(cluster.node(0).engine.get('more', `k${i}`));
        expect(textOf(value)).to.equal(`more of k${i}`);
      }
    });

    it('redefined: what its own file says is laid under what was changed at run time, and wins where it changed later', async () => {
      await start();
      const [a, b] = cluster.nodes as [TestNode, TestNode];
      const own = (maxBytes: string, defaultTtl: string): KeyspaceOptions => ({
        name: ks,
        maxBytes,
        defaultTtl,
        dataSource: { fetch: () => 'x' },
      });
      await cluster.run(a.engine.updateKeyspace(ks, { maxBytes: '2MiB', defaultTtl: '9s' }));
      // Of the size its file says what it said before.
      await cluster.run(b.engine.redefineKeyspace(own('8MiB', '3s')));
      expect(described('maxBytes')).to.deep.equal(Array(3).fill(2 * 1024 ** 2));
      expect(described('defaultTtlMs'), 'files hold again, each its own').to.deep.equal([undefined, 3000, undefined]);
      await cluster.run(b.engine.redefineKeyspace(own('6MiB', '3s')));
      expect(described('maxBytes').map((bytes) => Number(bytes) / 1024 ** 2)).to.deep.equal([8, 6, 8]);
    });
  });

  describe('what peers say', () => {
    const told = (from: TestNode, to: TestNode, record: object): Promise<unknown> => {
      const peer = from.links.linked().find(({ name }) => name === to.name)!;
      const request = { do: 'keyspace', record: { ...nothingDone(ks), ...record } } as const;
      return cluster.run(from.links.call(peer.id, request, cluster.wait(1000)));
    };

    it('an older change, or one that is told twice, changes nothing', async () => {
      await start();
      const [a, b] = cluster.nodes as [TestNode, TestNode];
      const setting = (value: number, version: number) => ({ tunable: 'maxBytes', value, version, by: 'x' });
      const version = a.hybrid.next();
      expect(await told(a, b, { settings: [setting(2e6, version)] })).to.include({ changed: true });
      expect(await told(a, b, { settings: [setting(2e6, version)] })).to.include({ changed: false });
      expect(await told(a, b, { settings: [setting(3e6, version - 1)] })).to.include({ changed: false });
      expect(b.engine.describeKeyspace(ks).maxBytes).to.equal(2e6);
    });

    it('a value that cannot be is refused, and a clear beside it counts', async () => {
      await start();
      const [a, b] = cluster.nodes as [TestNode, TestNode];
      const key = cluster.keyOwnedBy(b);
      await put(b, key, 'old');
      const version = a.hybrid.next();
      const settings = [{ tunable: 'maxBytes', value: -5, version, by: 'x' }];
      expect(await codeAndText(told(a, b, { settings, generation: version }))).to.match(/^INVALID_ARGUMENT: maxBytes/);
      expect(b.engine.describeKeyspace(ks).maxBytes).to.equal(8 * 1024 ** 2);
      expect(b.engine.stats()[ks]?.entries).to.equal(0);
    });

    it('a change from the future is not believed, so that it cannot win for ever', async () => {
      await start();
      const [a, b] = cluster.nodes as [TestNode, TestNode];
      const version = a.hybrid.next() + 4096 * 10_000;
      expect(await codeAndText(told(a, b, { generation: version }))).to.match(/^INVALID_ARGUMENT: .*future/);
      const existence = { deleted: true, version, by: 'x' };
      expect(await codeAndText(told(a, b, { existence }))).to.match(/future/);
      expect(b.engine.keyspaces()).to.deep.equal([ks]);
    });

    it('names that nobody has are remembered up to a limit, the latest of them', async () => {
      await start({ nodes: 2 });
      const [a, b] = cluster.nodes as [TestNode, TestNode];
      const telling = Array.from({ length: 5000 }, (_, i) =>
        told(a, b, { keyspace: `n${i}`, generation: a.hybrid.next() }),
      );
      await Promise.all(telling);
      expect(b.engine.keyspaces()).to.deep.equal([ks]);
    });

    it('files that differ are told of, and every value keeps the life that its owner gave it', async () => {
      await start({
        nodes: 2,
        keyspacesOf: (node, usual) => [{ ...usual, defaultTtl: node === 'node-1' ? '10s' : '1h' }],
      });
      const [a, b] = cluster.nodes as [TestNode, TestNode];
      const late = cluster.make('node-3', 2);
      const seen: string[] = [];
      const events = a.engine.events();
      const following = (async () => {
        for await (const event of events) if (event.type === 'keyspace-differs') seen.push(event.peer.name);
      })();
      await cluster.run(late.engine.open(cluster.wait(5000)));
      await events.return?.();
      await following;
      expect(seen).to.deep.equal(['node-3']);
      expect(a.logged.map(({ message }) => message).join()).to.include(`differ about keyspace '${ks}'`);
      for (const [owner, lifeMs] of [
        [a, 10_000],
        [b, 3_600_000],
      ] as const) {
        const key = cluster.keyOwnedBy(owner);
        for (const { engine } of cluster.nodes) {
          const { value, expiresAt } = await cluster.run(engine.get(ks, key));
          expect(textOf(value)).to.equal(`value of ${key}`);
          expect(expiresAt!.getTime() - cluster.clock.wallMs()).to.be.within(lifeMs - 3000, lifeMs);
        }
      }
    });
  });
});
