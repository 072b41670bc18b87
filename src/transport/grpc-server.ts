import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { CacheService } from '../ports/cache.js';
import { type Clock, remainingMs, type Wait } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { Recorder } from '../ports/recorder.js';
import { addHealth, type Health } from './grpc-health.js';
import {
  type ClientCounts,
  cacheDefinition,
  clusterDefinition,
  GrpcServices,
  peerDefinition,
} from './grpc-services.js';
import { listenError } from './listen-error.js';
import type { PeerLinks } from './peer-links.js';
import { recordedService } from './recorded-services.js';

export interface GrpcServerLimits {
  /** Calls of clients under way at a time. */
  readonly maxInflight: number;
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
  /** Largest frame of a peer. */
  readonly maxFrameBytes: number;
}

export interface GrpcServerOptions {
  readonly addr: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly service: CacheService;
  readonly links: Pick<PeerLinks, 'accept'>;
  readonly limits: GrpcServerLimits;
  /** Folder that holds `distcache/v1/*.proto`, for reflection. */
  readonly protoDir: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Without: plain text. */
  readonly credentials?: ServerCredentials | undefined;
  /** Watches clients' reads and writes. */
  readonly recorder?: Recorder | undefined;
}

export interface GrpcServer {
  /** The port it listens on. */
  readonly port: number;
  counters(): ClientCounts;
  /**
   * Takes no more calls, lets those under way end until the deadline, then breaks them off. Idempotent. Links of peers
   * count as calls: close them first.
   */
  stop(wait: Wait): Promise<void>;
}

/** Room for names, numbers and protobuf's own bytes around key and value. */
const messageSlackBytes = 64 * 1024;
/** Connections on which nothing comes back are dead: it is then that server-side calls end which cannot be cut off. */
const keepalive = { 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5_000 };

/**
 * Listens for clients and peers on one port. Rejects with ListenError.
 * Largest message of a client: one key, one value and 64 KiB (or a peer's frame, if that is larger).
 */
export async function createGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { addr, port, service, links, limits, protoDir, log, clock } = options;
  const messageBytes = Math.max(limits.maxFrameBytes, limits.maxKeyBytes + limits.maxValueBytes + messageSlackBytes);
  const server = new Server({
    'grpc.max_receive_message_length': messageBytes,
    'grpc.max_send_message_length': -1,
    // Channelz stays on: without it grpc-js forgets its sessions, and forceShutdown breaks off nothing.
    ...keepalive,
  });
  const services = new GrpcServices({ service, links, clock, log, maxInflight: limits.maxInflight });
  server.addService(cacheDefinition, recordedService(cacheDefinition, services.cache(), options.recorder));
  server.addService(clusterDefinition, services.cluster());
  server.addService(peerDefinition, services.peer());
  const host = addr.includes(':') && !addr.startsWith('[') ? `[${addr}]` : addr;
  await checkFree(host, addr, port);
  const health = await addDescriptions(server, protoDir, () => service.status().ready, clock);

  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, options.credentials ?? ServerCredentials.createInsecure(), (error, taken) => {
      if (error === null) resolve(taken);
      else reject(listenError(`${host}:${port}`, error));
    });
  }).catch((error: unknown) => {
    health.close();
    server.forceShutdown();
    throw error;
  });
  log.write('debug', `listening on ${host}:${bound}`, { protoDir });

  let stopping: Promise<void> | undefined;
  const stop = (wait: Wait): Promise<void> =>
    new Promise((resolve) => {
      health.close();
      let over = false;
      const done = (): void => {
        if (over) return;
        over = true;
        cancelForce();
        wait.signal?.removeEventListener('abort', force);
        server.forceShutdown();
        resolve();
      };
      const force = (): void => done();
      const cancelForce = clock.after(remainingMs(wait, clock), force);
      wait.signal?.addEventListener('abort', force, { once: true });
      server.tryShutdown(done);
      if (wait.signal?.aborted === true) done();
    });

  return {
    port: bound,
    counters: () => services.counts(),
    stop: (wait) => {
      stopping ??= stop(wait);
      return stopping;
    },
  };
}

/**
 * Listens once with a plain socket, since grpc-js would write its own words about a port that is taken to the console.
 * Should the port be taken between this and the real attempt, it does.
 */
async function checkFree(host: string, addr: string, port: number): Promise<void> {
  const probe = createServer();
  try {
    const listening = once(probe, 'listening');
    probe.listen({ host: addr.replace(/^\[|\]$/g, ''), port, exclusive: true });
    await listening;
  } catch (error) {
    throw listenError(`${host}:${port}`, error as Error);
  }
  const closed = once(probe, 'close');
  probe.close();
  await closed;
}

/** Health and reflection. Their packages read protobuf files with a parser of some size, so they are loaded here, late. */
async function addDescriptions(server: Server, protoDir: string, ready: () => boolean, clock: Clock): Promise<Health> {
  const [{ service, protoPath }, { ReflectionService }, { loadSync }] = await Promise.all([
    import('grpc-health-check'),
    import('@grpc/reflection'),
    import('@grpc/proto-loader'),
  ]);
  const ours = ['cache', 'peer'].map((name) => join(protoDir, 'distcache', 'v1', `${name}.proto`));
  const definitions = loadSync([...ours, protoPath], { includeDirs: [protoDir], keepCase: true });
  new ReflectionService(definitions).addToServer(server);
  return addHealth(server, service, ready, clock);
}
