import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { dayMs } from './material.js';

/*
 * Certificates for development and for small clusters of one's own: an authority, and what it issues to nodes and clients.
 * Keys are ECDSA on P-256, which every TLS knows and which costs a handshake least.
 */

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** Clocks of machines differ. */
const leewayMs = 3_600_000;

type Keys = Awaited<ReturnType<typeof newKeys>>;

/** A certificate and its key, in PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface Subject {
  /** Its common name, and the first of its DNS names. */
  readonly name: string;
  /** DNS names and IP addresses under which it is reached. */
  readonly hosts: readonly string[];
  readonly isServer: boolean;
}

export interface Lifetime {
  readonly nowMs: number;
  readonly days: number;
}

const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

/** A new authority, which can sign certificates of nodes and clients and nothing beyond. */
export async function issueAuthority(name: string, lifetime: Lifetime): Promise<Issued> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...common(lifetime),
    name: [{ CN: [name] }],
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return written(certificate, keys);
}

/** Throws where the authority's texts are no certificate and its key. */
export async function issueCertificate(authority: Issued, subject: Subject, lifetime: Lifetime): Promise<Issued> {
  const issuer = new X509Certificate(authority.cert);
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    PemConverter.decodeFirst(authority.key),
    algorithm,
    false,
    ['sign'],
  );
  const keys = await newKeys();
  const usages = [ExtendedKeyUsage.clientAuth, ...(subject.isServer ? [ExtendedKeyUsage.serverAuth] : [])];
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension(usages),
    new SubjectAlternativeNameExtension([subject.name, ...subject.hosts].map(alternative)),
    await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
  ];
  const certificate = await X509CertificateGenerator.create({
    ...common(lifetime),
    subject: [{ CN: [subject.name] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey,
    extensions,
  });
  return written(certificate, keys);
}

const common = ({ nowMs, days }: Lifetime) => ({
  notBefore: new Date(nowMs - leewayMs),
  notAfter: new Date(nowMs + days * dayMs),
  signingAlgorithm: algorithm,
});

/** `name.` would be another name than `name`, and an address is written as such or nobody finds it. */
const alternative = (host: string): { type: 'ip' | 'dns'; value: string } =>
  host.includes(':') || /^[\d.]+$/.test(host) ? { type: 'ip', value: host } : { type: 'dns', value: host };

async function written(certificate: X509Certificate, keys: Keys): Promise<Issued> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: `${certificate.toString('pem')}\n`, key: `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n` };
}
