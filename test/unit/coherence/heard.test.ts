import { expect } from 'chai';
import { HeardOf } from '../../../src/coherence/heard.js';

describe('HeardOf', () => {
  const nobody = (): boolean => false;

  it('remembers the latest version of each node, and is never set back', () => {
    const heard = new HeardOf();
    heard.note('a', 5);
    heard.note('a', 3);
    heard.note('b', 1);
    expect([heard.of('a'), heard.of('b'), heard.of('c')]).to.deep.equal([5, 1, 0]);
    expect(heard.told()).to.deep.equal({
      versions: [
        ['a', 5],
        ['b', 1],
      ],
      isWhole: true,
    });
  });

  it('tells what it has missed of what another knows, but for those of whom it hears by itself', () => {
    const heard = new HeardOf();
    heard.note('a', 5);
    const other = { versions: [['a', 6] as const, ['b', 1] as const, ['c', 2] as const], isWhole: true };
    expect(heard.missing(other, nobody)).to.deep.equal(other.versions);
    expect(heard.missing(other, (id) => id === 'a')).to.deep.equal(other.versions.slice(1));
    heard.note('a', 6);
    expect(heard.missing({ versions: [['a', 6]], isWhole: true }, nobody)).to.deep.equal([]);
  });

  it('forgets those that wrote longest ago beyond its limit, and says so', () => {
    const heard = new HeardOf(2);
    heard.note('a', 1);
    heard.note('b', 2);
    heard.note('a', 3);
    expect(heard.told().isWhole).to.equal(true);
    heard.note('c', 4);
    expect(heard.told()).to.deep.equal({
      versions: [
        ['a', 3],
        ['c', 4],
      ],
      isWhole: false,
    });
    expect(heard.size).to.equal(2);
  });
});
