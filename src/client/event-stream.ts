import type { Buffer } from 'node:buffer';
import { DistcacheError } from '../base/errors.js';
import { formatSize } from '../base/units.js';

const eventCharsMax = 1024 * 1024;

/**
 * The `data` of each server-sent event (WHATWG HTML, 9.2), put together from chunks that end anywhere. Names and ids of
 * events are left out: the data tells them. Comments, which servers send to keep a connection open, tell nothing.
 * Throws PEER_UNREACHABLE for an event that does not end within 1 MiB.
 */
export class EventStreamReader {
  readonly #decoder = new TextDecoder('utf-8');
  #rest = '';
  #data: string[] = [];
  #dataChars = 0;

  *push(chunk: Buffer): Generator<string> {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    // A CR at the end may be the first half of CR LF.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    this.#check(this.#rest.length);
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) yield this.#data.join('\n');
        this.#data = [];
        this.#dataChars = 0;
      } else if (line.startsWith('data:')) {
        const data = line.slice(line[5] === ' ' ? 6 : 5);
        this.#dataChars += data.length;
        this.#check(this.#dataChars);
        this.#data.push(data);
      }
    }
  }

  #check(chars: number): void {
    if (chars <= eventCharsMax) return;
    throw new DistcacheError('PEER_UNREACHABLE', `sent an event longer than ${formatSize(eventCharsMax)}`);
  }
}
