import { expect } from 'chai';
import { systemClock } from '../../../src/platform/clock.js';
import { runModule } from '../../support/child.js';

interface Armed {
  readonly ms: number;
  readonly fire: () => void;
}

describe('systemClock', () => {
  describe('beyond what a timer of Node counts', () => {
    const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
    let armed: Armed[];
    let cleared: unknown[];
    beforeEach(() => {
      armed = [];
      cleared = [];
      globalThis.setTimeout = ((fire: () => void, ms: number) => {
        armed.push({ ms, fire });
        return { id: armed.length, unref: () => {} };
      }) as unknown as typeof setTimeout;
      globalThis.clearTimeout = ((timer: { id: number }) => cleared.push(timer.id)) as unknown as typeof clearTimeout;
    });
    afterEach(() => Object.assign(globalThis, real));

    const longest = 2 ** 31 - 1;

    it('goes in steps, and runs once after the last', () => {
      let runs = 0;
      systemClock.after(2 * longest + 5, () => runs++);
      for (let step = 0; step < 3; step++) {
        expect(runs).to.equal(0);
        expect(armed).to.have.length(step + 1);
        armed[step]!.fire();
      }
      expect(armed.map(({ ms }) => ms)).to.deep.equal([longest, longest, 5]);
      expect(runs).to.equal(1);
    });

    for (const [name, delayMs, ms] of [
      ['the longest', longest, longest],
      ['one more', longest + 1, longest],
      ['for ever', Number.POSITIVE_INFINITY, longest],
      ['below zero', -1, 0],
    ] as const) {
      it(`${name}: never asks Node for more than it counts`, () => {
        systemClock.after(delayMs, () => {});
        expect(armed.map((timer) => timer.ms)).to.deep.equal([ms]);
      });
    }

    it('is cancelled in whichever step it is', () => {
      const cancel = systemClock.after(3 * longest, () => {
        throw new Error('not cancelled');
      });
      armed[0]!.fire();
      armed[1]!.fire();
      cancel();
      cancel();
      expect(cleared).to.deep.equal([3, 3]);
    });
  });

  it('background timers, also long ones, keep no process alive, and others do', async () => {
    const { exit, stdout, stderr } = await runModule(`
      import { systemClock } from './src/platform/clock.ts';
      systemClock.after(60_000, () => console.log('late'), { background: true });
      systemClock.after(2 ** 40, () => console.log('late'), { background: true });
      systemClock.after(20, () => console.log('waited for'));
      process.on('exit', () => console.log('end'));
    `);
    expect({ exit, stdout, stderr }).to.deep.equal({ exit: 0, stdout: 'waited for\nend\n', stderr: '' });
  });
});
