import { createPrivateKey, X509Certificate } from 'node:crypto';
import { messageOf } from '../base/errors.js';
import { namesOf } from './names.js';

/** PEM texts as files hold them. */
export interface Material {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface MaterialFault {
  readonly field: 'ca' | 'cert' | 'key';
  readonly message: string;
  /** With it no connection can come about; otherwise it will be so later, or for some. */
  readonly isFatal: boolean;
}

export const dayMs = 86_400_000;
/** Told of ahead, so that there is time to renew. */
export const expiresSoonDays = 14;
const certificatesMax = 100;

const block = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Every certificate of a PEM text, in order. Throws where one cannot be read, or there is none. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(block) ?? [];
  if (blocks.length === 0) throw new Error('holds no certificate in PEM ("-----BEGIN CERTIFICATE-----")');
  if (blocks.length > certificatesMax)
    throw new Error(`holds ${blocks.length} certificates, more than ${certificatesMax}`);
  return blocks.map((text) => new X509Certificate(text));
}

/** Whole days until then; below zero: it is over. */
export const daysLeft = (endsMs: number, wallMs: number): number => Math.floor((endsMs - wallMs) / dayMs);

/** What is wrong with certificates and key, and what soon will be. Never shows a key. */
export function faultsOf({ ca, cert, key }: Material, wallMs: number): readonly MaterialFault[] {
  const faults: MaterialFault[] = [];
  const fault = (field: MaterialFault['field'], message: string, isFatal = true): void =>
    void faults.push({ field, message, isFatal });
  const read = (field: 'ca' | 'cert', pem: string | undefined): readonly X509Certificate[] => {
    if (pem === undefined) return [];
    try {
      return certificatesIn(pem);
    } catch (error) {
      fault(field, messageOf(error));
      return [];
    }
  };
  const authorities = read('ca', ca);
  const [own, ...chain] = read('cert', cert);
  const validAuthorities = authorities.filter((authority) => isValidAt(authority, wallMs));
  if (authorities.length > 0 && validAuthorities.length === 0) fault('ca', `has expired on ${authorities[0]!.validTo}`);
  if (own !== undefined) {
    checkTimes(own, wallMs, fault);
    if (validAuthorities.length > 0 && !leadsTo(validAuthorities, own, chain)) {
      fault('cert', 'was not signed by an authority in ca, so that other nodes will refuse it', false);
    }
    if (key !== undefined) checkKey(own, key, fault);
  }
  if (cert !== undefined && key === undefined) fault('key', 'is missing; a certificate is no use without its key');
  if (key !== undefined && cert === undefined) fault('cert', 'is missing; a key is no use without its certificate');
  return faults;
}

const isValidAt = (certificate: X509Certificate, wallMs: number): boolean =>
  Date.parse(certificate.validFrom) <= wallMs && wallMs < Date.parse(certificate.validTo);

type Fault = (field: MaterialFault['field'], message: string, isFatal?: boolean) => void;

function checkTimes(own: X509Certificate, wallMs: number, fault: Fault): void {
  const endsMs = Date.parse(own.validTo);
  if (wallMs >= endsMs) fault('cert', `has expired on ${own.validTo}`);
  else if (wallMs < Date.parse(own.validFrom)) fault('cert', `is not valid before ${own.validFrom}; check the clock`);
  else if (endsMs - wallMs < expiresSoonDays * dayMs) {
    fault('cert', `expires on ${own.validTo}; renew it before`, false);
  }
}

function checkKey(own: X509Certificate, key: string, fault: Fault): void {
  try {
    if (!own.checkPrivateKey(createPrivateKey(key)))
      fault('key', 'does not belong to cert; the two must be of one pair');
  } catch {
    // OpenSSL's words may hold parts of what it could not read.
    fault('key', 'is no private key in PEM without a passphrase');
  }
}

/** Whether a chain of signatures leads from `own` to one of the authorities. */
function leadsTo(
  authorities: readonly X509Certificate[],
  own: X509Certificate,
  chain: readonly X509Certificate[],
): boolean {
  let current = own;
  for (let step = 0; step <= chain.length; step++) {
    if (authorities.some((authority) => current.checkIssued(authority) && current.verify(authority.publicKey)))
      return true;
    const next = chain.find((link) => link !== current && current.checkIssued(link) && current.verify(link.publicKey));
    if (next === undefined) return false;
    current = next;
  }
  return false;
}

/** What people want to know of a certificate. */
export interface CertificateFacts {
  readonly names: readonly string[];
  /** DNS names and addresses, as the certificate writes them. */
  readonly hosts: string;
  readonly expires: string;
  readonly issuer: string;
}

export function factsOf(pem: string): CertificateFacts {
  const own = certificatesIn(pem)[0]!;
  return {
    names: namesOf(own),
    hosts: own.subjectAltName ?? '',
    expires: own.validTo,
    issuer: own.issuer.replaceAll('\n', ', '),
  };
}
