import { expect } from 'chai';
import { Awareness } from '../../../../src/membership/swim/awareness.js';
import { type SwimProfile, swimConfig } from '../../../../src/membership/swim/config.js';
import { confirmed, newSuspicion, suspicionEndsMs } from '../../../../src/membership/swim/suspicion.js';

describe('suspicion', () => {
  const rows: readonly (readonly [profile: SwimProfile, known: number, confirmations: number, endsMs: number])[] = [
    ['lan', 2, 0, 4000],
    ['lan', 3, 0, 4000],
    ['lan', 4, 0, 24_000],
    ['lan', 4, 1, 11_381],
    ['lan', 4, 2, 4000],
    ['lan', 10, 0, 24_000],
    ['lan', 100, 0, 48_000],
    ['lan', 100, 2, 8000],
    ['lan', 1000, 2, 12_000],
    // log10(50) is 1.69897, of which three decimals count
    ['lan', 50, 2, 6792],
    ['wan', 10, 0, 180_000],
    ['wan', 10, 4, 30_000],
    ['local', 10, 0, 18_000],
    ['local', 10, 1, 3000],
  ];
  for (const [profile, known, confirmations, endsMs] of rows) {
    it(`lasts ${endsMs} ms: ${profile}, ${known} members, ${confirmations} confirmations`, () => {
      let suspicion = newSuspicion(swimConfig(profile), known, 'first', 0);
      for (let i = 0; i < confirmations; i++) suspicion = confirmed(suspicion, `other-${i}`)!;
      expect(suspicionEndsMs(suspicion)).to.equal(endsMs);
    });
  }

  it('counts each accuser once, the first among them, and no more than it wants', () => {
    let suspicion = newSuspicion(swimConfig('lan'), 10, 'a', 0);
    expect(confirmed(suspicion, 'a')).to.equal(undefined);
    suspicion = confirmed(suspicion, 'b')!;
    expect(confirmed(suspicion, 'b')).to.equal(undefined);
    suspicion = confirmed(suspicion, 'c')!;
    expect(confirmed(suspicion, 'd')).to.equal(undefined);
    expect([...suspicion.accusers]).to.deep.equal(['a', 'b', 'c']);
  });
});

describe('awareness', () => {
  it('stays from 0 to its maximum less 1, and stretches intervals by one more than that', () => {
    const awareness = new Awareness(8);
    awareness.apply(-1);
    expect(awareness.score).to.equal(0);
    awareness.apply(3);
    expect(awareness.stretchedMs(1000)).to.equal(4000);
    awareness.apply(100);
    expect(awareness.score).to.equal(7);
    awareness.apply(-1);
    expect(awareness.score).to.equal(6);
  });
});
