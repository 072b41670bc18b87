import { expect } from 'chai';
import { age, barText, millis, percent, rate, sparkline, whole } from '../../../../tui/model/format.js';
import { ascii, unicode } from '../../../../tui/model/glyphs.js';
import { widthOf } from '../../../../tui/model/text.js';

describe('numbers of the dashboard', () => {
  const cases: readonly [string, string, string][] = [
    ['no rate', rate(undefined), '-'],
    ['nothing', rate(0), '0'],
    ['a trickle', rate(0.001), '0.1'],
    ['a rate below a hundred', rate(40), '40.0'],
    ['a rate below a thousand', rate(999.4), '999'],
    ['a rate that rounds up to a unit', rate(999.6), '1.00k'],
    ['thousands', rate(12_345), '12.3k'],
    ['many thousands', rate(123_456), '123k'],
    ['millions', rate(4_560_000), '4.56M'],
    ['all of it', percent(1), '100%'],
    ['nearly all of it', percent(0.99999), '99.9%'],
    ['no share', percent(undefined), '-'],
    ['a short latency', millis(0.4216), '0.42ms'],
    ['none that was measured', millis(null), '-'],
    ['a latency', millis(3.14), '3.1ms'],
    ['a long latency', millis(1_234), '1.2s'],
    ['seconds', age(59_900), '59s'],
    ['minutes', age(125_000), '2m'],
    ['hours', age(7_500_000), '2h5m'],
    ['a clock that went back', age(-5), '0s'],
    ['digits in groups', whole(1_234_567), '1,234,567'],
  ];
  for (const [name, shown, expected] of cases)
    it(`shows ${name} as ${expected}`, () => expect(shown).to.equal(expected));

  it('fills bars by eighths, and shows the least there is', () => {
    expect(barText(0.5, 4, unicode)).to.deep.equal({ filled: '██', rest: '··' });
    expect(barText(0.53, 4, unicode)).to.deep.equal({ filled: '██▏', rest: '·' });
    expect(barText(0.0001, 4, unicode)).to.deep.equal({ filled: '▏', rest: '···' });
    expect(barText(0, 4, unicode)).to.deep.equal({ filled: '', rest: '····' });
    expect(barText(7, 4, unicode)).to.deep.equal({ filled: '████', rest: '' });
    expect(barText(undefined, 4, unicode).rest).to.equal('····');
  });

  it('keeps bars to their width whatever the share and the signs', () => {
    for (const glyphs of [unicode, ascii]) {
      for (let share = -0.1; share < 1.2; share += 0.013) {
        const { filled, rest } = barText(share, 7, glyphs);
        expect(widthOf(filled + rest), `${share}`).to.equal(7);
      }
    }
  });

  it('draws what was lately at the right end, and gaps where nothing is known', () => {
    expect(sparkline([0, 50, 100, undefined, 1], 100, 6, unicode)).to.equal(' ▁▄█ ▁');
    expect(sparkline([1, 2, 3, 4], 4, 2, unicode)).to.equal('▆█');
    expect(sparkline([0, 0], 0, 3, unicode)).to.equal(' ▁▁');
  });
});
