import { expect } from 'chai';
import { type Entry, Members } from '../../../../src/membership/swim/members.js';
import { plainVsn } from '../../../../src/membership/swim/self.js';
import { agree } from '../../../support/agree.js';
import { seeded } from '../../../support/seeded.js';
import { at, none } from './driver.js';

const entry = (name: string): Entry => ({
  name,
  ...at(1),
  incarnation: 1,
  meta: none,
  vsn: plainVsn,
  standing: { is: 'alive', sinceMs: 0 },
});

const table = (names: readonly string[], seed = 'members'): Members => {
  const members = new Members(1000, seeded(seed));
  for (const name of names) members.add(entry(name));
  return members;
};

const everybody = (): boolean => true;
const letters = 'abcdefghij'.split('');

describe('member table', () => {
  it('visits everybody once per round, so that nobody waits longer than two rounds', () => {
    const members = table(letters);
    for (let round = 0; round < 20; round++) {
      const visited: string[] = [];
      while (visited.length < letters.length) {
        const next = members.next(everybody, () => {});
        if (next !== undefined) visited.push(next.name);
      }
      expect(visited.toSorted()).to.deep.equal(letters);
    }
  });

  it('shuffles each round anew', () => {
    const members = table(letters);
    const rounds = new Set<string>();
    for (let round = 0; round < 10; round++) {
      rounds.add(letters.map(() => members.next(everybody, () => {})?.name).join(''));
    }
    expect(rounds.size).to.be.above(8);
  });

  it('looks at no more than there are members in one tick, so two nodes have idle ticks', () => {
    const members = table(['self', 'peer']);
    const ticks = Array.from({ length: 1000 }, () =>
      members.next(
        ({ name }) => name === 'peer',
        () => {},
      ),
    );
    const probes = ticks.filter((found) => found !== undefined).length;
    expect(probes).to.be.within(500, 800);
    expect(table([]).next(everybody, () => {})).to.equal(undefined);
  });

  it('tells the end of a round, where members may be forgotten', () => {
    const members = table(letters);
    let wraps = 0;
    for (let i = 0; i < 50; i++) {
      members.next(everybody, () => {
        wraps++;
        members.forget(({ name }) => name === letters[wraps]);
        members.check();
      });
    }
    expect(wraps).to.be.above(4);
    expect(members.size).to.equal(letters.length - wraps);
  });

  it('picks different members, all of them as likely, in small tables and in large ones', () => {
    for (const size of [4, 40]) {
      const names = Array.from({ length: size }, (_, i) => `n${i}`);
      const members = table(names);
      const picks = new Map(names.map((name) => [name, 0]));
      const draws = 3000;
      for (let i = 0; i < draws; i++) {
        const picked = members.pick(3, ({ name }) => name !== 'n0');
        expect(new Set(picked).size).to.equal(3);
        for (const { name } of picked) picks.set(name, picks.get(name)! + 1);
      }
      const each = (draws * 3) / (size - 1);
      expect(picks.get('n0')).to.equal(0);
      for (const [name, count] of picks) if (name !== 'n0') expect(count).to.be.within(each * 0.75, each * 1.25);
    }
  });

  it('finds the only one wanted in a small cluster', () => {
    const members = table(['a', 'b', 'c', 'd', 'e']);
    for (let i = 0; i < 200; i++) expect(members.pick(3, ({ name }) => name === 'e')).to.have.length(1);
  });

  it('refuses members beyond its maximum', () => {
    const members = new Members(2, seeded('full'));
    expect(['a', 'b', 'c'].map((name) => members.add(entry(name)))).to.deep.equal([true, true, false]);
    expect(members.get('c')).to.equal(undefined);
  });

  it('agrees with a set of names, whatever is added, forgotten and visited', () => {
    type Step = { readonly is: 'add' | 'forget' | 'get'; readonly name: string } | { readonly is: 'next' };
    const max = 20;
    const real = new Members(max, seeded('model'));
    const twin = new Set<string>();
    agree<Step>(
      'member table',
      4000,
      (random) => {
        const name = `n${random.below(30)}`;
        const is = random.pick(['add', 'add', 'forget', 'get', 'next', 'next'] as const);
        return is === 'next' ? { is } : { is, name };
      },
      (step) => {
        switch (step.is) {
          case 'add':
            return real.get(step.name) === undefined && real.add(entry(step.name));
          case 'forget':
            return real.forget(({ name }) => name === step.name).map(({ name }) => name);
          case 'get':
            return [real.get(step.name)?.name, real.size];
          case 'next': {
            const found = real.next(everybody, () => {});
            // The wrap takes the only look there is in a table of one.
            return found === undefined ? real.size <= 1 : real.get(found.name) === found;
          }
        }
      },
      (step) => {
        switch (step.is) {
          case 'add': {
            const fits = !twin.has(step.name) && twin.size < max;
            if (fits) twin.add(step.name);
            return fits;
          }
          case 'forget':
            return twin.delete(step.name) ? [step.name] : [];
          case 'get':
            return [twin.has(step.name) ? step.name : undefined, twin.size];
          case 'next':
            return true;
        }
      },
      () => real.check(),
    );
  });
});
