import { checkServerIdentity, type PeerCertificate, type SecureContextOptions, type TlsOptions } from 'node:tls';

/** PEM texts, and what is asked of who connects. */
export interface ServerTls {
  /** Authorities that callers' certificates must come from; undefined: those that the machine trusts. */
  readonly ca?: string | undefined;
  readonly cert: string;
  readonly key: string;
  readonly clientAuth: 'none' | 'request' | 'require';
}

export interface ClientTls {
  /** Authorities that nodes' certificates must come from; undefined: those that the machine trusts. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Older ones are broken, see RFC 8996; 1.3 is taken wherever both sides have it. */
const minVersion = 'TLSv1.2' as const;
const handshakeTimeoutMs = 10_000;

/** Throws an Error of OpenSSL's where the texts are no PEM, or the key is another certificate's. */
export const contextOptions = ({ ca, cert, key }: ClientTls): SecureContextOptions => ({
  ...(ca === undefined ? {} : { ca }),
  ...(cert === undefined ? {} : { cert }),
  ...(key === undefined ? {} : { key }),
  minVersion,
  // What both sides have is chosen in the order of the server's list, which Node keeps current.
  honorCipherOrder: true,
});

/** @param protocol what is spoken over it, in ALPN's words */
export const listenerOptions = (tls: ServerTls, protocol: 'h2' | 'http/1.1'): TlsOptions => ({
  ...contextOptions(tls),
  ALPNProtocols: [protocol],
  requestCert: tls.clientAuth !== 'none',
  rejectUnauthorized: tls.clientAuth === 'require',
  handshakeTimeout: handshakeTimeoutMs,
});

/** Of a port for nodes alone: who shows no certificate that is good gets no further, unless none are asked for. */
export const handshakeOptions = (tls: ServerTls): TlsOptions => ({
  ...contextOptions(tls),
  requestCert: tls.clientAuth !== 'none',
  rejectUnauthorized: tls.clientAuth !== 'none',
});

/**
 * A node is who its certificate names as the host that was dialled, or as a node of the cluster (`nodeName`): addresses
 * come and go where nodes move, and who is issued that name may hold any of them.
 */
export const nodeIdentity =
  (host: string, nodeName: string) =>
  (_: string, certificate: PeerCertificate): Error | undefined =>
    checkServerIdentity(nodeName, certificate) === undefined ? undefined : checkServerIdentity(host, certificate);

export const isIpAddress = (host: string): boolean => host.includes(':') || /^[\d.]+$/.test(host);
