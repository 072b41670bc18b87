import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { leaseMs } from '../../../src/coherence/leases.js';
import { bytesOf, type ClusterOptions, ks, TestCluster, textOf } from '../../support/cluster.js';

describe('engine: writes while nodes are out of reach', () => {
  let cluster: TestCluster;
  let source: Map<string, string>;
  const start = async (options: ClusterOptions = {}): Promise<TestCluster> => {
    source = new Map();
    cluster = await TestCluster.of({ fetch: (key) => source.get(key) ?? null, latencyMs: 2, ...options });
    return cluster;
  };
  afterEach(async () => {
    await cluster.stop();
    expect(cluster.clock.pending(), 'timers left').to.equal(0);
  });

  const everywhere = (key: string): Promise<(string | undefined)[]> =>
    cluster.run(
      Promise.all(cluster.nodes.map(({ engine }) => engine.lookup(ks, key).then(({ value }) => textOf(value)))),
    );

  /** Every node has read the key, so the owner has an entry and the others hot copies. */
  const known = async (key: string, value: string): Promise<void> => {
    source.set(key, value);
    expect(await everywhere(key)).to.deep.equal([value, value, value]);
  };

  it('a node that was cut off answers with nothing older once it is linked again', async () => {
    await start();
    const apart = cluster.node(2);
    const key = cluster.keyOwnedBy(apart);
    const untouched = cluster.keyOwnedBy(apart, 'untouched');
    await known(key, 'old');
    await known(untouched, 'still good');
    for (const other of [cluster.node(0), cluster.node(1)]) cluster.network.cut(apart.address, other.address);
    await cluster.clock.advance(5000);
    // Both sides go on; only one is written to.
    expect(await cluster.text(apart, key)).to.equal('old');
    const { unreached } = await cluster.run(cluster.node(0).engine.put(ks, { key, value: bytesOf('new') }));
    expect(unreached).to.deep.equal([]);
    cluster.network.healAll();
    await cluster.clock.advance(6000);
    expect(cluster.node(1).engine.status().peers).to.equal(3);
    expect(cluster.node(0).engine.owner(ks, key)).to.equal(apart.name);
    source.set(key, 'fresh from the source');
    for (const value of await everywhere(key)) expect(value).to.be.oneOf(['new', 'fresh from the source']);
    const kept = await cluster.run(apart.engine.get(ks, untouched));
    expect(kept.outcome, 'what nobody wrote stays').to.equal('hit');
  });

  it('an owner that lost touch while it waited for the others acknowledges nothing: they may own the key by then', async () => {
    await start();
    const owner = cluster.node(0);
    const key = cluster.keyOwnedBy(owner);
    await cluster.clock.advance(1000);
    for (const other of [cluster.node(1), cluster.node(2)]) cluster.network.cut(owner.address, other.address);
    const put = owner.engine.put(ks, { key, value: bytesOf('v') }, { timeoutMs: 2500 }).then(() => 'written', codeOf);
    expect(await cluster.run(put)).to.equal('PEER_UNREACHABLE');
  });

  it('a link that breaks under a write and is back at once holds the write up no longer, and nobody is named', async () => {
    await start();
    const owner = cluster.node(0);
    const key = cluster.keyOwnedBy(owner);
    await cluster.clock.advance(1000);
    const beganMs = cluster.clock.nowMs();
    const put = owner.engine.put(ks, { key, value: bytesOf('v') }, { timeoutMs: 20_000 });
    await cluster.clock.advance(1);
    cluster.network.hangUp(owner.address, cluster.node(1).address);
    const { unreached } = await cluster.run(put);
    expect(unreached).to.deep.equal([]);
    expect(cluster.clock.nowMs() - beganMs).to.be.below(leaseMs);
    expect(owner.links.linked()).to.have.length(2);
    expect(await everywhere(key)).to.deep.equal(['v', 'v', 'v']);
  });

  it('names an owner that fell silent before the write went to the next one', async () => {
    await start();
    const frozen = cluster.node(0);
    const key = cluster.keyOwnedBy(frozen);
    cluster.network.freeze(frozen.address);
    const result = await cluster.run(cluster.node(1).engine.put(ks, { key, value: bytesOf('v') }));
    expect(result.node).not.to.equal(frozen.name);
    expect(result.unreached).to.deep.equal([frozen.name]);
  });

  it('goes to the next owner after a crash', async () => {
    await start();
    const owner = cluster.node(0);
    const key = cluster.keyOwnedBy(owner);
    cluster.network.crash(owner.address);
    const result = await cluster.run(cluster.node(1).engine.put(ks, { key, value: bytesOf('v') }));
    expect(result.node).to.be.oneOf(['node-2', 'node-3']);
    expect(await cluster.text(cluster.node(1), key)).to.equal('v');
    expect(await cluster.text(cluster.node(2), key)).to.equal('v');
  });
});
