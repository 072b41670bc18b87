import { expect } from 'chai';
import { DistcacheError } from '../../../src/base/errors.js';
import { breaker, crowd, Guarded, usual } from './guarded.js';

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
