import { messageOf, notStarted } from '../base/errors.js';
import type { NodeStatus } from '../ports/cache.js';
import type { Cancel, Wait } from '../ports/clock.js';
import type { MemberChange } from '../ports/membership.js';
import type { EngineDeps } from './deps.js';
import { type EventHub, memberEvent } from './events.js';
import type { Inflight } from './inflight.js';
import type { Keyspaces } from './keyspaces.js';
import type { Peering } from './peering.js';
import type { Upkeep } from './upkeep.js';
import type { WarmUp } from './warmup.js';

export interface LifecycleDeps extends Pick<EngineDeps, 'clock' | 'log' | 'membership' | 'peers' | 'self'> {
  readonly spaces: Keyspaces;
  readonly peering: Peering;
  readonly events: EventHub;
  readonly upkeep: Upkeep;
  readonly warmUp: WarmUp;
  readonly inflight: Inflight;
  readonly served: Inflight;
}

/** An engine's way from its start to its end, in this order: starting, serving, draining, stopped. */
export class Lifecycle {
  /** Looked at by every read; changed by nobody else. */
  state: NodeStatus['state'] = 'starting';
  readonly #deps: LifecycleDeps;
  readonly #cancels: Cancel[] = [];
  #startedAtMs = 0;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: LifecycleDeps) {
    this.#deps = deps;
  }

  get uptimeMs(): number {
    return this.state === 'starting' ? 0 : Math.round(this.#deps.clock.nowMs() - this.#startedAtMs);
  }

  /** Rejects with CLUSTER_QUORUM, or with what opening a data source threw. */
  open(wait: Wait): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(notStarted('start'));
    this.#opening ??= this.#open(wait);
    return this.#opening;
  }

  close(wait: Wait): Promise<void> {
    this.#closing ??= this.#close(wait);
    return this.#closing;
  }

  async #open(wait: Wait): Promise<void> {
    const { clock, membership, peers, spaces, peering, upkeep, warmUp } = this.#deps;
    try {
      await spaces.openSources(wait);
      peering.start();
      this.#cancels.push(
        membership.onChange((change) => this.#onMember(change)),
        peers.onLink((event) => peering.onLink(event)),
      );
      await membership.start(wait);
      await peering.joined();
    } catch (error) {
      const wasClosing = this.#closing !== undefined;
      await this.close({ deadlineMs: clock.nowMs() });
      throw wasClosing ? notStarted('start') : error;
    }
    if (this.#closing !== undefined) throw notStarted('start');
    this.#startedAtMs = clock.nowMs();
    this.state = 'serving';
    upkeep.start();
    warmUp.start();
  }

  async #close(wait: Wait): Promise<void> {
    const { membership, peers, log, spaces, peering, upkeep, warmUp, inflight, served, events } = this.#deps;
    this.state = 'draining';
    warmUp.stop();
    upkeep.stop();
    await peering.leave(wait);
    await Promise.all([inflight.quiet(wait), served.quiet(wait)]);
    spaces.abortReads(notStarted('the engine has stopped'));
    const settle = async (what: string, work: Promise<void>): Promise<void> => {
      try {
        await work;
      } catch (error) {
        log.write('warn', `${what} did not stop cleanly`, { error: messageOf(error) });
      }
    };
    peering.stop();
    await settle('membership', membership.stop(wait));
    await settle('the peer links', peers.close());
    for (const cancel of this.#cancels.splice(0)) cancel();
    await spaces.closeSources(wait);
    spaces.clear();
    events.close();
    this.state = 'stopped';
  }

  #onMember(change: MemberChange): void {
    const { peering, events, self } = this.#deps;
    peering.changed();
    if (change.is === 'refuted') peering.doubt();
    // Nobody is their own peer.
    else if (change.member.id !== self().id) events.publish(memberEvent(change));
  }
}
