import { expect } from 'chai';
import { InvariantError } from '../../../src/base/assert.js';
import { entryBytes } from '../../../src/store/bytes.js';
import type { Entry, EvictionIndex, EvictionIndexFactory, NewEntry, RemovalReason } from '../../../src/store/entry.js';
import { lruIndex } from '../../../src/store/lru-index.js';
import { Store, type StoreOptions } from '../../../src/store/store.js';

const maxBytes = 100_000;
const storeOf = (options: Partial<StoreOptions> = {}): Store =>
  new Store({ maxBytes, hotShare: 0.25, index: lruIndex, ...options });

const entryOf = (key: string, more: Partial<NewEntry> = {}): NewEntry => ({
  key,
  value: Buffer.from(`value of ${key}`),
  version: 1,
  expiresAtMs: 60_000,
  wasPut: false,
  owner: '',
  ...more,
});
const text = (entry: Entry | undefined): string => Buffer.from(entry!.value!).toString();
/** Bytes of value with which an entry takes exactly `bytes` in all. */
const valueFor = (key: string, bytes: number): Uint8Array => new Uint8Array(bytes - (entryBytes(key, 1000) - 1000));
const keysOf = (store: Store): string[] => {
  const keys: string[] = [];
  store.forEach((entry) => {
    keys.push(entry.key);
  });
  return keys;
};

describe('Store', () => {
  let stores: Store[] = [];

  /** A store whose totals are recounted when the test is over. */
  const made = (options: Partial<StoreOptions> = {}): Store => {
    const store = storeOf(options);
    stores.push(store);
    return store;
  };

  afterEach(() => {
    for (const store of stores) store.check();
    stores = [];
  });

  describe('keeps as distinct keys', () => {
    const keys = [
      'a',
      'A',
      'a\0',
      '%2F',
      '/',
      '..',
      '//',
      '__proto__',
      'constructor',
      '\u00e9',
      'e\u0301',
      '9007199254740992',
      '\n',
      '😀',
    ];
    for (const key of keys) {
      it(JSON.stringify(key), () => {
        const store = made();
        for (const other of keys) store.put(entryOf(other));
        expect(text(store.get(key))).to.equal(`value of ${key}`);
        store.delete(key, 'deleted');
        expect(store.get(key)).to.equal(undefined);
        expect(store.size).to.equal(keys.length - 1);
      });
    }
  });

  describe('values', () => {
    it('are copies: what the caller does to its bytes afterwards stays unseen', () => {
      const store = made();
      const value = Buffer.from('before');
      store.put(entryOf('k', { value }));
      value.fill('x');
      expect(text(store.get('k'))).to.equal('before');
    });

    it('of no bytes differ from a remembered absence', () => {
      const store = made();
      store.put(entryOf('empty', { value: new Uint8Array(0) }));
      store.put(entryOf('absent', { value: null }));
      expect(store.get('empty')!.value).to.have.length(0);
      expect(store.get('absent')!.value).to.equal(null);
    });

    it('exactly as large as the budget are stored; one byte more is refused and nothing is given up', () => {
      const store = made({ hotShare: 0 });
      for (let i = 0; i < 20; i++) store.put(entryOf(`k${i}`));
      const before = store.counts();
      const exact = valueFor('big', maxBytes);
      const more = new Uint8Array(exact.length + 1);
      expect(store.fits('big', more.length)).to.equal(false);
      expect(store.put(entryOf('big', { value: more }))).to.equal('too-large');
      expect(store.counts()).to.deep.equal({ ...before, tooLarge: 1 });
      expect(store.fits('big', exact.length)).to.equal(true);
      expect(store.put(entryOf('big', { value: exact }))).to.equal('stored');
      expect(store.bytes).to.equal(maxBytes);
    });

    it('that are too large leave the older one of their key', () => {
      const store = made();
      store.put(entryOf('k'));
      expect(store.put(entryOf('k', { version: 2, value: new Uint8Array(maxBytes) }))).to.equal('too-large');
      expect(store.get('k')!.version).to.equal(1);
    });
  });

  describe('versions', () => {
    const rows: readonly [string, Partial<NewEntry>, 'stored' | 'older'][] = [
      ['a higher one replaces', { version: 6 }, 'stored'],
      ['a lower one does not', { version: 4, expiresAtMs: 99_000 }, 'older'],
      ['an equal one does not', {}, 'older'],
      ['an equal one that lives longer does: a copy fetched anew', { expiresAtMs: 61_000 }, 'stored'],
      ['an equal one that lives shorter does not', { expiresAtMs: 59_000 }, 'older'],
      ['an equal one held for a new owner does', { owner: 'peer', isHeld: true, expiresAtMs: 59_000 }, 'stored'],
      ['an equal one copied from another does not', { owner: 'peer' }, 'older'],
      ['a fraction higher', { version: 5 + 2 ** -20 }, 'stored'],
    ];
    for (const [what, given, outcome] of rows) {
      it(what, () => {
        const store = made();
        store.put(entryOf('k', { version: 5, value: Buffer.from('old') }));
        expect(store.put(entryOf('k', { version: 5, value: Buffer.from('new'), ...given }))).to.equal(outcome);
        expect(text(store.get('k'))).to.equal(outcome === 'stored' ? 'new' : 'old');
      });
    }
  });

  describe('hot copies', () => {
    it('have a part of the budget of their own, and push out none of what this node owns', () => {
      const store = made();
      for (let i = 0; i < 100; i++) store.put(entryOf(`own${i}`));
      const owned = store.counts().ownedEntries;
      for (let i = 0; i < 500; i++) store.put(entryOf(`hot${i}`, { owner: 'peer' }));
      expect(store.counts().ownedEntries).to.equal(owned);
      expect(store.counts().hotBytes).to.be.within(maxBytes * 0.24, maxBytes * 0.25);
      expect(store.get('hot499')!.owner).to.equal('peer');
    });

    it('are not kept with a share of 0', () => {
      const store = made({ hotShare: 0 });
      expect(store.put(entryOf('k', { owner: 'peer' }))).to.equal('too-large');
      expect(store.fits('k', 0, [], 'peer')).to.equal(false);
      expect(store.size).to.equal(0);
    });

    it('go with the link to their owner, and only they', () => {
      const store = made();
      for (const owner of ['', 'p', 'q']) store.put(entryOf(`of ${owner}`, { owner }));
      expect(store.dropOwnedBy('p')).to.equal(1);
      expect(keysOf(store).sort()).to.deep.equal(['of ', 'of q']);
      expect(store.counts().removed.demoted).to.equal(1);
    });
  });

  describe('after a change of the ring', () => {
    it('turns what it no longer owns into hot copies, and drops copies whose owner changed', () => {
      const store = made();
      for (const [key, owner] of [
        ['stays', ''],
        ['leaves', ''],
        ['copy', 'p'],
        ['moved', 'p'],
        ['mine now', 'p'],
      ] as const) {
        store.put(entryOf(key, { owner }));
      }
      const owners: Record<string, string> = { stays: '', leaves: 'q', copy: 'p', moved: 'q', 'mine now': '' };
      const change = store.reassign(
        (key) => owners[key]!,
        () => true,
      );
      expect(change).to.deep.equal({ moved: [store.peek('leaves')], regained: 0, dropped: 2 });
      expect(store.counts()).to.include({ ownedEntries: 1, heldEntries: 1, hotEntries: 1 });
      const held = ['stays', 'leaves', 'copy', 'moved', 'mine now'].map((key) => store.peek(key)?.owner);
      expect(held).to.deep.equal(['', 'q', 'p', undefined, undefined]);
    });

    it('holds all that moved for the new owner, and makes copies of it later, as much as there is room for', () => {
      const store = made();
      for (let i = 0; i < 100; i++) store.put(entryOf(`k${i}`));
      store.get('k50');
      const mostUsed = keysOf(store);
      expect(mostUsed[0]).to.equal('k50');
      store.reassign(
        () => 'peer',
        () => true,
      );
      expect(keysOf(store)).to.deep.equal(mostUsed);
      expect(store.counts().heldEntries).to.equal(mostUsed.length);
      store.releaseHeld(() => false, 0);
      const { heldEntries, hotEntries } = store.counts();
      expect(heldEntries).to.equal(0);
      expect(hotEntries).to.be.within(1, 99);
      expect(keysOf(store)).to.deep.equal(mostUsed.slice(0, hotEntries));
    });

    it('is left as it was when the ring throws', () => {
      const store = made();
      store.put(entryOf('a'));
      store.put(entryOf('b', { owner: 'p' }));
      const fails = (): never => {
        throw new Error('no ring');
      };
      expect(() => store.reassign(fails, () => true)).to.throw('no ring');
      expect(store.size).to.equal(2);
    });
  });

  describe('expiry', () => {
    it('frees the bytes of what is over without any read', () => {
      const store = made();
      for (let i = 0; i < 100; i++) store.put(entryOf(`k${i}`, { expiresAtMs: 1000 + i }));
      store.put(entryOf('for ever', { expiresAtMs: Number.POSITIVE_INFINITY }));
      store.expire(2000, 1000);
      expect(keysOf(store)).to.deep.equal(['for ever']);
      expect(store.counts().removed.expired).to.equal(100);
    });

    it('leaves in memory until keepUntilMs what may still serve as a stale answer', () => {
      const store = made();
      store.put(entryOf('k', { expiresAtMs: 1000, keepUntilMs: 10_000 }));
      store.expire(9000, 1000);
      expect(store.get('k')).to.include({ expiresAtMs: 1000, keepUntilMs: 10_000 });
      store.expire(11_000, 1000);
      expect(store.get('k')).to.equal(undefined);
    });

    it('forgets what was replaced, evicted or moved', () => {
      const store = made();
      store.put(entryOf('k', { expiresAtMs: 1000 }));
      store.put(entryOf('k', { version: 2, expiresAtMs: 50_000 }));
      store.put(entryOf('moved', { expiresAtMs: 3000 }));
      store.reassign(
        (key) => (key === 'moved' ? 'peer' : ''),
        () => true,
      );
      store.expire(2000, 1000);
      expect(keysOf(store)).to.deep.equal(['moved', 'k']);
      store.expire(4000, 1000);
      expect(keysOf(store)).to.deep.equal(['k']);
    });

    it('of lives beyond 2^31 ms is neither early nor lost', () => {
      const store = made();
      const endMs = 2 ** 31 + 5000;
      store.put(entryOf('k', { expiresAtMs: endMs }));
      for (let nowMs = 0; nowMs < endMs; nowMs += 2 ** 22) store.expire(nowMs, 1000);
      expect(store.size).to.equal(1);
      store.expire(endMs + 1000, 1000);
      expect(store.size).to.equal(0);
    });
  });

  it('gives up down to a lowered budget at once, least recently used first', () => {
    const store = made();
    for (let i = 0; i < 100; i++) store.put(entryOf(`k${i}`));
    for (let i = 0; i < 30; i++) store.put(entryOf(`hot${i}`, { owner: 'peer' }));
    store.get('k0');
    store.resize(5000);
    expect(store.bytes).to.be.at.most(5000);
    expect(keysOf(store)[0]).to.equal('k0');
    expect(keysOf(store)).to.include.members(['k99', 'hot29']);
    expect(store.counts().removed.shrunk).to.be.above(80);
    store.resize(5000, 0);
    expect(store.counts().hotEntries).to.equal(0);
    store.resize(maxBytes);
    expect(store.put(entryOf('big', { value: new Uint8Array(50_000) }))).to.equal('stored');
  });

  it('tells why each entry went, after it is gone', () => {
    const told: [string, RemovalReason, number][] = [];
    const store = made({ onRemoved: (key, reason, entry) => told.push([key, reason, entry.version]) });
    store.put(entryOf('a'));
    store.put(entryOf('a', { version: 2 }));
    store.delete('a', 'invalidated');
    expect(store.delete('a', 'deleted')).to.equal(false);
    store.put(entryOf('b'));
    store.clear();
    expect(told).to.deep.equal([
      ['a', 'replaced', 1],
      ['a', 'invalidated', 2],
      ['b', 'cleared', 1],
    ]);
  });

  it('hands out counts that later changes leave alone and nobody can change', () => {
    const store = made();
    const before = store.counts();
    store.put(entryOf('a'));
    store.delete('a', 'deleted');
    expect(before).to.include({ stored: 0, ownedEntries: 0 });
    expect(before.removed.deleted).to.equal(0);
    expect(Object.isFrozen(before) && Object.isFrozen(before.removed)).to.equal(true);
  });

  describe('refuses as a fault of ours', () => {
    const rows: readonly [string, () => unknown][] = [
      ['maxBytes 0', () => storeOf({ maxBytes: 0 })],
      ['maxBytes NaN', () => storeOf({ maxBytes: Number.NaN })],
      ['maxBytes with a fraction', () => storeOf({ maxBytes: 1.5 })],
      ['boundless maxBytes', () => storeOf({ maxBytes: Number.POSITIVE_INFINITY })],
      ['a share above a half', () => storeOf({ hotShare: 0.6 })],
      ['a share of NaN', () => storeOf({ hotShare: Number.NaN })],
      ['a version NaN', () => storeOf().put(entryOf('k', { version: Number.NaN }))],
      ['an expiry NaN', () => storeOf().put(entryOf('k', { expiresAtMs: Number.NaN }))],
      ['keeping for less than it is fresh', () => storeOf().put(entryOf('k', { keepUntilMs: 59_999 }))],
    ];
    for (const [what, attempt] of rows) {
      it(what, () => expect(attempt).to.throw(InvariantError));
    }
  });

  describe('takes another eviction policy', () => {
    it('first in, first out', () => {
      const store = made({ index: fifoIndex, hotShare: 0 });
      const capacity = Math.floor(maxBytes / entryBytes('k00', 12));
      for (let i = 0; i < capacity; i++)
        store.put(entryOf(`k${String(i).padStart(2, '0')}`.padEnd(3, '_'), { value: new Uint8Array(12) }));
      store.get('k00');
      for (let i = 0; i < 3; i++) store.put(entryOf(`n0${i}`, { value: new Uint8Array(12) }));
      expect(['k00', 'k01', 'k02'].map((key) => store.peek(key))).to.deep.equal([undefined, undefined, undefined]);
      expect(store.peek('n02')).to.not.equal(undefined);
      expect(store.counts().removed.evicted).to.be.at.least(3);
    });

    it('and holds it to the bound: one that gives up nothing is found out', () => {
      const store = storeOf({ index: policyWith({ evict: () => undefined }), hotShare: 0 });
      expect(() => {
        for (let i = 0; i < 1000; i++) store.put(entryOf(`k${i}`));
      }).to.throw(InvariantError, 'gives up nothing');
    });

    it('whose faults check() finds', () => {
      const store = storeOf({ index: policyWith({ delete: () => {} }) });
      store.put(entryOf('k'));
      store.check();
      store.delete('k', 'deleted');
      expect(() => store.check()).to.throw(InvariantError);
    });
  });
});

class FifoIndex<E extends Entry> implements EvictionIndex<E> {
  readonly #entries = new Map<string, E>();

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): E | undefined {
    return this.#entries.get(key);
  }

  peek(key: string): E | undefined {
    return this.#entries.get(key);
  }

  set(key: string, entry: E): void {
    this.#entries.set(key, entry);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  evict(): E | undefined {
    const [first] = this.#entries.values();
    if (first !== undefined) this.#entries.delete(first.key);
    return first;
  }

  clear(): void {
    this.#entries.clear();
  }

  forEach(visit: (entry: E) => void): void {
    for (const entry of [...this.#entries.values()].reverse()) visit(entry);
  }
}

const fifoIndex: EvictionIndexFactory = <E extends Entry>() => new FifoIndex<E>();

/** First in, first out, with some of its methods spoilt. */
function policyWith(faults: { evict?: () => undefined; delete?: () => void }): EvictionIndexFactory {
  return <E extends Entry>() => Object.assign(new FifoIndex<E>(), faults);
}
