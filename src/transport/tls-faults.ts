const another = 'give one of its own authority that is still valid (--tls-cert, --tls-key)';

const reasons: readonly (readonly [RegExp, string])[] = [
  [/certificate has expired|CERT_HAS_EXPIRED/i, 'its certificate has expired; give it a new one (tls.cert, tls.key)'],
  [/certificate is not yet valid/i, 'its certificate is not valid yet; check the clocks'],
  [
    /does not match certificate's altnames|ERR_TLS_CERT_ALTNAME_INVALID/,
    'its certificate is for another name; dial it by a name that is in it',
  ],
  [
    /self[- ]signed certificate|unable to (?:verify the first|get (?:local )?issuer) certificate|invalid CA|certificate signature failure/i,
    'its certificate is not from an authority that is trusted here; give the one that signed it (--tls-ca, tls.ca)',
  ],
  [
    /alert certificate required|alert handshake failure/i,
    'it asks for a certificate from an authority of its own; give one with its key (--tls-cert, --tls-key)',
  ],
  [/alert unknown ca/i, `it does not trust the authority of the certificate that it was shown; ${another}`],
  [/alert certificate expired/i, `it says that the certificate that it was shown has expired; ${another}`],
  [
    /alert bad certificate|alert certificate unknown|alert unsupported certificate|alert decrypt error/i,
    `it refuses the certificate that it was shown; ${another}`,
  ],
  [/alert protocol version|unsupported protocol|no protocols available/i, 'it knows neither TLS 1.2 nor 1.3'],
  [
    /wrong version number|packet length too long|http request/i,
    'it does not speak TLS there; leave out --tls-ca and the like',
  ],
  [
    /disconnected before secure TLS connection/i,
    'it broke off before TLS was set up; it may not speak TLS there, or be stopping',
  ],
];

/**
 * In TLS 1.3 a client is done before the server has looked at its certificate. Whether it then hears of a refusal, or only
 * that the connection ended, is a matter of which packet came first.
 */
const dropped = /Last error: (?:Error: )?(?:Failed to connect|(?:read|write) (?:ECONNRESET|EPIPE))/;

/** One line for people about TLS that did not come about; undefined where the text tells of something else. */
export const whyNoTls = (text: string, showsCertificate: boolean): string | undefined =>
  showsCertificate && dropped.test(text)
    ? `it dropped the connection; it may not trust the certificate that it was shown; ${another}`
    : reasons.find(([pattern]) => pattern.test(text))?.[1];

const handshakeReasons: readonly (readonly [RegExp, string])[] = [
  [/PEER_DID_NOT_RETURN_A_CERTIFICATE/, 'it showed no certificate, and tls.clientAuth is require'],
  [/CERT_HAS_EXPIRED/, 'its certificate has expired'],
  [/CERT_NOT_YET_VALID/, 'its certificate is not valid yet; check the clocks'],
  [/UNABLE_TO|SELF_SIGNED|INVALID_CA|CERT_SIGNATURE/, 'its certificate is not from an authority in tls.ca'],
  [/UNKNOWN_CA/i, "it does not know the authority of this node's certificate; give the client --tls-ca"],
  [/CERTIFICATE_EXPIRED/i, "it says that this node's certificate has expired"],
  [/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|NO_SHARED_CIPHER/, 'it knows neither TLS 1.2 nor 1.3'],
  [/NO_APPLICATION_PROTOCOL/, 'it does not speak HTTP/2, which gRPC is'],
  [/ECONNRESET/, 'it broke off; it may not trust the certificate of this node'],
  [/ERR_TLS_HANDSHAKE_TIMEOUT/, 'it took too long'],
];

/** The same on the side that was dialled. */
export const whyNoHandshake = ({
  code = '',
  message,
}: {
  readonly code?: string | undefined;
  readonly message: string;
}): string => handshakeReasons.find(([pattern]) => pattern.test(code))?.[1] ?? (code || message.split('\n', 1)[0]!);
