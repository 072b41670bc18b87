import { expect } from 'chai';
import { Driver } from '../../../../src/membership/gossip/driver.js';
import { MinuteLog } from '../../../../src/membership/gossip/minute-log.js';
import type { GossipErrand } from '../../../../src/membership/gossip/transport.js';
import type { SwimCore } from '../../../../src/membership/swim/core.js';
import type { SwimEffect, SwimEvent, SwimInput } from '../../../../src/membership/swim/effects.js';
import { FakeClock } from '../../../support/fake-clock.js';

const leaveDone: SwimEffect = { do: 'tell', event: { is: 'leaveDone', sent: true } };
const seeds: SwimInput = { is: 'seeds', seeds: [] };

describe('the driver of the gossip core', () => {
  /** What happened, in order: steps with their time, carried errands, events. */
  const driving = (
    answer: (input: SwimInput) => readonly SwimEffect[],
    onEvent: (event: SwimEvent) => void = () => {},
  ) => {
    const clock = new FakeClock();
    const trace: string[] = [];
    const lines: string[] = [];
    let depth = 0;
    const core = {
      step: (input: SwimInput, nowMs: number): readonly SwimEffect[] => {
        expect(depth, 'one step at a time').to.equal(0);
        trace.push(`${input.is} at ${nowMs}`);
        depth++;
        try {
          return answer(input);
        } finally {
          depth--;
        }
      },
    } as unknown as SwimCore;
    const driver = new Driver(core, {
      clock,
      log: new MinuteLog({ write: (_, message) => lines.push(message) }, clock),
      transport: { carry: (errand: GossipErrand) => trace.push(errand.do) },
      onEvent: (event) => {
        trace.push(event.is);
        onEvent(event);
      },
    });
    return { clock, trace, lines, driver };
  };

  it('wakes the core when it asked to be, the last wish counting', async () => {
    const { clock, trace, driver } = driving(({ is }) =>
      is === 'start'
        ? [
            { do: 'wake', afterMs: 50 },
            { do: 'wake', afterMs: 20 },
          ]
        : [],
    );
    driver.feed({ is: 'start' });
    await clock.advance(100);
    expect(trace).to.deep.equal(['start at 0', 'wake at 20']);
  });

  it('does what a step wants before the next, also when an event feeds it', () => {
    let isFirst = true;
    const { trace, driver } = driving(
      ({ is }) => (is === 'start' ? [leaveDone, { do: 'drop', stream: 1 }] : []),
      () => {
        if (isFirst) driver.feed(seeds);
        isFirst = false;
      },
    );
    driver.feed({ is: 'start' });
    expect(trace).to.deep.equal(['start at 0', 'leaveDone', 'drop', 'seeds at 0']);
  });

  it('outlives a step that fails, says so once a minute, and wakes the core again', async () => {
    const { clock, trace, lines, driver } = driving(() => {
      throw new Error('broken');
    });
    driver.feed({ is: 'start' });
    await clock.advance(90_000);
    expect(trace.slice(0, 3)).to.deep.equal(['start at 0', 'wake at 1000', 'wake at 2000']);
    expect(lines).to.deep.equal([
      'gossip: a step failed: broken',
      'gossip: a step failed: broken (and 59 more since this was last said)',
    ]);
    expect(driver.counts()).to.deep.equal({ inputs_dropped: 0, core_faults: 91 });
    driver.close();
    expect(clock.pending()).to.equal(0);
  });

  it('takes no more than so many inputs while a step is under way', () => {
    let isFirst = true;
    const { trace, driver } = driving(
      ({ is }) => (is === 'start' ? [leaveDone] : []),
      () => {
        if (isFirst) for (let i = 0; i < 5000; i++) driver.feed(seeds);
        isFirst = false;
      },
    );
    driver.feed({ is: 'start' });
    expect(driver.counts()).to.deep.equal({ inputs_dropped: 904, core_faults: 0 });
    expect(trace).to.have.length(2 + 4096);
  });

  it('does nothing more once it is closed, also in the middle of a step', async () => {
    const { clock, trace, driver } = driving(
      () => [{ do: 'wake', afterMs: 1 }, leaveDone, { do: 'drop', stream: 1 }],
      () => driver.close(),
    );
    driver.feed({ is: 'start' });
    driver.feed(seeds);
    await clock.advance(100);
    expect(trace).to.deep.equal(['start at 0', 'leaveDone']);
  });
});
