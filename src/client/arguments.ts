import { ArgumentTypeError, invalidArgument } from '../base/errors.js';

/** What no encoding could carry; lengths are the node's to judge, which knows its limits. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new ArgumentTypeError(`key is of type ${typeof key}, must be a string`);
  if (!key.isWellFormed()) throw invalidArgument('key has a lone surrogate; keys are well-formed Unicode');
}

export function checkTimeout(timeoutMs: number): void {
  if (!(timeoutMs > 0)) throw invalidArgument(`timeoutMs is ${timeoutMs}, must be above 0`);
}

/** At most three bytes a UTF-16 unit: an upper bound, without encoding. */
export const keyBytes = (key: string): number => key.length * 3;
