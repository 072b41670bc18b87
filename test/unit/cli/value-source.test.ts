import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Terminal } from '../../../src/cli/terminal.js';
import { readValue } from '../../../src/cli/value-source.js';

const mib = 1024 * 1024;

/** stdin with these pieces; the rest of a terminal is not asked for. */
const terminalOf = (pieces: Iterable<Uint8Array>): Terminal => {
  const stdin = (async function* () {
    yield* pieces;
  })();
  return { stdin, stdinIsTerminal: false, stdinIsNull: false } as unknown as Terminal;
};
const read = (given: { argument?: string; file?: string }, pieces: Iterable<Uint8Array> = []): Promise<Uint8Array> =>
  readValue({ argument: given.argument, file: given.file }, terminalOf(pieces), async () => {});

describe('cli: the value of a put', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-cli-'));
    file = join(folder, 'value');
    await writeFile(file, '');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is the argument, a file, or stdin: without either, for VALUE - and for --file -', async () => {
    await writeFile(file, 'of a file');
    const stdin = [Buffer.from('of '), Buffer.from('stdin')];
    expect(Buffer.from(await read({ argument: 'é' })).toString()).to.equal('é');
    expect(Buffer.from(await read({ file })).toString()).to.equal('of a file');
    for (const given of [{}, { argument: '-' }, { file: '-' }]) {
      expect(Buffer.from(await read(given, stdin)).toString()).to.equal('of stdin');
    }
  });

  it('may be as large as a node can be configured to take, and no larger', async () => {
    await truncate(file, 70 * mib);
    expect((await read({ file })).byteLength).to.equal(70 * mib);
    const pieces = Array<Uint8Array>(70).fill(new Uint8Array(mib));
    expect((await read({}, pieces)).byteLength).to.equal(70 * mib);
    await truncate(file, 512 * mib + 1);
    const error = await read({ file }).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.contain('at most 512MiB');
  });
});
