import { expect } from 'chai';
import { ExpiryWheel, type WheelNode } from '../../../src/store/expiry-wheel.js';
import { seeded } from '../../support/seeded.js';

class Node implements WheelNode<Node> {
  next: Node | undefined = undefined;
  previous: Node | undefined = undefined;
  slot = -1;
  constructor(readonly keepUntilMs: number) {}
}

const wheelOf = (...times: number[]): { wheel: ExpiryWheel<Node>; nodes: Node[] } => {
  const wheel = new ExpiryWheel<Node>();
  const nodes = times.map((time) => new Node(time));
  for (const node of nodes) wheel.add(node);
  return { wheel, nodes };
};

const expiredBy = (wheel: ExpiryWheel<Node>, nowMs: number, budget = 1e9): number[] => {
  const gone: number[] = [];
  wheel.advance(nowMs, budget, (node) => gone.push(node.keepUntilMs));
  wheel.check();
  return gone.sort((a, b) => a - b);
};

const day = 86_400_000;

describe('ExpiryWheel', () => {
  const rows: readonly [string, number, number, boolean][] = [
    ['nothing early, not even within the tick', 5500, 5499, false],
    ['nothing of a tick that is not over', 5500, 5999, false],
    ['all of a tick that is over', 5500, 6000, true],
    ['at time 0', 0, 1000, true],
    ['one round before: passed over', 4_096_000 + 5500, 6000, false],
    ['after one round', 4_096_000 + 5500, 4_096_000 + 6000, true],
    ['30 days, beyond what setTimeout can wait', 30 * day, 30 * day + 1000, true],
    ['30 days, an hour before', 30 * day, 30 * day - 3_600_000, false],
    ['a thousand years', 365_000 * day, 365_000 * day + 1000, true],
  ];
  for (const [what, keepUntilMs, nowMs, gone] of rows) {
    it(`removes ${what}`, () => {
      const { wheel } = wheelOf(keepUntilMs);
      expect(expiredBy(wheel, nowMs)).to.deep.equal(gone ? [keepUntilMs] : []);
    });
  }

  it('does not take what never ends', () => {
    const { wheel, nodes } = wheelOf(Number.POSITIVE_INFINITY);
    expect(wheel.size).to.equal(0);
    wheel.remove(nodes[0]!);
    expect(wheel.size).to.equal(0);
  });

  it('removes at the next step what was due already when it came in', () => {
    const { wheel } = wheelOf();
    wheel.advance(100_000, 10, () => {});
    wheel.add(new Node(7));
    expect(expiredBy(wheel, 101_000)).to.deep.equal([7]);
  });

  it('takes out any node of a slot, twice without harm, and leaves it no links', () => {
    for (const victim of [0, 1, 2]) {
      const { wheel, nodes } = wheelOf(1000, 1001, 1002);
      wheel.remove(nodes[victim]!);
      wheel.remove(nodes[victim]!);
      wheel.check();
      expect(nodes[victim]).to.include({ next: undefined, previous: undefined, slot: -1 });
      expect(expiredBy(wheel, 9000)).to.have.length(2);
    }
  });

  it('looks at no more than the budget at a time, goes on from there, and says when there may be more', () => {
    const { wheel } = wheelOf(...new Array<number>(25).fill(1500), ...new Array<number>(5).fill(2500));
    const looks: number[] = [];
    while (wheel.size > 0) looks.push(wheel.advance(60_000, 10, () => {}));
    expect(looks).to.deep.equal([10, 10, 10]);
    expect(wheel.advance(60_000, 10, () => {})).to.equal(0);
  });

  it('counts against the budget what it passes over, so that a step stays short', () => {
    const later = new Array<number>(25).fill(4_096_000 + 1500);
    const { wheel } = wheelOf(...later, 1500);
    expect(wheel.advance(3000, 10, () => {})).to.equal(10);
    expect(wheel.advance(3000, 10, () => {})).to.equal(10);
    expect(expiredBy(wheel, 3000, 10)).to.deep.equal([1500]);
    expect(wheel.size).to.equal(25);
  });

  it('does not leave for a whole round what comes in, overdue, while its slot is being walked', () => {
    const { wheel } = wheelOf(1500, 1501, 1502);
    wheel.advance(2000, 1, () => {});
    wheel.add(new Node(1503));
    expect([...expiredBy(wheel, 2000), ...expiredBy(wheel, 3000)]).to.have.length(3);
    expect(wheel.size).to.equal(0);
  });

  it('loses nothing when nodes come and go in the slot that is being walked', () => {
    const { wheel, nodes } = wheelOf(1500, 1501, 1502, 1503);
    wheel.advance(5000, 1, () => {});
    wheel.remove(nodes.find((node) => node.slot !== -1)!);
    wheel.add(new Node(1504));
    expect([...expiredBy(wheel, 5000), ...expiredBy(wheel, 6000)]).to.have.length(3);
    expect(wheel.size).to.equal(0);
  });

  it('never removes early, nor later than the step after, under random adding, removing and budgets', () => {
    const random = seeded(process.env.SEED ?? 'wheel');
    const wheel = new ExpiryWheel<Node>();
    const held = new Set<Node>();
    let nowMs = 0;
    for (let step = 0; step < 3000; step++) {
      const where = `SEED=${random.seed} step ${step}`;
      for (let i = random.below(6); i > 0; i--) {
        const node = new Node(nowMs + random.pick([0, 1, 999, 3000, random.below(100_000), random.below(20_000_000)]));
        held.add(node);
        wheel.add(node);
      }
      const [first] = held;
      if (first !== undefined && random.chance(0.2)) {
        held.delete(first);
        wheel.remove(first);
      }
      nowMs += random.pick([1, 400, 1000, 5000, random.below(9_000_000)]);
      const budget = random.between(1, 20);
      const expired = (node: Node): void => {
        expect(node.keepUntilMs, where).to.be.at.most(nowMs);
        expect(held.delete(node), where).to.equal(true);
      };
      let looks = wheel.advance(nowMs, budget, expired);
      while (looks === budget) looks = wheel.advance(nowMs, budget, expired);
      expect(looks, where).to.be.below(budget);
      if (step % 20 === 0) wheel.check();
      // Added before a walk and due in a second that is over: gone, unless it came into the slot being walked.
      const overdue = [...held].filter((node) => node.keepUntilMs < Math.floor(nowMs / 1000) * 1000);
      expect(overdue, where).to.deep.equal([]);
    }
  });
});
