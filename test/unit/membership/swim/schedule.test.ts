import { expect } from 'chai';
import { Schedule } from '../../../../src/membership/swim/schedule.js';
import { agree } from '../../../support/agree.js';

describe('schedule', () => {
  it('gives equal times in the order they were set', () => {
    const schedule = new Schedule<string>();
    for (const key of ['a', 'b', 'c']) schedule.set(key, 5, key);
    schedule.set('a', 5, 'a again');
    expect([schedule.take(5), schedule.take(5), schedule.take(5), schedule.take(5)]).to.deep.equal([
      'b',
      'c',
      'a again',
      undefined,
    ]);
  });

  it('agrees with a list that is searched', () => {
    type Step =
      | { readonly is: 'set'; readonly key: string; readonly atMs: number }
      | { readonly is: 'clear'; readonly key: string }
      | { readonly is: 'take'; readonly nowMs: number };
    const real = new Schedule<number>();
    let twin: { key: string; atMs: number; sequence: number }[] = [];
    let realSequence = 0;
    let twinSequence = 0;
    agree<Step>(
      'schedule',
      5000,
      (random) => {
        const key = `k${random.below(60)}`;
        const kind = random.below(10);
        if (kind < 6) return { is: 'set', key, atMs: random.below(1000) };
        return kind < 8 ? { is: 'clear', key } : { is: 'take', nowMs: random.below(300) };
      },
      (step) => {
        if (step.is === 'set') real.set(step.key, step.atMs, realSequence++);
        else if (step.is === 'clear') real.clear(step.key);
        else return [real.take(step.nowMs), real.nextMs(), real.size];
        return [real.nextMs(), real.size, real.has(step.key)];
      },
      (step) => {
        const first = () => twin.toSorted((a, b) => a.atMs - b.atMs || a.sequence - b.sequence)[0];
        if (step.is !== 'take') {
          twin = twin.filter(({ key }) => key !== step.key);
          if (step.is === 'set') twin.push({ key: step.key, atMs: step.atMs, sequence: twinSequence++ });
          return [first()?.atMs, twin.length, step.is === 'set'];
        }
        const due = first();
        const taken = due !== undefined && due.atMs <= step.nowMs ? due : undefined;
        twin = twin.filter((slot) => slot !== taken);
        return [taken?.sequence, first()?.atMs, twin.length];
      },
      () => real.check(),
    );
  });
});
