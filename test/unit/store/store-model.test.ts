import type { Entry, NewEntry, RemovalReason } from '../../../src/store/entry.js';
import { lruIndex } from '../../../src/store/lru-index.js';
import { Store } from '../../../src/store/store.js';
import { agree } from '../../support/agree.js';
import type { Seeded } from '../../support/seeded.js';
import { StoreTwin, type TwinEntry } from './store-twin.js';

const keys = [
  'a',
  'b',
  'user:42',
  '__proto__',
  'constructor',
  '',
  '😀',
  'line\nbreak',
  'a\0b',
  '%2F',
  '\u00e9',
  'e\u0301',
  'k'.repeat(300),
];

const tags = ['t', 'u', '__proto__', 'é'.repeat(64)];

type Step =
  | { readonly do: 'put'; readonly entry: NewEntry }
  | { readonly do: 'get' | 'peek' | 'delete' | 'invalidate'; readonly key: string }
  | { readonly do: 'clear' }
  | { readonly do: 'sweep'; readonly tag: string; readonly until: number }
  | { readonly do: 'sweep-prefix'; readonly prefix: string; readonly until: number }
  | { readonly do: 'expire'; readonly nowMs: number }
  | { readonly do: 'resize'; readonly maxBytes: number; readonly hotShare: number }
  | { readonly do: 'reassign'; readonly turn: number; readonly trusted: string }
  | { readonly do: 'release'; readonly kept: number; readonly nowMs: number }
  | { readonly do: 'lose'; readonly owner: string };

/** Rings of this node and two others. */
const ownerOf = (turn: number) => (key: string) => ['', 'p', 'q', ''][(key.length + turn) % 4]!;

/** Draws steps whose time only goes forward, seldom further than a few seconds. */
function stepper(startMs: number): (random: Seeded) => Step {
  let nowMs = startMs;
  const put = (random: Seeded): Step => {
    const expiresAtMs =
      nowMs + random.pick([-5000, 0, 1, 500, 1500, 10_000, 5_000_000, 2 ** 33, Number.POSITIVE_INFINITY]);
    const grace = random.pick([undefined, undefined, 0, 3000]);
    return {
      do: 'put',
      entry: {
        key: random.pick(keys),
        value: random.chance(0.1)
          ? null
          : new Uint8Array(random.pick([0, 1, 64, 65, 200, 1500])).fill(random.below(256)),
        version: random.between(1, 12),
        expiresAtMs,
        ...(grace === undefined ? {} : { keepUntilMs: expiresAtMs + grace }),
        wasPut: random.chance(0.5),
        sourceVersion: random.pick([undefined, undefined, 1, 2]),
        tags: random.pick([undefined, [], tags.filter(() => random.chance(0.5)), ['t', 't']]),
        ...random.pick([
          { owner: '' },
          { owner: 'p' },
          { owner: 'q' },
          { owner: 'p', isHeld: true },
          { owner: 'q', isHeld: true },
        ]),
      },
    };
  };
  return (random) => {
    const draw = random.next();
    if (draw < 0.5) return put(random);
    if (draw < 0.75) return { do: random.pick(['get', 'get', 'peek']), key: random.pick(keys) };
    if (draw < 0.82) return { do: random.pick(['delete', 'invalidate']), key: random.pick(keys) };
    if (draw < 0.84) {
      const until = random.between(1, 12);
      return random.chance(0.7)
        ? { do: 'sweep', tag: random.pick([...tags, 'nobody']), until }
        : { do: 'sweep-prefix', prefix: random.pick(['a', 'k', 'e', '_']), until };
    }
    if (draw < 0.92) {
      nowMs += random.pick([1, 900, 1000, 2500, random.below(20_000), random.below(4_000_000)]);
      return { do: 'expire', nowMs };
    }
    if (draw < 0.95)
      return { do: 'resize', maxBytes: random.between(1200, 9000), hotShare: random.pick([0, 0.125, 0.5]) };
    if (draw < 0.97) return { do: 'reassign', turn: random.below(4), trusted: random.pick(['p', 'q', 'pq']) };
    if (draw < 0.98) return { do: 'release', kept: random.below(3), nowMs };
    return random.chance(0.2) ? { do: 'clear' } : { do: 'lose', owner: random.pick(['p', 'q']) };
  };
}

const seen = (entry: Entry | TwinEntry | undefined) =>
  entry && [
    entry.key,
    entry.value && Buffer.from(entry.value).toString('hex'),
    entry.version,
    entry.expiresAtMs,
    entry.keepUntilMs,
    entry.wasPut,
    entry.isHeld,
    entry.sourceVersion ?? null,
    entry.tags,
    entry.owner,
    entry.bytes,
  ];

type Aged = Pick<Entry, 'key' | 'tags' | 'version'>;
const bears = (entry: Aged, { tag, until }: { readonly tag: string; readonly until: number }): boolean =>
  entry.tags.includes(tag) && entry.version <= until;
const begins = (entry: Aged, { prefix, until }: { readonly prefix: string; readonly until: number }): boolean =>
  entry.key.startsWith(prefix) && entry.version <= until;

const sorted = (removed: readonly (readonly [string, RemovalReason])[]) => removed.map(String).sort();

describe('Store against its twin', () => {
  for (const [seed, startMs] of [
    ['store/one', 0],
    ['store/two', 0],
    ['store/three', 0],
    ['store/late', 8_000_000_000_000],
  ] as const) {
    it(`agrees over 4,000 steps, SEED=${seed}, in tiny budgets with conflicting versions`, () => {
      const removed: [string, RemovalReason][] = [];
      const store = new Store({
        maxBytes: 6000,
        hotShare: 0.5,
        index: lruIndex,
        onRemoved: (key, why) => removed.push([key, why]),
      });
      const twin = new StoreTwin();
      twin.resize(6000, 0.5);
      store.expire(startMs, 1e9);
      twin.expire(startMs);

      const real = (step: Step): unknown => {
        switch (step.do) {
          case 'put':
            return store.put(step.entry);
          case 'get':
            return seen(store.get(step.key));
          case 'peek':
            return seen(store.peek(step.key));
          case 'delete':
            return store.delete(step.key, 'deleted');
          case 'invalidate':
            return store.delete(step.key, 'invalidated');
          case 'sweep':
            return store.sweep((entry) => bears(entry, step), step.tag);
          case 'sweep-prefix':
            return store.sweep((entry) => begins(entry, step));
          case 'clear':
            return store.clear();
          case 'expire':
            store.expire(step.nowMs, 1e9);
            return;
          case 'resize':
            return store.resize(step.maxBytes, step.hotShare);
          case 'reassign':
            store.reassign(ownerOf(step.turn), ({ owner }) => step.trusted.includes(owner));
            return;
          case 'release':
            store.releaseHeld(({ version }) => version % 3 === step.kept, step.nowMs);
            return;
          case 'lose':
            store.dropOwnedBy(step.owner);
            return;
        }
      };
      const dumb = (step: Step): unknown => {
        switch (step.do) {
          case 'put':
            return twin.put(step.entry);
          case 'get':
            return seen(twin.get(step.key));
          case 'peek':
            return seen(twin.peek(step.key));
          case 'delete':
            return twin.delete(step.key, 'deleted');
          case 'invalidate':
            return twin.delete(step.key, 'invalidated');
          case 'sweep':
            return twin.sweep((entry) => bears(entry, step));
          case 'sweep-prefix':
            return twin.sweep((entry) => begins(entry, step));
          case 'clear':
            return twin.clear();
          case 'expire':
            return twin.expire(step.nowMs);
          case 'resize':
            return twin.resize(step.maxBytes, step.hotShare);
          case 'reassign':
            return twin.reassign(ownerOf(step.turn), ({ owner }) => step.trusted.includes(owner));
          case 'release':
            return twin.releaseHeld(({ version }) => version % 3 === step.kept, step.nowMs);
          case 'lose':
            return twin.dropOwnedBy(step.owner);
        }
      };
      const all = (): unknown[] => {
        const entries: unknown[] = [];
        store.forEach((entry) => {
          entries.push(seen(entry));
        });
        return entries;
      };
      agree<Step>(
        seed,
        4000,
        stepper(startMs),
        (step) => {
          const answer = real(step);
          const { ownedBytes, hotBytes } = store.counts();
          return { answer, entries: all(), ownedBytes, hotBytes, removed: sorted(removed.splice(0)) };
        },
        (step) => {
          const answer = dumb(step);
          const entries = twin.entries().map((entry) => seen(entry));
          return {
            answer,
            entries,
            ownedBytes: twin.ownedBytes(),
            hotBytes: twin.hotBytes(),
            removed: sorted(twin.removed.splice(0)),
          };
        },
        () => store.check(),
      );
    });
  }
});
