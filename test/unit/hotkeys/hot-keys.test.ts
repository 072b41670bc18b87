import { expect } from 'chai';
import { HotKeys } from '../../../src/hotkeys/hot-keys.js';
import { seeded } from '../../support/seeded.js';

const halfLifeMs = 60_000;
const seed = process.env.SEED ?? String(Date.now());

/** The dumbest twin: every hit with its time. */
class Exact {
  readonly #hits = new Map<string, number[]>();

  touch(key: string, atMs: number): void {
    const hits = this.#hits.get(key) ?? [];
    hits.push(atMs);
    this.#hits.set(key, hits);
  }

  hits(key: string, nowMs: number): number {
    return (this.#hits.get(key) ?? []).reduce((sum, atMs) => sum + 2 ** ((atMs - nowMs) / halfLifeMs), 0);
  }

  top(count: number, nowMs: number): readonly string[] {
    return [...this.#hits.keys()]
      .map((key) => [key, this.hits(key, nowMs)] as const)
      .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, count)
      .map(([key]) => key);
  }
}

describe('hot keys', () => {
  it(`with a counter for each key are those of an exact count, decayed (SEED=${seed})`, () => {
    const random = seeded(seed);
    const hot = new HotKeys({ capacity: 64, halfLifeMs, random: random.fork('sample') });
    const exact = new Exact();
    let nowMs = 5000;
    hot.tick(nowMs);
    for (let second = 0; second < 300; second++) {
      for (let i = 0; i < 20; i++) {
        const key = `k${Math.floor(60 * random.next() ** 3)}`;
        hot.touch(key);
        exact.touch(key, nowMs);
      }
      nowMs += 1000;
      hot.tick(nowMs);
      hot.check();
    }
    expect(hot.top(10).map(({ key }) => key)).to.deep.equal(exact.top(10, nowMs));
    for (const { key, hits } of hot.top(60)) expect(hits, key).to.be.closeTo(exact.hits(key, nowMs), 1e-6);
  });

  it(`are found among a hundred times as many keys as counters, and never counted too high (SEED=${seed})`, () => {
    const random = seeded(`${seed}/many`);
    const hot = new HotKeys({ capacity: 100, halfLifeMs, random: random.fork('sample') });
    const exact = new Exact();
    hot.tick(1000);
    // Half of all hits go to five keys, more than a counter's part each; the rest to ten thousand.
    for (let i = 0; i < 3000; i++) {
      const key = random.chance(0.5) ? `hot${random.below(5)}` : `cold${random.below(10_000)}`;
      hot.touch(key);
      exact.touch(key, 1000);
    }
    hot.check();
    const top = hot.top(5);
    expect(top.map(({ key }) => key).sort()).to.deep.equal(['hot0', 'hot1', 'hot2', 'hot3', 'hot4']);
    for (const { key, hits } of hot.top(100)) expect(hits, key).to.be.at.most(exact.hits(key, 1000) + 1e-9);
    expect(hot.total).to.be.closeTo(3000, 1e-6);
  });

  it(`are sampled where there are many, and their shares stay true (SEED=${seed})`, () => {
    const random = seeded(`${seed}/sampled`);
    const hot = new HotKeys({ capacity: 400, halfLifeMs, random: random.fork('sample') });
    hot.tick(1000);
    const reads = 400_000;
    // In a fixed order, with which a fixed stride would fall into step.
    for (let i = 0; i < reads; i++) hot.touch(i % 4 === 0 ? 'quarter' : `other${i % 100}`);
    hot.check();
    expect(hot.total / reads, 'reads counted').to.be.within(0.9, 1.1);
    expect(hot.hits('quarter') / hot.total, 'share').to.be.within(0.22, 0.28);
    expect(hot.top(1)[0]?.key).to.equal('quarter');
  });

  it('are counted exactly again once it is quiet', () => {
    const random = seeded('quiet');
    const hot = new HotKeys({ capacity: 10, halfLifeMs, random });
    for (let i = 0; i < 100_000; i++) hot.touch('loud');
    for (let second = 1; second <= 20; second++) hot.tick(1000 * second);
    for (let i = 0; i < 7; i++) hot.touch('quiet');
    expect(hot.hits('quiet')).to.be.closeTo(7, 1e-9);
  });

  it('lose half of their hits in a half-life, over any time', () => {
    const hot = new HotKeys({ capacity: 10, halfLifeMs, random: seeded('decay') });
    hot.tick(1000);
    for (let i = 0; i < 8; i++) hot.touch('a');
    hot.tick(1000 + halfLifeMs);
    expect(hot.hits('a')).to.be.closeTo(4, 1e-9);
    hot.touch('b');
    // So long that what a hit weighs was scaled down in between.
    for (let i = 2; i < 100; i++) hot.tick(1000 + i * halfLifeMs);
    for (let i = 0; i < 3; i++) hot.touch('c');
    hot.check();
    expect(hot.top(3)).to.have.lengthOf(1);
    expect(hot.hits('c')).to.be.closeTo(3, 1e-9);
    expect(hot.windowMs(1000 + 99 * halfLifeMs)).to.be.closeTo(halfLifeMs / Math.LN2, 1);
  });

  it('of fewer hits than wanted are left out', () => {
    const hot = new HotKeys({ capacity: 10, halfLifeMs, random: seeded('min') });
    for (const key of ['a', 'a', 'a', 'b']) hot.touch(key);
    expect(hot.top(10, 2)).to.deep.equal([{ key: 'a', hits: 3 }]);
    expect(hot.top(10)).to.have.lengthOf(2);
    expect(hot.hits('nobody')).to.equal(0);
  });
});
