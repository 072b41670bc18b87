import { expect } from 'chai';
import {
  clean,
  cutLine,
  lineWidth,
  pad,
  plainText,
  shorten,
  shortenStart,
  span,
  spread,
  widthOf,
} from '../../../../tui/model/text.js';

describe('text of the dashboard', () => {
  const hostile: readonly [string, string, string][] = [
    ['an escape sequence', '\u001b[31mred', '\\u001b[31mred'],
    ['a bell and a new line', 'a\u0007\nb', 'a\\u0007\\u000ab'],
    ['C1 controls', '\u009b2J', '\\u009b2J'],
    ['what turns the order of the line', 'abc\u202edef', 'abc\\u202edef'],
    ['what cannot be seen', 'a\u200b\ufeffb', 'a\\u200b\\ufeffb'],
    ['half a character', 'a\ud83eb', 'a\ufffdb'],
    ['letters of any script', 'żółć 日本 🦊', 'żółć 日本 🦊'],
  ];
  for (const [name, text, shown] of hostile) it(`shows ${name} as text`, () => expect(clean(text)).to.equal(shown));

  it('looks at no more than a part of an endless text', () => {
    expect(clean('x'.repeat(5_000_000)).length).to.be.below(1_100);
  });

  const padded: readonly [string, string, number, 'left' | 'right', string][] = [
    ['short', 'ab', 4, 'left', 'ab  '],
    ['short, to the right', 'ab', 4, 'right', '  ab'],
    ['long', 'abcdef', 4, 'left', 'abc…'],
    ['wide', '日本語', 4, 'left', '日… '],
    ['wide, that just fits', '日本', 4, 'left', '日本'],
    ['of marks that take no cell', 'e\u0301a', 3, 'left', 'e\u0301a '],
    ['in no room', 'abc', 0, 'left', ''],
  ];
  for (const [name, text, width, align, shown] of padded) {
    it(`fills its cells exactly with a text that is ${name}`, () => {
      expect(pad(text, width, align)).to.equal(shown);
      expect(widthOf(pad(text, width, align))).to.equal(width);
    });
  }

  it('shortens at either end, never within a character', () => {
    expect(shorten('👩‍👩‍👧ab', 3)).to.equal('👩‍👩‍👧…');
    expect(shortenStart('abcdef', 4)).to.equal('…def');
    expect(shortenStart('abc', 4)).to.equal('abc');
  });

  it('cuts lines at the edge, and sets spans at both ends of one', () => {
    const line = [span('abc', 'strong'), span('defg', 'dim')];
    expect(cutLine(line, 5)).to.deep.equal([span('abc', 'strong'), span('d…', 'dim')]);
    expect(plainText(spread([span('left')], [span('right')], 12))).to.equal('left   right');
    expect(plainText(spread([span('a long left')], [span('right')], 12))).to.equal('a lon… right');
    expect(lineWidth(spread([span('left')], [span('much too long')], 6))).to.equal(6);
  });
});
