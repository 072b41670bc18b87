import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { expect } from 'chai';
import { protoPath as healthProto } from 'grpc-health-check';
import { Engine } from '../../src/node/engine.js';
import { adminPaths } from '../../src/ports/admin.js';
import { TestAuthority } from '../support/issued.js';

/*
 * Every remote procedure and every admin endpoint, asked over each transport with each kind of token. What must come of it
 * stands in one table here, written by hand: it shares nothing with the tables that the node goes by.
 */

const kinds = ['none', 'wrong', 'read', 'write', 'admin'] as const;
type Kind = (typeof kinds)[number];
type Needs = 'open' | 'read' | 'write' | 'admin' | 'node';

const rpcTable: Readonly<Record<string, Needs>> = {
  '/distcache.v1.Cache/Get': 'read',
  '/distcache.v1.Cache/GetMany': 'read',
  '/distcache.v1.Cache/Put': 'write',
  '/distcache.v1.Cache/PutMany': 'write',
  '/distcache.v1.Cache/Delete': 'write',
  '/distcache.v1.Cache/DeleteMany': 'write',
  '/distcache.v1.Cache/DeleteMatching': 'write',
  '/distcache.v1.Cluster/Status': 'read',
  '/distcache.v1.Cluster/ListPeers': 'read',
  '/distcache.v1.Cluster/ListKeyspaces': 'read',
  '/distcache.v1.Cluster/GetKeyspace': 'read',
  '/distcache.v1.Cluster/LocateKey': 'read',
  '/distcache.v1.Cluster/HotKeys': 'read',
  '/distcache.v1.Cluster/Warm': 'read',
  '/distcache.v1.Cluster/WatchEvents': 'read',
  '/distcache.v1.Cluster/UpdateKeyspace': 'admin',
  '/distcache.v1.Cluster/ClearKeyspace': 'admin',
  '/distcache.v1.Cluster/DeleteKeyspaces': 'admin',
  '/distcache.v1.Cluster/Drain': 'admin',
  '/distcache.v1.Peer/Link': 'node',
  '/grpc.health.v1.Health/Check': 'open',
  '/grpc.health.v1.Health/Watch': 'open',
  '/grpc.health.v1.Health/List': 'open',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': 'read',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': 'read',
};

const adminTable: readonly (readonly ['GET' | 'POST', string, Needs])[] = [
  ['GET', '/healthz', 'open'],
  ['GET', '/readyz', 'open'],
  ['GET', '', 'read'],
  ['GET', '/node', 'read'],
  ['GET', '/peers', 'read'],
  ['GET', '/keyspaces', 'read'],
  ['GET', '/keyspaces/ks', 'read'],
  ['GET', '/hotkeys', 'read'],
  ['GET', '/breakers', 'read'],
  ['GET', '/ring', 'read'],
  ['GET', '/config', 'read'],
  ['GET', '/metrics', 'read'],
  ['GET', '/events', 'read'],
  ['GET', '/nowhere', 'read'],
  ['POST', '/keyspaces/ks/delete', 'write'],
  ['POST', '/keyspaces/ks/clear', 'admin'],
  ['POST', '/breakers/ks/reset', 'admin'],
  ['POST', '/drain', 'admin'],
];

type Verdict = 'let in' | 'who are you' | 'you may not';

/** Nobody is a node here: these nodes stand alone. */
function expected(needs: Needs, kind: Kind): Verdict {
  if (needs === 'open') return 'let in';
  if (needs === 'node' || kind === 'none' || kind === 'wrong') return 'who are you';
  return needs === kind ? 'let in' : 'you may not';
}

const tokenOf = (kind: Kind): string | undefined => (kind === 'none' ? undefined : `token-${kind}`);
const tokens = (['read', 'write', 'admin'] as const).map((right) => ({
  name: right,
  token: `token-${right}`,
  allow: [right],
}));

interface Rpc {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** As the proto files have them. Reflection's are in a package; both have one that streams both ways. */
function allRpcs(): readonly Rpc[] {
  const proto = fileURLToPath(new URL('../../proto', import.meta.url));
  const files = ['cache', 'peer'].map((name) => join(proto, 'distcache/v1', `${name}.proto`));
  const loaded = Object.values(loadSync([...files, healthProto], { includeDirs: [proto] }));
  const ours = loaded.filter((found) => !('format' in found)).flatMap((service) => Object.values(service as object));
  const reflection = ['v1', 'v1alpha'].map((version) => ({
    path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    requestStream: true,
    responseStream: true,
  }));
  return [...(ours as Rpc[]), ...reflection];
}

const identity = (bytes: Buffer): Buffer => bytes;
/** Field 1 is `ks`, which is the keyspace wherever there is one. */
const message = Buffer.from([0x0a, 2, 0x6b, 0x73]);

/** What comes of a call: anything but a refusal means that it was let in. */
function callRpc(client: Client, rpc: Rpc, token: string | undefined): Promise<Verdict> {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const options = { deadline: Date.now() + 10_000 };
  return new Promise((resolve, reject) => {
    const judge = (error: ServiceError | null): void => {
      if (error?.code === status.UNAUTHENTICATED) resolve('who are you');
      else if (error?.code === status.PERMISSION_DENIED) resolve('you may not');
      else if (error?.code === status.UNAVAILABLE) reject(error);
      else resolve('let in');
    };
    if (!rpc.requestStream && !rpc.responseStream) {
      client.makeUnaryRequest(rpc.path, identity, identity, message, metadata, options, judge);
      return;
    }
    const sent = rpc.requestStream
      ? client.makeBidiStreamRequest(rpc.path, identity, identity, metadata, options)
      : undefined;
    const call = sent ?? client.makeServerStreamRequest(rpc.path, identity, identity, message, metadata, options);
    call.on('error', judge).on('end', () => judge(null));
    call.on('data', () => {
      judge(null);
      call.cancel();
    });
    // A reflection request that lists the services.
    sent?.end(Buffer.from([0x3a, 0]));
  });
}

function callAdmin(url: string, method: string, tls: RequestOptions, token: string | undefined): Promise<Verdict> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false, ...tls }, (response) => {
      const { statusCode } = response;
      response.destroy();
      resolve(statusCode === 401 ? 'who are you' : statusCode === 403 ? 'you may not' : 'let in');
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('integration: who may do what', function () {
  this.timeout(120_000);
  let authority: TestAuthority;
  const engines: Engine[] = [];
  const transports: Record<string, { engine: Engine; channel: ChannelCredentials; tls: RequestOptions }> = {};

  before(async () => {
    authority = await TestAuthority.create();
    const [node, app] = [await authority.node(), await authority.client()];
    const ca = authority.ca.cert;
    const start = async (tls?: { clientAuth: 'none' | 'require' }): Promise<Engine> => {
      const engine = new Engine({
        keyspaces: [{ name: 'ks', maxBytes: '1MiB', dataSource: { fetch: () => null } }],
        bind: { port: 0 },
        admin: { port: 0 },
        auth: { tokens },
        ...(tls && { tls: { ca, cert: node.cert, key: node.key, ...tls } }),
      });
      engines.push(engine);
      await engine.start();
      return engine;
    };
    const own = { ca, cert: app.cert, key: app.key };
    transports.plain = { engine: await start(), channel: credentials.createInsecure(), tls: {} };
    transports.TLS = {
      engine: await start({ clientAuth: 'none' }),
      channel: credentials.createSsl(Buffer.from(ca)),
      tls: { ca } as RequestOptions,
    };
    transports['mutual TLS'] = {
      engine: await start({ clientAuth: 'require' }),
      channel: credentials.createSsl(Buffer.from(ca), Buffer.from(app.key), Buffer.from(app.cert)),
      tls: own as RequestOptions,
    };
  });
  after(async () => {
    await Promise.all(engines.map((engine) => engine.stop({ timeoutMs: 1_000 })));
  });

  it('is told for every remote procedure there is', () => {
    expect(Object.keys(rpcTable).sort()).to.deep.equal(
      allRpcs()
        .map(({ path }) => path)
        .sort(),
    );
  });

  it('is told for every admin endpoint there is', () => {
    const asked = new Set(adminTable.map(([, path]) => path));
    for (const path of Object.values(adminPaths)) expect(asked).to.include(path.replace('{name}', 'ks'));
  });

  for (const name of ['plain', 'TLS', 'mutual TLS']) {
    it(`over ${name}, with each token, of every remote procedure`, async () => {
      const { engine, channel } = transports[name]!;
      const client = new Client(engine.status().grpc.replace('127.0.0.1', 'localhost'), channel);
      const found: string[] = [];
      const wanted: string[] = [];
      for (const rpc of allRpcs()) {
        for (const kind of kinds) {
          found.push(`${rpc.path} ${kind}: ${await callRpc(client, rpc, tokenOf(kind))}`);
          wanted.push(`${rpc.path} ${kind}: ${expected(rpcTable[rpc.path]!, kind)}`);
        }
      }
      client.close();
      expect(found).to.deep.equal(wanted);
    });

    it(`over ${name}, with each token, of every admin endpoint`, async () => {
      const { engine, tls } = transports[name]!;
      const scheme = name === 'plain' ? 'http' : 'https';
      const found: string[] = [];
      const wanted: string[] = [];
      for (const [method, path, needs] of adminTable) {
        for (const kind of kinds) {
          const url = `${scheme}://${engine.status().admin}/_distcache/admin${path}`;
          found.push(`${method} ${path} ${kind}: ${await callAdmin(url, method, tls, tokenOf(kind))}`);
          wanted.push(`${method} ${path} ${kind}: ${expected(needs, kind)}`);
        }
      }
      expect(found).to.deep.equal(wanted);
    });
  }

  it('is nothing where TLS is asked for and does not come', async () => {
    for (const name of ['TLS', 'mutual TLS']) {
      const client = new Client(transports[name]!.engine.status().grpc, credentials.createInsecure());
      for (const rpc of allRpcs()) expect(await callRpc(client, rpc, 'token-admin'), rpc.path).to.equal('who are you');
      client.close();
    }
  });
});
