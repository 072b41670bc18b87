import { expect } from 'chai';
import { Broadcasts, type News, partOverheadBytes, transmitLimit } from '../../../../src/membership/swim/broadcasts.js';
import { agree } from '../../../support/agree.js';

const about = (node: string, incarnation = 1): News => ({ is: 'suspect', node, incarnation, from: 'x' });

/** The tests' news is as long as its incarnation says. */
const sizeOf = (news: News): number => news.incarnation;

const nodesOf = (news: readonly News[]): readonly string[] => news.map(({ node }) => node);

describe('broadcasts', () => {
  const limits: readonly (readonly [known: number, limit: number])[] = [
    [1, 4],
    [2, 4],
    [9, 4],
    [10, 8],
    [99, 8],
    [100, 12],
    [999, 12],
    [1000, 16],
  ];
  for (const [known, limit] of limits) {
    it(`sends each piece of news ${limit} times among ${known} members`, () => {
      expect(transmitLimit(4, known)).to.equal(limit);
    });
  }

  const filled = (...news: readonly News[]): Broadcasts => {
    const broadcasts = new Broadcasts({ max: 4, bytesMax: 100, sizeOf });
    for (const item of news) broadcasts.queue(item);
    return broadcasts;
  };

  it('takes the least sent first, then the longest, then the newest', () => {
    const broadcasts = filled(about('short', 10), about('old', 20), about('new', 20));
    expect(nodesOf(broadcasts.take(100, 4))).to.deep.equal(['new', 'old', 'short']);
    broadcasts.queue(about('fresh', 1));
    expect(nodesOf(broadcasts.take(100, 4))).to.deep.equal(['fresh', 'new', 'old', 'short']);
  });

  it('fills a packet with what fits, framing included, and passes over what does not', () => {
    const broadcasts = filled(about('a', 50), about('b', 40), about('c', 5));
    expect(nodesOf(broadcasts.take(50 + 5 + 2 * partOverheadBytes, 4))).to.deep.equal(['a', 'c']);
    expect(nodesOf(broadcasts.take(4, 4))).to.deep.equal([]);
    expect(nodesOf(broadcasts.take(100, 4, 1))).to.deep.equal(['b']);
  });

  it('drops what was sent to the limit', () => {
    const broadcasts = filled(about('a', 10));
    const taken = Array.from({ length: 5 }, () => nodesOf(broadcasts.take(100, 3)).length);
    expect(taken).to.deep.equal([1, 1, 1, 0, 0]);
  });

  it('lets accusations by several stand beside each other, until anything else is known of the member', () => {
    const by = (from: string, incarnation = 7): News => ({ is: 'suspect', node: 'a', incarnation, from });
    const said = (broadcasts: Broadcasts): readonly string[] =>
      broadcasts
        .take(100, 9)
        .map((news) => `${news.is} ${news.is === 'alive' ? '' : news.from}`)
        .sort();
    const broadcasts = filled(by('x'), by('y'), by('x'), about('b', 5));
    expect(said(broadcasts)).to.deep.equal(['suspect x', 'suspect x', 'suspect y']);
    broadcasts.queue(by('z', 8));
    broadcasts.check();
    expect(said(broadcasts)).to.deep.equal(['suspect x', 'suspect z']);
    broadcasts.queue({ is: 'dead', node: 'a', incarnation: 8, from: 'y' });
    broadcasts.check();
    expect(said(broadcasts)).to.deep.equal(['dead y', 'suspect x']);
    broadcasts.forget('a');
    broadcasts.check();
    expect(said(broadcasts)).to.deep.equal(['suspect x']);
  });

  it('keeps only the newest about a member, to be sent from the beginning', () => {
    const first = about('a', 10);
    const broadcasts = filled(first);
    broadcasts.take(100, 3);
    broadcasts.take(100, 3);
    const second = about('a', 11);
    broadcasts.queue(second);
    expect([broadcasts.has(first), broadcasts.has(second), broadcasts.size]).to.deep.equal([false, true, 1]);
    expect(Array.from({ length: 4 }, () => broadcasts.take(100, 3).length)).to.deep.equal([1, 1, 1, 0]);
  });

  it('gives up the most often sent when it is full, and news that fits no packet, and counts both', () => {
    const broadcasts = filled(about('worn', 10));
    broadcasts.take(100, 8);
    for (const node of ['a', 'b', 'c', 'd']) broadcasts.queue(about(node, 10));
    expect([broadcasts.hasAbout('worn'), broadcasts.size, broadcasts.dropped]).to.deep.equal([false, 4, 1]);
    broadcasts.queue(about('long', 101));
    expect([broadcasts.hasAbout('long'), broadcasts.dropped]).to.deep.equal([false, 2]);
  });

  it('agrees with a list that is sorted anew for every packet', () => {
    type Step =
      | { readonly is: 'queue'; readonly node: string; readonly bytes: number }
      | { readonly is: 'take'; readonly budget: number; readonly limit: number; readonly parts: number }
      | { readonly is: 'forget'; readonly node: string };
    const max = 12;
    const real = new Broadcasts({ max, bytesMax: 40, sizeOf });
    let twin: { node: string; bytes: number; id: number; transmits: number }[] = [];
    let id = 0;
    let dropped = 0;
    const sort = (): void => {
      twin.sort((a, b) => a.transmits - b.transmits || b.bytes - a.bytes || b.id - a.id);
    };
    agree<Step>(
      'broadcasts',
      4000,
      (random) => {
        const node = `n${random.below(20)}`;
        if (random.chance(0.5)) return { is: 'queue', node, bytes: random.between(1, 42) };
        if (random.chance(0.1)) return { is: 'forget', node };
        return { is: 'take', budget: random.between(0, 120), limit: random.between(1, 6), parts: random.between(1, 6) };
      },
      (step) => {
        if (step.is === 'queue') real.queue(about(step.node, step.bytes));
        else if (step.is === 'forget') real.forget(step.node);
        else return nodesOf(real.take(step.budget, step.limit, step.parts));
        return [real.size, real.dropped];
      },
      (step) => {
        if (step.is === 'queue') {
          if (step.bytes > 40) dropped++;
          else {
            twin = twin.filter((item) => item.node !== step.node);
            twin.push({ node: step.node, bytes: step.bytes, id: id++, transmits: 0 });
            sort();
            if (twin.length > max) {
              twin.pop();
              dropped++;
            }
          }
          return [twin.length, dropped];
        }
        if (step.is === 'forget') {
          twin = twin.filter((item) => item.node !== step.node);
          return [twin.length, dropped];
        }
        // As written in the protocol's description: again and again the first that fits, from the least sent upward.
        const taken: typeof twin = [];
        let used = 0;
        for (;;) {
          sort();
          const fits = twin.find((item) => !taken.includes(item) && item.bytes + 2 <= step.budget - used);
          if (fits === undefined || taken.length === step.parts) break;
          taken.push(fits);
          used += fits.bytes + 2;
        }
        for (const item of taken) item.transmits++;
        twin = twin.filter((item) => !taken.includes(item) || item.transmits < step.limit);
        return taken.map((item) => item.node);
      },
      () => real.check(),
    );
  });
});
