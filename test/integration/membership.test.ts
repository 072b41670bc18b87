import { expect } from 'chai';
import { cli } from '../support/cli.js';
import { allShow, peersOf, said } from '../support/cluster-views.js';
import { CountingSource } from '../support/counting-source.js';
import { SplitNetwork } from '../support/namespaces.js';
import { configOf, httpSource, type RealNode, RealNodes } from '../support/real-nodes.js';
import { pause, until } from '../support/until.js';

/** Two slow cores may stretch whatever takes time. */
const slack = 5_000;

/** Packets and streams of gossip that a node counts as dropped. */
async function droppedBy(node: RealNode): Promise<number> {
  const { exit, stdout, stderr } = await cli(['node', 'status', '--json', '--addr', node.grpc]);
  expect(exit, stderr).to.equal(0);
  const counts: Readonly<Record<string, number>> = JSON.parse(stdout.toString()).gossip_counts;
  const drops = Object.entries(counts).filter(([name]) => name.includes('dropped'));
  return drops.reduce((sum, [, count]) => sum + count, 0);
}

describe('integration: membership', function () {
  this.timeout(180_000);
  let nodes: RealNodes;

  beforeEach(async () => {
    nodes = await RealNodes.open();
  });
  afterEach(async () => {
    await nodes.close();
  });

  /** Nodes that all know the first only. */
  async function fromOneSeed(names: readonly string[], config: string): Promise<readonly RealNode[]> {
    const seed = await nodes.start({ name: names[0]!, config });
    const others = await Promise.all(names.slice(1).map((name) => nodes.spawn({ name, peers: [seed], config })));
    const all = [seed, ...(await Promise.all(others.map((node) => node.ready())))];
    await nodes.linked(all);
    return all;
  }
  const five = ['a', 'b', 'c', 'd', 'e'];
  const show = (states: Readonly<Record<string, string>>): string =>
    Object.entries(states)
      .map(([name, state]) => `${name} ${state}`)
      .join(', ');
  const everybody = (names: readonly string[], states: Readonly<Record<string, string>> = {}): string =>
    show(Object.fromEntries(names.map((name) => [name, states[name] ?? 'alive'])));

  describe('five nodes from one seed', () => {
    let source: CountingSource;
    let all: readonly RealNode[];
    beforeEach(async () => {
      source = await CountingSource.start();
      all = await fromOneSeed(five, configOf(httpSource(source.template), { keyspace: 'defaultTtl: 300ms' }));
    });
    afterEach(() => source.stop());

    it('see each other, and share the ring', async () => {
      await allShow(all, everybody(five), 5_000 + slack);
      const peers = await peersOf(all[4]!);
      expect(peers.every(({ serving }) => serving)).to.equal(true);
      expect(peers.reduce((sum, { ring_share }) => sum + ring_share, 0)).to.be.closeTo(1, 1e-6);
    });

    it('SIGKILL of one: the others show it dead within 10 s, and reads go on', async () => {
      const [victim, ...others] = all as [RealNode, ...RealNode[]];
      const client = nodes.client(others);
      let isOver = false;
      let answered = 0;
      const reads = (async () => {
        for (let n = 0; !isOver; n++) {
          const { value } = await client.get('ks', `key-${n % 40}`, { timeoutMs: 5_000 });
          expect(Buffer.from(value).toString()).to.equal(`document of key-${n % 40}`);
          answered++;
          await pause(2);
        }
      })();
      try {
        victim.signal('SIGKILL');
        const killedMs = performance.now();
        await allShow(others, everybody(five, { a: 'dead' }), 10_000 + slack);
        expect(performance.now() - killedMs).to.be.below(10_000 + slack);
        const answeredThen = answered;
        await until('reads go on', () => answered > answeredThen + 50);
      } finally {
        isOver = true;
        await reads;
      }
      expect(answered).to.be.above(100);
    });

    it('SIGSTOP of one for 3 s: it is not taken for dead, or is back by itself', async () => {
      const [frozen, ...others] = all as [RealNode, ...RealNode[]];
      frozen.signal('SIGSTOP');
      await pause(3_000);
      frozen.signal('SIGCONT');
      await allShow(all, everybody(five), 20_000);
      await nodes.linked(all);
      for (const node of others) expect(said(frozen, `peer failed: ${node.options.name}`)).to.deep.equal([]);
    });
  });

  it('an event loop blocked for 2 s: nobody takes the node for dead, nor does it anybody', async () => {
    const module = await nodes.file(
      'blocking.mjs',
      `export default (key) => { const end = Date.now() + 2000; while (key === 'block' && Date.now() < end); return key; };`,
    );
    const all = await fromOneSeed(['a', 'b', 'c'], configOf(`{ type: module, path: ${module} }`));
    // Whoever owns it loads it, and does nothing else meanwhile.
    await nodes.client(all).get('ks', 'block', { timeoutMs: 15_000 });
    await pause(8_000);
    await allShow(all, everybody(['a', 'b', 'c']), 5_000);
    for (const node of all) expect(said(node, 'peer failed')).to.deep.equal([]);
  });

  describe('nodes that must not meet', () => {
    const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64');
    const config = (top: string): string =>
      configOf('{ type: none }', { top: `cluster: { maxJoinAttempts: 3 }\n${top}` });
    const rows: readonly [what: string, theirs: string, ours: string, logged: RegExp][] = [
      ['another label', 'label: prod', 'label: test', /label/],
      ['another secret', `gossip: { secrets: ["${key(1)}"] }`, `gossip: { secrets: ["${key(2)}"] }`, /secret|decrypt/i],
      ['no secret', `gossip: { secrets: ["${key(1)}"] }`, '', /encrypt|clear/i],
    ];
    for (const [what, theirs, ours, logged] of rows) {
      it(`${what}: they never join, count what came, and say so once a minute at most`, async () => {
        const cluster = [await nodes.start({ name: 'a', config: config(theirs) })];
        cluster.push(await nodes.start({ name: 'b', peers: cluster, config: config(theirs) }));
        const stranger = await nodes.start({ name: 'x', peers: cluster, config: config(ours) });
        await pause(6_000);
        for (const node of cluster) await allShow([node], everybody(['a', 'b']), 5_000);
        await allShow([stranger], 'x alive', 5_000);
        const counted = await Promise.all(cluster.map((node) => droppedBy(node)));
        expect(Math.max(...counted)).to.be.above(1);
        const lines = cluster.flatMap((node) => node.log()).filter(({ msg }) => logged.test(msg));
        expect(lines.length, JSON.stringify(lines)).to.be.within(1, 2 * cluster.length);
      });
    }
  });

  it('a network cut between two groups and healed: one cluster again, by itself, within 60 s', async function () {
    await SplitNetwork.require(this);
    const groups = [
      ['a', 'b'],
      ['c', 'd', 'e'],
    ] as const;
    const network = await SplitNetwork.open(groups);
    try {
      const config = configOf('{ type: none }');
      const all: RealNode[] = [];
      for (const name of five) {
        const at = { name, config, addr: network.addressOf(name), via: network.on(name), args: ['--insecure'] };
        all.push(await nodes.start({ ...at, peers: all.slice(0, 1) }));
      }
      await allShow(all, everybody(five), 10_000 + slack);
      await network.cut();
      await allShow(all.slice(0, 2), everybody(five, { c: 'dead', d: 'dead', e: 'dead' }), 40_000);
      await allShow(all.slice(2), everybody(five, { a: 'dead', b: 'dead' }), 40_000);
      await network.heal();
      await allShow(all, everybody(five), 60_000);
    } finally {
      await nodes.close();
      await network.close();
    }
  });
});
