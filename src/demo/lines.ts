import type { Readable } from 'node:stream';

/** Calls `onLine` for each line of the stream; what a line has beyond `lengthMax` characters is dropped. */
export function eachLine(stream: Readable, lengthMax: number, onLine: (line: string) => void): void {
  let held = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const pieces = chunk.split('\n');
    for (const [index, piece] of pieces.entries()) {
      held = (held + piece).slice(0, lengthMax);
      if (index === pieces.length - 1) continue;
      onLine(held.trimEnd());
      held = '';
    }
  });
  stream.on('end', () => {
    if (held !== '') onLine(held);
  });
  // A pipe that breaks ends like one that closes: the process behind it is gone, and its exit is told elsewhere.
  stream.on('error', () => {});
}
