import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Recorder } from '../ports/recorder.js';

type Unary = handleUnaryCall<Buffer, Buffer>;
type ServerStreaming = handleServerStreamingCall<Buffer, Buffer>;

/**
 * The same service with a recorder around each call, so that what the call leads to stands in the caller's trace. Calls
 * must be unary or answer with a stream. Without a recorder the service itself.
 */
export function recordedService(
  definition: ServiceDefinition,
  implementation: UntypedServiceImplementation,
  recorder: Recorder | undefined,
): UntypedServiceImplementation {
  if (recorder === undefined) return implementation;
  const recorded: UntypedServiceImplementation = {};
  for (const [name, { path, responseStream }] of Object.entries(definition)) {
    // `/distcache.v1.Cache/Get` as people and conventions write it.
    const method = path.slice(1);
    const handle = implementation[name]!;
    recorded[name] = responseStream
      ? streaming(method, handle as ServerStreaming, recorder)
      : unary(method, handle as Unary, recorder);
  }
  return recorded;
}

const headerOf =
  (metadata: Metadata) =>
  (name: string): string | undefined =>
    metadata.get(name)[0]?.toString();

const nameOf = (code: number | null | undefined): string => status[code ?? status.OK] ?? 'UNKNOWN';

const unary =
  (method: string, handle: Unary, recorder: Recorder): Unary =>
  (call, callback) => {
    const run = (): Promise<string> =>
      new Promise((resolve) => {
        handle(call, (error, ...answer) => {
          callback(error, ...answer);
          resolve(nameOf(error?.code));
        });
      });
    void recorder.call(method, headerOf(call.metadata), run);
  };

const streaming =
  (method: string, handle: ServerStreaming, recorder: Recorder): ServerStreaming =>
  (call) => {
    const run = (): Promise<string> => {
      const ended = endOf(call);
      handle(call);
      return ended;
    };
    void recorder.call(method, headerOf(call.metadata), run);
  };

const endOf = (call: ServerWritableStream<Buffer, Buffer>): Promise<string> =>
  new Promise((resolve) => {
    call.once('finish', () => resolve('OK'));
    call.once('error', ({ code }: Error & { readonly code?: number }) => resolve(nameOf(code ?? status.UNKNOWN)));
    call.once('cancelled', () => resolve('CANCELLED'));
  });
