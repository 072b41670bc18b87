import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { expect } from 'chai';
import type { Issued } from '../../src/certificates/issue.js';
import { type Client, type ConnectOptions, connect } from '../../src/client/client.js';
import { Engine } from '../../src/node/engine.js';
import type { GossipOptions } from '../../src/node/options.js';
import type { TlsOptions } from '../../src/node/security.js';
import { cli } from '../support/cli.js';
import { TestAuthority } from '../support/issued.js';
import { needs } from '../support/servers.js';

interface Told {
  readonly code: string;
  readonly message: string;
}

describe('integration: TLS', function () {
  this.timeout(60_000);
  let folder: string;
  let authority: TestAuthority;
  let app: Issued;
  const engines: Engine[] = [];
  const clients: Client[] = [];
  const logged: string[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-tls-'));
    authority = await TestAuthority.create();
    app = await authority.client();
    await writeFile(join(folder, 'authority.pem'), authority.ca.cert);
    await writeFile(join(folder, 'app.pem'), app.cert);
    await writeFile(join(folder, 'app-key.pem'), app.key);
  });
  afterEach(async () => {
    logged.length = 0;
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await Promise.all(engines.splice(0).map((engine) => engine.stop({ timeoutMs: 1_000 })));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const tlsOf = (issued: Issued, more: Partial<TlsOptions> = {}): TlsOptions => ({
    ca: authority.ca.cert,
    cert: issued.cert,
    key: issued.key,
    ...more,
  });

  async function start(tls?: TlsOptions, gossip?: GossipOptions): Promise<Engine> {
    const engine = new Engine({
      keyspaces: [{ name: 'ks', maxBytes: '1MiB', dataSource: { fetch: () => 'value' } }],
      bind: { port: 0 },
      tls,
      gossip,
      logger: { write: (_, message) => void logged.push(message) },
    });
    engines.push(engine);
    await engine.start();
    return engine;
  }

  const grpcOf = (engine: Engine): string => engine.status().grpc;

  async function told(address: string, options: Omit<ConnectOptions, 'addresses'>): Promise<Told> {
    const client = connect({ addresses: [address], timeoutMs: 10_000, ...options });
    clients.push(client);
    try {
      await client.get('ks', 'k');
      return { code: 'let in', message: '' };
    } catch (error) {
      const { code, message } = error as Told;
      return { code, message };
    }
  }

  const own = (issued: Issued = app) => ({ ca: authority.ca.cert, cert: issued.cert, key: issued.key });
  const other = (): Promise<TestAuthority> => TestAuthority.create('other');

  it('lets in who shows a certificate of the authority, at an address, at a name, or to a node by its role', async () => {
    const engine = await start(tlsOf(await authority.node()));
    const { port } = new URL(`http://${grpcOf(engine)}`);
    expect(await told(`127.0.0.1:${port}`, { tls: own() })).to.include({ code: 'let in' });
    expect(await told(`localhost:${port}`, { tls: () => own() })).to.include({ code: 'let in' });
    const elsewhere = await start(tlsOf(await authority.node('n', { hosts: ['elsewhere.example'] })));
    expect(await told(grpcOf(elsewhere), { tls: own() })).to.include({ code: 'let in' });
  });

  const refusals: readonly {
    name: string;
    server: () => Promise<TlsOptions>;
    client: () => Promise<ConnectOptions['tls']>;
    says: string;
    logs?: string;
  }[] = [
    {
      name: 'a server of another authority',
      server: async () => tlsOf(await (await other()).node(), { clientAuth: 'none' }),
      client: async () => own(),
      says: 'not from an authority that is trusted here',
    },
    {
      name: 'a server of an authority that the machine does not trust',
      server: async () => tlsOf(await authority.node(), { clientAuth: 'none' }),
      client: async () => ({}),
      says: 'not from an authority that is trusted here',
    },
    {
      name: 'a server whose name is another one',
      server: async () => tlsOf(await authority.node('n', { hosts: ['elsewhere.example'], nodeName: 'no-node' })),
      client: async () => own(),
      says: 'for another name',
    },
    {
      name: 'no certificate where one is asked for',
      server: async () => tlsOf(await authority.node()),
      client: async () => ({ ca: authority.ca.cert }),
      says: 'asks for a certificate',
      logs: 'it showed no certificate, and tls.clientAuth is require',
    },
    {
      name: 'a certificate of another authority',
      server: async () => tlsOf(await authority.node()),
      client: async () => own(await (await other()).client()),
      says: 'may not trust the certificate that it was shown',
      logs: 'its certificate is not from an authority in tls.ca',
    },
    {
      name: 'a certificate that has expired',
      server: async () => tlsOf(await authority.node()),
      client: async () => own(await authority.expired('app')),
      says: 'may not trust the certificate that it was shown',
      logs: 'its certificate has expired',
    },
  ];
  for (const { name, server, client, says, logs = '' } of refusals) {
    it(`fails as UNAUTHORIZED, and says why: ${name}`, async () => {
      const engine = await start(await server());
      const { code, message } = await told(grpcOf(engine), { tls: await client() });
      expect(code, message).to.equal('UNAUTHORIZED');
      expect(message).to.include(says).and.to.include(grpcOf(engine));
      expect(logged.join('\n')).to.include(logs);
    });
  }

  it('tells that the certificate of a node has expired meanwhile', async () => {
    // A node does not start with one that is over, so this one is served by hand.
    const { cert, key } = await authority.expired();
    const server = createTlsServer({ cert, key, ALPNProtocols: ['h2'] }, (socket) => socket.on('error', () => {}));
    server.on('tlsClientError', () => {});
    const { code, message } = await told(await listen(server), { tls: own() });
    server.close();
    expect(code).to.equal('UNAUTHORIZED');
    expect(message).to.include('its certificate has expired');
  });

  it('tells a client without TLS from one with it at the wrong port, and both what to do', async () => {
    const [secure, plain] = [await start(tlsOf(await authority.node())), await start()];
    const without = await told(grpcOf(secure), {});
    expect(without).to.deep.include({ code: 'UNAUTHORIZED' });
    expect(without.message).to.include('this port speaks TLS alone; give --tls-ca');
    const beside = await told(grpcOf(plain), { tls: own() });
    expect(beside).to.deep.include({ code: 'UNAUTHORIZED' });
    expect(beside.message).to.include('does not speak TLS there; leave out --tls-ca');
    expect(logged.join('\n')).to.match(/does not speak TLS, which this port asks for[\s\S]*speaks TLS to this port/);
    const silent = createServer((socket) => socket.destroy());
    expect((await told(await listen(silent), { tls: own() })).message).to.include('broke off before TLS was set up');
    silent.close();
  });

  it('in the command line: exit 6 and one line, with --json too', async () => {
    const engine = await start(tlsOf(await authority.node()));
    const [ca, cert, key] = ['authority', 'app', 'app-key'].map((name) => join(folder, `${name}.pem`)) as [
      string,
      string,
      string,
    ];
    const at = ['--addr', grpcOf(engine)];
    const [good, bad, env] = await Promise.all([
      cli(['get', 'ks', 'k', ...at, '--tls-ca', ca, '--tls-cert', cert, '--tls-key', key]),
      cli(['get', 'ks', 'k', ...at, '--tls-ca', ca, '--json']),
      cli(['get', 'ks', 'k', ...at], {
        env: { DISTCACHE_TLS_CA: ca, DISTCACHE_TLS_CERT: cert, DISTCACHE_TLS_KEY: key },
      }),
    ]);
    expect([good.exit, good.stdout.toString(), good.stderr]).to.deep.equal([0, 'value', '']);
    expect([env.exit, env.stdout.toString(), env.stderr]).to.deep.equal([0, 'value', '']);
    expect(bad.exit).to.equal(6);
    expect(bad.stderr).to.match(/^Error: [^\n]*asks for a certificate[^\n]*\n$/);
    expect(JSON.parse(bad.stdout.toString()).error.code).to.equal('UNAUTHORIZED');
  });

  describe('in the command line, exit 6 and one line that says what to do', () => {
    const file = async (name: string, pem: string): Promise<string> => {
      const path = join(folder, name);
      await writeFile(path, pem);
      return path;
    };
    const pair = async (name: string, { cert, key }: Issued): Promise<readonly string[]> => [
      ...['--tls-cert', await file(`${name}.pem`, cert)],
      ...['--tls-key', await file(`${name}-key.pem`, key)],
    ];
    const ca = (): readonly string[] => ['--tls-ca', join(folder, 'authority.pem')];
    const node = async (): Promise<string> => grpcOf(await start(tlsOf(await authority.node())));
    /** Of a node that does not start with such a certificate, or is none. */
    const byHand = async ({ cert, key }: Issued): Promise<string> => {
      const server = createTlsServer({ cert, key, ALPNProtocols: ['h2'] }, (socket) => socket.on('error', () => {}));
      servers.push(server.on('tlsClientError', () => {}));
      return listen(server);
    };
    const servers: Server[] = [];
    afterEach(() => {
      for (const server of servers.splice(0)) server.close();
    });

    const rows: readonly [string, () => Promise<string>, () => Promise<readonly string[]>, RegExp][] = [
      [
        'another authority than that of the node',
        node,
        async () => ['--tls-ca', await file('other.pem', (await other()).ca.cert), ...(await pair('app', app))],
        /not from an authority that is trusted here; give the one that signed it \(--tls-ca, tls\.ca\)/,
      ],
      [
        'a node whose certificate has expired',
        async () => byHand(await authority.expired()),
        async () => [...ca(), ...(await pair('app', app))],
        /its certificate has expired; give it a new one/,
      ],
      [
        'a node whose certificate is for another name',
        async () => byHand(await authority.node('n', { hosts: ['elsewhere.example'], nodeName: 'no-node' })),
        async () => [...ca(), ...(await pair('app', app))],
        /its certificate is for another name; dial it by a name that is in it/,
      ],
      [
        'no certificate where one is asked for',
        node,
        async () => ca(),
        /it asks for a certificate from an authority of its own; give one with its key \(--tls-cert, --tls-key\)/,
      ],
      [
        'a certificate of another authority',
        node,
        async () => [...ca(), ...(await pair('foreign', await (await other()).client()))],
        /the certificate that it was shown; give one of its own authority that is still valid \(--tls-cert, --tls-key\)/,
      ],
      [
        'a certificate that has expired',
        node,
        async () => [...ca(), ...(await pair('late', await authority.expired('app')))],
        /the certificate that it was shown; give one of its own authority that is still valid \(--tls-cert, --tls-key\)/,
      ],
      ['no TLS where the node asks for it', node, async () => [], /this port speaks TLS alone; give --tls-ca/],
      [
        'TLS where the node has none',
        async () => grpcOf(await start()),
        async () => ca(),
        /it does not speak TLS there; leave out --tls-ca and the like/,
      ],
    ];
    for (const [name, at, args, says] of rows) {
      it(name, async () => {
        const { exit, stdout, stderr } = await cli([
          'get',
          'ks',
          'k',
          '--addr',
          await at(),
          ...(await args()),
          '--json',
        ]);
        expect(stderr)
          .to.match(/^Error: [^\n]*\n$/)
          .and.to.match(says);
        expect(exit).to.equal(6);
        expect(JSON.parse(stdout.toString()).error.code).to.equal('UNAUTHORIZED');
      });
    }
  });

  describe('with a real openssl', () => {
    before(function () {
      needs(this, 'openssl', 'openssl');
    });

    /** What `openssl s_client` says of a handshake. */
    const sClient = (to: Engine | string, ...args: readonly string[]): Promise<string> =>
      new Promise((resolve) => {
        const address = typeof to === 'string' ? to : grpcOf(to);
        const whole = ['s_client', '-connect', address, '-CAfile', join(folder, 'authority.pem'), ...args];
        const child = execFile('openssl', whole, { timeout: 10_000 }, (_, stdout, stderr) => resolve(stdout + stderr));
        child.stdin?.end();
      });

    const old = ['-cipher', 'ALL:@SECLEVEL=0'];
    const rows: readonly [string, readonly string[], RegExp][] = [
      ['takes TLS 1.3 where both have it', ['-alpn', 'h2'], /TLSv1\.3[\s\S]*ALPN protocol: h2[\s\S]*return code: 0/],
      ['takes TLS 1.2 from who has no later', ['-tls1_2', '-alpn', 'h2'], /TLSv1\.2[\s\S]*return code: 0/],
      ['refuses TLS 1.1', ['-tls1_1', ...old], /alert protocol version|no protocols available/],
      ['refuses TLS 1.0', ['-tls1', ...old], /alert protocol version|no protocols available/],
      ['refuses no encryption', ['-tls1_2', '-cipher', 'NULL:aNULL:@SECLEVEL=0'], /handshake failure|no ciphers/],
      ['refuses what is no HTTP/2', ['-alpn', 'http/1.1'], /alert no application protocol/],
    ];
    for (const [name, args, says] of rows) {
      it(name, async () => {
        const engine = await start(tlsOf(await authority.node(), { clientAuth: 'none' }));
        expect(await sClient(engine, ...args)).to.match(says);
      });
    }

    it('asks for a certificate from the authority, and refuses the handshake of who has none', async () => {
      const engine = await start(tlsOf(await authority.node()));
      const shown = ['-cert', join(folder, 'app.pem'), '-key', join(folder, 'app-key.pem')];
      expect(await sClient(engine, '-alpn', 'h2', ...shown)).to.match(/CN ?= ?test CA[\s\S]*return code: 0/);
      expect(await sClient(engine, '-tls1_2', '-alpn', 'h2')).to.match(/handshake failure|certificate required/);
    });

    it('does so on the port of the gossip too, unless told to gossip as it is', async () => {
      const node = await authority.node();
      const [cert, key] = [join(folder, 'node.pem'), join(folder, 'node-key.pem')];
      await Promise.all([writeFile(cert, node.cert), writeFile(key, node.key)]);
      const { gossip } = (await start(tlsOf(node), { port: 0 })).status();
      expect(await sClient(gossip, '-cert', cert, '-key', key)).to.match(/TLSv1\.3[\s\S]*return code: 0/);
      expect(await sClient(gossip, '-tls1_2')).to.match(/handshake failure|certificate required/);
      const plain = (await start(tlsOf(node), { port: 0, tls: false })).status().gossip;
      expect(await sClient(plain, '-cert', cert, '-key', key)).to.match(/wrong version number|no peer certificate/);
    });
  });

  it('answers a client made of nothing but HTTP/2', async () => {
    const engine = await start(tlsOf(await authority.node()));
    const session = connectHttp2(`https://${grpcOf(engine)}`, { ...own(), servername: 'localhost' });
    const call = (path: string, message: readonly number[]): Promise<{ status: unknown; body: Buffer }> =>
      new Promise((resolve, reject) => {
        const head = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
        const stream = session.request(head);
        const chunks: Buffer[] = [];
        let status: unknown;
        stream.on('response', (headers) => {
          status = headers['grpc-status'];
        });
        stream.on('trailers', (headers) => {
          status = headers['grpc-status'];
        });
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('error', reject).on('end', () => resolve({ status, body: Buffer.concat(chunks) }));
        stream.end(Buffer.from([0, 0, 0, 0, message.length, ...message]));
      });
    expect((await call('/grpc.health.v1.Health/Check', [])).status).to.equal('0');
    const got = await call('/distcache.v1.Cache/Get', [0x0a, 2, 0x6b, 0x73, 0x12, 1, 0x6b]);
    expect(got.status).to.equal('0');
    expect(got.body.toString('latin1')).to.include('value');
    expect((await call('/distcache.v1.Cache/Nothing', [])).status).to.equal('12');
    session.close();
  });
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}
