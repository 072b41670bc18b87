import { aborted, codeOf, DistcacheError, messageOf } from '../../base/errors.js';
import { Stop } from '../../base/stop-signal.js';
import { formatDuration } from '../../base/units.js';
import type { DiscoveryContext } from '../../ports/discovery.js';
import type { DialNats, NatsBus } from './dial.js';
import type { NatsServer } from './settings.js';

export interface NatsLinkDeps extends Pick<DiscoveryContext, 'clock' | 'random' | 'log'> {
  readonly servers: readonly NatsServer[];
  readonly dial: DialNats;
  /** A connection stands. */
  up(bus: NatsBus): void;
  /** It broke. */
  down(): void;
}

type State =
  | { readonly is: 'dialling' }
  /** Between two rounds through the servers. */
  | { readonly is: 'resting'; readonly why: string }
  | { readonly is: 'up'; readonly bus: NatsBus }
  | { readonly is: 'stopped' };

/** Back-off between rounds doubles from the one to the other, and half of it is chance, so that nodes do not come as one. */
const restMinMs = 250;
const restMaxMs = 5000;
/** A connection that held for less counts as a failure, so that one that is always thrown out backs off too. */
const stableMs = 10_000;
/** Different problems told in one outage. */
const toldMax = 8;

/** Keeps one connection to one of the servers, for ever. Problems are told once per outage, not once per try. */
export class NatsLink {
  readonly #deps: NatsLinkDeps;
  readonly #stop = new Stop();
  /** The servers, without their logins, for messages. */
  readonly shown: string;
  #state: State = { is: 'dialling' };
  #waiters = new Set<() => void>();
  readonly #told = new Set<string>();
  #wasUp = false;
  #at: number;

  constructor(deps: NatsLinkDeps) {
    this.#deps = deps;
    this.shown = deps.servers.map((server) => server.shown).join(', ');
    this.#at = Math.floor(deps.random.next() * deps.servers.length);
  }

  /** Runs until `stop`; resolves when everything is closed. Never rejects. */
  async run(): Promise<void> {
    const { clock } = this.#deps;
    for (let failures = 0; !this.#stop.aborted; failures++) {
      const bus = await this.#dialAll();
      if (bus !== undefined) {
        const upMs = clock.nowMs();
        await this.#live(bus);
        if (clock.nowMs() - upMs >= stableMs) failures = 0;
      }
      await this.#rest(Math.min(restMaxMs, restMinMs * 2 ** Math.min(failures, 10)));
    }
    this.#enter({ is: 'stopped' });
  }

  /** Ends `run`; a connection that stands is closed. Idempotent. */
  stop(): void {
    this.#stop.abort(aborted('discovery over NATS'));
  }

  /** The connection, where one stands. */
  get bus(): NatsBus | undefined {
    return this.#state.is === 'up' ? this.#state.bus : undefined;
  }

  /**
   * The connection; where one is just being made, once it stands. Rejects with PEER_UNREACHABLE when all servers were
   * tried in vain, or after `limitMs`.
   */
  async connected(limitMs: number): Promise<NatsBus> {
    if (this.#state.is === 'dialling') await this.#changed(limitMs);
    const state = this.#state;
    switch (state.is) {
      case 'up':
        return state.bus;
      case 'stopped':
        throw aborted('discovery over NATS');
      case 'dialling':
        throw this.#unreachable(`no answer within ${formatDuration(limitMs)}`);
      case 'resting':
        throw this.#unreachable(state.why);
    }
  }

  #unreachable(why: string): DistcacheError {
    return new DistcacheError(
      'PEER_UNREACHABLE',
      `not connected to NATS at ${this.shown} (${why}); it is tried again by itself; check that the server runs, and what discovery.nats says of servers, user, password, token or credentials`,
    );
  }

  #enter(state: State): void {
    this.#state = state;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }

  #changed(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#waiters.delete(wake);
        resolve();
      };
      const cancel = this.#deps.clock.after(limitMs, wake);
      this.#waiters.add(wake);
    });
  }

  /** One round through the servers. */
  async #dialAll(): Promise<NatsBus | undefined> {
    const { servers, dial } = this.#deps;
    this.#enter({ is: 'dialling' });
    const problems: string[] = [];
    for (let tries = 0; tries < servers.length && !this.#stop.aborted; tries++) {
      const server = servers[this.#at++ % servers.length]!;
      try {
        const bus = await dial(server, this.#stop);
        this.#tellUp(server);
        return bus;
      } catch (error) {
        if (this.#stop.aborted) break;
        problems.push(messageOf(error));
        this.#tellProblem(error);
      }
    }
    this.#enter({ is: 'resting', why: problems.join('; ') });
    return undefined;
  }

  async #live(bus: NatsBus): Promise<void> {
    const close = (): void => void bus.close().catch(() => {});
    this.#stop.addEventListener('abort', close);
    if (this.#stop.aborted) close();
    else {
      this.#enter({ is: 'up', bus });
      try {
        this.#deps.up(bus);
      } catch (error) {
        this.#tellProblem(error);
        close();
      }
    }
    const why = await bus.closed;
    this.#stop.removeEventListener('abort', close);
    this.#enter({ is: 'resting', why });
    this.#deps.down();
    if (this.#stop.aborted) return;
    this.#deps.log.write('warn', `lost the connection to NATS at ${this.shown}; it is dialled again until it is back`, {
      reason: why,
    });
  }

  #rest(atMostMs: number): Promise<void> {
    const { clock, random } = this.#deps;
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#stop.removeEventListener('abort', end);
        resolve();
      };
      const cancel = clock.after(atMostMs * (0.5 + random.next() / 2), end, { background: true });
      this.#stop.addEventListener('abort', end);
      if (this.#stop.aborted) end();
    });
  }

  #tellUp(server: NatsServer): void {
    this.#told.clear();
    const again = this.#wasUp ? 'connected again' : 'connected';
    this.#wasUp = true;
    this.#deps.log.write('info', `${again} to NATS at ${server.shown}`);
  }

  #tellProblem(error: unknown): void {
    const why = messageOf(error);
    if (this.#told.has(why) || this.#told.size >= toldMax) return;
    this.#told.add(why);
    if (codeOf(error) === 'UNAUTHORIZED') {
      this.#deps.log.write(
        'error',
        'NATS refuses this node; check user and password, token or credentials of discovery.nats (and a user in its servers) against the accounts of the server. It is tried again',
        { reason: why },
      );
    } else {
      this.#deps.log.write('warn', 'cannot connect to NATS; it is tried again until it works', { reason: why });
    }
  }
}
