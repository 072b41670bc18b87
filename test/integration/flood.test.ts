import { request as httpRequest } from 'node:http';
import { connect as connectHttp2, constants as http2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { createSecureContext } from 'node:tls';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { closed, type Flood, HalfOpen, Nonsense, SlowReaders, SlowWriters, type Target } from '../support/flood.js';
import { TestAuthority } from '../support/issued.js';
import { type RealNode, RealNodes } from '../support/real-nodes.js';
import { seeded } from '../support/seeded.js';
import { until, within } from '../support/until.js';

const seed = process.env.SEED ?? 'flood';
const token = 'token-of-the-tests';
const large = Array.from({ length: 8 }, (_, index) => `large-${index}`);

/** Small limits, so that few clients reach them. What the node does not let be configured has its own tests. */
const limits = { maxConnections: 1_500, maxInflightPerClient: 2_000 };

describe('integration: clients that flood, stall or send nonsense', function () {
  this.timeout(120_000);
  let nodes: RealNodes;
  let authority: TestAuthority;
  const floods: Flood[] = [];
  /** Its admin endpoints speak TLS. */
  let secured: RealNode | undefined;

  before(async () => {
    authority = await TestAuthority.create();
  });
  beforeEach(async () => {
    nodes = await RealNodes.open();
  });
  afterEach(async () => {
    for (const flood of floods.splice(0)) flood.end();
    await nodes.close();
  });

  async function start(security: object, more: object = {}): Promise<RealNode> {
    const config = {
      ...security,
      limits: { ...limits, ...more },
      telemetry: { metrics: 'prometheus' },
      keyspaces: { ks: { maxBytes: '64MiB', source: { type: 'none' } } },
    };
    const file = await nodes.file('node.yaml', JSON.stringify(config));
    return nodes.start({ name: 'a', admin: '127.0.0.1:0', args: ['--config', file] });
  }

  const targetOf = (node: RealNode): Target => ({ host: '127.0.0.1', port: node.port });

  function flood<T extends Flood>(one: T): T {
    floods.push(one);
    return one;
  }

  /** Over a connection of its own. */
  const ask = (node: RealNode, path: string): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}` };
      const [scheme, request] = node === secured ? ['https', httpsRequest] : ['http', httpRequest];
      const options = { headers, agent: false, ca: authority.ca.cert };
      const sent = request(`${scheme}://${node.admin}/_distcache/admin${path}`, options, (response) => {
        response.toArray().then((parts) => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() });
        }, reject);
      });
      sent.on('error', reject).end();
    });

  /** A value of `distcache_limit_refusals_total`, or of another metric. */
  async function metric(node: RealNode, name: string, limit?: string): Promise<number> {
    const lines = (await ask(node, '/metrics')).text.split('\n').filter((line) => line.startsWith(name));
    const found = lines.find((line) => limit === undefined || line.includes(`"${limit}"`));
    return Number(found?.split(' ')[1] ?? Number.NaN);
  }
  const refusals = (node: RealNode, limit: string): Promise<number> =>
    metric(node, 'distcache_limit_refusals_total', limit);

  async function useful(client: Client, rounds: number, who = 'one'): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const key = `${who}-${round % 10}`;
      await client.put('ks', { key, value: Uint8Array.of(round) });
      expect([...(await client.get('ks', key)).value]).to.deep.equal([round]);
    }
  }

  /** Clients that came before and that come meanwhile do not notice. */
  async function undisturbed(before: Client, fresh: () => Client): Promise<void> {
    for (let turn = 0; turn < 5; turn++) {
      const client = fresh();
      await Promise.all([useful(before, 20), useful(client, 5, 'another')]);
      await client.close();
    }
  }

  it('over TLS: half-open connections, slow readers, slow writers and nonsense; no request of others fails', async () => {
    const [issued, app] = [await authority.node(), await authority.client()];
    const files = { ca: authority.ca.cert, cert: issued.cert, key: issued.key };
    for (const [name, pem] of Object.entries(files)) await nodes.file(`${name}.pem`, pem);
    const node = await start({
      admin: { tls: true },
      tls: { ca: 'ca.pem', cert: 'cert.pem', key: 'key.pem' },
      auth: {
        tokens: [{ name: 'app', token, allow: ['read', 'write'] }],
        certificates: [{ name: 'app', allow: ['read', 'write'] }],
      },
    });
    secured = node;
    const tls = { ca: authority.ca.cert, cert: app.cert, key: app.key };
    const fresh = (): Client => nodes.client([node], { tls, token, timeoutMs: 20_000 });
    const client = fresh();
    for (const key of large) await client.put('ks', { key, value: Buffer.alloc(512 * 1024, key) });

    const at = targetOf(node);
    const secure = { ...at, tls: createSecureContext(tls) };
    const random = seeded(seed);
    const noise = Array.from({ length: 20 }, () =>
      Uint8Array.from({ length: random.between(1, 2_000) }, () => random.below(256)),
    );
    const handshakes = noise.map((bytes) => Buffer.concat([Uint8Array.of(0x16, 3, 1, 4, 0), bytes]));
    const halfOpen = flood(new HalfOpen(at, 1_500, 60));
    const readers = flood(new SlowReaders(secure, 40, { keyspace: 'ks', keys: large }, 4));
    const writers = flood(new SlowWriters(secure, 20, 1));
    const nonsense = flood(new Nonsense(at, 50, [...noise, ...handshakes], 5));
    await until('the flood is there', () => halfOpen.counts().opened > 1_400 && readers.counts().open === 40);
    await undisturbed(client, fresh);

    // They were held to what there is room for, and that was counted.
    expect(await metric(node, 'distcache_client_connections_greeting')).to.be.within(1, 1_024);
    expect(await refusals(node, 'connection_greetings')).to.be.above(100);
    expect(await metric(node, 'distcache_client_unsent')).to.be.within(1, 256 * 1024 * 1024);
    expect(await metric(node, 'distcache_client_refusals_total', 'handshake')).to.be.above(10);
    expect(nonsense.counts().dropped).to.be.above(10);
    expect(writers.counts().open).to.equal(20);
    for (const one of floods.splice(0)) one.end();
    await until('what they held is free again', async () => {
      const names = [
        'distcache_client_connections_greeting',
        'distcache_client_unsent',
        'distcache_client_calls_active',
      ];
      return (await Promise.all(names.map((name) => metric(node, name)))).every((value) => value === 0);
    });
    await useful(client, 10);
    expect(node.stderr).not.to.include('"level":50');
  });

  it('in the clear: connections beyond the limit, calls beyond those of one client, heads that are too long', async () => {
    const node = await start(
      { auth: { tokens: [{ name: 'app', token, allow: ['read', 'write'] }] } },
      {
        maxConnections: 40,
        maxInflightPerClient: 4,
      },
    );
    const client = nodes.client([node], { token });
    await useful(client, 5);

    const idle = Array.from({ length: 60 }, () => connect(node.port, '127.0.0.1').on('error', () => {}));
    for (const socket of idle) socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await until('the limit is reached', async () => (await refusals(node, 'connections')) >= 20);
    await useful(client, 5);
    for (const socket of idle) socket.destroy();
    await until('they have left', async () => (await metric(node, 'distcache_client_connections')) === 1);

    // Requests that do not end: each is a call under way.
    const session = connectHttp2(`http://${node.grpc}`).on('error', () => {});
    const open = (headers: object = {}) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/distcache.v1.Cache/Put',
        'content-type': 'application/grpc',
        te: 'trailers',
        authorization: `Bearer ${token}`,
        ...headers,
      });
      return stream.on('error', () => {});
    };
    const calls = Array.from({ length: 4 }, () => open());
    const refused = open();
    const [headers] = await within(
      10_000,
      'a call beyond the limit',
      new Promise<[Record<string, unknown>]>((resolve) => refused.on('response', (head) => resolve([head]))),
    );
    expect(headers['grpc-status']).to.equal('8');
    await until('it is counted', async () => (await refusals(node, 'client_calls_each')) === 1);
    for (const call of calls) call.close(http2.NGHTTP2_CANCEL);
    await until('they are gone', async () => (await metric(node, 'distcache_client_calls_active')) === 0);

    const bloated = open({ 'x-bloat': 'x'.repeat(100 * 1024) });
    await within(10_000, 'the end of it', new Promise((resolve) => bloated.on('close', resolve)));
    session.destroy();
    await useful(client, 5);
  });

  it('at the admin endpoints: heads byte by byte, bodies without end, more connections than there is room for', async () => {
    const node = await start({});
    const [host, port] = node.admin.split(':') as [string, string];
    const dial = () => connect(Number(port), host).on('error', () => {});

    const slow = Array.from({ length: 30 }, () => dial());
    const timer = setInterval(() => {
      for (const socket of slow) if (!socket.destroyed) socket.write('x');
    }, 100);
    for (const socket of slow) socket.write('GET /_distcache/admin/node HTTP/1.1\r\nhost: x\r\nx-slow: ');
    for (let turn = 0; turn < 10; turn++) expect((await ask(node, '/readyz')).status).to.equal(200);
    await within(15_000, 'the end of slow heads', Promise.all(slow.map(closed)));
    clearInterval(timer);

    const bloated = dial();
    bloated.write(`GET / HTTP/1.1\r\nhost: x\r\nx-bloat: ${'x'.repeat(64 * 1024)}`);
    await within(10_000, 'the end of a head too long', closed(bloated));
    const endless = dial();
    endless.write('POST /_distcache/admin/drain HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n');
    await within(10_000, 'the end of a body too long', closed(endless));

    const crowd = Array.from({ length: 200 }, () => dial());
    await until('some of a crowd are turned away', () => crowd.filter((socket) => socket.closed).length >= 70);
    for (const socket of crowd) socket.destroy();
    await until('it answers again', () =>
      ask(node, '/readyz').then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    expect(node.stderr).not.to.include('"level":50');
  });
});
