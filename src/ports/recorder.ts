import type { NodeInfo } from './membership.js';
import type { PeerReply, PeerRequest } from './peers.js';

/** Where a request stands in a trace that is recorded, as the W3C's Trace Context writes it. */
export interface TraceContext {
  readonly traceparent: string;
  /** '' where there is none. */
  readonly tracestate: string;
}

/** What a trace context may be long; the format needs 55 characters, and its vendors' part gets what the W3C asks for. */
export const traceparentCharsMax = 64;
export const tracestateCharsMax = 512;

/**
 * Watches operations while they run: how long they take, and where they stand in a trace. What can be counted is counted
 * where it happens and read when somebody asks, so nothing here is called for what memory answers.
 *
 * Every method calls `run` exactly once, at once, and gives back what it gives. No trouble of the recorder's own shows.
 */
export interface Recorder {
  /** A read or write of a caller on this node. `outcomeOf` names what it came to: one of a few words. */
  operation<T>(
    name: 'get' | 'put' | 'delete',
    keyspace: string,
    run: () => Promise<T>,
    outcomeOf: (result: T) => string,
  ): Promise<T>;
  /** A data source being asked, once there was a place for the load. `is` says what it answered. */
  fetch<T extends { readonly is: string }>(keyspace: string, run: () => Promise<T>): Promise<T>;
  /** Another node being asked. What is sent may bear a trace context that `request` does not. */
  ask<R extends PeerReply>(peerId: string, request: PeerRequest, run: (request: PeerRequest) => Promise<R>): Promise<R>;
  /** Another node's request being answered. */
  answer(
    from: NodeInfo,
    request: PeerRequest,
    run: () => PeerReply | Promise<PeerReply>,
  ): PeerReply | Promise<PeerReply>;
  /** A client's call: its full name, its headers, and what gives the name of the gRPC status that it ended with. */
  call(method: string, header: (name: string) => string | undefined, run: () => Promise<string>): Promise<string>;
}
