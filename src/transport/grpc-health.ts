import type { Server, ServerUnaryCall, ServerWritableStream, ServiceDefinition, sendUnaryData } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Cancel, Clock } from '../ports/clock.js';

/** How often those who watch are told of a change at the latest. */
const watchMs = 500;
const watchersMax = 256;

interface HealthRequest {
  readonly service: string;
}
type Serving = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

export interface Health {
  /** Ends the streams of those who watch. */
  close(): void;
}

/**
 * grpc.health.v1 over what the node says of itself. A node that is not ready is NOT_SERVING for the service as a whole and
 * for the cache; what an operator asks of it works all the same.
 */
export function addHealth(server: Server, definition: ServiceDefinition, ready: () => boolean, clock: Clock): Health {
  const watchers = new Map<ServerWritableStream<HealthRequest, unknown>, Serving>();
  let cancelLook: Cancel | undefined;
  let closed = false;

  const names = ['', 'distcache.v1.Cache', 'distcache.v1.Cluster'];
  function stateOf(service: string): Serving {
    if (!names.includes(service)) return 'SERVICE_UNKNOWN';
    return service === 'distcache.v1.Cluster' || ready() ? 'SERVING' : 'NOT_SERVING';
  }

  function look(): void {
    for (const [call, told] of watchers) {
      const now = stateOf(call.request.service);
      if (now === told) continue;
      watchers.set(call, now);
      call.write({ status: now });
    }
    cancelLook = watchers.size > 0 ? clock.after(watchMs, look, { background: true }) : undefined;
  }

  server.addService(definition, {
    check(call: ServerUnaryCall<HealthRequest, unknown>, callback: sendUnaryData<unknown>) {
      const now = stateOf(call.request.service);
      if (now === 'SERVICE_UNKNOWN')
        callback({ code: status.NOT_FOUND, details: `no service ${call.request.service}` });
      else callback(null, { status: now });
    },
    watch(call: ServerWritableStream<HealthRequest, unknown>) {
      if (closed || watchers.size >= watchersMax) {
        call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: `${watchersMax} calls watch already` });
        return;
      }
      const now = stateOf(call.request.service);
      watchers.set(call, now);
      call.on('cancelled', () => watchers.delete(call));
      call.write({ status: now });
      cancelLook ??= clock.after(watchMs, look, { background: true });
    },
    list(_call: unknown, callback: sendUnaryData<unknown>) {
      callback(null, { statuses: Object.fromEntries(names.map((name) => [name, { status: stateOf(name) }])) });
    },
  });

  return {
    close() {
      closed = true;
      cancelLook?.();
      cancelLook = undefined;
      for (const call of watchers.keys()) call.end();
      watchers.clear();
    },
  };
}
