import { expect } from 'chai';
import { DistcacheError } from '../../../src/base/errors.js';
import { allGuards } from '../../../src/coherence/guards.js';
import { Vouches } from '../../../src/engine/vouches.js';
import type { PeerReply, PeerRequest } from '../../../src/ports/peers.js';
import { FakeClock } from '../../support/fake-clock.js';

const minuteMs = 60_000;

describe('Vouches', () => {
  const setUp = (reply: () => Promise<PeerReply['is']> = () => Promise.resolve('applied')) => {
    const clock = new FakeClock();
    const asked: [peer: string, of: unknown][] = [];
    const call = async (peer: string, request: PeerRequest): Promise<PeerReply> => {
      asked.push([peer, request.do === 'vouch' && request.heard.versions]);
      return { is: await reply() } as PeerReply;
    };
    const gone = new Set<string>();
    const known = ['a', 'b', 'p', ...Array.from({ length: 1100 }, (_, i) => `n${i}`)];
    const isThere = (id: string): boolean => !gone.has(id);
    const topology = { isThere, there: () => new Set(known.filter(isThere)) } as never;
    const vouches = new Vouches({ clock, topology, guards: allGuards, peers: { call } as never });
    return { clock, asked, gone, vouches };
  };
  const of = (id: string, to: number) => [{ id, to }];

  it('nobody has to vouch for anything before something was told late', () => {
    expect(setUp().vouches.before('p')).to.equal(undefined);
  });

  it('a peer vouches once for all that was told late, and again for what is told after that alone', async () => {
    const { asked, vouches } = setUp();
    vouches.toldLate([...of('a', 5), ...of('b', 7)]);
    expect(vouches.size).to.equal(2);
    expect(await vouches.before('p')).to.equal(true);
    expect(vouches.before('p')).to.equal(undefined);
    vouches.toldLate(of('a', 5));
    expect(vouches.before('p'), 'nothing later').to.equal(undefined);
    vouches.toldLate(of('b', 9));
    expect(await vouches.before('p')).to.equal(true);
    const first = [
      ['a', 5],
      ['b', 7],
    ];
    expect(asked).to.deep.equal([
      ['p', first],
      ['p', [['b', 9]]],
    ]);
  });

  it('a peer knows of its own writes', () => {
    const { vouches } = setUp();
    vouches.toldLate(of('p', 5));
    expect(vouches.before('p')).to.equal(undefined);
    expect(vouches.isSure('q')).to.equal(false);
  });

  it('who has not heard of them, or does not say, is not believed, and is asked again', async () => {
    const replies: (() => Promise<PeerReply['is']>)[] = [
      () => Promise.resolve('nothing'),
      () => Promise.reject(new DistcacheError('TIMEOUT', 'late')),
      () => Promise.resolve('applied'),
    ];
    const { vouches } = setUp(() => replies.shift()!());
    vouches.toldLate(of('a', 5));
    expect([await vouches.before('p'), await vouches.before('p'), await vouches.before('p')]).to.deep.equal([
      false,
      false,
      true,
    ]);
    expect(vouches.isSure('p')).to.equal(true);
  });

  it('a node of an earlier release, which does not understand the question, is believed', async () => {
    const { vouches } = setUp(() => Promise.reject(new DistcacheError('INVALID_ARGUMENT', 'not understood')));
    vouches.toldLate(of('a', 5));
    expect(await vouches.before('p')).to.equal(true);
  });

  it('asks one question at a time, and another one for what is told meanwhile', async () => {
    const waiting: PromiseWithResolvers<PeerReply['is']>[] = [];
    const { asked, vouches } = setUp(() => {
      const one = Promise.withResolvers<PeerReply['is']>();
      waiting.push(one);
      return one.promise;
    });
    vouches.toldLate(of('a', 5));
    const [first, second] = [vouches.before('p'), vouches.before('p')];
    expect(asked).to.have.length(1);
    vouches.toldLate(of('b', 6));
    const third = vouches.before('p');
    for (const one of waiting) one.resolve('applied');
    expect(asked.map(([, versions]) => versions)).to.deep.equal([
      [['a', 5]],
      [
        ['a', 5],
        ['b', 6],
      ],
    ]);
    expect([await first, await second, await third]).to.deep.equal([true, true, true]);
  });

  it('asks after them for a minute, when nobody is a former owner any more', async () => {
    const { clock, vouches } = setUp();
    vouches.toldLate(of('a', 5));
    await clock.advance(minuteMs - 1);
    expect([vouches.isLate('a'), vouches.isSure('p')]).to.deep.equal([true, false]);
    await clock.advance(1);
    expect([vouches.isLate('a'), vouches.isSure('p')]).to.deep.equal([false, true]);
    expect(vouches.size).to.equal(0);
  });

  it('asks after none that has gone since, of which nobody can hear any more', () => {
    const { gone, vouches } = setUp();
    vouches.toldLate(of('a', 5));
    gone.add('a');
    expect([vouches.isLate('a'), vouches.isSure('p')]).to.deep.equal([false, true]);
  });

  it('asks after one that this node takes for gone and that writes all the same, until it has come back and gone', () => {
    const { gone, vouches } = setUp();
    gone.add('a');
    vouches.toldLate(of('a', 5));
    expect([vouches.isLate('a'), vouches.isSure('p')]).to.deep.equal([true, false]);
    gone.delete('a');
    expect(vouches.isSure('p')).to.equal(false);
    gone.add('a');
    expect(vouches.isSure('p')).to.equal(true);
  });

  it('remembers the latest 1,024 writers, and asks a peer anew over a new link', async () => {
    const { vouches } = setUp();
    vouches.toldLate(Array.from({ length: 1100 }, (_, i) => ({ id: `n${i}`, to: 1 })));
    expect(vouches.size).to.equal(1024);
    expect([vouches.isLate('n75'), vouches.isLate('n76')]).to.deep.equal([false, true]);
    expect(await vouches.before('p')).to.equal(true);
    vouches.linkLost('p');
    expect(vouches.isSure('p')).to.equal(false);
  });

  it('remembers the latest 1,024 peers that have vouched, and asks an earlier one once more', async () => {
    const { asked, vouches } = setUp();
    vouches.toldLate(of('a', 5));
    for (let i = 0; i < 1025; i += 1) await vouches.before(`n${i}`);
    expect(['n0', 'n1', 'n1024'].map((id) => vouches.isSure(id))).to.deep.equal([false, true, true]);
    expect(await vouches.before('n0')).to.equal(true);
    expect(asked).to.have.length(1026);
  });
});
