import { expect } from 'chai';
import type { Clock } from '../../src/ports/clock.js';

export interface ClockUnderTest {
  readonly clock: Clock;
  /** Gives the outcome, letting time pass where it does not by itself. */
  until<T>(promise: Promise<T>): Promise<T>;
}

/** How much a timer may come before its time; see the port. */
const earlyMs = 2;

/** What every Clock keeps to. Only the order of things is asked for and what must not happen, never that it be soon. */
export function clockContract(name: string, make: () => ClockUnderTest): void {
  describe(`Clock: ${name}`, () => {
    let clock: Clock;
    let until: ClockUnderTest['until'];
    beforeEach(() => {
      ({ clock, until } = make());
    });
    const pass = (ms: number): Promise<void> => until(new Promise((resolve) => void clock.after(ms, resolve)));

    it('never goes back, and passes while one waits', async () => {
      const readings = [clock.nowMs(), clock.nowMs()];
      await pass(15);
      readings.push(clock.nowMs());
      expect(readings).to.deep.equal([...readings].sort((a, b) => a - b));
      expect(readings[2]! - readings[1]!).to.be.at.least(15 - earlyMs);
    });

    it('tells the time of people in milliseconds since 1970', () => {
      expect(clock.wallMs()).to.be.within(Date.UTC(2024, 0, 1), Date.UTC(2090, 0, 1));
    });

    it('runs timers in the order of their times, those of one time in the order they were set', async () => {
      const ran: string[] = [];
      const all = new Promise<void>((resolve) => {
        clock.after(60, () => resolve());
        for (const [ms, timer] of [
          [40, 'd'],
          [20, 'b'],
          [5, 'a'],
          [20, 'c'],
        ] as const) {
          clock.after(ms, () => ran.push(timer));
        }
      });
      await until(all);
      expect(ran).to.deep.equal(['a', 'b', 'c', 'd']);
    });

    it('runs a timer once, not at once, and without being waited for', async () => {
      let runs = 0;
      clock.after(0, () => runs++);
      clock.after(-5, () => runs++);
      clock.after(Number.NEGATIVE_INFINITY, () => runs++);
      expect(runs).to.equal(0);
      await pass(30);
      expect(runs).to.equal(3);
    });

    it('takes times of any length; none of them comes early', async () => {
      const ran: number[] = [];
      const cancels = [2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, 2 ** 53, Number.MAX_VALUE, Number.POSITIVE_INFINITY].map(
        (ms) => clock.after(ms, () => ran.push(ms)),
      );
      await pass(30);
      expect(ran).to.deep.equal([]);
      for (const cancel of cancels) cancel();
    });

    it('refuses a time that is no number', () => {
      expect(() => clock.after(Number.NaN, () => {})).to.throw(RangeError);
    });

    it('runs no timer that was cancelled, however often and whenever', async () => {
      const ran: string[] = [];
      const early = clock.after(10, () => ran.push('early'));
      early();
      early();
      const ownWay = clock.after(5, () => {
        ran.push('own way');
        ownWay();
        later();
      });
      const later = clock.after(15, () => ran.push('later'));
      await pass(40);
      early();
      expect(ran).to.deep.equal(['own way']);
    });

    it('a timer may set another', async () => {
      const ran: number[] = [];
      await until(
        new Promise<void>((resolve) => {
          const next = (left: number): void => {
            ran.push(left);
            if (left === 0) resolve();
            else clock.after(1, () => next(left - 1));
          };
          next(3);
        }),
      );
      expect(ran).to.deep.equal([3, 2, 1, 0]);
    });

    it('soon is after the turn: after all promises, in order, and before time passes', async () => {
      const ran: string[] = [];
      const done = new Promise<void>((resolve) => {
        clock.soon(() => ran.push('first'));
        clock.soon(() => {
          ran.push('second');
          clock.soon(() => {
            ran.push('next turn');
            resolve();
          });
        });
        void (async () => {
          for (let i = 0; i < 20; i++) await null;
          ran.push('promises');
        })();
        ran.push('now');
      });
      await until(done);
      expect(ran).to.deep.equal(['now', 'promises', 'first', 'second', 'next turn']);
    });

    it('background timers run like others while somebody waits', async () => {
      const ran: string[] = [];
      clock.after(5, () => ran.push('background'), { background: true });
      await pass(30);
      expect(ran).to.deep.equal(['background']);
    });
  });
}
