import { expect } from 'chai';
import { groupsOf, readAll, readLines } from '../../../src/cli/input.js';

async function* chunks(...texts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield typeof text === 'string' ? Buffer.from(text) : text;
}

const linesOf = async (lineBytesMax: number, ...texts: (string | Uint8Array)[]): Promise<string[]> => {
  const lines: string[] = [];
  for await (const group of readLines(chunks(...texts), 'stdin', lineBytesMax)) {
    for (const { number, text } of group) lines.push(`${number}:${text}`);
  }
  return lines;
};

const rejectionOf = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('was expected to reject');
};

describe('cli: lines of stdin', () => {
  const rows: readonly { name: string; chunks: readonly string[]; lines: readonly string[] }[] = [
    { name: 'none', chunks: [], lines: [] },
    { name: 'one without newline', chunks: ['a'], lines: ['1:a'] },
    { name: 'one with newline', chunks: ['a\n'], lines: ['1:a'] },
    { name: 'empty ones between', chunks: ['a\n\nb\n'], lines: ['1:a', '2:', '3:b'] },
    { name: 'cut anywhere', chunks: ['a', 'b\nc', '', 'd', '\n', 'e'], lines: ['1:ab', '2:cd', '3:e'] },
    { name: 'a carriage return that belongs to the key', chunks: ['a\r\n'], lines: ['1:a\r'] },
    { name: 'a byte order mark that belongs to the key', chunks: ['\ufeffa\n'], lines: ['1:\ufeffa'] },
  ];
  for (const { name, chunks: given, lines } of rows) {
    it(`are split: ${name}`, async () => expect(await linesOf(100, ...given)).to.deep.equal(lines));
  }

  it('are joined when a character is cut in two', async () => {
    const bytes = Buffer.from('é\n');
    expect(await linesOf(100, bytes.subarray(0, 1), bytes.subarray(1))).to.deep.equal(['1:é']);
  });

  it('come as soon as they are whole, without waiting for more', async () => {
    const source = chunks('a\nb\nc');
    const groups = readLines(source, 'stdin', 100);
    const first = await groups.next();
    expect(first.value).to.deep.equal([
      { number: 1, text: 'a' },
      { number: 2, text: 'b' },
    ]);
    await groups.return(undefined);
  });

  it('that are no UTF-8 are refused by number', async () => {
    const error = await rejectionOf(linesOf(100, 'a\n', Uint8Array.of(0xff, 0x0a)));
    expect(error.message).to.equal('stdin, line 2: not UTF-8, must be UTF-8 text');
  });

  it('that never end are refused before they fill the memory', async () => {
    const error = await rejectionOf(linesOf(10, 'ab\n', '12345', '678901', '2'));
    expect(error.message).to.equal('stdin, line 2: longer than 10 bytes');
  });
});

describe('cli: the whole of stdin', () => {
  it('is the bytes as they came', async () => {
    expect(Buffer.from(await readAll(chunks('a', Uint8Array.of(0, 255)), 'it', 3))).to.deep.equal(
      Buffer.of(97, 0, 255),
    );
    expect(await readAll(chunks(), 'it', 3)).to.have.length(0);
  });

  it('is refused beyond the limit', async () => {
    expect((await rejectionOf(readAll(chunks('ab', 'cd'), 'it', 3))).message).to.contain('longer than 3 bytes');
  });
});

describe('cli: groups', () => {
  it('keep order and size', () => {
    expect([...groupsOf([1, 2, 3, 4, 5], 2)]).to.deep.equal([[1, 2], [3, 4], [5]]);
    expect([...groupsOf([], 2)]).to.deep.equal([]);
  });
});
