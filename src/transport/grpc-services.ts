import type { MethodDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import {
  Metadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { AccessDenied, checkKeyspace } from '../access/access.js';
import type { Caller } from '../access/rights.js';
import { rpcRules } from '../access/rpc-rules.js';
import { DistcacheError, invalidArgument, type KeyspaceResult, messageOf, PartialFailure } from '../base/errors.js';
import type { CacheService, CallOptions } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { decodeRequest, encodeGetMany, encodeReply, readOptionsOf, writeOptionsOf } from '../wire/public.js';
import { MalformedError } from '../wire/reader.js';
import { codeMetadata, failureOf, nodeMetadata } from '../wire/status.js';
import { identity, ServerFrameStream } from './grpc-stream.js';
import type { PeerLinks } from './peer-links.js';

/** Answers of a batch are cut into messages of about this size. */
const chunkBytes = 1024 * 1024;
/** gRPC carries a status' text in a header, so it must stay small. */
const detailsCharsMax = 2_048;

export interface ServicesDeps {
  readonly service: CacheService;
  readonly links: Pick<PeerLinks, 'accept'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Calls of clients that may be under way; one more is refused at once. */
  readonly maxInflight: number;
  /** Who makes a call, which was let in for what it may do anywhere. */
  readonly callerOf: (call: Call) => Caller;
  /** Ends a call at once, whoever is at its other end. */
  readonly breakOff: (call: ServerDuplexStream<Uint8Array, Buffer>) => void;
  /** A call was refused because of its keyspace. */
  readonly denied: (error: AccessDenied) => void;
}

export interface ClientCounts {
  readonly calls: number;
  readonly inflight: number;
  readonly overloaded: number;
  /** Calls that ended in an error, those refused for overload included. */
  readonly failed: number;
}

type Method = MethodDefinition<Uint8Array, Buffer>;
type Call = ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>;

const method = (path: string, requestStream: boolean, responseStream: boolean): Method => ({
  path: `/distcache.v1.${path}`,
  requestStream,
  responseStream,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
});

const unaryMethod = (path: string): Method => method(path, false, false);

export const cacheDefinition: ServiceDefinition = {
  get: unaryMethod('Cache/Get'),
  getMany: method('Cache/GetMany', false, true),
  put: unaryMethod('Cache/Put'),
  putMany: unaryMethod('Cache/PutMany'),
  delete: unaryMethod('Cache/Delete'),
  deleteMany: unaryMethod('Cache/DeleteMany'),
  deleteMatching: unaryMethod('Cache/DeleteMatching'),
};

export const clusterDefinition: ServiceDefinition = {
  status: unaryMethod('Cluster/Status'),
  listPeers: unaryMethod('Cluster/ListPeers'),
  listKeyspaces: unaryMethod('Cluster/ListKeyspaces'),
  getKeyspace: unaryMethod('Cluster/GetKeyspace'),
  warm: unaryMethod('Cluster/Warm'),
  hotKeys: unaryMethod('Cluster/HotKeys'),
  locateKey: unaryMethod('Cluster/LocateKey'),
  updateKeyspace: unaryMethod('Cluster/UpdateKeyspace'),
  clearKeyspace: unaryMethod('Cluster/ClearKeyspace'),
  deleteKeyspaces: unaryMethod('Cluster/DeleteKeyspaces'),
  drain: unaryMethod('Cluster/Drain'),
  watchEvents: method('Cluster/WatchEvents', false, true),
};

export const peerDefinition: ServiceDefinition = { link: method('Peer/Link', true, true) };

/** A request that names a keyspace, in one field or the other, or none. */
interface Named {
  readonly keyspace?: string | undefined;
  readonly name?: string | undefined;
  readonly names?: readonly string[];
}

const nothing = (): Named => ({});

/** The three services of proto/distcache/v1 over what a node can do. */
export class GrpcServices {
  readonly #deps: ServicesDeps;
  #calls = 0;
  #inflight = 0;
  #overloaded = 0;
  #failed = 0;

  constructor(deps: ServicesDeps) {
    this.#deps = deps;
  }

  counts(): ClientCounts {
    return { calls: this.#calls, inflight: this.#inflight, overloaded: this.#overloaded, failed: this.#failed };
  }

  cache(): UntypedServiceImplementation {
    const { service, clock } = this.#deps;
    return {
      get: this.#unary(decodeRequest.get, async ({ keyspace, key, ...flags }, options) => {
        const asked = { ...options, ...readOptionsOf(flags), shared: true };
        return encodeReply.get(await service.lookup(keyspace, key, asked), clock.wallMs());
      }),
      getMany: (call: ServerWritableStream<Buffer, Buffer>) => void this.#getMany(call),
      put: this.#unary(decodeRequest.put, async ({ keyspace, entry, ...flags }, options) =>
        encodeReply.write(await service.put(keyspace, entry, { ...options, ...writeOptionsOf(flags) })),
      ),
      putMany: this.#unary(decodeRequest.putMany, ({ keyspace, entries, ...flags }, options) =>
        partial(entries.length, async () =>
          encodeReply.writeMany(await service.putMany(keyspace, entries, { ...options, ...writeOptionsOf(flags) })),
        ),
      ),
      delete: this.#unary(decodeRequest.delete, async ({ keyspace, key, ...flags }, options) =>
        encodeReply.write(await service.delete(keyspace, key, { ...options, ...writeOptionsOf(flags) })),
      ),
      deleteMany: this.#unary(decodeRequest.deleteMany, ({ keyspace, keys, ...flags }, options) =>
        partial(keys.length, async () =>
          encodeReply.writeMany(await service.deleteMany(keyspace, keys, { ...options, ...writeOptionsOf(flags) })),
        ),
      ),
      deleteMatching: this.#unary(decodeRequest.deleteMatching, async ({ keyspace, by, text }, options) =>
        encodeReply.matchingDeleted(
          by === 'tag'
            ? await service.deleteByTag(keyspace, text, options)
            : await service.deleteByPrefix(keyspace, text, options),
        ),
      ),
    };
  }

  cluster(): UntypedServiceImplementation {
    const { service } = this.#deps;
    return {
      status: this.#unary(nothing, () => encodeReply.status(service.status())),
      listPeers: this.#unary(nothing, () => encodeReply.peers(service.peers())),
      listKeyspaces: this.#unary(nothing, (_, __, caller) =>
        encodeReply.keyspaces(service.describeKeyspaces().filter(({ name }) => caller.mayUse('read', name))),
      ),
      getKeyspace: this.#unary(decodeRequest.getKeyspace, ({ name }) =>
        encodeReply.keyspace(service.describeKeyspace(name)),
      ),
      locateKey: this.#unary(decodeRequest.locateKey, ({ keyspace, key }) =>
        encodeReply.location(service.locate(keyspace, key)),
      ),
      drain: this.#unary(nothing, async (_, options) =>
        encodeReply.drain(await service.drain(options), service.status().node),
      ),
      warm: this.#unary(decodeRequest.warm, async ({ keyspace, keys, options: how }, options) =>
        encodeReply.warm(await service.warm(keyspace, keys, { ...options, ...how }), service.status().node),
      ),
      hotKeys: this.#unary(decodeRequest.hotKeys, (request) =>
        encodeReply.hotKeys(service.hotKeys(request), service.status().node),
      ),
      updateKeyspace: this.#unary(decodeRequest.updateKeyspace, async ({ name, changes, dryRun }, options) => {
        if (dryRun) return encodeReply.keyspacePreview(service.previewKeyspace(name, changes));
        const [result] = await results(async () => [await service.updateKeyspace(name, changes, options)]);
        return encodeReply.keyspaceUpdated(result!);
      }),
      clearKeyspace: this.#unary(decodeRequest.clearKeyspace, async ({ name }, options) => {
        const [result] = await results(async () => [await service.clearKeyspace(name, options)]);
        return encodeReply.keyspaceResult(result!);
      }),
      deleteKeyspaces: this.#unary(decodeRequest.deleteKeyspaces, async ({ names }, options) =>
        encodeReply.keyspacesDeleted(await results(() => service.deleteKeyspaces(names, options))),
      ),
      watchEvents: (call: ServerWritableStream<Buffer, Buffer>) => void this.#watchEvents(call),
    };
  }

  peer(): UntypedServiceImplementation {
    return {
      link: (call: ServerDuplexStream<Uint8Array, Buffer>) => {
        const { links, breakOff } = this.#deps;
        links.accept(new ServerFrameStream(call, () => breakOff(call)));
      },
    };
  }

  #unary<Request extends Named>(
    decode: (bytes: Buffer) => Request,
    run: (request: Request, options: CallOptions, caller: Caller) => Buffer | Promise<Buffer>,
  ) {
    return (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void => {
      const answer = async (): Promise<void> => {
        let reply: Buffer;
        try {
          this.#begin();
          const request = decode(call.request);
          reply = await run(request, this.#optionsOf(call), this.#allowed(call, request));
        } catch (error) {
          callback(this.#statusOf(error));
          return;
        } finally {
          this.#inflight--;
        }
        callback(null, reply);
      };
      void answer();
    };
  }

  /** Who calls. The gate has let it in; whether it may use this keyspace shows only here, where the request is read. */
  #allowed(call: Call, { keyspace, name, names }: Named): Caller {
    const caller = this.#deps.callerOf(call);
    const rule = rpcRules[call.getPath()];
    if (rule === undefined) return caller;
    for (const named of names ?? [keyspace ?? name]) checkKeyspace(caller, rule, named);
    return caller;
  }

  async #getMany(call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
    try {
      this.#begin();
      const options = this.#optionsOf(call);
      const request = decodeRequest.getMany(call.request);
      this.#allowed(call, request);
      const { keyspace, keys, ...flags } = request;
      const asked = { ...options, ...readOptionsOf(flags), shared: true };
      const lookups = await this.#deps.service.lookupMany(keyspace, keys, asked);
      for (const message of encodeGetMany(lookups, this.#deps.clock.wallMs(), chunkBytes)) {
        if (!call.write(message)) await drained(call, options.signal!);
        if (options.signal!.aborted) return;
      }
      call.end();
    } catch (error) {
      call.emit('error', this.#statusOf(error));
    } finally {
      this.#inflight--;
    }
  }

  /**
   * A watcher is no call under way: it lasts as long as it likes, and the events' own limit bounds how many there are. One
   * that reads slowly holds one message here; what comes meanwhile waits, and is counted as a gap, where events are kept.
   */
  async #watchEvents(call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
    const { service, clock } = this.#deps;
    try {
      this.#calls++;
      const { signal } = this.#optionsOf(call);
      const events = service.events({ signal });
      const { node } = service.status();
      const tell = async (event: Parameters<typeof encodeReply.event>[0]): Promise<void> => {
        if (!call.write(encodeReply.event(event, node, clock.wallMs()))) await drained(call, signal);
      };
      await tell({ type: 'listening' });
      for await (const event of events) await tell(event);
      call.end();
    } catch (error) {
      call.emit('error', this.#statusOf(error));
    }
  }

  #begin(): void {
    this.#calls++;
    if (++this.#inflight > this.#deps.maxInflight) {
      this.#overloaded++;
      const { maxInflight } = this.#deps;
      throw new DistcacheError(
        'OVERLOADED',
        `${maxInflight} calls of clients are under way, which is the limit; try again later`,
      );
    }
  }

  /** The client's deadline and cancel, as our own. */
  #optionsOf(call: Call): CallOptions & { readonly signal: AbortSignal } {
    const controller = new AbortController();
    call.on('cancelled', () => controller.abort(new Error('the client went away')));
    const deadlineMs = Number(call.getDeadline());
    if (!Number.isFinite(deadlineMs)) return { signal: controller.signal };
    return { signal: controller.signal, timeoutMs: Math.max(1, deadlineMs - this.#deps.clock.wallMs()) };
  }

  #statusOf(thrown: unknown): { code: number; details: string; metadata: Metadata } {
    this.#failed++;
    const error = thrown instanceof MalformedError ? invalidArgument(thrown.message) : thrown;
    if (thrown instanceof AccessDenied) this.#deps.denied(thrown);
    const { status: code, message, code: ownCode, node } = failureOf(error);
    const metadata = new Metadata();
    if (ownCode !== undefined) metadata.set(codeMetadata, ownCode);
    else this.#deps.log.write('error', `a client's call failed by a fault of ours: ${messageOf(error)}`, { error });
    // Header values are printable ASCII; a name in other letters stays in the message.
    if (node !== '' && /^[\x20-\x7e]+$/.test(node)) metadata.set(nodeMetadata, node);
    return { code, details: message.slice(0, detailsCharsMax).toWellFormed(), metadata };
  }
}

/** A batch that went through in part is an answer that lists the rest. */
async function partial(total: number, write: () => Promise<Buffer>): Promise<Buffer> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof PartialFailure) return encodeReply.partialWrite(error, total);
    throw error;
  }
}

/** A change that some nodes could not be told is an answer that says so of them. */
async function results(change: () => Promise<readonly KeyspaceResult[]>): Promise<readonly KeyspaceResult[]> {
  try {
    return await change();
  } catch (error) {
    if (error instanceof PartialFailure && error.results.length > 0) return error.results;
    throw error;
  }
}

/** Resolves when there is room again, or nobody reads any more: grpc-js then never says `drain`. */
function drained(call: ServerWritableStream<Buffer, Buffer>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
