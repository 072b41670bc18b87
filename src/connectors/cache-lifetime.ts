import type { IncomingHttpHeaders } from 'node:http';

/** 68 years; the longest that caches are asked to tell apart. */
const longestSeconds = 2 ** 31;

/**
 * How long a response may be kept by its caching headers, in milliseconds; 0: not at all; undefined: they say nothing.
 * The node counts as the only user of its source, so `private` and `Authorization` do not forbid keeping; of the two
 * ages the one for shared caches wins. `no-cache` asks for a question before each use, which comes to not keeping.
 * An unreadable age or date counts as over, as RFC 9111 advises.
 */
export function lifetimeMs(headers: IncomingHttpHeaders, wallMs: number): number | undefined {
  const directives = directivesOf(headers['cache-control'] ?? '');
  if (directives.has('no-store') || directives.has('no-cache')) return 0;
  const maxAge = directives.get('s-maxage') ?? directives.get('max-age');
  const freshMs = maxAge === undefined ? untilExpiryMs(headers, wallMs) : (secondsOf(maxAge) ?? 0) * 1000;
  if (freshMs === undefined) return undefined;
  return Math.max(0, freshMs - (secondsOf(headers.age ?? '') ?? 0) * 1000);
}

function directivesOf(header: string): ReadonlyMap<string, string> {
  const directives = new Map<string, string>();
  for (const [, name, quoted, plain] of header.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,]*)))?/g)) {
    const lower = name!.toLowerCase();
    if (!directives.has(lower)) directives.set(lower, quoted ?? plain ?? '');
  }
  return directives;
}

const secondsOf = (text: string): number | undefined =>
  /^\s*\d+\s*$/.test(text) ? Math.min(Number(text), longestSeconds) : undefined;

/** Expires is read against the sender's own Date where it gives one, so that its clock need not agree with ours. */
function untilExpiryMs(headers: IncomingHttpHeaders, wallMs: number): number | undefined {
  if (headers.expires === undefined) return undefined;
  const expiresMs = Date.parse(headers.expires);
  if (Number.isNaN(expiresMs)) return 0;
  const sentMs = Date.parse(headers.date ?? '');
  return Math.min(Math.max(0, expiresMs - (Number.isNaN(sentMs) ? wallMs : sentMs)), longestSeconds * 1000);
}
