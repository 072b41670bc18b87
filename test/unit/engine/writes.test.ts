import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { bytesOf, type ClusterOptions, ks, TestCluster, type TestNode, textOf } from '../../support/cluster.js';

const codeOfRejected = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error) => codeOf(error) ?? String(error),
  );

describe('engine: writes', () => {
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

  type Write = (node: TestNode, key: string) => Promise<unknown>;
  const kinds: readonly [string, Write, string | undefined][] = [
    ['put', ({ engine }, key) => engine.put(ks, { key, value: bytesOf('new') }), 'new'],
    [
      'putMany',
      ({ engine }, key) =>
        engine.putMany(ks, [
          { key, value: bytesOf('new') },
          { key: 'x', value: bytesOf('y') },
        ]),
      'new',
    ],
    ['delete', ({ engine }, key) => engine.delete(ks, key), 'fresh from the source'],
    ['deleteMany', ({ engine }, key) => engine.deleteMany(ks, [key, 'x']), 'fresh from the source'],
  ];

  for (const [name, write, after] of kinds) {
    it(`after ${name} has returned on any node, no node answers with the older value`, async () => {
      await start();
      for (const [index, node] of cluster.nodes.entries()) {
        const key = `key-${index}`;
        await known(key, 'old');
        source.set(key, 'fresh from the source');
        await cluster.run(write(node, key));
        expect(await everywhere(key), `written on ${node.name}`).to.deep.equal([after, after, after]);
      }
    });

    it(`${name} that falls into a running 500 ms load is not undone by it`, async () => {
      const answers = ['old', 'fresh from the source'];
      await start({
        fetch: () => {
          const value = answers.shift() ?? 'fresh from the source';
          return new Promise((resolve) => {
            cluster.clock.after(500, () => resolve(value));
          });
        },
      });
      const early = Promise.all(
        cluster.nodes.map(({ engine }) => engine.get(ks, 'key').then(({ value }) => textOf(value))),
      );
      await cluster.clock.advance(200);
      await cluster.run(write(cluster.node(0), 'key'));
      const late = await everywhere('key');
      expect(late).to.deep.equal([after, after, after]);
      // Who asked before the write gets what was put, or what the load brought, which is stored nowhere.
      const told = after === 'new' ? 'new' : 'old';
      expect(await cluster.run(early)).to.deep.equal([told, told, told]);
      expect(await everywhere('key')).to.deep.equal([after, after, after]);
    });
  }

  it('gives versions that grow, the same on every node', async () => {
    await start();
    const versions: number[] = [];
    for (let i = 0; i < 6; i++) {
      const result = await cluster.run(cluster.node(i % 3).engine.put(ks, { key: 'k', value: bytesOf(`v${i}`) }));
      expect(result.node).to.equal(cluster.ownerOf('k').name);
      expect(result.unreached).to.deep.equal([]);
      versions.push(result.version);
    }
    expect(versions).to.deep.equal([...new Set(versions)].sort((a, b) => a - b));
    const read = await cluster.run(Promise.all(cluster.nodes.map(({ engine }) => engine.get(ks, 'k'))));
    expect(new Set(read.map(({ version }) => version))).to.deep.equal(new Set([versions.at(-1)]));
  });

  it('of concurrent puts of one key every node ends with the same', async () => {
    await start();
    await cluster.run(
      Promise.all(
        Array.from({ length: 50 }, (_, i) => cluster.node(i % 3).engine.put(ks, { key: 'k', value: bytesOf(`v${i}`) })),
      ),
    );
    expect(new Set(await everywhere('k')).size).to.equal(1);
  });

  it('names a peer that did not confirm in time, and does not take longer than its time-out', async () => {
    await start({ keyspace: { writeTimeout: '1s' } });
    const key = cluster.keyOwnedBy(cluster.node(0));
    cluster.network.freeze(cluster.node(2).address);
    const result = await cluster.run(cluster.node(0).engine.put(ks, { key, value: bytesOf('v') }), 1000);
    expect(result.unreached).to.deep.equal(['node-3']);
    const many = await cluster.run(cluster.node(1).engine.deleteMany(ks, [key]), 1000);
    expect(many.unreached).to.deep.equal(['node-3']);
  });

  it('copies what it is given, and hands out copies', async () => {
    await start();
    const { engine } = cluster.ownerOf('k');
    const given = bytesOf('abc');
    const put = engine.put(ks, { key: 'k', value: given });
    given.fill(0);
    await cluster.run(put);
    const first = await engine.get(ks, 'k');
    expect(textOf(first.value)).to.equal('abc');
    first.value.fill(0);
    expect(textOf((await engine.get(ks, 'k')).value)).to.equal('abc');
    const lent = await engine.get(ks, 'k', { shared: true });
    expect(lent.value).to.equal((await engine.get(ks, 'k', { shared: true })).value);
  });

  describe('lifetimes', () => {
    const life = async (given: Record<string, unknown>, keyspace = {}): Promise<number | undefined> => {
      await start({ nodes: 1, keyspace });
      const { engine } = cluster.node(0);
      await cluster.run(engine.put(ks, { key: 'k', value: bytesOf('v'), ...given }));
      const { expiresAt } = await engine.get(ks, 'k');
      return expiresAt && expiresAt.getTime() - cluster.clock.wallMs();
    };

    it('the entry beats expiresAt(key), which beats defaultTtl', async () => {
      const at = (ms: number): Date => new Date(Date.UTC(2026, 0, 1) + ms);
      expect(await life({ ttlMs: 1000 }, { defaultTtl: '1m', expiresAt: () => at(30_000) })).to.equal(1000);
      await cluster.stop();
      expect(await life({}, { defaultTtl: '1m', expiresAt: () => at(30_000) })).to.equal(30_000);
      await cluster.stop();
      expect(await life({}, { defaultTtl: '1m', expiresAt: () => undefined })).to.equal(60_000);
      await cluster.stop();
      expect(await life({})).to.equal(undefined);
      await cluster.stop();
      expect(await life({ ttlMs: Number.POSITIVE_INFINITY }, { defaultTtl: '1m' })).to.equal(undefined);
      await cluster.stop();
      expect(await life({ expiresAt: at(5000) }, { defaultTtl: '1m' })).to.equal(5000);
    });

    it('the longest is 36500 days; a later date counts as that, one that no Date can hold is the last there is', async () => {
      const longestMs = 36_500 * 86_400_000;
      expect(await life({ ttlMs: longestMs })).to.equal(longestMs);
      await cluster.stop();
      expect(await life({ expiresAt: new Date(Date.UTC(9999, 11, 31)) })).to.equal(longestMs);
      await cluster.stop();
      await start({ nodes: 1, fetch: () => ({ value: 'v', ttlMs: 1e20 }) });
      const { expiresAt } = await cluster.run(cluster.node(0).engine.get(ks, 'k'));
      expect(expiresAt?.getTime()).to.equal(8.64e15);
    });

    it('an entry is gone when its time is over, also one of 1 ms and one beyond the reach of a timer', async () => {
      await start({ nodes: 1 });
      const { engine } = cluster.node(0);
      const monthMs = 31 * 86_400_000;
      await cluster.run(engine.put(ks, { key: 'short', value: bytesOf('v'), ttlMs: 1 }));
      await cluster.run(engine.put(ks, { key: 'long', value: bytesOf('v'), ttlMs: monthMs }));
      expect((await engine.get(ks, 'long')).outcome).to.equal('hit');
      cluster.clock.skip(1);
      expect(await codeOfRejected(cluster.run(engine.get(ks, 'short')))).to.equal('NOT_FOUND');
      cluster.clock.skip(monthMs - 2);
      expect((await engine.get(ks, 'long')).outcome).to.equal('hit');
      cluster.clock.skip(2);
      expect(await codeOfRejected(cluster.run(engine.get(ks, 'long')))).to.equal('NOT_FOUND');
    });

    it('expired bytes come free without anybody reading', async () => {
      await start({ nodes: 1 });
      const { engine } = cluster.node(0);
      const entries = Array.from({ length: 500 }, (_, i) => ({ key: `k${i}`, value: bytesOf('v'), ttlMs: 2000 }));
      await cluster.run(engine.putMany(ks, entries));
      expect(engine.stats()[ks]).to.include({ entries: 500 });
      await cluster.clock.advance(5000);
      expect(engine.stats()[ks]).to.include({ entries: 0, main_cache_bytes: 0, expirations: 500 });
    });

    for (const [name, stepMs] of [
      ['back', -3_600_000],
      ['ahead', 3_600_000],
    ] as const) {
      it(`a wall clock that steps an hour ${name} moves no expiry`, async () => {
        await start({ nodes: 1 });
        const { engine } = cluster.node(0);
        await cluster.run(engine.put(ks, { key: 'k', value: bytesOf('v'), ttlMs: 10_000 }));
        cluster.clock.stepWall(stepMs);
        cluster.clock.skip(9999);
        expect((await engine.get(ks, 'k')).outcome).to.equal('hit');
        cluster.clock.skip(2);
        expect(await codeOfRejected(cluster.run(engine.get(ks, 'k')))).to.equal('NOT_FOUND');
      });
    }

    it('jitter shortens the default by up to its part, and never lengthens it', async () => {
      await start({ nodes: 1, keyspace: { defaultTtl: '100s', ttlJitter: 0.1 }, fetch: () => 'v' });
      const { engine } = cluster.node(0);
      const lives: number[] = [];
      for (let i = 0; i < 100; i++) {
        const { expiresAt } = await cluster.run(engine.get(ks, `k${i}`));
        lives.push(expiresAt!.getTime() - cluster.clock.wallMs());
      }
      expect(Math.min(...lives)).to.be.within(90_000, 92_000);
      expect(Math.max(...lives)).to.be.within(98_000, 100_000);
    });

    it('a source may say how long its value stays good; 0 serves it without keeping it', async () => {
      await start({ nodes: 1, fetch: (key) => ({ value: 'v', ttlMs: key === 'never' ? 0 : 1234 }) });
      const { engine } = cluster.node(0);
      await cluster.run(engine.get(ks, 'never'));
      expect(engine.peek(ks, 'never')).to.equal(undefined);
      const { expiresAt } = await cluster.run(engine.get(ks, 'k'));
      expect(expiresAt!.getTime() - cluster.clock.wallMs()).to.equal(1234);
    });
  });

  describe('bad input', () => {
    const keys: readonly [string, unknown, string][] = [
      ['the empty key', '', 'INVALID_ARGUMENT'],
      ['a key of maxKeyBytes + 1', 'k'.repeat(4097), 'INVALID_ARGUMENT'],
      ['a key of maxKeyBytes + 1 in fewer characters', 'é'.repeat(2049), 'INVALID_ARGUMENT'],
      ['a lone surrogate', 'a\ud800', 'INVALID_ARGUMENT'],
      ['a number', 42, 'TypeError'],
      ['undefined', undefined, 'TypeError'],
      ['null', null, 'TypeError'],
    ];
    const nameOf = (error: unknown): string =>
      error instanceof TypeError ? 'TypeError' : (codeOf(error) ?? String(error));
    for (const [name, key, expected] of keys) {
      it(`${name} is refused by every method`, async () => {
        await start({ nodes: 1 });
        const { engine } = cluster.node(0);
        const bad = key as string;
        const calls = [
          engine.get(ks, bad),
          engine.getMany(ks, [bad]),
          engine.put(ks, { key: bad, value: bytesOf('v') }),
          engine.putMany(ks, [{ key: bad, value: bytesOf('v') }]),
          engine.delete(ks, bad),
          engine.deleteMany(ks, [bad]),
        ];
        const outcomes = await cluster.run(Promise.allSettled(calls));
        expect(outcomes.map((o) => (o.status === 'rejected' ? nameOf(o.reason) : 'accepted'))).to.deep.equal(
          Array(6).fill(expected),
        );
        expect(cluster.fetched.size).to.equal(0);
      });
    }

    it('keys that look alike are different keys with the same owner on all nodes', async () => {
      const alike = [
        '\u00e9',
        'e\u0301',
        'a/b',
        'a%2Fb',
        '..',
        '//',
        'a\u0000b',
        ' ',
        '\n',
        '__proto__',
        'constructor',
        '9007199254740992',
        '9007199254740993',
        '👩‍👩‍👧',
        'k'.repeat(4096),
      ];
      await start({ fetch: (key) => `v:${key}` });
      for (const key of alike) {
        expect(new Set(cluster.nodes.map(({ engine }) => engine.owner(ks, key))).size).to.equal(1);
        expect(await everywhere(key)).to.deep.equal(Array(3).fill(`v:${key}`));
      }
      expect(cluster.fetched.size).to.equal(alike.length);
    });

    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const values: readonly [string, unknown, string][] = [
      ['undefined', undefined, 'TypeError'],
      ['null', null, 'TypeError'],
      ['a number', 42, 'TypeError'],
      ['a string', 'text', 'TypeError'],
      ['an ArrayBuffer', new ArrayBuffer(8), 'TypeError'],
      ['shared memory', new Uint8Array(new SharedArrayBuffer(8)), 'TypeError'],
      ['detached memory', detached, 'TypeError'],
      ['maxValueBytes + 1', new Uint8Array(1025), 'VALUE_TOO_LARGE'],
    ];
    for (const [name, value, expected] of values) {
      it(`a value that is ${name} is refused and nothing is evicted`, async () => {
        await start({ core: { limits: { maxValueBytes: 1024 } } });
        const [node] = cluster.nodes;
        await cluster.run(node!.engine.put(ks, { key: 'kept', value: bytesOf('v') }));
        const error = await cluster.run(
          node!.engine.put(ks, { key: 'k', value: value as Uint8Array }).then(
            () => undefined,
            (thrown) => thrown,
          ),
        );
        expect(nameOf(error)).to.equal(expected);
        if (expected === 'VALUE_TOO_LARGE') expect(error.message).to.include('limits.maxValueBytes');
        expect(await everywhere('kept')).to.deep.equal(['v', 'v', 'v']);
      });
    }

    it('a value larger than the cache is refused by name of the limit on whichever node, and nothing is evicted', async () => {
      await start({ keyspace: { maxBytes: 64 * 1024 } });
      await cluster.run(cluster.node(0).engine.put(ks, { key: 'kept', value: bytesOf('v') }));
      for (const { engine } of cluster.nodes) {
        const error = await cluster.run(
          engine.put(ks, { key: 'big', value: new Uint8Array(70_000) }).then(
            () => undefined,
            (thrown) => thrown,
          ),
        );
        expect(error.code).to.equal('VALUE_TOO_LARGE');
        expect(error.message).to.include('maxBytes');
      }
      expect(await everywhere('kept')).to.deep.equal(['v', 'v', 'v']);
    });

    for (const [name, given] of [
      ['ttlMs 0', { ttlMs: 0 }],
      ['ttlMs -1', { ttlMs: -1 }],
      ['ttlMs NaN', { ttlMs: Number.NaN }],
      ['ttlMs beyond 36500 days', { ttlMs: 36_501 * 86_400_000 }],
      ['an expiresAt that has passed', { expiresAt: new Date(0) }],
      ['an expiresAt that is no date', { expiresAt: new Date(Number.NaN) }],
    ] as const) {
      it(`${name} is refused`, async () => {
        await start({ nodes: 1 });
        expect(
          await codeOfRejected(
            cluster.run(cluster.node(0).engine.put(ks, { key: 'k', value: bytesOf('v'), ...given })),
          ),
        ).to.equal('INVALID_ARGUMENT');
      });
    }

    it('an unknown keyspace is named, with those there are', async () => {
      await start({ nodes: 1 });
      const error = await cluster.run(
        cluster
          .node(0)
          .engine.get('nope', 'k')
          .then(
            () => undefined,
            (thrown) => thrown,
          ),
      );
      expect(error.code).to.equal('KEYSPACE_NOT_FOUND');
      expect(error.message).to.match(/'nope'.*ks/);
    });

    it('a batch beyond maxBatch is refused whole', async () => {
      await start({ nodes: 1, core: { limits: { maxBatch: 3 } } });
      expect(await codeOfRejected(cluster.run(cluster.node(0).engine.getMany(ks, ['a', 'b', 'c', 'd'])))).to.equal(
        'INVALID_ARGUMENT',
      );
      expect(cluster.fetched.size).to.equal(0);
    });
  });
});
