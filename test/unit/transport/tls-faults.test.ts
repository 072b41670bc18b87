import { expect } from 'chai';
import { whyNoTls } from '../../../src/transport/tls-faults.js';

/** What grpc-js says where no connection came about. */
const unconnected = (last: string): string =>
  `No connection established. Last error: ${last} (2026-11-27T00:00:00.000Z)`;

describe('why TLS did not come about', () => {
  const rows: readonly [string, string, RegExp][] = [
    ['a certificate that has run out', 'Error: certificate has expired', /its certificate has expired/],
    ['another name', "Error: Hostname/IP does not match certificate's altnames: Host: x.", /for another name/],
    [
      'another authority',
      'Error: unable to verify the first certificate',
      /not from an authority that is trusted here/,
    ],
    ['no certificate shown', 'write EPROTO: ssl/tls alert certificate required: 116', /asks for a certificate/],
    ['no TLS at all', 'write EPROTO: ssl3_get_record: wrong version number', /does not speak TLS there/],
  ];
  for (const [name, last, says] of rows) {
    it(`says what to do about ${name}`, () => {
      expect(whyNoTls(unconnected(last), false)).to.match(says);
      expect(whyNoTls(unconnected(last), true)).to.match(says);
    });
  }

  for (const last of ['Failed to connect', 'read ECONNRESET', 'Error: write EPIPE']) {
    it(`takes "${last}" for a refusal where a certificate was shown, and there alone`, () => {
      expect(whyNoTls(unconnected(last), true)).to.match(/may not trust the certificate that it was shown/);
      expect(whyNoTls(unconnected(last), false)).to.equal(undefined);
    });
  }

  it('has nothing to say of what broke later, or never came about', () => {
    expect(whyNoTls('read ECONNRESET', true)).to.equal(undefined);
    expect(whyNoTls(unconnected('connect ECONNREFUSED 127.0.0.1:1'), true)).to.equal(undefined);
  });
});
