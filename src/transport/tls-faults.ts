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
