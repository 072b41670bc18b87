import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { connect as connectSocket, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  credentials,
  Client as GrpcClient,
  loadPackageDefinition,
  type ServiceClientConstructor,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { expect } from 'chai';
import { protoPath as healthProto } from 'grpc-health-check';
import { CountingSource } from '../support/counting-source.js';
import { configOf, httpSource, type RealNode, RealNodes } from '../support/real-nodes.js';
import type { TcpRelay } from '../support/tcp-relay.js';
import { until, within } from '../support/until.js';

const protoDir = fileURLToPath(new URL('../../proto', import.meta.url));
const reflectionProto = join(
  dirname(createRequire(import.meta.url).resolve('@grpc/reflection/package.json')),
  'build/proto/grpc/reflection/v1/reflection.proto',
);
const config = configOf('{ type: none }');
const raw = (bytes: Buffer): Buffer => bytes;

/** A client made of the .proto file alone, as one in another language is. */
function stubOf(file: string, service: string, address: string) {
  let found: unknown = loadPackageDefinition(
    loadSync(file, { includeDirs: [protoDir], enums: String, defaults: true }),
  );
  for (const part of service.split('.')) found = (found as Record<string, unknown>)[part];
  return new (found as ServiceClientConstructor)(address, credentials.createInsecure());
}
type Stub = ReturnType<typeof stubOf>;

/** A unary call; rejects with gRPC's own error. */
const call = (stub: Stub, method: string, message: object): Promise<Record<string, unknown>> =>
  new Promise((resolve, reject) => {
    stub[method]!(message, (error: unknown, reply: Record<string, unknown>) =>
      error ? reject(error) : resolve(reply),
    );
  });

describe('integration: what else talks to a node', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  const stubs: { close(): void }[] = [];
  const relays: TcpRelay[] = [];

  beforeEach(async () => {
    nodes = await RealNodes.open();
  });
  afterEach(async () => {
    for (const stub of stubs.splice(0)) stub.close();
    await nodes.close();
    await Promise.all(relays.splice(0).map((relay) => relay.close()));
  });

  const stub = (file: string, service: string, { grpc }: RealNode): Stub => {
    const made = stubOf(file, service, grpc);
    stubs.push(made);
    return made;
  };
  const rawClient = ({ grpc }: RealNode): GrpcClient => {
    const made = new GrpcClient(grpc, credentials.createInsecure());
    stubs.push(made);
    return made;
  };

  it('a client made of cache.proto: get, put, delete, and found as an answer', async () => {
    const node = await nodes.start({ config });
    const cache = stub(join(protoDir, 'distcache/v1/cache.proto'), 'distcache.v1.Cache', node);
    expect(await call(cache, 'Get', { keyspace: 'ks', key: 'k' })).to.deep.include({ found: false });
    await call(cache, 'Put', { keyspace: 'ks', entry: { key: 'k', value: Buffer.from('v') } });
    const reply = await call(cache, 'Get', { keyspace: 'ks', key: 'k' });
    expect(reply).to.deep.include({ found: true, value: Buffer.from('v'), outcome: 'OUTCOME_HIT' });
    await call(cache, 'Delete', { keyspace: 'ks', key: 'k' });
    expect(await call(cache, 'Get', { keyspace: 'ks', key: 'k' })).to.deep.include({ found: false });
    const refused = await call(cache, 'Get', { keyspace: 'nowhere', key: 'k' }).catch((error) => error);
    expect(refused.metadata.get('distcache-code')).to.deep.equal(['KEYSPACE_NOT_FOUND']);
  });

  it('grpc.health.v1: serving, unknown services, and no longer serving while it drains', async () => {
    const source = await CountingSource.start();
    const node = await nodes.start({ config: configOf(httpSource(source.template)) });
    const health = stub(healthProto, 'grpc.health.v1.Health', node);
    for (const service of ['', 'distcache.v1.Cache', 'distcache.v1.Cluster']) {
      expect(await call(health, 'Check', { service }), service).to.deep.equal({ status: 'SERVING' });
    }
    const unknown = await call(health, 'Check', { service: 'nobody' }).catch((error) => error);
    expect(unknown.code).to.equal(status.NOT_FOUND);

    const watched: string[] = [];
    const watch = health.Watch!({ service: '' });
    watch.on('data', (message: { status: string }) => watched.push(message.status)).on('error', () => {});
    await until('the watch begins', () => watched.length === 1);
    source.hold();
    const reading = nodes.client([node]).get('ks', 'k');
    await until('a read is under way', () => source.underway === 1);
    node.signal('SIGTERM');
    await until('those who watch are told', () => watched.length === 2);
    expect(watched).to.deep.equal(['SERVING', 'NOT_SERVING']);
    expect(await call(health, 'Check', { service: '' })).to.deep.equal({ status: 'NOT_SERVING' });
    source.release();
    expect(Buffer.from((await reading).value).toString()).to.equal('document of k');
    expect(await within(10_000, 'the end of the node', node.exited)).to.equal(0);
    await source.stop();
  });

  it('reflection: lists the services and describes them', async () => {
    const node = await nodes.start({ config });
    const reflection = stub(reflectionProto, 'grpc.reflection.v1.ServerReflection', node);
    const stream = reflection.ServerReflectionInfo!();
    const ask = async (message: object) => {
      stream.write(message);
      const [reply] = await within(5_000, 'the answer', once(stream, 'data'));
      return reply;
    };
    const { listServicesResponse } = await ask({ listServices: '' });
    const names = listServicesResponse.service.map(({ name }: { name: string }) => name);
    expect(names).to.include.members(['distcache.v1.Cache', 'distcache.v1.Cluster', 'grpc.health.v1.Health']);
    const { fileDescriptorResponse } = await ask({ fileContainingSymbol: 'distcache.v1.Cache' });
    expect(Buffer.concat(fileDescriptorResponse.fileDescriptorProto).toString('latin1')).to.contain('GetManyRequest');
    stream.end();
  });

  it('HTTP/1, random bytes, silent and broken connections, foreign calls: nobody else is disturbed', async () => {
    const cluster = await nodes.cluster(['one', 'two'], { config });
    const [first] = cluster as [RealNode];
    const client = nodes.client([first]);
    await client.put('ks', { key: 'k', value: Buffer.from('v') });
    let reads = 0;
    let isOver = false;
    const reading = (async () => {
      while (!isOver) {
        expect(Buffer.from((await client.get('ks', 'k')).value).toString()).to.equal('v');
        reads++;
      }
    })();

    const sockets: Socket[] = [];
    const openSocket = async (): Promise<Socket> => {
      const socket = connectSocket(first.port, '127.0.0.1').on('error', () => {});
      sockets.push(socket);
      await once(socket, 'connect');
      return socket;
    };
    for (let n = 0; n < 20; n++) await openSocket();
    for (let n = 0; n < 20; n++) (await openSocket()).write(randomBytes(1 + n * 997));
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    for (let n = 0; n < 20; n++) (await openSocket()).write(Buffer.concat([preface, randomBytes(1 + n * 991)]));
    for (let n = 0; n < 10; n++) (await openSocket()).resetAndDestroy();
    const answer = await fetch(`http://${first.grpc}/`).then(
      (response) => `answered ${response.status}`,
      () => 'refused',
    );
    expect(answer).to.be.oneOf(['refused', 'answered 400', 'answered 403', 'answered 426', 'answered 505']);

    const foreign = rawClient(first);
    const unary = (path: string, bytes: Buffer): Promise<number> =>
      new Promise((resolve) => {
        foreign.makeUnaryRequest(path, raw, raw, bytes, (error) => resolve(error?.code ?? status.OK));
      });
    expect(await unary('/nobody.v1.Nothing/Do', Buffer.alloc(0))).to.equal(status.UNIMPLEMENTED);
    expect(await unary('/distcache.v1.Cache/Get', Buffer.from('ffffffff', 'hex'))).to.equal(status.INVALID_ARGUMENT);
    for (let n = 0; n < 20; n++) {
      const link = foreign.makeBidiStreamRequest('/distcache.v1.Peer/Link', raw, raw);
      link.on('data', () => {}).on('error', () => {});
      link.write(randomBytes(1 + n * 983));
      await within(10_000, 'the end of a foreign link', once(link, 'status'));
    }

    const readsBefore = reads;
    await until('reads go on', () => reads > readsBefore + 100);
    isOver = true;
    await reading;
    expect((await client.status()).peers).to.equal(2);
    for (const socket of sockets) socket.destroy();
    expect(first.exit).to.equal(undefined);
    // Refusals are told once, not once a stream; random bytes may begin as TLS does.
    const told = complaints(first).map((line) => (line.includes('speaks TLS') ? 'TLS' : 'else'));
    expect(new Set(told).size, first.stderr).to.equal(told.length);
  });

  const complaints = (node: RealNode): readonly string[] =>
    node
      .log()
      .filter(({ level }) => level >= 40)
      .map(({ msg }) => msg);

  it('a node with another label never joins, and both sides say so once a minute at most', async () => {
    const cluster = await nodes.cluster(['one', 'two'], { config, args: ['--label', 'red'] });
    const [first] = cluster as [RealNode];
    const blue = await nodes.start({ name: 'three', config, peers: [first], args: ['--label', 'blue'] });
    await until('it tried more than once', () => complaints(blue).some((line) => line.includes('attempts')));
    expect((await nodes.client([blue]).status()).peers).to.equal(1);
    expect((await nodes.client([first]).peers()).map(({ name }) => name)).to.deep.equal(['one', 'two']);
    // Once that nobody answers, and once that it goes on alone.
    expect(complaints(blue)).to.have.length(2);
    for (const line of complaints(blue)) expect(line).to.contain('label');
    expect(complaints(first)).to.have.length(1);
    expect(complaints(first)[0]).to.contain('label');
    // Two clusters stay two caches.
    await nodes.client([blue]).put('ks', { key: 'k', value: Buffer.from('blue') });
    expect((await nodes.client([first]).lookup('ks', 'k')).found).to.equal(false);
  });

  it('a second node of the same name does not start: both say which name', async () => {
    const cluster = await nodes.cluster(['one', 'two'], { config });
    const [first] = cluster as [RealNode];
    const impatient = configOf('{ type: none }', { top: 'cluster: { bootstrapTimeout: 3s }' });
    const second = await nodes.spawn({ name: 'one', config: impatient, peers: [first] });
    expect(await within(20_000, 'the end of the second', second.exited)).to.equal(2);
    expect(second.stderr).to.contain(`the name one belongs to the member at ${first.gossip}; give this node another`);
    expect(second.stdout).not.to.contain('"ready"');
    expect((await nodes.client([first]).status()).peers).to.equal(2);
    expect(complaints(first)).to.have.length(1);
    expect(complaints(first)[0]).to.contain('claims the name one').and.contain('its own name');
  });
});
