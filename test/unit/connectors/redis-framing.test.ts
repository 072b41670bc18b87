import { expect } from 'chai';
import { RedisFraming } from '../../../src/connectors/redis-framing.js';

describe('redis: where answers begin and end', () => {
  const check = (text: string, pieceBytes: number): void => {
    const framing = new RedisFraming();
    const bytes = Buffer.from(text, 'latin1');
    for (let at = 0; at < bytes.length; at += pieceBytes) framing.check(bytes.subarray(at, at + pieceBytes));
  };
  const sound = [
    '+OK\r\n:7\r\n:-7\r\n-ERR no\r\n',
    '$5\r\nhello\r\n$0\r\n\r\n$-1\r\n',
    '*3\r\n$2\r\n\r\n\r\n*-1\r\n*1\r\n:1\r\n+more\r\n',
    '_\r\n#t\r\n,1.5e-7\r\n,-inf\r\n,nan\r\n(123\r\n=6\r\ntxt:ab\r\n!2\r\nno\r\n~1\r\n:1\r\n%1\r\n+a\r\n:1\r\n>1\r\n+x\r\n',
    '$12\r\n$\u00005\r\n*x\r\n+\r\n\r\n',
  ];
  const broken = [
    '$\u00005\r\n',
    '$-2\r\n',
    '$\r\n',
    '$+5\r\nhello\r\n',
    '*1e9\r\n',
    '$99999999999\r\n',
    '_a$\u00005\r\n',
    '#t$\u00005\r\n',
    ',n$\u00005\r\n',
    `$${'0'.repeat(100)}`,
    '*1\r\n$5\r\nhello\r\n?',
    ':1\r\n$5\r\nhelloXX$-7\r\n',
  ];
  for (const pieceBytes of [1, 2, 3, 1_000]) {
    it(`follows what is sound, and throws over all else, in pieces of ${pieceBytes}`, () => {
      for (const text of sound) check(text, pieceBytes);
      for (const text of broken) expect(() => check(text, pieceBytes), JSON.stringify(text)).to.throw(/^it answers /);
    });
  }
});
