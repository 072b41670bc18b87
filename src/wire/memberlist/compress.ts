import { GossipFault } from './fault.js';
import { compressLzw, inflateLzw } from './lzw.js';
import { type PackReader, PackWriter, readStruct, writeStruct } from './msgpack.js';
import { compressShape, messageType } from './structs.js';

/** The only algorithm there is. */
const lzw = 0;

/** Wraps a message in a compressed one. It may come out longer. Never done to no bytes: old peers crash on that. */
export function compress(message: Uint8Array): Uint8Array {
  const writer = new PackWriter();
  writer.byte(messageType.compress);
  writeStruct(writer, compressShape, { Algo: lzw, Buf: compressLzw(message) });
  return writer.finish();
}

/**
 * The message within a compressed one, type byte first.
 * @param reader behind the type byte
 * @param bytesMax more output than this is `tooLarge`
 */
export function inflate(reader: PackReader, bytesMax: number): Uint8Array {
  const { Algo, Buf } = readStruct(reader, compressShape);
  if (Algo !== lzw) throw new GossipFault('compressAlgorithm', `Cannot decompress unknown algorithm ${Algo}`);
  return inflateLzw(Buf, bytesMax);
}
