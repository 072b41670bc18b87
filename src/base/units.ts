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

/** Milliseconds, or undefined where the text is no duration. `1h30m` and `0.5s` are; `30` (no unit) is not, `0` is. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * msPerUnit[unit as string]!;
  }
  return Number.isFinite(totalMs) ? totalMs : undefined;
}

/** Bytes, or undefined where the text is no size. Fractions are allowed when the result is whole: `1.5KiB`. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const factor = match[2] === '' ? 1 : bytesPerUnit[match[2]!.toLowerCase()];
  if (factor === undefined) return undefined;
  const bytes = Number(match[1]) * factor;
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
  const share = Number(match[1]) / (match[2] === '%' ? 100 : 1);
  return share <= 1 ? share : undefined;
}

/** The shortest exact writing in at most two units: 90000 is `1m30s`, 1500 is `1s500ms`, Infinity is `never`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === Number.POSITIVE_INFINITY) return 'never';
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
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${Number(amount.toFixed(1))}${units[unit]}`;
}
