import { expect } from 'chai';
import { codeOf, DistcacheError, messageOf } from '../../../src/base/errors.js';
import { asyncLoadContext } from '../../../src/platform/load-context.js';
import type { FetchResult } from '../../../src/ports/data-source.js';
import { GuardedSource, type SourceLimits } from '../../../src/source/guarded-source.js';
import { FakeClock } from '../../support/fake-clock.js';
import { seeded } from '../../support/seeded.js';

const usual: SourceLimits = {
  maxConcurrent: 1000,
  maxQueued: 10_000,
  maxValueBytes: 1024,
  loadTimeoutMs: 1000,
  rate: undefined,
  breaker: undefined,
};
const breaker = { failures: 3, resetMs: 5000 };
const crowd = 1000;

/** A source whose next answers a test decides, behind the guards, under a fake clock. */
class Guarded {
  readonly clock = new FakeClock({ startMs: 3e6 });
  readonly changes: string[] = [];
  readonly source: GuardedSource;
  /** Keys in the order in which the source was asked for them. */
  readonly asked: string[] = [];
  answer: (key: string, signal: AbortSignal) => Promise<FetchResult> | FetchResult = () => 'v';

  constructor(limits: Partial<SourceLimits>) {
    this.source = new GuardedSource(
      {
        clock: this.clock,
        context: asyncLoadContext(),
        circuitChanged: (from, to) => this.changes.push(`${from} > ${to}`),
      },
      'ks',
      {
        fetch: (key, { signal }) => {
          this.asked.push(key);
          return this.answer(key, signal);
        },
      },
      { ...usual, ...limits },
    );
  }

  load(key = 'k', signal: AbortSignal = new AbortController().signal): Promise<string> {
    return this.source.load(key, [key], signal).then(
      ({ is }) => is,
      (error) => codeOf(error) ?? messageOf(error),
    );
  }

  /** What many loads at once came to, counted. */
  loads(count: number, prefix = 'k'): Promise<Record<string, number>> {
    return this.clock.until(this.begin(count, prefix));
  }

  /** The same, with the passing of time left to the test. */
  async begin(count: number, prefix = 'k'): Promise<Record<string, number>> {
    const fates: Record<string, number> = {};
    const all = await Promise.all(Array.from({ length: count }, (_, i) => this.load(`${prefix}${i}`)));
    for (const fate of all) fates[fate] = (fates[fate] ?? 0) + 1;
    return fates;
  }

  message(): Promise<string> {
    return this.source.load('k', ['k'], new AbortController().signal).then(() => 'none', messageOf);
  }

  fail(): void {
    this.answer = () => Promise.reject(new Error('down'));
  }

  async open(): Promise<void> {
    this.fail();
    for (let i = 0; i < breaker.failures; i++) expect(await this.load()).to.equal('DATA_SOURCE_FAILED');
    expect(this.state).to.equal('open');
    this.asked.length = 0;
  }

  get state(): string | undefined {
    return this.source.status().breaker?.state;
  }

  /** Nothing is left behind, and every load is accounted for. */
  check(loads: number): void {
    const { counts, running, queued, rateLimit } = this.source.status();
    expect([running, queued, rateLimit?.waiting ?? 0], 'left behind').to.deep.equal([0, 0, 0]);
    expect(this.clock.pending(), 'timers left').to.equal(0);
    expect(
      Object.values(counts).reduce((sum, count) => sum + count, 0),
      'loads accounted for',
    ).to.equal(loads);
  }
}

describe('the circuit breaker before a source', () => {
  it('opens after so many failures in a row, and no success between them is forgotten', async () => {
    const guarded = new Guarded({ breaker });
    for (const outcome of ['down', 'down', 'v', 'down', 'down', null, 'down', 'down']) {
      guarded.answer = () => (outcome === 'down' ? Promise.reject(new Error('down')) : outcome);
      await guarded.load();
      expect(guarded.state).to.equal('closed');
    }
    guarded.fail();
    await guarded.load();
    expect(guarded.state).to.equal('open');
    expect(guarded.changes).to.deep.equal(['closed > open']);
  });

  it('1,000 callers whose loads fail together open it once', async () => {
    const guarded = new Guarded({ breaker });
    guarded.fail();
    expect(await guarded.loads(crowd)).to.deep.equal({ DATA_SOURCE_FAILED: crowd });
    expect(guarded.changes).to.deep.equal(['closed > open']);
    expect(guarded.source.status().breaker).to.deep.include({ opened: 1, failures: 3, nextProbeInMs: 5000 });
    guarded.check(crowd);
  });

  it('1,000 callers who find it open are refused, and the source hears of none', async () => {
    const guarded = new Guarded({ breaker });
    await guarded.open();
    expect(await guarded.loads(crowd)).to.deep.equal({ DATA_SOURCE_CIRCUIT_OPEN: crowd });
    expect(guarded.asked).to.deep.equal([]);
    guarded.check(crowd + 3);
  });

  it('those who wait for a place when it opens are refused at once: a failing source is not worked through a queue', async () => {
    const guarded = new Guarded({ breaker, maxConcurrent: 10 });
    guarded.fail();
    const fates = await guarded.loads(crowd);
    // All ten fail in one turn, so the circuit is open before the first hands its place on.
    expect(guarded.asked).to.have.length(10);
    expect(fates).to.deep.equal({ DATA_SOURCE_FAILED: 10, DATA_SOURCE_CIRCUIT_OPEN: crowd - 10 });
    guarded.check(crowd);
  });

  it('those who wait for a token when it opens are refused at once', async () => {
    const guarded = new Guarded({ breaker, rate: { perSecond: 1, burst: 3, waitMs: 3_600_000 } });
    guarded.fail();
    const fates = await guarded.loads(crowd);
    expect(fates).to.deep.equal({ DATA_SOURCE_FAILED: 3, DATA_SOURCE_CIRCUIT_OPEN: crowd - 3 });
    expect(guarded.clock.nowMs(), 'nobody waited').to.equal(3e6);
    guarded.check(crowd);
  });

  it('its time over, of 1,000 callers at once exactly one reaches the source; a success lets all pass again', async () => {
    const guarded = new Guarded({ breaker });
    await guarded.open();
    await guarded.clock.advance(4999);
    expect(await guarded.load()).to.equal('DATA_SOURCE_CIRCUIT_OPEN');
    await guarded.clock.advance(1);
    guarded.answer = () => new Promise((resolve) => void guarded.clock.after(500, () => resolve('v')));
    expect(await guarded.loads(crowd)).to.deep.equal({ value: 1, DATA_SOURCE_CIRCUIT_OPEN: crowd - 1 });
    expect(guarded.asked).to.have.length(1);
    expect(await guarded.loads(crowd)).to.deep.equal({ value: crowd });
    expect(guarded.changes).to.deep.equal(['closed > open', 'open > half-open', 'half-open > closed']);
    guarded.check(2 * crowd + 4);
  });

  it('a probe that fails keeps it open for another whole time', async () => {
    const guarded = new Guarded({ breaker });
    await guarded.open();
    await guarded.clock.advance(7000);
    expect(await guarded.loads(crowd)).to.deep.equal({ DATA_SOURCE_FAILED: 1, DATA_SOURCE_CIRCUIT_OPEN: crowd - 1 });
    expect(guarded.source.status().breaker).to.deep.include({ state: 'open', opened: 2, nextProbeInMs: 5000 });
    guarded.check(crowd + 3);
  });

  it('a probe that never answers fails at its load time-out', async () => {
    const guarded = new Guarded({ breaker });
    await guarded.open();
    await guarded.clock.advance(5000);
    guarded.answer = () => new Promise(() => {});
    expect(await guarded.loads(crowd)).to.deep.equal({ TIMEOUT: 1, DATA_SOURCE_CIRCUIT_OPEN: crowd - 1 });
    expect(guarded.state).to.equal('open');
    guarded.check(crowd + 3);
  });

  it('a probe whose caller cancels frees the slot for exactly one other', async () => {
    const guarded = new Guarded({ breaker });
    await guarded.open();
    await guarded.clock.advance(5000);
    guarded.answer = () => new Promise(() => {});
    const controller = new AbortController();
    const probe = guarded.load('probe', controller.signal);
    expect(guarded.state).to.equal('half-open');
    expect(await guarded.message()).to.match(/keyspace 'ks' keeps failing.*one load is trying it now/);
    controller.abort();
    expect(await probe).to.equal('ABORTED');
    expect(guarded.source.status().breaker).to.deep.include({ state: 'open', opened: 2, nextProbeInMs: 0 });
    guarded.answer = () => 'v';
    guarded.asked.length = 0;
    const fates = await guarded.loads(crowd);
    expect(guarded.asked, 'as the first succeeded at once').to.have.length.greaterThan(0);
    expect(fates.value! + (fates.DATA_SOURCE_CIRCUIT_OPEN ?? 0)).to.equal(crowd);
    expect(guarded.state).to.equal('closed');
  });

  for (const [name, limits, code] of [
    ['the bucket', { rate: { perSecond: 0.001, burst: 3, waitMs: 0 } }, 'DATA_SOURCE_RATE_LIMITED'],
    ['the bulkhead', { maxConcurrent: 1, maxQueued: 0 }, 'OVERLOADED'],
  ] as const) {
    it(`a probe that ${name} refuses is none, and no failure`, async () => {
      const guarded = new Guarded({ breaker: { failures: 1, resetMs: 5000 }, ...limits });
      if (code === 'OVERLOADED') {
        // One load holds the only place, begun before the circuit opened under it.
        guarded.answer = () => new Promise(() => {});
        const holding = guarded.load('holding');
        guarded.source.retune({ ...usual, maxConcurrent: 2, maxQueued: 0, breaker: { failures: 1, resetMs: 100 } });
        guarded.fail();
        await guarded.load();
        guarded.source.retune({ ...usual, maxConcurrent: 1, maxQueued: 0, breaker: { failures: 1, resetMs: 100 } });
        await guarded.clock.advance(100);
        expect(await guarded.load()).to.equal(code);
        expect(guarded.source.status().breaker).to.deep.include({ state: 'open', nextProbeInMs: 0 });
        await guarded.clock.until(holding);
        return;
      }
      await guarded.load();
      await guarded.load();
      guarded.fail();
      await guarded.load();
      await guarded.clock.advance(5000);
      expect(await guarded.load()).to.equal(code);
      expect(guarded.source.status().breaker).to.deep.include({ state: 'open', nextProbeInMs: 0 });
    });
  }

  const verdicts: readonly [name: string, what: () => unknown, failures: number][] = [
    ['an error', () => Promise.reject(new Error('x')), 1],
    [
      'a throw',
      () => {
        throw new Error('x');
      },
      1,
    ],
    ['nonsense', () => 42, 1],
    ['silence', () => new Promise(() => {}), 1],
    ['not found', () => null, 0],
    ['not found, thrown', () => Promise.reject(new DistcacheError('NOT_FOUND', 'x')), 0],
    ['more than is taken', () => new Uint8Array(2000), 0],
    [
      'what it asks the cache for is limited',
      () => Promise.reject(new DistcacheError('DATA_SOURCE_RATE_LIMITED', 'x')),
      0,
    ],
    [
      'what it asks the cache for is cut off',
      () => Promise.reject(new DistcacheError('DATA_SOURCE_CIRCUIT_OPEN', 'x')),
      0,
    ],
    ['what it asks the cache for finds no place', () => Promise.reject(new DistcacheError('OVERLOADED', 'x')), 0],
    ['it asks the cache for what it is loading', () => Promise.reject(new DistcacheError('INVALID_ARGUMENT', 'x')), 0],
    ['what it asks the cache for takes too long', () => Promise.reject(new DistcacheError('TIMEOUT', 'x')), 1],
  ];
  for (const [name, what, failures] of verdicts) {
    it(`counts as ${failures === 1 ? 'a failure' : 'none'}: ${name}`, async () => {
      const guarded = new Guarded({ breaker });
      guarded.answer = what as Guarded['answer'];
      await guarded.clock.until(guarded.load());
      expect(guarded.source.status().breaker?.failures).to.equal(failures);
      guarded.check(1);
    });
  }

  for (const [name, reason, ranMs, failures] of [
    ['cancels, however late', new Error('not needed'), 999, 0],
    ['runs out of time early', new DistcacheError('TIMEOUT', 'x'), 499, 0],
    ['runs out of time when half of the load’s has passed', new DistcacheError('TIMEOUT', 'x'), 500, 1],
  ] as const) {
    it(`a caller who ${name} is ${failures === 0 ? 'no failure of the source' : 'a time-out of the source'}`, async () => {
      const guarded = new Guarded({ breaker });
      guarded.answer = () => new Promise(() => {});
      const controller = new AbortController();
      const load = guarded.load('k', controller.signal);
      await guarded.clock.advance(ranMs);
      controller.abort(reason);
      await load;
      expect(guarded.source.status().breaker?.failures).to.equal(failures);
      guarded.check(1);
    });
  }

  it('says in words what it is about and when to come again', async () => {
    const guarded = new Guarded({ breaker });
    await guarded.open();
    await guarded.clock.advance(1800);
    expect(await guarded.message()).to.match(
      /keyspace 'ks' keeps failing.*circuit is open; one load may try it in 3s200ms$/,
    );
  });

  it('a reset lets all pass at once', async () => {
    const guarded = new Guarded({ breaker });
    await guarded.open();
    guarded.source.reset();
    guarded.answer = () => 'v';
    expect(await guarded.loads(crowd)).to.deep.equal({ value: crowd });
    expect(guarded.changes).to.deep.equal(['closed > open', 'open > closed']);
  });

  it('retuned: a reset time counts from when it opened, a breaker taken away lets all pass', async () => {
    const guarded = new Guarded({ breaker });
    await guarded.open();
    await guarded.clock.advance(1000);
    guarded.source.retune({ ...usual, breaker: { failures: 3, resetMs: 1500 } });
    expect(guarded.source.status().breaker?.nextProbeInMs).to.equal(500);
    guarded.source.retune(usual);
    expect(guarded.source.status().breaker).to.equal(undefined);
    expect(guarded.changes.at(-1)).to.equal('open > closed');
    expect(await guarded.loads(10)).to.deep.equal({ DATA_SOURCE_FAILED: 10 });
    guarded.source.retune({ ...usual, breaker });
    expect(guarded.source.status().breaker).to.deep.include({ state: 'closed', failures: 0 });
  });
});

describe('the token bucket before a source', () => {
  it('without a wait, of 1,000 callers at once the burst passes and the others are refused at once', async () => {
    const guarded = new Guarded({ rate: { perSecond: 100, burst: 20, waitMs: 0 } });
    expect(await guarded.loads(crowd)).to.deep.equal({ value: 20, DATA_SOURCE_RATE_LIMITED: crowd - 20 });
    expect(guarded.clock.nowMs()).to.equal(3e6);
    await guarded.clock.advance(55);
    expect(await guarded.loads(crowd)).to.deep.equal({ value: 5, DATA_SOURCE_RATE_LIMITED: crowd - 5 });
    guarded.check(2 * crowd);
  });

  it('with a wait, those pass in order whose token comes in time, and nobody else waits', async () => {
    const guarded = new Guarded({ rate: { perSecond: 100, burst: 20, waitMs: 100 } });
    const loads = guarded.begin(crowd);
    await guarded.clock.settle();
    expect(guarded.source.status().rateLimit).to.deep.include({ waiting: 10, nextTokenInMs: 110 });
    expect(await guarded.clock.until(loads)).to.deep.equal({ value: 30, DATA_SOURCE_RATE_LIMITED: crowd - 30 });
    expect(guarded.asked).to.deep.equal(Array.from({ length: 30 }, (_, i) => `k${i}`));
    expect(guarded.clock.nowMs()).to.be.closeTo(3e6 + 100, 0.01);
    guarded.check(crowd);
  });

  it('who comes later never overtakes, though a token is there', async () => {
    const guarded = new Guarded({ rate: { perSecond: 10, burst: 1, waitMs: 10_000 } });
    const loads = ['a', 'b', 'c'].map((key) => guarded.load(key));
    await guarded.clock.advance(99.9);
    const late = guarded.load('late');
    await guarded.clock.until(Promise.all([...loads, late]));
    expect(guarded.asked).to.deep.equal(['a', 'b', 'c', 'late']);
  });

  it('who gives up while waiting takes no token, and those behind move up', async () => {
    const guarded = new Guarded({ rate: { perSecond: 10, burst: 1, waitMs: 10_000 } });
    const controller = new AbortController();
    const first = guarded.load('first');
    const quitters = Array.from({ length: 50 }, (_, i) => guarded.load(`q${i}`, controller.signal));
    const last = guarded.load('last');
    await guarded.clock.settle();
    controller.abort();
    expect(new Set(await Promise.all(quitters))).to.deep.equal(new Set(['ABORTED']));
    await guarded.clock.until(Promise.all([first, last]), 101);
    expect(guarded.asked).to.deep.equal(['first', 'last']);
    guarded.check(52);
  });

  it('no more wait than may, whatever their time allows', async () => {
    const guarded = new Guarded({ maxQueued: 5, rate: { perSecond: 1, burst: 1, waitMs: 3_600_000 } });
    expect(await guarded.loads(crowd)).to.deep.equal({ value: 6, DATA_SOURCE_RATE_LIMITED: crowd - 6 });
    guarded.check(crowd);
  });

  it('who is refused costs neither a token nor a place, and is no failure', async () => {
    const guarded = new Guarded({ breaker, rate: { perSecond: 1, burst: 1, waitMs: 0 } });
    await guarded.loads(crowd);
    expect(guarded.source.status()).to.deep.include({ running: 0, queued: 0 });
    expect(guarded.source.status().breaker).to.deep.include({ state: 'closed', failures: 0 });
    await guarded.clock.advance(1000);
    expect(await guarded.load()).to.equal('value');
  });

  it('an open circuit costs no token: it stands before the bucket', async () => {
    const guarded = new Guarded({ breaker, rate: { perSecond: 1, burst: 4, waitMs: 0 } });
    await guarded.open();
    await guarded.loads(crowd);
    expect(guarded.source.status().rateLimit?.tokens).to.equal(1);
  });

  it('a load that finds no place has had its token: the bucket stands before the bulkhead', async () => {
    const guarded = new Guarded({ maxConcurrent: 1, maxQueued: 0, rate: { perSecond: 1, burst: 3, waitMs: 0 } });
    guarded.answer = () => new Promise(() => {});
    expect(await guarded.loads(5)).to.deep.equal({ TIMEOUT: 1, OVERLOADED: 2, DATA_SOURCE_RATE_LIMITED: 2 });
  });

  it('says in words what it is about and when to come again', async () => {
    const guarded = new Guarded({ rate: { perSecond: 2, burst: 1, waitMs: 0 } });
    await guarded.load();
    await guarded.clock.advance(100);
    expect(await guarded.message()).to.match(/keyspace 'ks' may be asked 2 times a second \(burst 1\).*in 400ms$/);
  });

  it('never lets more pass in any stretch of time than rate and burst allow, come as callers may', async () => {
    const random = seeded('stretch');
    const rate = { perSecond: 50, burst: 7, waitMs: 60 };
    const guarded = new Guarded({ rate });
    const passedMs: number[] = [];
    guarded.answer = () => {
      passedMs.push(guarded.clock.nowMs());
      return 'v';
    };
    const loads: Promise<string>[] = [];
    for (let step = 0; step < 400; step++) {
      for (let i = random.below(6); i > 0; i--) loads.push(guarded.load());
      await guarded.clock.advance(random.below(40));
    }
    await guarded.clock.until(Promise.all(loads));
    for (let from = 0; from < passedMs.length; from++) {
      for (let to = from; to < passedMs.length; to++) {
        const allowed = rate.burst + ((passedMs[to]! - passedMs[from]!) * rate.perSecond) / 1000;
        expect(to - from + 1).to.be.at.most(Math.floor(allowed + 1e-6));
      }
    }
    expect(passedMs.length).to.be.greaterThan(300);
    guarded.check(loads.length);
  });

  it('retuned: keeps what it holds up to the new burst, serves those who wait at the new rate, and lets all pass without', async () => {
    const guarded = new Guarded({ rate: { perSecond: 1, burst: 100, waitMs: 1e6 } });
    guarded.source.retune({ ...usual, rate: { perSecond: 1, burst: 10, waitMs: 1e6 } });
    expect(guarded.source.status().rateLimit?.tokens).to.equal(10);
    const loads = guarded.begin(30);
    await guarded.clock.settle();
    expect([guarded.asked.length, guarded.source.status().rateLimit?.waiting]).to.deep.equal([10, 20]);
    guarded.source.retune({ ...usual, rate: { perSecond: 100, burst: 10, waitMs: 1e6 } });
    await guarded.clock.advance(100);
    expect(guarded.asked).to.have.length(20);
    guarded.source.retune(usual);
    await guarded.clock.settle();
    expect(guarded.asked).to.have.length(30);
    expect(guarded.source.status().rateLimit).to.equal(undefined);
    expect(await guarded.clock.until(loads)).to.deep.equal({ value: 30 });
    guarded.source.retune({ ...usual, rate: { perSecond: 1, burst: 5, waitMs: 0 } });
    expect(guarded.source.status().rateLimit?.tokens, 'a new bucket starts full').to.equal(5);
    guarded.check(30);
  });

  it('retuned to a rate at which their tokens come too late, those who wait are refused when their time is over', async () => {
    const guarded = new Guarded({ rate: { perSecond: 10, burst: 1, waitMs: 1000 } });
    const loads = guarded.begin(10);
    await guarded.clock.settle();
    guarded.source.retune({ ...usual, rate: { perSecond: 0.1, burst: 1, waitMs: 1000 } });
    expect(await guarded.clock.until(loads)).to.deep.equal({ value: 1, DATA_SOURCE_RATE_LIMITED: 9 });
    expect(guarded.clock.nowMs()).to.equal(3e6 + 1000);
    guarded.check(10);
  });
});

describe('the bulkhead, retuned', () => {
  it('places that are added are taken by those who wait; places that are gone are left when their loads end', async () => {
    const guarded = new Guarded({ maxConcurrent: 2 });
    const ends: (() => void)[] = [];
    guarded.answer = () => new Promise((resolve) => ends.push(() => resolve('v')));
    const loads = guarded.begin(10);
    await guarded.clock.settle();
    expect(guarded.source.status()).to.deep.include({ running: 2, queued: 8 });
    guarded.source.retune({ ...usual, maxConcurrent: 5 });
    await guarded.clock.settle();
    expect(guarded.source.status()).to.deep.include({ running: 5, queued: 5, maxConcurrent: 5 });
    guarded.source.retune({ ...usual, maxConcurrent: 1 });
    for (const [running, queued] of [
      [4, 5],
      [3, 5],
      [2, 5],
      [1, 5],
      [1, 4],
      [1, 3],
    ]) {
      ends.shift()!();
      await guarded.clock.settle();
      expect([guarded.source.running, guarded.source.queued]).to.deep.equal([running, queued]);
    }
    guarded.source.retune(usual);
    await guarded.clock.settle();
    for (const end of ends) end();
    expect(await guarded.clock.until(loads)).to.deep.equal({ value: 10 });
    guarded.check(10);
  });
});

describe('all guards together', () => {
  for (const seed of ['a', 'b', 'c']) {
    it(`every load ends, is accounted for and leaves nothing behind, SEED=${seed}`, async () => {
      const random = seeded(process.env.SEED ?? seed);
      const limitsOf = (): Partial<SourceLimits> => ({
        maxConcurrent: random.between(1, 20),
        maxQueued: random.between(0, 30),
        rate: random.chance(0.3)
          ? undefined
          : { perSecond: random.between(1, 200), burst: random.between(1, 20), waitMs: random.pick([0, 50, 500]) },
        breaker: random.chance(0.3) ? undefined : { failures: random.between(1, 5), resetMs: random.between(1, 400) },
      });
      const guarded = new Guarded(limitsOf());
      guarded.answer = () => {
        const ms = random.pick([0, 5, 50, 5000]);
        const what = random.pick<FetchResult | Error>(['v', 'v', null, new Error('down'), new Error('down')]);
        return new Promise((resolve, reject) => {
          guarded.clock.after(ms, () => (what instanceof Error ? reject(what) : resolve(what)));
        });
      };
      const loads: Promise<string>[] = [];
      for (let step = 0; step < 500; step++) {
        const controller = new AbortController();
        for (let i = random.below(10); i > 0; i--) loads.push(guarded.load(`k${step}`, controller.signal));
        if (random.chance(0.2)) guarded.clock.after(random.below(100), () => controller.abort());
        if (random.chance(0.02)) guarded.source.retune({ ...usual, ...limitsOf() });
        if (random.chance(0.01)) guarded.source.reset();
        await guarded.clock.advance(random.below(30));
      }
      await guarded.clock.until(Promise.all(loads), 1e7);
      // What the source still says after its load was given up.
      await guarded.clock.advance(10_000);
      guarded.check(loads.length);
    });
  }
});
