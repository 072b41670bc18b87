import { Flags } from '@oclif/core';
import { formatDuration, formatSize, parseDuration, parseRate, parseSize } from '../base/units.js';
import { beforeDashes } from './argv.js';
import { usageError } from './failure.js';

interface Looks {
  readonly description: string;
  /** A value that is allowed, shown in the error. */
  readonly example: string;
  readonly env?: string;
  readonly helpGroup?: string;
}

const shared = ({ description, env, helpGroup }: Looks) => ({
  description,
  ...(env === undefined ? {} : { env }),
  ...(helpGroup === undefined ? {} : { helpGroup }),
});

/** How messages begin: a value of the environment is looked for in vain on the command line. */
const told = (name: string, text: string, env: string | undefined): string =>
  `--${name} is ${JSON.stringify(text)}${originOf(name, text, env)}`;

/** `, from VARIABLE` where that is where the text is from. */
export function originOf(name: string, text: string, env: string | undefined): string {
  const isGiven = beforeDashes(process.argv).some((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  return env !== undefined && !isGiven && process.env[env] === text ? `, from ${env}` : '';
}

/** Milliseconds, written `250ms`, `30s`, `1h30m`. `above`: exclusive lower bound; `most`: the longest that is allowed. */
export const durationFlag = (looks: Looks & { readonly above?: number; readonly most?: number }) =>
  Flags.custom<number>({
    ...shared(looks),
    helpValue: 'DURATION',
    parse: async (text, _context, flag) => {
      const valueMs = parseDuration(text);
      if (valueMs === undefined) {
        throw usageError(
          `${told(flag.name, text, looks.env)}, which is no duration; write a number with ms, s, m, h or d, for example ${looks.example}`,
        );
      }
      if (looks.above !== undefined && valueMs <= looks.above) {
        throw usageError(
          `${told(flag.name, text, looks.env)}, must be longer than ${formatDuration(looks.above)}, for example ${looks.example}`,
        );
      }
      if (looks.most !== undefined && valueMs > looks.most) {
        throw usageError(
          `${told(flag.name, text, looks.env)}, may be at most ${formatDuration(looks.most)}, for example ${looks.example}`,
        );
      }
      return valueMs;
    },
  })();

/** Bytes, written `512KiB`, `64MiB`, `1GB`. `above`: exclusive lower bound in bytes. */
export const sizeFlag = (looks: Looks & { readonly above?: number }) =>
  Flags.custom<number>({
    ...shared(looks),
    helpValue: 'SIZE',
    parse: async (text, _context, flag) => {
      const bytes = parseSize(text);
      if (bytes === undefined) {
        throw usageError(
          `${told(flag.name, text, looks.env)}, which is no size; write a number with B, KiB, MiB, GiB, KB, MB or GB, for example ${looks.example}`,
        );
      }
      if (looks.above !== undefined && bytes <= looks.above) {
        throw usageError(
          `${told(flag.name, text, looks.env)}, must be larger than ${formatSize(looks.above)}, for example ${looks.example}`,
        );
      }
      return bytes;
    },
  })();

/** Events per second, written `100/s`, `600/m`. */
export const rateFlag = (looks: Looks) =>
  Flags.custom<number>({
    ...shared(looks),
    helpValue: 'RATE',
    parse: async (text, _context, flag) => {
      const perSecond = parseRate(text);
      if (perSecond === undefined) {
        throw usageError(
          `${told(flag.name, text, looks.env)}, which is no rate; write a number per s, m or h, for example ${looks.example}`,
        );
      }
      return perSecond;
    },
  })();

/** A whole number within [min, max]. */
export const integerFlag = (
  looks: Looks & { readonly min: number; readonly max: number; readonly helpValue?: string },
) =>
  Flags.custom<number>({
    ...shared(looks),
    helpValue: looks.helpValue ?? 'N',
    parse: async (text, _context, flag) => {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= looks.min && value <= looks.max)) {
        throw usageError(
          `${told(flag.name, text, looks.env)}, must be a whole number from ${looks.min} to ${looks.max}, for example ${looks.example}`,
        );
      }
      return value;
    },
  })();
