import { Buffer } from 'node:buffer';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { HttpDefinition } from './definition.js';
import { badDefinition } from './outcome.js';

/** A source's address with the place of the key, checked once. */
export interface UrlTemplate {
  /** Scheme, host and port: all of the address that may appear in messages. */
  readonly origin: string;
  /** Lower-case names. Includes the credentials that the URL carried. */
  readonly headers: Readonly<Record<string, string>>;
  /** undefined when this URL cannot carry the key as it is, because it would name another path. */
  urlOf(key: string): URL | undefined;
}

/** What every request says, and all that a foreign origin hears. Values are kept as the server sends them, so unpacked. */
export const plainHeaders: Readonly<Record<string, string>> = {
  accept: '*/*',
  'accept-encoding': 'identity',
  'user-agent': 'distcache',
};

const place = '{key}';
/** Stands for the key while the template is checked; URLs leave letters and digits as they are. */
const standIn = 'k0e0y';
/** Set per message by HTTP itself; another value would break the framing. */
const reserved: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export function parseTemplate(definition: HttpDefinition, keyspace: string): UrlTemplate {
  const bad = (problem: string) =>
    badDefinition(keyspace, 'url', `${problem}; write for example: https://example.org/pages/{key}`);
  if (definition.url.includes(standIn)) throw bad(`must not contain ${standIn}`);
  // The URL is never quoted in messages: it may hold credentials.
  if (!URL.canParse(definition.url.replaceAll(place, standIn))) throw bad('is no URL');
  const url = new URL(definition.url.replaceAll(place, standIn));
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw bad(`starts with ${url.protocol}, allowed are http: and https:`);
  const credentials = url.username === '' && url.password === '' ? undefined : basic(url);
  const elsewhere = [url.host, url.username, url.password, url.hash].some((part) => part.includes(standIn));
  url.username = '';
  url.password = '';
  url.hash = '';
  const pieces = url.href.split(standIn);
  if (elsewhere) throw bad(`has ${place} outside of path and query`);
  if (pieces.length < 2) throw bad(`lacks ${place}, the place of the key`);
  return {
    origin: url.origin,
    headers: {
      ...plainHeaders,
      ...(credentials && { authorization: credentials }),
      ...checkedHeaders(definition, keyspace),
    },
    urlOf: (key) => {
      if (!key.isWellFormed()) return undefined;
      const href = pieces.join(escaped(key));
      const made = new URL(href);
      // `.` and `..` as whole path segments have no escaped form: every URL parser takes them for directions.
      return made.href === href ? made : undefined;
    },
  };
}

/** encodeURIComponent leaves !'()* alone, of which some parsers escape the quote. */
const escaped = (key: string): string =>
  encodeURIComponent(key).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

const basic = (url: URL): string =>
  `Basic ${Buffer.from(`${unescaped(url.username)}:${unescaped(url.password)}`).toString('base64')}`;

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function checkedHeaders(definition: HttpDefinition, keyspace: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(definition.headers ?? {})) {
    const lower = name.toLowerCase();
    if (reserved.has(lower)) throw badDefinition(keyspace, `headers.${name}`, 'is set by HTTP itself; leave it out');
    if (!isValid(name, value))
      throw badDefinition(
        keyspace,
        `headers.${name}`,
        'is no valid header: line breaks and control characters are not allowed',
      );
    headers[lower] = value;
  }
  return headers;
}

/** Node's own messages quote the value, which may be a secret. */
function isValid(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}
