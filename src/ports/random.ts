/** Chance as the engine knows it. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** An independent stream for one purpose, so that a new draw in one place shifts nothing elsewhere. */
  fork(label: string): Random;
  /** A fresh identifier of 16 lower-case hex digits. */
  id(): string;
}
