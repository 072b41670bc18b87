import { expect } from 'chai';
import { codeOf, DistcacheError, messageOf } from '../../../src/base/errors.js';
import { asyncLoadContext } from '../../../src/platform/load-context.js';
import type { DataSource, FetchResult } from '../../../src/ports/data-source.js';
import type { SourceAnswer } from '../../../src/source/answers.js';
import { GuardedSource, type SourceLimits } from '../../../src/source/guarded-source.js';
import { FakeClock } from '../../support/fake-clock.js';

const limits: SourceLimits = {
  maxConcurrent: 2,
  maxQueued: 10,
  maxValueBytes: 16,
  loadTimeoutMs: 1000,
  rate: undefined,
  breaker: undefined,
  batch: { maxKeys: 100, windowMs: 0 },
};
const context = asyncLoadContext();

describe('GuardedSource', () => {
  let clock: FakeClock;
  beforeEach(() => {
    clock = new FakeClock({ startMs: 7e6 });
  });
  afterEach(() => expect(clock.pending(), 'timers left').to.equal(0));

  const guard = (source: DataSource, more: Partial<SourceLimits> = {}): GuardedSource =>
    new GuardedSource({ clock, context, circuitChanged: () => {} }, 'ks', source, { ...limits, ...more });
  const load = (source: GuardedSource, key = 'k', signal = new AbortController().signal): Promise<SourceAnswer> =>
    source.load(key, [key], signal);
  const returning = (result: unknown): GuardedSource => guard({ fetch: () => result as FetchResult });
  const failing = (promise: Promise<unknown>): Promise<{ code: string | undefined; message: string }> =>
    promise.then(
      (value) => ({ code: 'none', message: JSON.stringify(value) }),
      (error) => ({ code: codeOf(error), message: messageOf(error) }),
    );

  describe('takes', () => {
    const full = new Uint8Array(16).fill(7);
    const twice = {
      // biome-ignore lint/suspicious/noThenProperty: as below
      then: (resolve: (value: string) => void, reject: (error: Error) => void) => {
        resolve('a');
        resolve('b');
        reject(new Error('after all'));
      },
    };
    const rows: readonly [string, unknown, Uint8Array][] = [
      ['bytes', Uint8Array.of(0, 255), Uint8Array.of(0, 255)],
      ['a Buffer', Buffer.from('ab'), Uint8Array.of(97, 98)],
      ['a view into a larger buffer', new Uint8Array(100).fill(3).subarray(10, 12), Uint8Array.of(3, 3)],
      ['no bytes', new Uint8Array(0), new Uint8Array(0)],
      ['as many bytes as are allowed', full, full],
      ['a string, as its UTF-8', 'é😀', Uint8Array.of(0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80)],
      ['the empty string', '', new Uint8Array(0)],
      ['an object with bytes', { value: Uint8Array.of(1) }, Uint8Array.of(1)],
      ['an object with a string', { value: 'a' }, Uint8Array.of(97)],
      ['a promise of any of them', Promise.resolve({ value: 'a' }), Uint8Array.of(97)],
      // biome-ignore lint/suspicious/noThenProperty: a promise of another library is what is tested
      ['a thenable', { then: (resolve: (value: string) => void) => resolve('a') }, Uint8Array.of(97)],
      ['a thenable that answers twice', twice, Uint8Array.of(97)],
    ];
    for (const [name, result, bytes] of rows) {
      it(name, async () => {
        const answer = await load(returning(result));
        expect(answer.is).to.equal('value');
        expect(answer.is === 'value' && [...answer.value]).to.deep.equal([...bytes]);
      });
    }

    it('null as the answer that there is no such key', async () => {
      expect(await load(returning(null))).to.deep.equal({ is: 'absent' });
    });

    it('our own NOT_FOUND as the same, whatever class carries it', async () => {
      for (const error of [new DistcacheError('NOT_FOUND', 'x'), { code: 'NOT_FOUND' }]) {
        expect(await load(guard({ fetch: () => Promise.reject(error) }))).to.deep.equal({ is: 'absent' });
      }
    });
  });

  describe('the expiry that a source names', () => {
    const at = (ms: number): Date => new Date(Date.UTC(2026, 0, 1) + ms);
    const rows: readonly [string, object, number | undefined][] = [
      ['none', {}, undefined],
      ['ttlMs', { ttlMs: 1500 }, 1500],
      ['ttlMs 0: not to be kept', { ttlMs: 0 }, 0],
      ['a negative ttlMs: over already', { ttlMs: -5 }, 0],
      ['ttlMs Infinity', { ttlMs: Number.POSITIVE_INFINITY }, Number.POSITIVE_INFINITY],
      ['ttlMs beyond the reach of a timer', { ttlMs: 2 ** 40 }, 2 ** 40],
      ['expiresAt', { expiresAt: at(2000) }, 2000],
      ['expiresAt that has passed', { expiresAt: at(-2000) }, 0],
      ['ttlMs beats expiresAt', { ttlMs: 10, expiresAt: at(2000) }, 10],
      ['null for neither', { ttlMs: null, expiresAt: null }, undefined],
      ['null for ttlMs leaves it to expiresAt', { ttlMs: null, expiresAt: at(2000) }, 2000],
    ];
    for (const [name, expiry, ttlMs] of rows) {
      it(name, async () => {
        expect(await load(returning({ value: 'v', ...expiry }))).to.include({ is: 'value', ttlMs });
      });
    }

    it('counts from the wall clock as it is when the answer comes, and is a duration from then on', async () => {
      clock.stepWall(-3_600_000);
      expect(await load(returning({ value: 'v', expiresAt: at(0) }))).to.include({ ttlMs: 3_600_000 });
      clock.stepWall(7_200_000);
      expect(await load(returning({ value: 'v', expiresAt: at(0) }))).to.include({ ttlMs: 0 });
    });
  });

  describe('turns into one typed error', () => {
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const hostile = {
      get value(): Uint8Array {
        throw new RangeError('no');
      },
    };
    const rows: readonly [string, unknown, string, RegExp][] = [
      ['undefined', undefined, 'DATA_SOURCE_FAILED', /keyspace 'ks' returned undefined; it must return a Uint8Array/],
      ['a number', 42, 'DATA_SOURCE_FAILED', /a number/],
      ['a boolean', false, 'DATA_SOURCE_FAILED', /a boolean/],
      ['a function', () => 'v', 'DATA_SOURCE_FAILED', /a function/],
      ['an empty object', {}, 'DATA_SOURCE_FAILED', /an object without usable bytes/],
      ['a row of a database', { id: 1, name: 'x' }, 'DATA_SOURCE_FAILED', /an object/],
      ['an array', [1, 2], 'DATA_SOURCE_FAILED', /an object/],
      ['an ArrayBuffer', new ArrayBuffer(2), 'DATA_SOURCE_FAILED', /an object/],
      ['memory that was transferred', detached, 'DATA_SOURCE_FAILED', /an object/],
      ['an object whose value is null', { value: null }, 'DATA_SOURCE_FAILED', /an object/],
      ['an object that throws', hostile, 'DATA_SOURCE_FAILED', /failed: no/],
      ['one byte too many', new Uint8Array(17), 'VALUE_TOO_LARGE', /17 bytes; limits.maxValueBytes allows 16/],
      ['one byte too many in fewer characters', 'é'.repeat(9), 'VALUE_TOO_LARGE', /18 bytes/],
      ['ttlMs NaN', { value: 'v', ttlMs: Number.NaN }, 'DATA_SOURCE_FAILED', /expiry/],
      ['ttlMs as text', { value: 'v', ttlMs: '5s' }, 'DATA_SOURCE_FAILED', /ttlMs must be a number/],
      ['expiresAt as text', { value: 'v', expiresAt: '2030-01-01' }, 'DATA_SOURCE_FAILED', /expiresAt a valid Date/],
      ['expiresAt as a number', { value: 'v', expiresAt: 5 }, 'DATA_SOURCE_FAILED', /a valid Date/],
      ['expiresAt that is no date', { value: 'v', expiresAt: new Date(Number.NaN) }, 'DATA_SOURCE_FAILED', /expiry/],
    ];
    for (const [name, result, code, message] of rows) {
      it(name, async () => {
        const source = returning(result);
        const error = await failing(load(source));
        expect(error.code).to.equal(code);
        expect(error.message).to.match(message);
        expect(source.running).to.equal(0);
      });
    }

    const thrown: readonly [string, unknown, RegExp][] = [
      ['an Error', new Error('connection refused'), /^the data source of keyspace 'ks' failed: connection refused$/],
      ['a text', 'boom', /failed: boom/],
      ['undefined', undefined, /failed: undefined/],
      ["Node's own error", Object.assign(new Error('x'), { code: 'ECONNRESET' }), /failed: x/],
    ];
    for (const [name, error, message] of thrown) {
      it(`${name}, thrown or rejected with, and keeps it as the cause`, async () => {
        for (const fetch of [
          () => Promise.reject(error),
          () => {
            throw error;
          },
        ]) {
          const failure = await load(guard({ fetch })).catch((caught: unknown) => caught);
          expect(codeOf(failure)).to.equal('DATA_SOURCE_FAILED');
          expect(messageOf(failure)).to.match(message);
          expect((failure as Error).cause).to.equal(error);
        }
      });
    }

    it('but lets errors of ours pass, as of a loader that asks the cache for another key', async () => {
      const error = new DistcacheError('DATA_SOURCE_RATE_LIMITED', 'later');
      expect(await load(guard({ fetch: () => Promise.reject(error) })).catch((caught: unknown) => caught)).to.equal(
        error,
      );
    });
  });

  describe('a source that takes too long', () => {
    it('fails with TIMEOUT, hears of it, and frees its place', async () => {
      const signals: AbortSignal[] = [];
      const source = guard(
        {
          fetch: (_key, { signal }) => {
            signals.push(signal);
            return new Promise(() => {});
          },
        },
        { maxConcurrent: 1 },
      );
      const loads = ['a', 'b'].map((key) => failing(load(source, key)));
      await clock.settle();
      expect([source.running, source.queued, signals.length]).to.deep.equal([1, 1, 1]);
      await clock.advance(1000);
      expect([source.running, source.queued, signals.length]).to.deep.equal([1, 0, 2]);
      expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, false]);
      await clock.advance(1000);
      for (const { code, message } of await Promise.all(loads)) {
        expect(code).to.equal('TIMEOUT');
        expect(message).to.match(/keyspace 'ks' did not finish within 1000 ms/);
      }
      expect([source.running, source.queued]).to.deep.equal([0, 0]);
    });

    for (const [name, late] of [
      ['a value', (): unknown => 'late'],
      ['nonsense', (): unknown => 42],
      ['a failure', (): unknown => Promise.reject(new Error('late'))],
    ] as const) {
      it(`and then comes with ${name} disturbs nobody`, async () => {
        const source = guard({
          fetch: () => new Promise((resolve) => void clock.after(5000, () => resolve(late() as FetchResult))),
        });
        const error = failing(load(source));
        await clock.advance(10_000);
        expect((await error).code).to.equal('TIMEOUT');
        expect(source.running).to.equal(0);
      });
    }

    it('just not too long is waited for', async () => {
      const source = guard({ fetch: () => new Promise((resolve) => void clock.after(999, () => resolve('v'))) });
      expect((await clock.until(load(source))).is).to.equal('value');
    });

    it('is measured on the clock that never steps', async () => {
      const error = failing(load(guard({ fetch: () => new Promise(() => {}) })));
      clock.stepWall(3_600_000);
      await clock.advance(999);
      clock.stepWall(-7_200_000);
      await clock.advance(1);
      expect((await error).code).to.equal('TIMEOUT');
    });
  });

  describe('a caller who gives up', () => {
    it('ends the load at once though the source goes on, and the source hears why', async () => {
      const controller = new AbortController();
      let reason: unknown;
      const source = guard({
        fetch: (_key, { signal }) =>
          new Promise(() => {
            signal.addEventListener('abort', () => {
              reason = signal.reason;
            });
          }),
      });
      const error = failing(load(source, 'k', controller.signal));
      await clock.settle();
      controller.abort(new Error('not needed'));
      expect((await error).code).to.equal('ABORTED');
      expect(codeOf(reason)).to.equal('ABORTED');
      expect(source.running).to.equal(0);
    });

    it('while waiting for a place never reaches the source', async () => {
      const controller = new AbortController();
      const fetched: string[] = [];
      const source = guard(
        {
          fetch: (key) => {
            fetched.push(key);
            return new Promise(() => {});
          },
        },
        { maxConcurrent: 1 },
      );
      const first = failing(load(source, 'a'));
      const second = failing(load(source, 'b', controller.signal));
      await clock.settle();
      controller.abort();
      expect((await second).code).to.equal('ABORTED');
      expect([source.running, source.queued]).to.deep.equal([1, 0]);
      await clock.advance(1000);
      await first;
      expect(fetched).to.deep.equal(['a']);
    });

    it('before it begins never reaches the source', async () => {
      let fetched = 0;
      const source = guard({ fetch: () => `${++fetched}` });
      expect((await failing(load(source, 'k', AbortSignal.abort()))).code).to.equal('ABORTED');
      expect(fetched).to.equal(0);
    });
  });

  it('a load within a load takes no place of its own, so it cannot wait for the one around it', async () => {
    const source: GuardedSource = guard(
      {
        fetch: async (key, { signal }) => {
          if (key === 'inner') return 'v';
          const inner = await source.load('inner', ['outer', 'inner'], signal);
          return inner.is === 'value' ? inner.value : null;
        },
      },
      { maxConcurrent: 1, maxQueued: 0 },
    );
    expect((await clock.until(load(source, 'outer'), 10)).is).to.equal('value');
  });

  it('the source sees which loads it stands in, also after waiting', async () => {
    const seen: (readonly string[])[] = [];
    const source = guard({
      fetch: async () => {
        await null;
        seen.push(context.current());
        return 'v';
      },
    });
    await Promise.all([source.load('a', ['x', 'a'], new AbortController().signal), load(source, 'b')]);
    expect(seen).to.have.deep.members([['x', 'a'], ['b']]);
    expect(context.current()).to.deep.equal([]);
  });

  it('keeps `this` of the source', async () => {
    class Table implements DataSource {
      readonly rows = new Map([['k', 'v']]);
      closed = false;
      fetch(key: string): string {
        return this.rows.get(key)!;
      }
      async close(): Promise<void> {
        this.closed = true;
      }
    }
    const table = new Table();
    const source = guard(table);
    expect((await load(source)).is).to.equal('value');
    await source.close();
    expect(table.closed).to.equal(true);
  });

  it('open and close may be left out, and one that throws at once rejects', async () => {
    await guard({ fetch: () => null }).open();
    await guard({ fetch: () => null }).close();
    const rude = (): never => {
      throw new Error('rude');
    };
    const source = guard({ fetch: () => null, open: rude, close: rude });
    expect((await failing(source.open())).message).to.equal('rude');
    expect((await failing(source.close())).message).to.equal('rude');
  });
});
