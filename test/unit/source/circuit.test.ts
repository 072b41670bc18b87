import { expect } from 'chai';
import {
  asked,
  type BreakerLimits,
  type Circuit,
  judged,
  newCircuit,
  nextProbeInMs,
  reset,
  type Verdict,
} from '../../../src/source/circuit.js';
import { agree } from '../../support/agree.js';

const limits: BreakerLimits = { failures: 3, resetMs: 1000 };

/** The rules as a table: what stands, what happens, what stands then. `passed` is the round in which the load passed. */
type Row = readonly [
  name: string,
  from: Circuit,
  event: { readonly ask: number } | { readonly passed: number; readonly says: Verdict; readonly at: number },
  to: Circuit,
  admits?: boolean,
];
const closed = (round: number, failures = 0): Circuit => ({ is: 'closed', round, failures });
const open = (round: number, sinceMs: number): Circuit => ({ is: 'open', round, sinceMs });
const halfOpen = (round: number, sinceMs: number): Circuit => ({ is: 'half-open', round, sinceMs });

const rows: readonly Row[] = [
  ['closed lets pass', closed(0), { ask: 5 }, closed(0), true],
  ['closed lets pass one failure before the last', closed(0, 2), { ask: 5 }, closed(0, 2), true],
  ['a success of many', closed(0), { passed: 0, says: 'success', at: 5 }, closed(0)],
  ['a failure counts', closed(0), { passed: 0, says: 'failure', at: 5 }, closed(0, 1)],
  ['a success forgets the failures before it', closed(0, 2), { passed: 0, says: 'success', at: 5 }, closed(0)],
  ['what says nothing counts for neither', closed(0, 2), { passed: 0, says: 'none', at: 5 }, closed(0, 2)],
  ['the last failure opens', closed(0, 2), { passed: 0, says: 'failure', at: 5 }, open(1, 5)],
  ['open lets nobody pass', open(1, 5), { ask: 6 }, open(1, 5), false],
  ['nor just before its time', open(1, 5), { ask: 1004.99 }, open(1, 5), false],
  ['its time over, one passes', open(1, 5), { ask: 1005 }, halfOpen(2, 5), true],
  ['however late', open(1, 5), { ask: 1e9 }, halfOpen(2, 5), true],
  ['a late success does not close', open(1, 5), { passed: 0, says: 'success', at: 6 }, open(1, 5)],
  ['a late failure does not prolong', open(1, 5), { passed: 0, says: 'failure', at: 6 }, open(1, 5)],
  ['beside the probe nobody passes', halfOpen(2, 5), { ask: 1e9 }, halfOpen(2, 5), false],
  ['the probe succeeds', halfOpen(2, 5), { passed: 2, says: 'success', at: 1100 }, closed(3)],
  ['the probe fails: another whole time', halfOpen(2, 5), { passed: 2, says: 'failure', at: 1100 }, open(3, 1100)],
  [
    'the probe is cancelled: the next may try at once',
    halfOpen(2, 5),
    { passed: 2, says: 'none', at: 1100 },
    open(3, 5),
  ],
  ['…and does', open(3, 5), { ask: 1100 }, halfOpen(4, 5), true],
  [
    'a success from before does not stand for the probe',
    halfOpen(2, 5),
    { passed: 0, says: 'success', at: 1100 },
    halfOpen(2, 5),
  ],
  ['nor a failure', halfOpen(2, 5), { passed: 0, says: 'failure', at: 1100 }, halfOpen(2, 5)],
  ['a failure from before is none of the new round', closed(3), { passed: 0, says: 'failure', at: 1100 }, closed(3)],
];

describe('circuit', () => {
  for (const [name, from, event, to, admits] of rows) {
    it(name, () => {
      const before = { ...from };
      if ('ask' in event) {
        expect(asked(from, limits, event.ask)).to.deep.equal({ circuit: to, admits });
      } else {
        expect(judged(from, event.passed, event.says, limits, event.at)).to.deep.equal(to);
      }
      expect(from, 'a circuit is a value').to.deep.equal(before);
    });
  }

  it('with one failure allowed the first opens', () => {
    expect(judged(newCircuit, 0, 'failure', { failures: 1, resetMs: 1 }, 7)).to.deep.equal(open(1, 7));
  });

  it('tells when it may be tried, of an open one alone', () => {
    expect(nextProbeInMs(open(1, 5), limits, 105)).to.equal(900);
    expect(nextProbeInMs(open(1, 5), limits, 5000)).to.equal(0);
    for (const other of [closed(0, 2), halfOpen(2, 5)]) expect(nextProbeInMs(other, limits, 105)).to.equal(undefined);
  });

  it('a reset closes it, and what was under way says nothing any more', () => {
    for (const one of [closed(1, 2), open(1, 5), halfOpen(1, 5)]) {
      const fresh = reset(one);
      expect(fresh).to.deep.equal(closed(2));
      expect(judged(fresh, 1, 'failure', limits, 9)).to.deep.equal(closed(2));
    }
  });

  describe('against its twin, which keeps the whole history', () => {
    for (const seed of ['a', 'b', 'c']) {
      it(`agrees over 20,000 steps, SEED=${seed}`, () => {
        let circuit = newCircuit;
        let nowMs = 1e6;
        const under: { id: number; round: number }[] = [];
        const twin = new HistoryTwin();
        let id = 0;
        type Step = { waitMs: number; ask: boolean; of: number; says: Verdict };
        agree(
          seed,
          20_000,
          (random): Step => ({
            waitMs: random.chance(0.2) ? random.below(900) : 0,
            ask: random.chance(0.5),
            of: random.below(1000),
            says: random.pick(['success', 'failure', 'failure', 'none']),
          }),
          ({ waitMs, ask, of, says }) => {
            nowMs += waitMs;
            if (ask || under.length === 0) {
              const { circuit: next, admits } = asked(circuit, limits, nowMs);
              circuit = next;
              id++;
              if (admits) under.push({ id, round: next.round });
              return [circuit.is, admits];
            }
            const [load] = under.splice(of % under.length, 1);
            circuit = judged(circuit, load!.round, says, limits, nowMs);
            return [circuit.is, nextProbeInMs(circuit, limits, nowMs)];
          },
          ({ waitMs, ask, of, says }) => twin.step(waitMs, ask, of, says),
        );
      });
    }
  });
});

/** Works out the state from a list of all that happened, each time anew from the last change of state. */
class HistoryTwin {
  nowMs = 1e6;
  state: 'closed' | 'open' | 'half-open' = 'closed';
  sinceMs = 0;
  /** Verdicts of loads that passed since the circuit was last closed, in the order in which they came. */
  heard: Verdict[] = [];
  probe: number | undefined;
  asks = 0;
  /** Loads under way, and the time of the circuit's life in which each passed. */
  under: { id: number; era: number }[] = [];
  era = 0;

  step(waitMs: number, ask: boolean, of: number, says: Verdict): unknown {
    this.nowMs += waitMs;
    return ask || this.under.length === 0 ? this.ask() : this.end(of, says);
  }

  ask(): unknown {
    const id = ++this.asks;
    let admits = this.state === 'closed';
    if (this.state === 'open' && this.nowMs - this.sinceMs >= limits.resetMs) {
      this.become('half-open');
      this.probe = id;
      admits = true;
    }
    if (admits) this.under.push({ id, era: this.era });
    return [this.state, admits];
  }

  end(of: number, says: Verdict): unknown {
    const [{ id, era }] = this.under.splice(of % this.under.length, 1) as [{ id: number; era: number }];
    if (this.state === 'half-open' && id === this.probe) {
      this.become(says === 'success' ? 'closed' : 'open');
      if (says === 'failure') this.sinceMs = this.nowMs;
    } else if (this.state === 'closed' && era === this.era) {
      if (says !== 'none') this.heard.push(says);
      if (
        this.heard.length >= limits.failures &&
        this.heard.slice(-limits.failures).every((one) => one === 'failure')
      ) {
        this.become('open');
        this.sinceMs = this.nowMs;
      }
    }
    return [this.state, this.state === 'open' ? Math.max(0, this.sinceMs + limits.resetMs - this.nowMs) : undefined];
  }

  become(state: HistoryTwin['state']): void {
    this.state = state;
    this.heard = [];
    this.era++;
  }
}
