import { expect } from 'chai';
import { type CertificateUse, checkCertificate } from '../../../src/doctor/certificates.js';
import { TestAuthority } from '../../support/issued.js';
import { expectAdvice, lines, one } from './support.js';

const dayMs = 86_400_000;
const nowMs = Date.now();

describe('doctor: certificates', () => {
  let authority: TestAuthority;
  before(async () => {
    authority = await TestAuthority.create();
  });

  const use = (more: Partial<CertificateUse> = {}): CertificateUse => ({
    setting: 'tls',
    wallMs: nowMs,
    host: '127.0.0.1',
    port: 3320,
    nodeName: 'distcache-node',
    clientAuth: 'require',
    ...more,
  });
  const of = (
    pair: { cert: string; key: string },
    more: Partial<CertificateUse> = {},
    ca: string | undefined = authority.ca.cert,
  ) => {
    const checks = checkCertificate({ ca, ...pair }, use(more));
    expectAdvice(checks);
    return checks;
  };

  it('that is good says for whom, from whom, and how long', async () => {
    const checks = of(await authority.node('cache-1'));
    expect(one(checks, 'tls.cert names')).to.deep.include({
      result: 'ok',
      found: 'it is good for 127.0.0.1:3320 and bears distcache-node',
    });
    expect(one(checks, 'tls.key').result).to.equal('ok');
    // Of one day, so that 14 are not left.
    expect(one(checks, 'tls.cert').result).to.equal('warn');
    expect(one(checks, 'tls.ca').result).to.equal('warn');
    const longBefore = of(await authority.node('cache-1'), { wallMs: nowMs - 100 * dayMs });
    expect(one(longBefore, 'tls.cert').found).to.contain('is not valid before');
  });

  it('that has expired fails', async () => {
    const check = one(of(await authority.expired()), 'tls.cert');
    expect(check).to.include({ result: 'fail' });
    expect(check.found).to.contain('has expired on');
    expect(check.mend).to.contain('without a restart');
  });

  it('with the key of another fails', async () => {
    const [a, b] = [await authority.node('a'), await authority.node('b')];
    expect(one(of({ cert: a.cert, key: b.key }), 'tls.key').result).to.equal('fail');
    expect(JSON.stringify(of({ cert: a.cert, key: b.key }))).to.not.contain('PRIVATE KEY');
  });

  it('of another authority is warned of: other nodes will refuse it', async () => {
    const other = await TestAuthority.create('other CA');
    const checks = of(await other.node(), {}, authority.ca.cert);
    expect(lines(checks).join('\n')).to.contain('was not signed by an authority in ca');
  });

  it('without the name by which nodes know each other fails in a cluster', async () => {
    const server = await authority.server();
    const clustered = one(of(server), 'tls.cert names');
    expect(clustered).to.include({ result: 'fail' });
    expect(clustered.found).to.contain('does not bear distcache-node');
    expect(one(of(server, { nodeName: undefined }), 'tls.cert names').result).to.equal('ok');
  });

  it('without the address is taken by our clients alone; without either by nobody', async () => {
    const node = await authority.node('n', { hosts: ['cache.example'] });
    const ours = one(of(node, { host: '10.0.0.5' }), 'tls.cert names');
    expect(ours).to.include({ result: 'warn' });
    expect(ours.mend).to.contain('cert create --host 10.0.0.5');
    expect(one(of(node, { host: 'cache.example' }), 'tls.cert names').result).to.equal('ok');
    const nobody = one(of(await authority.server(), { host: '10.0.0.5', nodeName: undefined }), 'tls.cert names');
    expect(nobody.result).to.equal('fail');
  });

  it('of a client is none for a node', async () => {
    const client = await authority.client();
    const check = one(of(client, { nodeName: undefined, host: 'app' }), 'tls.cert usage');
    expect(check).to.include({ result: 'fail', found: 'it is not for server auth' });
  });

  it('and authorities left out: everybody who is trusted by the machine could make nodes', async () => {
    const node = await authority.node();
    const without = checkCertificate({ cert: node.cert, key: node.key }, use());
    expect(one(without, 'tls.ca').result).to.equal('warn');
    const none = checkCertificate({ cert: node.cert, key: node.key }, use({ clientAuth: 'none' }));
    expect(lines(none).join('\n')).to.not.contain('tls.ca');
  });

  it('an authority that ends soon, and one in which an old one still stands', async () => {
    const other = await TestAuthority.create();
    const both = `${authority.ca.cert}${other.ca.cert}`;
    expect(one(of(await authority.node(), {}, both), 'tls.ca').found).to.contain('2 authorities');
  });

  it('that is no certificate at all fails, whatever it is', () => {
    for (const text of ['', 'x', '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----']) {
      const checks = of({ cert: text, key: text });
      expect(one(checks, 'tls.cert').result, text).to.equal('fail');
    }
  });
});
