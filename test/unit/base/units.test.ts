import { expect } from 'chai';
import {
  formatDuration,
  formatSize,
  parseDuration,
  parseRate,
  parseShare,
  parseSize,
} from '../../../src/base/units.js';
import { seeded } from '../../support/seeded.js';

type Rows = readonly (readonly [string, number | undefined])[];

const show = (text: string): string => JSON.stringify(text.length > 30 ? `${text.slice(0, 30)}…` : text);
const digits = '9'.repeat(400);
/** No reading of anything, whatever the unit. */
const hostile: readonly string[] = [
  '',
  ' ',
  '-1s',
  '+1s',
  '1e3s',
  '0x10',
  'NaN',
  'Infinity',
  '.5s',
  '1.s',
  '1..5s',
  '1.5.5s',
  '1,5s',
  '1_000',
  '١s',
  '１s',
  '1s\u0000',
  '1s; rm -rf /',
  '1 s s',
  's',
  '%',
  '/s',
  '__proto__',
  '1constructor',
  '1toString',
  `${digits}s`,
  `${digits}GiB`,
  `${'1'.repeat(100_000)}!`,
  `${'1s'.repeat(50_000)}!`,
  `1${' '.repeat(100_000)}!`,
];

function table(what: string, parse: (text: string) => number | undefined, rows: Rows): void {
  describe(what, () => {
    for (const [text, expected] of rows) {
      it(`${show(text)}: ${expected ?? 'refused'}`, () => expect(parse(text)).to.equal(expected));
    }
    it('refuses hostile texts, at once', () => {
      for (const text of hostile) expect(parse(text), show(text)).to.equal(undefined);
    });
  });
}

describe('units', () => {
  table('parseDuration', parseDuration, [
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['1h30m', 5_400_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['1s1s', 2000],
    ['0.5s', 500],
    ['1.005s', 1005],
    ['2.01m', 120_600],
    ['0.25ms', 0.25],
    [' 30s ', 30_000],
    ['\t30s\n', 30_000],
    [`0.${'3'.repeat(30)}s`, 1000 / 3],
    ['30', undefined],
    ['00', undefined],
    ['1 s', undefined],
    ['1S', undefined],
    ['1sec', undefined],
    ['5 minutes', undefined],
    ['1mm', undefined],
  ]);

  table('parseSize', parseSize, [
    ['0', 0],
    ['7', 7],
    ['7B', 7],
    ['512KiB', 524_288],
    ['64MiB', 67_108_864],
    ['64 mib', 67_108_864],
    ['1kb', 1000],
    ['1GB', 1_000_000_000],
    ['1TiB', 1_099_511_627_776],
    ['1.5KiB', 1536],
    ['1.50KiB', 1536],
    ['1.13MB', 1_130_000],
    ['2.01GB', 2_010_000_000],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', undefined],
    ['8192TiB', undefined],
    ['0.3KiB', undefined],
    ['0.5B', undefined],
    ['1.5', undefined],
    ['64M', undefined],
    ['64MiBs', undefined],
    ['KiB', undefined],
  ]);

  table('parseRate', parseRate, [
    ['100/s', 100],
    ['600/m', 10],
    ['3600/h', 1],
    ['0.5/s', 0.5],
    ['0/s', 0],
    ['100 / s', 100],
    ['100', undefined],
    ['100/d', undefined],
    ['100/ms', undefined],
    ['100/S', undefined],
    ['100/1s', undefined],
  ]);

  table('parseShare', parseShare, [
    ['0', 0],
    ['1', 1],
    ['0.125', 0.125],
    ['12.5%', 0.125],
    ['33.3%', 0.333],
    ['100%', 1],
    ['0%', 0],
    ['1.1', undefined],
    ['100.1%', undefined],
    ['12.5 %', undefined],
    ['12%%', undefined],
  ]);

  describe('formatDuration', () => {
    const rows: readonly [number, string][] = [
      [0, '0s'],
      [0.25, '0.25ms'],
      [0.999, '1ms'],
      [1, '1ms'],
      [1500, '1s500ms'],
      [59_999.7, '1m'],
      [90_000, '1m30s'],
      [3_661_000, '1h1m'],
      [86_400_000, '1d'],
      [86_400_000 * 400, '400d'],
      [Number.MAX_SAFE_INTEGER, '104249991d8h'],
      [Number.POSITIVE_INFINITY, 'never'],
      [-1500, '-1s500ms'],
      [Number.NaN, 'unknown'],
    ];
    for (const [ms, text] of rows) it(`${ms}: ${text}`, () => expect(formatDuration(ms)).to.equal(text));
  });

  describe('formatSize', () => {
    const rows: readonly [number, string][] = [
      [0, '0B'],
      [1, '1B'],
      [1023, '1023B'],
      [1024, '1KiB'],
      [1500, '1.5KiB'],
      [1024 ** 2 - 1, '1MiB'],
      [67_108_864, '64MiB'],
      [1024 ** 4, '1TiB'],
      [1024 ** 5, '1024TiB'],
    ];
    for (const [bytes, text] of rows) it(`${bytes}: ${text}`, () => expect(formatSize(bytes)).to.equal(text));
  });

  it('what is written in up to two units is read as the same number', () => {
    const random = seeded('units');
    for (let i = 0; i < 2000; i++) {
      const unitMs = random.pick([1, 1000, 60_000, 3_600_000]);
      const ms = random.below(1000) * unitMs;
      const text = formatDuration(ms);
      if (/^(\d+[a-z]+){3,}$/.test(text)) throw new Error(`${text} has more than two units`);
      const days = ms >= 86_400_000 ? 3_600_000 : ms >= 3_600_000 ? 60_000 : ms >= 60_000 ? 1000 : 1;
      expect(parseDuration(text), `SEED=${random.seed} ${ms}`).to.equal(ms - (ms % days));
      const bytes = random.below(1024) * 1024 ** random.below(4);
      expect(parseSize(formatSize(bytes)), `SEED=${random.seed} ${bytes}`).to.equal(bytes);
    }
  });
});
