import { constants, type ServerHttp2Stream } from 'node:http2';
import {
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type status,
} from '@grpc/grpc-js';
import { type Access, AccessDenied, checkRule } from '../access/access.js';
import type { Caller } from '../access/rights.js';
import { type Rule, rpcRules } from '../access/rpc-rules.js';
import { DistcacheError } from '../base/errors.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { codeMetadata, failureOf } from '../wire/status.js';
import type { Connection, Connections } from './connections.js';
import { greetingBytesMax } from './handshake.js';
import { HeldBytes, heldRequests, type Share } from './held-bytes.js';
import { Rarely } from './rarely.js';

/*
 * Every call of every service passes here, before a byte of its request is kept: who calls, whether it may, and whether
 * it has not too much under way already. What comes of a request then counts for as long as the call lasts, whole or not.
 * What a handler needs to know of its caller it asks of `callerOf`.
 */

/** A request that has not come whole by then is refused; one that is sent byte by byte must not hold memory for ever. */
const requestMs = 30_000;
const sweepMs = 5_000;
const repeatMs = 60_000;
const toldMax = 32;
/** What a piece of a request takes in memory at least; a request may be sent byte by byte. */
const pieceBytesMin = 256;
/** Of links that have not greeted yet, all together. */
const greetingsBytesMax = 256 * greetingBytesMax;
const longGreeting = 'the greeting of the link is too long';
const tooManyBytes = 'requests under way take as much memory as they may (limits.maxInflightBytes); try again later';

export interface CallGateOptions {
  readonly access: Access;
  readonly connections: Connections;
  /** Calls of one client under way: of one address, and where access is controlled, of one name. */
  readonly maxInflightPerClient: number;
  /** Of requests, from their first byte to the end of the call, of all clients; one has a quarter of that. */
  readonly maxInflightBytes: number;
  /** Largest request. */
  readonly maxMessageBytes: number;
  /** This node speaks TLS, so that a connection without it may do nothing. */
  readonly needsTls: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Somebody came without TLS where it is needed. */
  mismatched(from: string): void;
}

export interface GateCounts {
  /** Calls refused for want of a token, a certificate or a right. */
  readonly callsUnauthorized: number;
  /** Calls refused because their client has too much under way. */
  readonly clientCallsRefused: number;
  /** Calls refused because the requests that are held take too much memory. */
  readonly clientBytesRefused: number;
  /** Of requests that are on their way in, or under way. */
  readonly clientBytesHeld: number;
  /** Requests that did not come whole in time. */
  readonly writersCutOff: number;
}

/** What one client has under way. */
interface UnderWay {
  calls: number;
  readonly bytes: Share;
}

/** What a call holds of the gate until it has ended. */
interface Admitted {
  readonly connection: Connection;
  readonly client: string;
  readonly bytes: Share;
}

export class CallGate {
  readonly #options: CallGateOptions;
  readonly #rarely: Rarely;
  readonly #callers = new WeakMap<Metadata, Caller>();
  readonly #inflight = new Map<string, UnderWay>();
  readonly #held: HeldBytes;
  /** Of links, whose frames are theirs to bound once they have greeted. */
  readonly #greetings = new HeldBytes(greetingsBytesMax, greetingBytesMax);
  readonly #links = new WeakMap<Metadata, GatedCall>();
  /** Calls whose request has not come whole, and since when. */
  readonly #arriving = new Map<GatedCall, number>();
  #cancelSweep: Cancel | undefined;
  #unauthorized = 0;
  #crowded = 0;
  #slow = 0;

  constructor(options: CallGateOptions) {
    this.#options = options;
    this.#rarely = new Rarely(options.clock, repeatMs, toldMax);
    this.#held = heldRequests(options.maxInflightBytes, options.maxMessageBytes);
  }

  readonly interceptor: ServerInterceptor = ({ path, requestStream }, call) => {
    const { maxMessageBytes } = this.#options;
    return new GatedCall(this, { rule: rpcRules[path], isStream: requestStream, maxMessageBytes }, call);
  };

  /** Who made the call with this metadata. */
  callerOf(metadata: Metadata): Caller {
    const caller = this.#callers.get(metadata);
    if (caller === undefined) throw new DistcacheError('UNAUTHORIZED', 'the call did not pass the gate');
    return caller;
  }

  /** Ends the link with this metadata at once; what was not sent is lost. */
  breakOff(metadata: Metadata): void {
    this.#links.get(metadata)?.breakOff();
  }

  counts(): GateCounts {
    return {
      callsUnauthorized: this.#unauthorized,
      clientCallsRefused: this.#crowded,
      clientBytesRefused: this.#held.refused + this.#greetings.refused,
      clientBytesHeld: this.#held.bytes,
      writersCutOff: this.#slow,
    };
  }

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  /** Throws where the call may not be made. */
  admit(call: GatedCall, rule: Rule | undefined, metadata: Metadata): Admitted {
    const { connections, access, needsTls, clock, maxInflightPerClient } = this.#options;
    const connection = connections.find(call.getConnectionInfo());
    if (connection === undefined) throw new DistcacheError('UNAUTHORIZED', 'the connection is closing');
    const caller = this.#identify(connection, rule, metadata, needsTls, access);
    const client = caller === undefined ? connection.host : `${caller.name} ${connection.host}`;
    const underWay = this.#inflight.get(client) ?? { calls: 0, bytes: this.#held.share() };
    const { calls: inflight } = underWay;
    if (rule?.is !== 'node' && (inflight >= maxInflightPerClient || connections.isFull(connection))) {
      this.#crowded++;
      const what =
        inflight >= maxInflightPerClient ? `${inflight} calls of this client are under way` : 'answers wait to be read';
      throw new DistcacheError('OVERLOADED', `${what}, which is the limit; try again when some have ended`);
    }
    if (caller !== undefined) {
      this.#callers.set(metadata, caller);
      connections.introduce(connection);
    }
    underWay.calls++;
    this.#inflight.set(client, underWay);
    if (rule?.is === 'node') this.#links.set(metadata, call);
    else this.#arriving.set(call, clock.nowMs());
    this.#cancelSweep ??= this.#sweepLater();
    return { connection, client, bytes: rule?.is === 'node' ? this.#greetings.share() : underWay.bytes };
  }

  /** undefined of calls that anybody may make. */
  #identify(
    connection: Connection,
    rule: Rule | undefined,
    metadata: Metadata,
    needsTls: boolean,
    access: Access,
  ): Caller | undefined {
    try {
      if (needsTls && !connection.isSecure) {
        this.#options.mismatched(connection.host);
        throw new AccessDenied('this port speaks TLS alone; give --tls-ca, or credentials for TLS');
      }
      if (rule === undefined) throw new AccessDenied('nobody may call this');
      if (rule.is === 'open') return undefined;
      const { certificate } = connection;
      if (rule.is === 'node') {
        access.checkNode(certificate);
        return undefined;
      }
      const shown = metadata.get('authorization');
      if (shown.length > 1) throw new AccessDenied('the header "authorization" came more than once');
      const caller = access.callerOf({ authorization: shown[0]?.toString(), certificate });
      checkRule(caller, rule);
      return caller;
    } catch (error) {
      this.denied(error as Error, connection.host);
      throw error;
    }
  }

  /** A call was refused for want of a right, here or where its keyspace became known. */
  denied({ message }: Error, host: string): void {
    this.#unauthorized++;
    if (this.#rarely.isDue(`${host} ${message}`)) {
      this.#options.log.write('warn', `refused a call of ${host}: ${message}`);
    }
  }

  arrived(call: GatedCall): void {
    this.#arriving.delete(call);
  }

  ended(call: GatedCall, { client }: Admitted): void {
    this.#arriving.delete(call);
    const underWay = this.#inflight.get(client);
    if (underWay !== undefined && --underWay.calls === 0) this.#inflight.delete(client);
  }

  /** An answer waits to be read; the same with less than zero when it was, or will not be. */
  unsent(connection: Connection, bytes: number): void {
    if (bytes > 0) this.#options.connections.wait(connection, bytes);
    else if (bytes < 0) this.#options.connections.taken(connection, -bytes);
  }

  #sweepLater(): Cancel {
    const { clock } = this.#options;
    const sweep = (): void => {
      const overdueMs = clock.nowMs() - requestMs;
      for (const [call, sinceMs] of this.#arriving) {
        if (sinceMs > overdueMs) break;
        this.#slow++;
        call.overdue();
      }
      this.#cancelSweep = this.#arriving.size > 0 ? this.#sweepLater() : undefined;
    };
    return clock.after(sweepMs, sweep, { background: true });
  }
}

type Listener = Parameters<ServerInterceptingCall['start']>[0];

interface Called {
  /** undefined: there is none, and nobody may call it. */
  readonly rule: Rule | undefined;
  /** Several requests come in one call. */
  readonly isStream: boolean;
  readonly maxMessageBytes: number;
}

/** One call on its way through the gate. */
class GatedCall extends ServerInterceptingCall {
  readonly #gate: CallGate;
  readonly #called: Called;
  readonly #next: ServerInterceptingCallInterface;
  readonly #body: ServerHttp2Stream | undefined;
  #admitted: Admitted | undefined;
  #isCutOff = false;
  /** Of the request that is on its way in or, unless several come in one call, under way. */
  #heldBytes = 0;
  #unsentBytes = 0;

  constructor(gate: CallGate, called: Called, next: ServerInterceptingCallInterface) {
    super(next);
    this.#gate = gate;
    this.#called = called;
    this.#next = next;
    this.#body = bodyOf(next);
  }

  override start(listener: Listener): void {
    this.#next.start({
      onReceiveMetadata: (metadata) => {
        try {
          this.#admitted = this.#gate.admit(this, this.#called.rule, metadata);
        } catch (error) {
          this.cutOff(error);
          return;
        }
        this.#body?.on('data', this.#came);
        listener.onReceiveMetadata(metadata);
      },
      onReceiveMessage: (message) => {
        if (!this.#isCutOff && this.#isTaken(message)) listener.onReceiveMessage(message);
      },
      onReceiveHalfClose: () => {
        if (this.#isCutOff) return;
        this.#gate.arrived(this);
        listener.onReceiveHalfClose();
      },
      onCancel: () => {
        this.#wait(-this.#unsentBytes);
        if (this.#admitted !== undefined) {
          this.#admitted.bytes.take(-this.#heldBytes);
          this.#gate.ended(this, this.#admitted);
        }
        this.#admitted = undefined;
        listener.onCancel();
      },
    });
  }

  override sendMessage(message: Partial<Uint8Array>, callback: () => void): void {
    const bytes = message.byteLength ?? 0;
    this.#wait(bytes);
    this.#next.sendMessage(message, () => {
      this.#wait(-bytes);
      callback();
    });
  }

  /** Links between nodes bound what they send by themselves. */
  #wait(bytes: number): void {
    if (this.#admitted === undefined || this.#called.rule?.is === 'node') return;
    // What is taken after the call ended was given back then.
    const change = Math.max(bytes, -this.#unsentBytes);
    this.#unsentBytes += change;
    this.#gate.unsent(this.#admitted.connection, change);
  }

  /** A piece of a request, which is kept until the request is whole. */
  readonly #came = (piece: Buffer): void => {
    // gRPC's first byte of a message says whether it is compressed, and may then become as large as any.
    const isCompressed = this.#heldBytes === 0 && piece[0] === 1;
    this.#keep(isCompressed ? this.#called.maxMessageBytes : Math.max(piece.byteLength, pieceBytesMin));
  };

  /** A request has come whole; false where there is no room for it. */
  #isTaken(message: Partial<Uint8Array>): boolean {
    const { rule, isStream } = this.#called;
    if (rule?.is === 'node') this.#body?.off('data', this.#came);
    this.#keep((isStream ? 0 : (message.byteLength ?? 0)) - this.#heldBytes);
    return !this.#isCutOff;
  }

  #keep(bytes: number): void {
    if (this.#admitted === undefined || this.#isCutOff) return;
    if (bytes > 0 && !this.#admitted.bytes.hasRoom(bytes)) {
      this.cutOff(new DistcacheError('OVERLOADED', this.#called.rule?.is === 'node' ? longGreeting : tooManyBytes));
      return;
    }
    this.#heldBytes += bytes;
    this.#admitted.bytes.take(bytes);
  }

  overdue(): void {
    const seconds = requestMs / 1000;
    this.cutOff(new DistcacheError('TIMEOUT', `the request did not come whole within ${seconds} s`));
  }

  /** Ends the call at once, and what still comes of it. */
  cutOff(error: unknown): void {
    if (this.#isCutOff) return;
    this.#isCutOff = true;
    this.#gate.arrived(this);
    this.sendStatus(refusalOf(error));
    // With its answer the call is over for us; a client that left it open would have us keep what came of its request.
    this.#body?.close(constants.NGHTTP2_NO_ERROR);
  }

  breakOff(): void {
    this.#body?.close(constants.NGHTTP2_CANCEL);
  }
}

/**
 * What comes of a request before it is whole shows nowhere but in the HTTP/2 stream below grpc-js's own call, which is no
 * part of what grpc-js promises. Where it should be gone, requests count from when they are whole.
 */
function bodyOf(call: ServerInterceptingCallInterface): ServerHttp2Stream | undefined {
  const { stream } = call as { readonly stream?: Partial<ServerHttp2Stream> };
  return typeof stream?.close === 'function' ? (stream as ServerHttp2Stream) : undefined;
}

function refusalOf(error: unknown): { code: status; details: string; metadata: Metadata } {
  const { status: code, message, code: ownCode } = failureOf(error);
  const metadata = new Metadata();
  if (ownCode !== undefined) metadata.set(codeMetadata, ownCode);
  return { code, details: message, metadata };
}
