import type { Heard, HeardFrom } from '../ports/peers.js';
import { delimitedTag, doubleTag, varintTag } from './operations.js';
import { finite } from './read-replies.js';
import { MalformedError, type Reader } from './reader.js';
import type { BackwardWriter } from './writer.js';

/* Whose writes floors are of, as `Floors` and `Synced` have it in the same places, 5 and 6. */

/** Nodes in one message. */
const nodesMax = 1024;
/** Tags, lengths, the version and the flag of one node. */
const nodeBytes = 26;

export const heardBound = ({ versions }: Heard, bytesOfText: (text: string) => number): number =>
  versions.reduce((bytes, [id]) => bytes + nodeBytes + bytesOfText(id), 0);

export function writeHeard(writer: BackwardWriter, { versions, isWhole }: Heard): void {
  if (isWhole) writer.uint32Field(varintTag(6), 1);
  for (let i = versions.length - 1; i >= 0; i--) {
    const [id, version, gone] = versions[i]!;
    const mark = writer.mark();
    if (gone === true) writer.uint32Field(varintTag(3), 1);
    writer.doubleField(doubleTag(2), version);
    writer.stringField(delimitedTag(1), id);
    writer.nested(delimitedTag(5), mark);
  }
}

/** One node more, at the reader's place. */
export function readHeard(reader: Reader, versions: HeardFrom[]): void {
  if (versions.length >= nodesMax) throw new MalformedError(`writes of more than ${nodesMax} nodes`);
  const { end } = reader;
  reader.end = reader.delimited();
  let id = '';
  let version = 0;
  let gone = false;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === delimitedTag(1)) id = reader.string();
    else if (tag === doubleTag(2)) version = finite(reader.double(), 'version');
    else if (tag === varintTag(3)) gone = reader.bool();
    else reader.skip(tag & 7);
  }
  reader.at = reader.end;
  reader.end = end;
  versions.push(gone ? [id, version, true] : [id, version]);
}
