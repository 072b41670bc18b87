import { codeOf, messageOf } from '../../src/base/errors.js';
import type { AdminTarget } from '../../src/client/admin-target.js';
import type { PeerDocument } from '../../src/ports/admin.js';
import type { Cancel, Clock } from '../../src/ports/clock.js';
import { historyMax, nodeRates, type PollFailure, type Sample, type Track } from '../model/track.js';
import type { AdminApi } from './admin-api.js';

export interface PollerDeps {
  readonly api: AdminApi;
  readonly clock: Clock;
  /** The node that was named; it knows the others. */
  readonly seed: AdminTarget;
  /** Of each answer. */
  readonly timeoutMs: number;
  /** Called after each answer or failure. */
  readonly onChange: () => void;
}

interface Watch {
  track: Track;
  readonly target: AdminTarget;
  /** One poll at a time: a slow node is asked again when it has answered, or its time is over. */
  polling: boolean;
}

/** More nodes than this are not watched; how many are left out is told. */
const nodesMax = 500;

/**
 * Asks every node for itself, so that a slow or dead one holds up nothing but what is shown of it. Who there is, the nodes
 * tell; one that nobody lists any more is forgotten, unless nobody answers at all.
 */
export class Poller {
  readonly #watches = new Map<string, Watch>();
  /** Of the named node, until its name is known, and whenever no node of the list is served there. */
  #seedFailure: PollFailure | undefined;
  #seedPolling = false;
  #cancel: Cancel = () => {};
  #stop = new AbortController();
  #isRunning = false;
  /** Nodes beyond the most that are watched. */
  leftOut = 0;

  constructor(
    private readonly deps: PollerDeps,
    private intervalMs: number,
  ) {}

  get tracks(): readonly Track[] {
    return [...this.#watches.values()].map(({ track }) => track);
  }

  /** Why nobody was ever heard of. */
  get failure(): PollFailure | undefined {
    return this.#watches.size === 0 ? this.#seedFailure : undefined;
  }

  /** The admin server of a node by name, where it has one. */
  targetOf(name: string): AdminTarget | undefined {
    return this.#watches.get(name)?.target;
  }

  /** Those that answer, the named node first. */
  get answering(): readonly { readonly name: string; readonly target: AdminTarget }[] {
    const { origin } = this.deps.seed;
    return [...this.#watches.values()]
      .filter(({ track }) => track.latest !== undefined && track.failure === undefined)
      .map(({ track: { name }, target }) => ({ name, target }))
      .sort((a, b) => Number(b.target.origin === origin) - Number(a.target.origin === origin));
  }

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#round();
  }

  /** Stops asking; answers under way are dropped. `start` goes on. */
  stop(): void {
    this.#isRunning = false;
    this.#cancel();
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  pace(intervalMs: number): void {
    if (intervalMs === this.intervalMs) return;
    this.intervalMs = intervalMs;
    if (this.#isRunning) this.#arm();
  }

  /** Asks everybody once, and resolves when all have answered or failed. */
  async refresh(): Promise<void> {
    const known = [...this.#watches.values()];
    const seedKnown = known.some(({ target }) => target.origin === this.deps.seed.origin);
    await Promise.all([...known.map((watch) => this.#poll(watch)), ...(seedKnown ? [] : [this.#pollSeed()])]);
  }

  #round(): void {
    void this.refresh();
    this.#arm();
  }

  #arm(): void {
    this.#cancel();
    this.#cancel = this.deps.clock.after(this.intervalMs, () => this.#round());
  }

  async #pollSeed(): Promise<void> {
    if (this.#seedPolling) return;
    this.#seedPolling = true;
    const { signal } = this.#stop;
    const { seed, clock } = this.deps;
    try {
      const sample = await this.#ask(seed, signal);
      this.#seedFailure = undefined;
      const { node: name } = sample.node;
      const admin = seed.origin.replace(/^https?:\/\//, '');
      const watch = this.#watch(name, admin, seed);
      watch.track = answered(watch.track, sample);
      this.#followPeers();
      // Those just heard of need not wait for the next round.
      if (!signal.aborted) await this.refresh();
    } catch (error) {
      if (signal.aborted) return;
      this.#seedFailure = failureOf(error, this.#seedFailure?.sinceMs ?? clock.nowMs());
    } finally {
      this.#seedPolling = false;
      this.deps.onChange();
    }
  }

  async #poll(watch: Watch): Promise<void> {
    if (watch.polling || watch.track.admin === 'off') return;
    watch.polling = true;
    const { signal } = this.#stop;
    try {
      const sample = await this.#ask(watch.target, signal);
      // Another node may have taken the address over.
      if (sample.node.node !== watch.track.name) throw new Error(`now ${sample.node.node} answers there`);
      watch.track = answered(watch.track, sample);
      this.#followPeers();
    } catch (error) {
      if (signal.aborted && codeOf(error) === 'ABORTED') return;
      watch.track = failed(watch.track, error, this.deps.clock.nowMs());
    } finally {
      watch.polling = false;
      this.deps.onChange();
    }
  }

  /** A node that tells neither of itself nor of the others does not answer; the other documents it may lack. */
  async #ask(target: AdminTarget, signal: AbortSignal): Promise<Sample> {
    const { api, clock } = this.deps;
    const call = { signal, timeoutMs: Math.min(this.deps.timeoutMs, Math.max(1_000, this.intervalMs)) };
    const orNothing = <T>(answer: Promise<T>): Promise<T | undefined> => answer.catch(() => undefined);
    const [node, peers, keyspaces, hotKeys, breakers] = await Promise.all([
      api.node(target, call),
      api.peers(target, call),
      orNothing(api.keyspaces(target, call)),
      orNothing(api.hotKeys(target, call)),
      orNothing(api.breakers(target, call)),
    ]);
    return { atMs: clock.nowMs(), node, peers, keyspaces, hotKeys, breakers };
  }

  #watch(name: string, admin: string, target: AdminTarget): Watch {
    const known = this.#watches.get(name);
    if (known !== undefined && known.target.origin === target.origin) return known;
    const kept = known?.track ?? {
      name,
      latest: undefined,
      previous: undefined,
      failure: undefined,
      history: [],
    };
    const watch: Watch = { track: { ...kept, admin }, target, polling: false };
    this.#watches.set(name, watch);
    return watch;
  }

  /** Takes over who there is from what the nodes that answer tell. */
  #followPeers(): void {
    const listed = new Map<string, PeerDocument>();
    for (const { latest, failure } of this.tracks) {
      if (latest === undefined || failure !== undefined) continue;
      for (const peer of latest.peers.peers) {
        const known = listed.get(peer.name);
        if (known === undefined || peer.incarnation > known.incarnation || peer.state === 'alive')
          listed.set(peer.name, peer);
      }
    }
    const { seed } = this.deps;
    const scheme = seed.origin.split('://')[0]!;
    this.leftOut = 0;
    for (const { name, admin } of listed.values()) {
      const known = this.#watches.get(name);
      // As it was named: the address that a node tells may not lead there from here.
      if (known?.target.origin === seed.origin && known.track.failure === undefined) continue;
      if (known === undefined && this.#watches.size >= nodesMax) this.leftOut++;
      else this.#watch(name, admin, { origin: originOf(scheme, admin), basePath: seed.basePath });
    }
    for (const name of this.#watches.keys()) if (!listed.has(name)) this.#watches.delete(name);
  }
}

const originOf = (scheme: string, admin: string): string => (admin === 'off' ? '' : `${scheme}://${admin}`);

/** A node may give the same answer twice within a moment: that is no second look. */
function answered(track: Track, sample: Sample): Track {
  const { latest } = track;
  const isSame = latest?.node.id === sample.node.id && latest.node.uptime_ms === sample.node.uptime_ms;
  const next = { ...track, previous: isSame ? track.previous : latest, latest: sample, failure: undefined };
  return { ...next, history: [...track.history, nodeRates(next)?.requests].slice(-historyMax) };
}

const failed = (track: Track, error: unknown, nowMs: number): Track => ({
  ...track,
  failure: failureOf(error, track.failure?.sinceMs ?? nowMs),
  history: [...track.history, undefined].slice(-historyMax),
});

const failureOf = (error: unknown, sinceMs: number): PollFailure => ({
  sinceMs,
  code: codeOf(error) ?? 'PEER_UNREACHABLE',
  message: messageOf(error),
});
