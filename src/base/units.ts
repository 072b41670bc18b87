/** Durations, sizes, rates and shares as people write them, to numbers and back. */

/** Milliseconds, or text such as `250ms`, `30s`, `1h30m`. */
export type Duration = number | string;
/** Bytes, or text such as `512KiB`, `64MiB`, `1GB`. */
export type Size = number | string;

const msPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const bytesPerUnit: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/** A decimal number times a whole factor, free of the rounding that comes of turning `1.1` into a double first. */
function times(decimal: string, factor: number): number {
  const [whole = '', fraction = ''] = decimal.split('.');
  const kept = fraction.replace(/0+$/, '');
  // Beyond what a double tells apart there is nothing to lose.
  if (whole.length + kept.length > 15) return Number(decimal) * factor;
  return (Number(whole + kept) * factor) / 10 ** kept.length;
}

/** Milliseconds, or undefined where the text is no duration. `1h30m` and `0.5s` are; `30` (no unit) is not, `0` is. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    totalMs += times(amount!, msPerUnit[unit!]!);
  }
  return Number.isFinite(totalMs) ? totalMs : undefined;
}

/** Bytes, or undefined where the text is no size. Fractions are allowed when the result is whole: `1.5KiB`. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const factor = match[2] === '' ? 1 : bytesPerUnit[match[2]!.toLowerCase()];
  if (factor === undefined) return undefined;
  const bytes = times(match[1]!, factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Events per second, or undefined: `100/s`, `600/m`, `0.5/s`. */
export function parseRate(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*\/\s*(s|m|h)$/.exec(text.trim());
  return match === null ? undefined : (Number(match[1]) * 1000) / msPerUnit[match[2]!]!;
}

/** A part of one, or undefined: `12.5%` and `0.125` are both 0.125. */
export function parseShare(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim());
  if (match === null) return undefined;
  const share = match[2] === '%' ? Number(`${match[1]}e-2`) : Number(match[1]);
  return share <= 1 ? share : undefined;
}

/** In the two largest units at most: 90000 is `1m30s`, 1500 is `1s500ms`, Infinity is `never`. For people to read. */
export function formatDuration(durationMs: number): string {
  if (durationMs === Number.POSITIVE_INFINITY) return 'never';
  if (!(durationMs >= 0)) return Number.isNaN(durationMs) ? 'unknown' : `-${formatDuration(-durationMs)}`;
  if (durationMs < 1) return durationMs === 0 ? '0s' : `${Number(durationMs.toPrecision(2))}ms`;
  const parts: string[] = [];
  let restMs = Math.round(durationMs);
  for (const [unit, unitMs] of Object.entries(msPerUnit).reverse()) {
    const count = Math.floor(restMs / unitMs);
    if (count > 0 && parts.length < 2) parts.push(`${count}${unit}`);
    restMs -= count * unitMs;
  }
  return parts.join('');
}

/** Binary units with at most one decimal: 67108864 is `64MiB`, 1500 is `1.5KiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let amount = bytes;
  let unit = 0;
  // What would be shown as 1024 of a unit is one of the next.
  while (Number(amount.toFixed(1)) >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${Number(amount.toFixed(1))}${units[unit]}`;
}
