import { expect } from 'chai';
import { Latest } from '../../../src/base/latest.js';
import { Handover } from '../../../src/engine/handover.js';
import type { Keyspace } from '../../../src/engine/keyspace.js';
import type { PeerReply, PeerRequest } from '../../../src/ports/peers.js';
import { lruIndex } from '../../../src/store/lru-index.js';
import { Store } from '../../../src/store/store.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('Handover', () => {
  /** A node that leaves, holding entries for `heir`, who answers each push with the next of `replies`, the last for ever. */
  const setUp = (...replies: readonly PeerReply['is'][]) => {
    const isReplica = false;
    const clock = new FakeClock();
    const store = new Store({ maxBytes: 64 * 1024, hotShare: 0.125, index: lruIndex });
    const hold = (key: string, owner: string, expiresAtMs = 60_000) =>
      store.put({ key, value: Buffer.from('v'), version: 1, expiresAtMs, wasPut: true, isHeld: true, owner });
    const space = {
      store,
      name: 'ks',
      slots: { slotOf: () => 0, floor: () => 7 },
      generation: 3,
      passedOn: new Latest(4),
    } as unknown as Keyspace;
    const pushed: PeerRequest[] = [];
    const handover = new Handover({
      takeovers: { isSure: true } as never,
      spared: { floorOf: (_: unknown, floor: number) => floor } as never,
      clock,
      self: () => ({ id: 'self' }) as never,
      topology: {
        place: () => ({ hash: 0, owner: { id: 'heir' }, mine: false }),
        placeOf: () => ({ hash: 0, owner: { id: 'heir' }, mine: false }),
        hash: () => 0,
        isReplica: () => isReplica,
      } as never,
      leases: { leases: { heard: (id: string) => (id === 'heir' ? 9 : 0) } } as never,
      peers: {
        call: (_: string, request: PeerRequest) => {
          const is = replies[Math.min(pushed.length, replies.length - 1)]!;
          pushed.push(request);
          return Promise.resolve({ is } as PeerReply);
        },
      } as never,
    });
    const push = (withinMs = 30_000) => clock.until(handover.push([space], { deadlineMs: clock.nowMs() + withinMs }));
    return { clock, store, space, handover, hold, pushed, push };
  };

  it('says with each entry what this node has heard of writes, and of those of the new owner', async () => {
    const { hold, pushed, push } = setUp('applied');
    hold('k', 'heir');
    expect(await push()).to.deep.equal({ handedOver: 1, left: 0 });
    expect(pushed[0]).to.include({ do: 'hold', key: 'k', floor: 7, generation: 3, sequence: 0, heard: 9 });
  });

  it('pushes again what was refused: the new owner has written to the slot, and this node was to hear of it first', async () => {
    const { handover, hold, pushed, push } = setUp('nothing', 'nothing', 'applied');
    hold('k', 'heir');
    expect(await push()).to.deep.equal({ handedOver: 1, left: 0 });
    expect(pushed).to.have.length(3);
    expect([handover.waiting, handover.handedOver]).to.deep.equal([0, 1]);
  });

  it('gives up after twenty refusals, and goes on for as long as nobody takes itself for the owner', async () => {
    const refused = setUp('nothing');
    refused.hold('k', 'heir');
    const pushing = refused.push();
    expect(refused.handover.waiting).to.equal(1);
    expect(await pushing).to.deep.equal({ handedOver: 0, left: 1 });
    expect(refused.pushed).to.have.length(20);
    expect([refused.handover.waiting, refused.handover.handedOver]).to.deep.equal([0, 0]);
    const unknown = setUp('not-owner');
    unknown.hold('k', 'heir');
    expect(await unknown.push(5000)).to.deep.equal({ handedOver: 0, left: 1 });
    expect(unknown.pushed).to.have.length(25);
    expect(unknown.handover.waiting).to.equal(0);
  });

  it('pushes what has moved two seconds later, once, and ends when it is stopped', async () => {
    const { clock, store, space, handover, hold, pushed } = setUp('not-owner');
    hold('k', 'heir');
    for (let i = 0; i < 3; i++) handover.moved(space, [store.peek('k')!]);
    await clock.advance(1999);
    expect([pushed.length, handover.waiting]).to.deep.equal([0, 1]);
    await clock.advance(1);
    expect(pushed).to.have.length(1);
    await clock.advance(200);
    expect(pushed, 'again while nobody takes itself for the owner').to.have.length(2);
    handover.stop();
    await clock.advance(10_000);
    expect([pushed.length, handover.waiting]).to.deep.equal([2, 0]);
    handover.moved(space, [store.peek('k')!]);
    await clock.advance(2000);
    expect(pushed, 'after the next change').to.have.length(3);
    handover.stop();
    await clock.advance(200);
  });

  it('leaves out what has expired, and what was overwritten while it waited for its turn', async () => {
    const { store, hold, pushed, push } = setUp('nothing', 'applied');
    hold('expired', 'heir', 0);
    hold('k', 'heir');
    const pushing = push();
    await Promise.resolve();
    store.delete('k', 'invalidated');
    expect(await pushing).to.deep.equal({ handedOver: 0, left: 2 });
    expect(pushed).to.have.length(1);
  });
});
