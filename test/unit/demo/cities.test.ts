import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { cityRows, type GazetteerEntry, slugOf } from '../../../src/demo/cities.js';
import { cityQuery, writeCityDatabase } from '../../../src/demo/city-database.js';

const place = (name: string, country: string, population: number, cityId: number): GazetteerEntry => ({
  cityId,
  name,
  country,
  adminCode: '01',
  population,
  loc: { coordinates: [2.5, -1] },
});

describe('the cities of the demo', () => {
  const slugs: readonly [name: string, slug: string][] = [
    ['Paris', 'paris'],
    ['New York City', 'new-york-city'],
    ['São Paulo', 'sao-paulo'],
    ["N'Djamena", 'ndjamena'],
    ['Łódź', 'lodz'],
    ['Malmö (Centrum)', 'malmo-centrum'],
    ['Ørsted/Æbeltoft', 'orsted-aebeltoft'],
    ['İstanbul', 'istanbul'],
    ['Straße', 'strasse'],
    ['  — ', ''],
    ['東京', ''],
  ];
  for (const [name, slug] of slugs) {
    it(`write ${JSON.stringify(name)} as ${JSON.stringify(slug)}`, () => {
      expect(slugOf(name)).to.equal(slug);
    });
  }

  it('give the plain name to the largest, then the country, then the number', () => {
    const rows = cityRows(
      [
        place('Paris', 'US', 24_000, 3),
        place('Paris', 'FR', 2_000_000, 1),
        place('Hamlet', 'FR', 4_999, 9),
        place('Paris', 'US', 9_000, 4),
        place('東京', 'JP', 5_000, 7),
        place('Paris US', 'XX', 30_000, 8),
      ],
      5_000,
    );
    expect(rows.map(({ key }) => key)).to.deep.equal(['paris', 'paris-us', 'paris-us-3', 'paris-us-4', 'city']);
    expect(JSON.parse(rows[0]!.json)).to.deep.equal({
      name: 'Paris',
      country: 'FR',
      region: '01',
      population: 2_000_000,
      lat: -1,
      lon: 2.5,
      geonames_id: 1,
    });
  });

  it('come as a database of at least 10,000', async function () {
    this.timeout(60_000);
    const folder = await mkdtemp(join(tmpdir(), 'distcache-cities-'));
    try {
      const file = join(folder, 'cities.db');
      const count = writeCityDatabase(file);
      const database = new DatabaseSync(file, { readOnly: true });
      try {
        expect(count).to.be.at.least(10_000);
        expect(database.prepare('select count(*) as n from city').get()).to.deep.include({ n: count });
        for (const [key, country] of [
          ['paris', 'FR'],
          ['tokyo', 'JP'],
          ['new-york-city', 'US'],
          ['sao-paulo', 'BR'],
        ] as const) {
          const row = database.prepare(cityQuery).get({ key });
          expect(JSON.parse(String(row?.json)), key).to.include({ country });
        }
      } finally {
        database.close();
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
