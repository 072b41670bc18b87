import type { Cancel, Clock, Wait } from '../../ports/clock.js';
import type { Random } from '../../ports/random.js';
import { addressOf } from '../endpoints.js';
import type { Endpoint, SwimEvent, SwimInput } from '../swim/effects.js';
import { shuffle } from '../swim/members.js';
import type { Watchers } from './bounded.js';
import type { Finder } from './finder.js';
import type { MinuteLog } from './minute-log.js';

/** What came of one look for others. */
export type Attempt =
  /** At least one exchanged its state with us. */
  | { readonly is: 'contacted' }
  /** The provider knows of nobody else, or whoever it named is not there and said so. */
  | { readonly is: 'nobody'; readonly found: number }
  /** Somebody may be there: the provider did not answer, or an address did not. */
  | { readonly is: 'unknown'; readonly problem: string };

export interface SeekerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: MinuteLog;
  readonly finder: Finder;
  readonly watchers: Watchers;
  readonly feed: (input: SwimInput) => void;
}

export interface SeekerOptions {
  readonly joinRetryIntervalMs: number;
  readonly findAgainMs: number;
  /** Too few are known to be at rest: look again soon, and talk to all that are found. */
  readonly isWanting: () => boolean;
}

/** Exchanges of state at a time. One that answers knows all the others, so more follow only when none did. */
const contactsMax = 32;
/** After the first answer the others get so long, so that seeds which know nothing of each other meet here. */
const contactGraceMs = 500;
/** Looking again grows rarer up to this. */
const seekAgainMaxMs = 30_000;
/** Nobody is asked again sooner than this, whatever is configured. */
const seekAgainMinMs = 100;

interface Tally {
  waiting: number;
  contacted: number;
  refused: number;
  problem: string;
}

/**
 * Looks for others where discovery says they may be: first to join, then for ever, since a cluster that was cut for longer
 * than its halves remember each other meets again only through an outside source. While this node has company, what is
 * found only becomes the core's seeds, of which it tries those that are not members now and then.
 */
export class Seeker {
  readonly #deps: SeekerDeps;
  readonly #options: SeekerOptions;
  readonly #tallies = new Map<number, Tally>();
  #number = 0;
  #isFailing = false;
  #problem = '';
  #foundLast: readonly Endpoint[] = [];

  constructor(deps: SeekerDeps, options: SeekerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** What was found last and what went wrong last, for people. */
  get account(): string {
    const { provider } = this.#deps.finder;
    if (this.#problem !== '') return `discovery by ${provider} fails: ${this.#problem}`;
    if (this.#foundLast.length === 0) return `discovery by ${provider} found no other node`;
    const shown = this.#foundLast.slice(0, 5).map(addressOf).join(', ');
    const more = this.#foundLast.length > 5 ? ` and ${this.#foundLast.length - 5} more` : '';
    return `discovery by ${provider} found ${shown}${more}`;
  }

  /** Finds, and talks to all that were found. */
  async attempt(wait: Wait): Promise<Attempt> {
    const endpoints = await this.#find(wait);
    if (endpoints === undefined) return { is: 'unknown', problem: this.#problem };
    return this.#contact(endpoints, wait);
  }

  /** A member of the core's answers or failed to. */
  onJoinDone({ join, contacted, refused, problems }: Extract<SwimEvent, { is: 'joinDone' }>): void {
    const tally = this.#tallies.get(join);
    if (!this.#tallies.delete(join) || tally === undefined) return;
    tally.waiting--;
    tally.contacted += contacted;
    tally.refused += refused;
    tally.problem = problems[0] ?? tally.problem;
  }

  /** Goes on for ever, until the signal ends it. Never rejects. */
  async seek(signal: NonNullable<Wait['signal']>): Promise<void> {
    const { clock, watchers } = this.#deps;
    const { findAgainMs, isWanting } = this.#options;
    const over = (ms: number): Wait => ({ deadlineMs: clock.nowMs() + ms, signal });
    for (let tries = 0; !signal.aborted; ) {
      if (isWanting() || this.#isFailing) {
        await watchers.until(() => false, over(this.pauseMs(tries++)));
      } else {
        tries = 0;
        if (await watchers.until(isWanting, over(this.#jittered(Math.max(findAgainMs, seekAgainMinMs))))) continue;
      }
      if (signal.aborted) return;
      const wait = over(seekAgainMaxMs);
      const endpoints = await this.#find(wait);
      if (endpoints !== undefined && isWanting()) await this.#contact(endpoints, wait);
    }
  }

  /** Follows what the source tells by itself. */
  watch(signal: NonNullable<Wait['signal']>): Cancel {
    let isContacting = false;
    return this.#deps.finder.watch((endpoints) => {
      if (signal.aborted) return;
      this.#found(endpoints);
      if (isContacting || !this.#options.isWanting()) return;
      isContacting = true;
      const wait: Wait = { deadlineMs: this.#deps.clock.nowMs() + seekAgainMaxMs, signal };
      void this.#contact(endpoints, wait).then(() => {
        isContacting = false;
      });
    });
  }

  /** Before trying again for the `tries`-th time, from 0: twice as long each time. */
  pauseMs(tries: number): number {
    const firstMs = Math.max(this.#options.joinRetryIntervalMs, seekAgainMinMs);
    const mostMs = Math.max(firstMs, seekAgainMaxMs);
    return this.#jittered(Math.min(mostMs, firstMs * 2 ** Math.min(tries, 20)));
  }

  async #find(wait: Wait): Promise<readonly Endpoint[] | undefined> {
    const { finder, log } = this.#deps;
    const found = await finder.find(wait);
    if (wait.signal?.aborted === true) return undefined;
    if (found.is === 'failed') {
      this.#isFailing = true;
      this.#problem = found.problem;
      log.write('find', 'warn', `discovery by ${finder.provider} fails, and is tried again: ${found.problem}`, {
        provider: finder.provider,
      });
      return undefined;
    }
    if (this.#isFailing) {
      log.forget('find');
      log.write('find', 'info', `discovery by ${finder.provider} answers again`, { provider: finder.provider });
      log.forget('find');
    }
    this.#found(found.endpoints);
    return found.endpoints;
  }

  #found(endpoints: readonly Endpoint[]): void {
    this.#isFailing = false;
    this.#problem = '';
    this.#foundLast = endpoints;
    this.#deps.feed({ is: 'seeds', seeds: endpoints });
  }

  /** Exchanges states with them, some at a time, until somebody answered. */
  async #contact(endpoints: readonly Endpoint[], wait: Wait): Promise<Attempt> {
    const { clock, random, watchers, log } = this.#deps;
    const targets = [...endpoints];
    shuffle(targets, random);
    let problem: string | undefined;
    for (let at = 0; at < targets.length && wait.signal?.aborted !== true; at += contactsMax) {
      const some = targets.slice(at, at + contactsMax);
      const tally: Tally = { waiting: some.length, contacted: 0, refused: 0, problem: '' };
      const numbers = some.map((target) => this.#begin(target, tally));
      await watchers.until(() => tally.waiting === 0 || tally.contacted > 0, wait);
      if (tally.contacted > 0) {
        const graceMs = Math.min(wait.deadlineMs, clock.nowMs() + contactGraceMs);
        await watchers.until(() => tally.waiting === 0, { ...wait, deadlineMs: graceMs });
      }
      for (const number of numbers) this.#tallies.delete(number);
      if (tally.contacted > 0) return { is: 'contacted' };
      if (tally.refused < some.length) problem = tally.problem || 'no answer in time';
    }
    if (problem === undefined) return { is: 'nobody', found: targets.length };
    const shown = `${targets.length} found, none answered: ${problem}`;
    log.write('contact', 'warn', `gossip: ${shown}; it is tried again`, { found: targets.length });
    return { is: 'unknown', problem: shown };
  }

  /** Each by itself, so that those who do not answer hold up none who does. */
  #begin(target: Endpoint, tally: Tally): number {
    const number = ++this.#number;
    this.#tallies.set(number, tally);
    this.#deps.feed({ is: 'join', join: number, targets: [target] });
    return number;
  }

  #jittered(ms: number): number {
    return ms * (0.75 + this.#deps.random.next() / 2);
  }
}
