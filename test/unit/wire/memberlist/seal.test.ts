import { expect } from 'chai';
import { KeyRing } from '../../../../src/wire/memberlist/key-ring.js';
import {
  openPacket,
  openStream,
  type SealVersion,
  sealOverheadBytes,
  sealPacket,
  sealStream,
} from '../../../../src/wire/memberlist/seal.js';
import { seeded } from '../../../support/seeded.js';
import { ascii, faultOf, none, randomBytes, toHex } from './samples.js';

const key = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);
const nonce = key(12, 9);
const sealing = (version: SealVersion = 1, label = none) => ({ version, label, nonce });
const order = (ring: KeyRing): string[] => ring.keys.map((known) => toHex(known.export()).slice(0, 2));

describe('memberlist key ring', () => {
  it('is rotated while it runs: add, use, remove', () => {
    const [one, two] = [key(16, 1), key(32, 2)];
    const [here, there] = [new KeyRing([one]), new KeyRing([one])];
    const say = (from: KeyRing, to: KeyRing): string =>
      Buffer.from(openPacket(to, sealPacket(from, ascii('hi'), sealing()), none)).toString();

    here.add(two);
    there.add(two);
    expect([order(here), say(here, there)]).to.deep.equal([['01', '02'], 'hi']);
    here.use(two);
    expect([order(here), say(here, there), say(there, here)]).to.deep.equal([['02', '01'], 'hi', 'hi']);
    there.use(two);
    here.remove(one);
    there.remove(one);
    expect([order(here), say(here, there), say(there, here)]).to.deep.equal([['02'], 'hi', 'hi']);
    expect(faultOf(() => say(new KeyRing([one]), here))).to.equal('undecryptable');
  });

  it('does nothing to add what is there, to use what is used, to remove what is gone', () => {
    const ring = new KeyRing([key(16, 1), key(16, 2), key(16, 1)]);
    ring.add(key(16, 2));
    ring.use(key(16, 1));
    ring.remove(key(16, 3));
    expect(order(ring)).to.deep.equal(['01', '02']);
  });

  const refused: readonly [string, (ring: KeyRing) => void, RegExp][] = [
    ['no keys', () => new KeyRing([]), /at least one key/],
    ['a key of 15 bytes', (ring) => ring.add(key(15, 1)), /has 15 bytes, must have 16, 24 or 32/],
    ['to use a stranger', (ring) => ring.use(key(16, 9)), /add it first/],
    ['to remove the key in use', (ring) => ring.remove(key(16, 1)), /cannot be removed/],
    [
      'a 17th key',
      (ring) => Array.from({ length: 16 }, (_, i) => ring.add(key(16, 10 + i))),
      /holds 16 keys, its limit/,
    ],
  ];
  for (const [name, act, message] of refused) {
    it(`refuses ${name}`, () => {
      expect(() => act(new KeyRing([key(16, 1)])))
        .to.throw(message)
        .with.property('code', 'INVALID_ARGUMENT');
    });
  }
});

describe('memberlist sealing', () => {
  const ring = new KeyRing([key(16, 1)]);

  it('comes back for each key length, version, label and length of text', () => {
    const random = seeded('seal');
    for (const bytes of [16, 24, 32]) {
      const ours = new KeyRing([key(bytes, 3)]);
      for (const version of [0, 1] as const) {
        for (const length of [0, 1, 15, 16, 17, 1400]) {
          const plain = randomBytes(random, length);
          const label = randomBytes(random, random.below(30));
          const sealed = sealPacket(ours, plain, { version, label, nonce: randomBytes(random, 12) });
          expect(sealed.length).to.be.at.most(length + sealOverheadBytes(version));
          expect(toHex(openPacket(ours, sealed, label))).to.equal(toHex(plain));
          const stream = sealStream(ours, plain, { version, label, nonce });
          expect(toHex(openStream(ours, stream.subarray(0, 5), stream.subarray(5), label))).to.equal(toHex(plain));
        }
      }
    }
  });

  it('adds 29 bytes, or up to 45 with padding', () => {
    expect(sealPacket(ring, ascii('0123456789abcdef'), sealing(1))).to.have.length(16 + 29);
    expect(sealPacket(ring, ascii('0123456789abcdef'), sealing(0))).to.have.length(16 + 45);
    expect(sealPacket(ring, ascii('0123456789abcde'), sealing(0))).to.have.length(15 + 30);
  });

  it('any change of one bit is noticed, but for the version byte', () => {
    const sealed = sealPacket(ring, ascii('0123456789'), sealing());
    for (let bit = 8; bit < 8 * sealed.length; bit++) {
      const changed = Uint8Array.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(
        faultOf(() => openPacket(ring, changed, none)),
        `bit ${bit}`,
      ).to.equal('undecryptable');
    }
  });

  it('the version byte is not authenticated: padding decides what a flipped one gives', () => {
    const padded = sealPacket(ring, ascii('text\u0002\u0002'), sealing(1));
    // Padding makes a whole block in honest packets; only the length of the whole is checked, as in Go.
    const long = sealPacket(ring, ascii(`${'text'.repeat(8)}\u0002\u0002`), sealing(1));
    long[0] = 0;
    padded[0] = 0;
    expect(Buffer.from(openPacket(ring, long, none)).toString()).to.equal('text'.repeat(8));
    expect(faultOf(() => openPacket(ring, padded, none))).to.equal('undecryptable');
    const unpadded = sealPacket(ring, ascii('x'.repeat(32)), sealing(1));
    unpadded[0] = 0;
    expect(faultOf(() => openPacket(ring, unpadded, none))).to.equal('undecryptable');
  });

  const sealed = sealPacket(ring, ascii('text'), sealing());
  const rows: readonly [string, () => unknown, string][] = [
    ['nothing', () => openPacket(ring, none, none), 'empty'],
    ['a later version', () => openPacket(ring, Uint8Array.of(2, ...sealed.slice(1)), none), 'unencrypted'],
    ['28 bytes', () => openPacket(ring, Uint8Array.of(1, ...key(27, 0)), none), 'undecryptable'],
    ['44 bytes of version 0', () => openPacket(ring, Uint8Array.of(0, ...key(43, 0)), none), 'undecryptable'],
    ['another label', () => openPacket(ring, sealed, ascii('blue')), 'undecryptable'],
    ['another key', () => openPacket(new KeyRing([key(16, 2)]), sealed, none), 'undecryptable'],
    ['a packet as a stream', () => openStream(ring, Uint8Array.of(10, 0, 0, 0, 33), sealed, none), 'undecryptable'],
    ['what exceeds 20 MiB', () => sealStream(ring, new Uint8Array(20 * 1024 * 1024), sealing()), 'tooLarge'],
  ];
  for (const [name, act, reason] of rows) it(`refuses ${name}`, () => expect(faultOf(act)).to.equal(reason));
});
