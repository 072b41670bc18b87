import {
  type Attributes,
  type Context,
  context,
  type Meter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { splitAddress } from '../base/addresses.js';
import { codeOf } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerReply, PeerRequest } from '../ports/peers.js';
import type { Recorder } from '../ports/recorder.js';
import { createHistogram, Durations, durationMetrics } from './durations.js';
import { readTraceContext, writeTraceContext } from './trace-context.js';

export interface RecorderDeps {
  readonly clock: Clock;
  /** undefined: durations are not measured. */
  readonly meter: Meter | undefined;
  /** undefined: nothing is traced. */
  readonly tracer: Tracer | undefined;
  /** A linked peer. */
  readonly peerOf: (id: string) => NodeInfo | undefined;
  /** Told of each time that OpenTelemetry threw; must not throw. */
  readonly failed: (error: unknown) => void;
}

/** A span under way, and the context in which what belongs to it runs. */
interface Live {
  readonly span: Span;
  readonly context: Context;
}

interface Watch {
  readonly durations: Durations | undefined;
  readonly beganMs: number | undefined;
  readonly live: Live | undefined;
  readonly attributes: Attributes;
}

/**
 * Records durations and spans through OpenTelemetry's API.
 *
 * A trace begins at a client's call, where the tracer's sampler decides, or with a span of the application around its
 * call. Below that, spans are made only where the one above is recorded: what nobody follows costs a look at the context.
 */
export class OtelRecorder implements Recorder {
  readonly #deps: RecorderDeps;
  readonly #operations: Durations | undefined;
  readonly #fetches: Durations | undefined;
  readonly #asked: Durations | undefined;
  readonly #answered: Durations | undefined;
  readonly #calls: Durations | undefined;

  constructor(deps: RecorderDeps) {
    this.#deps = deps;
    const { meter, clock } = deps;
    if (meter === undefined) return;
    this.#operations = new Durations(createHistogram(meter, durationMetrics.operation), clock);
    this.#fetches = new Durations(createHistogram(meter, durationMetrics.fetch), clock);
    this.#asked = new Durations(createHistogram(meter, durationMetrics.ask), clock);
    const serve = createHistogram(meter, durationMetrics.serve);
    this.#answered = new Durations(serve, clock);
    this.#calls = new Durations(serve, clock);
  }

  operation<T>(
    name: 'get' | 'put' | 'delete',
    keyspace: string,
    run: () => Promise<T>,
    outcomeOf: (result: T) => string,
  ): Promise<T> {
    const parent = this.#followed();
    const beganMs = this.#operations?.begin();
    if (parent === undefined && beganMs === undefined) return run();
    const attributes = { 'distcache.operation': name, 'distcache.keyspace': keyspace };
    const live = this.#start(`${name} ${keyspace}`, SpanKind.INTERNAL, attributes, parent);
    const watch = { durations: this.#operations, beganMs, live, attributes };
    return this.#watched(watch, run, (result) => ({ 'distcache.outcome': outcomeOf(result) }));
  }

  fetch<T extends { readonly is: string }>(keyspace: string, run: () => Promise<T>): Promise<T> {
    const parent = this.#followed();
    const beganMs = this.#fetches?.begin();
    if (parent === undefined && beganMs === undefined) return run();
    const attributes = { 'distcache.keyspace': keyspace };
    const live = this.#start(`fetch ${keyspace}`, SpanKind.CLIENT, attributes, parent);
    const watch = { durations: this.#fetches, beganMs, live, attributes };
    return this.#watched(watch, run, answered);
  }

  ask<R extends PeerReply>(
    peerId: string,
    request: PeerRequest,
    run: (request: PeerRequest) => Promise<R>,
  ): Promise<R> {
    const parent = this.#followed();
    const beganMs = this.#asked?.begin();
    if (parent === undefined && beganMs === undefined) return run(request);
    const attributes = peerAttributes(request);
    const live = this.#start(attributes['rpc.method'], SpanKind.CLIENT, attributes, parent, () => ({
      ...this.#peerAddress(peerId),
      ...placeOf(request),
    }));
    const watch = { durations: this.#asked, beganMs, live, attributes };
    const sent = live === undefined ? request : this.#traced(request, live.span);
    return this.#watched(watch, () => run(sent), answered);
  }

  answer(
    from: NodeInfo,
    request: PeerRequest,
    run: () => PeerReply | Promise<PeerReply>,
  ): PeerReply | Promise<PeerReply> {
    const parent = this.#remote(traceOf(request));
    const beganMs = this.#answered?.begin();
    if (parent === undefined && beganMs === undefined) return run();
    const attributes = peerAttributes(request);
    const live = this.#start(attributes['rpc.method'], SpanKind.SERVER, attributes, parent, () => ({
      ...addressOf('client', from.address),
      'distcache.peer.name': from.name,
      ...placeOf(request),
    }));
    const watch = { durations: this.#answered, beganMs, live, attributes };
    let reply: PeerReply | Promise<PeerReply>;
    try {
      reply = live === undefined ? run() : context.with(live.context, run);
    } catch (error) {
      this.#end(watch, failure(error));
      throw error;
    }
    if ('then' in reply) return this.#settled(watch, reply, answered);
    this.#end(watch, answered(reply));
    return reply;
  }

  call(method: string, header: (name: string) => string | undefined, run: () => Promise<string>): Promise<string> {
    const beganMs = this.#calls?.begin();
    const { tracer } = this.#deps;
    if (tracer === undefined && beganMs === undefined) return run();
    const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': method };
    const parent = tracer && this.#attempt(() => this.#parentOf(header));
    const live = this.#start(method, SpanKind.SERVER, attributes, parent);
    const watch = { durations: this.#calls, beganMs, live, attributes };
    return this.#watched(watch, run, (status) => ({
      'rpc.response.status_code': status,
      ...(faults.has(status) ? { 'error.type': status } : {}),
    }));
  }

  /** The context of the call, where its span is recorded. */
  #followed(): Context | undefined {
    if (this.#deps.tracer === undefined) return undefined;
    return this.#attempt(() => {
      const active = context.active();
      return trace.getSpan(active)?.isRecording() === true ? active : undefined;
    });
  }

  /** Whoever instruments gRPC itself has taken the header up already. */
  #parentOf(header: (name: string) => string | undefined): Context {
    const active = context.active();
    if (trace.getSpan(active) !== undefined) return active;
    return this.#remote({ traceparent: header('traceparent') ?? '', tracestate: header('tracestate') ?? '' }) ?? active;
  }

  #remote(given: { readonly traceparent: string; readonly tracestate: string } | undefined): Context | undefined {
    if (given === undefined || this.#deps.tracer === undefined) return undefined;
    return this.#attempt(() => {
      const remote = readTraceContext(given.traceparent, given.tracestate);
      return remote && trace.setSpanContext(ROOT_CONTEXT, remote);
    });
  }

  /** `more`: attributes that are looked up only for a span that is recorded. */
  #start(
    name: string,
    kind: SpanKind,
    attributes: Attributes,
    parent: Context | undefined,
    more?: () => Attributes,
  ): Live | undefined {
    const { tracer } = this.#deps;
    if (tracer === undefined || parent === undefined) return undefined;
    return this.#attempt(() => {
      const span = tracer.startSpan(name, { kind, attributes }, parent);
      if (more !== undefined && span.isRecording()) span.setAttributes(more());
      return { span, context: trace.setSpan(parent, span) };
    });
  }

  #watched<T>(watch: Watch, run: () => Promise<T>, attributesOf: (result: T) => Attributes): Promise<T> {
    let running: Promise<T>;
    try {
      running = watch.live === undefined ? run() : context.with(watch.live.context, run);
    } catch (error) {
      this.#end(watch, failure(error));
      throw error;
    }
    return this.#settled(watch, running, attributesOf);
  }

  #settled<T>(watch: Watch, running: Promise<T>, attributesOf: (result: T) => Attributes): Promise<T> {
    return running.then(
      (result) => {
        this.#end(watch, attributesOf(result));
        return result;
      },
      (error) => {
        this.#end(watch, failure(error));
        throw error;
      },
    );
  }

  #end({ durations, beganMs, live, attributes }: Watch, outcome: Attributes): void {
    if (beganMs !== undefined) this.#attempt(() => durations?.end(beganMs, { ...attributes, ...outcome }));
    if (live === undefined) return;
    this.#attempt(() => {
      live.span.setAttributes(outcome);
      const error = outcome['error.type'];
      // The code alone: messages name keys, which are nobody's business here.
      if (error !== undefined) live.span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
      live.span.end();
    });
  }

  #traced(request: PeerRequest, span: Span): PeerRequest {
    if (request.do !== 'get' && request.do !== 'put' && request.do !== 'delete') return request;
    const written = this.#attempt(() => (span.isRecording() ? writeTraceContext(span.spanContext()) : undefined));
    return written === undefined ? request : { ...request, trace: written };
  }

  #peerAddress(peerId: string): Attributes {
    const peer = this.#deps.peerOf(peerId);
    return peer === undefined ? {} : { ...addressOf('server', peer.address), 'distcache.peer.name': peer.name };
  }

  /** What OpenTelemetry throws, by a provider of the application's own perhaps, stays here. */
  #attempt<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.#deps.failed(error);
      return undefined;
    }
  }
}

/** gRPC statuses by which a server says that it failed, as against its client. */
const faults: ReadonlySet<string> = new Set([
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
]);

/** Our codes are few; of what users' code throws only that it was something else. */
const failure = (error: unknown): Attributes => ({ 'error.type': codeOf(error) ?? '_OTHER' });

const answered = ({ is }: { readonly is: string }): Attributes => ({ 'distcache.outcome': is });

const peerAttributes = (request: PeerRequest) => ({
  'rpc.system.name': 'distcache',
  'rpc.method': `distcache.v1.Peer/${request.do}`,
});

const placeOf = (request: PeerRequest): Attributes =>
  'keyspace' in request ? { 'distcache.keyspace': request.keyspace } : {};

const traceOf = (request: PeerRequest) => ('trace' in request ? request.trace : undefined);

const addressOf = (side: 'client' | 'server', address: string): Attributes => {
  const { host, port } = splitAddress(address);
  return { [`${side}.address`]: host, [`${side}.port`]: port };
};
