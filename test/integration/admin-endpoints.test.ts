import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { adminJsonSchema, adminSchemas } from '../../src/admin/schema.js';
import { type DataSource, Engine } from '../../src/index.js';
import { until } from '../support/until.js';

const base = '/_distcache/admin';
const encoder = new TextEncoder();

describe('admin endpoints', function () {
  this.timeout(20_000);
  let engine: Engine;
  let at: string;

  const start = async (options: Partial<ConstructorParameters<typeof Engine>[0]> = {}): Promise<void> => {
    const dataSource: DataSource = { fetch: (key) => (key === 'none' ? null : `value of ${key}`) };
    engine = new Engine({
      name: 'node-a',
      admin: { port: 0 },
      keyspaces: [
        {
          name: 'users',
          maxBytes: '1MiB',
          defaultTtl: '5m',
          warmKeys: ['w'],
          breaker: { failures: 3, reset: '5s' },
          dataSource,
        },
        { name: 'a/b %', maxBytes: '1MiB', dataSource },
      ],
      ...options,
    });
    await engine.start();
    at = `http://${engine.status().admin}${base}`;
  };
  const get = async (path: string): Promise<{ status: number; body: never }> => {
    const response = await fetch(`${at}${path}`);
    return { status: response.status, body: (await response.json()) as never };
  };
  const post = (path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${at}${path}`, {
      method: 'POST',
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  afterEach(() => engine.stop());

  describe('tell', () => {
    const documents: readonly (readonly [string, keyof typeof adminSchemas])[] = [
      ['', 'IndexDocument'],
      ['/node', 'NodeDocument'],
      ['/peers', 'PeersDocument'],
      ['/keyspaces', 'KeyspacesDocument'],
      ['/keyspaces/users', 'KeyspaceDocument'],
      ['/keyspaces/a%2Fb%20%25', 'KeyspaceDocument'],
      ['/hotkeys', 'HotKeysDocument'],
      ['/hotkeys?keyspace=users&limit=1', 'HotKeysDocument'],
      ['/breakers', 'BreakersDocument'],
      ['/ring', 'RingDocument'],
      ['/config', 'ConfigDocument'],
      ['/healthz', 'HealthDocument'],
      ['/readyz', 'ReadyDocument'],
    ];
    it('documents as their schemas have them', async () => {
      await start();
      for (const key of ['a', 'a', 'a', 'b', 'none']) await engine.lookup('users', key);
      for (const [path, name] of documents) {
        const { status, body } = await get(path);
        expect(status, path).to.equal(200);
        const parsed = adminSchemas[name].safeParse(body);
        expect(parsed.success, `${path}: ${parsed.error?.message}`).to.equal(true);
      }
    });

    it('the figures of what was asked', async () => {
      await start();
      for (const key of ['a', 'a', 'a', 'b', 'none']) await engine.lookup('users', key);
      const { body: hot } = await get('/hotkeys?keyspace=users&limit=1');
      expect(hot).to.have.nested.property('keyspaces[0].keys[0].key', 'a');
      expect(hot).to.have.nested.property('keyspaces[0].keys[0].hits', 3);
      expect(hot).to.have.nested.property('keyspaces[0].keys[0].share').closeTo(0.6, 1e-6);
      const { body: node } = await get('/node');
      // The warm key was loaded beside what was asked for.
      expect(node).to.have.property('totals').that.includes({ gets: 5, cache_hits: 2, loads: 3, local_loads: 4 });
      expect(node).to.have.nested.property('latencies.reads.count', 5);
      expect(node).to.have.nested.property('latencies.misses.count', 3);
      const { body: keyspace } = await get('/keyspaces/users');
      expect(keyspace).to.include({
        default_ttl: '5m',
        default_ttl_ms: 300_000,
        read_timeout: '5s',
        max_bytes: 1_048_576,
      });
      expect(keyspace).to.have.property('warm_keys').that.deep.equals(['w']);
      const { body: breakers } = await get('/breakers');
      expect(breakers).to.have.nested.property('sources[0].state', 'closed');
      expect(breakers).to.have.nested.property('sources[1].state', 'off');
    });

    it('what the docs say', async () => {
      await start();
      const docs = JSON.parse(await readFile(new URL('../../docs/admin.schema.json', import.meta.url), 'utf8'));
      expect(docs, 'run npx tsx scripts/admin-schema.mjs').to.deep.equal(adminJsonSchema());
    });

    it('what went wrong, as JSON with a code', async () => {
      await start();
      const rows: readonly (readonly [string, string, number, string])[] = [
        ['GET', '/keyspaces/nope', 404, 'KEYSPACE_NOT_FOUND'],
        ['GET', '/keyspaces/%ZZ', 400, 'INVALID_ARGUMENT'],
        ['GET', '/hotkeys?limit=x', 400, 'INVALID_ARGUMENT'],
        ['GET', '/nothing', 404, 'NOT_FOUND'],
        ['GET', '/../../etc/passwd', 404, 'NOT_FOUND'],
        ['POST', '/peers', 405, 'INVALID_ARGUMENT'],
        ['GET', '/drain', 405, 'INVALID_ARGUMENT'],
        ['POST', '/keyspaces/users/delete', 400, 'INVALID_ARGUMENT'],
        ['POST', '/keyspaces/nope/clear', 404, 'KEYSPACE_NOT_FOUND'],
        ['POST', '/breakers/nope/reset', 404, 'KEYSPACE_NOT_FOUND'],
      ];
      for (const [method, path, status, code] of rows) {
        const response = await fetch(`${at}${path}`, { method });
        const body: unknown = await response.json();
        expect([response.status, adminSchemas.ErrorDocument.parse(body).error.code], path).to.deep.equal([
          status,
          code,
        ]);
      }
      const allow = (await fetch(`${at}/drain`)).headers.get('allow');
      expect(allow).to.equal('POST');
    });
  });

  describe('change', () => {
    it('what they are asked to, by POST', async () => {
      await start();
      await engine.put('users', { key: 'k', value: encoder.encode('mine') });
      const deleted = adminSchemas.KeyDeletedDocument.parse(
        await (await post('/keyspaces/users/delete', { key: 'k' })).json(),
      );
      expect(deleted).to.include({ keyspace: 'users', key: 'k' });
      expect(engine.peek('users', 'k')).to.equal(undefined);
      adminSchemas.SourceDocument.parse(await (await post('/breakers/users/reset')).json());
      await engine.put('users', { key: 'k', value: encoder.encode('mine') });
      const cleared = adminSchemas.KeyspaceClearedDocument.parse(await (await post('/keyspaces/users/clear')).json());
      expect(cleared.nodes).to.deep.equal([{ node: engine.status().node, outcome: 'applied' }]);
      expect(engine.peek('users', 'k')).to.equal(undefined);
    });

    it('nothing for a page in a browser, nor with a body that is no JSON', async () => {
      await start();
      await engine.put('users', { key: 'k', value: encoder.encode('mine') });
      for (const headers of [{ origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
        expect((await post('/keyspaces/users/delete', { key: 'k' }, headers)).status).to.equal(403);
      }
      expect((await post('/keyspaces/users/delete', { key: 'k' }, { 'content-type': 'text/plain' })).status).to.equal(
        415,
      );
      expect((await post('/keyspaces/users/delete', { key: 'x'.repeat(100_000) })).status).to.equal(413);
      expect(engine.peek('users', 'k')?.found).to.equal(true);
    });

    it('readiness: not while draining, and healthy all the same', async () => {
      await start();
      adminSchemas.DrainedDocument.parse(await (await post('/drain')).json());
      const ready = await get('/readyz');
      expect(ready.status).to.equal(503);
      expect(adminSchemas.ReadyDocument.parse(ready.body)).to.include({ ready: false, state: 'draining' });
      expect((await get('/healthz')).status).to.equal(200);
      expect((await engine.get('users', 'a')).found).to.equal(true);
    });
  });

  it('follow events, each once', async () => {
    await start();
    const leaving = new AbortController();
    const response = await fetch(`${at}/events`, { signal: leaving.signal });
    expect(response.headers.get('content-type')).to.equal('text/event-stream');
    let text = '';
    const reading = (async () => {
      for await (const chunk of response.body!) text += Buffer.from(chunk).toString();
    })().catch(() => {});
    await until('it listens', () => text.includes('event: listening'));
    await engine.deleteKeyspace('a/b %');
    await until('the event is told', () => text.includes('event: keyspace-deleted'));
    const data = /event: keyspace-deleted\ndata: (.*)\n\n/.exec(text)?.[1] ?? '';
    const event = adminSchemas.EventDocument.parse(JSON.parse(data));
    expect(event).to.include({ type: 'keyspace-deleted', keyspace: 'a/b %', told_by: 'node-a' });
    leaving.abort();
    await reading;
  });

  it('end with the engine, whoever still follows', async () => {
    await start();
    const response = await fetch(`${at}/events`);
    const ended = (async () => {
      for await (const _ of response.body!);
    })().catch(() => {});
    const idle = connect(portOf(at), '127.0.0.1').on('error', () => {});
    await once(idle, 'connect');
    await engine.stop();
    await ended;
    idle.destroy();
    const refused = await fetch(`${at}/healthz`).then(
      () => 'answered',
      () => 'refused',
    );
    expect(refused).to.equal('refused');
  });

  it('take another port where 3321 is taken, unless it was asked for', async () => {
    await start();
    const taken = portOf(at);
    const second = new Engine({ keyspaces: [], admin: { port: taken } });
    const message = await second.start().then(
      () => 'started',
      (error: Error) => error.message,
    );
    expect(message).to.match(/cannot listen on 127\.0\.0\.1:\d+: address already in use; choose another --admin-addr/);
    await second.stop();
    const pair = [new Engine({ keyspaces: [], admin: {} }), new Engine({ keyspaces: [], admin: {} })];
    for (const each of pair) await each.start();
    const addresses = pair.map((each) => each.status().admin);
    for (const address of addresses) expect((await fetch(`http://${address}${base}/healthz`)).status).to.equal(200);
    expect(addresses[0]).to.not.equal(addresses[1]);
    for (const each of pair) await each.stop();
  });

  it('are nowhere below the base path of another node', async () => {
    await start({ admin: { port: 0, basePath: '/ops' } });
    const { host } = new URL(at);
    expect((await fetch(`http://${host}/ops/healthz`)).status).to.equal(200);
    expect((await fetch(`http://${host}/opsx`)).status).to.equal(404);
    expect((await get('/healthz')).status).to.equal(404);
  });

  it('show the config without its secrets', async () => {
    const secret = Buffer.alloc(32, 7).toString('base64');
    await start({ admin: { port: 0, describe: () => ({ gossip: { secrets: [secret] } }) } });
    const text = await (await fetch(`${at}/config`)).text();
    expect(text).to.include('***').and.to.not.include(secret);
  });

  it('cost little, however many ask, and leave reads alone', async () => {
    await start();
    const { port } = new URL(at);
    // More than may be connected; each asks again as soon as it is answered, and half of them never read.
    const sockets: Socket[] = [];
    let answers = 0;
    for (let i = 0; i < 200; i++) {
      const socket = connect(Number(port), '127.0.0.1');
      const ask = (): void => void socket.write(`GET ${base}/keyspaces HTTP/1.1\r\nhost: x\r\n\r\n`);
      socket.on('error', () => {});
      socket.on('connect', ask);
      if (i % 2 === 0) {
        socket.on('data', (bytes) => {
          answers += bytes.toString().split('HTTP/1.1 ').length - 1;
          ask();
        });
      }
      sockets.push(socket);
    }
    const startedMs = performance.now();
    let reads = 0;
    while (performance.now() - startedMs < 1500 || reads < 2000) {
      for (let i = 0; i < 200; i++) {
        await engine.get('users', `k${i}`);
        reads++;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    const tookS = (performance.now() - startedMs) / 1000;
    for (const socket of sockets) socket.destroy();
    expect(answers).to.be.at.least(100);
    // 400 at once, 200 a second, and each of 64 who read is told to come again four times a second.
    expect(answers, `answers in ${tookS} s`).to.be.at.most(400 + tookS * (200 + 128 * 4) + 128);
    // Probes have a part of their own, once there is a connection to be had.
    await until('a probe is answered', async () => (await get('/healthz').catch(() => undefined))?.status === 200);
  });

  it('give up on heads that do not end, and on bodies', async () => {
    await start();
    const socket = connect(portOf(at), '127.0.0.1').on('error', () => {});
    let told = '';
    socket.on('data', (bytes) => {
      told += bytes.toString();
    });
    socket.write('GET /_distcache/admin HTTP/1.1\r\nx: ');
    const closed = once(socket, 'close');
    socket.write('y'.repeat(20 * 1024));
    await closed;
    expect(told).to.match(/^HTTP\/1\.1 431 /);
  });
});

const portOf = (url: string): number => Number(new URL(url).port);
