import { expect } from 'chai';
import { allGuards } from '../../../src/coherence/guards.js';
import { Recalls } from '../../../src/engine/recalls.js';
import type { PeerReply, PeerRequest } from '../../../src/ports/peers.js';
import { FakeClock } from '../../support/fake-clock.js';

type Reply = PeerReply | 'unreachable';

const value = (version: number): PeerReply => ({ is: 'value', version, floor: 9 }) as PeerReply;
const nothing: PeerReply = { is: 'nothing' };
const passedTo = (owner: string): PeerReply => ({ is: 'not-owner', owner });

describe('Recalls', () => {
  /**
   * A new owner, `self`, of a key that `former` owned before, linked with all who have replies: each gives its next one, the last
   * for ever. The slot's floor is 9. Of a `stranger` this node has a link, and no news yet; it has written, as `former` has.
   */
  const setUp = (
    replies: Readonly<Record<string, readonly Reply[]>>,
    vouched: Promise<boolean> | undefined = undefined,
    isUntold = false,
  ) => {
    const asked: string[] = [];
    const nodes = Object.keys(replies).map((id) => ({ id, name: `name of ${id}` }));
    const call = async (id: string, request: PeerRequest): Promise<PeerReply> => {
      expect(request.do).to.equal('recall');
      const before = asked.filter((one) => one === id).length;
      asked.push(id);
      const reply = replies[id]![Math.min(before, replies[id]!.length - 1)]!;
      if (reply === 'unreachable') throw Object.assign(new Error(reply), { code: 'PEER_UNREACHABLE' });
      return reply;
    };
    const hasWritten = (id: string): boolean => ['former', 'stranger'].includes(id);
    const recalls = new Recalls(
      {
        clock: new FakeClock(),
        guards: allGuards,
        self: () => ({ id: 'self' }),
        peers: { call, linked: () => nodes },
        leases: { isSilent: () => false, leases: { owesFloors: () => isUntold, hasWritten } },
        vouches: { before: () => vouched, isSure: () => true },
        topology: {
          previousOwners: () => nodes.slice(0, 1),
          withLeaving: (former: unknown) => former,
          heldBefore: () => [],
          members: () => nodes.filter(({ id }) => !id.startsWith('stranger')),
          isSuspect: () => false,
          isThere: () => true,
        },
      } as never,
      { isVoid: () => false, received: ({ version }: { version: number }) => ({ version }) } as never,
    );
    const space = { name: 'ks', counts: { recalls: 0 }, slots: { floor: () => 9 }, sweeps: { void: () => false } };
    const trip = { space, key: 'k', slot: 0, deadlineMs: 9000, terms: { minVersion: 0 }, place: { hash: 1 } } as never;
    return { asked, ask: () => recalls.ask(trip) };
  };

  it('gives what the former owner holds', async () => {
    const { ask } = setUp({ former: [value(5)] });
    expect(await ask()).to.deep.equal({ answer: { version: 5 }, from: 'former', allAsked: true, isOpen: false });
  });

  it('follows the former owner to whom it has passed the entry', async () => {
    const { ask, asked } = setUp({ former: [passedTo('taker')], taker: [value(5)] });
    expect(await ask()).to.include({ from: 'taker', allAsked: true, isOpen: false });
    expect(asked).to.deep.equal(['former', 'taker']);
  });

  const rows: readonly [what: string, replies: Readonly<Record<string, readonly Reply[]>>, isOpen: boolean][] = [
    [
      'has it no more, as the key expired there or was evicted',
      { former: [passedTo('taker')], taker: [nothing] },
      false,
    ],
    ['is this node, which has it no more', { former: [passedTo('self')] }, false],
    ['has passed it on in turn', { former: [passedTo('taker')], taker: [passedTo('third')] }, true],
    ['is not known here yet', { former: [passedTo('stranger')] }, true],
  ];
  for (const [what, replies, isOpen] of rows) {
    it(`whoever it was passed to ${what}: ${isOpen ? 'somebody may have it' : 'nobody has it'}`, async () => {
      expect(await setUp(replies).ask()).to.deep.include({ answer: undefined, isOpen });
    });
  }

  it('asks who has written too, where the link was here before the news of it', async () => {
    const { ask, asked } = setUp({ former: [nothing], stranger: [value(5)], 'stranger that joins': [value(6)] });
    expect(await ask()).to.deep.include({ answer: { version: 5 }, from: 'stranger' });
    expect(asked).to.deep.equal(['former', 'stranger']);
  });

  it('does not believe who was not told of a write that was made here', async () => {
    expect(await setUp({ former: [value(5)] }, undefined, true).ask()).to.deep.include({
      answer: undefined,
      isOpen: true,
    });
    expect(await setUp({ former: [nothing] }, undefined, true).ask()).to.include({ isOpen: false });
  });

  it('does not believe who has not heard of all writes that this node was told of late', async () => {
    expect(await setUp({ former: [value(5)] }, Promise.resolve(false)).ask()).to.deep.include({
      answer: undefined,
      isOpen: true,
    });
    expect(await setUp({ former: [value(5)] }, Promise.resolve(true)).ask()).to.deep.include({
      answer: { version: 5 },
      isOpen: false,
    });
    expect(await setUp({ former: [nothing] }, Promise.resolve(false)).ask(), 'nothing is nothing').to.include({
      isOpen: false,
    });
  });
});
