import { History } from './history.js';
import { type ReadOutcome, type ReadRecord, textFor, type WriteOutcome, type WriteRecord } from './records.js';

type Reading = Partial<Pick<ReadRecord, 'client' | 'node' | 'key' | 'minVersion' | 'consistency' | 'final'>>;
type Writing = Partial<Pick<WriteRecord, 'client' | 'node' | 'key' | 'kind'>>;

/**
 * Histories by hand: one millisecond passes with everything that is told. Unless said otherwise the key is `k`, the node
 * `a`, the writer `w`, the reader `r`, and the version that belongs to seq n is 100 n.
 */
export class Tale {
  #ms = 0;
  readonly history = new History(() => ++this.#ms);

  begin(seq: number, { client = 'w', node = 'a', key = 'k', kind = 'put' }: Writing = {}) {
    return this.history.write({ client, node, key, kind, seq });
  }

  ask({ client = 'r', node = 'a', key = 'k', ...more }: Reading = {}): (outcome: ReadOutcome) => void {
    return this.history.read({ client, node, key, ...more });
  }

  wrote(seq: number, writing: Writing = {}, outcome: WriteOutcome = acknowledged(seq)): this {
    this.begin(seq, writing)(outcome);
    return this;
  }

  read(seq: number, reading: Reading = {}, version = 100 * seq): this {
    this.ask(reading)(saw(seq, reading.key, version));
    return this;
  }

  pass(ms: number): this {
    this.#ms += ms;
    return this;
  }
}

export const acknowledged = (seq: number, version = 100 * seq): WriteOutcome => ({ is: 'ok', version, unreached: [] });
export const timedOut: WriteOutcome = { is: 'unknown', code: 'TIMEOUT' };

export const saw = (seq: number, key = 'k', version = 100 * seq): ReadOutcome => ({
  is: 'ok',
  value: textFor(key, seq),
  version,
  how: 'hit',
  by: 'a',
});
