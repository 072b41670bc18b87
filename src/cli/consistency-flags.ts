import { Flags } from '@oclif/core';
import type { GetOptions } from '../ports/cache.js';
import { usageError } from './failure.js';

/** How new what a command reads must be, and when what it writes counts as done. */

export const ackFlag = Flags.option({
  description:
    'applied: return when no node can answer with anything older. owner: return when the owner has it. [default: applied]',
  options: ['applied', 'owner'] as const,
})();

export const readFlags = {
  'min-version': Flags.string({
    description: 'Answer with this version or a newer one; put --json tells the version it made.',
    helpValue: 'VERSION',
  }),
  consistency: Flags.option({
    description: "owner: the key's owner answers, never a copy, or nobody. [default: cached]",
    options: ['cached', 'owner'] as const,
  })(),
};

interface ReadFlagValues {
  readonly 'min-version'?: string | undefined;
  readonly consistency?: 'cached' | 'owner' | undefined;
}

/** Throws a usage error where the version is none. */
export function readTermsOf(flags: ReadFlagValues): Pick<GetOptions, 'minVersion' | 'consistency'> {
  const given = flags['min-version'];
  const minVersion = given === undefined ? undefined : Number(given);
  if (given !== undefined && !(/^\d+$/.test(given) && Number.isSafeInteger(minVersion))) {
    throw usageError(
      `--min-version is ${JSON.stringify(given)}, must be a version as put --json or get --json tell it`,
    );
  }
  return { minVersion, consistency: flags.consistency };
}
