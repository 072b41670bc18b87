import { expect } from 'chai';
import { encodeMeta } from '../../../../src/membership/gossip/node-meta.js';
import { MembershipPool, type PoolNode } from '../../../support/membership-pool.js';
import { Agent, type AgentOptions } from './agent.js';

const serving = (...names: string[]): string[] => names.map((name) => `node-${name} alive serving`);

describe('members by gossip', () => {
  let pool: MembershipPool;
  let agents: Agent[];
  beforeEach(() => {
    pool = new MembershipPool();
    agents = [];
  });
  afterEach(async () => {
    await pool.stop();
    for (const agent of agents) await agent.close();
    await pool.clock.advance(2000);
    expect(pool.clock.pending(), 'timers').to.equal(0);
  });
  const pass = (ms: number): Promise<void> => pool.clock.advance(ms);
  const three = (): Promise<readonly PoolNode[]> => pool.cluster(['node-a', 'node-b', 'node-c']);
  const agent = async (met: PoolNode, options: AgentOptions = {}, host = '10.0.9.9'): Promise<Agent> => {
    const one = new Agent(pool, host, options);
    agents.push(one);
    await one.meet(met);
    await pass(2000);
    return one;
  };
  const again = (name: string): PoolNode =>
    pool.node(name, { seeds: [...pool.nodes.keys()].map((n) => pool.gossipOf(n)) });

  it('see each other with all that they announce', async () => {
    const [a] = await pool.cluster(['node-a', 'node-b'], { info: { weight: 2, admin: '10.0.0.9:3380' } });
    const { id, address, incarnation } = pool.nodes.get('node-b')!.self;
    expect(a!.member('node-b')).to.deep.equal({
      id,
      name: 'node-b',
      address,
      admin: '10.0.0.9:3380',
      gossip: '10.0.0.2:7946',
      version: '0.2.0',
      weight: 2,
      // Announced twice: as joining, then as serving.
      incarnation: incarnation + 1,
      state: 'alive',
      serving: true,
    });
    expect(a!.member('node-a')).to.include({ gossip: '10.0.0.1:7946', serving: true });
  });

  it('a node whose links all break is probed at once: suspect after a probe interval, dead when suspicion ends', async () => {
    for (const seed of ['one', 'two', 'three', 'four']) {
      pool = new MembershipPool(seed);
      const names = ['node-a', 'node-b', 'node-c', 'node-d', 'node-e'];
      const nodes = await pool.cluster(names);
      await pass(seed.length * 1370);
      pool.kill(nodes.at(-1)!);
      await pass(1500);
      for (const node of nodes.slice(0, -1))
        expect(node.member('node-e')!.state, `${node.self.name} ${seed}`).to.equal('suspect');
      await pass(4500);
      for (const node of nodes.slice(0, -1))
        expect(node.member('node-e')!.state, `${node.self.name} ${seed}`).to.equal('dead');
      await pool.stop();
    }
  });

  it('a node that is killed fails, is no more dialled, and is listed for ten minutes', async () => {
    const [a, , c] = await three();
    pool.kill(c!);
    await pass(20_000);
    expect(a!.heard).to.deep.equal(['updated node-c: suspect', 'failed node-c: dead']);
    expect(a!.list()).to.deep.equal([...serving('a', 'b'), 'node-c dead']);
    expect(a!.peers.dialled).to.deep.equal([pool.nodes.get('node-b')!.self.address]);
    await pass(570_000);
    expect(a!.list()).to.include('node-c dead');
    await pass(60_000);
    expect(a!.list()).to.deep.equal(serving('a', 'b'));
    expect(a!.heard).to.have.length(2);
  });

  it('a node that stops has left, within a second or two, everywhere', async () => {
    const [a, b, c] = await three();
    const beganMs = pool.clock.nowMs();
    await pool.clock.until(pool.leave(c!));
    expect(pool.clock.nowMs() - beganMs).to.be.below(2000);
    await pass(1000);
    for (const node of [a!, b!]) {
      expect(node.heard).to.deep.equal(['left node-c: left']);
      expect(node.list()).to.deep.equal([...serving('a', 'b'), 'node-c left']);
    }
  });

  describe('a restart', () => {
    it('that nobody noticed is one: the old id leaves, the new one joins', async () => {
      const [a, b, c] = await three();
      pool.kill(c!);
      await pass(1100);
      const reborn = again('node-c');
      await pool.clock.until(reborn.start());
      await pass(5000);
      for (const node of [a!, b!]) {
        const told = node.heard.filter((line) => !line.startsWith('updated'));
        expect(told).to.deep.equal(['left node-c: left', 'joined node-c: alive']);
        expect(node.member('node-c')).to.include({ id: reborn.self.id, serving: true });
        expect(node.peers.linked().map(({ id }) => id)).to.include(reborn.self.id);
        expect(node.peers.dialled.filter((address) => address === reborn.self.address)).to.have.length(1);
      }
      expect(reborn.list()).to.deep.equal(serving('a', 'b', 'c'));
    });

    it('under suspicion is one, too', async () => {
      const [a, , c] = await three();
      pool.kill(c!);
      while (a!.member('node-c')!.state !== 'suspect') await pass(50);
      const reborn = again('node-c');
      await pool.clock.until(reborn.start());
      await pass(5000);
      const told = a!.heard.filter((line) => !line.startsWith('updated'));
      expect(told).to.deep.equal(['left node-c: left', 'joined node-c: alive']);
      expect(a!.list()).to.deep.equal(serving('a', 'b', 'c'));
    });

    it('within the same second is believed in the end', async () => {
      const [a, , c] = await three();
      pool.kill(c!);
      const reborn = pool.node('node-c', {
        seeds: [pool.gossipOf('node-a')],
        info: { incarnation: c!.self.incarnation },
      });
      await pool.clock.until(reborn.start());
      await pass(30_000);
      expect(a!.member('node-c')).to.include({ id: reborn.self.id, state: 'alive', serving: true });
    });

    it('at another IP is believed as soon as the earlier one is found dead, at the IP that it had', async () => {
      const [a, b, c] = await pool.cluster(['node-a', 'node-b', 'node-c'], { swim: { deadReclaimMs: 1000 } });
      pool.kill(c!);
      await pass(500);
      pool.move('node-c');
      const seeds = [pool.gossipOf('node-a')];
      const reborn = pool.node('node-c', { seeds, swim: { deadReclaimMs: 1000 } });
      await pool.clock.until(reborn.start());
      while (a!.member('node-c')!.state !== 'dead') await pass(100);
      await pass(4000);
      for (const node of [a!, b!])
        expect(node.member('node-c')).to.include({ id: reborn.self.id, address: reborn.self.address, serving: true });
      const before = reborn.membership.counts().exchanges!;
      await pass(20_000);
      expect(reborn.membership.counts().exchanges, 'it asks no more than others, then').to.be.below(before + 3);
    });

    it('of all at once ends with all of them, and nobody refused', async () => {
      const names = ['node-a', 'node-b', 'node-c', 'node-d', 'node-e'];
      await pool.cluster(names);
      for (const name of names) pool.kill(pool.nodes.get(name)!);
      await pass(3000);
      const reborn = await pool.cluster(names);
      for (const node of reborn) expect(node.list()).to.deep.equal(serving('a', 'b', 'c', 'd', 'e'));
    });

    it('one after another never takes the rest apart', async () => {
      const names = ['node-a', 'node-b', 'node-c', 'node-d'];
      const [a] = await pool.cluster(names);
      for (const name of names.slice(1)) {
        await pool.clock.until(pool.leave(pool.nodes.get(name)!));
        await pass(2000);
        await pool.clock.until(again(name).start());
        await pass(2000);
      }
      const told = a!.heard.filter((line) => !line.startsWith('updated'));
      expect(told).to.deep.equal(names.slice(1).flatMap((name) => [`left ${name}: left`, `joined ${name}: alive`]));
      for (const node of pool.nodes.values()) expect(node.list()).to.deep.equal(serving('a', 'b', 'c', 'd'));
    });
  });

  describe('a member of another program', () => {
    it('is listed, and nothing else', async () => {
      const [a, b] = await three();
      const one = await agent(a!);
      for (const node of [a!, b!]) {
        expect(node.member('agent')).to.deep.equal({
          id: '',
          name: 'agent',
          address: '',
          admin: '',
          gossip: '10.0.9.9:7946',
          version: '',
          weight: 1,
          incarnation: 7,
          state: 'alive',
          serving: false,
        });
        expect(node.heard).to.deep.equal(['joined agent: alive']);
        expect(node.peers.dialled).to.have.length(2);
      }
      one.feed({ is: 'leave', withinMs: 5000 });
      await pass(5000);
      expect(a!.heard).to.deep.equal(['joined agent: alive', 'left agent: left']);
    });

    it('does not count among those that are needed', async () => {
      const [a] = await pool.cluster(['node-a']);
      await agent(a!);
      const node = pool.node('node-b', { seeds: [pool.gossipOf('node-a')], minimumPeers: 3 });
      const error = await pool.clock.until(node.start(5000).catch((thrown: unknown) => thrown));
      expect(String(error)).to.match(/only 2 of the 3 /);
    });

    it('is one that claims the id of this node', async () => {
      const [a, b] = await three();
      const meta = encodeMeta({ ...a!.self, name: 'liar', address: '10.0.9.9:3320' }, 'serving');
      await agent(b!, { name: 'liar', meta });
      expect(a!.member('liar')).to.include({ id: '', address: '', serving: false });
      expect(a!.peers.dialled).to.not.include('10.0.9.9:3320');
    });

    it('that claims our address makes nobody dial himself', async () => {
      const [a, b] = await three();
      const meta = encodeMeta({ ...a!.self, id: 'liar', name: 'liar' }, 'serving');
      const liar = await agent(b!, { name: 'liar', meta });
      expect(a!.peers.dialled).to.not.include(a!.self.address);
      liar.feed({ is: 'leave', withinMs: 5000 });
      await pass(5000);
      expect(b!.peers.dialled, 'two had one address').to.include(a!.self.address);
    });

    it('under a name that is no UTF-8 is foreign, and never hides a node of ours', async () => {
      const [a] = await pool.cluster(['node-a', 'é']);
      const meta = encodeMeta({ ...a!.self, id: 'other', name: 'x' }, 'serving');
      await agent(a!, { name: '\u00e9', meta });
      const named = a!.membership.members().filter(({ name }) => name === 'é');
      expect(named.map(({ serving }) => serving)).to.deep.equal([true]);
    });

    for (const [what, text] of [
      ['no JSON', '{'],
      ['wrong types', '{"dc":1,"i":[],"g":{},"s":0,"v":null}'],
      ['a weight of infinity', '{"dc":1,"i":"x","g":"10.0.9.9:3320","s":"s","v":"1","w":1e999}'],
    ] as const) {
      it(`is one whose metadata is ${what}`, async () => {
        const [a] = await three();
        await agent(a!, { meta: Buffer.from(text) });
        expect(a!.member('agent')).to.include({ id: '', serving: false });
        expect(a!.warnings()).to.deep.equal([]);
      });
    }
  });

  it('a second node of one name is ignored, and said once a minute with a count', async () => {
    const [a, b] = await three();
    await agent(b!, { name: 'node-b', meta: encodeMeta({ ...b!.self, id: 'twin' }, 'serving'), incarnation: 2 ** 31 });
    await pass(130_000);
    for (const node of [a!, b!]) expect(node.member('node-b')).to.include({ id: b!.self.id, serving: true });
    const lines = b!.warnings();
    expect(lines.length, lines.join('\n')).to.be.within(1, 3);
    expect(lines[0]).to.equal(
      'gossip: 10.0.9.9:7946 claims the name node-b of this node, and is ignored: give each node its own name; one that crashed frees its name by itself',
    );
    expect(a!.warnings()[0]).to.match(/claims the name node-b of 10\.0\.0\.2:7946/);
    expect(a!.membership.counts().conflicts).to.be.above(0);
    expect(agents[0]!.core.counts().exchanges, 'one a second at most, however long it stays').to.be.below(140);
  });

  it('an address that changes is dialled, and the old one is not', async () => {
    const [a, b] = await pool.cluster(['node-a', 'node-b']);
    const meta = (port: number): Uint8Array =>
      encodeMeta({ ...b!.self, id: 'm', address: `10.0.9.9:${port}` }, 'serving');
    const mover = await agent(a!, { name: 'mover', meta: meta(1) });
    expect(a!.peers.dialled).to.include('10.0.9.9:1');
    mover.feed({ is: 'meta', meta: meta(2) });
    await pass(2000);
    expect(a!.peers.dialled).to.include('10.0.9.9:2');
    expect(a!.peers.dialled).to.not.include('10.0.9.9:1');
    expect(a!.heard.at(-1)).to.equal('updated mover: alive');
  });

  describe('draining', () => {
    it('takes a node out, keeps it linked, and is never taken back', async () => {
      const [a, b] = await three();
      b!.membership.drain();
      b!.membership.drain();
      await pass(2000);
      expect(b!.heard).to.deep.equal(['updated node-b: draining']);
      expect(a!.heard).to.deep.equal(['updated node-b: draining']);
      for (const node of [a!, b!]) expect(node.list()[1]).to.equal('node-b draining');
      expect(a!.peers.dialled).to.include(b!.self.address);
    });

    it('before it serves keeps a node from ever serving', async () => {
      const [a] = await pool.cluster(['node-a']);
      const node = pool.node('node-b', { seeds: [pool.gossipOf('node-a')] });
      node.membership.drain();
      await pool.clock.until(node.start());
      await pass(1000);
      for (const one of [a!, node]) expect(one.list()).to.deep.equal(['node-a alive serving', 'node-b draining']);
    });
  });

  it('counts what happens, by names that all can read', async () => {
    const [a] = await three();
    const counts = a!.membership.counts();
    for (const [name, count] of Object.entries(counts)) {
      expect(name).to.match(/^[a-z]+(_[a-z]+)*$/);
      expect(count, name).to.be.at.least(0);
    }
    expect(counts).to.include({ health: 0, core_faults: 0, inputs_dropped: 0, conflicts: 0 });
    expect(counts.probes_acked).to.be.above(0);
    expect(counts.gossip_packets_sent).to.be.above(0);
    expect(pool.node('node-z').membership.counts()).to.deep.equal({});
    pool.nodes.delete('node-z');
  });
});
