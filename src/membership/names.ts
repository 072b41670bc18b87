import { isUtf8 } from 'node:buffer';
import type { NodeName } from './messages.js';

/** Node names between people and the wire. Only for showing: names are compared and kept as their very bytes. */

/** A node's name, for the wire, from what people call it. */
export const nameOfText = (text: string): NodeName => Buffer.from(text, 'utf8').toString('latin1');

/** A node's name for people: as UTF-8 when it is, else one character for each byte. */
export function textOfName(name: NodeName): string {
  const bytes = Buffer.from(name, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : name;
}
