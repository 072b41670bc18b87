import { expect } from 'chai';
import { EventStreamReader } from '../../../src/client/event-stream.js';
import { seeded } from '../../support/seeded.js';

const read = (chunks: readonly Buffer[]): readonly string[] => {
  const reader = new EventStreamReader();
  return chunks.flatMap((chunk) => [...reader.push(chunk)]);
};

describe('EventStreamReader', () => {
  const cases: readonly [string, string, readonly string[]][] = [
    ['an event', 'data: a\n\n', ['a']],
    ['data of several lines', 'data: a\ndata:b\n\n', ['a\nb']],
    ['names, ids and unknown fields', 'event: x\nid: 1\ndata: a\nretry: 5\nfoo\n\n', ['a']],
    ['comments, which keep the connection open', ': hello\n\n:\n\ndata: a\n\n', ['a']],
    ['CR LF and CR', 'data: a\r\n\r\ndata: b\r\rdata: c\n\n', ['a', 'b', 'c']],
    ['an event without data', 'event: x\n\n', []],
    ['an event that has not ended', 'data: a\n', []],
  ];
  for (const [name, text, expected] of cases) {
    it(`reads ${name}`, () => expect(read([Buffer.from(text)])).to.deep.equal(expected));
  }

  it('reads the same from chunks that end anywhere, within characters too', () => {
    const whole = Buffer.from('data: {"key":"żółć 🦊"}\r\n\r\n: still here\n\ndata: x\ndata: y\n\n');
    for (let seed = 1; seed <= 50; seed++) {
      const random = seeded(seed);
      const chunks: Buffer[] = [];
      for (let at = 0; at < whole.length; ) {
        const end = at + 1 + Math.floor(random.next() * 6);
        chunks.push(whole.subarray(at, end));
        at = end;
      }
      expect(read(chunks), `seed ${seed}`).to.deep.equal(['{"key":"żółć 🦊"}', 'x\ny']);
    }
  });

  it('holds no more than 1 MiB of an event that does not end', () => {
    const reader = new EventStreamReader();
    const feed = (): void => {
      for (let i = 0; i < 40; i++) [...reader.push(Buffer.from(`data: ${'x'.repeat(64 * 1024)}\n`))];
    };
    expect(feed).to.throw('longer than 1MiB');
  });
});
