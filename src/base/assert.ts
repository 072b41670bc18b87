/** A broken invariant: a fault of ours, never of the caller's. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function assert(condition: unknown, message = 'invariant broken'): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Proves at compile time that a union was handled whole. */
export function unreachable(value: never): never {
  throw new InvariantError(`unexpected ${JSON.stringify(value)}`);
}
