import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Access } from '../access/access.js';
import type { CacheService } from '../ports/cache.js';
import { type Clock, remainingMs, type Wait } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { Recorder } from '../ports/recorder.js';
import { CallGate, type GateCounts } from './call-gate.js';
import { Connections, type DoorCounts } from './connections.js';
import { FrontDoor, type GreetingCounts } from './front-door.js';
import { addHealth, type Health } from './grpc-health.js';
import {
  type ClientCounts,
  cacheDefinition,
  clusterDefinition,
  GrpcServices,
  peerDefinition,
  type ServicesDeps,
} from './grpc-services.js';
import { refuseLostStreams } from './lost-streams.js';
import type { PeerLinks } from './peer-links.js';
import { recordedService } from './recorded-services.js';
import type { ServerTls } from './tls.js';

export interface GrpcServerLimits {
  /** Calls of clients under way at a time. */
  readonly maxInflight: number;
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
  /** Largest frame of a peer. */
  readonly maxFrameBytes: number;
  /** Connections of clients and peers at a time. */
  readonly maxConnections: number;
  /** Calls of one client under way at a time. */
  readonly maxInflightPerClient: number;
  /** Bytes of clients' requests on their way in and under way. */
  readonly maxInflightBytes: number;
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
  /** Who may do what. */
  readonly access: Access;
  /** Without: plain text. */
  readonly tls?: ServerTls | undefined;
  /** How long a connection may stand without a call. Default 5 minutes. */
  readonly idleMs?: number | undefined;
  /** Watches clients' reads and writes. */
  readonly recorder?: Recorder | undefined;
}

/** Of clients' calls, and of who stood at the door. */
export type ServerCounts = ClientCounts & DoorCounts & GreetingCounts & GateCounts;

export interface GrpcServer {
  /** The port it listens on. */
  readonly port: number;
  counters(): ServerCounts;
  /** Other certificates from the next connection on. Throws where they cannot be used, and changes nothing then. */
  renewTls(tls: ServerTls): void;
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
/** Connections without a call are closed in good order; a client opens the next one by itself. */
const idleDefaultMs = 300_000;
/** Calls on one connection at a time; a client that asks for more waits by itself. */
const streamsMax = 1_024;
/** Connections that have not made a call that they may make. */
const strangersMax = 1_024;
/** Answers that wait to be read: of one client this or one of the largest, of all together four times that. */
const unsentBytesMax = 64 * 1024 * 1024;

/**
 * Listens for clients and peers on one port. Rejects with ListenError.
 * Largest message of a client: one key, one value and 64 KiB (or a peer's frame, if that is larger).
 */
export async function createGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { addr, port, service, links, limits, protoDir, log, clock, access, tls } = options;
  const messageBytes = Math.max(limits.maxFrameBytes, limits.maxKeyBytes + limits.maxValueBytes + messageSlackBytes);
  const maxUnsentBytes = Math.max(unsentBytesMax, 2 * messageBytes);
  const connections = new Connections(clock, {
    maxConnections: limits.maxConnections,
    maxStrangers: strangersMax,
    maxUnsentBytes,
    maxUnsentBytesTotal: 4 * maxUnsentBytes,
  });
  const gate = new CallGate({
    access,
    connections,
    maxInflightPerClient: limits.maxInflightPerClient,
    maxInflightBytes: limits.maxInflightBytes,
    maxMessageBytes: messageBytes,
    needsTls: tls !== undefined,
    clock,
    log,
    mismatched: (from) => door.mismatched(from),
  });
  const server = new Server({
    interceptors: [gate.interceptor],
    'grpc.max_receive_message_length': messageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': streamsMax,
    'grpc.max_connection_idle_ms': options.idleMs ?? idleDefaultMs,
    // Channelz stays on: without it grpc-js forgets its sessions, and forceShutdown breaks off nothing.
    ...keepalive,
  });
  refuseLostStreams(server);
  // Connections come through a door of our own, by then without TLS, if they had any: see front-door.ts.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const door = new FrontDoor({
    addr,
    port,
    tls,
    connections,
    clock,
    log,
    admit: (socket) => injector.injectConnection(socket),
  });
  const callerOf: ServicesDeps['callerOf'] = (call) => gate.callerOf(call.metadata);
  const denied: ServicesDeps['denied'] = (error) => gate.denied(error, 'a client');
  const breakOff: ServicesDeps['breakOff'] = (call) => gate.breakOff(call.metadata);
  const { maxInflight } = limits;
  const services = new GrpcServices({ service, links, clock, log, maxInflight, callerOf, breakOff, denied });
  server.addService(cacheDefinition, recordedService(cacheDefinition, services.cache(), options.recorder));
  server.addService(clusterDefinition, services.cluster());
  server.addService(peerDefinition, services.peer());
  const health = await addDescriptions(server, protoDir, () => service.status().ready, clock);
  const bound = await door.open().catch((error: unknown) => {
    health.close();
    server.forceShutdown();
    throw error;
  });
  log.write('debug', `listening on ${addr}:${bound}`, { protoDir, tls: tls !== undefined });

  let stopping: Promise<void> | undefined;
  const stop = (wait: Wait): Promise<void> =>
    new Promise((resolve) => {
      health.close();
      door.close();
      gate.close();
      let over = false;
      const done = (): void => {
        if (over) return;
        over = true;
        cancelForce();
        wait.signal?.removeEventListener('abort', force);
        server.forceShutdown();
        connections.close();
        resolve();
      };
      const force = (): void => done();
      const cancelForce = clock.after(remainingMs(wait, clock), force);
      wait.signal?.addEventListener('abort', force, { once: true });
      // It calls back at once, since it knows no listener of its own that could have connections.
      server.tryShutdown(() => {});
      connections.whenEmpty(done);
      if (wait.signal?.aborted === true) done();
    });

  return {
    port: bound,
    counters: () => ({ ...connections.counts(), ...door.counts(), ...gate.counts(), ...services.counts() }),
    renewTls: (next) => door.renew(next),
    stop: (wait) => {
      stopping ??= stop(wait);
      return stopping;
    },
  };
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
