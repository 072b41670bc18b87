import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { configJsonSchema } from '../../../src/config/json-schema.js';
import { notYet } from '../../../src/config/not-yet.js';
import type { KeyspaceOptions } from '../../../src/engine/options.js';
import { Engine } from '../../../src/index.js';
import type { Entry, EvictionIndex, EvictionIndexFactory } from '../../../src/store/entry.js';
import { ks, TestCluster, type TestNode } from '../../support/cluster.js';

/** Where the effect of each option of a keyspace is shown, beside this file; '' where it is not in force yet. */
const shownIn: Readonly<Record<string, string>> = {
  maxBytes: 'unit/engine/faults',
  eviction: 'unit/engine/keyspace-options',
  defaultTtl: 'unit/engine/writes',
  ttlJitter: 'unit/engine/writes',
  negativeTtl: 'unit/engine/reads',
  staleWhileRevalidate: 'unit/engine/stale',
  staleIfError: 'unit/engine/stale',
  hotShare: 'unit/engine/keyspace-options',
  readTimeout: 'unit/engine/keyspace-options',
  writeTimeout: 'unit/engine/writes',
  warmKeys: 'unit/engine/warmup',
  batch: 'unit/source/batches',
  rateLimit: 'unit/source/rate-limiter',
  breaker: 'unit/source/breaker',
  source: 'contract/data-source.local',
};

const outcomeOf = (call: Promise<{ readonly outcome: string }>): Promise<string> =>
  call.then(
    ({ outcome }) => outcome,
    (error) => codeOf(error) ?? String(error),
  );

/** Gives up what was set last: the opposite of what lru would do with keys that are set once. */
const stack: EvictionIndexFactory = <E extends Entry>(): EvictionIndex<E> => {
  const entries = new Map<string, E>();
  return {
    get size() {
      return entries.size;
    },
    get: (key) => entries.get(key),
    peek: (key) => entries.get(key),
    set: (key, entry) => {
      entries.delete(key);
      entries.set(key, entry);
    },
    delete: (key) => void entries.delete(key),
    evict: () => {
      const last = [...entries.values()].at(-1);
      if (last !== undefined) entries.delete(last.key);
      return last;
    },
    clear: () => entries.clear(),
    forEach: (visit) => [...entries.values()].forEach(visit),
  };
};

describe('the options of a keyspace', () => {
  it('are each shown to have their effect somewhere', () => {
    const schema = configJsonSchema() as {
      properties: { keyspaces: { additionalProperties: { properties: Record<string, unknown> } } };
    };
    expect(Object.keys(shownIn).sort()).to.deep.equal(
      Object.keys(schema.properties.keyspaces.additionalProperties.properties).sort(),
    );
    for (const [option, file] of Object.entries(shownIn)) {
      expect(
        notYet.some(({ path }) => path === `keyspaces.*.${option}`),
        option,
      ).to.equal(file === '');
      const path = fileURLToPath(new URL(`../../${file}.test.ts`, import.meta.url));
      if (file !== '')
        expect(readFileSync(path, 'utf8'), file).to.match(new RegExp(`\\b(${option}|dataSource)\\b`, 'i'));
    }
  });

  it('eviction names the policy that decides what makes room', async () => {
    const kept: Record<string, readonly string[]> = {};
    for (const eviction of ['lru', 'stack']) {
      const dataSource = { fetch: () => 'x'.repeat(1000) };
      const engine = new Engine({
        keyspaces: [{ name: 'ks', maxBytes: '16KiB', hotShare: 0, eviction, dataSource }],
        evictionPolicies: { stack },
      });
      await engine.start();
      const keys = Array.from({ length: 30 }, (_, i) => `k${String(i).padStart(2, '0')}`);
      for (const key of keys) await engine.get('ks', key);
      kept[eviction] = keys.filter((key) => engine.peek('ks', key) !== undefined);
      expect(engine.stats().ks!.main_cache_bytes).to.be.at.most(16_384);
      await engine.stop();
    }
    expect(kept.lru!.at(-1)).to.equal('k29');
    expect(kept.stack![0]).to.equal('k00');
    expect(kept.lru!.filter((key) => kept.stack!.includes(key))).to.deep.equal([]);
    expect(kept.lru!.length).to.be.above(5);
  });

  describe('in a cluster', () => {
    let cluster: TestCluster;
    afterEach(() => cluster.stop());
    const start = async (keyspace: Partial<KeyspaceOptions>, more: object = {}): Promise<void> => {
      cluster = await TestCluster.of({ keyspace, ...more });
    };
    const read = (node: TestNode, key: string): Promise<string> => cluster.run(outcomeOf(node.engine.lookup(ks, key)));

    for (const [hotShare, again] of [
      [0, 'hit'],
      [0.25, 'hot'],
    ] as const) {
      it(`hotShare ${hotShare}: what another node owns is ${again === 'hot' ? 'copied' : 'asked for'} each time, within its part`, async () => {
        await start({ hotShare, maxBytes: '64KiB' }, { nodes: 2 });
        const [reader, owner] = cluster.nodes as [TestNode, TestNode];
        const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`).filter((key) => cluster.ownerOf(key) === owner);
        for (const key of keys) {
          // Where copies fill their part, one is taken in when its key is asked for the second time.
          await read(reader, key);
          await read(reader, key);
          expect(await read(reader, key)).to.equal(again);
          expect(reader.engine.stats()[ks]!.hot_cache_bytes).to.be.at.most(65_536 * hotShare);
        }
      });
    }

    it('readTimeout bounds a read, and a little less than it the load behind it, on every node', async () => {
      await start({ readTimeout: '2s' }, { fetch: () => new Promise(() => {}) });
      for (const node of cluster.nodes) {
        const beganMs = cluster.clock.nowMs();
        expect(await read(node, 'k')).to.equal('TIMEOUT');
        expect(cluster.clock.nowMs() - beganMs).to.be.within(1800, 2000);
      }
      expect(cluster.ownerOf('k').engine.describeKeyspace(ks).source).to.deep.include({
        loadTimeoutMs: 1800,
        running: 0,
      });
    });

    it('what an entry, or expiresAt, says of its life is not jittered; what defaultTtl and negativeTtl say is', async () => {
      const lives = async (key: (i: number) => string): Promise<number> => {
        const ages = new Set<number>();
        for (let i = 0; i < 20; i++) {
          const found = await cluster.run(cluster.node(0).engine.lookup(ks, key(i)));
          ages.add(Math.round(found.expiresAt!.getTime() - cluster.clock.wallMs()));
        }
        return ages.size;
      };
      await start(
        {
          defaultTtl: 100_000,
          negativeTtl: 100_000,
          ttlJitter: 0.5,
          expiresAt: (key) => (key.startsWith('dated') ? new Date(cluster.clock.wallMs() + 5000) : undefined),
        },
        {
          nodes: 1,
          fetch: (key: string) =>
            key.startsWith('absent') ? null : key.startsWith('own') ? { value: 'v', ttlMs: 7000 } : 'v',
        },
      );
      expect(await lives((i) => `own ${i}`)).to.equal(1);
      expect(await lives((i) => `dated ${i}`)).to.equal(1);
      expect(await lives((i) => `default ${i}`)).to.be.above(15);
      expect(await lives((i) => `absent ${i}`)).to.be.above(15);
    });

    it('rateLimit and breaker of a keyspace stand in place of those of all, each with a bucket and a circuit of its own', async () => {
      const names = ['inherits', 'also', 'own', 'none'] as const;
      const own: Readonly<Record<(typeof names)[number], Partial<KeyspaceOptions>>> = {
        inherits: {},
        also: {},
        own: { rateLimit: { rate: '1/m', burst: 5 }, breaker: { failures: 4, reset: '1m' } },
        none: { rateLimit: false, breaker: false },
      };
      await start(
        {},
        {
          nodes: 1,
          core: { source: { rateLimit: 0.01, burst: 3, wait: '1ms', breaker: { failures: 2, reset: '10s' } } },
          keyspacesOf: (_: string, usual: KeyspaceOptions) => names.map((name) => ({ ...usual, name, ...own[name] })),
          fetch: (key: string) => {
            if (key.startsWith('bad')) throw new Error('down');
            return 'v';
          },
        },
      );
      const { engine } = cluster.node(0);
      const fates = async (name: string, prefix: string): Promise<string> => {
        const all: string[] = [];
        for (let i = 0; i < 8; i++) all.push(await cluster.run(outcomeOf(engine.lookup(name, `${prefix} ${i}`))));
        return all
          .map((fate) => ({ load: '.', DATA_SOURCE_RATE_LIMITED: 'l', DATA_SOURCE_FAILED: 'f' })[fate] ?? 'o')
          .join('');
      };
      expect(await fates('inherits', 'good')).to.equal('...lllll');
      expect(await fates('also', 'bad')).to.equal('ffoooooo');
      expect(await fates('own', 'good')).to.equal('.....lll');
      expect(await fates('none', 'good')).to.equal('........');
      expect(await fates('none', 'bad')).to.equal('ffffffff');
      const status = (name: string) => engine.describeKeyspace(name).source;
      expect(status('inherits')?.rateLimit).to.include({ perSecond: 0.01, burst: 3, waitMs: 1, tokens: 0 });
      expect(status('also')?.breaker).to.include({ state: 'open', resetMs: 10_000 });
      expect(status('own')?.breaker).to.include({ state: 'closed', failuresMax: 4, resetMs: 60_000 });
      expect([status('none')?.breaker, status('none')?.rateLimit]).to.deep.equal([undefined, undefined]);
    });

    it('a breaker that changes is told as an event, and reset closes it', async () => {
      await start(
        { breaker: { failures: 1, reset: '10s' } },
        { nodes: 1, fetch: () => Promise.reject(new Error('down')) },
      );
      const { engine } = cluster.node(0);
      const events = engine.events();
      expect(await read(cluster.node(0), 'a')).to.equal('DATA_SOURCE_FAILED');
      engine.resetBreaker(ks);
      expect(await read(cluster.node(0), 'b')).to.equal('DATA_SOURCE_FAILED');
      await cluster.clock.advance(10_000);
      expect(await read(cluster.node(0), 'c')).to.equal('DATA_SOURCE_FAILED');
      const seen: string[] = [];
      while (seen.length < 5) {
        const { value } = await events.next();
        if (value?.type === 'breaker-changed') seen.push(`${value.keyspace}: ${value.from} > ${value.to}`);
      }
      expect(seen).to.deep.equal(
        ['closed > open', 'open > closed', 'closed > open', 'open > half-open', 'half-open > open'].map(
          (change) => `${ks}: ${change}`,
        ),
      );
      expect(() => engine.resetBreaker('nowhere')).to.throw("there is no keyspace 'nowhere'");
    });
  });

  it('protection that cannot be is refused by name', async () => {
    const dataSource = { fetch: () => null };
    const rows: readonly [Partial<KeyspaceOptions>, object, string][] = [
      [{ rateLimit: { rate: 0 } }, {}, 'keyspaces[0].rateLimit.rate is 0, must be loads per second'],
      [{ rateLimit: { rate: '5' } }, {}, "keyspaces[0].rateLimit.rate is '5'"],
      [{ rateLimit: { rate: 1, burst: 0 } }, {}, 'keyspaces[0].rateLimit.burst is 0, must be a whole number from 1'],
      [{ rateLimit: { rate: 1, burst: 1.5 } }, {}, 'keyspaces[0].rateLimit.burst is 1.5'],
      [{ rateLimit: { rate: 1, wait: -1 } }, {}, 'keyspaces[0].rateLimit.wait is -1'],
      [{ rateLimit: true as never }, {}, 'keyspaces[0].rateLimit is true, must be { rate, burst?, wait? }, or false'],
      [{ breaker: { failures: 0, reset: 1 } }, {}, 'keyspaces[0].breaker.failures is 0'],
      [
        { breaker: { failures: 1 } as never },
        {},
        'keyspaces[0].breaker.reset is missing; a breaker needs { failures, reset }',
      ],
      [{ breaker: 5 as never }, {}, 'keyspaces[0].breaker is 5, must be { failures, reset }, or false'],
      [{ staleIfError: 'soon' }, {}, "keyspaces[0].staleIfError is 'soon'"],
      [{ staleWhileRevalidate: Number.NaN }, {}, 'keyspaces[0].staleWhileRevalidate is NaN'],
      [{}, { burst: 5 }, 'source.burst has no effect without source.rateLimit'],
      [{}, { rateLimit: '5/s', wait: 'x' }, "source.wait is 'x'"],
      [{}, { breaker: { failures: 1, reset: 0 } }, 'source.breaker.reset is 0'],
    ];
    for (const [keyspace, source, message] of rows) {
      const make = () => new Engine({ keyspaces: [{ name: 'ks', maxBytes: '1MiB', dataSource, ...keyspace }], source });
      expect(make, message).to.throw(message);
    }
  });
});
