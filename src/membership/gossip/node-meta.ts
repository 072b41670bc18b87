import { isAddress } from '../../base/addresses.js';
import { invalidArgument } from '../../base/errors.js';
import type { NodeInfo } from '../../ports/membership.js';

/** What a cache node does, as it announces it. Only `serving` answers for keys. */
export type NodePhase = 'joining' | 'serving' | 'draining';

/** What a cache node tells of itself beside name, gossip address and incarnation, which gossip carries anyway. */
export interface NodeMeta {
  readonly id: string;
  readonly address: string;
  readonly admin: string;
  readonly phase: NodePhase;
  readonly version: string;
  readonly weight: number;
}

/**
 * As it travels: JSON with short keys, for 512 bytes are all that members of any kind accept. `dc` marks it as ours and
 * counts up when a reader must know more than to ignore the keys it does not know.
 */
interface Written {
  readonly dc: number;
  readonly i: string;
  readonly g: string;
  readonly a?: string;
  readonly s: string;
  readonly v: string;
  readonly w?: number;
}

export const metaBytesMax = 512;
export const nameBytesMax = 128;

const format = 1;
const letters: Readonly<Record<NodePhase, string>> = { joining: 'j', serving: 's', draining: 'd' };
const idCharsMax = 64;
const versionCharsMax = 64;
/** A DNS name has 253 at most, and the port five. */
const addressCharsMax = 260;
/** Above it a member would take the whole ring. */
const weightMax = 1000;

/**
 * @throws DistcacheError INVALID_ARGUMENT for a node that others could not read, naming the field and what to do.
 */
export function encodeMeta(node: NodeInfo, phase: NodePhase): Uint8Array {
  check(node);
  const { id, address, admin, version, weight } = node;
  const written: Written = {
    dc: format,
    i: id,
    g: address,
    ...(admin === '' ? {} : { a: admin }),
    s: letters[phase],
    v: version,
    ...(weight === 1 ? {} : { w: weight }),
  };
  const bytes = Buffer.from(JSON.stringify(written), 'utf8');
  if (bytes.length <= metaBytesMax) return Uint8Array.from(bytes);
  const longest = Object.entries({ id, address, admin, version }).sort((a, b) => b[1].length - a[1].length);
  const [field, value] = longest[0]!;
  throw invalidArgument(
    `what this node announces of itself takes ${bytes.length} bytes, and gossip carries ${metaBytesMax}: shorten its ` +
      `${field}, which has ${value.length} characters (an IP address instead of a long host name does)`,
  );
}

/** Undefined for a member that is no cache node: a Serf agent, another program of the pool, or a hostile one. */
export function decodeMeta(bytes: Uint8Array): NodeMeta | undefined {
  if (bytes.length === 0 || bytes.length > metaBytesMax) return undefined;
  const { dc, i, g, a = '', s, v, w = 1 } = parsed(bytes) as { readonly [K in keyof Written]?: unknown };
  const known =
    typeof dc === 'number' &&
    dc >= format &&
    isId(i) &&
    isGrpcAddress(g) &&
    (a === '' || isGrpcAddress(a)) &&
    isWeight(w);
  if (!known || typeof v !== 'string' || v.length > versionCharsMax || typeof s !== 'string') return undefined;
  return { id: i, address: g, admin: a, phase: phaseOf(s), version: printable(v), weight: w };
}

function check({ id, name, address, admin, version, weight }: NodeInfo): void {
  const nameBytes = Buffer.byteLength(name, 'utf8');
  if (nameBytes === 0 || nameBytes > nameBytesMax) {
    throw invalidArgument(`node.name has ${nameBytes} bytes; give it 1 to ${nameBytesMax}: "${name.slice(0, 40)}"`);
  }
  if (!isId(id))
    throw invalidArgument(`the node's id is "${id}"; it must have 1 to ${idCharsMax} visible ASCII characters`);
  if (!isGrpcAddress(address)) {
    throw invalidArgument(
      `the node's gRPC address is "${address}"; it must be host:port of at most ${addressCharsMax} characters, as others dial it`,
    );
  }
  if (admin !== '' && !isGrpcAddress(admin)) {
    throw invalidArgument(
      `the node's admin address is "${admin}"; it must be host:port of at most ${addressCharsMax} characters`,
    );
  }
  if (version.length > versionCharsMax) {
    throw invalidArgument(
      `the node's version has ${version.length} characters; at most ${versionCharsMax} are announced`,
    );
  }
  if (!isWeight(weight)) {
    throw invalidArgument(`the node's weight is ${weight}; it must be above 0 and at most ${weightMax}`);
  }
}

function parsed(bytes: Uint8Array): object {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

const isId = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= idCharsMax && /^[\x21-\x7e]+$/.test(value);

const isGrpcAddress = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= addressCharsMax && /^[\x21-\x7e]+$/.test(value) && isAddress(value);

const isWeight = (value: unknown): value is number => typeof value === 'number' && value > 0 && value <= weightMax;

/** A phase that a later release invents answers for no keys here. */
const phaseOf = (letter: string): NodePhase =>
  letter === letters.serving ? 'serving' : letter === letters.draining ? 'draining' : 'joining';

/** It is shown in terminals. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
