import { expect } from 'chai';
import { codeOf, messageOf, timedOut } from '../../src/base/errors.js';
import type { DataSource, FetchResult } from '../../src/ports/data-source.js';
import { hostileKeys } from '../support/hostile-keys.js';
import { within } from '../support/until.js';

/** A source, and the means to change, break and silence what it reads from. */
export interface Tested {
  readonly source: DataSource;
  set(key: string, value: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
  /** Whether anything could be there under this key; where not, it is not found. */
  holds?(key: string): boolean;
  /** The server is gone, as one that crashed. Left out where there is none. */
  readonly down?: (() => Promise<void>) | undefined;
  /** It is there again with what it had. */
  readonly up?: (() => Promise<void>) | undefined;
  /** It takes what it is asked and does not answer, until `speak`. */
  readonly silence?: (() => Promise<void>) | undefined;
  readonly speak?: (() => Promise<void>) | undefined;
  /** Code of the user's, which hands out what it has: the size of its values is checked by whoever calls it. */
  readonly isUnbounded?: boolean;
  /** Part of every message about a server that is down. */
  readonly named?: RegExp;
  /** What no message may hold. */
  readonly secrets?: readonly string[];
  /** The same source once more, as another node would make it. */
  again(): Promise<DataSource>;
  /** Frees the data. All sources were closed before. */
  close(): Promise<void>;
}

/** `limits.maxValueBytes` of every source under test. */
export const maxValueBytes = 64 * 1024;

const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const bytesOf = (result: FetchResult | Error | undefined): Uint8Array | null => {
  if (result === null || result instanceof Uint8Array) return result && Uint8Array.from(result);
  if (typeof result === 'string') return text(result);
  if (result === undefined || result instanceof Error) throw result ?? new Error('asks to be fetched alone');
  return bytesOf(result.value);
};

/** What every source of a keyspace keeps to, whatever it reads from. */
export function dataSourceContract(name: string, make: () => Promise<Tested>): void {
  describe(`DataSource: ${name}`, function () {
    this.timeout(30_000);
    let tested: Tested;
    let others: DataSource[];

    beforeEach(async () => {
      others = [];
      tested = await make();
      await tested.source.open?.();
    });
    afterEach(async () => {
      await tested.speak?.();
      for (const source of [tested.source, ...others]) await within(10_000, 'close', closed(source));
      await tested.close();
    });

    const closed = async (source: DataSource): Promise<void> => source.close?.();
    const fetchOf = async (key: string, signal = new AbortController().signal): Promise<Uint8Array | null> =>
      bytesOf(await tested.source.fetch(key, { signal }));
    const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        (value) => new Error(`answered with ${JSON.stringify(value)}`),
        (error) => error,
      );
    const needs = (context: Mocha.Context, ...means: readonly unknown[]): void => {
      if (means.includes(undefined)) context.skip();
    };
    const holds = (key: string): boolean => tested.holds?.(key) ?? true;

    it('answers with the value, bit for bit, also an empty one', async () => {
      await tested.set('all', all);
      await tested.set('none', new Uint8Array());
      expect(await fetchOf('all')).to.deep.equal(all);
      expect(await fetchOf('none')).to.deep.equal(new Uint8Array());
    });

    it('says null for what is not there, now and after it was there', async () => {
      expect(await fetchOf('k')).to.equal(null);
      await tested.set('k', text('v'));
      expect(await fetchOf('k')).to.deep.equal(text('v'));
      await tested.set('k', text('later'));
      expect(await fetchOf('k')).to.deep.equal(text('later'));
      await tested.remove('k');
      expect(await fetchOf('k')).to.equal(null);
    });

    it('takes hostile keys for keys and nothing else', async () => {
      await tested.set('witness', text('untouched'));
      for (const [what, key] of hostileKeys) {
        expect(await fetchOf(key), `${what}, not there`).to.equal(null);
        if (!holds(key)) continue;
        await tested.set(key, text(`mine: ${what}`));
        expect(await fetchOf(key), what).to.deep.equal(text(`mine: ${what}`));
      }
      expect(await fetchOf('witness')).to.deep.equal(text('untouched'));
      expect(await fetchOf('\ud800'), 'a lone surrogate').to.equal(null);
    });

    it('takes a value of limits.maxValueBytes and refuses one byte more', async function () {
      if (tested.isUnbounded) this.skip();
      await tested.set('fits', new Uint8Array(maxValueBytes).fill(1));
      await tested.set('over', new Uint8Array(maxValueBytes + 1));
      expect(await fetchOf('fits')).to.have.length(maxValueBytes);
      expect(codeOf(await errorOf(fetchOf('over')))).to.equal('VALUE_TOO_LARGE');
      expect(await fetchOf('fits')).to.have.length(maxValueBytes);
    });

    it('answers many callers at once, each with its own', async () => {
      const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
      for (const key of keys) await tested.set(key, text(`of ${key}`));
      const found = await Promise.all(keys.map((key) => fetchOf(key)));
      expect(found).to.deep.equal(keys.map((key) => text(`of ${key}`)));
    });

    it('does not ask for a caller who has left, and says why he left', async () => {
      expect(codeOf(await errorOf(fetchOf('k', AbortSignal.abort())))).to.equal('ABORTED');
      const late = timedOut('the load', 5);
      expect(await errorOf(fetchOf('k', AbortSignal.abort(late)))).to.equal(late);
    });

    it('lets a caller go at once though the answer never comes, and answers the next', async function () {
      needs(this, tested.silence, tested.speak);
      await tested.set('k', text('v'));
      expect(await fetchOf('k')).to.deep.equal(text('v'));
      await tested.silence!();
      const stops = [new AbortController(), new AbortController(), new AbortController()];
      const waiting = stops.map(({ signal }) => errorOf(fetchOf('k', signal)));
      const late = timedOut('the load', 5);
      for (const stop of stops) stop.abort(late);
      expect(await within(10_000, 'leaving', Promise.all(waiting))).to.deep.equal([late, late, late]);
      await tested.speak!();
      expect(await fetchOf('k')).to.deep.equal(text('v'));
    });

    it('fails while the server is down, at once, by its name and without secrets, and works when it is back', async function () {
      needs(this, tested.down, tested.up);
      await tested.set('k', text('v'));
      expect(await fetchOf('k')).to.deep.equal(text('v'));
      await tested.down!();
      try {
        const fresh = await tested.again();
        others.push(fresh);
        const first = errorOf(Promise.resolve(fresh.fetch('k', { signal: new AbortController().signal })));
        const errors = Array.from({ length: 20 }, () => errorOf(fetchOf('k')));
        for (const error of await within(10_000, 'failing', Promise.all([...errors, first]))) {
          expect(codeOf(error), messageOf(error)).to.equal('DATA_SOURCE_FAILED');
          expect(messageOf(error)).to.match(tested.named!).and.not.include('\n');
          for (const secret of tested.secrets ?? []) expect(messageOf(error)).to.not.include(secret);
        }
      } finally {
        await tested.up!();
      }
      expect(await fetchOf('k')).to.deep.equal(text('v'));
      expect(bytesOf(await others[0]!.fetch('k', { signal: new AbortController().signal }))).to.deep.equal(text('v'));
    });

    it('may be closed twice, and leaves nobody waiting who asks it then', async () => {
      await fetchOf('k');
      await closed(tested.source);
      await closed(tested.source);
      await within(10_000, 'asking what is closed', Promise.allSettled([fetchOf('k')]));
    });

    describe('asked for many keys at once', () => {
      const many = async (
        keys: readonly string[],
        signal = new AbortController().signal,
      ): Promise<readonly (Uint8Array | null | Error | undefined)[]> => {
        const found = await tested.source.fetchMany!(keys, { signal });
        const results: readonly (FetchResult | Error | undefined)[] = Array.isArray(found)
          ? found
          : keys.map((key) => {
              const byKey = found as ReadonlyMap<string, FetchResult>;
              return byKey.has(key) ? byKey.get(key) : null;
            });
        expect(results).to.have.length(keys.length);
        return results.map((result) => (result instanceof Error || result === undefined ? result : bytesOf(result)));
      };

      it('says of each what it says of it alone', async function () {
        needs(this, tested.source.fetchMany);
        const hostile = hostileKeys.map(([, key]) => key);
        const keys = [
          ...hostile,
          '\ud800',
          'all',
          'none',
          'missing',
          ...Array.from({ length: 200 }, (_, i) => `k${i}`),
        ];
        await tested.set('all', all);
        await tested.set('none', new Uint8Array());
        for (const key of keys.filter((_, at) => at % 2 === 0)) {
          if (holds(key) && key.isWellFormed()) await tested.set(key, text(`of ${key}`));
        }
        const alone = await Promise.all(keys.map((key) => fetchOf(key)));
        expect(await many(keys)).to.deep.equal(alone);
        expect(alone.filter((value) => value !== null)).to.have.length.above(100);
        expect(await many([...keys].reverse())).to.deep.equal([...alone].reverse());
      });

      it('fails the one that is too large, or has it asked for alone', async function () {
        needs(this, tested.source.fetchMany);
        if (tested.isUnbounded) this.skip();
        await tested.set('a', text('a'));
        await tested.set('over', new Uint8Array(maxValueBytes + 1));
        await tested.set('b', text('b'));
        const [a, over, b] = await many(['a', 'over', 'b']);
        expect([a, b]).to.deep.equal([text('a'), text('b')]);
        if (over !== undefined) expect(codeOf(over)).to.equal('VALUE_TOO_LARGE');
      });

      it('lets all callers go at once, and answers the next', async function () {
        needs(this, tested.source.fetchMany, tested.silence, tested.speak);
        await tested.set('a', text('a'));
        expect(await many(['a', 'b'])).to.deep.equal([text('a'), null]);
        await tested.silence!();
        const stop = new AbortController();
        const waiting = errorOf(many(['a', 'b'], stop.signal));
        const late = timedOut('the load', 5);
        stop.abort(late);
        expect(await within(10_000, 'leaving', waiting)).to.equal(late);
        await tested.speak!();
        expect(await many(['a', 'b'])).to.deep.equal([text('a'), null]);
      });

      it('fails whole while the server is down, and works when it is back', async function () {
        needs(this, tested.source.fetchMany, tested.down, tested.up);
        await tested.set('a', text('a'));
        expect(await many(['a', 'b'])).to.deep.equal([text('a'), null]);
        await tested.down!();
        try {
          const error = await within(10_000, 'failing', errorOf(many(['a', 'b'])));
          expect(codeOf(error), messageOf(error)).to.equal('DATA_SOURCE_FAILED');
          expect(messageOf(error)).to.match(tested.named!);
        } finally {
          await tested.up!();
        }
        expect(await many(['a', 'b'])).to.deep.equal([text('a'), null]);
      });
    });
  });
}
