import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { asyncLoadContext } from '../../../src/platform/load-context.js';
import type { FetchResult } from '../../../src/ports/data-source.js';
import { GuardedSource, type SourceLimits } from '../../../src/source/guarded-source.js';
import { FakeClock } from '../../support/fake-clock.js';

export const usual: SourceLimits = {
  maxConcurrent: 1000,
  maxQueued: 10_000,
  maxValueBytes: 1024,
  loadTimeoutMs: 1000,
  rate: undefined,
  breaker: undefined,
  batch: { maxKeys: 100, windowMs: 0 },
};
export const breaker = { failures: 3, resetMs: 5000 };
export const crowd = 1000;

/** A source whose next answers a test decides, behind the guards, under a fake clock. */
export class Guarded {
  readonly clock = new FakeClock({ startMs: 3e6 });
  readonly changes: string[] = [];
  readonly source: GuardedSource;
  /** Keys in the order in which the source was asked for them. */
  readonly asked: string[] = [];
  answer: (key: string, signal: AbortSignal) => Promise<FetchResult> | FetchResult = () => 'v';

  constructor(limits: Partial<SourceLimits>) {
    this.source = new GuardedSource(
      {
        clock: this.clock,
        context: asyncLoadContext(),
        circuitChanged: (from, to) => this.changes.push(`${from} > ${to}`),
      },
      'ks',
      {
        fetch: (key, { signal }) => {
          this.asked.push(key);
          return this.answer(key, signal);
        },
      },
      { ...usual, ...limits },
    );
  }

  load(key = 'k', signal: AbortSignal = new AbortController().signal): Promise<string> {
    return this.source.load(key, [key], signal).then(
      ({ is }) => is,
      (error) => codeOf(error) ?? messageOf(error),
    );
  }

  /** What many loads at once came to, counted. */
  loads(count: number, prefix = 'k'): Promise<Record<string, number>> {
    return this.clock.until(this.begin(count, prefix));
  }

  /** The same, with the passing of time left to the test. */
  async begin(count: number, prefix = 'k'): Promise<Record<string, number>> {
    const fates: Record<string, number> = {};
    const all = await Promise.all(Array.from({ length: count }, (_, i) => this.load(`${prefix}${i}`)));
    for (const fate of all) fates[fate] = (fates[fate] ?? 0) + 1;
    return fates;
  }

  message(): Promise<string> {
    return this.source.load('k', ['k'], new AbortController().signal).then(() => 'none', messageOf);
  }

  fail(): void {
    this.answer = () => Promise.reject(new Error('down'));
  }

  async open(): Promise<void> {
    this.fail();
    for (let i = 0; i < breaker.failures; i++) expect(await this.load()).to.equal('DATA_SOURCE_FAILED');
    expect(this.state).to.equal('open');
    this.asked.length = 0;
  }

  get state(): string | undefined {
    return this.source.status().breaker?.state;
  }

  /** Nothing is left behind, and every load is accounted for. */
  check(loads: number): void {
    const { counts, running, queued, rateLimit } = this.source.status();
    expect([running, queued, rateLimit?.waiting ?? 0], 'left behind').to.deep.equal([0, 0, 0]);
    expect(this.clock.pending(), 'timers left').to.equal(0);
    expect(
      Object.values(counts).reduce((sum, count) => sum + count, 0),
      'loads accounted for',
    ).to.equal(loads);
  }
}
