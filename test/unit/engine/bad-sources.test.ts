import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import type { FetchOptions, FetchResult } from '../../../src/ports/data-source.js';
import { ks, TestCluster } from '../../support/cluster.js';

const callers = 999;
const readTimeoutMs = 2000;
const loadTimeoutMs = 1800;

/** What a source may do to those who ask it; `clock` is the cluster's. */
type Mischief = (clock: TestCluster['clock'], options: FetchOptions) => unknown;

const later = (clock: TestCluster['clock'], ms: number): Promise<void> =>
  new Promise((resolve) => void clock.after(ms, resolve));

const rows: readonly [name: string, does: Mischief, code: string, message: RegExp][] = [
  ['never answers', () => new Promise(() => {}), 'TIMEOUT', /keyspace 'ks' did not finish within 1800 ms/],
  [
    'answers when its time is over',
    (clock) => later(clock, loadTimeoutMs + 5000).then(() => 'late'),
    'TIMEOUT',
    /did not finish within 1800 ms/,
  ],
  [
    'fails when its time is over',
    (clock) => later(clock, loadTimeoutMs + 5000).then(() => Promise.reject(new Error('late'))),
    'TIMEOUT',
    /did not finish within 1800 ms/,
  ],
  [
    'rejects as it is told that nobody waits',
    (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    'TIMEOUT',
    /did not finish within 1800 ms/,
  ],
  [
    'throws at once',
    () => {
      throw new Error('no route');
    },
    'DATA_SOURCE_FAILED',
    /keyspace 'ks' failed: no route$/,
  ],
  ['returns a number', () => 42, 'DATA_SOURCE_FAILED', /returned a number; it must return a Uint8Array/],
  ['returns nothing', () => undefined, 'DATA_SOURCE_FAILED', /returned undefined/],
  ['returns a row', () => Promise.resolve({ id: 1 }), 'DATA_SOURCE_FAILED', /returned an object without usable bytes/],
  // Memory that nobody touches costs nothing.
  [
    'returns 2 GiB',
    () => new Uint8Array(2 ** 31),
    'VALUE_TOO_LARGE',
    /returned 2147483648 bytes; limits.maxValueBytes/,
  ],
  ['returns a text of 500 MB', () => 'x'.repeat(5e8), 'VALUE_TOO_LARGE', /returned 500000000 bytes/],
];

describe('a data source that misbehaves', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  before(() => process.on('unhandledRejection', note));
  after(() => process.off('unhandledRejection', note));

  for (const [name, does, code, message] of rows) {
    it(`${name}: one clear error for ${callers} callers on three nodes, and nothing is left behind`, async () => {
      let isBad = true;
      const cluster: TestCluster = await TestCluster.of({
        keyspace: { readTimeout: readTimeoutMs, maxConcurrentLoads: 1, breaker: { failures: 2, reset: '1s' } },
        fetch: (_, options) => (isBad ? (does(cluster.clock, options) as FetchResult) : 'well'),
      });
      const rssBefore = process.memoryUsage().rss;
      const all = Promise.all(
        Array.from({ length: callers }, (_, i) =>
          cluster
            .node(i % 3)
            .engine.get(ks, 'k')
            .then(
              () => ['none', ''],
              (error) => [codeOf(error), messageOf(error)],
            ),
        ),
      );
      const told = new Set((await cluster.run(all, readTimeoutMs)).map(([of, text]) => `${of} ${text}`));
      expect([...told]).to.have.length(1);
      expect([...told][0])
        .to.match(message)
        .and.to.match(new RegExp(`^${code} `));
      expect(cluster.fetched.get('k')).to.equal(1);
      const source = cluster.ownerOf('k').engine.describeKeyspace(ks).source!;
      expect([source.running, source.queued]).to.deep.equal([0, 0]);
      expect(source.breaker?.failures).to.equal(code === 'VALUE_TOO_LARGE' ? 0 : 1);

      // Its place is free at once, and what still comes of the first load disturbs nobody.
      isBad = false;
      expect(await cluster.text(cluster.node(0), 'k')).to.equal('well');
      await cluster.clock.advance(10_000);
      expect(await cluster.text(cluster.node(1), 'k')).to.equal('well');
      await cluster.stop();
      expect(cluster.clock.pending(), 'timers left').to.equal(0);
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).to.deep.equal([]);
      expect(process.memoryUsage().rss - rssBefore).to.be.below(1e9);
    });
  }
});
