import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { touchMs } from '../../../src/coherence/leases.js';
import { bytesOf, type ClusterOptions, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

/** For so long the reads of an owner that lost touch wait for it to come back. */
const lateMs = 1000;

describe('engine: an owner that hears of nobody', () => {
  let cluster: TestCluster;
  let owner: TestNode;

  afterEach(async () => {
    await cluster.stop();
    expect(cluster.clock.pending(), 'timers left').to.equal(0);
  });

  const start = async (options: ClusterOptions): Promise<string> => {
    cluster = await TestCluster.of(options);
    owner = cluster.node(0);
    await cluster.clock.advance(1000);
    return cluster.keyOwnedBy(owner);
  };
  const cut = async (forMs: number): Promise<void> => {
    for (const { address } of cluster.nodes.slice(1)) cluster.network.cut(owner.address, address);
    await cluster.clock.advance(forMs);
  };
  const get = (key: string, timeoutMs?: number): Promise<string | undefined> =>
    owner.engine.lookup(ks, key, { timeoutMs }).then(
      ({ value }) => textOf(value),
      (error) => codeOf(error),
    );

  it('says in its log that it is out of touch, and that it is back', async () => {
    await start({});
    const said = (): readonly string[] =>
      owner.logged
        .filter(({ level }) => level !== 'debug')
        .map(({ level, message }) => `${level} ${message.split(/[:;]/)[0]}`);
    expect(said()).to.deep.equal([]);
    await cut(touchMs + 1000);
    expect(said())
      .to.include('warn out of touch with the other nodes')
      .and.to.include('info node-2 gives no sign of life');
    cluster.network.healAll();
    await cluster.clock.advance(5000);
    expect(said()).to.include('info in touch with the other nodes again');
    expect(said().filter((line) => line.startsWith('warn'))).to.have.length(1);
  });

  it('is late at first: a read waits, and answers with what was put and the source does not have', async () => {
    const key = await start({ fetch: () => null });
    await cluster.run(cluster.node(1).engine.put(ks, { key, value: bytesOf('put') }));
    await cut(touchMs + 300);
    const read = get(key);
    await cluster.clock.advance(200);
    cluster.network.healAll();
    expect(await cluster.run(read)).to.equal('put');
    expect(cluster.fetched.size).to.equal(0);
  });

  it('loads a cold key once for all who ask meanwhile, and keeps it', async () => {
    const key = await start({});
    await cut(touchMs);
    const reads: Promise<string | undefined>[] = [];
    for (let i = 0; i < 50; i++) {
      reads.push(get(key));
      await cluster.clock.advance(15);
    }
    expect(cluster.fetched.size).to.equal(0);
    cluster.network.healAll();
    expect(new Set(await cluster.run(Promise.all(reads)))).to.deep.equal(new Set([`value of ${key}`]));
    for (const { engine } of cluster.nodes) await cluster.run(engine.get(ks, key));
    expect(cluster.fetched.get(key)).to.equal(1);
  });

  it('is cut off after a second more: reads go past the cache, and wait no more', async () => {
    const key = await start({});
    await cut(touchMs);
    const waited = get(key);
    await cluster.clock.advance(lateMs - 1);
    const beforeMs = cluster.clock.nowMs();
    expect(cluster.fetched.size).to.equal(0);
    await cluster.clock.advance(1);
    expect(await cluster.run(waited)).to.equal(`value of ${key}`);
    expect(await cluster.run(get(key))).to.equal(`value of ${key}`);
    expect(cluster.fetched.get(key)).to.equal(2);
    expect(cluster.clock.nowMs() - beforeMs).to.be.below(100);
  });

  it('is not waited for beyond a deadline, nor once the caller has gone', async () => {
    const key = await start({});
    await cut(touchMs);
    const gone = new AbortController();
    const aborted = owner.engine.get(ks, key, { signal: gone.signal }).catch(codeOf);
    const tooLate = get(key, 100);
    gone.abort();
    expect(await aborted).to.equal('ABORTED');
    await cluster.clock.advance(100);
    expect(await tooLate).to.equal('TIMEOUT');
    expect(cluster.fetched.size).to.equal(0);
  });

  it('waits for the next lease when the wall clock steps, however many ask', async () => {
    const key = await start({});
    cluster.clock.stepWall(3_600_000);
    const beforeMs = cluster.clock.nowMs();
    const reads = Array.from({ length: 20 }, () => get(key));
    expect(new Set(await cluster.run(Promise.all(reads)))).to.deep.equal(new Set([`value of ${key}`]));
    expect(cluster.clock.nowMs() - beforeMs).to.be.within(1, 1000);
    expect(cluster.fetched.get(key)).to.equal(1);
  });

  it('does not wait for nodes to which its links are broken', async () => {
    const key = await start({});
    for (const { address } of cluster.nodes.slice(1)) cluster.network.cut(owner.address, address);
    for (const { address } of cluster.nodes.slice(1)) cluster.network.hangUp(owner.address, address);
    await cluster.clock.advance(1);
    const beforeMs = cluster.clock.nowMs();
    expect(await cluster.run(get(key))).to.equal(`value of ${key}`);
    expect(cluster.clock.nowMs() - beforeMs).to.be.below(100);
  });
});
