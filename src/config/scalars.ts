import { type Address, joinAddress } from '../base/addresses.js';
import { formatDuration, formatSize, parseDuration, parseRate, parseShare, parseSize } from '../base/units.js';
import { isBasePath } from '../ports/admin.js';
import { show, suggestion } from './problems.js';
import { defaults, type Range, ranges } from './ranges.js';

/**
 * One kind of single value, apart from any schema library: the file's schema and the flags check with the same ones.
 * `parse` gives the resolved value, or undefined where it is none.
 */
export interface Scalar<T> {
  /** Completes "must be …". */
  readonly expected: string;
  parse(value: unknown): T | undefined;
  /** What to write instead, where a mistake is recognised. Shows nothing of a secret. */
  hint?(value: unknown): string | undefined;
  /** The words allowed, where they are few. */
  readonly choices?: readonly string[];
  /** Never shown in messages. */
  readonly isSecret?: boolean;
  /** What editors are told in JSON Schema. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** Why `value` is refused. */
export function refusal(scalar: Scalar<unknown>, value: unknown): string {
  const hint = scalar.hint?.(value);
  if (scalar.isSecret) return `must be ${scalar.expected}${hint === undefined ? '' : `; ${hint}`}`;
  const near = hint === undefined ? suggestion(value, scalar.choices ?? []) : `; ${hint}`;
  return `must be ${scalar.expected}, found ${show(value)}${near}`;
}

/** Any value may also come from a variable, which editors must not underline. */
const variable = String.raw`\$\{.*\}`;
const textOrVariable = (pattern: string): string => `^(${pattern}|.*${variable}.*)$`;

const between = (text: (amount: number) => string, { min, max }: Range): string =>
  max === Number.POSITIVE_INFINITY ? `of at least ${text(min)}` : `from ${text(min)} to ${text(max)}`;

const within = (amount: number | undefined, { min, max }: Range): amount is number =>
  amount !== undefined && amount >= min && amount <= max;

/** Milliseconds. */
export const duration = (range: Range): Scalar<number> => ({
  expected: `a duration ${between(formatDuration, range)}, such as 250ms, 30s or 5m`,
  parse: (value) => {
    const ms = typeof value === 'string' ? parseDuration(value) : Object.is(value, 0) ? 0 : undefined;
    return within(ms, range) ? ms : undefined;
  },
  hint: (value) => {
    const isBare = typeof value === 'number' || (typeof value === 'string' && /^\d+(\.\d+)?$/.test(value));
    return isBare && Number(value) > 0 ? `write its unit, for example ${value}s` : undefined;
  },
  json: {
    type: ['string', 'integer'],
    pattern: textOrVariable(String.raw`0|(\d+(\.\d+)?(ms|s|m|h|d))+`),
    minimum: 0,
    maximum: 0,
  },
});

/** Bytes. A number counts as bytes too. */
export const size = (range: Range): Scalar<number> => ({
  expected: `a size ${between(formatSize, range)}, such as 512KiB or 64MiB`,
  parse: (value) => {
    const bytes = typeof value === 'string' ? parseSize(value) : Number.isSafeInteger(value) ? value : undefined;
    return within(bytes as number | undefined, range) ? (bytes as number) : undefined;
  },
  json: {
    type: ['string', 'integer'],
    pattern: textOrVariable(String.raw`\d+(\.\d+)?\s*([bB]|[kKmMgGtT][iI]?[bB])?`),
    minimum: range.min,
    ...(Number.isFinite(range.max) && { maximum: range.max }),
  },
});

/** Events per second. */
export const rate = (range: Range): Scalar<number> => ({
  expected: 'a rate above 0, such as 100/s or 600/m',
  parse: (value) => {
    const perSecond = typeof value === 'string' ? parseRate(value) : undefined;
    return within(perSecond, range) ? perSecond : undefined;
  },
  hint: (value) => (typeof value === 'number' && value > 0 ? `write its unit, for example ${value}/s` : undefined),
  json: { type: 'string', pattern: textOrVariable(String.raw`\d+(\.\d+)?\s*/\s*(s|m|h)`) },
});

const percent = (share: number): string => `${Number((share * 100).toPrecision(6))}%`;

/** A part of one. */
export const share = (range: Range): Scalar<number> => ({
  expected: `a share ${between(percent, range)}, such as 12.5% or 0.125`,
  parse: (value) => {
    const part = typeof value === 'string' ? parseShare(value) : typeof value === 'number' ? value : undefined;
    return within(part, range) ? part : undefined;
  },
  hint: (value) => (typeof value === 'number' && value > 1 && value <= 100 ? `did you mean ${value}%?` : undefined),
  json: {
    type: ['string', 'number'],
    pattern: textOrVariable(String.raw`\d+(\.\d+)?\s*%?`),
    minimum: range.min,
    maximum: range.max,
  },
});

export const integer = (range: Range, what = 'a whole number'): Scalar<number> => ({
  expected: `${what} from ${range.min} to ${range.max}`,
  parse: (value) => (Number.isSafeInteger(value) && within(value as number, range) ? (value as number) : undefined),
  json: { type: ['integer', 'string'], minimum: range.min, maximum: range.max, pattern: variable },
});

export const number = (range: Range): Scalar<number> => ({
  expected: `a number from ${range.min} to ${range.max}`,
  parse: (value) => (typeof value === 'number' && within(value, range) ? value : undefined),
  json: { type: ['number', 'string'], minimum: range.min, maximum: range.max, pattern: variable },
});

export const port = (range: Range = ranges.port): Scalar<number> => integer(range, 'a port');

export const flag: Scalar<boolean> = {
  expected: 'true or false',
  parse: (value) => (typeof value === 'boolean' ? value : undefined),
  json: { type: ['boolean', 'string'], pattern: variable },
};

export const oneOf = <const T extends string>(choices: readonly T[]): Scalar<T> => ({
  expected: choices.length === 1 ? `${choices[0]}` : `one of ${choices.join(', ')}`,
  parse: (value) => choices.find((choice) => choice === value),
  choices,
  json: { anyOf: [{ enum: choices }, { type: 'string', pattern: variable }] },
});

/** Anything written, on however many lines; not empty. */
export const text = (what: string, options: { readonly isSecret?: boolean } = {}): Scalar<string> => ({
  expected: `${what}, which is text of at most ${ranges.textCharsMax} characters`,
  parse: (value) => (typeof value === 'string' && isText(value) ? value : undefined),
  hint: (value) => (typeof value === 'number' || typeof value === 'boolean' ? 'put it in quotes' : undefined),
  ...options,
  json: { type: 'string', minLength: 1 },
});

const isText = (value: string): boolean =>
  value.trim() !== '' && value.length <= ranges.textCharsMax && value.isWellFormed() && !value.includes('\0');

/** What a header can carry, as callers show it. */
export const token: Scalar<string> = {
  expected: `a token of 1 to ${ranges.textCharsMax} printable characters without spaces; make one with openssl rand -hex 32`,
  parse: (value) =>
    typeof value === 'string' && value.length <= ranges.textCharsMax && /^[\x21-\x7e]+$/.test(value)
      ? value
      : undefined,
  isSecret: true,
  json: { type: 'string', minLength: 1 },
};

const bytesOf = (value: string): number => new TextEncoder().encode(value).byteLength;

/** Names are shown in tables and stand in lines that scripts split. */
const word = (what: string, bytesMax: number, isPlain: RegExp, allowed: string): Scalar<string> => ({
  expected: `${what} of at most ${bytesMax} bytes: ${allowed}`,
  parse: (value) =>
    typeof value === 'string' && isPlain.test(value) && value.isWellFormed() && bytesOf(value) <= bytesMax
      ? value
      : undefined,
  hint: (value) => (typeof value === 'number' || typeof value === 'boolean' ? 'put it in quotes' : undefined),
  json: { type: 'string', pattern: textOrVariable(isPlain.source.slice(1, -1)) },
});

const wordAllowed = 'letters, digits and . _ - :, with a letter or digit first';
export const nodeName = word('a name', ranges.nameBytesMax, /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._:-]*$/u, wordAllowed);
export const label = word('a label', ranges.labelBytesMax, /^[\p{L}\p{M}\p{N}._:-]*$/u, 'letters, digits and . _ - :');

/** As the engine has it; here so that the message carries a line. */
export const keyspaceName = word(
  'a keyspace name',
  ranges.nameBytesMax,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  /^[^\u0000-\u001f\u007f]+$/u,
  'any text without control characters',
);

const hostName = /^[a-z0-9_]([a-z0-9._-]*[a-z0-9])?$/i;
const ipv6 = /^(?=.*:.*:)[0-9a-f:.]+(%[\w.-]+)?$/i;
const isHost = (host: string): boolean => {
  if (ipv6.test(host)) return true;
  if (/^[\d.]+$/.test(host))
    return /^(\d{1,3}\.){3}\d{1,3}$/.test(host) && host.split('.').every((part) => +part < 256);
  return host.length <= 253 && hostName.test(host);
};

export const host: Scalar<string> = {
  expected: 'a host name or an IP address without port, such as 127.0.0.1',
  parse: (value) => (typeof value === 'string' && isHost(value) ? value : undefined),
  json: { type: 'string', minLength: 1 },
};

/** `host:port` as `isAddress` has it, but with a range of ports of the caller's, and held to what hosts may look like. */
export function parseAddress(text: string, ports: Range): Address | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text.trim());
  if (match === null) return undefined;
  const [, bracketed, plain, portText] = match;
  const isKnown = bracketed === undefined ? isHost(plain!) : ipv6.test(bracketed);
  return isKnown && within(Number(portText), ports) ? { host: bracketed ?? plain!, port: Number(portText) } : undefined;
}

/** `host[:port]` as `host:port`, the form in which addresses are dialled and compared. */
const addressOf = (text: string, defaultPort: number): Address | undefined => {
  const bare = text.trim();
  const unbracketed = /^\[(.*)\]$/.exec(bare)?.[1];
  const whole = unbracketed ?? bare;
  if (unbracketed === undefined ? isHost(whole) : ipv6.test(whole)) return { host: whole, port: defaultPort };
  return parseAddress(bare, ranges.remotePort);
};

/** Of a server somewhere else, which has `defaultPort` unless another is given. */
export const remoteAddress = (of: string, defaultPort: number): Scalar<string> => ({
  expected: `host or host:port of ${of}, such as 10.0.0.2:${defaultPort} or [::1]:${defaultPort}`,
  parse: (value) => {
    const address = typeof value === 'string' ? addressOf(value, defaultPort) : undefined;
    return address && joinAddress(address.host, address.port);
  },
  json: { type: 'string', minLength: 1 },
});

export const peerAddress = remoteAddress("another node's gossip", defaults.gossipPort);

/** Names cannot be: somebody would have to resolve them first. */
export const dnsServer: Scalar<string> = {
  expected: 'an IP address with or without port, such as 10.0.0.53 or 127.0.0.1:5353',
  parse: (value) => {
    const address = typeof value === 'string' ? addressOf(value, 53) : undefined;
    return address !== undefined && /^[\d.]+$|:/.test(address.host)
      ? joinAddress(address.host, address.port)
      : undefined;
  },
  json: { type: 'string', minLength: 1 },
};

/** As `serf keygen` and `openssl rand -base64` print keys. */
export const gossipSecret: Scalar<string> = {
  expected: `base64 of ${ranges.gossipSecretBytes.slice(0, -1).join(', ')} or ${ranges.gossipSecretBytes.at(-1)} bytes; make one with openssl rand -base64 32`,
  parse: (value) => {
    if (typeof value !== 'string') return undefined;
    const bytes = Buffer.from(value, 'base64');
    // What is no base64 is skipped in decoding, so only the way back tells.
    const isWhole =
      bytes.toString('base64') === value && ranges.gossipSecretBytes.some((length) => length === bytes.length);
    return isWhole ? value : undefined;
  },
  isSecret: true,
  json: { type: 'string', minLength: 1 },
};

/** What stands before the paths of a server. Without a slash at its end. */
export const urlPath: Scalar<string> = {
  expected:
    'a path that starts with / and ends without, such as /distcache; letters, digits and . _ - ~ between slashes',
  parse: (value) =>
    typeof value === 'string' && value.length <= ranges.textCharsMax && isBasePath(value) ? value : undefined,
  json: { type: 'string', minLength: 1 },
};

/** The URL as written. Never shown: it may carry a password. */
export const url = (protocols: readonly string[], options: { readonly mustHave?: string } = {}): Scalar<string> => {
  const { mustHave } = options;
  return {
    expected: `a URL that starts with ${protocols.map((name) => `${name}//`).join(' or ')}${mustHave ? ` and contains ${mustHave}` : ''}`,
    parse: (value) => {
      if (typeof value !== 'string' || !isText(value) || (mustHave !== undefined && !value.includes(mustHave))) return;
      const sample = mustHave === undefined ? value : value.replaceAll(mustHave, 'x');
      return URL.canParse(sample) && protocols.includes(new URL(sample).protocol) ? value : undefined;
    },
    hint: (value) =>
      typeof value === 'string' && protocols.some((name) => value.startsWith(`${name}//`)) && !URL.canParse(value)
        ? 'its host or port cannot be read: a port is at most 65535, and @ : / in a password are %40 %3A %2F'
        : undefined,
    isSecret: true,
    json: { type: 'string', minLength: 1 },
  };
};
