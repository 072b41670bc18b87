import { assert, unreachable } from '../../base/assert.js';
import { aborted, codeOf, DistcacheError, invalidArgument, messageOf } from '../../base/errors.js';
import { Stop } from '../../base/stop-signal.js';
import type { Cancel, Wait } from '../../ports/clock.js';
import type { Member, MemberChange, Membership } from '../../ports/membership.js';
import type { LinkEvent } from '../../ports/peers.js';
import { addressOf } from '../endpoints.js';
import { nameOfText, textOfName } from '../names.js';
import { transmitLimit } from '../swim/broadcasts.js';
import type { SwimEvent } from '../swim/effects.js';
import { begun, endWith, Watchers, within } from './bounded.js';
import { MinuteLog } from './minute-log.js';
import { encodeMeta, type NodePhase } from './node-meta.js';
import { createParts, type GossipMembershipDeps, type GossipMembershipOptions, type Parts } from './parts.js';
import { remark } from './remarks.js';
import type { Seeker } from './seeker.js';
import type { GossipArrival, GossipAt } from './transport.js';

/*
 * How it is put together (src/node); the shapes of deps and options are in parts.ts:
 *
 *   const membership = new GossipMembership(deps, options);
 *   const at = await membership.listen(wait);   // opens the transport: the port is known now
 *   identity.self = { ..., name, address, admin, gossip: advertised };
 *   await membership.start(wait);               // `self()` and `advertise(at)` are asked once, here
 *   ...
 *   membership.drain();                         // out of the rings, still linked
 *   await membership.stop(wait);
 *
 * `start` listens by itself where `listen` was not called.
 */

/**
 * Members from gossip: SWIM over the transport, seeds from discovery. Gossip alone decides who is a member; links between
 * caches follow it, and one that breaks only has its member probed before its turn.
 */
export class GossipMembership implements Membership {
  readonly #deps: GossipMembershipDeps;
  readonly #options: GossipMembershipOptions;
  readonly #log: MinuteLog;
  readonly #watchers: Watchers;
  readonly #listeners = new Set<(change: MemberChange) => void>();
  /** Ends whatever start and the background still wait for. */
  readonly #ending = new Stop();
  #phase: NodePhase = 'joining';
  #opening: Promise<GossipAt> | undefined;
  #parts: Parts | undefined;
  /** Where another member has this node's name, as was last heard. */
  #namesake: string | undefined;
  #isStarted = false;
  #isLeaveDone = false;
  #seeking: Promise<void> = Promise.resolve();
  #cancels: Cancel[] = [];
  #stopping: Promise<void> | undefined;

  constructor(deps: GossipMembershipDeps, options: GossipMembershipOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#log = new MinuteLog(deps.log, deps.clock);
    this.#watchers = new Watchers(deps.clock);
  }

  /**
   * Opens the transport, so that the port is known before the node introduces itself. Who asks for this node's state before
   * `start` is turned away. Rejects with a ListenError when the port is taken, with ABORTED after `stop`.
   */
  listen(wait: Wait): Promise<GossipAt> {
    if (this.#ending.aborted) return Promise.reject(this.#gaveUp());
    this.#opening ??= this.#deps.transport.open((arrival) => this.#onArrival(arrival), wait);
    return this.#opening;
  }

  /**
   * Joins: finds others, exchanges states, waits for `minimumPeers` and for links, and only then announces that this node
   * serves, so that it hears of every write from the moment it may own keys. Called once. Rejects with CLUSTER_QUORUM,
   * ABORTED, INVALID_ARGUMENT for what others could not read of this node, or what the transport or discovery cannot do.
   */
  async start(wait: Wait): Promise<void> {
    assert(!this.#isStarted, 'a membership is started once');
    this.#isStarted = true;
    const stop = new Stop();
    const release = endWith(stop, [wait.signal, this.#ending]);
    try {
      await this.#start({ deadlineMs: wait.deadlineMs, signal: stop });
    } finally {
      release();
    }
  }

  /** Out of the rings from now on, still linked and still answering. */
  drain(): void {
    this.#enter('draining');
  }

  stop(wait: Wait): Promise<void> {
    this.#stopping ??= this.#stop(wait);
    return this.#stopping;
  }

  members(): readonly Member[] {
    const { clock } = this.#deps;
    const others = this.#parts?.roster.list(clock.nowMs()) ?? [];
    const self = this.#selfMember();
    return [self, ...others.filter(({ name }) => name !== self.name)].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  onChange(listener: (change: MemberChange) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Everything counted so far, by snake_case name: the core, the transport, discovery, and this node's health. */
  counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = { ...this.#deps.transport.counts() };
    if (this.#parts === undefined) return counts;
    const { core, driver, finder } = this.#parts;
    for (const [name, count] of Object.entries(core.counts())) counts[snakeCase(name)] = count;
    return { ...counts, ...driver.counts(), ...finder.counts(), health: core.health };
  }

  async #start(wait: Wait): Promise<void> {
    const check = (): void => {
      if (hasEnded(wait)) throw aborted('joining the cluster', wait.signal?.reason);
    };
    check();
    const { clock, random, log } = this.#deps;
    const listening = await within(clock, wait, (bounded) => this.listen(bounded));
    check();
    if (listening.is === 'failed') throw listening.error;
    if (listening.is === 'late') throw this.#tooFew(1, 'the gossip port did not open in time');
    const { value: at } = listening;
    const onEvent = (event: SwimEvent): void => this.#onEvent(event);
    const inner = { at, phase: this.#phase, log: this.#log, watchers: this.#watchers, onEvent };
    const parts = createParts(this.#deps, this.#options, inner);
    this.#parts = parts;
    const { driver, finder, seeker, self } = parts;
    this.#cancels.push(this.#deps.peers.onLink((event) => this.#onLink(parts, event)));
    driver.feed({ is: 'start' });
    try {
      const context = { clock, random: random.fork('discovery'), log, self: { name: self.name, gossip: self.gossip } };
      await finder.start(context, wait);
    } catch (error) {
      check();
      if (codeOf(error) === 'INVALID_ARGUMENT') throw error;
      log.write('warn', `discovery by ${finder.provider} did not start: ${messageOf(error)}`, { error });
    }
    check();
    this.#watch(seeker);
    await this.#meet(parts, wait);
    check();
    await this.#ownName(parts, wait);
    check();
    this.#seeking = seeker.seek(this.#ending);
    this.#tellWaiting(seeker);
    const enough = await this.#watchers.until(() => this.#isQuorate(), wait);
    check();
    if (!enough) throw this.#tooFew(this.#alive(), seeker.account);
    await this.#link(parts, wait);
    check();
    this.#enter('serving');
  }

  #watch(seeker: Seeker): void {
    try {
      this.#cancels.push(seeker.watch(this.#ending));
    } catch (error) {
      this.#deps.log.write('warn', `discovery cannot be watched: ${messageOf(error)}`, { error });
    }
  }

  /** Looks for others until somebody answered, or until this node may go on alone. */
  async #meet({ roster, seeker, finder }: Parts, wait: Wait): Promise<void> {
    const { clock, log } = this.#deps;
    const { maxJoinAttempts, linkWithinMs } = this.#options;
    // A node that may be alone gives up while there is still time to link and to serve.
    const spareMs = Math.min(linkWithinMs, (wait.deadlineMs - clock.nowMs()) / 4);
    for (let attempt = 1; ; attempt++) {
      const deadlineMs = wait.deadlineMs - (this.#isQuorate() ? spareMs : 0);
      const outcome = await seeker.attempt({ deadlineMs, signal: wait.signal });
      if (outcome.is === 'contacted' || roster.hasCompany || hasEnded(wait)) return;
      const isOver = clock.nowMs() >= deadlineMs;
      if (this.#isQuorate()) {
        if (outcome.is === 'nobody') {
          const where = `going on alone, and trying on behind: ${seeker.account}, and nobody listens there yet`;
          if (outcome.found > 0) log.write('info', where, { provider: finder.provider });
          return;
        }
        if (isOver || attempt >= maxJoinAttempts) {
          const tried = `${attempt} ${attempt === 1 ? 'attempt' : 'attempts'}`;
          log.write('warn', `going on alone after ${tried} to join, and trying on behind: ${outcome.problem}`, {
            attempt,
            provider: finder.provider,
          });
          return;
        }
      } else {
        this.#tellWaiting(seeker);
        if (isOver) return;
      }
      const pauseMs = seeker.pauseMs(0);
      const next = { deadlineMs: Math.min(deadlineMs, clock.nowMs() + pauseMs), signal: wait.signal };
      if ((await this.#watchers.until(() => roster.hasCompany, next)) || hasEnded(wait)) return;
    }
  }

  /**
   * Waits while a member elsewhere has this node's name: a predecessor that moved is found dead within seconds. Rejects
   * with INVALID_ARGUMENT where it lives on, as two nodes of one name would share a place on the ring.
   */
  async #ownName({ seeker, self }: Parts, wait: Wait): Promise<void> {
    const { clock } = this.#deps;
    while (this.#namesake !== undefined && !hasEnded(wait)) {
      const namesake = this.#namesake;
      if (clock.nowMs() >= wait.deadlineMs) {
        throw invalidArgument(
          `the name ${self.name} belongs to the member at ${namesake}; give this node another name`,
        );
      }
      const pauseMs = Math.min(wait.deadlineMs, clock.nowMs() + seeker.pauseMs(0));
      await this.#watchers.until(() => false, { ...wait, deadlineMs: pauseMs });
      this.#namesake = undefined;
      // Whoever answers says who has the name now.
      const outcome = await seeker.attempt(wait);
      if (outcome.is === 'unknown') this.#namesake ??= namesake;
    }
  }

  #tellWaiting({ account }: Seeker): void {
    if (this.#isQuorate()) return;
    const { minimumPeers } = this.#options;
    const message = `waiting for others: ${this.#alive()} of ${minimumPeers} nodes (cluster.minimumPeers) are here; ${account}`;
    this.#log.write('quorum', 'info', message, { minimumPeers });
  }

  async #link({ roster, links }: Parts, wait: Wait): Promise<void> {
    const { clock, log } = this.#deps;
    const deadlineMs = Math.min(wait.deadlineMs, clock.nowMs() + this.#options.linkWithinMs);
    const missing = (): readonly Member[] => links.missing(roster.linkable());
    if (await this.#watchers.until(() => missing().length === 0, { ...wait, deadlineMs })) return;
    const names = missing().map(({ name, address }) => `${name} (${address})`);
    if (names.length === 0 || hasEnded(wait)) return;
    const shown = names.slice(0, 8).join(', ') + (names.length > 8 ? ` and ${names.length - 8} more` : '');
    log.write('warn', `serving without a link to ${shown}: check that gRPC gets through; it is tried on`, {
      missing: names.length,
    });
  }

  #enter(phase: NodePhase): void {
    if (this.#ending.aborted || this.#phase === phase || this.#phase === 'draining') return;
    this.#phase = phase;
    if (this.#parts === undefined) return;
    const { driver, self } = this.#parts;
    driver.feed({ is: 'meta', meta: encodeMeta(self, phase) });
    this.#tell({ is: 'updated', member: this.#selfMember() });
  }

  /**
   * A link that broke proves nothing, yet after a crash all of them break at once: probed right away by everybody, the
   * member is suspected by many within a probe interval, which is what makes a suspicion short.
   */
  #onLink({ driver }: Parts, event: LinkEvent): void {
    if (event.is === 'down' && !event.left) driver.feed({ is: 'doubt', name: nameOfText(event.peer.name) });
    this.#watchers.ask();
  }

  #onArrival(arrival: GossipArrival): void {
    if (this.#parts !== undefined) this.#parts.driver.feed(arrival);
    // Who waits for an answer hears at once that there is none yet.
    else if (arrival.is === 'exchangeAsked' || arrival.is === 'streamPing') {
      this.#deps.transport.carry({ do: 'drop', stream: arrival.stream });
    }
  }

  #onEvent(event: SwimEvent): void {
    const parts = this.#parts!;
    switch (event.is) {
      case 'joined':
      case 'left':
      case 'failed':
      case 'updated':
      case 'suspect':
      case 'recovered':
        parts.roster.take(event.member, this.#deps.clock.nowMs(), (change) => this.#onRoster(parts, change));
        break;
      case 'refuted':
        this.#tell({ is: 'refuted', member: this.#selfMember() });
        break;
      case 'conflict':
        if (textOfName(event.member.name) === parts.self.name) this.#namesake = addressOf(event.claimed);
        remark(this.#log, event, parts.self.name);
        break;
      case 'onlyByStream':
      case 'mergeRefused':
        remark(this.#log, event, parts.self.name);
        break;
      case 'joinDone':
        parts.seeker.onJoinDone(event);
        break;
      case 'leaveDone':
        this.#isLeaveDone = true;
        break;
      default:
        unreachable(event);
    }
    this.#watchers.ask();
  }

  #onRoster({ links, roster }: Parts, change: MemberChange): void {
    if (this.#ending.aborted) return;
    links.follow(roster.linkable());
    this.#tell(change);
  }

  /** What a listener throws reaches nobody: neither the core nor the other listeners. */
  #tell(change: MemberChange): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        this.#log.write('listener', 'error', `a listener of the membership failed: ${messageOf(error)}`, { error });
      }
    }
  }

  async #stop(wait: Wait): Promise<void> {
    this.#ending.abort(undefined);
    for (const cancel of this.#cancels.splice(0)) quietly(cancel);
    const { clock, transport } = this.#deps;
    const parts = this.#parts;
    if (parts !== undefined) {
      await Promise.all([this.#leave(parts, wait), parts.finder.stop(wait)]);
      parts.driver.close();
      parts.links.follow([]);
      await this.#seeking;
    }
    if (this.#opening === undefined) return;
    await begun(clock, wait, () => transport.close());
    // One that was still opening is closed when it is open.
    void this.#opening.then(
      () => begun(clock, wait, () => transport.close()),
      () => {},
    );
  }

  /** Waits until the news has been sent as often as any news: some rounds of gossip. */
  async #leave({ core, driver }: Parts, wait: Wait): Promise<void> {
    const { clock } = this.#deps;
    const { gossipIntervalMs, retransmitMult } = this.#options.swim;
    const rounds = transmitLimit(retransmitMult, core.members().length) + 2;
    const withinMs = Math.max(0, Math.min(wait.deadlineMs - clock.nowMs(), rounds * gossipIntervalMs));
    driver.feed({ is: 'leave', withinMs });
    await this.#watchers.until(() => this.#isLeaveDone, { ...wait, deadlineMs: clock.nowMs() + withinMs });
  }

  /** Cache nodes that are alive, this one included. */
  #alive(): number {
    return 1 + (this.#parts?.roster.countable ?? 0);
  }

  #isQuorate(): boolean {
    return this.#alive() >= this.#options.minimumPeers;
  }

  #selfMember(): Member {
    const self = this.#parts?.self ?? this.#deps.self();
    const incarnation = this.#parts?.core.member(nameOfText(self.name))?.incarnation ?? self.incarnation;
    const state = this.#phase === 'draining' ? 'draining' : 'alive';
    return { ...self, incarnation, state, serving: this.#phase === 'serving' };
  }

  #tooFew(met: number, account: string): DistcacheError {
    const { minimumPeers } = this.#options;
    return new DistcacheError(
      'CLUSTER_QUORUM',
      `only ${met} of the ${minimumPeers} nodes that cluster.minimumPeers asks for were met in time; ${account}; check ` +
        'that they run, that their gossip ports can be reached over TCP and UDP, and that label and secret are the same',
    );
  }

  #gaveUp(): DistcacheError {
    return aborted('joining the cluster', 'the membership was stopped');
  }
}

const hasEnded = ({ signal }: Wait): boolean => signal?.aborted === true;

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // A provider's fault, on the way out.
  }
}
