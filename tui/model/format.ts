import { formatDuration, formatSize } from '../../src/base/units.js';
import type { Glyphs } from './glyphs.js';

/** Numbers as the dashboard shows them: short, and of much the same width from one refresh to the next. */

export const none = '-';

/** Three digits and a unit at most: `0`, `0.4`, `12.5`, `980`, `1.23k`, `45.6M`. */
export function rate(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return none;
  if (value === 0) return '0';
  const units = ['', 'k', 'M', 'G', 'T'];
  let amount = value;
  let unit = 0;
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1000;
    unit++;
  }
  const decimals = amount >= 99.95 ? 0 : unit > 0 && amount < 9.995 ? 2 : 1;
  // A trickle is not nothing.
  return `${Math.max(amount, 0.1).toFixed(decimals)}${units[unit]}`;
}

/** All digits, in groups: for details. */
export const whole = (value: number | undefined): string =>
  value === undefined
    ? none
    : Math.round(value)
        .toString()
        .replace(/\B(?=(\d{3})+$)/g, ',');

/** `98.2%`. What is not quite all never shows as all. */
export function percent(share: number | undefined): string {
  if (share === undefined || Number.isNaN(share)) return none;
  if (share >= 1) return '100%';
  return `${(Math.min(share, 0.9994) * 100).toFixed(1)}%`;
}

/** Without decimals, beside a bar. */
export const percentShort = (share: number | undefined): string =>
  share === undefined ? none : `${Math.floor(Math.min(1, share) * 100)}%`;

/** Of a latency: `0.42ms`, `3.1ms`, `250ms`, `1.2s`. */
export function millis(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return none;
  if (ms === 0) return '0ms';
  if (ms < 1) return `${Math.max(0.01, ms).toFixed(2)}ms`;
  if (ms < 10) return `${ms.toFixed(1)}ms`;
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(1)}s`;
}

export const size = (bytes: number | undefined): string => (bytes === undefined ? none : formatSize(bytes));

/** In one unit below an hour, so that it does not jitter: `3s`, `59s`, `4m`, `2h5m`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return formatDuration(Math.floor(seconds / 60) * 60_000);
}

export const duration = (ms: number | null | undefined): string => (ms == null ? none : formatDuration(ms));

/** A bar of `width` cells, filled by `share`. Something shows as soon as there is something. */
export function barText(share: number | undefined, width: number, glyphs: Glyphs): { filled: string; rest: string } {
  const clamped = Math.min(1, Math.max(0, share ?? 0));
  const eighths = Math.max(clamped > 0 ? 1 : 0, Math.round(clamped * width * 8));
  const cells = Math.floor(eighths / 8);
  const part = eighths % 8;
  const partText =
    glyphs.parts.length > 0
      ? (glyphs.parts[part - 1] ?? '')
      : part >= 4 || (cells === 0 && part > 0)
        ? glyphs.full
        : '';
  const filled = glyphs.full.repeat(cells) + partText;
  return { filled, rest: glyphs.rest.repeat(Math.max(0, width - [...filled].length)) };
}

/** The newest values at the right end, by the same scale for all that share `max`. Moments without data stay empty. */
export function sparkline(values: readonly (number | undefined)[], max: number, width: number, glyphs: Glyphs): string {
  const shown = values.slice(-width);
  const last = glyphs.spark.length - 1;
  const text = shown.map((value) => {
    if (value === undefined) return ' ';
    if (max <= 0 || value <= 0) return glyphs.spark[0]!;
    return glyphs.spark[Math.min(last, Math.max(0, Math.ceil((value / max) * (last + 1)) - 1))]!;
  });
  return text.join('').padStart(width);
}
