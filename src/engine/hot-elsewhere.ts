import type { Clock } from '../ports/clock.js';
import type { PeerNetwork } from '../ports/peers.js';
import type { Random } from '../ports/random.js';
import { checkKey } from './arguments.js';
import type { Keyspace } from './keyspace.js';
import type { EngineLimits } from './options.js';

/** Nodes asked, chosen at random where there are more: what is hot is known to most. */
const askedMax = 32;
const answeredWithinMs = 1000;
/** Of one answer, all keys together. */
const toldCharsMax = 256 * 1024;

export interface HotElsewhereDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly peers: Pick<PeerNetwork, 'linked' | 'call'>;
  readonly limits: EngineLimits;
}

/**
 * The keys that callers of other nodes ask for most, at most `limit` of each, the hottest of all nodes first. Who does not
 * answer in time, or is of a release that does not tell, is left out. Never rejects.
 */
export async function hotElsewhere(
  { clock, random, peers, limits }: HotElsewhereDeps,
  { name }: Pick<Keyspace, 'name'>,
  limit: number,
): Promise<readonly string[]> {
  const request = { do: 'hot-keys', keyspace: name, limit } as const;
  const wait = { deadlineMs: clock.nowMs() + answeredWithinMs };
  const asked = some(peers.linked(), askedMax, random).map(({ id }) =>
    peers.call(id, request, wait).then(
      (reply) => (reply.is === 'hot-keys' ? reply.keys.slice(0, limit).filter((key) => isKey(key, limits)) : []),
      () => [],
    ),
  );
  const told = await Promise.all(asked);
  const keys = new Set<string>();
  const longest = Math.max(0, ...told.map(({ length }) => length));
  for (let rank = 0; rank < longest; rank++) {
    for (const list of told) {
      const key = list[rank];
      if (key !== undefined) keys.add(key);
    }
  }
  return [...keys];
}

/** What another node takes for a key may be longer than this one allows. */
function isKey(key: string, limits: EngineLimits): boolean {
  try {
    checkKey(key, limits);
    return true;
  } catch {
    return false;
  }
}

/** What a peer that asks is told. */
export function hotKeysFor({ hotKeys }: Pick<Keyspace, 'hotKeys'>, limit: number, minHits: number): readonly string[] {
  const told: string[] = [];
  let chars = 0;
  for (const { key } of hotKeys.top(limit, minHits)) {
    chars += key.length;
    if (chars > toldCharsMax) break;
    told.push(key);
  }
  return told;
}

/** As many of them, each as likely; all, in their order, where there are no more. */
function some<T>(items: readonly T[], count: number, random: Random): readonly T[] {
  if (items.length <= count) return items;
  const left = [...items];
  return Array.from({ length: count }, () => left.splice(Math.floor(random.next() * left.length), 1)[0]!);
}
