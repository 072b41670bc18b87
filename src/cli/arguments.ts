import { Args } from '@oclif/core';

/** Every argument ignores stdin: oclif would read it for a missing one and swallow the list of a `while read` loop. */
export const requiredArg = (description: string) => Args.string({ description, required: true, ignoreStdin: true });

export const optionalArg = (description: string) => Args.string({ description, ignoreStdin: true });

/** One or more words; must be the last argument of its command. */
export const requiredArgs = (description: string) =>
  Args.string({ description, required: true, multiple: true, ignoreStdin: true });

/** The same, or none. */
export const optionalArgs = (description: string) => Args.string({ description, multiple: true, ignoreStdin: true });

export const keyspaceArg = requiredArg('Name of the keyspace.');
