import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import {
  Client,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { expect } from 'chai';
import { protoPath as healthProto } from 'grpc-health-check';
import { systemClock } from '../../../src/platform/clock.js';
import { silent } from '../../../src/ports/log.js';
import { createGrpcServer } from '../../../src/transport/grpc-server.js';
import { ListenError } from '../../../src/transport/listen-error.js';
import { distcache } from '../../../src/wire/generated/distcache.js';
import { type GrpcNode, grpcNode, openAccess, protoDir, serverLimits } from '../../support/grpc-nodes.js';
import { StubCacheService } from '../../support/stub-cache-service.js';

const { v1 } = distcache;
const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

interface Codec<Message> {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

describe('gRPC server', () => {
  let node: GrpcNode;
  let client: Client;
  const options = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

  before(async () => {
    node = await grpcNode('a', { limits: { maxInflight: 4, maxValueBytes: 1 << 20, maxFrameBytes: 1 << 20 } });
    client = new Client(`127.0.0.1:${node.server.port}`, credentials.createInsecure(), options);
  });
  after(async () => {
    client.close();
    await node.stop();
  });

  function raw(path: string, request: Uint8Array, deadline?: Date): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, reply?: Buffer): void => (error ? reject(error) : resolve(reply!));
      const full = `/distcache.v1.${path}`;
      client.makeUnaryRequest(full, identity, identity, request, new Metadata(), deadline ? { deadline } : {}, done);
    });
  }

  async function unary<Reply>(
    path: string,
    request: Codec<unknown>,
    reply: Codec<Reply>,
    message: object,
  ): Promise<Reply> {
    return reply.decode(await raw(path, request.encode(message as never).finish()));
  }

  const get = (message: object) => unary('Cache/Get', v1.GetRequest, v1.GetReply, message);

  async function failure(
    call: Promise<unknown>,
  ): Promise<{ status: number; code: unknown; node: unknown; text: string }> {
    const error = (await call.then(
      () => expect.fail('succeeded'),
      (thrown: unknown) => thrown,
    )) as ServiceError;
    return {
      status: error.code,
      code: error.metadata.get('distcache-code')[0],
      node: error.metadata.get('distcache-node')[0],
      text: error.details,
    };
  }

  it('gets, puts and deletes', async () => {
    const value = Uint8Array.of(1, 2, 3);
    const put = { keyspace: 'users', entry: { key: 'ключ', value, ttlMs: 500 } };
    const written = await unary('Cache/Put', v1.PutRequest, v1.WriteReply, put);
    expect(written).to.deep.include({ version: 8, node: 'node-b', unreached: ['node-c'] });
    const found = await get({ keyspace: 'users', key: 'ключ' });
    expect(found).to.include({ found: true, outcome: v1.Outcome.OUTCOME_HIT, node: 'node-a', version: 7 });
    expect([...found.value]).to.deep.equal([...value]);
    expect(Object.hasOwn(found, 'lifeMs')).to.equal(false);
    const gone = await unary('Cache/Delete', v1.DeleteRequest, v1.WriteReply, { keyspace: 'users', key: 'ключ' });
    expect(gone).to.include({ version: 9 });
    expect(await get({ keyspace: 'users', key: 'ключ' })).to.include({
      found: false,
      outcome: v1.Outcome.OUTCOME_NEGATIVE,
    });
  });

  it('answers a batch in order, with what failed in its place, in messages of about 1 MiB', async () => {
    const entries = Array.from({ length: 8 }, (_, i) => ({ key: `big-${i}`, value: new Uint8Array(400_000).fill(i) }));
    const putMany = { keyspace: 'users', entries: entries.slice(0, 2) };
    expect(await unary('Cache/PutMany', v1.PutManyRequest, v1.WriteManyReply, putMany)).to.include({ written: 2 });
    for (const entry of entries) node.service.entries.set(entry.key, entry.value);
    const keys = [...entries.map(({ key }) => key), 'fail', 'missing'];
    const replies: distcache.v1.GetManyReply[] = [];
    const request = v1.GetManyRequest.encode({ keyspace: 'users', keys }).finish();
    const call = client.makeServerStreamRequest('/distcache.v1.Cache/GetMany', identity, identity, request);
    for await (const bytes of call) replies.push(v1.GetManyReply.decode(bytes) as distcache.v1.GetManyReply);
    expect(replies.map((reply) => reply.entries.length)).to.deep.equal([3, 3, 4]);
    const all = replies.flatMap((reply) => reply.entries);
    expect(all.slice(0, 8).map(({ reply }) => reply?.value?.[0])).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(all[8]?.failure).to.include({ key: 'fail', code: 'DATA_SOURCE_FAILED', node: 'node-b' });
    expect(all[9]?.reply).to.include({ found: false });
  });

  it('answers an empty batch with one empty message, and refuses one as a whole with a status', async () => {
    const many = async (keyspace: string): Promise<number> => {
      const request = v1.GetManyRequest.encode({ keyspace, keys: keyspace === 'users' ? [] : ['a'] }).finish();
      const call = client.makeServerStreamRequest('/distcache.v1.Cache/GetMany', identity, identity, request);
      let count = 0;
      for await (const _bytes of call) count++;
      return count;
    };
    expect(await many('users')).to.equal(1);
    expect(await failure(many('nowhere'))).to.include({ status: status.NOT_FOUND, code: 'KEYSPACE_NOT_FOUND' });
  });

  it('answers a batch of writes that failed in part with what failed', async () => {
    const entries = ['a', 'fail', 'b'].map((key) => ({ key, value: new Uint8Array(1) }));
    const reply = await unary('Cache/PutMany', v1.PutManyRequest, v1.WriteManyReply, { keyspace: 'users', entries });
    expect(reply.written).to.equal(2);
    expect(reply.failures.map(({ key, code, node: at }) => [key, code, at])).to.deep.equal([
      ['fail', 'PEER_UNREACHABLE', 'node-b'],
    ]);
    const deleted = { keyspace: 'users', keys: ['a', 'b'] };
    const gone = await unary('Cache/DeleteMany', v1.DeleteManyRequest, v1.WriteManyReply, deleted);
    expect(gone).to.deep.include({ written: 2, unreached: ['node-d'] });
  });

  const refusals: Record<string, { keyspace: string; key: string; expected: object }> = {
    'a keyspace that does not exist': {
      keyspace: 'nowhere',
      key: 'a',
      expected: { status: status.NOT_FOUND, code: 'KEYSPACE_NOT_FOUND', node: undefined },
    },
    'a failing source elsewhere': {
      keyspace: 'users',
      key: 'fail',
      expected: {
        status: status.UNAVAILABLE,
        code: 'DATA_SOURCE_FAILED',
        node: 'node-b',
        text: 'source failed for fail',
      },
    },
    'a fault of ours, without its text': {
      keyspace: 'users',
      key: 'fault',
      expected: { status: status.INTERNAL, code: undefined, text: 'internal error; see the log of the node' },
    },
  };
  for (const [name, { keyspace, key, expected }] of Object.entries(refusals)) {
    it(`tells status, code and node of ${name}`, async () => {
      expect(await failure(get({ keyspace, key }))).to.include(expected);
    });
  }

  const hostile: Record<string, [string, Uint8Array]> = {
    noise: ['Cache/Get', Uint8Array.of(0xff, 0xff, 0xff)],
    'a put without entry': ['Cache/Put', Uint8Array.of(0x0a, 0)],
    'a batch of 200,000 empty entries': ['Cache/PutMany', Uint8Array.from(Array(200_000).fill([0x12, 0]).flat())],
    'a batch of 200,000 empty keys': ['Cache/DeleteMany', Uint8Array.from(Array(200_000).fill([0x12, 0]).flat())],
    'a length of 4 GiB': ['Cache/PutMany', Uint8Array.of(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f)],
  };
  for (const [name, [path, bytes]] of Object.entries(hostile)) {
    it(`refuses ${name} as an invalid argument`, async () => {
      expect(await failure(raw(path, bytes))).to.include({ status: status.INVALID_ARGUMENT, code: 'INVALID_ARGUMENT' });
    });
  }

  it('takes a value at the limit, hands on one above it to be refused by name, and stops what is larger by far', async () => {
    const put = (bytes: number): Promise<unknown> =>
      unary('Cache/Put', v1.PutRequest, v1.WriteReply, {
        keyspace: 'users',
        entry: { key: 'k'.repeat(8 * 1024), value: new Uint8Array(bytes) },
      });
    await put(1 << 20);
    await put((1 << 20) + 1);
    expect(node.service.entries.get('k'.repeat(8 * 1024))?.byteLength).to.equal((1 << 20) + 1);
    expect(await failure(put((1 << 20) + 70_000))).to.include({ status: status.RESOURCE_EXHAUSTED, code: undefined });
  });

  it('passes on the deadline and the cancel of the client', async () => {
    const seen = node.service.options.length;
    const bytes = v1.GetRequest.encode({ keyspace: 'users', key: 'slow' }).finish();
    const error = await failure(raw('Cache/Get', bytes, new Date(Date.now() + 1_000)));
    expect(error.status).to.equal(status.DEADLINE_EXCEEDED);
    const passed = node.service.options[seen]!;
    expect(passed.timeoutMs).to.be.within(1, 1_000);
    if (!passed.signal!.aborted) await once(passed.signal!, 'abort');
    await get({ keyspace: 'users', key: 'a' });
    expect(node.service.options.at(-1)).not.to.have.property('timeoutMs');
  });

  it('refuses more calls at once than its limit, and takes them again later', async () => {
    const bytes = v1.GetRequest.encode({ keyspace: 'users', key: 'slow' }).finish();
    const seen = node.service.options.length;
    const calls = Array.from({ length: 4 }, () =>
      client.makeUnaryRequest('/distcache.v1.Cache/Get', identity, identity, bytes, () => {}),
    );
    while (node.service.options.length < seen + 4) await new Promise((resolve) => setImmediate(resolve));
    expect(await failure(get({ keyspace: 'users', key: 'a' }))).to.include({
      status: status.RESOURCE_EXHAUSTED,
      code: 'OVERLOADED',
    });
    for (const call of calls) call.cancel();
    while (node.server.counters().inflight > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await get({ keyspace: 'users', key: 'a' })).to.include({ node: 'node-a' });
  });

  it('answers what an operator asks', async () => {
    const reply = await unary('Cluster/Status', v1.StatusRequest, v1.StatusReply, {});
    expect(reply).to.include({ node: 'node-a', ready: true, admin: 'off', state: 'serving', uptimeMs: 5 });
    const list = await unary('Cluster/ListKeyspaces', v1.ListKeyspacesRequest, v1.ListKeyspacesReply, {});
    expect(list.keyspaces).to.have.length(1);
    const keyspace = await unary('Cluster/GetKeyspace', v1.GetKeyspaceRequest, v1.Keyspace, { name: 'users' });
    expect(keyspace).to.include({ name: 'users', maxBytes: 1 << 20, hotShare: 0.125, negativeTtlMs: 500 });
    expect(Object.hasOwn(keyspace, 'defaultTtlMs')).to.equal(false);
    expect({ ...keyspace.stats }).to.deep.equal({ gets: 3, hit_ratio: 0.5 });
    const call = unary('Cluster/GetKeyspace', v1.GetKeyspaceRequest, v1.Keyspace, { name: 'x' });
    expect(await failure(call)).to.include({ code: 'KEYSPACE_NOT_FOUND' });
    expect((await unary('Cluster/ListPeers', v1.ListPeersRequest, v1.ListPeersReply, {})).peers).to.deep.equal([]);
  });

  it('tells its health, and those who watch of each change', async () => {
    const { grpc } = loadPackageDefinition(loadSync(healthProto, { enums: String })) as unknown as {
      grpc: { health: { v1: { Health: ServiceClientConstructor } } };
    };
    const health = new grpc.health.v1.Health(`127.0.0.1:${node.server.port}`, credentials.createInsecure());
    const check = (service: string): Promise<unknown> =>
      new Promise((resolve) => {
        const answer = (error: ServiceError | null, reply: { status: string }): void =>
          resolve(error?.code ?? reply.status);
        health.check!({ service }, answer);
      });
    try {
      expect(await check('')).to.equal('SERVING');
      const watch = health.watch!({ service: 'distcache.v1.Cache' });
      const next = async (): Promise<unknown> => ((await once(watch, 'data')) as [{ status: string }])[0].status;
      expect(await next()).to.equal('SERVING');
      node.service.ready = false;
      expect(await check('distcache.v1.Cache')).to.equal('NOT_SERVING');
      expect(await check('distcache.v1.Cluster')).to.equal('SERVING');
      expect(await next()).to.equal('NOT_SERVING');
      expect(await check('nobody')).to.equal(status.NOT_FOUND);
      watch.on('error', () => {}).cancel();
    } finally {
      node.service.ready = true;
      health.close();
    }
  });

  it('describes itself, so that generic tools can call it', async () => {
    const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
    const call = client.makeBidiStreamRequest(path, identity, identity);
    call.write(Buffer.from([0x3a, 1, 0x2a]));
    const [reply] = (await once(call, 'data')) as [Buffer];
    call.end();
    for (const service of [
      'distcache.v1.Cache',
      'distcache.v1.Cluster',
      'distcache.v1.Peer',
      'grpc.health.v1.Health',
    ]) {
      expect(reply.toString('latin1')).to.include(service);
    }
    await once(call, 'end');
  });
});

describe('gRPC server: start and stop', () => {
  const base = {
    addr: '127.0.0.1',
    port: 0,
    service: new StubCacheService(),
    links: { accept: () => {} },
    limits: serverLimits,
    protoDir,
    log: silent,
    clock: systemClock,
    access: openAccess(),
  };

  it('says what to do when its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      const error = await createGrpcServer({ ...base, port }).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(ListenError);
      expect((error as Error).message).to.equal(
        `cannot listen on 127.0.0.1:${port}: address already in use; choose another --bind-port or stop the other process`,
      );
    } finally {
      other.close();
    }
  });

  it('says what to do when the address is not its own', async () => {
    const error = await createGrpcServer({ ...base, addr: '203.0.113.7' }).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.match(/^cannot listen on 203\.0\.113\.7:0: this machine has no such address/);
  });

  it('waits for calls under way when it stops, and breaks off those that take too long', async () => {
    const server = await createGrpcServer(base);
    const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    const bytes = v1.GetRequest.encode({ keyspace: 'users', key: 'slow' }).finish();
    const ended = new Promise<ServiceError | null>((resolve) => {
      client.makeUnaryRequest('/distcache.v1.Cache/Get', identity, identity, bytes, resolve);
    });
    while (server.counters().inflight === 0) await new Promise((resolve) => setImmediate(resolve));
    const startMs = systemClock.nowMs();
    const stopped = server.stop({ deadlineMs: startMs + 150 });
    expect(server.stop({ deadlineMs: startMs })).to.equal(stopped);
    await stopped;
    expect(systemClock.nowMs() - startMs).to.be.within(140, 5_000);
    expect((await ended)?.code).to.be.oneOf([status.UNAVAILABLE, status.CANCELLED, status.INTERNAL]);
    client.close();
  });
});
