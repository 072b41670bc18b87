import { systemClock } from '../../src/platform/clock.js';
import { FakeClock } from '../support/fake-clock.js';
import { clockContract } from './clock.contract.js';

clockContract('of the machine', () => ({ clock: systemClock, until: (promise) => promise }));

for (const startMs of [0, 1e12]) {
  clockContract(`fake, from ${startMs}`, () => {
    const clock = new FakeClock({ startMs });
    return { clock, until: (promise) => clock.until(promise) };
  });
}
