import { codeOf, type ErrorCode } from '../base/errors.js';
import type { Answer, Keyspace } from './keyspace.js';
import type { PathDeps, ReadTerms } from './path.js';
import type { Trip } from './trips.js';

/** The data source failed, took too long, or was not asked because it is protected. */
const forgiven: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  'DATA_SOURCE_FAILED',
  'DATA_SOURCE_CIRCUIT_OPEN',
  'DATA_SOURCE_RATE_LIMITED',
  'OVERLOADED',
  'TIMEOUT',
]);

/** An old value is better than this error. */
export const isForgiven = (error: unknown): boolean => forgiven.has(codeOf(error));

/**
 * Entries past their expiry that an owner still answers with. They obey what keeps fresh ones from being older than an
 * acknowledged write: a write drops them, only the owner answers with them, and only while it is in touch with the others.
 */
export class Overdue {
  readonly #deps: PathDeps;

  constructor(deps: PathDeps) {
    this.#deps = deps;
  }

  /** What is held of a key, where it expired less than `graceMs` ago; or, as another has put it meanwhile, not at all. */
  answer(space: Keyspace, key: string, { minVersion }: ReadTerms, graceMs: number): Answer | undefined {
    const { clock, leases, self } = this.#deps;
    const entry = space.store.get(key);
    if (entry?.owner !== '' || entry.value === null || entry.version < minVersion || !leases.owns()) return undefined;
    const lateMs = clock.nowMs() - entry.expiresAtMs;
    if (lateMs >= graceMs) return undefined;
    const { value, version, expiresAtMs, wasPut, sourceVersion, tags } = entry;
    const outcome = lateMs >= 0 ? 'stale' : 'hit';
    return { value, version, expiresAtMs, outcome, wasPut, sourceVersion, tags, node: self().name };
  }

  /** The source has answered anew: what had expired before it was asked stands in for nothing any more. */
  forget({ space, key, version }: Trip): void {
    const entry = space.store.peek(key);
    if (entry === undefined || entry.version >= version || entry.expiresAtMs > this.#deps.clock.nowMs()) return;
    space.store.delete(key, 'expired');
  }
}
