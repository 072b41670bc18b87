/**
 * Where a redirect leads, or what is wrong with it, for a message. Encryption is never lost on the way, and what the
 * location says of credentials is left out.
 */
export function redirectTarget(location: string | undefined, from: URL): URL | string {
  if (location === undefined || !URL.canParse(location, from.href)) return 'redirected without a usable location';
  const next = new URL(location, from);
  if (next.protocol !== 'https:' && (next.protocol !== 'http:' || from.protocol === 'https:')) {
    return `redirected from ${from.protocol} to ${next.protocol}, which is not followed`;
  }
  next.username = '';
  next.password = '';
  next.hash = '';
  return next;
}
