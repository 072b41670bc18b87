import { expect } from 'chai';
import { seeded } from '../../support/seeded.js';
import { breaker, crowd, Guarded, usual } from './guarded.js';

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
