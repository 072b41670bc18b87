import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect } from 'chai';
import { systemClock as clock } from '../../../src/platform/clock.js';
import { probeListen, probeReach, probeTls } from '../../../src/transport/probe.js';
import { listenerOptions } from '../../../src/transport/tls.js';
import { TestAuthority } from '../../support/issued.js';

describe('transport: looking at an address from outside', () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers.splice(0)) {
      server.close();
      await once(server, 'close');
    }
  });

  async function listening(server: Server): Promise<number> {
    servers.push(server);
    server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as { port: number }).port;
  }
  const wait = { clock, timeoutMs: 5000 };
  const rejection = async (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'resolved',
      (error: Error) => error.message,
    );

  it('reach: open, shut', async () => {
    const server = createServer();
    const port = await listening(server);
    expect(await rejection(probeReach('127.0.0.1', port, wait))).to.equal('resolved');
    server.close();
    servers.length = 0;
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
    expect(await rejection(probeReach('127.0.0.1', port, wait))).to.contain('ECONNREFUSED');
  });

  it('whether this process could listen, over TCP and UDP, and nothing is left open', async () => {
    const server = createServer();
    const port = await listening(server);
    expect(await rejection(probeListen('127.0.0.1', port, 'tcp', '--bind-port'))).to.match(
      /already in use.*--bind-port/,
    );
    for (const kind of ['udp', 'udp'] as const) {
      expect(await rejection(probeListen('127.0.0.1', port, kind, '--x'))).to.equal('resolved');
    }
    expect(await rejection(probeListen('192.0.2.1', 0, 'udp', '--x'))).to.contain('no such address');
  });

  it('TLS: its version, when the certificate ends, whether it is trusted; and none of the old versions', async () => {
    const authority = await TestAuthority.create();
    const { cert, key } = await authority.node();
    for (const clientAuth of ['none', 'require'] as const) {
      const options = listenerOptions({ ca: authority.ca.cert, cert, key, clientAuth }, 'h2');
      const port = await listening(createTlsServer(options).on('tlsClientError', () => {}));
      const probe = { ...wait, protocol: 'h2', nodeName: 'distcache-node', ca: authority.ca.cert } as const;
      const seen = await probeTls('127.0.0.1', port, probe);
      expect(seen, clientAuth).to.include({ is: 'tls', protocol: 'TLSv1.3', refusedFor: undefined });
      if (seen.is === 'tls') expect(seen.expiresMs).to.be.within(Date.now(), Date.now() + 2 * 86_400_000);
      expect(await probeTls('127.0.0.1', port, { ...probe, version: 'TLSv1.1' })).to.deep.equal({ is: 'refused' });
      const other = await TestAuthority.create();
      const distrusting = await probeTls('127.0.0.1', port, { ...probe, ca: other.ca.cert });
      expect(distrusting).to.have.property('refusedFor').that.is.a('string');
    }
  });

  it('TLS: an old version that is taken is told', async () => {
    const authority = await TestAuthority.create();
    const { cert, key } = await authority.node();
    const old = { cert, key, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const port = await listening(createTlsServer(old).on('tlsClientError', () => {}));
    const probe = { ...wait, protocol: 'h2', nodeName: 'distcache-node', ca: authority.ca.cert } as const;
    expect(await probeTls('127.0.0.1', port, { ...probe, version: 'TLSv1.1' })).to.include({
      is: 'tls',
      protocol: 'TLSv1.1',
    });
  });

  it('TLS: what does not speak it is plain; what says nothing ends in time', async () => {
    const probe = { ...wait, protocol: 'h2', nodeName: 'distcache-node', ca: undefined } as const;
    const answers = await listening(
      createServer((socket) => socket.on('data', () => socket.end('HTTP/1.1 400 Bad\r\n\r\n'))),
    );
    expect(await probeTls('127.0.0.1', answers, probe)).to.deep.equal({ is: 'plain' });
    const silent = await listening(createServer());
    expect(await rejection(probeTls('127.0.0.1', silent, { ...probe, timeoutMs: 50 }))).to.contain('within 50 ms');
  });
});
