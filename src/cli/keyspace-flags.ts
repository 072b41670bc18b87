import { Flags } from '@oclif/core';
import { parseDuration, parseRate, parseShare, parseSize } from '../base/units.js';
import type { KeyspaceChanges } from '../ports/keyspace-changes.js';
import { usageError } from './failure.js';

interface Kind {
  readonly helpValue: string;
  readonly parse: (text: string) => number | undefined;
  readonly expected: string;
}

const size: Kind = { helpValue: 'SIZE', parse: parseSize, expected: 'a size such as 64MiB' };
const duration: Kind = { helpValue: 'DURATION', parse: parseDuration, expected: 'a duration such as 30s' };
const share: Kind = { helpValue: 'SHARE', parse: parseShare, expected: 'a part such as 12.5%' };
const rate: Kind = { helpValue: 'RATE', parse: parseRate, expected: 'a rate such as 100/s' };
const count: Kind = {
  helpValue: 'N',
  parse: (text) => (/^\d+$/.test(text) ? Number(text) : undefined),
  expected: 'a whole number',
};

/** A value, or `none`, which is null. Bounds are the node's to judge, which knows its machine. */
const setting = (description: string, { helpValue, parse, expected }: Kind) =>
  Flags.custom<number | 'none'>({
    description,
    helpValue: `${helpValue}|none`,
    parse: async (text, _context, flag) => {
      if (text === 'none') return text;
      const value = parse(text);
      if (value === undefined) {
        throw usageError(`--${flag.name} is ${JSON.stringify(text)}, must be ${expected}, or none`);
      }
      return value;
    },
  })();

export const changeFlags = {
  'max-bytes': setting('Budget per node; what does not fit any more goes, the least used first.', size),
  'default-ttl': setting('Time to live of entries without an expiry of their own.', duration),
  'ttl-jitter': setting('Part by which lifetimes are shortened at random.', share),
  'negative-ttl': setting('How long "the source has no such key" is remembered.', duration),
  'stale-while-revalidate': setting('How long expired entries are served while a load refreshes them.', duration),
  'stale-if-error': setting('How long expired entries are served while the source fails.', duration),
  'hot-share': setting("Part of the budget for copies of other nodes' entries.", share),
  'read-timeout': setting('How long a read may take.', duration),
  'write-timeout': setting('How long a write may take.', duration),
  'rate-limit': setting('Loads per time; none for no limit.', rate),
  'rate-burst': setting('Loads that may start at once after a quiet time.', count),
  'rate-wait': setting('How long a load may wait for its turn.', duration),
  'breaker-failures': setting('Failures in a row that open the circuit; none for no breaker.', count),
  'breaker-reset': setting('How long it stays open before one load tries again.', duration),
  'warm-key': Flags.string({
    description: 'Key to load ahead of need; give it as often as there are keys, they replace those before.',
    helpValue: 'KEY|none',
    multiple: true,
  }),
};

type Values = { readonly [Name in Exclude<keyof typeof changeFlags, 'warm-key'>]?: number | 'none' | undefined } & {
  readonly 'warm-key'?: readonly string[] | undefined;
};

/** What the flags say; undefined stands for what is not given, null for none. */
export function changesOf(flags: Values): KeyspaceChanges {
  const value = (name: Exclude<keyof Values, 'warm-key'>): number | null | undefined =>
    flags[name] === 'none' ? null : (flags[name] as number | undefined);
  const sectionOf = <T extends object>(section: T): T | undefined =>
    Object.values(section).every((part) => part === undefined) ? undefined : section;
  const warm = flags['warm-key'];
  const changes = {
    maxBytes: value('max-bytes'),
    defaultTtl: value('default-ttl'),
    ttlJitter: value('ttl-jitter'),
    negativeTtl: value('negative-ttl'),
    staleWhileRevalidate: value('stale-while-revalidate'),
    staleIfError: value('stale-if-error'),
    hotShare: value('hot-share'),
    readTimeout: value('read-timeout'),
    writeTimeout: value('write-timeout'),
    rateLimit: sectionOf({ rate: value('rate-limit'), burst: value('rate-burst'), wait: value('rate-wait') }),
    breaker: sectionOf({ failures: value('breaker-failures'), reset: value('breaker-reset') }),
    warmKeys: warm?.length === 1 && warm[0] === 'none' ? null : warm,
  };
  return Object.fromEntries(Object.entries(changes).filter(([, change]) => change !== undefined)) as KeyspaceChanges;
}
