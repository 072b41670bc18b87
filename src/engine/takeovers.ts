import type { Keyspace } from './keyspace.js';
import type { Keyspaces } from './keyspaces.js';
import type { PathDeps } from './path.js';
import { doubtful } from './topology.js';

/** The owner of entries that this node has taken over and may not answer with yet; no node bears this id. */
export const takenOver = '!';
/** How long the others may take to say what they know: they answer at once, or are in trouble. */
const toldWithinMs = 1000;

type Deps = Pick<PathDeps, 'clock' | 'peers' | 'topology' | 'leases' | 'self'> & { readonly spaces: Keyspaces };

/**
 * Entries that were held for an owner that is gone: it may have answered writes that did not reach this node, as its lease had
 * lapsed, or a write had too little time to wait for that. Whoever was in touch with it knows of them. So the others are asked
 * for their floors, behind which older entries go, and half of them must have told theirs before any of these entries is this
 * node's own. Where too few answer, as in a split or while they stand still, they stay unanswered with; the question is put
 * again each second, and whenever links or members change.
 */
export class Takeovers {
  readonly #deps: Deps;
  readonly #taken: () => void;
  #running: Promise<void> | undefined;
  #isDueAgain = false;
  /** Too few have answered. */
  #isUntold = false;
  /** How often enough of the others have answered, and how often too few. */
  readonly counts = { told: 0, untold: 0 };

  /** @param taken told when entries have become this node's own */
  constructor(deps: Deps, taken: () => void) {
    this.#deps = deps;
    this.#taken = taken;
  }

  /** Of what former owners wrote nothing can be unknown here any more. */
  get isSure(): boolean {
    return this.#running === undefined && !this.#isUntold;
  }

  /** While the others are asked; never rejects. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** What a read of this key waits for, where memory holds such an entry of it. Never rejects. */
  pending(space: Keyspace, key: string): Promise<void> | undefined {
    if (this.#running === undefined) return undefined;
    const owner = space.store.peek(key)?.owner;
    return owner === takenOver || owner === doubtful ? this.#running : undefined;
  }

  /** Entries have been taken over in this turn. */
  begin(): void {
    this.#isDueAgain = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Whoever did not answer may now. */
  retry(): void {
    if (this.#isUntold) this.begin();
  }

  /** The time in which former owners are asked is over, and so is the hope that somebody answers. */
  giveUp(): void {
    this.#isUntold = false;
    for (const { store } of this.#deps.spaces.values()) store.dropOwnedBy(takenOver, true);
  }

  async #run(): Promise<void> {
    while (this.#isDueAgain) {
      this.#isDueAgain = false;
      this.#isUntold = !(await this.#ask());
      if (this.#isUntold) this.counts.untold++;
      else this.counts.told++;
    }
    if (this.#isUntold) return;
    for (const { store } of this.#deps.spaces.values()) store.pass(takenOver, '');
    this.#taken();
  }

  /**
   * True when so many have told all they know that no write can be unknown to all of them: an owner that answers writes is
   * in touch with half of the others.
   */
  async #ask(): Promise<boolean> {
    const { clock, peers, leases, topology, self } = this.#deps;
    const wait = { deadlineMs: clock.nowMs() + toldWithinMs };
    const told = new Set<string>();
    const isEnough = (): boolean => {
      const selfId = self().id;
      const others = topology.ring().members.filter(({ id }) => id !== selfId);
      return 2 * others.filter(({ id }) => told.has(id)).length >= others.length;
    };
    const asked = peers.linked().filter(({ id }) => !leases.isSilent(id));
    await new Promise<void>((resolve) => {
      if (isEnough()) resolve();
      const asks = asked.map(({ id }) =>
        // The floors come on the same stream before the answer.
        peers.call(id, { do: 'renew', resync: true }, wait).then(
          () => {
            // An invalidation of its may be missing here: then it tells again, and is asked again.
            if (leases.leases.isSynced(id)) told.add(id);
            if (isEnough()) resolve();
          },
          () => {},
        ),
      );
      Promise.all(asks).then(() => resolve());
    });
    return isEnough();
  }
}
