import { expect } from 'chai';
import { xxh3Hasher as hasher } from '../../../src/platform/hasher.js';
import type { Hasher } from '../../../src/ports/hasher.js';
import { placeCount, placesMax, placesOf } from '../../../src/ring/places.js';
import { Ring, type RingMember } from '../../../src/ring/ring.js';
import { agree } from '../../support/agree.js';
import { type Seeded, seeded } from '../../support/seeded.js';

const virtualNodes = 512;
const member = (name: string, weight = 1): RingMember => ({ id: `id-of-${name}`, name, weight });
const ringOf = (names: readonly string[]) =>
  Ring.of(
    names.map((name) => member(name)),
    { virtualNodes, hasher },
  );
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('Ring', () => {
  describe('spreads keys so that the hottest node owns at most 1.15 times the mean', () => {
    const random = seeded('ring/spread');
    const namings: readonly [string, (i: number) => string][] = [
      ['cache-N', (i) => `cache-${i + 1}`],
      ['random', () => random.id()],
      ['host:port', (i) => `10.0.0.${i + 1}:3322`],
    ];
    const keyings: readonly [string, (i: number) => string][] = [
      ['sequential', (i) => String(i)],
      ['random', () => random.id()],
      ['prefixed', (i) => `tenant-${i % 7}/users/${i}/profile`],
    ];
    for (const [keying, keyOf] of keyings) {
      it(`${keying} keys, names of every kind, 3, 5 and 10 nodes`, () => {
        const hashes = upTo(100_000).map((i) => hasher.hash(keyOf(i)));
        for (const [naming, nameOf] of namings) {
          for (const nodes of [3, 5, 10]) {
            const ring = ringOf(upTo(nodes).map(nameOf));
            const owned = new Map<RingMember, number>();
            for (const hash of hashes) {
              const owner = ring.ownerOfHash(hash)!;
              owned.set(owner, (owned.get(owner) ?? 0) + 1);
            }
            const hottest = (Math.max(...owned.values()) / hashes.length) * nodes;
            expect(hottest, `SEED=${random.seed} ${naming} names, ${nodes} nodes`).to.be.below(1.15);
          }
        }
      });
    }

    it('in each of 60 random sets of ten names', () => {
      for (let set = 0; set < 60; set++) {
        const shares = [
          ...ringOf(upTo(10).map(() => random.id()))
            .shares()
            .values(),
        ];
        expect(Math.max(...shares) * 10, `SEED=${random.seed} set ${set}`).to.be.below(1.15);
      }
    });
  });

  it('agrees with a linear scan over all places, for any members, weights and hashes', () => {
    let ring = ringOf([]);
    let twin = new Twin([], hasher, 1);
    type Step =
      | {
          readonly do: 'build';
          readonly members: readonly RingMember[];
          readonly points: number;
          readonly coarse: boolean;
        }
      | { readonly do: 'ask'; readonly hash: number; readonly count: number };
    agree<Step>(
      'ring/model',
      6000,
      (random) =>
        random.chance(0.02)
          ? { do: 'build', members: someMembers(random), points: random.between(1, 4), coarse: random.chance(0.3) }
          : { do: 'ask', hash: random.pick(hashEdges(random)), count: random.between(0, 12) },
      (step) => {
        if (step.do === 'ask') return [ring.ownerOfHash(step.hash), ring.ownersOfHash(step.hash, step.count)];
        ring = Ring.of(step.members, { virtualNodes: step.points, hasher: step.coarse ? coarse : hasher });
        return [...ring.shares()];
      },
      (step) => {
        if (step.do === 'ask') return [twin.owners(step.hash, 1)[0], twin.owners(step.hash, step.count)];
        twin = new Twin(step.members, step.coarse ? coarse : hasher, step.points);
        return twin.shares();
      },
    );
  });

  it('moves only keys that the joining node gains, and back when it leaves', () => {
    const before = ringOf(['a', 'b', 'c', 'd']);
    const after = ringOf(['d', 'new', 'c', 'b', 'a']);
    let moved = 0;
    for (const i of upTo(20_000)) {
      const was = before.owner(`key ${i}`)!.name;
      const is = after.owner(`key ${i}`)!.name;
      if (was === is) continue;
      expect(is).to.equal('new');
      moved++;
    }
    expect(moved / 20_000).to.be.within(0.15, 0.25);
  });

  it('puts the successor in the place of an owner that goes', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const ring = ringOf(names);
    for (const i of upTo(500)) {
      const [owner, next] = ring.owners(`key ${i}`, 2);
      const without = ringOf(names.filter((name) => name !== owner!.name));
      expect(without.owner(`key ${i}`)!.name).to.equal(next!.name);
    }
  });

  it('is the same whatever the order of members and their ids, so that a restart moves nothing', () => {
    const members = upTo(7).map((i) => member(`cache-${i}`, 1 + (i % 3)));
    const ring = Ring.of(members, { virtualNodes, hasher });
    const restarted = members.map((one) => ({ ...one, id: `again-${one.id}` })).reverse();
    const other = Ring.of(restarted, { virtualNodes, hasher });
    expect(other.digest).to.equal(ring.digest);
    expect([...other.shares()]).to.deep.equal([...ring.shares()]);
    for (const i of upTo(500)) {
      expect(other.owners(`k${i}`, 7).map((one) => one.name)).to.deep.equal(
        ring.owners(`k${i}`, 7).map((one) => one.name),
      );
    }
  });

  describe('changes its digest with', () => {
    const base = [member('a'), member('b')];
    const digest = Ring.of(base, { virtualNodes, hasher }).digest;
    const rows: readonly [string, readonly RingMember[], number, Hasher][] = [
      ['a member more', [...base, member('c')], virtualNodes, hasher],
      ['a member less', [member('a')], virtualNodes, hasher],
      ['another name', [member('a'), member('B')], virtualNodes, hasher],
      ['names that join to the same text', [member('a","b')], virtualNodes, hasher],
      ['another weight', [member('a'), member('b', 2)], virtualNodes, hasher],
      ['another number of virtual nodes', base, 100, hasher],
      ['another hasher', base, virtualNodes, { name: 'other', hash: hasher.hash }],
    ];
    for (const [what, members, points, using] of rows) {
      it(what, () => {
        expect(Ring.of(members, { virtualNodes: points, hasher: using }).digest).to.not.equal(digest);
      });
    }
    it('nothing else, and is a whole number of 32 bits', () => {
      expect(Ring.of([...base].reverse(), { virtualNodes, hasher }).digest).to.equal(digest);
      expect(digest).to.satisfy((n: number) => Number.isInteger(n) && n >= 0 && n < 2 ** 32);
    });
  });

  it('has no owner when empty', () => {
    const ring = ringOf([]);
    expect(ring.owner('k')).to.equal(undefined);
    expect(ring.owners('k', 3)).to.deep.equal([]);
    expect(ring.shares().size).to.equal(0);
  });

  it('gives everything to the only member', () => {
    const ring = ringOf(['only']);
    expect(ring.owner('')!.name).to.equal('only');
    expect([...ring.shares()]).to.deep.equal([['only', 1]]);
  });

  it('shares out in proportion to weight, exactly the whole', () => {
    const ring = Ring.of([member('light', 1), member('heavy', 3)], { virtualNodes, hasher });
    const shares = ring.shares();
    expect(shares.get('light')! + shares.get('heavy')!).to.equal(1);
    expect(shares.get('heavy')).to.be.within(0.7, 0.8);
  });

  it('keeps one of two members that claim the same name, the same one on every node', () => {
    const one = { id: '1', name: 'twice', weight: 1 };
    const two = { id: '2', name: 'twice', weight: 1 };
    const other = member('other');
    for (const members of [
      [one, other, two],
      [two, one, other],
    ]) {
      expect(Ring.of(members, { virtualNodes, hasher }).members).to.deep.equal([other, two]);
    }
  });

  it('gives all to the lowest name when every place is shared', () => {
    const constant: Hasher = { name: 'constant', hash: () => 7 };
    const ring = Ring.of([member('b'), member('a'), member('c')], { virtualNodes: 2, hasher: constant });
    expect(ring.owner('k')!.name).to.equal('a');
    expect(ring.owners('k', 9).map((one) => one.name)).to.deep.equal(['a', 'b', 'c']);
  });

  it('keeps its members from being changed', () => {
    expect(() => (ringOf(['a']).members as RingMember[]).push(member('b'))).to.throw(TypeError);
  });

  describe('place count', () => {
    const rows: readonly [string, number, number, number][] = [
      ['in proportion', 512, 1.5, 3072],
      ['weight 0 still stands somewhere', 512, 0, 1],
      ['below zero', 512, -3, 1],
      ['not a number', 512, Number.NaN, 1],
      ['boundless weight is bounded', 512, Number.POSITIVE_INFINITY, placesMax],
    ];
    for (const [what, nodes, weight, count] of rows) {
      it(what, () => expect(placeCount(nodes, weight)).to.equal(count));
    }
  });
});

/** 32 places at most, so that members collide. */
const coarse: Hasher = { name: 'coarse', hash: (text) => hasher.hash(text) % 4 };

const someMembers = (random: Seeded): RingMember[] =>
  upTo(random.below(9)).map(() =>
    member(random.pick(['a', 'b', 'cache-1', 'x:1', 'ä', '😀', random.id()]), random.pick([0.1, 1, 1, 2])),
  );

const hashEdges = (random: Seeded): number[] => [
  0,
  1,
  2 ** 32 - 1,
  2 ** 31,
  random.below(2 ** 32),
  random.below(2 ** 32),
];

/** The dumbest ring: every question looks at every place of every member. */
class Twin {
  readonly #members: readonly RingMember[];
  readonly #places: { readonly at: number; readonly member: RingMember }[] = [];

  constructor(members: readonly RingMember[], using: Hasher, points: number) {
    const names = [...new Set(members.map((one) => one.name))].sort();
    this.#members = names.map((name) => members.find((one) => one.name === name)!);
    for (const one of this.#members) {
      for (const at of placesOf(one.name, placeCount(points, one.weight), using))
        this.#places.push({ at, member: one });
    }
  }

  owners(hash: number, count: number): RingMember[] {
    const distance = (at: number): number => (at - hash + 2 ** 32) % 2 ** 32;
    const nearest = this.#members.map((one) => {
      const distances = this.#places.filter((place) => place.member === one).map((place) => distance(place.at));
      return { one, nearest: Math.min(...distances) };
    });
    return nearest
      .sort((a, b) => a.nearest - b.nearest || (a.one.name < b.one.name ? -1 : 1))
      .slice(0, count)
      .map(({ one }) => one);
  }

  shares(): [string, number][] {
    const places = [...new Set(this.#places.map((place) => place.at))].sort((a, b) => a - b);
    const parts = new Map(this.#members.map((one) => [one.name, 0]));
    for (const [i, at] of places.entries()) {
      const { name } = this.owners(at, 1)[0]!;
      parts.set(name, parts.get(name)! + (at - (i === 0 ? places.at(-1)! - 2 ** 32 : places[i - 1]!)) / 2 ** 32);
    }
    return [...parts];
  }
}
