import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { adminRuleOf } from '../../src/access/admin-rules.js';
import { Refused } from '../../src/admin/failure.js';
import { Router, targetOf } from '../../src/admin/router.js';
import type { Route } from '../../src/admin/routes.js';
import { Engine } from '../../src/node/engine.js';
import { adminPaths } from '../../src/ports/admin.js';
import { closed } from '../support/flood.js';
import { pause, until } from '../support/until.js';
import type { Parser } from './fuzzer.js';

/* The ports of a real node: whatever is sent to them, it goes on, and others are answered. */

const base = '/_distcache/admin';
const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** Sends it, and waits for the end of the connection, or for so long that nothing more will come. */
async function send(port: number, bytes: Uint8Array): Promise<Buffer> {
  const { socket, heard } = dial(port);
  socket.end(bytes);
  await Promise.race([closed(socket), pause(patienceMs)]);
  socket.destroy();
  return Buffer.concat(heard);
}

/** Sends it, and waits for an answer that is as it should be. */
async function ask(port: number, bytes: Uint8Array, isRight: (heard: Buffer) => boolean): Promise<void> {
  const { socket, heard } = dial(port);
  socket.write(bytes);
  await until('an honest client is answered', () => isRight(Buffer.concat(heard)), 10_000, 1);
  socket.destroy();
}

function dial(port: number): { socket: Socket; heard: Buffer[] } {
  const socket = connect(port, '127.0.0.1');
  const heard: Buffer[] = [];
  socket.on('data', (piece: Buffer) => heard.push(piece)).on('error', () => {});
  return { socket, heard };
}

const patienceMs = 60;

/** As `routesOf` has them. */
const posts = new Set<string>([
  adminPaths.deleteKey,
  adminPaths.clearKeyspace,
  adminPaths.resetBreaker,
  adminPaths.drain,
]);
const routes = Object.values(adminPaths).map(
  (path): Route => ({
    method: posts.has(path) ? 'POST' : 'GET',
    path,
    answer: () => ({ status: 200, document: {} }),
  }),
);
const router = new Router(routes);
/** Beside these, reading is all that a caller without the right to administer may do. */
const writes = new Set<string>([adminPaths.deleteKey]);

/** That the rights which are asked for are those of the route that will answer. */
const adminTarget: Parser = {
  name: 'admin-target',
  sound: (random) =>
    utf8(
      base +
        random
          .pick([...Object.values(adminPaths)])
          .replace('{name}', random.pick(['ks', 'a%2Fb', '%', '..', '__proto__'])) +
        random.pick(['', '/', '?a=b', '?keyspace=x&limit=1e9']),
    ),
  words: ['/', '//', '..', '%2f', '%', '%00', '?', '#', '/drain', '/delete', '/clear', '/healthz', '\u0000', '\ud83d'],
  read(bytes) {
    const url = Buffer.from(bytes).toString('latin1');
    for (const method of ['GET', 'POST', 'HEAD', 'DELETE']) {
      try {
        const { path } = targetOf(url, base);
        const isWrite = method !== 'GET' && method !== 'HEAD';
        const { rule, keyspace } = adminRuleOf({ path, isWrite });
        const { route, name } = router.match(method, path);
        const isProbe = route.path === adminPaths.health || route.path === adminPaths.ready;
        if (rule.is === 'open' && !isProbe) throw new Error(`${method} ${path} is open, and answered by ${route.path}`);
        if (keyspace !== undefined && keyspace !== name)
          throw new Error(`asked for the rights of ${keyspace}, used ${name}`);
        if (rule.is === 'open' || rule.is === 'node') continue;
        const wanted = !isWrite ? 'read' : writes.has(route.path) ? 'write' : 'admin';
        if (rule.right !== wanted)
          throw new Error(`${method} ${path} asks for ${rule.right} and is answered by ${route.path}`);
        if (name !== '' && keyspace === undefined && rule.is !== 'whole')
          throw new Error(`${path} names a keyspace that nobody checks`);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
  },
};

/** What an HTTP/2 client sends for one call, as a server hears it that says nothing. */
async function recorded(): Promise<Uint8Array> {
  const heard: Buffer[] = [];
  const server = createServer((socket) =>
    socket.on('data', (piece: Buffer) => heard.push(piece)).on('error', () => {}),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).on('error', () => {});
  const message = Buffer.from([0, 0, 0, 0, 7, 0x0a, 2, 0x6b, 0x73, 0x12, 1, 0x6b]);
  const head = {
    ':method': 'POST',
    ':path': '/distcache.v1.Cache/Get',
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  session
    .request(head)
    .on('error', () => {})
    .end(message);
  // Heads are packed, the message is not.
  await until('the call was sent', () => Buffer.concat(heard).includes(message));
  session.destroy();
  server.close();
  return new Uint8Array(Buffer.concat(heard));
}

/** Parsers of one node, closed with the first of them. */
export async function socketParsers(): Promise<readonly Parser[]> {
  const engine = new Engine({
    keyspaces: [{ name: 'ks', maxBytes: '1MiB', dataSource: { fetch: () => 'value' } }],
    bind: { port: 0 },
    admin: { port: 0 },
  });
  await engine.start();
  const [grpc, admin] = [engine.status().grpc, engine.status().admin].map((at) => Number(at.split(':').at(-1))) as [
    number,
    number,
  ];
  const call = await recorded();

  const grpcPort: Parser = {
    name: 'grpc-port',
    dear: true,
    sound: () => call,
    words: [
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\u0016\u0003\u0001',
      'GET / HTTP/1.1\r\n\r\n',
      '/distcache.v1.Peer/Link',
    ],
    async read(bytes) {
      await send(grpc, bytes);
      await ask(grpc, call, (heard) => heard.includes('value'));
    },
    close: () => engine.stop({ timeoutMs: 1_000 }),
  };

  const adminPort: Parser = {
    name: 'admin-port',
    dear: true,
    sound: (random) => {
      const path = random.pick(['', '/node', '/keyspaces/ks', '/keyspaces/ks/delete', '/hotkeys?limit=2', '/healthz']);
      const body = random.pick(['', '{"key":"a"}', '{"key":7}', '[']);
      const type = body === '' ? '' : `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
      return utf8(
        `${random.pick(['GET', 'POST', 'HEAD'])} ${base}${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${type}\r\n${body}`,
      );
    },
    words: [
      '\r\n',
      '\r\n\r\n',
      'transfer-encoding: chunked\r\n',
      'content-length: 9999999999\r\n',
      'HTTP/1.0',
      'PRI * HTTP/2.0',
      '%',
      '//',
      'upgrade: h2c\r\n',
      'expect: 100-continue\r\n',
    ],
    async read(bytes) {
      const heard = (await send(admin, bytes)).toString('latin1');
      if (heard !== '' && !heard.startsWith('HTTP/1.1 ')) throw new Error(`it answered ${heard.slice(0, 100)}`);
      if (/^HTTP\/1\.1 500|node:internal|\.ts:\d|\.js:\d/.test(heard))
        throw new Error(`it answered ${heard.slice(0, 500)}`);
      // A flood of questions is told to come again.
      const probe = utf8(`GET ${base}/healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      await ask(admin, probe, (after) => /^HTTP\/1\.1 (200|429)/.test(after.toString('latin1')));
    },
  };
  return [adminTarget, grpcPort, adminPort];
}
