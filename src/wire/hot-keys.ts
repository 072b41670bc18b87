import type { PeerReply, PeerRequest } from '../ports/peers.js';
import { delimitedTag, field, type Operation, varintTag } from './operations.js';
import { MalformedError, type Reader } from './reader.js';
import type { BackwardWriter } from './writer.js';

/** Of one answer: what is asked for beyond it is left out. */
export const hotKeysMax = 1000;

type Asked = Extract<PeerRequest, { do: 'hot-keys' }>;
type Told = Extract<PeerReply, { is: 'hot-keys' }>;

export function writeHotKeysRequest(writer: BackwardWriter, { keyspace, limit }: Asked, remainingMs: number): void {
  const mark = writer.mark();
  writer.uint32Field(varintTag(3), remainingMs);
  writer.uint32Field(varintTag(2), limit);
  writer.stringField(delimitedTag(1), keyspace);
  writer.nested(delimitedTag(field.hotKeys), mark);
}

export function writeHotKeysReply(writer: BackwardWriter, { keys }: Told): void {
  const mark = writer.mark();
  for (let i = Math.min(keys.length, hotKeysMax) - 1; i >= 0; i--) writer.stringField(delimitedTag(1), keys[i]!);
  writer.nested(delimitedTag(field.toldHotKeys), mark);
}

export function readHotKeysRequest(reader: Reader, id: number): Operation {
  let keyspace = '';
  let limit = 0;
  let remainingMs = 0;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === delimitedTag(1)) keyspace = reader.string();
    else if (tag === varintTag(2)) limit = reader.uint32();
    else if (tag === varintTag(3)) remainingMs = reader.uint32();
    else reader.skip(tag & 7);
  }
  return { is: 'request', id, remainingMs, request: { do: 'hot-keys', keyspace, limit } };
}

export function readHotKeys(reader: Reader): readonly string[] {
  const keys: string[] = [];
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag !== delimitedTag(1)) {
      reader.skip(tag & 7);
      continue;
    }
    if (keys.length >= hotKeysMax) throw new MalformedError(`more than ${hotKeysMax} hot keys`);
    keys.push(reader.string());
  }
  return keys;
}
