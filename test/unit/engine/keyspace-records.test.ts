import { expect } from 'chai';
import { sweepsMax } from '../../../src/coherence/sweeps.js';
import { isSame, KeyspaceRecords, merged, nothingDone, settingsIn } from '../../../src/engine/keyspace-records.js';
import { type KeyspaceRecord, type Setting, type Sweep, tunables } from '../../../src/ports/keyspace-record.js';
import { seeded } from '../../support/seeded.js';

const random = seeded(process.env.SEED ?? 'records');

/** Few versions and ids, so that many writings meet at the same time. */
const version = (): number => random.below(6);
const by = (): string => random.pick(['a', 'b', 'c']);

/** One writing has one value: who writes twice at the same time writes the same. */
const writtenSetting = (): Setting => {
  const tunable = random.pick(tunables);
  const written = { version: version(), by: by() };
  const value = random.pick([undefined, null, written.version * 10 + written.by.charCodeAt(0)]);
  const known = memory.get(`${tunable}/${written.version}/${written.by}`);
  const setting = known ?? { tunable, value, ...written };
  memory.set(`${tunable}/${written.version}/${written.by}`, setting);
  return setting;
};
const memory = new Map<string, Setting>();

function record(): KeyspaceRecord {
  const settings = new Map(Array.from({ length: random.below(4) }, writtenSetting).map((one) => [one.tunable, one]));
  const at = version();
  return {
    ...nothingDone('ks'),
    existence: random.chance(0.4) ? { deleted: at % 2 === 0, version: at, by: by() } : undefined,
    generation: random.chance(0.4) ? version() : 0,
    settings: [...settings.values()],
    sweeps: sweeps(random.pick([0, 0, 3, 40])),
  };
}

/** Few texts, so that many are the same sweep; enough times that more than are remembered meet. */
function sweeps(count: number): readonly Sweep[] {
  return Array.from({ length: count }, (): Sweep => {
    const tag = random.chance(0.5);
    return { by: tag ? 'tag' : 'prefix', text: random.pick(['x', 'y', 'z']), version: random.below(30) };
  });
}

describe('records of keyspaces', () => {
  it('end the same in whichever order, and however often, they are merged', () => {
    for (let round = 0; round < 2000; round++) {
      const records = Array.from({ length: 5 }, record);
      const all = (order: readonly KeyspaceRecord[]): KeyspaceRecord => order.reduce(merged, nothingDone('ks'));
      const once = all(records);
      for (let i = 0; i < 3; i++) {
        const shuffled = random.shuffled([...records, random.pick(records), once]);
        expect(all(shuffled), `SEED=${random.seed} round ${round}`).to.deep.equal(once);
      }
      const told = once.sweeps.map(({ by, text, version: at }) => `${by} ${text} ${at}`);
      expect(new Set(told).size).to.equal(told.length).and.be.at.most(sweepsMax);
      expect(once.sweeps.every(({ version: at }) => at > once.generation)).to.equal(true);
    }
  });

  it('a merge that brings nothing new is the same record', () => {
    for (let round = 0; round < 500; round++) {
      const a = merged(nothingDone('ks'), record());
      expect(isSame(a, merged(a, a))).to.equal(true);
      const later = { ...nothingDone('ks'), generation: a.generation + 1 };
      expect(isSame(a, merged(a, later))).to.equal(false);
    }
  });

  it('of two at the same time the higher id wins; what was withdrawn is not in force', () => {
    const setting = (value: number | undefined, id: string): KeyspaceRecord => ({
      ...nothingDone('ks'),
      settings: [{ tunable: 'maxBytes', value, version: 5, by: id }],
    });
    expect(settingsIn(merged(setting(1, 'a'), setting(2, 'b'))).get('maxBytes')).to.equal(2);
    expect(settingsIn(merged(setting(1, 'b'), setting(2, 'a'))).get('maxBytes')).to.equal(1);
    expect(settingsIn(merged(setting(1, 'a'), setting(undefined, 'b'))).size).to.equal(0);
  });

  it('what was said before a deletion is void, and so is what was in it', () => {
    const before: KeyspaceRecord = {
      ...nothingDone('ks'),
      settings: [{ tunable: 'maxBytes', value: 1, version: 3, by: 'a' }],
    };
    const gone: KeyspaceRecord = { ...nothingDone('ks'), existence: { deleted: true, version: 4, by: 'b' } };
    for (const found of [merged(before, gone), merged(gone, before)]) {
      expect(found.settings).to.deep.equal([]);
      expect(found.generation).to.equal(4);
    }
  });

  it('the number of names is bounded: the oldest that this node does not have goes first', () => {
    const own = new Set(['mine']);
    const records = new KeyspaceRecords((name) => own.has(name));
    records.set({ ...nothingDone('mine'), generation: 1 });
    for (let i = 0; i < 5000; i++) records.set({ ...nothingDone(`n${i}`), generation: 2 + i });
    const names = records.values().map(({ keyspace }) => keyspace);
    expect(names.length).to.equal(4096);
    expect(names).to.include('mine').and.to.include('n4999').and.not.to.include('n0');
  });
});
