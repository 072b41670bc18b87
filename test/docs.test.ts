import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Reference {
  readonly file: string;
  readonly title: string;
}

/** What a page names as shown by tests: `` `file`: *title*, *title* ``. */
function referencesIn(page: string): readonly Reference[] {
  return [...page.matchAll(/`([\w/.-]+)`: ((?:\*[^*\n]+\*(?:, )?)+)/g)].flatMap(([, file, titles]) =>
    [...titles!.matchAll(/\*([^*]+)\*/g)].map(([, title]) => ({ file: file!, title: title! })),
  );
}

/** The test file that a page means by a name. */
function fileOf(name: string): string | undefined {
  const ending = name.endsWith('.ts') ? name : `${name}.test.ts`;
  return [`test/unit/${ending}`, `test/${ending}`].map((file) => join(root, file)).find(existsSync);
}

function faultsIn(page: string): readonly string[] {
  return referencesIn(page).flatMap(({ file, title }) => {
    const found = fileOf(file);
    if (found === undefined) return [`there is no test file ${file}`];
    const text = readFileSync(found, 'utf8');
    return text.includes(title) ? [] : [`${file} has no test with "${title}"`];
  });
}

describe('docs', () => {
  const page = readFileSync(join(root, 'docs/faults.md'), 'utf8');

  it('faults.md names tests that exist', () => {
    expect(faultsIn(page)).to.deep.equal([]);
  });

  it('faults.md names a test in every row but those that come later', () => {
    const [now] = page.split('## What comes later');
    const rows = now!.split('\n').filter((line) => line.startsWith('| ') && !/^\| (What \||---)/.test(line));
    expect(rows.length).to.be.above(40);
    expect(rows.filter((row) => referencesIn(row).length === 0)).to.deep.equal([]);
  });

  it('would find a file or a title that is gone', () => {
    const gone = '| `engine/nowhere`: *a*; `engine/reads`: *no such title*, *getMany names the keys that failed* |';
    expect(faultsIn(gone)).to.deep.equal([
      'there is no test file engine/nowhere',
      'engine/reads has no test with "no such title"',
    ]);
  });
});
