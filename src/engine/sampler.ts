import type { Cancel } from '../ports/clock.js';
import type { Random } from '../ports/random.js';
import type { Entry } from '../store/entry.js';
import type { Keyspace } from './keyspace.js';
import type { PathDeps } from './path.js';

const everyMs = 1000;
/** Copies of one keyspace looked at each time. */
const samples = 3;
const answeredWithinMs = 1000;

/**
 * Watches over the protocol at work: each second a few copies are compared with their owners' entries. A copy that is
 * found stale, and is still there when the answer arrives, should not exist: it is dropped and counted.
 */
export class Sampler {
  readonly #deps: Pick<PathDeps, 'clock' | 'peers' | 'leases'>;
  readonly #random: Random;
  readonly #spaces: () => Iterable<Keyspace>;
  readonly #found: (space: Keyspace, key: string) => void;
  #cancel: Cancel | undefined;

  /** @param found told of each stale copy */
  constructor(
    deps: Pick<PathDeps, 'clock' | 'peers' | 'leases'>,
    random: Random,
    spaces: () => Iterable<Keyspace>,
    found: (space: Keyspace, key: string) => void,
  ) {
    this.#deps = deps;
    this.#random = random;
    this.#spaces = spaces;
    this.#found = found;
  }

  start(): void {
    this.#cancel = this.#deps.clock.after(
      everyMs,
      () => {
        this.start();
        for (const space of this.#spaces()) {
          for (const copy of space.store.sample(samples, () => this.#random.next())) this.#check(space, copy);
        }
      },
      { background: true },
    );
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #check(space: Keyspace, copy: Entry): void {
    const { clock, peers, leases } = this.#deps;
    const { key, version, owner } = copy;
    const nowMs = clock.nowMs();
    // One that may not be served is not stale, and one that is about to expire says nothing.
    if (copy.expiresAtMs <= nowMs || !leases.holds(owner)) return;
    const request = { do: 'check', keyspace: space.name, key, version } as const;
    peers.call(owner, request, { deadlineMs: nowMs + answeredWithinMs }).then(
      (reply) => {
        if (reply.is !== 'checked') return;
        space.counts.copiesChecked++;
        // An invalidation on its way arrived before this answer.
        if (reply.current || space.store.peek(key)?.version !== version) return;
        space.counts.copiesStale++;
        space.store.delete(key, 'invalidated');
        this.#found(space, key);
      },
      () => {},
    );
  }
}
