import { expect } from 'chai';
import { swimConfig } from '../../../src/membership/swim/config.js';
import { measure } from './measure.js';
import { liveness, type Outcome, safety, slowObserver, splitInTwo } from './scenarios.js';
import { SimCluster } from './sim-cluster.js';

/** `7n-12` is the twelfth run of seven nodes. */
const nodesOf = (seed: string): number => Number.parseInt(seed, 10);

const runs = (counts: readonly number[], each: number): readonly string[] =>
  counts.flatMap((nodes) => Array.from({ length: each }, (_, i) => `${nodes}n-${i}`));

const file = 'test/simulation/membership/swim.test.ts';

/** Runs a scenario under each seed (or under that of the environment alone), and names those that failed. */
function holds(title: string, seeds: readonly string[], scenario: (seed: string, nodes: number) => Outcome): void {
  it(`${title} (${seeds.length} seeds)`, function () {
    this.timeout(180_000);
    const chosen = process.env.SEED === undefined ? seeds : [process.env.SEED];
    for (const seed of chosen) {
      const { figures, faults } = scenario(seed, nodesOf(seed));
      expect(faults, `repeat: SEED=${seed} npx mocha ${file} -g '${title}' # ${figures}`).to.deep.equal([]);
    }
  });
}

describe('SWIM cluster under a seeded network', () => {
  describe('safety: who answers probes is never declared dead', () => {
    holds('in clusters of 5 to 12', runs([5, 6, 7, 8, 9, 10, 12], 28), safety);
    holds('in clusters of 30', runs([30], 8), safety);
    holds('in clusters of 100', runs([100], 1), safety);
  });

  describe('liveness: after healing all agree', () => {
    const within = (boundMs: number) => (seed: string, nodes: number) => liveness(seed, nodes, boundMs);
    holds('small clusters within two minutes', runs([5, 6, 7, 8, 9, 10, 12], 24), within(120_000));
    holds('30 nodes within two minutes', runs([30], 5), within(120_000));
    holds('100 nodes within three minutes', runs([100], 1), within(180_000));
  });

  describe('self-lag: a node that is blocked itself accuses nobody', () => {
    holds('suspects nobody on a good network', runs([5, 8, 10], 20), (seed, nodes) => slowObserver(seed, nodes, 0));
    holds('declares nobody dead on a bad one', runs([5, 8, 10], 20), (seed, nodes) => slowObserver(seed, nodes, 0.1));
  });

  it('two halves that have forgotten each other meet again within a minute of healing', () => {
    for (const seed of ['a', 'b', 'c', 'd', 'e']) {
      const cluster = new SimCluster({ seed, nodes: 9 });
      cluster.startAll();
      cluster.advance(10_000);
      splitInTwo(cluster, cluster.random.fork('split'));
      cluster.advance(180_000);
      cluster.network.heal();
      expect(
        cluster.until(() => cluster.agreed(), 60_000),
        `seed ${seed}: ${cluster.disagreement()}`,
      ).to.be.a('number');
    }
  });

  it('a whole cluster that is restarted at once believes the new lives', () => {
    const cluster = new SimCluster({ seed: 'mass restart', nodes: 12 });
    cluster.startAll();
    cluster.advance(20_000);
    for (const node of cluster.nodes) cluster.crash(node);
    cluster.advance(1000);
    cluster.startAll();
    expect(cluster.until(() => cluster.agreed(), 30_000)).to.be.a('number');
  });

  it('a member that comes back with a lower incarnation, its clock set back, outbids what is held against it', () => {
    const cluster = new SimCluster({ seed: 'clock set back', nodes: 6 });
    cluster.startAll();
    cluster.advance(10_000);
    const node = cluster.nodes.at(-1)!;
    cluster.crash(node);
    cluster.advance(20_000);
    expect(cluster.nodes[0]!.core!.member(node.name)?.state).to.equal('dead');
    cluster.start(node, cluster.nodes.slice(0, 3), { incarnation: 5 });
    expect(cluster.until(() => cluster.agreed(), 10_000)).to.be.a('number');
  });

  it('a member that leaves is told as left everywhere, by all, and never as failed', () => {
    const cluster = new SimCluster({ seed: 'leave', nodes: 10 });
    cluster.network.weather = { loss: 0.05, duplicate: 0.01, delayMs: [0.2, 20], refusal: 0 };
    cluster.startAll();
    cluster.advance(20_000);
    const node = cluster.nodes.at(-1)!;
    cluster.step(node, { is: 'leave', withinMs: 5000 });
    const done = (): boolean => cluster.told.some(({ by, event }) => by === node.name && event.is === 'leaveDone');
    expect(cluster.until(done, 5000)).to.be.below(3000);
    cluster.crash(node);
    cluster.advance(30_000);
    const about = cluster.told.filter(({ event }) => 'member' in event && event.member.name === node.name);
    expect(about.filter(({ event }) => event.is === 'left')).to.have.length(9);
    expect(about.filter(({ event }) => event.is === 'failed')).to.have.length(0);
  });

  it('a change of metadata reaches all', () => {
    const cluster = new SimCluster({ seed: 'meta', nodes: 20 });
    cluster.startAll();
    cluster.advance(20_000);
    const meta = new TextEncoder().encode('{"state":"draining"}');
    cluster.step(cluster.nodes[3]!, { is: 'meta', meta });
    const everywhere = (): boolean =>
      cluster.up().every((node) => Buffer.from(meta).equals(node.core!.member('node-3')!.meta));
    expect(cluster.until(everywhere, 10_000)).to.be.below(3000);
    const updates = cluster.told.filter(({ event }) => event.is === 'updated');
    expect(updates).to.have.length(19);
  });

  it('the profiles for one machine and for the internet form clusters and find a crash as well', () => {
    for (const [profile, boundMs] of [
      ['local', 15_000],
      ['wan', 240_000],
    ] as const) {
      const cluster = new SimCluster({ seed: profile, nodes: 8, config: swimConfig(profile) });
      cluster.startAll();
      expect(
        cluster.until(() => cluster.agreed(), 20_000),
        profile,
      ).to.be.a('number');
      cluster.crash(cluster.nodes[7]!);
      expect(
        cluster.until(() => cluster.agreed(), boundMs),
        profile,
      ).to.be.a('number');
    }
  });

  it('one seed twice gives the same trace, another seed another', () => {
    const trace = (seed: string): string => liveness(seed, 8, 120_000).cluster.traceHash;
    expect(trace('8n-7')).to.equal(trace('8n-7'));
    expect(trace('8n-7')).to.not.equal(trace('8n-8'));
  });

  it('the load of each member does not grow with the cluster, and a crash is found within 10 s', function () {
    this.timeout(120_000);
    for (const nodes of [10, 100]) {
      const figures = measure(nodes, `load-${nodes}`);
      expect(figures.packetsPerNodePerSecond, JSON.stringify(figures)).to.be.below(3);
      expect(figures.firstFoundMs, JSON.stringify(figures)).to.be.below(nodes === 10 ? 10_000 : 15_000);
    }
  });
});
