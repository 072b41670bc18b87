import { usageError } from './failure.js';

/** All of a stream. Beyond `maxBytes` it is refused by name of the limit rather than collected. */
export async function readAll(stream: AsyncIterable<Uint8Array>, what: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw usageError(`${what} is longer than ${maxBytes} bytes, the most that one value may have`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
}

export interface Line {
  /** Counts from 1. */
  readonly number: number;
  readonly text: string;
}

const newline = 0x0a;

/**
 * Lines as UTF-8 without their `\n`, as many at a time as came together, so that nothing waits for a line that may never
 * come. A `\r` before the `\n` stays, as it may be part of a key. The last line needs no `\n`.
 * Refuses bytes that are no UTF-8, and lines above `lineBytesMax`, naming the line.
 */
export async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  what: string,
  lineBytesMax: number,
): AsyncGenerator<readonly Line[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let number = 0;

  const add = (part: Uint8Array): void => {
    pendingBytes += part.length;
    if (pendingBytes > lineBytesMax) throw usageError(`${what}, line ${number + 1}: longer than ${lineBytesMax} bytes`);
    if (part.length > 0) pending.push(part);
  };
  const take = (): Line => {
    number++;
    const bytes = pending.length === 1 ? pending[0]! : Buffer.concat(pending, pendingBytes);
    pending = [];
    pendingBytes = 0;
    try {
      return { number, text: decoder.decode(bytes) };
    } catch (error) {
      throw usageError(`${what}, line ${number}: not UTF-8, must be UTF-8 text`, error);
    }
  };

  for await (const chunk of stream) {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end));
      lines.push(take());
      start = end + 1;
    }
    add(chunk.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (pendingBytes > 0) yield [take()];
}

/** Consecutive groups of at most `size` items. */
export function* groupsOf<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
