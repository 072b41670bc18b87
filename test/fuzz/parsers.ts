import type { Parser } from './fuzzer.js';
import { socketParsers } from './socket-parsers.js';
import { sourceParsers } from './source-parsers.js';
import { textParsers } from './text-parsers.js';
import { wireParsers } from './wire-parsers.js';

/** Everything that reads bytes from outside. What was opened is closed by `closeAll`. */
export const allParsers = async (): Promise<readonly Parser[]> => [
  ...wireParsers,
  ...(await textParsers()),
  ...(await sourceParsers()),
  ...(await socketParsers()),
];

export const closeAll = async (parsers: readonly Parser[]): Promise<void> => {
  await Promise.all(parsers.map((parser) => parser.close?.()));
};
