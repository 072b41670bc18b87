import { type Issued, issueAuthority, issueCertificate } from '../../src/certificates/issue.js';

const day = { nowMs: Date.now(), days: 1 };
const hosts = ['localhost', '127.0.0.1', '::1'];

/** An authority with certificates of a node and clients, as `cert create` makes them. */
export class TestAuthority {
  private constructor(
    readonly ca: Issued,
    readonly name: string,
  ) {}

  static async create(name = 'test CA'): Promise<TestAuthority> {
    return new TestAuthority(await issueAuthority(name, day), name);
  }

  node(name = 'node', at: { readonly hosts?: readonly string[]; readonly nodeName?: string } = {}): Promise<Issued> {
    const named = [at.nodeName ?? 'distcache-node', ...(at.hosts ?? hosts)];
    return issueCertificate(this.ca, { name, hosts: named, isServer: true }, day);
  }

  client(name = 'app'): Promise<Issued> {
    return issueCertificate(this.ca, { name, hosts: [], isServer: false }, day);
  }

  /** Of a server that is no node, at the usual hosts. */
  server(name = 'server'): Promise<Issued> {
    return issueCertificate(this.ca, { name, hosts, isServer: true }, day);
  }

  /** Over since yesterday. */
  expired(name = 'node'): Promise<Issued> {
    const past = { nowMs: day.nowMs - 3 * 86_400_000, days: 1 };
    return issueCertificate(this.ca, { name, hosts: ['distcache-node', ...hosts], isServer: true }, past);
  }
}
