import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { expect } from 'chai';
import type { HttpDefinition, SourceContext } from '../../../src/connectors/definition.js';
import type { DataSource } from '../../../src/ports/data-source.js';
import { hostileKeys } from '../../support/hostile-keys.js';
import { fetchOf, rejection, textOf, useSources } from './harness.js';

describe('the http source', () => {
  const harness = useSources();
  let servers: Server[] = [];

  const serve = async (listener: RequestListener): Promise<{ origin: string; server: Server }> => {
    const server = createServer(listener);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
  };
  const open = (
    url: string,
    more: Partial<HttpDefinition> = {},
    overrides: Partial<SourceContext> = {},
  ): Promise<DataSource> => harness.create({ type: 'http', url, ...more }, overrides);
  const against = async (listener: RequestListener, overrides: Partial<SourceContext> = {}): Promise<DataSource> =>
    open(`${(await serve(listener)).origin}/pages/{key}`, {}, overrides);

  beforeEach(() => {
    servers = [];
  });
  afterEach(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  describe('answers', () => {
    const all = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte));
    const rows: readonly [name: string, listener: RequestListener, expected: unknown][] = [
      ['a body, bit for bit', (_, res) => res.end(all), all],
      ['a chunked body', (_, res) => [res.write('a'), res.end('b')], Buffer.from('ab')],
      ['an empty body', (_, res) => res.end(), Buffer.alloc(0)],
      ['204', (_, res) => res.writeHead(204).end(), Buffer.alloc(0)],
      ['404', (_, res) => res.writeHead(404).end('no such page'), null],
      ['410', (_, res) => res.writeHead(410).end(), null],
      ['a long and chunked 404', (_, res) => [res.writeHead(404), res.write('x'.repeat(200_000)), res.end()], null],
      [
        'max-age',
        (_, res) => res.setHeader('cache-control', 'max-age=60').end('v'),
        { value: Buffer.from('v'), ttlMs: 60_000 },
      ],
      [
        'no-store',
        (_, res) => res.setHeader('cache-control', 'no-store').end('v'),
        { value: Buffer.from('v'), ttlMs: 0 },
      ],
    ];
    for (const [name, listener, expected] of rows) {
      it(`with ${name}`, async () => {
        expect(await fetchOf(await against(listener), 'k')).to.deep.equal(expected);
      });
    }

    it('with the tags of a header, apart by commas or spaces', async () => {
      const { origin } = await serve((req, res) => {
        const value = decodeURIComponent(req.url!.split('/').at(-1)!);
        if (value !== 'none') res.setHeader('Cache-Tag', value);
        res.setHeader('cache-control', 'max-age=1').end('v');
      });
      const source = await open(`${origin}/pages/{key}`, { tagsHeader: 'Cache-Tag' });
      const kept = { value: Buffer.from('v'), ttlMs: 1000 };
      expect(await fetchOf(source, 'a, b  c,,d')).to.deep.equal({ ...kept, tags: ['a', 'b', 'c', 'd'] });
      expect(await fetchOf(source, 'none')).to.deep.equal(kept);
      expect(await fetchOf(await open(`${origin}/pages/{key}`), 'a'), 'not asked for').to.deep.equal(kept);
    });

    it('without a time to live where the keyspace has its own', async () => {
      const source = await against((_, res) => res.setHeader('cache-control', 'no-store').end('v'), {
        honourCacheHeaders: false,
      });
      expect(await textOf(source, 'k')).to.equal('v');
    });
  });

  describe('puts the key into the URL', () => {
    const echo: RequestListener = (req, res) => res.end(req.url);

    for (const [name, key] of hostileKeys.filter(([, key]) => key !== '.' && key !== '..')) {
      it(`escaped: ${name}`, async () => {
        const { origin } = await serve(echo);
        const path = await textOf(await open(`${origin}/pages/{key}`), key);
        expect(path).to.match(/^\/pages\/[\w%.~-]+$/);
        expect(decodeURIComponent(path!.slice('/pages/'.length))).to.equal(key);
        const query = await textOf(await open(`${origin}/pages?id={key}&v=1`), key);
        expect(new URL(query!, origin).searchParams.get('id')).to.equal(key);
        expect(new URL(query!, origin).searchParams.get('v')).to.equal('1');
      });
    }

    const rows: readonly [name: string, template: string, key: string, expected: string | null][] = [
      ['not found for one dot as a path part', '/pages/{key}', '.', null],
      ['not found for two dots as a path part', '/pages/{key}', '..', null],
      ['not found for two dots in the middle', '/pages/{key}/raw', '..', null],
      ['not found for a dot that completes two', '/pages/.{key}', '.', null],
      ['not found for a dot that completes encoded ones', '/pages/%2e{key}', '.', null],
      ['dots within a part', '/pages/{key}.html', '..', '/pages/...html'],
      ['dots in the query', '/pages?id={key}', '..', '/pages?id=..'],
      ['not found for a lone surrogate', '/pages/{key}', '\ud800', null],
      ['in every place', '/{key}/x?again={key}', 'a b', '/a%20b/x?again=a%20b'],
    ];
    for (const [name, template, key, expected] of rows) {
      it(name, async () => {
        const { origin } = await serve(echo);
        expect(await textOf(await open(origin + template), key)).to.equal(expected);
      });
    }
  });

  describe('fails', () => {
    const secretive = async (error: Promise<Error & { code?: string }>, message: RegExp): Promise<void> => {
      const { code, message: text } = await error;
      expect(code).to.equal('DATA_SOURCE_FAILED');
      expect(text)
        .to.match(message)
        .and.match(/^the data source of keyspace 'cities': http:\/\/127\.0\.0\.1:\d+ /);
      expect(text)
        .to.not.match(/hush|user|token/)
        .and.not.include('\n');
    };
    const rows: readonly [name: string, listener: RequestListener, message: RegExp][] = [
      ['500', (_, res) => res.writeHead(500).end('hush'), /answered 500 Internal Server Error$/],
      ['503', (_, res) => res.writeHead(503, 'hush').end(), /answered 503 Service Unavailable$/],
      ['401', (_, res) => res.writeHead(401).end(), /answered 401 Unauthorized$/],
      ['304, which nobody asked for', (_, res) => res.writeHead(304).end(), /answered 304/],
      ['a redirect without location', (_, res) => res.writeHead(302).end(), /redirected without a usable location$/],
      [
        'redirects in a circle',
        (req, res) => res.writeHead(302, { location: req.url }).end(),
        /redirected more than 5 times$/,
      ],
      [
        'a redirect to a file',
        (_, res) => res.writeHead(302, { location: 'file:///etc/hush' }).end(),
        /redirected from http: to file:/,
      ],
      [
        'a packed body',
        (_, res) => res.setHeader('content-encoding', 'gzip').end('x'),
        /content-encoding "gzip" although identity/,
      ],
      [
        'a body that breaks off',
        (_, res) => [res.writeHead(200, { 'content-length': 10 }), res.write('abc', () => res.destroy())],
        /broke the connection before/,
      ],
      ['no answer at all', (req) => req.socket.destroy(), /broke the connection before/],
      ['no HTTP', (req) => req.socket.end('hush\r\n\r\n'), /did not answer properly \(HPE_/],
      [
        'endless headers',
        (req) => req.socket.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`),
        /did not answer properly \(HPE_HEADER_OVERFLOW\)/,
      ],
    ];
    for (const [name, listener, message] of rows) {
      it(`on ${name}`, async () => {
        const { origin } = await serve(listener);
        const source = await open(`${origin.replace('//', '//user:hush@')}/{key}?token=hush`, {
          headers: { 'x-api': 'hush' },
        });
        await secretive(rejection(fetchOf(source, 'k')), message);
      });
    }

    it('on a refused connection, and recovers', async () => {
      const { origin, server } = await serve((_, res) => res.end('up'));
      server.close();
      await once(server, 'close');
      const source = await open(`${origin}/{key}`);
      await secretive(rejection(fetchOf(source, 'k')), /refused the connection; is it running\?$/);
      server.listen(Number(new URL(origin).port), '127.0.0.1');
      await once(server, 'listening');
      expect(await textOf(source, 'k')).to.equal('up');
    });
  });

  describe('bounds the body', () => {
    it('and takes one of exactly limits.maxValueBytes', async () => {
      expect(await textOf(await against((_, res) => res.end('x'.repeat(1024))), 'k')).to.have.length(1024);
    });

    const endless: RequestListener = (_, res) => {
      const more = (): void => {
        while (!res.destroyed && res.write('x'.repeat(65_536)));
      };
      res.on('drain', more);
      more();
    };
    const rows: readonly [name: string, listener: RequestListener][] = [
      ['one byte more', (_, res) => res.end('x'.repeat(1025))],
      ['an announced length', (_, res) => [res.writeHead(200, { 'content-length': 10e9 }), res.write('x')]],
      ['an endless body', endless],
    ];
    for (const [name, listener] of rows) {
      it(`and refuses ${name}, hanging up`, async () => {
        let closed: Promise<unknown> | undefined;
        const source = await against((req, res) => {
          closed = new Promise((resolve) => req.socket.on('error', () => {}).once('close', resolve));
          listener(req, res);
        });
        const error = await rejection(fetchOf(source, 'k'));
        expect(error.code).to.equal('VALUE_TOO_LARGE');
        expect(error.message).to.include('limits.maxValueBytes');
        if (name !== 'one byte more') await closed;
      });
    }
  });

  describe('ends with its caller', () => {
    const stages: readonly [name: string, listener: (res: ServerResponse) => void][] = [
      ['before the headers', () => {}],
      ['in the middle of the body', (res) => res.writeHead(200, { 'content-length': 10 }).write('abc')],
      ['in the middle of a chunked body', (res) => res.write('abc')],
    ];
    for (const [name, listener] of stages) {
      it(`${name}, and hangs up`, async () => {
        const controller = new AbortController();
        const hungUp = Promise.withResolvers<void>();
        const source = await against((req, res) => {
          req.socket.once('close', () => hungUp.resolve());
          listener(res);
          setImmediate(() => controller.abort());
        });
        expect((await rejection(fetchOf(source, 'k', controller.signal))).code).to.equal('ABORTED');
        await hungUp.promise;
      });
    }

    it('before it begins', async () => {
      let asked = 0;
      const source = await against((_, res) => {
        asked++;
        res.end();
      });
      expect((await rejection(fetchOf(source, 'k', AbortSignal.abort()))).code).to.equal('ABORTED');
      expect(asked).to.equal(0);
    });
  });

  describe('headers', () => {
    it('are sent, with the credentials of the URL, and stay at the configured origin', async () => {
      const seen: [string, IncomingMessage['headers']][] = [];
      const note =
        (name: string, target?: () => string): RequestListener =>
        (req, res) => {
          seen.push([name, req.headers]);
          if (target === undefined) res.end('there');
          else res.writeHead(307, { location: target() }).end();
        };
      const away = await serve((req, res) =>
        (req.url === '/1' ? note('away', () => `${home.origin}/last`) : note('?'))(req, res),
      );
      const home = await serve((req, res) =>
        (req.url === '/k'
          ? note('home', () => '/moved')
          : req.url === '/moved'
            ? note('moved', () => `${away.origin}/1`)
            : note('back'))(req, res),
      );
      const url = `${home.origin.replace('//', '//us%40er:p%3Aw@')}/{key}`;
      const source = await open(url, { headers: { 'X-Api-Key': 'hush', Accept: 'text/plain' } });
      expect(await textOf(source, 'k')).to.equal('there');
      const authorization = `Basic ${Buffer.from('us@er:p:w').toString('base64')}`;
      expect(
        seen.map(([name, headers]) => [name, headers.authorization, headers['x-api-key'], headers.accept]),
      ).to.deep.equal([
        ['home', authorization, 'hush', 'text/plain'],
        ['moved', authorization, 'hush', 'text/plain'],
        ['away', undefined, undefined, '*/*'],
        ['back', undefined, undefined, '*/*'],
      ]);
    });

    it('of the definition beat the credentials of the URL', async () => {
      const { origin } = await serve((req, res) => res.end(req.headers.authorization));
      const source = await open(`${origin.replace('//', '//a:b@')}/{key}`, { headers: { Authorization: 'Bearer x' } });
      expect(await textOf(source, 'k')).to.equal('Bearer x');
    });

    for (const [name, headers, message] of [
      ['line breaks in a value', { 'x-token': 'hush\r\nevil: 1' }, /source\.headers\.x-token: is no valid header/],
      ['blanks in a name', { 'x token': 'hush' }, /source\.headers\.x token: is no valid header/],
      ['framing', { 'Content-Length': '5' }, /source\.headers\.Content-Length: is set by HTTP itself/],
    ] as const) {
      it(`refuse ${name} without quoting it`, async () => {
        const error = await rejection(open('http://127.0.0.1:1/{key}', { headers }));
        expect(error.code).to.equal('INVALID_ARGUMENT');
        expect(error.message).to.match(message).and.not.include('hush');
      });
    }
  });

  describe('connections', () => {
    it('are kept, also over 404, and closed by close()', async () => {
      const sockets = new Set<unknown>();
      const closed: Promise<unknown>[] = [];
      const { origin } = await serve((req, res) => {
        if (!sockets.has(req.socket)) closed.push(once(req.socket, 'close'));
        sockets.add(req.socket);
        res.writeHead(req.url === '/none' ? 404 : 200).end('v');
      });
      const source = await open(`${origin}/{key}`);
      for (const key of ['a', 'none', 'b', 'none', 'c']) {
        await fetchOf(source, key);
        // The client gives the connection back one turn after the body ended.
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(sockets.size).to.equal(1);
      await source.close?.();
      await Promise.all(closed);
    });

    it('that turn out closed just when they are used are replaced once', async () => {
      let requests = 0;
      const server: TcpServer = createTcpServer((socket) => {
        socket.on('error', () => {});
        let served = 0;
        socket.on('data', () => {
          requests++;
          // The first request of a connection is answered, the next finds it closed.
          if (served++ === 0) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nv');
          else socket.resetAndDestroy();
        });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const source = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/{key}`);
      expect(await textOf(source, 'a')).to.equal('v');
      await new Promise((resolve) => setImmediate(resolve));
      expect(await textOf(source, 'b')).to.equal('v');
      expect(requests).to.equal(3);
      await source.close?.();
      server.close();
    });
  });

  const refusals: readonly [name: string, url: string, message: RegExp][] = [
    ['no {key}', 'http://127.0.0.1/pages', /lacks \{key\}/],
    ['{key} as the host', 'http://{key}/pages', /has \{key\} outside of path and query/],
    ['{key} within the host', 'http://{key}.example.org/', /has \{key\} outside of path and query/],
    ['{key} as the password', 'http://a:{key}@example.org/{key}', /has \{key\} outside of path and query/],
    ['{key} in the fragment', 'http://example.org/{key}#{key}', /has \{key\} outside of path and query/],
    ['{key} as the port', 'http://example.org:{key}/', /is no URL/],
    ['another scheme', 'file:///{key}', /starts with file:, allowed are http: and https:/],
    ['no URL', 'example.org/hush/{key}', /is no URL/],
  ];
  for (const [name, url, message] of refusals) {
    it(`refuses ${name}`, async () => {
      const error = await rejection(open(url));
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.message)
        .to.match(/^keyspaces\.cities\.source\.url: /)
        .and.match(message)
        .and.not.include('hush');
    });
  }

  it('does not ask the server before the first key', async () => {
    const { origin, server } = await serve((_, res) => res.end());
    server.close();
    expect(await open(`${origin}/{key}`)).to.have.property('fetch');
  });
});
