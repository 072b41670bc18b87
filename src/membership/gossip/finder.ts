import { isAddress, splitAddress } from '../../base/addresses.js';
import { DistcacheError, messageOf } from '../../base/errors.js';
import type { Cancel, Clock, Wait } from '../../ports/clock.js';
import { type Discovery, type DiscoveryContext, foundMax } from '../../ports/discovery.js';
import { endpointOf } from '../endpoints.js';
import { type Endpoint, endpointKey } from '../swim/effects.js';
import { begun, within } from './bounded.js';

export type Found =
  /** Where others may be, this node left out. */
  | { readonly is: 'found'; readonly endpoints: readonly Endpoint[] }
  | { readonly is: 'failed'; readonly problem: string };

/** One question to a provider may take so long, as may its end: what is stopped after it needs time, too. */
const findWithinMs = 10_000;

/** Asks the provider, one question at a time, and believes nothing of what it does: it may throw, hang, or talk rubbish. */
export class Finder {
  readonly #discovery: Discovery;
  readonly #clock: Clock;
  readonly #own: string;
  /** The question that has not been answered yet, though its wait may be over. */
  #asking: Promise<unknown> | undefined;
  #isStarted = false;
  #finds = 0;
  #failed = 0;
  #rubbish = 0;

  constructor(discovery: Discovery, clock: Clock, own: Endpoint) {
    this.#discovery = discovery;
    this.#clock = clock;
    this.#own = endpointKey(own);
  }

  get provider(): string {
    return this.#discovery.provider;
  }

  /** Rejects with what the provider rejects with, or with TIMEOUT when it takes longer than it may. */
  async start(context: DiscoveryContext, wait: Wait): Promise<void> {
    this.#isStarted = true;
    const started = await within(this.#clock, this.#bounded(wait), (bounded) =>
      this.#discovery.start(context, bounded),
    );
    if (started.is === 'failed') throw started.error;
    if (started.is === 'late') throw new DistcacheError('TIMEOUT', 'it is not ready yet, and is asked all the same');
  }

  async find(wait: Wait): Promise<Found> {
    this.#finds++;
    const found = await this.#find(this.#bounded(wait));
    if (found.is === 'failed') this.#failed++;
    return found;
  }

  watch(listener: (endpoints: readonly Endpoint[]) => void): Cancel {
    const cancel = this.#discovery.watch?.((addresses) => {
      const endpoints = this.#endpointsOf(addresses);
      if (endpoints !== undefined) listener(endpoints);
    });
    return typeof cancel === 'function' ? cancel : () => {};
  }

  /** Tells it to stop, whatever is left of the wait; resolves when it has, at the latest when the wait ends. */
  async stop(wait: Wait): Promise<void> {
    if (this.#isStarted) await begun(this.#clock, this.#bounded(wait), (bounded) => this.#discovery.stop(bounded));
  }

  counts(): Readonly<Record<string, number>> {
    return { finds: this.#finds, finds_failed: this.#failed, found_unusable: this.#rubbish };
  }

  async #find(wait: Wait): Promise<Found> {
    const { provider } = this;
    // A provider that outlasts its wait is left alone until it answers.
    if (this.#asking !== undefined && !(await this.#answered(this.#asking, wait))) {
      return { is: 'failed', problem: `${provider} has not answered an earlier question yet` };
    }
    const outcome = await within(this.#clock, wait, (bounded) => {
      const asking = this.#discovery.find(bounded);
      this.#note(asking);
      return asking;
    });
    if (outcome.is === 'late') return { is: 'failed', problem: `${provider} did not answer in time` };
    if (outcome.is === 'failed') return { is: 'failed', problem: messageOf(outcome.error) };
    const endpoints = this.#endpointsOf(outcome.value);
    if (endpoints === undefined)
      return { is: 'failed', problem: `${provider} answered with something else than addresses` };
    return { is: 'found', endpoints };
  }

  #note(asking: Promise<unknown>): void {
    const settled = Promise.resolve(asking).then(
      () => {},
      () => {},
    );
    const done = settled.then(() => {
      if (this.#asking === done) this.#asking = undefined;
    });
    this.#asking = done;
  }

  async #answered(asking: Promise<unknown>, wait: Wait): Promise<boolean> {
    return (await within(this.#clock, wait, () => asking)).is === 'done';
  }

  #bounded(wait: Wait): Wait {
    return { deadlineMs: Math.min(wait.deadlineMs, this.#clock.nowMs() + findWithinMs), signal: wait.signal };
  }

  /** Each once, without this node's own; undefined when it is no list. */
  #endpointsOf(addresses: unknown): readonly Endpoint[] | undefined {
    if (!Array.isArray(addresses)) return undefined;
    const byKey = new Map<string, Endpoint>();
    for (const address of addresses.slice(0, foundMax) as readonly unknown[]) {
      const { host, port } =
        typeof address === 'string' && isAddress(address) ? splitAddress(address) : { host: '', port: 0 };
      const endpoint = endpointOf(host, port);
      if (endpoint === undefined) this.#rubbish++;
      else byKey.set(endpointKey(endpoint), endpoint);
    }
    byKey.delete(this.#own);
    return [...byKey.values()];
  }
}
