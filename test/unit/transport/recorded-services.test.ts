import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { expect } from 'chai';
import { systemClock } from '../../../src/platform/clock.js';
import { silent } from '../../../src/ports/log.js';
import type { Recorder } from '../../../src/ports/recorder.js';
import { createGrpcServer, type GrpcServer } from '../../../src/transport/grpc-server.js';
import { distcache } from '../../../src/wire/generated/distcache.js';
import { openAccess, protoDir, serverLimits } from '../../support/grpc-nodes.js';
import { StubCacheService } from '../../support/stub-cache-service.js';

const { v1 } = distcache;
const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

describe("clients' calls, recorded", () => {
  const seen: string[] = [];
  const recorder: Pick<Recorder, 'call'> = {
    async call(method, header, run) {
      const traceparent = header('traceparent') ?? 'none';
      const status = await run();
      seen.push(`${method} ${traceparent} ${status}`);
      return status;
    },
  };
  let server: GrpcServer;
  let client: Client;
  before(async () => {
    server = await createGrpcServer({
      addr: '127.0.0.1',
      port: 0,
      service: new StubCacheService(),
      links: { accept: (stream) => stream.destroy() },
      limits: serverLimits,
      protoDir,
      log: silent,
      clock: systemClock,
      recorder: recorder as Recorder,
      access: openAccess(),
    });
    client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  });
  after(async () => {
    client.close();
    await server.stop({ deadlineMs: systemClock.nowMs() + 1000 });
  });
  beforeEach(() => {
    seen.length = 0;
  });

  const unary = (path: string, request: Uint8Array, headers: Record<string, string> = {}): Promise<unknown> =>
    new Promise((resolve) => {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      const done = (error: ServiceError | null, reply?: Buffer): void => resolve(error?.code ?? reply);
      client.makeUnaryRequest(`/distcache.v1.${path}`, identity, identity, request, metadata, {}, done);
    });

  it('with their full name, the trace context they came with, and the status they ended with', async () => {
    await unary('Cache/Get', v1.GetRequest.encode({ keyspace: 'users', key: '1' }).finish(), { traceparent: 'tp' });
    await unary('Cache/Get', v1.GetRequest.encode({ keyspace: 'nowhere', key: '1' }).finish());
    await unary('Cache/Get', v1.GetRequest.encode({ keyspace: 'users', key: 'fault' }).finish());
    await unary('Cache/Put', Buffer.from('no request'));
    expect(seen).to.deep.equal([
      'distcache.v1.Cache/Get tp OK',
      'distcache.v1.Cache/Get none NOT_FOUND',
      'distcache.v1.Cache/Get none INTERNAL',
      'distcache.v1.Cache/Put none INVALID_ARGUMENT',
    ]);
  });

  it('streams as well, until they have ended', async () => {
    const read = (request: Uint8Array): Promise<void> =>
      new Promise((resolve) => {
        const stream = client.makeServerStreamRequest('/distcache.v1.Cache/GetMany', identity, identity, request);
        stream.on('data', () => {});
        stream.on('error', () => {});
        stream.on('status', () => resolve());
      });
    await read(v1.GetManyRequest.encode({ keyspace: 'users', keys: ['1', '2'] }).finish());
    await read(v1.GetManyRequest.encode({ keyspace: 'nowhere', keys: ['1'] }).finish());
    expect(seen).to.deep.equal(['distcache.v1.Cache/GetMany none OK', 'distcache.v1.Cache/GetMany none NOT_FOUND']);
  });

  it('but none that ask about the cluster', async () => {
    await unary('Cluster/Status', v1.StatusRequest.encode({}).finish());
    expect(seen).to.deep.equal([]);
  });
});
