import { expect } from 'chai';
import { decodePacketMessage, encodePacketMessage } from '../../../../src/wire/memberlist/messages.js';
import {
  PackReader,
  PackWriter,
  readStruct,
  type Shape,
  writeStruct,
} from '../../../../src/wire/memberlist/msgpack.js';
import { type Seeded, seeded } from '../../../support/seeded.js';
import { packInSomeForm, packPlainly, type TwinValue } from './msgpack-twin.js';
import { faultOf, hex, randomBytes, toHex } from './samples.js';

/** One field of each kind, in an order of declaration that is not the alphabet's. */
const shape = { Num: 'u32', Name: 'text', Blob: 'bytes', Port: 'u16', Count: 'int', Flag: 'bool', Algo: 'u8' } as const;
const zero = { Num: 0, Name: '', Blob: hex(''), Port: 0, Count: 0, Flag: false, Algo: 0 };

const read = (bytes: Uint8Array) => readStruct(new PackReader(bytes), shape);
/** A map of one field. */
const field = (name: string, value: string): string => `81${toHex(packPlainly(name))}${value}`;

describe('memberlist msgpack: what is read', () => {
  const rows: readonly [string, string, Partial<typeof zero>][] = [
    ['a map of nothing', '80', {}],
    ['nil for the whole struct', 'c0', {}],
    ['an array of nothing', '90', {}],
    ['keys in any order', '82a34e756d07a44e616d65a162', { Num: 7, Name: 'b' }],
    ['an unknown key', field('Else', '93c0810102cb0000000000000000'), {}],
    ['an unknown key of an ext', field('Else', 'c70305aabbcc'), {}],
    ['an unknown key of a fixext', field('Else', 'd801ffffffffffffffffffffffffffffffff'), {}],
    ['a known key of Object.prototype', field('__proto__', '81a161a162'), {}],
    ['a known name in another case', field('num', '07'), {}],
    ['a map16', 'de0001a34e756d07', { Num: 7 }],
    ['a map32', 'df00000001a34e756d07', { Num: 7 }],
    ['a key as str8', '81d9034e756d07', { Num: 7 }],
    ['a key as raw16', '81da00034e756d07', { Num: 7 }],
    ['a key as raw32', '81db000000034e756d07', { Num: 7 }],
    ['the last of two alike', '82a34e756d07a34e756d08', { Num: 8 }],
    ['nil after a value', '82a34e756d07a34e756dc0', {}],
    ['fields in order, in an array', '9307a162c40101', { Num: 7, Name: 'b', Blob: hex('01') }],
    ['fields in order, in an array16', 'dc000107', { Num: 7 }],
    [
      'more than the fields, in an array',
      '9807a162a1010204c30592a1ffc0',
      {
        Num: 7,
        Name: 'b',
        Blob: hex('01'),
        Port: 2,
        Count: 4,
        Flag: true,
        Algo: 5,
      },
    ],
    ['text as str8', field('Name', 'd90162'), { Name: 'b' }],
    ['text as raw16', field('Name', 'da000162'), { Name: 'b' }],
    ['text as raw32', field('Name', 'db0000000162'), { Name: 'b' }],
    ['text as bin', field('Name', 'c40162'), { Name: 'b' }],
    ['text that is no UTF-8', field('Name', 'a3ff00c3'), { Name: '\u00ff\u0000\u00c3' }],
    ['text as nil', field('Name', 'c0'), {}],
    ['bytes as raw', field('Blob', 'a20102'), { Blob: hex('0102') }],
    ['bytes as str8', field('Blob', 'd9020102'), { Blob: hex('0102') }],
    ['bytes as bin8', field('Blob', 'c4020102'), { Blob: hex('0102') }],
    ['bytes as bin16', field('Blob', 'c500020102'), { Blob: hex('0102') }],
    ['bytes as bin32', field('Blob', 'c6000000020102'), { Blob: hex('0102') }],
    ['bytes as an array', field('Blob', '93017fccff'), { Blob: hex('017fff') }],
    ['bytes as an array16', field('Blob', 'dc0002d100ff05'), { Blob: hex('ff05') }],
    ['bytes as an array32', field('Blob', 'dd0000000105'), { Blob: hex('05') }],
    ['bytes as nil', field('Blob', 'c0'), {}],
    ['a number as uint8', field('Num', 'cc07'), { Num: 7 }],
    ['a number as uint16', field('Num', 'cd0007'), { Num: 7 }],
    ['a number as uint32', field('Num', 'ceffffffff'), { Num: 0xffff_ffff }],
    ['a number as uint64', field('Num', 'cf00000000ffffffff'), { Num: 0xffff_ffff }],
    ['a number as int8', field('Num', 'd07f'), { Num: 127 }],
    ['a number as int16', field('Num', 'd17fff'), { Num: 32_767 }],
    ['a number as int32', field('Num', 'd27fffffff'), { Num: 0x7fff_ffff }],
    ['a number as int64', field('Num', 'd300000000ffffffff'), { Num: 0xffff_ffff }],
    ['a number as nil', field('Num', 'c0'), {}],
    ['the largest port', field('Port', 'cdffff'), { Port: 65_535 }],
    ['a count beyond 32 bits', field('Count', 'cf0000000100000000'), { Count: 2 ** 32 }],
    ['true', field('Flag', 'c3'), { Flag: true }],
    ['true as 1', field('Flag', '01'), { Flag: true }],
    ['true as a wide 1', field('Flag', 'cd0001'), { Flag: true }],
    ['false as 0', field('Flag', '00'), {}],
    ['false as nil', field('Flag', 'c0'), {}],
    ['a struct with bytes behind it', '81a34e756d07ffffff', { Num: 7 }],
  ];
  for (const [name, bytes, expected] of rows) {
    it(name, () => expect(read(hex(bytes))).to.deep.equal({ ...zero, ...expected }));
  }

  it('bytes that stay when the input is overwritten', () => {
    const input = hex(field('Blob', 'a20102'));
    const { Blob } = read(input);
    input.fill(0);
    expect(toHex(Blob)).to.equal('0102');
  });
});

describe('memberlist msgpack: what is refused', () => {
  const rows: readonly [string, string, string][] = [
    ['no bytes', '', 'truncated'],
    ['a map cut in its keys', '81a34e', 'truncated'],
    ['a map cut before a value', '81a34e756d', 'truncated'],
    ['a number cut', field('Num', 'ce0000'), 'truncated'],
    ['text longer than what follows', field('Name', 'dbffffffff62'), 'truncated'],
    ['bytes longer than what follows', field('Blob', 'c6ffffffff62'), 'truncated'],
    ['an array of bytes longer than what follows', field('Blob', 'dd0000100001'), 'truncated'],
    ['an array of more bytes than are read so', field('Blob', 'dd0000100101'), 'tooLarge'],
    ['an unknown array longer than what follows', field('Else', 'ddffffffff01'), 'truncated'],
    ['an unknown map longer than what follows', field('Else', 'dfffffffff01'), 'truncated'],
    ['a struct as text', 'a3616263', 'malformed'],
    ['a struct as a number', '07', 'malformed'],
    ['a key that is a number', '810707', 'malformed'],
    ['a key that is an array', '819107', 'malformed'],
    ['a number as a float', field('Num', 'ca40e00000'), 'malformed'],
    ['a number as a double', field('Num', 'cb401c000000000000'), 'malformed'],
    ['a number as text', field('Num', 'a137'), 'malformed'],
    ['a number as bool', field('Num', 'c3'), 'malformed'],
    ['text as a number', field('Name', '07'), 'malformed'],
    ['text as an array', field('Name', '9161'), 'malformed'],
    ['bytes as a map', field('Blob', '80'), 'malformed'],
    ['bool as text', field('Flag', 'a131'), 'malformed'],
    ['the one code that msgpack does not use', field('Else', 'c1'), 'malformed'],
    ['a number below zero', field('Num', 'ff'), 'outOfRange'],
    ['a wide number below zero', field('Num', 'd3ffffffffffffffff'), 'outOfRange'],
    ['a count below zero', field('Count', 'd0ff'), 'outOfRange'],
    ['a number of 33 bits', field('Num', 'cf0000000100000000'), 'outOfRange'],
    ['a number of 64 bits', field('Num', 'cfffffffffffffffff'), 'outOfRange'],
    ['a count beyond 53 bits', field('Count', 'cf0020000000000000'), 'outOfRange'],
    ['a port of 17 bits', field('Port', 'ce00010000'), 'outOfRange'],
    ['an algorithm of 9 bits', field('Algo', 'cd0100'), 'outOfRange'],
    ['a bool of 2', field('Flag', '02'), 'outOfRange'],
    ['an array of bytes with a 256', field('Blob', '91cd0100'), 'outOfRange'],
    ['an array of bytes with a -1', field('Blob', '91ff'), 'outOfRange'],
    ['a struct of 33 entries', `de0021${'a161c0'.repeat(33)}`, 'tooMany'],
    ['an unknown field of too many values', field('Else', `dc0080${'c0'.repeat(128)}`), 'tooMany'],
    ['an unknown field a hundred thousand deep', field('Else', `${'91'.repeat(100_000)}c0`), 'tooMany'],
  ];
  for (const [name, bytes, reason] of rows) it(name, () => expect(faultOf(() => read(hex(bytes)))).to.equal(reason));

  it('tells how many bytes there must be at least', () => {
    const rows: readonly [string, number][] = [
      ['', 1],
      ['82a34e756d', 6],
      ['82', 5],
      [field('Blob', 'c600010000'), 65_547],
      [field('Else', 'dd00000010'), 27],
    ];
    for (const [bytes, neededBytes] of rows) {
      expect(() => read(hex(bytes)), bytes)
        .to.throw()
        .with.property('neededBytes', neededBytes);
    }
  });
});

describe('memberlist msgpack: what is written', () => {
  const write = (fields: Partial<typeof zero>, omit: readonly string[] = []): string => {
    const writer = new PackWriter();
    writeStruct(writer, shape, { ...zero, ...fields }, omit);
    return toHex(writer.finish());
  };
  const all = Object.keys(shape);

  it('keys ascending, each field but those left out', () => {
    expect(write({ Num: 7, Name: 'b' }, all)).to.equal('82a44e616d65a162a34e756d07');
    expect(write({}, all)).to.equal('80');
    expect(
      write(
        {},
        all.filter((name) => name !== 'Blob'),
      ),
    ).to.equal('81a4426c6f62c0');
  });

  for (const [value, bytes] of [
    [0, '00'],
    [127, '7f'],
    [128, 'cc80'],
    [255, 'ccff'],
    [256, 'cd0100'],
    [65_535, 'cdffff'],
    [65_536, 'ce00010000'],
    [0xffff_ffff, 'ceffffffff'],
  ] as const) {
    it(`the number ${value}`, () =>
      expect(
        write(
          { Num: value },
          all.filter((n) => n !== 'Num'),
        ),
      ).to.equal(`81a34e756d${bytes}`));
  }

  for (const [length, head] of [
    [1, 'a1'],
    [31, 'bf'],
    [32, 'da0020'],
    [65_535, 'daffff'],
    [65_536, 'db00010000'],
  ] as const) {
    it(`bytes and text of ${length}`, () => {
      expect(write({ Blob: new Uint8Array(length) }, all).slice(0, 12 + head.length)).to.equal(`81a4426c6f62${head}`);
      expect(write({ Name: 'n'.repeat(length) }, all).slice(0, 12 + head.length)).to.equal(`81a44e616d65${head}`);
    });
  }

  const refused: readonly [string, Partial<typeof zero>][] = [
    ['a number beyond 32 bits', { Num: 2 ** 32 }],
    ['a number below zero', { Num: -1 }],
    ['a fraction', { Num: 0.5 }],
    ['no number', { Num: Number.NaN }],
    ['a port beyond 16 bits', { Port: 65_536 }],
    ['a name with a character that is no byte', { Name: '\u0100' }],
  ];
  for (const [name, fields] of refused) {
    it(`never ${name}`, () => expect(faultOf(() => write(fields))).to.equal('outOfRange'));
  }
});

describe('memberlist msgpack against its twin', () => {
  const randomFields = (random: Seeded): typeof zero => ({
    Num: random.pick([0, 1, 127, 128, 255, 256, 65_535, 65_536, 0xffff_ffff]),
    Name: Buffer.from(randomBytes(random, random.pick([0, 1, 31, 32, 255, 256]))).toString('latin1'),
    Blob: randomBytes(random, random.chance(0.01) ? 70_000 : random.pick([0, 1, 31, 32, 255, 256])),
    Port: random.pick([0, 127, 128, 255, 256, 65_535]),
    Count: random.pick([0, 127, 128, 40_000, 3_000_000]),
    Flag: random.chance(0.5),
    Algo: random.pick([0, 1, 255]),
  });

  it('writes what the twin writes', () => {
    const random = seeded('msgpack-write');
    for (let i = 0; i < 300; i++) {
      const fields = randomFields(random);
      const writer = new PackWriter();
      writeStruct(writer, shape as Shape, fields);
      const sorted = Object.fromEntries(Object.entries(fields).sort(([x], [y]) => (x < y ? -1 : 1)));
      expect(toHex(writer.finish()), `seed ${random.seed} step ${i}`).to.equal(toHex(packPlainly(sorted)));
    }
  });

  it('reads all forms in which the twin can put the same struct', () => {
    const random = seeded('msgpack-read');
    for (let i = 0; i < 500; i++) {
      const fields: Record<string, TwinValue> = randomFields(random);
      const where = `seed ${random.seed} step ${i}`;
      const bytes = packInSomeForm(random, fields, Object.keys(shape));
      const reader = new PackReader(bytes);
      expect(readStruct(reader, shape), where).to.deep.equal(fields);
      expect(reader.at, where).to.equal(bytes.length);
      const cut = bytes.subarray(0, random.below(bytes.length));
      expect(
        faultOf(() => read(cut)),
        `${where}, cut`,
      ).to.equal('truncated');
    }
  });
});

describe('memberlist messages', () => {
  it('a name that is no UTF-8 comes back byte for byte', () => {
    const node = '\u00ff\u0000\u00c3(';
    const bytes = encodePacketMessage({ is: 'dead', incarnation: 1, node, from: node });
    expect(decodePacketMessage(bytes)).to.deep.equal({ is: 'dead', incarnation: 1, node, from: node });
  });

  for (const [vsn, expected] of [
    ['c0', [0, 0, 0, 0, 0, 0]],
    ['a3010502', [1, 5, 2, 0, 0, 0]],
    ['a801050201020304ff', [1, 5, 2, 1, 2, 3]],
  ] as const) {
    it(`versions ${vsn} are read as six`, () => {
      expect(decodePacketMessage(hex(`0481a356736e${vsn}`)))
        .to.have.property('vsn')
        .that.deep.equals(expected);
    });
  }

  it('a version that is no byte is not written', () => {
    const message = decodePacketMessage(hex('0480'));
    expect(faultOf(() => encodePacketMessage({ ...message, vsn: [1, 5, 256, 0, 0, 0] } as typeof message))).to.equal(
      'outOfRange',
    );
  });

  it('types that have no place in a packet are refused', () => {
    for (const type of [6, 7, 9, 10, 12, 13, 14, 255]) {
      expect(
        faultOf(() => decodePacketMessage(Uint8Array.of(type, 0x80))),
        `type ${type}`,
      ).to.equal('unsupportedType');
    }
    expect(faultOf(() => decodePacketMessage(hex('')))).to.equal('empty');
  });
});
