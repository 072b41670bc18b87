import { expect } from 'chai';
import { codeOf, DistcacheError, messageOf, timedOut } from '../../../src/base/errors.js';
import { asyncLoadContext } from '../../../src/platform/load-context.js';
import type { DataSource, FetchManyResult, FetchResult } from '../../../src/ports/data-source.js';
import type { SourceAnswer } from '../../../src/source/answers.js';
import { GuardedSource, type SourceLimits } from '../../../src/source/guarded-source.js';
import { FakeClock } from '../../support/fake-clock.js';
import { usual } from './guarded.js';

const signal = (): AbortSignal => new AbortController().signal;
const numbers = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `k${i}`);

/** Says of every key its name, holds its answers back where a test asks for that, and notes what it is asked. */
class Together implements DataSource {
  readonly asked: (readonly string[])[] = [];
  readonly alone: string[] = [];
  readonly signals: AbortSignal[] = [];
  most = 0;
  #running = 0;
  #held: PromiseWithResolvers<void> | undefined;
  say: (key: string) => FetchResult | Error | undefined = (key) => `of ${key}`;
  sayAll: ((keys: readonly string[]) => unknown) | undefined;

  fetch(key: string): FetchResult {
    this.alone.push(key);
    const said = this.say(key);
    if (said instanceof Error) throw said;
    return said ?? `alone ${key}`;
  }

  async fetchMany(keys: readonly string[], options: { signal: AbortSignal }): Promise<FetchManyResult> {
    this.asked.push(keys);
    this.signals.push(options.signal);
    this.most = Math.max(this.most, ++this.#running);
    try {
      await this.#held?.promise;
    } finally {
      this.#running--;
    }
    if (this.sayAll !== undefined) return this.sayAll(keys) as FetchManyResult;
    return keys.map((key) => this.say(key));
  }

  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }
}

describe('loads of a source that takes many keys at once', () => {
  const context = asyncLoadContext();
  let clock: FakeClock;
  let together: Together;
  beforeEach(() => {
    clock = new FakeClock({ startMs: 5e6 });
    together = new Together();
  });
  afterEach(() => expect(clock.pending(), 'timers left').to.equal(0));

  const guard = (limits: Partial<SourceLimits> = {}): GuardedSource =>
    new GuardedSource({ clock, context, circuitChanged: () => {} }, 'ks', together, { ...usual, ...limits });
  const load = async (source: GuardedSource, key: string, wait: AbortSignal = signal()): Promise<string> => {
    const answer: SourceAnswer = await source.load(key, [`ks/${key}`], wait);
    return answer.is === 'absent' ? 'absent' : new TextDecoder().decode(answer.value);
  };
  const outcome = (promise: Promise<unknown>): Promise<unknown> =>
    promise.catch((error) => codeOf(error) ?? messageOf(error));
  const loadAll = (source: GuardedSource, keys: readonly string[]): Promise<readonly unknown[]> =>
    clock.until(Promise.all(keys.map((key) => outcome(load(source, key)))));

  it('of one turn become one question, each with its own answer', async () => {
    const source = guard();
    const keys = numbers(100);
    together.say = (key) => (key === 'k7' ? null : `of ${key}`);
    const found = await loadAll(source, keys);
    expect(found).to.deep.equal(keys.map((key) => (key === 'k7' ? 'absent' : `of ${key}`)));
    expect(together.asked).to.deep.equal([keys]);
    expect(source.batches).to.deep.equal({ questions: 1, keys: 100 });
    expect(source.status().counts).to.include({ answered: 1, failed: 0 });
  });

  it('are no more than maxKeys to a question', async () => {
    await loadAll(guard({ batch: { maxKeys: 40, windowMs: 0 } }), numbers(100));
    expect(together.asked.map(({ length }) => length)).to.deep.equal([40, 40, 20]);
  });

  it('that come alone, or with maxKeys 1, are fetched one by one', async () => {
    expect(await loadAll(guard(), ['a'])).to.deep.equal(['of a']);
    expect(await loadAll(guard({ batch: { maxKeys: 1, windowMs: 0 } }), ['b', 'c'])).to.deep.equal(['of b', 'of c']);
    expect([together.asked, together.alone]).to.deep.equal([[], ['a', 'b', 'c']]);
  });

  it('of one key share its answer, and the key is there once', async () => {
    const found = await loadAll(guard(), ['a', 'b', 'a', 'a']);
    expect(found).to.deep.equal(['of a', 'of b', 'of a', 'of a']);
    expect(together.asked).to.deep.equal([['a', 'b']]);
  });

  it('of a window become one question, which is sent earlier when it is full', async () => {
    const source = guard({ batch: { maxKeys: 3, windowMs: 20 } });
    const first = [load(source, 'a'), load(source, 'b')];
    await clock.advance(19);
    expect(together.asked).to.deep.equal([]);
    await clock.advance(1);
    expect(await Promise.all(first)).to.deep.equal(['of a', 'of b']);
    const full = ['c', 'd', 'e'].map((key) => load(source, key));
    await clock.advance(0);
    expect(await Promise.all(full)).to.deep.equal(['of c', 'of d', 'of e']);
    expect(together.asked).to.deep.equal([
      ['a', 'b'],
      ['c', 'd', 'e'],
    ]);
  });

  it('join the question that waits for a place: the busier the source, the fewer the questions', async () => {
    const source = guard({ maxConcurrent: 1 });
    together.hold();
    const running = [load(source, 'a'), load(source, 'b')];
    await clock.advance(0);
    const waiting = [];
    for (const key of numbers(30)) {
      waiting.push(load(source, key));
      await clock.advance(1);
    }
    expect([source.running, source.queued]).to.deep.equal([1, 1]);
    together.release();
    await clock.until(Promise.all([...running, ...waiting]));
    expect(together.asked).to.deep.equal([['a', 'b'], numbers(30)]);
  });

  it('take one place and one token to a question', async () => {
    const source = guard({
      maxConcurrent: 2,
      rate: { perSecond: 1, burst: 5, waitMs: 0 },
      batch: { maxKeys: 20, windowMs: 0 },
    });
    const found = await loadAll(source, numbers(200));
    expect(together.asked.map(({ length }) => length)).to.deep.equal([20, 20, 20, 20, 20]);
    expect(together.most).to.be.at.most(2);
    expect(found.filter((what) => what === 'DATA_SOURCE_RATE_LIMITED')).to.have.length(100);
    expect(source.status().counts).to.include({ answered: 5, rateLimited: 5 });
  });

  it('that fail together are one failure at the breaker, and its probe is one question', async () => {
    const source = guard({ breaker: { failures: 2, resetMs: 1000 } });
    together.sayAll = () => {
      throw new Error('down');
    };
    for (let round = 1; round <= 2; round++) {
      expect(source.status().breaker?.state).to.equal('closed');
      expect(new Set(await loadAll(source, numbers(50)))).to.deep.equal(new Set(['DATA_SOURCE_FAILED']));
      expect(source.status().counts.failed).to.equal(round);
    }
    expect(source.status().breaker?.state).to.equal('open');
    expect(new Set(await loadAll(source, numbers(50)))).to.deep.equal(new Set(['DATA_SOURCE_CIRCUIT_OPEN']));
    await clock.advance(1000);
    together.sayAll = undefined;
    expect(await loadAll(source, numbers(50))).to.deep.equal(numbers(50).map((key) => `of ${key}`));
    expect(together.asked).to.have.length(3);
    expect(source.status().breaker?.state).to.equal('closed');
  });

  it('that all fail, each for itself, are one failure too; one answer among them is a success', async () => {
    const source = guard({ breaker: { failures: 1, resetMs: 1000 } });
    together.say = (key) => (key === 'k0' ? 'here' : new Error(`no ${key}`));
    const some = await clock.until(
      Promise.all(numbers(3).map((key) => load(source, key).catch((error) => messageOf(error)))),
    );
    expect(some[0]).to.equal('here');
    expect(some[2]).to.match(/keyspace 'ks' failed: no k2$/);
    expect(source.status().breaker?.state).to.equal('closed');
    together.say = (key) => new Error(`no ${key}`);
    const none = await clock.until(
      Promise.all(numbers(3).map((key) => load(source, key).catch((error) => messageOf(error)))),
    );
    expect(none[1]).to.match(/no k1$/);
    expect(source.status().breaker?.state).to.equal('open');
  });

  it('that cannot be asked for together are asked for alone, each with a place and a token of its own', async () => {
    const source = guard({ rate: { perSecond: 1, burst: 3, waitMs: 0 } });
    together.say = (key) => (key === 'a' ? 'of a' : undefined);
    expect(await loadAll(source, ['a', 'b', 'c', 'd'])).to.deep.equal([
      'of a',
      'alone b',
      'alone c',
      'DATA_SOURCE_RATE_LIMITED',
    ]);
    expect(together.alone).to.deep.equal(['b', 'c']);
  });

  it('that cannot be asked for together say nothing about the source', async () => {
    const source = guard({ breaker: { failures: 1, resetMs: 1000 } });
    together.say = () => undefined;
    expect(await loadAll(source, ['a', 'b'])).to.deep.equal(['alone a', 'alone b']);
    expect(source.status().counts).to.include({ answered: 2, failed: 0, cancelled: 1 });
  });

  it('of a source that turns out not to take many go on one by one', async () => {
    const source = guard();
    together.sayAll = (keys) => {
      (together as DataSource).fetchMany = undefined;
      return keys.map(() => undefined);
    };
    expect(await loadAll(source, ['a', 'b'])).to.deep.equal(['of a', 'of b']);
    expect(await loadAll(source, ['c', 'd'])).to.deep.equal(['of c', 'of d']);
    expect(together.asked).to.have.length(1);
  });

  describe('what fetchMany may return', () => {
    const rows: readonly (readonly [string, (keys: readonly string[]) => unknown, readonly unknown[]])[] = [
      ['an array', () => ['1', null, Uint8Array.of(50)], ['1', 'absent', '2']],
      ['a Map, which lacks what is not there', () => new Map([['k2', '2']]), ['absent', 'absent', '2']],
      ['values with a life', () => [{ value: 'v', ttlMs: 5 }, null, null], ['v', 'absent', 'absent']],
      ['NOT_FOUND as an error', () => [new DistcacheError('NOT_FOUND', 'x'), '1', '2'], ['absent', '1', '2']],
      ['a value too large', () => ['x'.repeat(1025), '1', '2'], ['VALUE_TOO_LARGE', '1', '2']],
      ['nonsense for one', () => [42, '1', '2'], ['DATA_SOURCE_FAILED', '1', '2']],
      ['a hole, which is asked for alone', () => Object.assign(Array(3), { 0: '0', 2: '2' }), ['0', 'of k1', '2']],
      ['nothing', () => undefined, Array(3).fill('DATA_SOURCE_FAILED')],
      ['an object', () => ({ k0: '0' }), Array(3).fill('DATA_SOURCE_FAILED')],
      ['too few', () => ['0', '1'], Array(3).fill('DATA_SOURCE_FAILED')],
      ['an array of null for all', () => [null, null, null], Array(3).fill('absent')],
    ];
    for (const [name, say, expected] of rows) {
      it(name, async () => {
        together.sayAll = say;
        expect(await loadAll(guard(), numbers(3))).to.deep.equal(expected);
      });
    }
  });

  describe('and callers who leave', () => {
    it('take no other along, before it is sent and after', async () => {
      const source = guard();
      const [early, late] = [new AbortController(), new AbortController()];
      together.hold();
      const loads = [
        load(source, 'a', early.signal),
        load(source, 'b', late.signal),
        load(source, 'c'),
        load(source, 'd'),
      ];
      const outcomes = Promise.all(loads.map(outcome));
      early.abort();
      await clock.advance(0);
      expect(together.asked).to.deep.equal([['b', 'c', 'd']]);
      late.abort();
      expect(await outcome(loads[1]!)).to.equal('ABORTED');
      expect(together.signals[0]?.aborted).to.equal(false);
      together.release();
      expect(await clock.until(outcomes)).to.deep.equal(['ABORTED', 'ABORTED', 'of c', 'of d']);
    });

    it('end the question when the last one leaves, and free its place', async () => {
      const source = guard({ maxConcurrent: 1 });
      together.hold();
      const stops = [new AbortController(), new AbortController()];
      const leaving = stops.map((stop, i) => outcome(load(source, `k${i}`, stop.signal)));
      await clock.advance(0);
      const reason = timedOut('reading', 5);
      stops[0]!.abort(reason);
      expect(together.signals[0]?.aborted).to.equal(false);
      stops[1]!.abort(reason);
      expect(await Promise.all(leaving)).to.deep.equal(['ABORTED', 'ABORTED']);
      expect(together.signals[0]?.aborted).to.equal(true);
      await clock.advance(0);
      expect(source.running).to.equal(0);
      together.release();
      expect(await loadAll(source, ['x', 'y'])).to.deep.equal(['of x', 'of y']);
    });

    it('before anything was sent leave nothing to be asked', async () => {
      for (const windowMs of [0, 50]) {
        const source = guard({ batch: { maxKeys: 10, windowMs } });
        const stop = new AbortController();
        const leaving = ['a', 'b'].map((key) => outcome(load(source, key, stop.signal)));
        stop.abort();
        expect(await Promise.all(leaving)).to.deep.equal(['ABORTED', 'ABORTED']);
        await clock.advance(100);
      }
      expect(together.asked).to.deep.equal([]);
    });

    it('of a question that waits for a place give up its place in the queue', async () => {
      const source = guard({ maxConcurrent: 1 });
      together.hold();
      const running = [load(source, 'a'), load(source, 'b')];
      await clock.advance(0);
      const stop = new AbortController();
      const leaving = ['c', 'd'].map((key) => outcome(load(source, key, stop.signal)));
      await clock.advance(0);
      expect(source.queued).to.equal(1);
      stop.abort();
      expect(await Promise.all(leaving)).to.deep.equal(['ABORTED', 'ABORTED']);
      await clock.advance(0);
      expect(source.queued).to.equal(0);
      together.release();
      await clock.until(Promise.all(running));
      expect(together.asked).to.deep.equal([['a', 'b']]);
    });
  });

  it('that take too long fail all with TIMEOUT, hear of it, and free their place', async () => {
    const source = guard({ maxConcurrent: 1, breaker: { failures: 1, resetMs: 1000 } });
    together.hold();
    const loads = Promise.all(['a', 'b'].map((key) => outcome(load(source, key))));
    await clock.advance(1000);
    expect(await loads).to.deep.equal(['TIMEOUT', 'TIMEOUT']);
    expect(together.signals[0]?.aborted).to.equal(true);
    expect([source.running, source.status().breaker?.state]).to.deep.equal([0, 'open']);
    together.release();
    await clock.advance(0);
  });

  it('inside of a load wait for no batch, and a batch knows all loads that it stands for', async () => {
    const source = guard({ maxConcurrent: 1 });
    const seen: (readonly string[])[] = [];
    together.sayAll = (keys) => {
      seen.push(context.current());
      return Promise.all(keys.map((key) => source.load(`inner ${key}`, [...context.current(), key], signal()))).then(
        (answers) => answers.map((answer) => (answer.is === 'value' ? answer.value : null)),
      );
    };
    expect(await loadAll(source, ['a', 'b'])).to.deep.equal(['of inner a', 'of inner b']);
    expect(seen).to.deep.equal([['ks/a', 'ks/b']]);
    expect(together.alone).to.deep.equal(['inner a', 'inner b']);
  });

  it('keep to new limits at once', async () => {
    const source = guard();
    source.retune({ ...usual, batch: { maxKeys: 2, windowMs: 0 } });
    await loadAll(source, numbers(4));
    expect(together.asked.map(({ length }) => length)).to.deep.equal([2, 2]);
  });

  it('agree with loads one by one, whatever comes together and whoever leaves', async () => {
    const source = guard({ maxConcurrent: 3, batch: { maxKeys: 7, windowMs: 0 } });
    together.say = (key) =>
      key.endsWith('3') ? null : key.endsWith('5') ? new Error('odd') : key.endsWith('9') ? undefined : `of ${key}`;
    const outcomes: Promise<unknown>[] = [];
    const expected: unknown[] = [];
    for (let i = 0; i < 400; i++) {
      const key = `k${i % 70}`;
      const stop = new AbortController();
      outcomes.push(outcome(load(source, key, stop.signal)));
      const said = together.say(key);
      if (i % 11 === 0) {
        stop.abort();
        expected.push('ABORTED');
      } else if (said === null) expected.push('absent');
      else if (said instanceof Error) expected.push('DATA_SOURCE_FAILED');
      else expected.push(said ?? `alone ${key}`);
      if (i % 13 === 0) await clock.advance(1);
    }
    expect(await clock.until(Promise.all(outcomes))).to.deep.equal(expected);
    for (const keys of together.asked) {
      expect(keys.length).to.be.within(2, 7);
      expect(new Set(keys).size).to.equal(keys.length);
    }
    expect(together.most).to.be.at.most(3);
    expect([source.running, source.queued]).to.deep.equal([0, 0]);
  });
});
