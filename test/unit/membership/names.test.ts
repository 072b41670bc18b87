import { expect } from 'chai';
import { nameOfText, textOfName } from '../../../src/membership/names.js';

describe('memberlist names', () => {
  it('are the bytes of what people write', () => {
    expect(nameOfText('node-1')).to.equal('node-1');
    expect(nameOfText('nöd')).to.equal('n\u00c3\u00b6d');
    expect(textOfName(nameOfText('nöd 長い'))).to.equal('nöd 長い');
  });

  it('that are no UTF-8 are shown byte by byte, and stay apart', () => {
    expect([textOfName('a\u00ff'), textOfName('a\u00fe')]).to.deep.equal(['a\u00ff', 'a\u00fe']);
  });
});
