import { expect } from 'chai';
import type { NewEntry } from '../../../src/store/entry.js';
import { lruIndex } from '../../../src/store/lru-index.js';
import { Store } from '../../../src/store/store.js';

const entry = (key: string, more: Partial<NewEntry> = {}): NewEntry => ({
  key,
  value: Buffer.from(key),
  version: 1,
  expiresAtMs: 60_000,
  wasPut: false,
  owner: '',
  ...more,
});

const made = (): Store => new Store({ maxBytes: 64 * 1024, hotShare: 0.125, index: lruIndex });

describe('Store: entries held for their owners', () => {
  it('are given back to who owns them again, if nothing of their owner was missed', () => {
    const store = made();
    store.put(entry('trusted', { owner: 'p', isHeld: true }));
    store.put(entry('missed', { owner: 'q', isHeld: true }));
    const change = store.reassign(
      () => '',
      ({ owner }) => owner === 'p',
    );
    expect(change).to.deep.equal({ moved: [], regained: 1, dropped: 1 });
    expect(store.peek('trusted')).to.include({ owner: '', isHeld: false });
    expect(store.peek('missed')).to.equal(undefined);
    store.check();
  });

  it('that were held for another node before are known by that, and become no copies', () => {
    const store = made();
    store.put(entry('own'));
    store.put(entry('replica', { owner: 'p', isHeld: true }));
    store.put(entry('told', { owner: 'q', isHeld: true, wasPassed: true }));
    store.reassign(
      () => 'q',
      () => true,
    );
    const passed = ['own', 'replica', 'told'].map((key) => store.peek(key)!.wasPassed);
    expect(passed).to.deep.equal([false, true, true]);
    store.releaseHeld(() => false, 0);
    expect(store.peek('own')).to.include({ owner: 'q', isHeld: false });
    expect([store.peek('replica'), store.peek('told')]).to.deep.equal([undefined, undefined]);
    store.check();
  });

  it('that were this node’s own while others may have written them become no copies', () => {
    const store = made();
    for (const key of ['moves', 'stays']) store.put(entry(key));
    store.reassign(
      (key) => (key === 'moves' ? 'p' : ''),
      () => true,
      false,
    );
    expect(['moves', 'stays'].map((key) => store.peek(key)!.wasPassed)).to.deep.equal([true, false]);
    store.releaseHeld(() => false, 0);
    expect([store.peek('moves'), store.peek('stays')?.owner]).to.deep.equal([undefined, '']);
    store.check();
  });

  it('survive the loss of the link to their owner, which copies do not', () => {
    const store = made();
    store.put(entry('replica', { owner: 'p', isHeld: true }));
    store.put(entry('copy', { owner: 'p' }));
    expect(store.dropOwnedBy('p')).to.equal(1);
    expect(store.peek('replica')).to.include({ owner: 'p', isHeld: true });
    store.check();
  });

  it('stay in doubt, or with whom they are held for, when the ring changes and their owner is not to change', () => {
    const store = made();
    store.put(entry('own'));
    store.put(entry('doubted'));
    store.pass('', '?', true);
    expect(store.counts()).to.include({ heldEntries: 2, ownedEntries: 0 });
    store.reassign(
      (key, former) => (key === 'own' ? 'p' : former),
      () => true,
    );
    expect(store.peek('doubted')).to.include({ owner: '?', isHeld: true });
    expect(store.peek('own')).to.include({ owner: 'p', isHeld: true });
    expect(store.counts()).to.include({ heldEntries: 2, ownedEntries: 0 });
    store.pass('?', '');
    expect(store.peek('doubted')).to.include({ owner: '', isHeld: false });
    expect(store.dropOwnedBy('p', true)).to.equal(1);
    expect(store.counts()).to.include({ heldEntries: 0, ownedEntries: 1 });
    store.check();
  });

  it('are known by having been in doubt until they are this node’s own again', () => {
    const store = made();
    store.put(entry('in doubt'));
    store.pass('', '?', true);
    store.put(entry('moves out of touch'));
    store.put(entry('replica', { owner: 'p', isHeld: true }));
    const told = (owner: string, isSure = true): Record<string, boolean> => {
      const doubted: Record<string, boolean> = {};
      store.reassign(
        (key, _, wasDoubted) => {
          doubted[key] = wasDoubted;
          return owner;
        },
        () => true,
        isSure,
      );
      return doubted;
    };
    expect(told('q', false)).to.deep.equal({ 'in doubt': true, 'moves out of touch': false, replica: false });
    expect(told('')).to.deep.equal({ 'in doubt': true, 'moves out of touch': true, replica: true });
    expect(told('q')).to.deep.equal({ 'in doubt': false, 'moves out of touch': false, replica: false });
  });

  it('are not among the copies that are sampled', () => {
    const store = made();
    for (let i = 0; i < 5; i++) store.put(entry(`copy${i}`, { owner: 'p' }));
    store.put(entry('own'));
    store.put(entry('held', { owner: 'p', isHeld: true }));
    for (const { key } of store.sample(3, () => 0)) expect(key).to.match(/^copy/);
    expect(store.sample(3, () => 0)).to.have.length(3);
    expect(store.sample(9, () => 0.5)).to.have.length(5);
  });

  it('an earlier row of the data source never takes the place of a later one, whatever the versions say', () => {
    const store = made();
    store.put(entry('row', { version: 5, sourceVersion: 8 }));
    expect(store.put(entry('row', { version: 9, sourceVersion: 7 }))).to.equal('older');
    expect(store.put(entry('row', { version: 9, sourceVersion: 8 }))).to.equal('stored');
    expect(store.put(entry('row', { version: 10, sourceVersion: 1, wasPut: true }))).to.equal('stored');
  });
});
