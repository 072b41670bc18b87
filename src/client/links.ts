import { setMaxListeners } from 'node:events';
import { connectivityState, credentials, Client as GrpcClient, Metadata } from '@grpc/grpc-js';
import { splitAddress } from '../base/addresses.js';
import { aborted, DistcacheError, invalidArgument, messageOf, timedOut } from '../base/errors.js';
import { formatDuration } from '../base/units.js';
import { type Clock, remainingMs } from '../ports/clock.js';
import { channelOf } from '../transport/grpc-channel.js';
import { LinkLost, unreachable } from './faults.js';

export interface ClientTls {
  /** Authorities that the nodes' certificates must come from, in PEM. Default: those that the machine trusts. */
  readonly ca?: string | undefined;
  /** Own certificate and its key, in PEM, where nodes ask for one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that certificates of nodes may bear instead of the host's. Default distcache-node. */
  readonly nodeName?: string | undefined;
}

/** What may be given as it is, or be asked for each time. */
export const asked = <T extends string | ClientTls>(given: T | (() => T) | undefined): (() => T) | undefined =>
  given === undefined || typeof given === 'function' ? given : () => given;

export interface LinkOptions {
  readonly maxMessageBytes: number;
  readonly clock: Clock;
  /** Shown with every call. */
  readonly token: (() => string) | undefined;
  /** undefined: in the clear. */
  readonly tls: (() => ClientTls) | undefined;
}

const defaultNodeName = 'distcache-node';

/** How long a caller waits: until a time of the client's monotonic clock, or until it gives up. */
export interface CallWait {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Link {
  readonly address: string;
  readonly grpc: GrpcClient;
  readonly showsCertificate: boolean;
  /** What goes out with each call. */
  metadata(): Metadata;
}

/**
 * Connections to several addresses of one cluster, opened when they are first needed. Calls go to the address that
 * answered last; the next is tried when it is out of reach.
 */
export class Links {
  readonly #links: (GrpcClient | undefined)[];
  #preferred = 0;
  #showsCertificate = false;
  readonly #ending = new AbortController();

  constructor(
    private readonly addresses: readonly string[],
    private readonly options: LinkOptions,
  ) {
    // One listener for each call under way is meant to be.
    setMaxListeners(0, this.#ending.signal);
    this.#links = addresses.map(() => undefined);
  }

  /**
   * Runs `attempt` on one address after another until one takes it. What a node answers, an error included, ends the
   * search. After `mayHaveRun` losses only calls that are `repeatable` go on to the next address.
   * The time left is shared out among the addresses not yet tried, so that a silent one cannot use it all up.
   */
  async use<T>(
    what: string,
    given: CallWait,
    repeatable: boolean,
    attempt: (link: Link, wait: CallWait) => Promise<T>,
  ): Promise<T> {
    const { signal } = this.#ending;
    const wait = { ...given, signal: given.signal === undefined ? signal : AbortSignal.any([given.signal, signal]) };
    const tried: LinkLost[] = [];
    const startMs = this.options.clock.nowMs();
    const first = this.#preferred;
    for (let turn = 0; turn < this.addresses.length; turn++) {
      const index = (first + turn) % this.addresses.length;
      try {
        const link = await this.#ready(index, wait, this.addresses.length - turn, what);
        const result = await attempt(link, wait);
        this.#preferred = index;
        return result;
      } catch (error) {
        if (signal.aborted) throw closedError(what);
        if (!(error instanceof LinkLost)) throw error;
        tried.push(error);
        // What TLS takes may have changed by the next connection.
        if (this.options.tls !== undefined && !error.mayHaveRun) this.#forget(index);
        if (error.mayHaveRun && !repeatable) break;
        if (remainingMs(wait, this.options.clock) === 0) break;
      }
    }
    if (tried.length === 0) throw timedOut(what, wait.deadlineMs - startMs);
    throw unreachable(what, tried);
  }

  async #ready(index: number, wait: CallWait, addressesLeft: number, what: string): Promise<Link> {
    const { clock } = this.options;
    const address = this.addresses[index]!;
    const grpc = this.#open(index, what);
    const channel = grpc.getChannel();
    const limitMs = remainingMs(wait, clock) / addressesLeft;
    const untilWallMs = clock.wallMs() + limitMs;
    for (;;) {
      if (wait.signal?.aborted) throw aborted(what, wait.signal.reason);
      const state = channel.getConnectivityState(true);
      // A failed channel fails the call at once and unsent, and tells why; that beats asking it for a state.
      if (state === connectivityState.SHUTDOWN) return this.#ready(index, wait, addressesLeft, what);
      if (state === connectivityState.READY || state === connectivityState.TRANSIENT_FAILURE)
        return { address, grpc, showsCertificate: this.#showsCertificate, metadata: () => this.#metadata() };
      const changed = await this.#change(channel, state, untilWallMs, wait.signal);
      if (!changed)
        throw new LinkLost(address, `no connection within ${formatDuration(Math.max(1, Math.round(limitMs)))}`, false);
    }
  }

  /** False when the state is still the same at `untilWallMs`. */
  #change(
    channel: ReturnType<GrpcClient['getChannel']>,
    state: connectivityState,
    untilWallMs: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    return new Promise((resolve) => {
      const onAbort = (): void => resolve(true);
      signal?.addEventListener('abort', onAbort, { once: true });
      channel.watchConnectivityState(state, untilWallMs, (late) => {
        signal?.removeEventListener('abort', onAbort);
        resolve(late === undefined);
      });
    });
  }

  #open(index: number, what: string): GrpcClient {
    if (this.#ending.signal.aborted) throw closedError(what);
    const known = this.#links[index];
    if (known !== undefined) return known;
    const address = this.addresses[index]!;
    const channel = this.#channel(address);
    const link = new GrpcClient(address, channel.credentials, {
      ...channel.options,
      'grpc.max_receive_message_length': this.options.maxMessageBytes,
      'grpc.max_send_message_length': -1,
      // A node that vanished without a word is noticed by pings, not by the system's time-outs of many minutes.
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 5_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_retries': 0,
      // http_proxy is meant for the web: cluster addresses behind it would not resolve, and 127.0.0.1 would be another machine.
      'grpc.enable_http_proxy': 0,
    });
    this.#links[index] = link;
    return link;
  }

  #channel(address: string): Pick<ReturnType<typeof channelOf>, 'credentials' | 'options'> {
    const tls = this.options.tls?.();
    this.#showsCertificate = tls?.cert !== undefined;
    if (tls === undefined) return { credentials: credentials.createInsecure(), options: {} };
    try {
      return channelOf(tls, splitAddress(address).host, tls.nodeName ?? defaultNodeName);
    } catch (error) {
      // OpenSSL's own words are for people who know it; what they are about is one of three texts.
      throw invalidArgument(`tls: ca, cert and key are not certificates and their key in PEM (${messageOf(error)})`);
    }
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    const token = this.options.token?.();
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    return metadata;
  }

  #forget(index: number): void {
    this.#links[index]?.close();
    this.#links[index] = undefined;
  }

  close(): void {
    this.#ending.abort();
    for (const link of this.#links) link?.close();
    this.#links.fill(undefined);
  }
}

const closedError = (what: string): DistcacheError =>
  new DistcacheError('NOT_STARTED', `${what}: the client is closed; call connect() for a new one`);
