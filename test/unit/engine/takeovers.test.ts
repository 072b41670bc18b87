import { expect } from 'chai';
import type { Keyspace } from '../../../src/engine/keyspace.js';
import type { Keyspaces } from '../../../src/engine/keyspaces.js';
import { Takeovers, takenOver } from '../../../src/engine/takeovers.js';
import type { PeerReply, PeerRequest } from '../../../src/ports/peers.js';
import { lruIndex } from '../../../src/store/lru-index.js';
import { Store } from '../../../src/store/store.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('Takeovers', () => {
  const setUp = (
    peerIds: readonly string[],
    silent: readonly string[] = [],
    owners = peerIds,
    incomplete: readonly string[] = [],
  ) => {
    const clock = new FakeClock();
    const store = new Store({ maxBytes: 64 * 1024, hotShare: 0.125, index: lruIndex });
    const entry = { value: Buffer.from('v'), version: 1, expiresAtMs: 60_000, wasPut: true, isHeld: true };
    const hold = (key: string, owner: string) => store.put({ ...entry, key, owner });
    const asked: { readonly id: string; readonly request: PeerRequest; readonly answer: (is: boolean) => void }[] = [];
    const space = { store } as unknown as Keyspace;
    let taken = 0;
    const deps = {
      clock,
      spaces: { values: () => [space] } as unknown as Keyspaces,
      self: () => ({ id: 'self' }) as never,
      topology: { ring: () => ({ members: ['self', ...owners].map((id) => ({ id })) }) } as never,
      leases: {
        isSilent: (id: string) => silent.includes(id),
        leases: { isSynced: (id: string) => !incomplete.includes(id) },
      } as never,
      peers: {
        linked: () => peerIds.map((id) => ({ id })),
        call: (id: string, request: PeerRequest) =>
          new Promise<PeerReply>((resolve, reject) => {
            const answer = (is: boolean): void =>
              is ? resolve({ is: 'lease', sent: 0, ownsMs: 0 }) : reject(new Error('out of reach'));
            asked.push({ id, request, answer });
          }),
      } as never,
    };
    const takeovers = new Takeovers(deps, () => {
      taken++;
    });
    return { taken: () => taken, clock, store, space, hold, asked, takeovers };
  };

  it('are this node’s own once half of the others have told all they know', async () => {
    const { taken, clock, store, space, hold, asked, takeovers } = setUp(['a', 'b', 'c']);
    hold('k', takenOver);
    hold('replica', 'a');
    takeovers.begin();
    expect(asked.map(({ id, request }) => `${id} ${JSON.stringify(request)}`)).to.deep.equal([
      'a {"do":"renew","resync":true}',
      'b {"do":"renew","resync":true}',
      'c {"do":"renew","resync":true}',
    ]);
    expect(takeovers.isSure).to.equal(false);
    const pending = takeovers.pending(space, 'k')!;
    expect(takeovers.pending(space, 'replica')).to.equal(undefined);
    expect(takeovers.pending(space, 'nowhere')).to.equal(undefined);
    asked[0]!.answer(true);
    await clock.advance(10);
    expect(store.peek('k')).to.include({ owner: takenOver, isHeld: true });
    expect(taken()).to.equal(0);
    asked[1]!.answer(true);
    // The third stands still, and nobody waits for it.
    await pending;
    expect(taken(), 'replicas are wanted').to.equal(1);
    expect(takeovers.isSure).to.equal(true);
    expect(store.peek('k')).to.include({ owner: '', isHeld: false });
    expect(store.peek('replica')).to.include({ owner: 'a', isHeld: true });
    expect(takeovers.pending(space, 'k')).to.equal(undefined);
    store.check();
  });

  it('stay unanswered with where more than half of the others are out of reach, who are asked again when one is linked', async () => {
    const { clock, store, space, hold, asked, takeovers } = setUp(['a', 'b', 'c']);
    hold('k', takenOver);
    takeovers.begin();
    asked[0]!.answer(true);
    for (const { answer } of asked.slice(1)) answer(false);
    await clock.advance(10);
    expect(store.peek('k')).to.include({ owner: takenOver, isHeld: true });
    expect(takeovers.pending(space, 'k'), 'nobody waits meanwhile').to.equal(undefined);
    takeovers.retry();
    expect(asked).to.have.length(6);
    for (const { answer } of asked.slice(3)) answer(true);
    await clock.advance(10);
    expect(store.peek('k')).to.include({ owner: '', isHeld: false });
    expect(takeovers.counts).to.deep.equal({ told: 1, untold: 1 });
    takeovers.retry();
    expect(asked, 'nothing is left to be asked').to.have.length(6);
  });

  it('go when the time to ask is over', async () => {
    const { clock, store, hold, asked, takeovers } = setUp(['a']);
    hold('k', takenOver);
    takeovers.begin();
    asked[0]!.answer(false);
    await clock.advance(10);
    takeovers.giveUp();
    expect(store.peek('k')).to.equal(undefined);
    takeovers.retry();
    expect(asked).to.have.length(1);
  });

  it('are kept where the owner was the only other node, and where half of the others have answered', async () => {
    for (const peers of [[], ['a', 'b']]) {
      const { clock, store, hold, asked, takeovers } = setUp(peers);
      hold('k', takenOver);
      takeovers.begin();
      for (const [i, { answer }] of asked.entries()) answer(i === 0);
      await clock.advance(10);
      expect(store.peek('k'), `${peers.length} others`).to.include({ owner: '' });
    }
  });

  it('stay so where those who answered own no keys, so that owners need not have heard of them', async () => {
    const { clock, store, hold, asked, takeovers } = setUp(['a', 'guest'], [], ['a']);
    hold('k', takenOver);
    takeovers.begin();
    for (const { id, answer } of asked) answer(id === 'guest');
    await clock.advance(10);
    expect(store.peek('k')).to.include({ owner: takenOver });
  });

  it('ask nobody who is silent', () => {
    const { asked, takeovers } = setUp(['a', 'b'], ['a']);
    takeovers.begin();
    expect(asked.map(({ id }) => id)).to.deep.equal(['b']);
  });

  it('ask again for what is taken over while others are asked', async () => {
    const { clock, store, hold, asked, takeovers } = setUp(['a']);
    hold('first', takenOver);
    takeovers.begin();
    hold('second', takenOver);
    takeovers.begin();
    expect(asked).to.have.length(1);
    asked[0]!.answer(true);
    await clock.advance(10);
    expect(store.peek('first')).to.include({ owner: takenOver });
    asked[1]!.answer(true);
    await clock.advance(10);
    for (const key of ['first', 'second']) expect(store.peek(key), key).to.include({ owner: '' });
  });

  it('who has answered, and of whom an invalidation is missing all the same, has not told all', async () => {
    const { clock, store, hold, asked, takeovers } = setUp(['a', 'b', 'c'], [], undefined, ['a']);
    hold('k', takenOver);
    takeovers.begin();
    asked[0]!.answer(true);
    asked[1]!.answer(true);
    await clock.advance(10);
    expect(store.peek('k')).to.include({ owner: takenOver });
    asked[2]!.answer(true);
    await clock.advance(10);
    expect(store.peek('k')).to.include({ owner: '' });
  });
});
