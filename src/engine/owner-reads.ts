import type { StopSignal } from '../base/stop-signal.js';
import type { Wait } from '../ports/clock.js';
import type { NodeInfo } from '../ports/membership.js';
import type { Entry } from '../store/entry.js';
import type { Answer, Keyspace } from './keyspace.js';
import type { Kept } from './known-reply.js';
import type { Loader } from './loader.js';
import { isForgiven, Overdue } from './overdue.js';
import { anyTerms, type PathDeps, type ReadTerms } from './path.js';
import { Recalls } from './recalls.js';
import { takenOver } from './takeovers.js';
import { doubtful, type Place } from './topology.js';
import { besideVersion, type Trip, type Trips } from './trips.js';

type Run = (trip: Trip) => Promise<Answer>;

/**
 * Reads of keys that this node owns, below memory: whoever owned the key before is asked first, then the data source. An
 * owner that lost touch with the others loads as a stranger would, and keeps nothing.
 */
export class OwnerReads {
  readonly #deps: PathDeps;
  readonly #trips: Trips;
  readonly #recalls: Recalls;
  readonly #loader: Loader;
  readonly #kept: Kept;
  readonly #overdue: Overdue;

  /** @param kept told of each entry that this node has taken in as its owner */
  constructor(deps: PathDeps, trips: Trips, loader: Loader, kept: Kept) {
    this.#deps = deps;
    this.#trips = trips;
    this.#recalls = new Recalls(deps, trips);
    this.#loader = loader;
    this.#kept = kept;
    this.#overdue = new Overdue(deps);
  }

  /** What memory holds after all, once this node is in touch with the others again. */
  held(space: Keyspace, key: string, terms: ReadTerms): Answer | undefined {
    return this.#overdue.answer(space, key, terms, 0);
  }

  /**
   * The entry that has expired and is answered with all the same, while one load behind the answer refreshes it; undefined
   * where there is none.
   */
  stale(space: Keyspace, key: string, place: Place, terms: ReadTerms): Answer | undefined {
    const { staleWhileRevalidateMs } = space.options;
    if (staleWhileRevalidateMs === 0) return undefined;
    const old = this.#overdue.answer(space, key, terms, staleWhileRevalidateMs);
    if (old === undefined) return undefined;
    space.countStale();
    this.#refresh(space, key, place);
    return old;
  }

  /** Loads what this node owns, though it may hold it; nothing that has expired is answered with. */
  refresh(space: Keyspace, key: string, place: Place, wait: Wait): Promise<Answer> {
    const { token } = this.#trips.slotOf(space, place);
    return this.#join(space, key, place, wait, anyTerms, Number.NEGATIVE_INFINITY, (trip) => {
      // Written while those gathered who wait for this: that is new enough.
      const held = trip.token === token ? undefined : this.held(space, key, anyTerms);
      return held === undefined ? this.#loadAsOwner(trip, true) : Promise.resolve(held);
    });
  }

  /** Answers with what has expired, within `staleIfError`, where the data source fails or is not to be asked. */
  load(space: Keyspace, key: string, place: Place, wait: Wait, terms: ReadTerms, sinceMs: number): Promise<Answer> {
    const { staleIfErrorMs, staleWhileRevalidateMs } = space.options;
    // Those who gather for a run come before it begins: what was put meanwhile is not loaded over. Nor is what this node
    // has just taken over.
    const heldOrLoaded = (trip: Trip): Promise<Answer> => {
      const held = this.held(space, key, terms);
      return held === undefined ? this.#loadAsOwner(trip, false, join) : Promise.resolve(held);
    };
    const join = (): Promise<Answer> => this.#join(space, key, place, wait, terms, sinceMs, run);
    const run: Run = (trip) => {
      const takeover = this.#deps.takeovers.pending(space, key);
      return takeover === undefined ? heldOrLoaded(trip) : takeover.then(() => heldOrLoaded(trip));
    };
    const loaded = this.#join(space, key, place, wait, terms, sinceMs, run);
    if (staleIfErrorMs === 0 && staleWhileRevalidateMs === 0) return loaded;
    return loaded.then(
      (answer) => {
        if (answer.outcome !== 'stale') return answer;
        space.counts.stale++;
        this.#refresh(space, key, place);
        return answer;
      },
      (error) => {
        const old = isForgiven(error) ? this.#overdue.answer(space, key, terms, staleIfErrorMs) : undefined;
        if (old === undefined) throw error;
        if (old.outcome === 'stale') space.counts.stale++;
        return old;
      },
    );
  }

  /** One load at a time that nobody waits for; whoever reads next hears of its failure, if there is still one. */
  #refresh(space: Keyspace, key: string, place: Place): void {
    const { slot, token } = this.#trips.slotOf(space, place);
    if (space.loads.has(key, token)) return;
    space.counts.refreshes++;
    const wait: Wait = { deadlineMs: this.#deps.clock.nowMs() + space.options.readTimeoutMs };
    const since = this.#joinsSince(space, slot, true);
    this.#fly(space, key, place, wait, anyTerms, since, (trip) => this.#loadAsOwner(trip, true)).catch(() => {});
  }

  #join(
    space: Keyspace,
    key: string,
    place: Place,
    wait: Wait,
    terms: ReadTerms,
    sinceMs: number,
    run: Run,
  ): Promise<Answer> {
    const { leases } = this.#deps;
    const { slot } = this.#trips.slotOf(space, place);
    const since = this.#joinsSince(space, slot, leases.owns());
    return this.#fly(space, key, place, wait, terms, Math.max(since, sinceMs), run);
  }

  /** Whoever wrote in this node's stead has been heard of, or this node asks for it: a new link alone is no reason to load twice. */
  #joinsSince({ slots }: Keyspace, slot: number, owns: boolean): number {
    const { guards } = this.#deps;
    return this.#trips.joinsSince(owns, guards.embargo ? slots.contestedUntilMs(slot) : Number.NEGATIVE_INFINITY);
  }

  #fly(
    space: Keyspace,
    key: string,
    place: Place,
    wait: Wait,
    terms: ReadTerms,
    sinceMs: number,
    run: Run,
  ): Promise<Answer> {
    const { token } = this.#trips.slotOf(space, place);
    const begin = (signal: StopSignal): Promise<Answer> =>
      run(this.#trips.begin(space, key, place, terms, wait, signal));
    return space.loads.wait(key, token, wait, begin, sinceMs);
  }

  /**
   * @param anew what was loaded before gives way to what the source says now; what was put does not
   * @param join reads it with those who came later
   */
  async #loadAsOwner(trip: Trip, anew = false, join?: () => Promise<Answer>): Promise<Answer> {
    const { space, key, terms, signal } = trip;
    // Out of touch with the others, what was held before may be overwritten by now, here and at whoever owned it before.
    if (this.#deps.leases.owns()) {
      const { answer: recalled, from, allAsked, isOpen } = await this.#recalls.ask(trip);
      const written = this.#written(trip, anew);
      if (written !== undefined) return written;
      if (recalled === undefined && this.#isUntold(trip)) return this.#beside(trip);
      const held = this.#reassured(trip, recalled?.version);
      if (held !== undefined ? !allAsked : recalled === undefined && isOpen) return this.#beside(trip);
      const known = held ?? recalled;
      const isFresh = known !== undefined && known.expiresAtMs > this.#deps.clock.nowMs();
      const answer = isFresh ? this.#keepOwn(trip, known) : known && this.#keepExpired(trip, known);
      if (recalled !== undefined) this.#recalls.taken(trip, recalled.version, from);
      // A put that is behind what was asked for is this node's own from now on, and what the source has is the answer.
      if (answer !== undefined && !(known?.wasPut && known.version < terms.minVersion)) return answer;
    }
    // Written while others were asked: those who came since may be loading it.
    if (join !== undefined && !this.#trips.isUnwritten(trip)) return join();
    // What its new owner has put since is later than what the source says, which may not have it.
    if (this.#trips.hasMoved(trip)) return this.#beside(trip);
    // Later than whatever the previous owner has given: its answer has set this node's clock.
    const loadedAt = this.#deps.guards['load-version'] ? this.#deps.hybrid.next() : undefined;
    const answer = await this.#loader.load(space, key, terms.loading, loadedAt, signal);
    return this.#keepOwn(trip, answer, anew);
  }

  /** What is held by now. `anew`: only where it was put, or something was written meanwhile. */
  #written(trip: Trip, anew: boolean): Answer | undefined {
    const held = this.held(trip.space, trip.key, trip.terms);
    return anew && !held?.wasPut && this.#trips.isUnwritten(trip) ? undefined : held;
  }

  /**
   * It holds a put that it took over, or is in doubt of, and too few have said yet what they know; or holds one for whom the key
   * has gone back to, as that one lives after all. Nothing may take its place.
   */
  #isUntold(trip: Trip): boolean {
    const entry = trip.space.kept(trip.key);
    if (entry?.wasPut !== true) return false;
    const isUnasked = entry.owner === takenOver || (entry.owner === doubtful && !this.#isAsked(trip, entry));
    return isUnasked || (entry.isHeld && this.#trips.hasMoved(trip));
  }

  /** What others wrote while this node was away it has been told of. */
  #isAsked({ space, slot }: Trip, entry: Entry): boolean {
    const { takeovers, spared } = this.#deps;
    return takeovers.isSure && !spared.isUnsure(entry, space.slots.floor(slot));
  }

  /** What this node held when it was suspected, as nobody who may have owned the key meanwhile has anything later. */
  #reassured(trip: Trip, recalled = 0): Answer | undefined {
    const { space, key, terms } = trip;
    const entry = space.kept(key);
    if (entry?.owner !== doubtful || !this.#deps.leases.owns() || !this.#isAsked(trip, entry)) return undefined;
    // A put may be behind what was asked for, as any put of this node's own.
    if (entry.version < Math.max(entry.wasPut ? 0 : terms.minVersion, recalled)) return undefined;
    const outcome = entry.value === null ? 'negative' : 'hit';
    return { ...entry, outcome, node: this.#deps.self().name };
  }

  /** Keeps what this node owns. Gives back what is to be answered: a later row of the source, where one is stored. */
  #keepOwn(trip: Trip, answer: Answer, anew = false): Answer {
    const { space } = trip;
    const isApart = this.#isApart(trip) || answer.version === besideVersion;
    const isContested = this.#isContested(trip);
    if (isApart || isContested || !this.#trips.isUnwritten(trip)) {
      space.counts.unkeptLoads++;
      this.#overdue.forget(trip);
      // What was put meanwhile is newer than the source, which may not have it.
      const written = this.#written(trip, anew);
      if (written?.wasPut) return written;
      // A load that a write fell into, of which this node knows, is older than that write and says so.
      const isOverwritten = space.slots.floor(trip.slot) > answer.version;
      // Beside an entry that another load of the key has brought meanwhile, whose version is lower, it has no place.
      const isAhead = (space.kept(trip.key)?.version ?? answer.version) < answer.version;
      const isOrdered = answer.outcome === 'hit' || (isOverwritten && !isApart && !isContested && !isAhead);
      return isOrdered ? answer : { ...answer, version: besideVersion };
    }
    if (!answer.wasPut && this.isBehindPut(space, trip.key, trip.terms)) {
      space.counts.unkeptLoads++;
      return { ...answer, version: besideVersion };
    }
    const latest = this.#latest(trip, answer);
    if (!latest.wasPut && this.#isUntold(trip)) {
      space.counts.unkeptLoads++;
      return { ...latest, version: besideVersion };
    }
    if (this.#trips.hasMoved(trip)) {
      this.#holdFor(this.#deps.topology.placeOf(trip.place.hash).owner, trip, latest);
    } else if (this.#trips.store(trip, latest, '')) this.#kept(space, trip.key, trip.place.hash, latest);
    else this.#forgetOlder(trip, latest);
    return latest;
  }

  /** The source's latest answer is not to be kept: what it said before is not answered with any more. */
  #forgetOlder(trip: Trip, { version }: Answer): void {
    const { store } = trip.space;
    const kept = store.peek(trip.key);
    if (kept?.owner === '' && !kept.wasPut && kept.version < version) store.delete(trip.key, 'expired');
    else this.#overdue.forget(trip);
  }

  /**
   * A later version was asked for than that of the put that is held here, the latest that this node knows of: of another key,
   * perhaps. What the source says instead takes nobody else's put away.
   */
  isBehindPut(space: Keyspace, key: string, terms: ReadTerms): boolean {
    const kept = space.fresh(key);
    const isOwn = kept?.owner === '' || kept?.owner === doubtful;
    return isOwn && kept.wasPut && kept.version < terms.minVersion;
  }

  /**
   * What was held elsewhere, or in doubt, and has expired is this node's own from now on, to stand in where the source
   * fails. Gives back what may be answered with at once.
   */
  #keepExpired(trip: Trip, known: Answer): Answer | undefined {
    const { space, key, terms } = trip;
    const isUnsure = this.#isApart(trip) || this.#isContested(trip) || this.#trips.hasMoved(trip);
    if (isUnsure || !this.#trips.isUnwritten(trip)) return undefined;
    this.#trips.storeExpired(trip, known);
    return this.#overdue.answer(space, key, terms, space.options.staleWhileRevalidateMs);
  }

  /** This node may not act as the owner any more, or has not all along. */
  #isApart({ generation }: Trip): boolean {
    const { leases } = this.#deps;
    return !leases.owns() || leases.ownGeneration !== generation;
  }

  #isContested({ space, slot }: Trip): boolean {
    return this.#deps.guards.embargo && space.slots.isContested(slot, this.#deps.clock.nowMs());
  }

  /** The key has moved while it was loaded: its new owner is to have the answer when it asks. */
  #holdFor({ id }: NodeInfo, trip: Trip, answer: Answer): void {
    this.#trips.store(trip, answer, id, true);
  }

  /**
   * What is stored, where it is later: a load that began after this one was done before it, and readers have seen its
   * version; or the source has answered with an earlier version of the row, as it lags behind itself; or a put of before
   * has come meanwhile, from who held it, of which the source may not know.
   */
  #latest({ space, key, terms }: Trip, answer: Answer): Answer {
    const kept = space.kept(key);
    if (kept === undefined) return answer;
    const { sourceVersion = 0, version, owner, expiresAtMs, value, tags, wasPut } = kept;
    const isLaterRow = answer.sourceVersion !== undefined && sourceVersion > answer.sourceVersion;
    const isOwn = owner === '' && expiresAtMs > this.#deps.clock.nowMs();
    const isLaterPut = wasPut && !answer.wasPut && version >= terms.minVersion;
    if (isOwn && (version > answer.version || isLaterPut) && sourceVersion >= (answer.sourceVersion ?? 0)) {
      return { ...kept, outcome: value === null ? 'negative' : 'hit', node: this.#deps.self().name };
    }
    return isLaterRow ? { ...answer, value, sourceVersion, tags } : answer;
  }

  #beside({ space, key, terms, signal }: Trip): Promise<Answer> {
    space.counts.unkeptLoads++;
    return this.#loader.load(space, key, terms.loading, besideVersion, signal);
  }
}
