import { joinAddress } from '../base/addresses.js';
import { codeOf, DistcacheError, messageOf } from '../base/errors.js';
import type { HotKeyStatus, HotKeyspace, PeerStatus } from '../ports/cache.js';

/** What one node of several said, or why it said nothing. */
export type NodeAnswer<T> =
  | { readonly node: string; readonly is: 'answered'; readonly answer: T }
  | { readonly node: string; readonly is: 'failed'; readonly error: DistcacheError };

/** Nodes asked at a time. */
const atOnce = 16;

/** Asks the nodes that answer for keys, some at a time; the answers in the order of the nodes. Never rejects. */
export async function askEach<T>(
  peers: readonly PeerStatus[],
  ask: (address: string) => Promise<T>,
): Promise<readonly NodeAnswer<T>[]> {
  const nodes = peers.filter(({ bindAddr, state }) => bindAddr !== '' && isThere.has(state));
  const answers: NodeAnswer<T>[] = [];
  const waiting = [...nodes.entries()];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, { name, bindAddr, bindPort }] = next;
      answers[index] = await answerOf(name, () => ask(joinAddress(bindAddr, bindPort)));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return answers;
}

const isThere: ReadonlySet<PeerStatus['state']> = new Set(['alive', 'suspect', 'draining']);

async function answerOf<T>(node: string, ask: () => Promise<T>): Promise<NodeAnswer<T>> {
  try {
    return { node, is: 'answered', answer: await ask() };
  } catch (error) {
    const known = error instanceof DistcacheError ? error : undefined;
    const failure =
      known ?? new DistcacheError(codeOf(error) ?? 'PEER_UNREACHABLE', messageOf(error), { cause: error });
    return { node, is: 'failed', error: failure };
  }
}

/** Names, sorted. */
export const unreachedOf = (answers: readonly NodeAnswer<unknown>[]): readonly string[] =>
  answers.flatMap(({ is, node }) => (is === 'failed' ? [node] : [])).sort();

/**
 * What callers of all nodes ask for most. Each get was counted by the node that was asked, so the sums count each once. A
 * key that only some nodes list was asked elsewhere at most as often as what comes last in that list, which is left out.
 */
export function mergedHotKeys(told: readonly (readonly HotKeyspace[])[], limit: number): readonly HotKeyspace[] {
  const spaces = new Map<string, { hits: number; windowMs: number; readonly keys: Map<string, HotKeyStatus> }>();
  for (const { name, hits, windowMs, keys } of told.flat()) {
    const space = spaces.get(name) ?? { hits: 0, windowMs: 0, keys: new Map() };
    spaces.set(name, space);
    space.hits += hits;
    space.windowMs = Math.max(space.windowMs, windowMs);
    for (const key of keys) {
      const known = space.keys.get(key.key);
      space.keys.set(key.key, {
        ...key,
        hits: key.hits + (known?.hits ?? 0),
        hitsPerSecond: key.hitsPerSecond + (known?.hitsPerSecond ?? 0),
      });
    }
  }
  return [...spaces].map(([name, { hits, windowMs, keys }]) => ({
    name,
    hits,
    windowMs,
    keys: [...keys.values()]
      .sort((a, b) => b.hits - a.hits || (a.key < b.key ? -1 : 1))
      .slice(0, limit)
      .map((key) => ({ ...key, share: hits === 0 ? 0 : Math.min(1, key.hits / hits) })),
  }));
}
