import { assert } from '../base/assert.js';
import type { StoredEntry } from './entry.js';

/**
 * Which entries bear a tag. A tag costs its text, a set and a place in the map; `tagBytes` counts all of that for each entry
 * anew, which is an upper bound: entries that share a tag share the set.
 */
export class TagIndex {
  readonly #entries = new Map<string, Set<StoredEntry>>();

  add(entry: StoredEntry): void {
    for (const tag of entry.tags) {
      const bearers = this.#entries.get(tag);
      if (bearers === undefined) this.#entries.set(tag, new Set([entry]));
      else bearers.add(entry);
    }
  }

  remove(entry: StoredEntry): void {
    for (const tag of entry.tags) {
      const bearers = this.#entries.get(tag);
      if (bearers?.delete(entry) === true && bearers.size === 0) this.#entries.delete(tag);
    }
  }

  /** A list of its own: what it names may be dropped meanwhile. */
  bearersOf(tag: string): readonly StoredEntry[] {
    return [...(this.#entries.get(tag) ?? [])];
  }

  /** Recounts the slow way, and throws where it differs. For tests. */
  check(entries: Iterable<StoredEntry>): void {
    let borne = 0;
    for (const entry of entries) {
      borne += entry.tags.length;
      for (const tag of entry.tags)
        assert(this.#entries.get(tag)?.has(entry) === true, `${tag} does not name its entry`);
    }
    let named = 0;
    for (const [tag, bearers] of this.#entries) {
      assert(bearers.size > 0, `${tag} names nothing`);
      named += bearers.size;
    }
    assert(named === borne, `${borne} tags are borne, the index has ${named}`);
  }
}
