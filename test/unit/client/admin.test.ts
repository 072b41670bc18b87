import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { AdminClient, type AdminOptions } from '../../../src/client/admin.js';
import { type AdminTarget, adminTargetOf } from '../../../src/client/admin-target.js';
import { TestAuthority } from '../../support/issued.js';

/** A server on a free port, and a client that knows where. */
async function serve(listener: RequestListener, options: AdminOptions = {}) {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const target: AdminTarget = adminTargetOf(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  const client = new AdminClient({ timeoutMs: 2_000, ...options });
  return {
    target,
    client,
    async [Symbol.asyncDispose]() {
      client.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a promise that has to fail fails with. */
async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

const answer =
  (status: number, text: string): RequestListener =>
  (_request, response) =>
    response.writeHead(status).end(text);

describe('AdminClient', () => {
  it('asks below the base path, with its token, and reads the document', async () => {
    const seen: string[] = [];
    await using server = await serve(
      (request, response) => {
        seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
        response.end('{"node":"a","peers":[]}');
      },
      { token: 'secret' },
    );
    expect(await server.client.peers(server.target)).to.deep.equal({ node: 'a', peers: [] });
    expect(seen).to.deep.equal(['GET /_distcache/admin/peers Bearer secret']);
  });

  it('sends keys and names as they are, whatever they hold', async () => {
    let seen = '';
    await using server = await serve(async (request, response) => {
      let body = '';
      for await (const piece of request) body += piece;
      seen = `${request.method} ${request.url} ${body}`;
      response.end('{"unreached":[]}');
    });
    await server.client.deleteKey(server.target, 'a/b ?', 'k\u001b"ü');
    expect(seen).to.equal(
      `POST /_distcache/admin/keyspaces/a%2Fb%20%3F/delete ${JSON.stringify({ key: 'k\u001b"ü' })}`,
    );
  });

  const refusals: readonly [string, number, string, string, string][] = [
    [
      'in our own words',
      404,
      '{"error":{"code":"KEYSPACE_NOT_FOUND","message":"no such"}}',
      'KEYSPACE_NOT_FOUND',
      'no such',
    ],
    ['for want of a token', 401, '', 'UNAUTHORIZED', '--token'],
    ['as asked too often', 429, '', 'OVERLOADED', 'too often'],
    [
      'as something else on that port',
      404,
      '<html>',
      'PEER_UNREACHABLE',
      'is not the admin server of a distcache node',
    ],
    ['with a status and no word', 500, '', 'PEER_UNREACHABLE', 'answered with status 500'],
    ['of no such path', 404, '{"error":{"code":"NOT_FOUND","message":"x"}}', 'PEER_UNREACHABLE', 'below another path'],
    ['with what is no JSON', 200, 'hello', 'PEER_UNREACHABLE', 'is not the admin server of a distcache node'],
    ['with JSON that is no document', 200, '7', 'PEER_UNREACHABLE', 'is not the admin server of a distcache node'],
  ];
  for (const [name, status, text, code, message] of refusals) {
    it(`tells of an answer ${name}`, async () => {
      await using server = await serve(answer(status, text));
      const error = await failure(server.client.node(server.target));
      expect(codeOf(error)).to.equal(code);
      expect(error.message).to.include(message);
    });
  }

  it('takes the reason of a node that is not ready for an answer', async () => {
    await using server = await serve(answer(503, '{"ready":false,"reason":"warming up"}'));
    expect(await server.client.ready(server.target)).to.deep.equal({ ready: false, reason: 'warming up' });
  });

  it('waits no longer than told, for the head and for the end of an answer', async () => {
    await using silent = await serve(() => {});
    await using endless = await serve((_request, response) => response.write('{"node":'));
    for (const { client, target } of [silent, endless]) {
      const error = await failure(client.node(target, { timeoutMs: 30 }));
      expect(codeOf(error)).to.equal('TIMEOUT');
      expect(error.message).to.include('did not answer within 30ms');
    }
  });

  it('ends when the caller does', async () => {
    await using server = await serve(() => {});
    const caller = new AbortController();
    const asked = failure(server.client.node(server.target, { signal: caller.signal }));
    caller.abort();
    expect(codeOf(await asked)).to.equal('ABORTED');
    expect(codeOf(await failure(server.client.node(server.target, { signal: caller.signal })))).to.equal('ABORTED');
  });

  it('reads no answer beyond its limit', async () => {
    await using server = await serve(answer(200, 'x'.repeat(5_000)), { answerBytesMax: 1_024 });
    const error = await failure(server.client.node(server.target));
    expect(codeOf(error)).to.equal('VALUE_TOO_LARGE');
    expect(error.message).to.include('more than 1KiB');
  });

  it('says that nobody listens', async () => {
    const server = await serve(() => {});
    await server[Symbol.asyncDispose]();
    const error = await failure(new AdminClient().node(server.target));
    expect(codeOf(error)).to.equal('PEER_UNREACHABLE');
    expect(error.message).to.include('refused the connection');
  });

  it('tells that TLS did not come about, whichever side did not speak it', async () => {
    const { cert, key } = await (await TestAuthority.create()).server();
    const server = createTlsServer({ cert, key }, answer(200, '{}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await using plain = await serve(answer(200, '{}'));
    const client = new AdminClient({ timeoutMs: 2_000 });
    const rows = [
      [`http://127.0.0.1:${port}`, 'speaks TLS; write https://'],
      [`https://127.0.0.1:${port}`, 'not trusted'],
      [plain.target.origin.replace('http:', 'https:'), 'speaks no TLS; write http://'],
    ] as const;
    for (const [address, says] of rows) {
      const error = await failure(client.node(adminTargetOf(address)));
      expect(codeOf(error), address).to.equal('UNAUTHORIZED');
      expect(error.message).to.include(says);
    }
    client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('tells of what speaks no HTTP/1.1, as gRPC ports do not', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {}).write('\0\0\x12\x04', () => socket.destroySoon());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const error = await failure(new AdminClient().node(adminTargetOf(`127.0.0.1:${port}`)));
    expect(codeOf(error)).to.equal('PEER_UNREACHABLE');
    expect(error.message).to.include('is it the gRPC port');
    await new Promise((resolve) => server.close(resolve));
  });

  it('follows events until the server ends them', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: listening\ndata: {"type":"listening"}\n\n: still here\n\n');
      response.end('data: {"type":"peer-left"}\n\n');
    });
    const types: string[] = [];
    for await (const { type } of server.client.events(server.target)) types.push(type);
    expect(types).to.deep.equal(['listening', 'peer-left']);
  });

  it('follows events beyond the time-out, which is that of subscribing', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200).flushHeaders();
      setTimeout(() => response.end('data: {"type":"late"}\n\n'), 60);
    });
    const types: string[] = [];
    for await (const { type } of server.client.events(server.target, { timeoutMs: 30 })) types.push(type);
    expect(types).to.deep.equal(['late']);
  });

  it('stops following when the caller ends it, when the connection breaks, and when it is refused', async () => {
    const outcome = async (listener: RequestListener, signal?: AbortSignal): Promise<string | undefined> => {
      await using server = await serve(listener);
      const events = server.client.events(server.target, { signal });
      return codeOf(await failure(events.next().then(() => events.next())));
    };
    const caller = new AbortController();
    const first = 'data: {"type":"listening"}\n\n';
    const aborted = outcome((_request, response) => {
      response.write(first, () => setTimeout(() => caller.abort(), 5));
    }, caller.signal);
    expect(await aborted).to.equal('ABORTED');
    expect(
      await outcome((_request, response) => {
        response.write(first, () => setTimeout(() => response.destroy(), 5));
      }),
    ).to.equal('PEER_UNREACHABLE');
    expect(await outcome(answer(403, ''))).to.equal('UNAUTHORIZED');
  });
});

describe('adminTargetOf', () => {
  const good: readonly [string, string, string][] = [
    ['127.0.0.1:3321', 'http://127.0.0.1:3321', '/_distcache/admin'],
    ['http://[::1]:3321/', 'http://[::1]:3321', '/_distcache/admin'],
    ['https://cache.example:8443/internal/cache/', 'https://cache.example:8443', '/internal/cache'],
  ];
  for (const [text, origin, basePath] of good) {
    it(`reads ${text}`, () => expect(adminTargetOf(text)).to.deep.equal({ origin, basePath }));
  }
  for (const text of ['', 'ftp://a:1', 'http://', 'http://user:pw@a:1', 'http://a:1/?b', 'http://a:99999']) {
    it(`refuses ${JSON.stringify(text)}`, () => expect(() => adminTargetOf(text)).to.throw('admin server'));
  }
});
