import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { cli, startCli } from '../support/cli.js';
import { allShow, asked, peersOf } from '../support/cluster-views.js';
import { configOf, type RealNode, RealNodes } from '../support/real-nodes.js';
import { until } from '../support/until.js';

interface Told {
  readonly type: string;
  readonly time: string;
  readonly told_by: string;
  readonly node: string;
  readonly state: string;
  readonly serving: boolean;
  readonly incarnation: number;
  readonly grpc: string;
  readonly gossip: string;
}

/** `distcache events --json` on one node, for as long as a test wants. */
class Follower {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #out = '';

  constructor(node: RealNode) {
    this.#child = startCli(['events', '--json', '--addr', node.grpc]);
    this.#closed = once(this.#child, 'close');
    this.#child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.#out += text;
    });
    this.#child.stderr?.resume();
  }

  get lines(): readonly Told[] {
    return this.#out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  /** What was told of one node, as `joined alive`, `updated alive serving`, `failed dead`. */
  about(name: string): readonly string[] {
    return this.lines
      .filter(({ node }) => node === name)
      .map(({ type, state, serving }) => `${type.replace('peer-', '')} ${state}${serving ? ' serving' : ''}`);
  }

  async listening(): Promise<this> {
    await until('events listens', () => this.lines[0]?.type === 'listening');
    return this;
  }

  /** Resolves when the last that was told of this node is this. */
  last(name: string, told: string): Promise<void> {
    return until(`'${told}' is told of ${name}`, () => this.about(name).at(-1) === told).catch((error: Error) => {
      throw new Error(`${error.message}; told was '${this.about(name).join(', ')}'`);
    });
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGINT');
    await this.#closed;
  }
}

/** Quick to notice, as the machine is one. */
const config = configOf('{ type: none }', { top: 'gossip: { profile: local }' });

describe('integration: a cluster as its commands show it', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  beforeEach(async () => {
    nodes = await RealNodes.open();
  });
  afterEach(() => nodes.close());

  it('events tells who joins, changes, fails, leaves and comes back, as it happens', async () => {
    const a = await nodes.start({ name: 'a', config });
    const follower = await new Follower(a).listening();
    try {
      const b = await nodes.start({ name: 'b', config, peers: [a] });
      await follower.last('b', 'updated alive serving');
      const c = await nodes.start({ name: 'c', config, peers: [a] });
      await follower.last('c', 'updated alive serving');
      c.signal('SIGKILL');
      await follower.last('c', 'failed dead');
      b.signal('SIGTERM');
      expect(await b.exited, b.stderr).to.equal(0);
      await follower.last('b', 'left left');
      const reborn = await nodes.start({ name: 'c', config, peers: [a] });
      await follower.last('c', 'updated alive serving');

      const [listening, ...told] = follower.lines;
      expect(listening).to.include({ type: 'listening', told_by: 'a' });
      for (const line of told) expect(line).to.include({ told_by: 'a' });
      expect(told.map(({ time }) => time)).to.deep.equal(told.map(({ time }) => time).sort());
      expect(follower.about('b')[0]).to.match(/^joined alive/);
      expect(follower.about('b')).to.include('updated draining');
      const ofC = follower.about('c');
      expect(ofC.filter((line) => /^(joined|failed|left)/.test(line)).map((line) => line.split(' ')[0])).to.deep.equal([
        'joined',
        'failed',
        'joined',
      ]);
      const incarnations = told.filter(({ node }) => node === 'c').map(({ incarnation }) => incarnation);
      expect(incarnations).to.deep.equal(incarnations.toSorted((x, y) => x - y));
      expect(incarnations.at(-1)).to.be.above(incarnations[0]!);
      expect(told.at(-1)).to.include({ grpc: reborn.grpc, gossip: reborn.gossip });
    } finally {
      await follower.stop();
    }
  });

  it('peers, node status and ring agree on every node, as text and as JSON, before and after a crash', async () => {
    const all = (await nodes.cluster(['a', 'b', 'c'], { config })) as [RealNode, RealNode, RealNode];
    const [a, b, c] = all;
    const viewOf = async (node: RealNode): Promise<readonly string[]> =>
      (await peersOf(node)).map(
        ({ name, state, serving, ring_share, incarnation }) =>
          `${name} ${state} ${serving} ${ring_share.toFixed(6)} ${incarnation}`,
      );
    await allShow(all, 'a alive, b alive, c alive', 5_000);
    const views = await Promise.all(all.map(viewOf));
    expect(views[1]).to.deep.equal(views[0]);
    expect(views[2]).to.deep.equal(views[0]);

    for (const node of all) {
      const mine = (await peersOf(node)).find(({ is_self }) => is_self)!;
      expect(await asked(node, 'node', 'status')).to.include({
        node: node.options.name,
        state: 'serving',
        peers: 3,
        grpc: node.grpc,
        gossip: node.gossip,
        ring_share: mine.ring_share,
        incarnation: mine.incarnation,
      });
    }
    const rings = await Promise.all(all.map((node) => asked(node, 'ring', 'ks', 'some key')));
    expect(rings[1]).to.deep.equal(rings[0]);
    expect(rings[2]).to.deep.equal(rings[0]);

    c.signal('SIGKILL');
    await allShow([a, b], 'a alive, b alive, c dead', 20_000);
    const text = async (...args: readonly string[]): Promise<string> =>
      (await cli([...args, '--addr', a.grpc])).stdout.toString();
    const rows = (await text('peers')).trimEnd().split('\n');
    expect(rows[0]).to.match(/^NAME +STATE +SERVING +GRPC +GOSSIP +ADMIN +SHARE +WEIGHT +VERSION +INCARNATION$/);
    expect(rows[1]).to.match(
      new RegExp(`^a \\* +alive +yes +${a.grpc} +${a.gossip} +off +\\d+\\.\\d% +1 +\\S+ +\\d{10}$`),
    );
    expect(rows[2]).to.match(new RegExp(`^b +alive +yes +${b.grpc} +${b.gossip} +off +\\d+\\.\\d% +1 +\\S+ +\\d{10}$`));
    expect(rows[3]).to.match(/^c +dead +no +\S+ +\S+ +off +0\.0% /);
    expect(rows).to.have.length(4);
    const ring = (await asked(a, 'ring', 'ks', 'some key')) as { readonly owner: string; readonly nodes: unknown[] };
    expect(ring.nodes).to.have.length(2);
    expect(await text('ring', 'ks', 'some key')).to.match(new RegExp(`^owner +${ring.owner}\n`));
    expect(await text('node', 'status')).to.match(/^node +a\nstate +serving\n(?:.*\n)*peers +2$/m);
  });
});
