import { expect } from 'chai';
import { FakeClock } from '../../support/fake-clock.js';

for (const isAlone of [false, true])
  describe(`FakeClock${isAlone ? ', without turns of the event loop' : ''}`, () => {
    it('runs timers in the order of time, then of asking', async () => {
      const clock = new FakeClock({ isAlone, startMs: 1e9 });
      const ran: string[] = [];
      clock.after(20, () => ran.push('c'));
      clock.after(10, () => ran.push('a'));
      clock.after(10, () => ran.push('b'));
      const cancel = clock.after(15, () => ran.push('never'));
      cancel();
      cancel();
      await clock.advance(15);
      expect(ran).to.deep.equal(['a', 'b']);
      await clock.advance(5);
      expect(ran).to.deep.equal(['a', 'b', 'c']);
      expect(clock.nowMs()).to.equal(1e9 + 20);
      expect(clock.pending()).to.equal(0);
    });

    it('keeps the timer that a long promise chain sets within the same advance', async () => {
      const clock = new FakeClock({ isAlone });
      const ran: number[] = [];
      clock.after(1, async () => {
        for (let i = 0; i < 50; i++) await null;
        clock.soon(() => void clock.after(1, () => ran.push(clock.nowMs())));
      });
      await clock.advance(10);
      expect(ran).to.deep.equal([2]);
    });

    it('reports what never comes to rest', async () => {
      const clock = new FakeClock({ isAlone });
      let isOn = true;
      const again = (): void => {
        if (isOn) clock.soon(again);
      };
      again();
      const failure = await clock.settle().catch((error: Error) => error.message);
      isOn = false;
      expect(failure).to.match(/^not at rest/);
    });

    it('agrees with a sorted list over many timers, some cancelled', async () => {
      const clock = new FakeClock({ isAlone });
      const expected: [number, number][] = [];
      const ran: [number, number][] = [];
      for (let i = 0; i < 2_000; i++) {
        const delayMs = (i * 7919) % 101;
        const cancel = clock.after(delayMs, () => ran.push([delayMs, i]));
        if (i % 3 !== 0) cancel();
        else expected.push([delayMs, i]);
      }
      await clock.advance(100);
      expect(ran).to.deep.equal(expected.sort((a, b) => a[0] - b[0] || a[1] - b[1]));
    });

    it('moves until a promise settles, and says so when it never does', async () => {
      const clock = new FakeClock({ isAlone });
      const done = new Promise<string>((resolve) => clock.after(500, () => resolve('x')));
      expect(await clock.until(done)).to.equal('x');
      expect(clock.nowMs()).to.equal(500);
      const failure = await clock.until(new Promise(() => {}), 10).catch((error: Error) => error.message);
      expect(failure).to.match(/within 10 ms/);
    });

    it('runs late timers after a pause at the time it then is', async () => {
      const clock = new FakeClock({ isAlone });
      const at: number[] = [];
      clock.after(10, () => at.push(clock.nowMs()));
      clock.skip(1_000);
      await clock.advance(0);
      expect(at).to.deep.equal([1_000]);
    });
  });
