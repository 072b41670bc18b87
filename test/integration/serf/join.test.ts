import { expect } from 'chai';
import { plainVsn } from '../../../src/membership/swim/self.js';
import { GossipPool } from '../../support/gossip-pool.js';
import { serfTags } from '../../support/hand-peer.js';
import { needs } from '../../support/servers.js';

describe('joining serf', function () {
  this.timeout(60_000);
  const pool = new GossipPool();

  before(function () {
    needs(this, 'serf', 'serf');
  });

  afterEach(() => pool.close());

  it('J1: a node that joins an agent is listed with its address, versions and tags', async () => {
    const s1 = await pool.serf();
    const n1 = await pool.node({ meta: serfTags({ role: 'cache' }) });
    expect(await n1.join(s1.address)).to.equal(1);
    const member = await s1.shows('n1', 'alive');
    expect(member).to.deep.include({ addr: n1.address, port: n1.endpoint.port, tags: { role: 'cache' } });
    expect(member.protocol).to.deep.equal({ min: 2, max: 5, version: 4 });
    await s1.logged(`EventMemberJoin: n1 ${n1.options.host}`);
    expect(n1.told('s1')).to.deep.equal(['joined']);
    expect(n1.member('s1')).to.deep.include({ ...s1.endpoint, state: 'alive', vsn: [1, 5, 2, 2, 5, 5] });
  });

  it('J2: an agent joins a node, told to while it runs or while it starts', async () => {
    const n1 = await pool.node();
    const s1 = await pool.serf();
    const { exit, text } = await s1.cli('join', n1.address);
    expect(text).to.include('Successfully joined cluster by contacting 1 nodes');
    expect(exit).to.equal(0);
    const s2 = await pool.serf({ join: [n1.address] });
    await s2.logged('joined: 1 nodes');
    const all = ['n1', 's1', 's2'];
    await Promise.all([s1, s2, n1].map((member) => member.showsAlive(all)));
    expect(n1.told('s1')).to.deep.equal(['joined']);
    expect(n1.told('s2')).to.deep.equal(['joined']);
  });

  it("J3: versions of an application that don't fit keep the two apart, whoever joins", async () => {
    const [s1, n1] = await Promise.all([pool.serf(), pool.node({ vsn: plainVsn })]);
    const { exit, text } = await s1.cli('join', n1.address);
    expect(exit).to.equal(1);
    expect(text).to.include('incompatible: [2, 0]');
    const joined = await n1.join(s1.address).then(
      () => 'joined',
      (error: Error) => error.message,
    );
    expect(joined).to.include('versions do not fit');
    expect(n1.events.filter(({ is }) => is === 'mergeRefused')).to.have.length(2);
    await s1.logged(/Failed push\/pull merge:.*incompatible: \[2, 0\]/);
    expect((await s1.members()).map(({ name }) => name)).to.deep.equal(['s1']);
    expect(n1.member('s1')).to.equal(undefined);
  });

  it('J4: nodes that join one of three agents are listed by all, and list them, whoever compresses', async () => {
    const s1 = await pool.serf();
    const [s2, s3, n1, n2] = await Promise.all([
      pool.serf({ join: [s1.address] }),
      pool.serf({ join: [s1.address], compression: false }),
      pool.node(),
      pool.node({ compress: true }),
    ]);
    await Promise.all([n1.join(s1.address), n2.join(s3.address)]);
    const all = ['n1', 'n2', 's1', 's2', 's3'];
    await Promise.all([s1, s2, s3, n1, n2].map((member) => member.showsAlive(all)));
    expect(s1.log('[ERR]').map(({ text }) => text)).to.deep.equal([]);
  });
});
