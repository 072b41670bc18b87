import type { X509Certificate } from 'node:crypto';

/** Taken of one certificate; more are no use to anybody. */
const namesMax = 100;
const plainName = /^[A-Za-z0-9_*][A-Za-z0-9_.*:@-]{0,252}$/;

/**
 * Who a certificate is for: its DNS names, then its common name. Names with characters that host and service names do
 * not have are left out rather than read by guesswork: Node puts those in quotes.
 */
export function namesOf(certificate: X509Certificate): readonly string[] {
  const alternative = (certificate.subjectAltName ?? '')
    .split(', ')
    .filter((part) => part.startsWith('DNS:'))
    .map((part) => part.slice('DNS:'.length));
  const common = certificate.toLegacyObject().subject?.CN;
  const all = [...alternative, ...(typeof common === 'string' ? [common] : [])];
  return [...new Set(all)].filter((name) => plainName.test(name)).slice(0, namesMax);
}
