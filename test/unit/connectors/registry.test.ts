import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { SourceDefinition } from '../../../src/connectors/definition.js';
import type { DataSource, FetchResult } from '../../../src/ports/data-source.js';
import { fetchOf, rejection, useSources } from './harness.js';

describe('data sources by name', () => {
  const harness = useSources();

  it('none has nothing', async () => {
    expect(await fetchOf(await harness.create({ type: 'none' }), 'k')).to.equal(null);
  });

  for (const [type, message] of [
    ['oracle', /source\.type is "oracle"; allowed are sqlite, postgres, redis, http, directory, module, none/],
    [undefined, /source\.type is undefined; allowed are/],
    ['constructor', /source\.type is "constructor"; allowed are/],
  ] as const) {
    it(`refuses the type ${type}`, async () => {
      const error = await rejection(harness.create({ type } as unknown as SourceDefinition));
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.message).to.match(message);
    });
  }

  describe('module', () => {
    const load = async (text: string, name = 'source.mjs'): Promise<DataSource> => {
      await writeFile(join(harness.folder, name), text);
      return harness.create({ type: 'module', path: `./${name}` });
    };

    const works: readonly [name: string, text: string, expected: FetchResult][] = [
      ['a function', 'export default (key) => "value of " + key', 'value of k'],
      ['an async function', 'export default async (key, { signal }) => (signal.aborted ? null : key)', 'k'],
      ['an object', 'export default { fetch: async () => null }', null],
      ['an object that uses this', 'export default { prefix: "p-", fetch(key) { return this.prefix + key; } }', 'p-k'],
      [
        'an instance',
        'class A { #x = 1; fetch() { return { value: "v", ttlMs: this.#x }; } }; export default new A()',
        { value: 'v', ttlMs: 1 },
      ],
    ];
    for (const [name, text, expected] of works) {
      it(`takes ${name}`, async () => {
        expect(await fetchOf(await load(text), 'k')).to.deep.equal(expected);
      });
    }

    it('takes CommonJS', async () => {
      expect(await fetchOf(await load('module.exports = (key) => key', 'source.cjs'), 'k')).to.equal('k');
    });

    it('calls open and close', async () => {
      const source = await load(
        'const seen = []; export default { open() { seen.push("open"); }, close() { seen.push("close"); }, fetch: () => seen.join() }',
      );
      await source.open?.();
      expect(await fetchOf(source, 'k')).to.equal('open');
      await source.close?.();
      expect(await fetchOf(source, 'k')).to.equal('open,close');
    });

    it('passes on what the code throws, thrown at once or later', async () => {
      const error = await rejection(fetchOf(await load('export default () => { throw new Error("no luck"); }'), 'k'));
      expect(error.message).to.equal('no luck');
    });

    it('ends with its caller though the code never does, and hears nothing of a late failure', async () => {
      const source = await load(
        'let fail; export default { fetch: () => new Promise((_, reject) => { fail = reject; }), close() { fail(new Error("late")); } }',
      );
      const controller = new AbortController();
      const waiting = rejection(fetchOf(source, 'k', controller.signal));
      controller.abort();
      expect((await waiting).code).to.equal('ABORTED');
      await source.close?.();
    });

    it('does not call for a caller who has left', async () => {
      const source = await load('export default () => { throw new Error("called"); }');
      expect((await rejection(fetchOf(source, 'k', AbortSignal.abort()))).code).to.equal('ABORTED');
    });

    const refusals: readonly [name: string, text: string, message: RegExp][] = [
      ['no default export', 'export const fetch = 1', /has no default export; export default a function/],
      ['a number', 'export default 1', /is neither function nor object with fetch/],
      ['null', 'export default null', /is neither function nor object with fetch/],
      ['an object without fetch', 'export default {}', /is neither function nor object with fetch/],
      [
        'fetchMany that is no function',
        'export default { fetch() {}, fetchMany: 1 }',
        /fetchMany in the .* is no function/,
      ],
      [
        'close that is no function',
        'export default { fetch() {}, close: 1 }',
        /close in the default export of .* is no function/,
      ],
      ['a syntax error', 'export default {', /source\.mjs does not load: /],
      [
        'a missing import',
        'import "./missing.mjs"; export default () => null',
        /source\.mjs does not load: .*missing\.mjs/,
      ],
      ['code that throws', 'throw new Error("at import"); export default 1', /does not load: at import/],
    ];
    for (const [name, text, message] of refusals) {
      it(`refuses ${name}`, async () => {
        const error = await rejection(load(text));
        expect(error.code).to.equal('INVALID_ARGUMENT');
        expect(error.message)
          .to.match(/^keyspaces\.cities\.source\.path: /)
          .and.match(message)
          .and.not.include('\n');
      });
    }

    it('refuses a missing file', async () => {
      const error = await rejection(harness.create({ type: 'module', path: './missing.mjs' }));
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.message).to.include(join(harness.folder, 'missing.mjs'));
    });
  });
});
