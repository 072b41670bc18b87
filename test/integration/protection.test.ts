import { expect } from 'chai';
import { codeOf } from '../../src/base/errors.js';
import type { Client } from '../../src/client/client.js';
import { cli } from '../support/cli.js';
import { CountingSource } from '../support/counting-source.js';
import { httpSource, type RealNode, RealNodes } from '../support/real-nodes.js';
import { until } from '../support/until.js';

const resetMs = 1500;
const failures = 3;

describe('integration: a source that fails, over three nodes and the command line', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let source: CountingSource;
  let cluster: readonly RealNode[];
  let clients: readonly Client[];
  let told: string[];
  const ending = new AbortController();

  before(async () => {
    nodes = await RealNodes.open();
    source = await CountingSource.start();
    const from = `source: ${httpSource(source.template)}`;
    const config = `
admin: false
source: { breaker: { failures: ${failures}, reset: ${resetMs}ms } }
keyspaces:
  cut: { maxBytes: 8MiB, ${from} }
  kept: { maxBytes: 8MiB, defaultTtl: 200ms, staleIfError: 1h, breaker: { failures: 1000, reset: 1s }, ${from} }
  behind: { maxBytes: 8MiB, defaultTtl: 200ms, staleWhileRevalidate: 1h, ${from} }
  few: { maxBytes: 8MiB, rateLimit: { rate: 1/h, burst: 1 }, breaker: none, ${from} }
`;
    cluster = await nodes.cluster(['one', 'two', 'three'], { config });
    clients = cluster.map((node) => nodes.client([node], { timeoutMs: 20_000 }));
    told = [];
    follow(clients[0]!).catch(() => {});
    await until('the events are followed', () => told.includes('listening'));
  });
  after(async () => {
    ending.abort();
    await nodes.close();
    await source.stop();
  });
  beforeEach(() => {
    source.release();
    source.delayMs = 0;
    source.isDown = false;
    source.forget();
  });

  async function follow(client: Client): Promise<void> {
    for await (const event of client.events({ signal: ending.signal })) {
      told.push('from' in event ? `${event.keyspace}: ${event.from} > ${event.to}` : event.type);
    }
  }

  /** Keys of the first node. */
  const keysOfOne = async (keyspace: string, count: number): Promise<readonly string[]> => {
    const keys: string[] = [];
    for (let i = 0; keys.length < count; i++) {
      if ((await clients[0]!.locate(keyspace, `key ${i}`)).owner === 'one') keys.push(`key ${i}`);
    }
    return keys;
  };
  const get = (node: RealNode, ...args: readonly string[]) =>
    cli(['get', ...args], { env: { DISTCACHE_ADDR: node.grpc } });
  const codeFrom = (client: Client, keyspace: string, key: string): Promise<string> =>
    client.get(keyspace, key).then(
      () => 'none',
      (error) => codeOf(error) ?? String(error),
    );

  it('its circuit opens: every node says so, and the command line exits with 5; then one probe, and all is well', async () => {
    const keys = await keysOfOne('cut', 40);
    source.isDown = true;
    for (const key of keys.slice(0, failures))
      expect(await codeFrom(clients[1]!, 'cut', key)).to.equal('DATA_SOURCE_FAILED');
    await until('the circuit is open', () => told.includes('cut: closed > open'));
    const { source: status } = await clients[0]!.keyspace('cut');
    expect(status?.breaker).to.include({ state: 'open', failuresMax: failures, opened: 1, resetMs });
    expect(status?.breaker?.nextProbeInMs).to.be.within(0, resetMs);
    const openedAt = source.requests();
    // All of it is over long before the probe, on any machine that runs the tests at all.
    for (const client of clients) expect(await codeFrom(client, 'cut', keys[10]!)).to.equal('DATA_SOURCE_CIRCUIT_OPEN');
    expect(openedAt).to.equal(failures);

    source.hold();
    source.isDown = false;
    await until('one load tries the source', async () => {
      clients[2]!.get('cut', keys[20]!).catch(() => {});
      return source.underway === 1;
    });
    const refused = await Promise.all(
      keys.slice(21).map((key, i) => codeFrom(clients[i % clients.length]!, 'cut', key)),
    );
    expect(new Set(refused)).to.deep.equal(new Set(['DATA_SOURCE_CIRCUIT_OPEN']));
    for (const node of cluster) {
      const { exit, stdout, stderr } = await get(node, 'cut', keys[30]!, '--json');
      expect(exit, stderr).to.equal(5);
      expect(JSON.parse(stdout.toString()).error.code).to.equal('DATA_SOURCE_CIRCUIT_OPEN');
      expect(stderr).to.match(/^Error: .*keyspace 'cut'.*one load is trying it now/);
    }
    expect(source.requests(), 'the probe alone').to.equal(openedAt + 1);
    source.release();
    await until('the circuit is closed', () => told.includes('cut: half-open > closed'));
    expect(told.filter((line) => line.startsWith('cut'))).to.deep.equal([
      'cut: closed > open',
      'cut: open > half-open',
      'cut: half-open > closed',
    ]);
    for (const client of clients) expect(await codeFrom(client, 'cut', keys[31]!)).to.equal('none');
  });

  it('what had been read is answered with, its age told, on every node and the command line', async () => {
    const [key] = (await keysOfOne('kept', 1)) as [string];
    for (const client of clients) await client.get('kept', key);
    await until('it has expired', async () => {
      source.isDown = true;
      return (await clients[0]!.get('kept', key)).outcome === 'stale';
    });
    for (const client of clients) {
      const { outcome, node, staleMs, value } = await client.get('kept', key);
      expect([outcome, node, Buffer.from(value).toString()]).to.deep.equal(['stale', 'one', `document of ${key}`]);
      expect(staleMs).to.be.within(0, 60_000);
    }
    for (const node of cluster) {
      const { exit, stdout } = await get(node, 'kept', key, '--json');
      expect(exit).to.equal(0);
      const entry = JSON.parse(stdout.toString());
      expect(entry).to.include({ found: true, value: `document of ${key}`, outcome: 'stale' });
      expect(entry.stale_ms).to.be.above(0);
    }
  });

  it('what has expired is answered with at once by all nodes, and loaded once behind that', async () => {
    const [key] = (await keysOfOne('behind', 1)) as [string];
    await clients[0]!.get('behind', key);
    source.delayMs = 1000;
    // A node that the machine leaves no time for a second loses touch, and reads the source itself: then again.
    await until('a round of reads is answered from memory alone, with one load behind it', async () => {
      await until('it has expired', async () => (await clients[0]!.get('behind', key)).outcome === 'stale');
      const before = source.requests(key) - source.underway;
      const reads = Array.from({ length: 300 }, (_, i) => clients[i % clients.length]!.get('behind', key));
      const outcomes = new Set((await Promise.all(reads)).map(({ outcome }) => outcome));
      return outcomes.size === 1 && outcomes.has('stale') && source.requests(key) === before + 1;
    });
    source.delayMs = 0;
    await until('it is fresh', async () => (await clients[0]!.get('behind', key)).outcome === 'hit');
  });

  it('one that may not be asked so often: every node says so, and the command line exits with 5', async () => {
    const keys = await keysOfOne('few', 10);
    expect(await codeFrom(clients[1]!, 'few', keys[0]!)).to.equal('none');
    for (const [index, node] of cluster.entries()) {
      expect(await codeFrom(clients[index]!, 'few', keys[1]!)).to.equal('DATA_SOURCE_RATE_LIMITED');
      const { exit, stderr } = await get(node, 'few', keys[2]!);
      expect(exit, stderr).to.equal(5);
      expect(stderr).to.match(/^Error: .*keyspace 'few'.*next load may start in (59m|1h)/);
    }
    expect(source.requests()).to.equal(1);
    expect((await clients[0]!.keyspace('few')).source).to.deep.include({ breaker: undefined });
  });
});
