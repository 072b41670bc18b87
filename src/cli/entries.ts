import { DistcacheError } from '../base/errors.js';
import { formatSize } from '../base/units.js';
import type { FailedLookup, Lookup } from '../ports/cache.js';

// ignoreBOM keeps a byte order mark, which is part of the value.
const decodeText = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
};

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** As JSON, where a byte may take six characters, more would not fit into one text of JavaScript. */
const jsonBytesMax = 64 * 1024 * 1024;

/** `value` where the bytes are UTF-8, else `value_base64`: both give back the very same bytes. */
export function valueJson(bytes: Uint8Array): { readonly value: string } | { readonly value_base64: string } {
  if (bytes.byteLength > jsonBytesMax) {
    throw new DistcacheError(
      'VALUE_TOO_LARGE',
      `the value has ${formatSize(bytes.byteLength)}, and JSON takes up to ${formatSize(jsonBytesMax)}; give --output FILE, or leave --json out`,
    );
  }
  const text = decodeText(bytes);
  return text === undefined ? { value_base64: asBuffer(bytes).toString('base64') } : { value: text };
}

/** Where an answer came from. The version is a string: it may outgrow what some JSON readers keep of a number. */
const originJson = (lookup: Lookup) => ({
  outcome: lookup.outcome,
  node: lookup.node,
  version: String(lookup.version),
  expires_at: lookup.expiresAt?.toISOString() ?? null,
  ...(lookup.found && lookup.staleMs !== undefined ? { stale_ms: Math.round(lookup.staleMs) } : {}),
});

/** `withValue` false: the value went to a file, and the entry tells its size instead. */
export function entryJson(entry: Lookup | FailedLookup, withValue: boolean): Readonly<Record<string, unknown>> {
  if ('error' in entry) {
    const { code, message } = entry.error;
    return { key: entry.key, found: false, error: { code, message } };
  }
  if (!entry.found) return { key: entry.key, found: false, ...originJson(entry) };
  const value = withValue ? valueJson(entry.value) : { size_bytes: entry.value.byteLength };
  return { key: entry.key, found: true, ...value, ...originJson(entry) };
}

/** For people, on stderr: `outcome=hit node=cache-2 version=17 expires_at=never`. */
export const originText = (lookup: Lookup): string =>
  Object.entries(originJson(lookup))
    .map(([name, value]) => `${name}=${value ?? 'never'}`)
    .join(' ');
