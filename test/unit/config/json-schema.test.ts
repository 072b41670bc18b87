import { expect } from 'chai';
import { parse } from 'yaml';
import { configJsonSchema } from '../../../src/config/json-schema.js';
import { starterFile } from '../../../src/config/starter.js';

interface Schema {
  readonly [keyword: string]: unknown;
}

const kindOf = (value: unknown): readonly string[] => {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  if (typeof value === 'number') return Number.isInteger(value) ? ['integer', 'number'] : ['number'];
  return [typeof value];
};

type Check = (argument: never, value: never, schema: Schema) => boolean;
const ofObject =
  (check: Check): Check =>
  (argument, value, schema) =>
    kindOf(value)[0] !== 'object' || check(argument, value, schema);

/** The keywords that the schema uses; an unknown one fails the test that meets it. */
const keywords: Readonly<Record<string, Check>> = {
  type: (types: string | string[], value) => kindOf(value).some((kind) => [types].flat().includes(kind)),
  const: (wanted: unknown, value) => wanted === value,
  enum: (choices: unknown[], value) => choices.includes(value),
  pattern: (pattern: string, value) => typeof value !== 'string' || new RegExp(pattern, 'u').test(value),
  minLength: (length: number, value: unknown) => typeof value !== 'string' || value.length >= length,
  minimum: (bound: number, value: unknown) => typeof value !== 'number' || value >= bound,
  maximum: (bound: number, value: unknown) => typeof value !== 'number' || value <= bound,
  maxItems: (bound: number, value: unknown) => !Array.isArray(value) || value.length <= bound,
  items: (schema: Schema | boolean, value: unknown) =>
    !Array.isArray(value) || schema === false || value.every((item) => accepts(schema as Schema, item)),
  prefixItems: (schemas: Schema[], value: unknown) =>
    !Array.isArray(value) || schemas.every((schema, index) => accepts(schema, value[index])),
  minItems: (bound: number, value: unknown) => !Array.isArray(value) || value.length >= bound,
  anyOf: (schemas: Schema[], value) => schemas.some((schema) => accepts(schema, value)),
  oneOf: (schemas: Schema[], value) => schemas.filter((schema) => accepts(schema, value)).length === 1,
  required: ofObject((names: string[], value: object) => names.every((name) => Object.hasOwn(value, name))),
  properties: ofObject((schemas: Record<string, Schema>, value: object) =>
    Object.entries(value).every(([name, item]) => schemas[name] === undefined || accepts(schemas[name], item)),
  ),
  propertyNames: ofObject((schema: Schema, value: object) => Object.keys(value).every((name) => accepts(schema, name))),
  additionalProperties: ofObject((rest: Schema | false, value: object, { properties = {} }) =>
    Object.entries(value).every(
      ([name, item]) => Object.hasOwn(properties as object, name) || (rest !== false && accepts(rest, item)),
    ),
  ),
};

const notes = new Set(['$schema', 'title', 'description', 'default', 'examples']);

function accepts(schema: Schema, value: unknown): boolean {
  return Object.entries(schema).every(([keyword, argument]) => {
    if (notes.has(keyword)) return true;
    const check = keywords[keyword];
    if (check === undefined) throw new Error(`the test does not know the keyword ${keyword}`);
    return check(argument as never, value as never, schema);
  });
}

function* schemasIn(schema: unknown, path = '#'): Generator<readonly [string, Schema]> {
  if (typeof schema !== 'object' || schema === null) return;
  if (!Array.isArray(schema)) yield [path, schema as Schema];
  for (const [key, value] of Object.entries(schema)) {
    if (key !== 'examples' && key !== 'default') yield* schemasIn(value, `${path}/${key}`);
  }
}

describe('config: the JSON Schema', () => {
  const schema = configJsonSchema();

  it('names its draft and itself', () => {
    expect(schema.$schema).to.equal('https://json-schema.org/draft/2020-12/schema');
    expect(schema.title).to.equal('distcache node');
  });

  it('accepts the starter file and its own examples', () => {
    for (const example of [parse(starterFile), ...(schema.examples as unknown[])]) {
      expect(accepts(schema, example), JSON.stringify(example)).to.equal(true);
    }
  });

  it('accepts the default and the examples of each key', () => {
    let count = 0;
    for (const [path, part] of schemasIn(schema)) {
      const samples = [
        ...(Array.isArray(part.examples) ? part.examples : []),
        ...('default' in part ? [part.default] : []),
      ];
      for (const sample of samples) {
        expect(accepts(part, sample), `${path}: ${JSON.stringify(sample)}`).to.equal(true);
        count++;
      }
    }
    expect(count).to.be.above(60);
  });

  it('describes every key', () => {
    for (const [path, part] of schemasIn(schema)) {
      if (!path.endsWith('/properties')) continue;
      for (const [key, value] of Object.entries(part)) {
        expect((value as Schema).description, `${path}/${key}`)
          .to.be.a('string')
          .and.not.equal('');
      }
    }
  });

  const good: readonly unknown[] = [
    { bind: { port: `\${PORT}` }, timeouts: { read: `\${T:-5s}` }, warmup: { onJoin: `\${J}` } },
    { timeouts: { read: '1h30m' }, limits: { maxKeyBytes: 4096, maxValueBytes: '1.5 MiB' } },
    {
      keyspaces: { a: { maxBytes: '1GB', hotShare: 0.25, ttlJitter: '5%', negativeTtl: 0, source: { type: 'none' } } },
    },
    { admin: false },
    { gossip: { delegateVersions: [2, 5, 4] } },
  ];
  for (const value of good) it(`accepts ${JSON.stringify(value)}`, () => expect(accepts(schema, value)).to.equal(true));

  const bad: readonly unknown[] = [
    [],
    { nme: 'x' },
    { bind: { port: 65_536 } },
    { timeouts: { read: 30 } },
    { timeouts: { read: '30' } },
    { limits: { maxKeyBytes: 'many' } },
    { admin: true },
    { discovery: { provider: 'statc' } },
    { discovery: { peers: [1] } },
    { keyspaces: { a: { source: { type: 'none' } } } },
    { keyspaces: { a: { maxBytes: '1MiB' } } },
    { keyspaces: { a: { maxBytes: '1MiB', source: { type: 'sqllite' } } } },
    { keyspaces: { a: { maxBytes: '1MiB', source: { type: 'none', file: 'x' } } } },
  ];
  for (const value of bad) it(`refuses ${JSON.stringify(value)}`, () => expect(accepts(schema, value)).to.equal(false));
});
