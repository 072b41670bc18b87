import { expect } from 'chai';
import { Sampled } from '../../../src/telemetry/sampled.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('durations that are recorded', () => {
  const dueOf = (sampled: Sampled, count: number): number =>
    Array.from({ length: count }, () => sampled.isDue()).filter((due) => due).length;

  it('all, as long as they are fewer than a thousand a second', async () => {
    const clock = new FakeClock();
    const sampled = new Sampled(clock);
    for (let second = 0; second < 3; second++) {
      expect(dueOf(sampled, 900)).to.equal(900);
      await clock.advance(1000);
    }
  });

  it('one in 64 of what comes beyond, and all again in the next second', async () => {
    const clock = new FakeClock();
    const sampled = new Sampled(clock);
    expect(dueOf(sampled, 1000)).to.equal(1000);
    expect(dueOf(sampled, 64_000)).to.equal(1000);
    await clock.advance(1000);
    expect(dueOf(sampled, 64)).to.be.within(1, 64);
    expect(dueOf(sampled, 900)).to.equal(900);
  });
});
