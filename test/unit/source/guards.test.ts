import { expect } from 'chai';
import type { FetchResult } from '../../../src/ports/data-source.js';
import type { SourceLimits } from '../../../src/source/guarded-source.js';
import { seeded } from '../../support/seeded.js';
import { Guarded, usual } from './guarded.js';

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
