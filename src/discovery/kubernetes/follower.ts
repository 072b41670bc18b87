import type { DistcacheError } from '../../base/errors.js';
import { messageOf } from '../../base/errors.js';
import { Stop } from '../../base/stop-signal.js';
import type { Cancel } from '../../ports/clock.js';
import { type DiscoveryContext, foundMax } from '../../ports/discovery.js';
import type { ApiFailure, Gone, PodApi, SeenEvent } from './api.js';
import { Pause } from './pause.js';
import type { SeenPod } from './pods.js';

export interface FollowerOptions {
  readonly resyncMs: number;
  readonly portName: string;
  /** The pods as messages name them: `pods with app=cache in namespace prod`. */
  readonly what: string;
}

/** How a list ended, for whoever waited for it. `stopped`: it never will. */
export type ListOutcome =
  | { readonly is: 'listed'; readonly addresses: readonly string[] }
  | { readonly is: 'failed'; readonly error: DistcacheError }
  | { readonly is: 'stopped' };

/** A watch is asked for this long and up to a fifth more, so that nodes started together do not all ask again at once. */
const watchMs = 300_000;
/** A whole list may take this long, however many pages it has. */
const listMs = 60_000;
const pageMs = 30_000;
/** A list of more pages, 500 pods each, is cut there: of so many pods hardly any would be ready. */
const pagesMax = 100;
/** Pauses after trouble double from half a second to this, less up to a half by chance. */
const backOffStartMs = 500;
const backOffMaxMs = 30_000;
/** Whoever asks for a list ends such a pause, but lists are never closer than this after trouble. */
const hurriedMs = 1000;
/** A watch that lived so long ends what trouble there was. */
const stableMs = 10_000;
/** The same failure is logged this often at most. */
const repeatLogMs = 60_000;

/**
 * Keeps the addresses of pods in step with the API: lists them all, then watches from the version of that list, and goes on
 * from the last version seen when the server ends a watch. When its history no longer reaches back (410), or anything is
 * amiss, all are listed again, since nobody knows what was missed; after trouble with a growing pause. Of a pod only its
 * address is kept, and of these at most `foundMax`; what was left out gets its chance at the next list.
 */
export class PodFollower {
  readonly #stopping = new Stop();
  readonly #waiting = new Set<(outcome: ListOutcome) => void>();
  #running: Promise<void> = Promise.resolve();
  /** By key of the pod. */
  #addresses = new Map<string, string>();
  #inStep = false;
  #told: string | undefined;
  #telling = false;
  #pause: Pause | undefined;
  /** A list that somebody waits for begins no earlier than this. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #troubles = 0;
  #lastError: DistcacheError | undefined;
  #logged: { readonly message: string; readonly atMs: number } | undefined;
  #toldMany = false;
  #toldPort = false;

  constructor(
    private readonly api: PodApi,
    private readonly context: DiscoveryContext,
    private readonly options: FollowerOptions,
    /** Told all addresses after each change. Must not throw. */
    private readonly changed: (addresses: readonly string[]) => void,
  ) {}

  begin(): void {
    this.#running = this.#run().catch((error: unknown) => {
      this.context.log.write('error', `discovery of ${this.options.what} broke: ${messageOf(error)}`);
      this.#inStep = false;
      this.#settle({ is: 'stopped' });
    });
  }

  /** Idempotent. Resolves when nothing is under way any more. */
  stop(): Promise<void> {
    this.#inStep = false;
    this.#stopping.abort(undefined);
    this.#pause?.end();
    this.#settle({ is: 'stopped' });
    return this.#running;
  }

  /** Sorted, each once; undefined while it may be out of date. */
  current(): readonly string[] | undefined {
    return this.#inStep ? this.#sorted() : undefined;
  }

  /** What went wrong last, until a list succeeds. */
  get trouble(): DistcacheError | undefined {
    return this.#lastError;
  }

  /** Calls back when the list under way ends, or the next one, which then begins soon. Returns what forgets the caller. */
  awaitList(listener: (outcome: ListOutcome) => void): Cancel {
    if (this.#stopping.aborted) {
      listener({ is: 'stopped' });
      return () => {};
    }
    this.#waiting.add(listener);
    this.#pause?.noLaterThan(this.#notBeforeMs);
    return () => void this.#waiting.delete(listener);
  }

  async #run(): Promise<void> {
    while (!this.#stopping.aborted) {
      const listed = await this.#list();
      if (this.#stopping.aborted) return;
      const pauseMs = typeof listed === 'string' ? await this.#follow(listed) : this.#afterTrouble(listed);
      await this.#rest(pauseMs);
    }
  }

  /** All pages; gives the version to watch from. What is known stays until the list is whole. */
  async #list(): Promise<string | Gone | ApiFailure> {
    const { clock } = this.context;
    const endMs = clock.nowMs() + listMs;
    const addresses = new Map<string, string>();
    let seen = 0;
    let isMore = false;
    let continueToken = '';
    for (let pages = 1; ; pages++) {
      const totalMs = Math.max(1, Math.min(pageMs, endMs - clock.nowMs()));
      const answer = await this.api.list(continueToken, totalMs, this.#stopping);
      if (answer.is !== 'page') return answer;
      if (this.#stopping.aborted) return { is: 'gone' };
      const { pods, resourceVersion } = answer.page;
      for (const pod of pods) isMore = this.#put(addresses, pod) || isMore;
      seen += pods.length;
      continueToken = answer.page.continueToken;
      if (continueToken !== '' && !isMore && pages < pagesMax) continue;
      this.#accept(addresses, seen, isMore);
      return resourceVersion;
    }
  }

  #accept(addresses: Map<string, string>, seen: number, isMore: boolean): void {
    const { what } = this.options;
    if (!this.#inStep) {
      const advice = seen === 0 ? '; check the labels and the namespace' : '';
      this.context.log.write('info', `found ${addresses.size} addresses among ${seen} ${what}${advice}`);
    }
    this.#addresses = addresses;
    this.#inStep = true;
    this.#lastError = undefined;
    this.#logged = undefined;
    if (!isMore) this.#toldMany = false;
    else this.#tellMany();
    this.#settle({ is: 'listed', addresses: this.#sorted() });
    this.#tell();
  }

  /** Watches until that is no longer possible or all are due to be listed anew; gives the pause before that, in ms. */
  async #follow(from: string): Promise<number> {
    const { clock, random } = this.context;
    const resyncAtMs = clock.nowMs() + this.options.resyncMs;
    let version = from;
    const tell = (event: SeenEvent): void => {
      if (this.#stopping.aborted) return;
      version = event.resourceVersion;
      if (event.is !== 'bookmark') this.#onEvent(event.is, event.pod);
    };
    while (!this.#stopping.aborted) {
      const openedMs = clock.nowMs();
      const wantedMs = Math.min(watchMs * (1 + random.next() / 5), resyncAtMs - openedMs);
      // Whole seconds are what can be asked for.
      if (wantedMs < 1000) return 0;
      const end = await this.api.watch(version, wantedMs, tell, this.#stopping);
      if (clock.nowMs() - openedMs >= stableMs) this.#troubles = 0;
      if (end.is !== 'ended') return this.#afterTrouble(end);
      if (this.#stopping.aborted) break;
      await this.#rest(this.#again());
    }
    return 0;
  }

  #onEvent(is: 'seen' | 'deleted', pod: SeenPod): void {
    if (is === 'deleted') this.#addresses.delete(pod.key);
    else if (this.#put(this.#addresses, pod)) this.#tellMany();
    this.#tell();
  }

  /** Whether it would have been one too many, and was left out. */
  #put(addresses: Map<string, string>, pod: SeenPod): boolean {
    if (pod.otherPorts !== undefined) this.#tellPort(pod);
    if (pod.address === undefined) addresses.delete(pod.key);
    else if (addresses.size >= foundMax && !addresses.has(pod.key)) return true;
    else addresses.set(pod.key, pod.address);
    return false;
  }

  /** The pause after this. Nothing is in step until all are listed again. */
  #afterTrouble(trouble: Gone | ApiFailure): number {
    this.#inStep = false;
    const { clock } = this.context;
    if (trouble.is === 'gone') {
      this.context.log.write('debug', `the history of ${this.options.what} is gone (410); listing them again`);
      const pauseMs = this.#again();
      this.#notBeforeMs = clock.nowMs() + Math.min(hurriedMs, pauseMs);
      return pauseMs;
    }
    if (this.#stopping.aborted) return 0;
    this.#lastError = trouble.error;
    this.#report(trouble.error);
    this.#settle({ is: 'failed', error: trouble.error });
    this.#troubles++;
    const pauseMs = trouble.retryAfterMs ?? this.#backOffMs();
    this.#notBeforeMs = clock.nowMs() + (trouble.retryAfterMs ?? Math.min(hurriedMs, pauseMs));
    return pauseMs;
  }

  /** For what is no fault by itself: none the first time, but a server that does nothing else is not asked in a loop. */
  #again(): number {
    const pauseMs = this.#troubles === 0 ? 0 : this.#backOffMs();
    this.#troubles++;
    return pauseMs;
  }

  #backOffMs(): number {
    const doublings = Math.min(this.#troubles - 1, 16);
    const longestMs = Math.min(backOffStartMs * 2 ** doublings, backOffMaxMs);
    return longestMs * (0.5 + this.context.random.next() / 2);
  }

  async #rest(ms: number): Promise<void> {
    if (ms <= 0 || this.#stopping.aborted) return;
    this.#pause = new Pause(this.context.clock, ms);
    // Somebody may wait already, since before there was a pause to cut short.
    if (this.#waiting.size > 0) this.#pause.noLaterThan(this.#notBeforeMs);
    await this.#pause.over;
    this.#pause = undefined;
  }

  #settle(outcome: ListOutcome): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const listener of waiting) listener(outcome);
  }

  #sorted(): readonly string[] {
    return [...new Set(this.#addresses.values())].sort();
  }

  /** Tells once for all that one chunk brought, and not at all when the addresses are the same. */
  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.context.clock.soon(() => {
      this.#telling = false;
      const addresses = this.#sorted();
      const text = addresses.join();
      if (this.#stopping.aborted || text === this.#told) return;
      this.#told = text;
      this.changed(addresses);
    });
  }

  #report(error: DistcacheError): void {
    const nowMs = this.context.clock.nowMs();
    if (this.#logged?.message === error.message && nowMs - this.#logged.atMs < repeatLogMs) return;
    this.#logged = { message: error.message, atMs: nowMs };
    this.context.log.write('warn', `${error.message}; trying again`, { provider: 'kubernetes', code: error.code });
  }

  #tellMany(): void {
    if (this.#toldMany) return;
    this.#toldMany = true;
    this.context.log.write('warn', `more than ${foundMax} ${this.options.what} are ready; the others are left out`);
  }

  #tellPort({ name, otherPorts = [] }: SeenPod): void {
    if (this.#toldPort) return;
    this.#toldPort = true;
    const has = otherPorts.length === 0 ? 'no ports' : `the ports ${otherPorts.slice(0, 10).join(', ')}`;
    const message = `pod ${name} is left out: no container of it has a port named ${this.options.portName}; it has ${has}. Name its gossip port so, or set discovery.kubernetes.portName. Further such pods are not told`;
    this.context.log.write('warn', message);
  }
}
