import { expect } from 'chai';
import { Deadlines, type Due } from '../../../src/flight/deadlines.js';
import { FakeClock } from '../../support/fake-clock.js';
import { seeded } from '../../support/seeded.js';

interface Item extends Due<Item> {
  readonly name: string;
}

const item = (deadlineMs: number, name = String(deadlineMs)): Item => ({
  deadlineMs,
  name,
  bucket: undefined,
  earlier: undefined,
  later: undefined,
});

describe('Deadlines', () => {
  it('comes up in the order of time, exactly then, and what was dropped does not', async () => {
    const clock = new FakeClock();
    const came: string[] = [];
    const deadlines = new Deadlines<Item>(clock, ({ name }) => came.push(`${name} at ${clock.nowMs()}`));
    const items = [30, 10, 20, 10.5].map((ms) => item(ms));
    for (const each of items) deadlines.add(each);
    deadlines.drop(items[2]!);
    deadlines.drop(items[2]!);
    await clock.advance(100);
    expect(came).to.deep.equal(['10 at 10', '10.5 at 10.5', '30 at 30']);
    expect(clock.pending()).to.equal(0);
  });

  it('keeps no timer for the last one dropped, nor for what never comes', () => {
    const clock = new FakeClock();
    const deadlines = new Deadlines<Item>(clock, () => {});
    const [soon, never] = [item(10), item(Number.POSITIVE_INFINITY)];
    deadlines.add(never);
    expect(clock.pending()).to.equal(0);
    deadlines.add(soon);
    expect(clock.pending()).to.equal(1);
    deadlines.drop(soon);
    expect(clock.pending()).to.equal(0);
    deadlines.drop(never);
    deadlines.add(item(20));
    expect(clock.pending()).to.equal(1);
  });

  it('takes new ones and loses others while one comes up', async () => {
    const clock = new FakeClock();
    const came: string[] = [];
    const second = item(10, 'second');
    const deadlines: Deadlines<Item> = new Deadlines<Item>(clock, ({ name }) => {
      came.push(name);
      if (name !== 'first') return;
      deadlines.drop(second);
      deadlines.add(item(15, 'third'));
    });
    deadlines.add(item(10, 'first'));
    deadlines.add(second);
    await clock.advance(100);
    expect(came).to.deep.equal(['first', 'third']);
    expect(clock.pending()).to.equal(0);
  });

  for (const seed of (process.env.SEED ?? 'a,b,c').split(',')) {
    it(`agrees with a sorted list over 3,000 steps, SEED=${seed}`, async () => {
      const random = seeded(seed);
      const clock = new FakeClock();
      const came: string[] = [];
      const deadlines = new Deadlines<Item>(clock, ({ name }) => came.push(name));
      let waiting: Item[] = [];
      const expected: string[] = [];
      for (let step = 0; step < 3_000; step++) {
        const added = item(clock.nowMs() + random.between(1, 500) + step / 10_000, `step ${step}`);
        deadlines.add(added);
        waiting.push(added);
        if (random.chance(0.7)) {
          const [gone] = waiting.splice(random.below(waiting.length), 1);
          deadlines.drop(gone!);
        }
        if (random.chance(0.2)) {
          await clock.advance(random.below(20));
          const due = waiting.filter(({ deadlineMs }) => deadlineMs <= clock.nowMs());
          expected.push(...due.sort((a, b) => a.deadlineMs - b.deadlineMs).map(({ name }) => name));
          waiting = waiting.filter((one) => !due.includes(one));
          expect(came, `SEED=${seed} step ${step}`).to.deep.equal(expected);
        }
      }
      await clock.advance(1_000);
      expect(came).to.have.length(expected.length + waiting.length);
      expect(clock.pending()).to.equal(0);
    });
  }
});
