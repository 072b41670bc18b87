import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { resolveOptions } from '../../../src/engine/options.js';
import type { DataSource } from '../../../src/ports/data-source.js';
import { ks, TestCluster } from '../../support/cluster.js';

const outcomeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error) => `${codeOf(error) ?? 'thrown'}: ${messageOf(error)}`,
  );
const never = (): Promise<never> => new Promise(() => {});

describe('engine: data sources at start and stop', () => {
  const one = async (source: Partial<DataSource>): Promise<{ cluster: TestCluster; source: DataSource }> => {
    const dataSource: DataSource = { fetch: () => 'v', ...source };
    const cluster = await TestCluster.of({ nodes: 0, keyspace: { dataSource } });
    cluster.make('node-1', 1);
    return { cluster, source: dataSource };
  };
  const open = (cluster: TestCluster, ms = 5000): Promise<string> =>
    cluster.run(outcomeOf(cluster.node(0).engine.open(cluster.wait(ms))));
  const close = (cluster: TestCluster, ms = 5000): Promise<string> =>
    cluster.run(outcomeOf(cluster.node(0).engine.close(cluster.wait(ms))));

  it('are opened once and closed once', async () => {
    const calls: string[] = [];
    const { cluster } = await one({
      open: async () => void calls.push('open'),
      close: async () => void calls.push('close'),
    });
    expect([await open(cluster), await open(cluster), await close(cluster), await close(cluster)]).to.deep.equal(
      Array(4).fill('done'),
    );
    expect(calls).to.deep.equal(['open', 'close']);
    expect(cluster.clock.pending()).to.equal(0);
  });

  it('one that throws at once in open fails the start, and nothing is left running', async () => {
    const { cluster } = await one({
      open: () => {
        throw new Error('no such file');
      },
    });
    expect(await open(cluster)).to.equal('thrown: no such file');
    expect(cluster.node(0).engine.status().state).to.equal('stopped');
    expect(cluster.clock.pending()).to.equal(0);
  });

  it('one that never opens fails the start in its time, by the name of its keyspace', async () => {
    const { cluster } = await one({ open: never });
    expect(await open(cluster, 3000)).to.equal(
      "TIMEOUT: opening the data source of keyspace 'ks' did not finish within 3000 ms",
    );
    expect(cluster.clock.nowMs()).to.be.below(3000 + 1001);
    expect(cluster.clock.pending()).to.equal(0);
  });

  it('one that never opens does not hold up a caller who gives up', async () => {
    const { cluster } = await one({ open: never });
    const controller = new AbortController();
    const starting = outcomeOf(cluster.node(0).engine.open({ ...cluster.wait(30_000), signal: controller.signal }));
    await cluster.clock.advance(100);
    controller.abort();
    expect(await cluster.run(starting)).to.match(/^ABORTED/);
    // What it holds would be closed if it opened now; that is waited for as long as for any closing.
    expect(cluster.clock.nowMs()).to.be.at.most(100 + 1000);
  });

  for (const [name, closing] of [
    [
      'throws at once',
      (): never => {
        throw new Error('busy');
      },
    ],
    ['rejects', (): Promise<never> => Promise.reject(new Error('busy'))],
  ] as const) {
    it(`one that ${name} when it is closed is logged, and the stop goes on`, async () => {
      const { cluster } = await one({ close: closing });
      await open(cluster);
      expect(await close(cluster)).to.equal('done');
      expect(cluster.node(0).engine.status().state).to.equal('stopped');
      expect(cluster.node(0).logged.map(({ message }) => message)).to.deep.equal([
        "the data source of 'ks' did not close cleanly",
      ]);
    });
  }

  it('one that never closes is logged and left behind at the deadline', async () => {
    const { cluster } = await one({ close: never });
    await open(cluster);
    expect(await close(cluster, 2000)).to.equal('done');
    expect(cluster.clock.nowMs()).to.equal(2000);
    expect(cluster.node(0).logged).to.have.length(1);
    expect(cluster.clock.pending()).to.equal(0);
  });

  it('they get a second to close when nothing was left of the time', async () => {
    const { cluster } = await one({
      close: () => new Promise((resolve) => void cluster.clock.after(900, resolve)),
    });
    await open(cluster);
    expect(await close(cluster, 0)).to.equal('done');
    expect(cluster.clock.nowMs()).to.equal(900);
    expect(cluster.node(0).logged).to.deep.equal([]);
  });
});

describe('engine: start and stop of a node whose peers are not there', () => {
  it('a stop during start ends the start at once', async () => {
    const cluster = await TestCluster.of({ nodes: 0 });
    const { engine } = cluster.make('node-1', 3);
    // Its peers neither answer nor refuse.
    for (const other of ['node-2', 'node-3']) cluster.network.cut('node-1:3320', `${other}:3320`);
    const starting = outcomeOf(engine.open(cluster.wait(30_000)));
    await cluster.clock.advance(500);
    const stopping = engine.close(cluster.wait(1000));
    expect(await cluster.run(starting)).to.match(/^NOT_STARTED/);
    expect(cluster.clock.nowMs()).to.equal(500);
    await cluster.run(stopping);
    expect(cluster.clock.pending()).to.equal(0);
  });

  it('stop before start makes start impossible, and opens nothing', async () => {
    const opened: string[] = [];
    const dataSource = { fetch: () => null, open: async () => void opened.push('open') };
    const cluster = await TestCluster.of({ nodes: 0, keyspace: { dataSource } });
    const { engine } = cluster.make('node-1', 1);
    await cluster.run(engine.close(cluster.wait(1000)));
    expect(await cluster.run(outcomeOf(engine.open(cluster.wait(1000))))).to.match(/^NOT_STARTED/);
    expect(opened).to.deep.equal([]);
  });

  it('a peer that is dead does not hold the stop up', async () => {
    const cluster = await TestCluster.of();
    cluster.network.crash('node-2:3320', { silent: true });
    const beganMs = cluster.clock.nowMs();
    await cluster.run(cluster.node(0).engine.close(cluster.wait(30_000)));
    expect(cluster.clock.nowMs() - beganMs).to.be.at.most(500);
    await cluster.stop();
    expect(cluster.clock.pending()).to.equal(0);
  });

  it('a caller of stop who gives up ends the wait for what is under way', async () => {
    const cluster = await TestCluster.of({ nodes: 1, fetch: never });
    const { engine } = cluster.node(0);
    const reading = outcomeOf(engine.get(ks, 'k'));
    const controller = new AbortController();
    const stopping = engine.close({ ...cluster.wait(30_000), signal: controller.signal });
    await cluster.clock.advance(100);
    controller.abort();
    expect(await cluster.run(reading)).to.match(/^NOT_STARTED/);
    await cluster.run(stopping);
    // What it holds would be closed if it opened now; that is waited for as long as for any closing.
    expect(cluster.clock.nowMs()).to.be.at.most(100 + 1000);
    expect(cluster.clock.pending()).to.equal(0);
  });
});

describe('engine: options from JavaScript', () => {
  const context = { totalMemoryBytes: 2 ** 30, evictionPolicies: ['lru'] };
  const rows: readonly [string, unknown, RegExp][] = [
    ['undefined', undefined, /keyspaces is not an array/],
    ['null', null, /keyspaces is not an array/],
    ['no keyspaces', {}, /keyspaces is not an array/],
    ['an object of keyspaces', { keyspaces: { users: {} } }, /keyspaces is not an array/],
    ['a keyspace that is null', { keyspaces: [null] }, /keyspaces\[0\] is null/],
    [
      'a keyspace that is a name',
      { keyspaces: ['users'] },
      /keyspaces\[0\] is users.*keyspaces\[0\]\.name is not a name/,
    ],
    ['an empty keyspace', { keyspaces: [{}] }, /name is not a name.*dataSource has no fetch.*maxBytes is undefined/],
    ['a name that is a number', { keyspaces: [{ name: 42 }] }, /keyspaces\[0\]\.name is not a name/],
    ['a source that is a function', { keyspaces: [{ name: 'a', dataSource: () => 'v' }] }, /dataSource has no fetch/],
    ['a size that is a date', { keyspaces: [{ name: 'a', maxBytes: new Date(0) }] }, /maxBytes is /],
  ];
  for (const [name, options, message] of rows) {
    it(`${name}: INVALID_ARGUMENT that says what is wrong`, () => {
      let thrown: unknown;
      try {
        resolveOptions(options as never, context);
      } catch (error) {
        thrown = error;
      }
      expect(codeOf(thrown)).to.equal('INVALID_ARGUMENT');
      expect(messageOf(thrown)).to.match(message);
    });
  }

  const good = { maxBytes: '1MiB', dataSource: { fetch: () => null } };
  for (const name of ['a', 'a/b', 'ключ', '😀', 'x'.repeat(128), '__proto__', 'constructor', ' ', 'a b', '..']) {
    it(`a keyspace may be named ${JSON.stringify(name.slice(0, 20))}`, () => {
      expect(resolveOptions({ keyspaces: [{ ...good, name }] }, context).keyspaces[0]!.name).to.equal(name);
    });
  }
  for (const [what, name] of [
    ['of 129 bytes', 'x'.repeat(129)],
    ['of 129 bytes in fewer characters', `${'é'.repeat(64)}x`],
    ['with NUL', 'a\u0000'],
    ['with a lone surrogate', 'a\ud800'],
    ['that another has', 'twice'],
  ] as const) {
    it(`a keyspace may not have a name ${what}`, () => {
      const keyspaces = [
        { ...good, name: 'twice' },
        { ...good, name },
      ];
      expect(() => resolveOptions({ keyspaces }, context)).to.throw(/keyspaces\[1\]\.name/);
    });
  }
});
