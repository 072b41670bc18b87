import { expect } from 'chai';
import { bytesOfIp, ipOfBytes } from '../../../src/base/ip.js';
import { seeded } from '../../support/seeded.js';
import { hex, randomBytes, toHex } from '../wire/memberlist/samples.js';

describe('IP addresses', () => {
  const rows: readonly [text: string, bytes: string, shown: string][] = [
    ['127.0.0.2', '7f000002', '127.0.0.2'],
    ['0.0.0.0', '00000000', '0.0.0.0'],
    ['::', '00000000000000000000000000000000', '::'],
    ['::1', '00000000000000000000000000000001', '::1'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001', 'fe80::1'],
    ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:0:0:1:0:0', '20010db8000000000000000100000000', '2001:db8::1:0:0'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
    ['1:0:3:4:5:6:7:8', '00010000000300040005000600070008', '1:0:3:4:5:6:7:8'],
    ['1::', '00010000000000000000000000000000', '1::'],
    ['10:0:0:10::', '00100000000000100000000000000000', '10:0:0:10::'],
    ['::ffff:127.0.0.2', '00000000000000000000ffff7f000002', '127.0.0.2'],
    ['64:ff9b::192.0.2.1', '0064ff9b0000000000000000c0000201', '64:ff9b::c000:201'],
  ];
  for (const [text, bytes, shown] of rows) {
    it(text, () => {
      expect(toHex(bytesOfIp(text)!)).to.equal(bytes);
      expect(ipOfBytes(hex(bytes))).to.equal(shown);
    });
  }

  for (const text of [
    '',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4.5',
    'localhost',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8:9',
    '12345::',
    'g::',
    '1.2.3.4::',
    '::1.2.3.4:1',
    '1:2:3:4:5:6:7:',
  ]) {
    it(`'${text}' is none`, () => expect(bytesOfIp(text)).to.equal(undefined));
  }

  it('bytes of another length are none', () => {
    for (const length of [0, 3, 5, 15, 17]) expect(ipOfBytes(new Uint8Array(length))).to.equal(undefined);
  });

  it('any IPv6 comes back, zeros left out or not', () => {
    const random = seeded('addresses');
    for (let i = 0; i < 500; i++) {
      const bytes = randomBytes(random, 16);
      for (let group = 0; group < 8; group++) if (random.chance(0.6)) bytes.fill(0, 2 * group, 2 * group + 2);
      expect(toHex(bytesOfIp(ipOfBytes(bytes)!)!), ipOfBytes(bytes)).to.equal(toHex(bytes));
    }
  });
});
