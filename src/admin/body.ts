import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { formatSize } from '../base/units.js';
import { Refused } from './failure.js';

/** The body as JSON; undefined where it is empty. Throws what the client is to be told. */
export async function bodyOf(request: IncomingMessage, bodyBytesMax: number): Promise<unknown> {
  const tooLong = (): Refused =>
    new Refused(413, 'INVALID_ARGUMENT', `the body is longer than ${formatSize(bodyBytesMax)}`, {
      connection: 'close',
    });
  if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) throw tooLong();
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > bodyBytesMax) throw tooLong();
    pieces.push(piece);
  }
  if (bytes === 0) return undefined;
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Refused(415, 'INVALID_ARGUMENT', 'the body must be JSON, with content-type: application/json');
  }
  const text = Buffer.concat(pieces).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused(400, 'INVALID_ARGUMENT', 'the body is no JSON');
  }
}
