import { expect } from 'chai';
import { codeOf } from '../../../../src/base/errors.js';
import { LineSplitter } from '../../../../src/discovery/kubernetes/lines.js';
import { seeded } from '../../../support/seeded.js';

const codeOfThrown = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
};

describe('discovery: lines of a watch', () => {
  for (let seed = 0; seed < 40; seed++) {
    it(`gives what splitting the whole text gives (seed ${seed})`, () => {
      const random = seeded(`lines-${seed}`);
      const line = (): string => Array.from({ length: random.below(60) }, () => random.pick([...'aé☃🐳 "'])).join('');
      const text = Array.from({ length: 30 }, () => `${line()}${random.pick(['\n', '\r\n', '\n\n'])}`).join('');
      const rest = line();
      const bytes = Buffer.from(text + rest);
      const lines = new LineSplitter(10_000);
      const given: string[] = [];
      for (let at = 0; at < bytes.length; ) {
        const next = Math.min(bytes.length, at + random.between(1, 40));
        given.push(...lines.push(bytes.subarray(at, next)));
        at = next;
      }
      expect(given.map((each) => each.trim())).to.deep.equal(
        text
          .split('\n')
          .map((each) => each.trim())
          .filter((each) => each !== ''),
      );
      expect(lines.unfinished).to.equal(rest.trim() !== '');
    });
  }

  it('takes a line of exactly its limit, in pieces or whole, and none longer', () => {
    const whole = (n: number) => [...new LineSplitter(8).push(Buffer.from(`${'x'.repeat(n)}\n`))];
    expect(whole(8)).to.deep.equal(['x'.repeat(8)]);
    expect(codeOfThrown(() => whole(9))).to.equal('PEER_UNREACHABLE');
    const pieces = new LineSplitter(8);
    for (let i = 0; i < 8; i++) expect([...pieces.push(Buffer.from('x'))]).to.deep.equal([]);
    expect(codeOfThrown(() => [...pieces.push(Buffer.from('x'))])).to.equal('PEER_UNREACHABLE');
  });

  it('refuses what is not UTF-8', () => {
    const lines = new LineSplitter(8);
    expect(codeOfThrown(() => [...lines.push(Buffer.from([0xff, 0x0a]))])).to.equal('PEER_UNREACHABLE');
  });
});
