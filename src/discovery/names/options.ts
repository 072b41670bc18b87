/** A value of a caller as messages show it, cut to a length that fits a line. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 100 ? `${value.slice(0, 100)}...` : value}'`;
  if (value === null || ['number', 'boolean', 'undefined'].includes(typeof value)) return String(value);
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
}

/** The first few and how many there are beside: `a, b, c and 4 more`. */
export function listed(names: readonly string[], max = 3): string {
  const more = names.length - max;
  return names.slice(0, max).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

export const isPort = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;

/** A name as DNS takes it: labels of 1 to 63 characters, 253 together, and perhaps the dot at the end. Not only digits. */
export function isHostName(text: string): boolean {
  const name = text.replace(/\.$/, '');
  if (name.length === 0 || name.length > 253 || /^[\d.]+$/.test(name)) return false;
  return name.split('.').every((label) => /^[\p{L}\p{N}\p{M}_-]{1,63}$/u.test(label));
}
