/** The option that `written` was most likely meant to be, or undefined where none is near. */
export function nearest(written: string, options: readonly string[]): string | undefined {
  const meant = plain(written);
  // Beyond this no name is a slip of the fingers; it also bounds the work for hostile input.
  if (meant.length > 40) return undefined;
  const furthest = meant.length <= 2 ? 1 : Math.max(1, Math.floor(meant.length / 3));
  let best: string | undefined;
  let bestDistance = furthest + 1;
  for (const option of options) {
    const steps = distance(meant, plain(option));
    if (steps < bestDistance) [best, bestDistance] = [option, steps];
  }
  return best;
}

/** `max-bytes`, `max_bytes` and `MaxBytes` are all the same slip. */
const plain = (name: string): string => name.toLowerCase().replace(/[-_\s]/g, '');

/** Insertions, deletions, replacements and swaps of neighbours that lead from one text to the other. */
function distance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwap = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current[column] = Math.min(
        rows[row - 1]![column]! + 1,
        current[column - 1]! + 1,
        rows[row - 1]![column - 1]! + (isSame ? 0 : 1),
        isSwap ? rows[row - 2]![column - 2]! + 1 : Number.POSITIVE_INFINITY,
      );
    }
    rows.push(current);
  }
  return rows[from.length]![to.length]!;
}
