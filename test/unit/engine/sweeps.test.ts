import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { skewLimit } from '../../../src/coherence/hybrid-clock.js';
import { nothingDone } from '../../../src/engine/keyspace-records.js';
import { bytesOf, type ClusterOptions, ks, TestCluster, type TestNode } from '../../support/cluster.js';

const failureOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error) => `${codeOf(error)}: ${messageOf(error)}`,
  );

describe('engine: deletes by tag and by prefix', () => {
  let cluster: TestCluster;
  const state = { text: 'old' };
  /** The source says which tags a key has: the letters of its first part. */
  const tagged = (key: string) => ({ value: state.text, tags: key.split('/')[0]!.split('') });
  const start = async (options?: ClusterOptions): Promise<TestCluster> => {
    state.text = 'old';
    cluster = await TestCluster.of({ fetch: tagged, ...options });
    return cluster;
  };
  afterEach(async () => {
    for (const { engine } of cluster.nodes) engine.check();
    await cluster.stop();
    expect(cluster.clock.pending()).to.equal(0);
  });

  const readAll = async (keys: readonly string[]): Promise<readonly (string | undefined)[]> => {
    const texts = new Set<string | undefined>();
    for (const node of cluster.nodes) for (const key of keys) texts.add(await cluster.text(node, key));
    return [...texts];
  };
  const numbered = (letters: string): readonly string[] => Array.from({ length: 10 }, (_, i) => `${letters}/${i}`);

  for (const replicas of [1, 2]) {
    it(`by tag: what bears it is gone everywhere, loaded, put, copied or held, and nothing else; replicas: ${replicas}`, async () => {
      await start({ core: { replicas } });
      const [ab, b] = [numbered('ab'), numbered('b')];
      await cluster.run(cluster.node(0).engine.put(ks, { key: 'put', value: bytesOf('old'), tags: ['a', 'z'] }));
      await readAll([...ab, ...b, 'put']);
      await cluster.clock.advance(200);
      state.text = 'new';
      const { removed, unreached } = await cluster.run(cluster.node(1).engine.deleteByTag(ks, 'a'));
      expect({ removed, unreached }).to.deep.equal({ removed: 11, unreached: [] });
      for (const { engine } of cluster.nodes) {
        for (const key of [...ab, 'put']) expect(engine.peek(ks, key), key).to.equal(undefined);
        for (const key of b) expect(engine.peek(ks, key)?.found, key).to.equal(true);
      }
      expect(await readAll([...ab, 'put'])).to.deep.equal(['new']);
      expect(await readAll(b)).to.deep.equal(['old']);
      expect([...cluster.fetched].filter(([key]) => key.startsWith('b/')).every(([, count]) => count === 1)).to.equal(
        true,
      );
    });
  }

  it('by prefix: keys that begin so, and no others', async () => {
    await start();
    const [under, beside] = [numbered('ab'), numbered('abc')];
    await readAll([...under, ...beside]);
    state.text = 'new';
    const { removed } = await cluster.run(cluster.node(2).engine.deleteByPrefix(ks, 'ab/'));
    expect(removed).to.equal(10);
    expect(await readAll(under)).to.deep.equal(['new']);
    expect(await readAll(beside)).to.deep.equal(['old']);
  });

  const ways: Record<string, (node: TestNode) => Promise<unknown>> = {
    'a clear': ({ engine }) => engine.clearKeyspace(ks),
    'a delete by tag': ({ engine }) => engine.deleteByTag(ks, 'a'),
    'a delete by prefix': ({ engine }) => engine.deleteByPrefix(ks, 'a/'),
  };
  for (const [name, does] of Object.entries(ways)) {
    it(`${name} takes what was put before by an owner whose clock runs ahead, of which the node that is asked has not heard`, async () => {
      await start({ latencyMs: 10 });
      const owner = cluster.ownerOf('a/1');
      const asked = cluster.nodes.find((node) => node !== owner)!;
      // Who has the key asks nobody before it is put.
      await cluster.text(owner, 'a/1');
      expect(owner.hybrid.merge(owner.hybrid.now() + skewLimit / 2)).to.equal(true);
      const entry = { key: 'a/1', value: bytesOf('put'), tags: ['a'] };
      const { version } = await cluster.run(owner.engine.put(ks, entry, { ack: 'owner' }));
      expect(version).to.be.above(asked.hybrid.now() + skewLimit / 4);
      await cluster.run(does(asked));
      for (const { engine } of cluster.nodes) expect(engine.peek(ks, 'a/1')).to.equal(undefined);
      await cluster.run(owner.engine.put(ks, entry));
      await cluster.clock.advance(1000);
      expect(await readAll(['a/1']), 'what is put afterwards stays').to.deep.equal(['put']);
    });

    it(`${name} of 1,500 entries is one message to each node, and not one for each key`, async () => {
      await start();
      const keys = Array.from({ length: 1500 }, (_, i) => `a/${i}`);
      await cluster.run(cluster.node(0).engine.getMany(ks, keys));
      const entries = (): number => cluster.nodes.reduce((sum, { engine }) => sum + engine.stats()[ks]!.entries!, 0);
      expect(entries()).to.be.at.least(1500);
      const sent = (): number => cluster.nodes.reduce((sum, { links }) => sum + links.counters().operationsOut, 0);
      const before = sent();
      await cluster.run(does(cluster.node(1)));
      expect(entries()).to.equal(0);
      // The two messages, their answers, and what nodes tell each other anyway.
      expect(sent() - before).to.be.within(4, 30);
    });
  }

  it('a load under way is answered and not kept, whatever tags it turns out to have', async () => {
    await start({
      fetch: (key) => {
        const loaded = tagged(key);
        return new Promise((resolve) => void cluster.clock.after(300, () => resolve(loaded)));
      },
    });
    const before = cluster.nodes.map(({ engine }) => engine.get(ks, 'a/1'));
    await cluster.clock.advance(50);
    state.text = 'new';
    await cluster.run(cluster.node(0).engine.deleteByTag(ks, 'a'));
    expect(await readAll(['a/1'])).to.deep.equal(['new']);
    await cluster.run(Promise.all(before));
    expect(await readAll(['a/1'])).to.deep.equal(['new']);
  });

  it('tags go with an entry to its replicas, its next owner and into copies', async () => {
    await start({ core: { replicas: 2 } });
    const owner = cluster.ownerOf('k');
    await cluster.run(owner.engine.put(ks, { key: 'k', value: bytesOf('old'), tags: ['t'] }));
    await readAll(['k']);
    await cluster.run(owner.engine.drain());
    expect(await readAll(['k'])).to.deep.equal(['old']);
    state.text = 'new';
    await cluster.run(cluster.others('k')[0]!.engine.deleteByTag(ks, 't'));
    expect(await readAll(['k'])).to.deep.equal(['new']);
  });

  it('names who was cut off; it has deleted them before it answers again', async () => {
    await start({ keyspace: { writeTimeout: '1s' } });
    const away = cluster.node(2);
    const key = cluster.keyOwnedBy(away, 'a/');
    await readAll([key]);
    for (const other of cluster.nodes) if (other !== away) cluster.network.cut(away.address, other.address);
    const { unreached } = await cluster.run(cluster.node(0).engine.deleteByTag(ks, 'a'));
    expect(unreached).to.deep.equal(['node-3']);
    state.text = 'new';
    await cluster.clock.advance(6000);
    cluster.network.healAll();
    await cluster.clock.advance(8000);
    expect(await readAll([key])).to.deep.equal(['new']);
  });

  it('who was away while more were made than are remembered drops what is older', async () => {
    await start({ keyspace: { writeTimeout: '1s' } });
    const away = cluster.node(2);
    const key = cluster.keyOwnedBy(away, 'a/');
    await readAll([key]);
    for (const other of cluster.nodes) if (other !== away) cluster.network.cut(away.address, other.address);
    await cluster.clock.advance(7000);
    await cluster.run(cluster.node(0).engine.deleteByTag(ks, 'a'));
    for (let i = 0; i < 100; i++) await cluster.run(cluster.node(0).engine.deleteByTag(ks, `other ${i}`));
    state.text = 'new';
    cluster.network.healAll();
    await cluster.clock.advance(8000);
    expect(await readAll([key])).to.deep.equal(['new']);
    for (const { engine } of cluster.nodes) {
      const { sweeps, sweeps_forgotten: forgotten } = engine.stats()[ks]!;
      expect({ sweeps, forgotten }).to.deep.equal(
        engine === away.engine ? { sweeps: 64, forgotten: 0 } : { sweeps: 101, forgotten: 37 },
      );
    }
    await cluster.run(cluster.node(0).engine.clearKeyspace(ks));
    expect(cluster.node(0).engine.stats()[ks]!.sweeps_forgotten, 'by a clear').to.equal(37);
  });

  it('what a node that has not heard of it tells of is neither held nor kept as a copy', async () => {
    await start();
    const [first, second] = cluster.nodes as [TestNode, TestNode];
    const key = cluster.keyOwnedBy(first, 'a/');
    await cluster.text(first, key);
    const { version } = first.engine.peek(ks, key)!;
    // Told to one node alone.
    const sweeps = [{ by: 'tag', text: 'a', version: version + 1 }] as const;
    const peer = first.links.linked().find(({ name }) => name === second.name)!;
    const record = { ...nothingDone(ks), sweeps };
    await cluster.run(first.links.call(peer.id, { do: 'keyspace', record }, cluster.wait(1000)));
    expect(await cluster.text(second, key)).to.equal('old');
    expect(second.engine.peek(ks, key)).to.equal(undefined);
  });

  it('tags are bounded, counted, and take no part in who is who', async () => {
    await start({ nodes: 1 });
    const { engine } = cluster.node(0);
    const put = (tags: unknown) => failureOf(engine.put(ks, { key: 'k', value: bytesOf('v'), tags: tags as string[] }));
    const many = Array.from({ length: 17 }, (_, i) => `t${i}`);
    expect(await put(many)).to.match(/^INVALID_ARGUMENT: tags are 17, may be at most 16/);
    expect(await put(['x'.repeat(129)])).to.match(
      /^INVALID_ARGUMENT: tags include "x+", which is 129 bytes long, may be at most 128/,
    );
    expect(await put(['é'.repeat(64)])).to.equal('done');
    expect(await put(['é'.repeat(65)])).to.match(/is 130 bytes long/);
    expect(await put([''])).to.match(/is no text of at least one character/);
    expect(await put('t')).to.match(/must be a list of texts/);
    expect(await put(['\ud800'])).to.match(/lone surrogate/);
    const bytes = () => engine.stats()[ks]!.main_cache_bytes!;
    expect(await put([])).to.equal('done');
    const without = bytes();
    expect(await put(['one', 'one', 'two'])).to.equal('done');
    expect(bytes()).to.be.within(without + 200, without + 2000);
    expect(await failureOf(engine.deleteByTag(ks, ''))).to.match(/^INVALID_ARGUMENT: tag is empty/);
    expect(await failureOf(engine.deleteByPrefix(ks, ''))).to.match(/^INVALID_ARGUMENT: prefix is empty/);
    expect(await failureOf(engine.deleteByTag(ks, 7 as never))).to.match(/^INVALID_ARGUMENT: tag is of type number/);
    expect(await failureOf(engine.deleteByTag('nope', 't'))).to.match(/^KEYSPACE_NOT_FOUND/);
    expect((await cluster.run(engine.deleteByTag(ks, 'constructor'))).removed).to.equal(0);
    expect((await cluster.run(engine.deleteByTag(ks, 'two'))).removed).to.equal(1);
  });

  it('a source that returns tags that are none fails its load', async () => {
    await start({ nodes: 1, fetch: () => ({ value: 'v', tags: ['ok', ''] }) });
    const reading = failureOf(cluster.node(0).engine.get(ks, 'k'));
    expect(await cluster.run(reading)).to.match(
      /^DATA_SOURCE_FAILED: the data source of keyspace 'ks' returned tags, which include "", which is no text/,
    );
  });
});
