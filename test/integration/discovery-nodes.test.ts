import { expect } from 'chai';
import { allShow, asked, said, untilSaid } from '../support/cluster-views.js';
import { freePort } from '../support/free-port.js';
import { configOf, type NodeOptions, type RealNode, RealNodes } from '../support/real-nodes.js';
import { pause } from '../support/until.js';

const config = (...top: readonly string[]): string => configOf('{ type: none }', { top: top.join('\n') });
/** Tries again soon, so that tests need not wait. */
const eager = 'cluster: { joinRetryInterval: 200ms, maxJoinAttempts: 5 }';
const everybody = 'a alive, b alive, c alive';

describe('integration: nodes that find each other by a list', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  beforeEach(async () => {
    nodes = await RealNodes.open();
  });
  afterEach(() => nodes.close());

  const listOf = (host: string, ports: readonly number[]): readonly string[] => [
    '--peers',
    ports.map((port) => `${host}:${port}`).join(','),
  ];
  const three = async (): Promise<readonly number[]> => [await freePort(), await freePort(), await freePort()];

  for (const host of ['127.0.0.1', 'localhost']) {
    it(`three that all list all three at ${host}, their own included, and start together, are one cluster`, async () => {
      const ports = await three();
      const all = await Promise.all(
        ['a', 'b', 'c'].map((name, n) =>
          nodes.spawn({ name, config: config(), gossipPort: ports[n]!, args: listOf(host, ports) }),
        ),
      );
      for (const node of all) await node.ready();
      await nodes.linked(all);
      await allShow(all, everybody, 5_000);
      // Who was first may say that nobody was there yet.
      const problems = all.flatMap((node) => node.log()).filter(({ level }) => level > 30);
      expect(problems).to.deep.equal([]);
    });
  }

  it('a seed that comes later than those who list it is met by them, who serve and are one cluster meanwhile', async () => {
    const ports = await three();
    const start = (name: string, n: number): Promise<RealNode> =>
      nodes.spawn({ name, config: config(eager), gossipPort: ports[n]!, args: listOf('127.0.0.1', ports) });
    const early = [await start('a', 0), await start('b', 1)];
    for (const node of early) await node.ready();
    await nodes.linked(early);
    const client = nodes.client(early);
    await client.put('ks', { key: 'key', value: Buffer.from('early') });
    await pause(5_000);
    expect(Buffer.from((await client.get('ks', 'key')).value).toString()).to.equal('early');
    const seed = await nodes.start({ name: 'c', config: config(), gossipPort: ports[2]! });
    await nodes.linked([...early, seed]);
    expect(said(seed, 'discovery')).to.deep.equal([]);
  });

  describe('cluster.minimumPeers: 3', () => {
    const waiting = (bootstrapTimeout: string): string =>
      config(`cluster: { minimumPeers: 3, joinRetryInterval: 200ms, bootstrapTimeout: ${bootstrapTimeout} }`);

    it('waits for the third', async () => {
      const ports = await three();
      const start = (name: string, n: number): Promise<RealNode> =>
        nodes.spawn({ name, config: waiting('40s'), gossipPort: ports[n]!, args: listOf('127.0.0.1', ports) });
      const all = [await start('a', 0), await start('b', 1)];
      await untilSaid(all[0]!, 'peer joined: b');
      await untilSaid(all[1]!, 'peer joined: a');
      for (const node of all) await untilSaid(node, /waiting for others: [12] of 3 nodes \(cluster\.minimumPeers\)/);
      await pause(1_000);
      expect(all.map(({ stdout }) => stdout)).to.deep.equal(['', '']);
      all.push(await start('c', 2));
      for (const node of all) await node.ready();
      await nodes.linked(all);
    });

    it('fails with exit 4 and one line when the third never comes', async () => {
      const ports = await three();
      const start = (name: string, n: number): Promise<RealNode> =>
        nodes.spawn({
          name,
          config: waiting('4s'),
          gossipPort: ports[n]!,
          plain: true,
          args: listOf('127.0.0.1', ports),
        });
      const all = [await start('a', 0), await start('b', 1)];
      for (const node of all) {
        expect(await node.exited, node.stderr).to.equal(4);
        expect(node.stdout).to.equal('');
        expect(node.stderr.match(/^Error/gm), node.stderr).to.have.length(1);
        expect(node.stderr).to.match(/only [12] of the 3 nodes .*cluster\.minimumPeers.* were met in time/);
      }
    });
  });

  it('a node that nobody is to find says that it does not gossip', async () => {
    const node = await nodes.start({ name: 'a', config: config(), plain: true, args: ['--discovery', 'standalone'] });
    expect(node.stdout).to.match(/^ready node=a grpc=\S+ admin=off gossip=none\n$/);
    expect(await asked(node, 'node', 'status')).to.include({ peers: 1, gossip: 'none' });
  });
});

describe('integration: gossip in TCP packets', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  beforeEach(async () => {
    nodes = await RealNodes.open();
  });
  afterEach(() => nodes.close());

  it('three nodes are one cluster, see who crashed and who left', async () => {
    const options: NodeOptions = { config: config('gossip: { transport: tcp }') };
    const [a, b, c] = (await nodes.cluster(['a', 'b', 'c'], options)) as [RealNode, RealNode, RealNode];
    await allShow([a, b, c], everybody, 5_000);
    b.signal('SIGKILL');
    // Over TCP nodes probe each other every 5 s, and suspect for 20 s.
    await allShow([a, c], 'a alive, b dead, c alive', 45_000);
    c.signal('SIGTERM');
    expect(await c.exited, c.stderr).to.equal(0);
    await allShow([a], 'a alive, b dead, c left', 5_000);
    expect(said(a, 'peer failed')).to.deep.equal(['peer failed: b']);
    expect(said(a, 'peer left')).to.deep.equal(['peer left: c']);
  });
});
