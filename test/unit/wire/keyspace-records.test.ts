import { Buffer } from 'node:buffer';
import { expect } from 'chai';
import { sweepsMax } from '../../../src/coherence/sweeps.js';
import { nothingDone } from '../../../src/engine/keyspace-records.js';
import { type KeyspaceRecord, type Setting, type Sweep, tunables } from '../../../src/ports/keyspace-record.js';
import { distcache } from '../../../src/wire/generated/distcache.js';
import { decodeRecord, encodeRecord, recordBound } from '../../../src/wire/keyspace-records.js';
import { MalformedError } from '../../../src/wire/reader.js';
import { seeded } from '../../support/seeded.js';

type Fields = distcache.v1.KeyspaceRecord.$Properties;

const version = 1_700_000_000_000 * 4096 + 17;
const written = { version, by: 'node-1' };
const sweep = (by: Sweep['by'], text: string): Sweep => ({ by, text, version });

const full: KeyspaceRecord = {
  keyspace: 'users',
  existence: { deleted: true, ...written },
  generation: version,
  settings: [
    ...tunables.slice(0, 3).map((tunable, i): Setting => ({ tunable, value: [7, null, undefined][i], ...written })),
    { tunable: 'warmKeys', value: ['a', '', '🙂'], ...written },
  ],
  sweeps: [sweep('tag', 'é'), sweep('prefix', 'é'), sweep('tag', '__proto__')],
  digest: 0xffff_ffff,
};

const encoded = (fields: Fields): Uint8Array => distcache.v1.KeyspaceRecord.encode(fields).finish();
const setting = (fields: distcache.v1.Setting.$Properties): Fields => ({
  keyspace: 'ks',
  settings: [{ tunable: 'maxBytes', ...written, ...fields }],
});
const swept = (fields: distcache.v1.Sweep.$Properties): Fields => ({ keyspace: 'ks', sweeps: [fields] });
const times = <T>(count: number, of: T): T[] => new Array<T>(count).fill(of);

describe('records of keyspaces on the wire', () => {
  for (const [name, record] of Object.entries({ 'of all there is': full, 'of nothing': nothingDone('ks') })) {
    it(`${name} come back as they were, within their bound`, () => {
      const bytes = encodeRecord(record);
      expect(decodeRecord(bytes)).to.deep.equal(record);
      expect(bytes.byteLength).to.be.at.most(recordBound(record));
    });
  }

  it('of as much as a node remembers stay far below what a frame carries', () => {
    const longest = sweep('prefix', '長'.repeat(1365));
    const record = { ...full, sweeps: times(sweepsMax, longest) };
    expect(decodeRecord(encodeRecord(record))).to.deep.equal(record);
    expect(recordBound(record)).to.be.below(2 ** 20);
  });

  it('of a later release are read without the tunables that are not known here', () => {
    const { settings } = decodeRecord(encoded(setting({ tunable: 'colour', number: 3 })));
    expect(settings).to.deep.equal([]);
  });

  const refused: readonly (readonly [name: string, fields: Fields, says: RegExp])[] = [
    ['no name', {}, /without a usable name/],
    ['an endless name', { keyspace: 'k'.repeat(257) }, /without a usable name/],
    ['a generation below 0', { keyspace: 'ks', generation: -1 }, /-1 is no version/],
    ['a generation that is a fraction', { keyspace: 'ks', generation: 0.5 }, /0\.5 is no version/],
    ['an infinite generation', { keyspace: 'ks', generation: Number.POSITIVE_INFINITY }, /Infinity is no version/],
    ['a generation that is no number', { keyspace: 'ks', generation: Number.NaN }, /NaN is no version/],
    ['a generation beyond counting', { keyspace: 'ks', generation: 2 ** 53 }, /9007199254740992 is no version/],
    ['an existence of no time', { keyspace: 'ks', existence: { deleted: true, version: -5 } }, /-5 is no version/],
    ['an endless id', { keyspace: 'ks', existence: { deleted: true, by: 'x'.repeat(257) } }, /node's id in a record/],
    ['a setting of no time', setting({ version: Number.NaN }), /NaN is no version/],
    ['a setting by an endless id', setting({ by: 'x'.repeat(10_000) }), /node's id in a record/],
    ['a setting with 1,001 texts', setting({ texts: { texts: times(1001, 'k') } }), /more than 1000 texts/],
    ['a setting with endless texts', setting({ texts: { texts: times(9, 'k'.repeat(2 ** 19)) } }), /are too long/],
    ['65 settings', { keyspace: 'ks', settings: times(65, written) }, /more than 64 settings/],
    ['a sweep of nothing', swept({ version }), /the prefix of a sweep is no text/],
    ['a sweep of an empty tag', swept({ tag: '', version }), /the tag of a sweep is no text/],
    ['a sweep of an endless tag', swept({ tag: 'x'.repeat(129), version }), /the tag of a sweep is 129 bytes long/],
    ['a sweep of an endless prefix', swept({ prefix: 'x'.repeat(4097), version }), /prefix of a sweep is 4097 bytes/],
    ['a sweep of no time', swept({ tag: 't', version: Number.NEGATIVE_INFINITY }), /-Infinity is no version/],
    ['65 sweeps', { keyspace: 'ks', sweeps: times(65, { tag: 't', version }) }, /more than 64 sweeps/],
    ['9 MiB', { keyspace: 'ks', sweeps: times(9, { prefix: 'x'.repeat(2 ** 20), version }) }, /a record of \d+ bytes/],
  ];
  for (const [name, fields, says] of refused) {
    it(`with ${name} are refused, shortly`, () => {
      const bytes = encoded(fields);
      expect(() => decodeRecord(bytes)).to.throw(MalformedError, says);
      try {
        decodeRecord(bytes);
      } catch (error) {
        expect((error as Error).message.length).to.be.below(200);
      }
    });
  }

  it('cut short, changed and made up are a record or MalformedError, and nothing else', () => {
    const random = seeded(process.env.SEED ?? 'record-bytes');
    const bytes = encodeRecord(full);
    for (let round = 0; round < 5000; round++) {
      const given = Buffer.from(random.chance(0.1) ? new Uint8Array(random.below(200)) : bytes);
      for (let i = random.below(8); i > 0 && given.length > 0; i--)
        given[random.below(given.length)] = random.below(256);
      const cut = given.subarray(0, random.chance(0.5) ? given.length : random.below(given.length + 1));
      try {
        const { keyspace, sweeps, settings } = decodeRecord(cut);
        expect(keyspace).to.have.length.within(1, 256);
        expect(sweeps.length + settings.length).to.be.at.most(128);
      } catch (error) {
        expect(error, `SEED=${random.seed} round ${round}`).to.be.instanceOf(MalformedError);
      }
    }
  });
});
