import { expect } from 'chai';
import { type Bucket, fullBucket, type RateLimits, refilled, taken, tokensInMs } from '../../../src/source/bucket.js';
import { agree } from '../../support/agree.js';

const limits: RateLimits = { perSecond: 10, burst: 3, waitMs: 0 };

describe('bucket', () => {
  const rows: readonly [name: string, bucket: Bucket, nowMs: number, tokens: number, nextInMs: number][] = [
    ['starts full', fullBucket(limits, 50), 50, 3, 0],
    ['a full one gains nothing', { tokens: 3, atMs: 0 }, 1e9, 3, 0],
    ['gains evenly', { tokens: 0, atMs: 0 }, 50, 0.5, 50],
    ['the moment before a token', { tokens: 0, atMs: 0 }, 99, 0.99, 1],
    ['a whole token', { tokens: 0, atMs: 0 }, 100, 1, 0],
    ['fills up and no further', { tokens: 0, atMs: 0 }, 1e12, 3, 0],
    ['is the same in no time', { tokens: 0.25, atMs: 7 }, 7, 0.25, 75],
  ];
  for (const [name, bucket, nowMs, tokens, nextInMs] of rows) {
    it(name, () => {
      expect(refilled(bucket, limits, nowMs).tokens).to.be.closeTo(tokens, 1e-9);
      expect(tokensInMs(bucket, 1, limits, nowMs)).to.be.closeTo(nextInMs, 1e-6);
      expect(taken(bucket, limits, nowMs) !== undefined).to.equal(nextInMs === 0);
    });
  }

  it('tells when the tokens of all who wait will have come', () => {
    expect(tokensInMs({ tokens: 0.5, atMs: 0 }, 7, limits, 0)).to.be.closeTo(650, 1e-6);
  });

  it('whoever comes back when it said finds a token, at any rate and whatever the sums round to', () => {
    for (const perSecond of [0.001, 0.3, 3, 7, 1000 / 3, 12_345.678, 1e9]) {
      const some = { perSecond, burst: 1, waitMs: 0 };
      let bucket: Bucket = { tokens: 0.1 + 0.2, atMs: 1 / 3 };
      let nowMs = 1 / 3;
      for (let i = 0; i < 200; i++) {
        nowMs += tokensInMs(bucket, 1, some, nowMs);
        const left = taken(bucket, some, nowMs);
        expect(left, `rate ${perSecond}, token ${i}`).not.to.equal(undefined);
        bucket = left!;
      }
    }
  });

  describe('against its twin, which remembers every token it gave', () => {
    for (const seed of ['a', 'b']) {
      it(`agrees over 5,000 steps, SEED=${seed}`, () => {
        let bucket = fullBucket(limits, 0);
        let nowMs = 0;
        // Ten a second are one each 100 ms. The twin counts in whole ms, so nothing is rounded: 100 parts make a token.
        let parts = 300;
        agree(
          seed,
          5000,
          (random) => random.pick([0, 0, 0, 1, 10, 50, 99, 100, 500]),
          (waitMs) => {
            nowMs += waitMs;
            const left = taken(bucket, limits, nowMs);
            if (left !== undefined) bucket = left;
            return left !== undefined;
          },
          (waitMs) => {
            parts = Math.min(300, parts + waitMs);
            if (parts < 100) return false;
            parts -= 100;
            return true;
          },
        );
      });
    }
  });
});
