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
import { Rarely } from './rarely.js';

/*
 * Every call of every service passes here, before a byte of its request is kept: who calls, whether it may, and whether
 * it has not too much under way already. What a handler needs to know of its caller it asks of `callerOf`.
 */

/** A request that has not come whole by then is refused; one that is sent byte by byte must not hold memory for ever. */
const requestMs = 30_000;
const sweepMs = 5_000;
const repeatMs = 60_000;
const toldMax = 32;

export interface CallGateOptions {
  readonly access: Access;
  readonly connections: Connections;
  /** Calls of one client under way: of one address, and where access is controlled, of one name. */
  readonly maxInflightPerClient: number;
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
  /** Requests that did not come whole in time. */
  readonly writersCutOff: number;
}

/** What a call holds of the gate until it has ended. */
interface Admitted {
  readonly connection: Connection;
  readonly client: string;
}

export class CallGate {
  readonly #options: CallGateOptions;
  readonly #rarely: Rarely;
  readonly #callers = new WeakMap<Metadata, Caller>();
  /** Calls under way, by client. */
  readonly #inflight = new Map<string, number>();
  /** Calls whose request has not come whole, and since when. */
  readonly #arriving = new Map<GatedCall, number>();
  #cancelSweep: Cancel | undefined;
  #unauthorized = 0;
  #crowded = 0;
  #slow = 0;

  constructor(options: CallGateOptions) {
    this.#options = options;
    this.#rarely = new Rarely(options.clock, repeatMs, toldMax);
  }

  readonly interceptor: ServerInterceptor = (method, call) => new GatedCall(this, rpcRules[method.path], call);

  /** Who made the call with this metadata. */
  callerOf(metadata: Metadata): Caller {
    const caller = this.#callers.get(metadata);
    if (caller === undefined) throw new DistcacheError('UNAUTHORIZED', 'the call did not pass the gate');
    return caller;
  }

  counts(): GateCounts {
    return {
      callsUnauthorized: this.#unauthorized,
      clientCallsRefused: this.#crowded,
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
    const inflight = this.#inflight.get(client) ?? 0;
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
    this.#inflight.set(client, inflight + 1);
    if (rule?.is !== 'node') this.#arriving.set(call, clock.nowMs());
    this.#cancelSweep ??= this.#sweepLater();
    return { connection, client };
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
    const left = (this.#inflight.get(client) ?? 1) - 1;
    if (left > 0) this.#inflight.set(client, left);
    else this.#inflight.delete(client);
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

/** One call on its way through the gate. */
class GatedCall extends ServerInterceptingCall {
  readonly #gate: CallGate;
  readonly #rule: Rule | undefined;
  readonly #next: ServerInterceptingCallInterface;
  #admitted: Admitted | undefined;
  #unsentBytes = 0;

  constructor(gate: CallGate, rule: Rule | undefined, next: ServerInterceptingCallInterface) {
    super(next);
    this.#gate = gate;
    this.#rule = rule;
    this.#next = next;
  }

  override start(listener: Listener): void {
    this.#next.start({
      onReceiveMetadata: (metadata) => {
        try {
          this.#admitted = this.#gate.admit(this, this.#rule, metadata);
        } catch (error) {
          this.sendStatus(refusalOf(error));
          return;
        }
        listener.onReceiveMetadata(metadata);
      },
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveHalfClose: () => {
        this.#gate.arrived(this);
        listener.onReceiveHalfClose();
      },
      onCancel: () => {
        this.#wait(-this.#unsentBytes);
        if (this.#admitted !== undefined) this.#gate.ended(this, this.#admitted);
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
    if (this.#admitted === undefined || this.#rule?.is === 'node') return;
    // What is taken after the call ended was given back then.
    const change = Math.max(bytes, -this.#unsentBytes);
    this.#unsentBytes += change;
    this.#gate.unsent(this.#admitted.connection, change);
  }

  overdue(): void {
    this.#gate.arrived(this);
    const seconds = requestMs / 1000;
    this.sendStatus(refusalOf(new DistcacheError('TIMEOUT', `the request did not come whole within ${seconds} s`)));
  }
}

function refusalOf(error: unknown): { code: status; details: string; metadata: Metadata } {
  const { status: code, message, code: ownCode } = failureOf(error);
  const metadata = new Metadata();
  if (ownCode !== undefined) metadata.set(codeMetadata, ownCode);
  return { code, details: message, metadata };
}
