import { expect } from 'chai';
import { LatencyWindow, percentilesOf } from '../../../src/base/latency-window.js';
import { seeded } from '../../support/seeded.js';

describe('latencies', () => {
  const seed = process.env.SEED ?? String(Date.now());
  it(`are at most 9 % above what sorting all of them gives (SEED=${seed})`, () => {
    const random = seeded(seed);
    const window = new LatencyWindow();
    const all: number[] = [];
    for (let i = 0; i < 5000; i++) {
      const ms = 10 ** (random.next() * 7 - 2.9);
      all.push(ms);
      window.record(ms);
    }
    all.sort((a, b) => a - b);
    const { p50Ms, p99Ms, maxMs } = percentilesOf([window]);
    for (const [found, rank] of [
      [p50Ms, 0.5],
      [p99Ms, 0.99],
      [maxMs, 1],
    ] as const) {
      const exact = all[Math.ceil(all.length * rank) - 1]!;
      expect(found! / exact, `of ${exact} ms`).to.be.within(1 - 1e-9, 2 ** (1 / 8) + 1e-9);
    }
    expect(window.count).to.equal(5000);
    expect(window.totalMs).to.be.closeTo(
      all.reduce((sum, ms) => sum + ms, 0),
      1e-3,
    );
  });

  it('count what took no time, and those of several windows together', () => {
    const [a, b] = [new LatencyWindow(), new LatencyWindow()];
    a.record(4);
    b.record(8);
    expect(percentilesOf([a, b], 98)).to.deep.equal({ p50Ms: 0, p99Ms: 4.096, maxMs: 8.192 });
    expect(percentilesOf([], 0)).to.deep.equal({ p50Ms: undefined, p99Ms: undefined, maxMs: undefined });
  });

  it('are forgotten after two rotations, and their totals are not', () => {
    const window = new LatencyWindow();
    window.record(5);
    window.rotate();
    expect(percentilesOf([window]).p50Ms).to.be.within(5, 5.5);
    window.rotate();
    expect(percentilesOf([window]).p50Ms).to.equal(undefined);
    expect([window.count, window.totalMs]).to.deep.equal([1, 5]);
  });

  it('out of any range land in the first and the last bucket', () => {
    const window = new LatencyWindow();
    for (const ms of [0, 1e-9, 1e12]) window.record(ms);
    expect(percentilesOf([window]).p50Ms).to.equal(0.001);
    expect(percentilesOf([window]).maxMs).to.be.within(8e7, 2e8);
  });

  it('are recorded of what fails as well', async () => {
    const window = new LatencyWindow();
    let nowMs = 0;
    const clock = { nowMs: () => nowMs };
    await window.timed(clock, async () => {
      nowMs += 3;
    });
    const failed = window.timed(clock, async () => {
      nowMs += 3;
      throw new Error('x');
    });
    expect(await failed.catch((error: Error) => error.message)).to.equal('x');
    expect([window.count, window.totalMs]).to.deep.equal([2, 6]);
  });
});
