import { expect } from 'chai';
import { HybridClock, skewLimitMs, versionOfWall, wallOfVersion } from '../../../src/coherence/hybrid-clock.js';
import type { Clock } from '../../../src/ports/clock.js';
import { FakeClock } from '../../support/fake-clock.js';
import { type Seeded, seeded } from '../../support/seeded.js';

const hourMs = 3_600_000;

describe('HybridClock', () => {
  let clock: FakeClock;
  let hybrid: HybridClock;
  beforeEach(() => {
    clock = new FakeClock({ startMs: 5e8 });
    hybrid = new HybridClock(clock);
  });
  const ahead = (ms: number): number => versionOfWall(clock.wallMs() + ms);
  /** Milliseconds that versions stand ahead of the wall clock. */
  const leadMs = (): number => wallOfVersion(hybrid.now()) - clock.wallMs();

  it('reads as the wall clock, to the millisecond, in whole numbers that a double holds', () => {
    expect(wallOfVersion(hybrid.next())).to.equal(clock.wallMs());
    expect(hybrid.next()).to.satisfy(Number.isSafeInteger);
    expect(versionOfWall(Date.UTC(2090, 0, 1))).to.satisfy(Number.isSafeInteger);
  });

  it('gives each event a larger number, also when many fall on one millisecond', () => {
    let last = hybrid.next();
    for (let i = 0; i < 20_000; i++) {
      const version = hybrid.next();
      expect(version).to.be.above(last);
      last = version;
    }
    // More events than a millisecond has numbers run ahead of time, and time catches up.
    expect(leadMs()).to.equal(4);
    clock.skip(5);
    expect(leadMs()).to.equal(0);
  });

  it('to read it is no event', () => {
    const first = hybrid.now();
    expect(hybrid.now()).to.equal(first);
    expect(hybrid.next()).to.be.above(first);
    expect(hybrid.now()).to.equal(first + 1);
  });

  for (const stepMs of [hourMs, -hourMs, 10 * 365 * 24 * hourMs, -10 * 365 * 24 * hourMs]) {
    it(`a wall clock that steps by ${stepMs / hourMs} h moves no version by more than a thousandth of the time`, () => {
      const before = hybrid.next();
      clock.stepWall(stepMs);
      expect(hybrid.next()).to.be.within(before + 1, before + 2);
      clock.skip(1_000_000);
      const movedMs = wallOfVersion(hybrid.next()) - wallOfVersion(before);
      expect(movedMs).to.be.within(999_000, 1_001_000);
      expect(movedMs).to.equal(stepMs > 0 ? 1_001_000 : 999_000);
    });
  }

  it('closes in on a wall clock that is a little off, and stays there', () => {
    clock.stepWall(100);
    clock.skip(50_000);
    expect(leadMs()).to.equal(-50);
    clock.skip(50_000);
    expect(leadMs()).to.be.within(-1, 0);
    clock.skip(1_000_000);
    expect(leadMs()).to.equal(0);
  });

  it('takes over a remote reading that is ahead, and goes on from there', () => {
    const remote = ahead(skewLimitMs - 1) + 17;
    expect(hybrid.merge(remote)).to.equal(true);
    expect(hybrid.now()).to.equal(remote);
    expect(hybrid.next()).to.equal(remote + 1);
  });

  it('believes one that is behind, which changes nothing', () => {
    const own = hybrid.next();
    for (const remote of [0, 1, own - 1, own, ahead(-hourMs)]) expect(hybrid.merge(remote), `${remote}`).to.equal(true);
    expect(hybrid.now()).to.equal(own);
    expect(hybrid.refused).to.equal(0);
  });

  it('believes 500 ms ahead and not one event more', () => {
    expect(hybrid.merge(ahead(500))).to.equal(true);
    expect(hybrid.merge(ahead(500) + 1)).to.equal(false);
    expect(hybrid.now()).to.equal(ahead(500));
    expect(hybrid.refused).to.equal(1);
  });

  it('is not carried away in small steps', () => {
    for (let i = 0; i < 100; i++) hybrid.merge(hybrid.now() + versionOfWall(400) - versionOfWall(0));
    expect(leadMs()).to.be.at.most(500);
  });

  const refused: readonly [string, number][] = [
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['a negative number', -1],
    ['the year 2090', versionOfWall(Date.UTC(2090, 0, 1))],
    ['more than a double counts', 2 ** 53],
    ['the largest number', Number.MAX_VALUE],
  ];
  for (const [name, remote] of refused) {
    it(`refuses ${name}, and counts it`, () => {
      const before = hybrid.next();
      expect(hybrid.merge(remote)).to.equal(false);
      expect([hybrid.now(), hybrid.refused]).to.deep.equal([before, 1]);
    });
  }

  it('refuses a fraction ahead of it', () => {
    expect(hybrid.merge(ahead(1) + 0.5)).to.equal(false);
  });

  it('on a machine whose wall clock was wrong at start and is set right, believes the others at once', () => {
    const late = new HybridClock(clock);
    clock.stepWall(hourMs);
    const remote = versionOfWall(clock.wallMs()) + 5;
    expect(late.merge(remote)).to.equal(true);
    expect(late.next()).to.equal(remote + 1);
    expect(late.merge(versionOfWall(clock.wallMs() + skewLimitMs) + 1)).to.equal(false);
  });

  it('works on a machine that believes it is 1970', () => {
    const lost = new HybridClock(new FakeClock({ wallMs: 0 }));
    expect([lost.now(), lost.next(), lost.next()]).to.deep.equal([0, 1, 2]);
    expect(lost.merge(ahead(0))).to.equal(false);
  });
});

/** A machine's clock of which the wall part can be set, and which runs a little fast or slow. */
class MachineClock implements Pick<Clock, 'nowMs' | 'wallMs'> {
  #nowMs = 0;
  #wallMs: number;

  constructor(
    wallMs: number,
    private readonly speed: number,
  ) {
    this.#wallMs = wallMs;
  }

  pass(ms: number): void {
    this.#nowMs += ms;
    this.#wallMs += ms * this.speed;
  }

  step(ms: number): void {
    this.#wallMs += ms;
  }

  nowMs = (): number => this.#nowMs;
  wallMs = (): number => this.#wallMs;
}

interface Machine {
  readonly clock: MachineClock;
  readonly hybrid: HybridClock;
  /** The largest version that this machine may know of, and must exceed with its next. */
  known: number;
  read: number;
}

describe('hybrid clocks that exchange readings', () => {
  /** @param steps whether wall clocks are set while it runs, by up to an hour either way */
  function run(
    random: Seeded,
    spreadMs: number,
    steps: boolean,
  ): { readonly refused: number; readonly merged: number } {
    const wallMs = Date.UTC(2026, 0, 1);
    const machines: Machine[] = Array.from({ length: 4 }, () => {
      const clock = new MachineClock(wallMs + random.between(-spreadMs, spreadMs), 0.99999 + random.next() * 0.00002);
      return { clock, hybrid: new HybridClock(clock as unknown as Clock), known: 0, read: 0 };
    });
    let onTheWay: { readonly to: Machine; readonly reading: number; readonly known: number }[] = [];
    let merged = 0;
    for (let step = 0; step < 20_000; step++) {
      const where = `SEED=${random.seed} step ${step}`;
      const machine = random.pick(machines);
      switch (random.below(steps ? 5 : 4)) {
        case 0: {
          const ms = random.chance(0.02) ? random.below(100_000) : random.next() * 3;
          for (const { clock } of machines) clock.pass(ms);
          break;
        }
        case 1: {
          const version = machine.hybrid.next();
          expect(version, `${where}: an event got a smaller number than one it may know of`).to.be.above(machine.known);
          machine.known = version;
          break;
        }
        case 2:
          onTheWay.push({ to: random.pick(machines), reading: machine.hybrid.now(), known: machine.known });
          break;
        case 3: {
          const [message] = onTheWay;
          if (message === undefined) break;
          onTheWay = onTheWay.slice(1);
          if (!message.to.hybrid.merge(message.reading)) break;
          merged++;
          message.to.known = Math.max(message.to.known, message.known);
          break;
        }
        default:
          if (random.chance(0.01)) machine.clock.step(random.between(-hourMs, hourMs));
      }
      for (const one of machines) {
        const reading = one.hybrid.now();
        expect(reading, `${where}: went back`).to.be.at.least(one.read);
        one.read = reading;
      }
    }
    const refused = machines.reduce((sum, { hybrid }) => sum + hybrid.refused, 0);
    return { refused, merged };
  }

  for (const seed of (process.env.SEED ?? 'a,b,c').split(',')) {
    it(`never give a later event a smaller version, within the skew: all is believed, SEED=${seed}`, () => {
      const { refused, merged } = run(seeded(seed), 150, false);
      expect(refused).to.equal(0);
      expect(merged).to.be.above(1000);
    });

    it(`nor with clocks an hour apart that are set while they run, SEED=${seed}`, () => {
      const { refused, merged } = run(seeded(seed), hourMs, true);
      expect(refused).to.be.above(100);
      expect(merged).to.be.above(1000);
    });
  }
});
