import type { Seeded } from '../../../support/seeded.js';

/** The dumbest writer of msgpack: one byte list after another. Text is one character per byte. */

export type TwinValue = string | number | boolean | Uint8Array | { readonly [name: string]: TwinValue };

const bytesOf = (value: number, size: number): number[] => {
  const digits = BigInt.asUintN(8 * size, BigInt(value))
    .toString(16)
    .padStart(2 * size, '0');
  return [...Buffer.from(digits, 'hex')];
};

const raw = (bytes: Uint8Array): number[] => {
  const { length } = bytes;
  if (length < 32) return [0xa0 + length, ...bytes];
  return length < 65_536 ? [0xda, ...bytesOf(length, 2), ...bytes] : [0xdb, ...bytesOf(length, 4), ...bytes];
};

const plain = (value: TwinValue): number[] => {
  if (typeof value === 'string') return raw(Buffer.from(value, 'latin1'));
  if (typeof value === 'boolean') return [value ? 0xc3 : 0xc2];
  if (value instanceof Uint8Array) return value.length === 0 ? [0xc0] : raw(value);
  if (typeof value === 'number') {
    if (value < 128) return [value];
    if (value < 256) return [0xcc, value];
    return value < 65_536 ? [0xcd, ...bytesOf(value, 2)] : [0xce, ...bytesOf(value, 4)];
  }
  const entries = Object.entries(value);
  return [0x80 + entries.length, ...entries.flatMap(([name, of]) => [...plain(name), ...plain(of)])];
};

/** As memberlist writes it, but for the order of keys: they stay as given. */
export const packPlainly = (value: TwinValue): Uint8Array => Uint8Array.from(plain(value));

/** A struct in any of the forms that Go's codecs read: names or positions, any order, any width, unknown fields. */
export function packInSomeForm(
  random: Seeded,
  fields: Record<string, TwinValue>,
  declared: readonly string[],
): Uint8Array {
  const positional = random.chance(0.25);
  const names = positional
    ? declared
    : random.shuffled(Object.keys(fields).filter((name) => mayLeaveIn(random, fields[name]!)));
  const entries = names.map((name) => [...(positional ? [] : someText(random, name)), ...some(random, fields[name]!)]);
  if (random.chance(0.5)) {
    const unknown = [
      ...(positional ? [] : someText(random, random.pick(['', 'else', 'constructor']))),
      ...junk(random, 3),
    ];
    // In an array only what follows the known fields is unknown.
    entries.splice(positional ? entries.length : random.below(entries.length + 1), 0, unknown);
  }
  const short = positional ? 0x90 : 0x80;
  const head = random.pick([
    [short + entries.length],
    [positional ? 0xdc : 0xde, ...bytesOf(entries.length, 2)],
    [positional ? 0xdd : 0xdf, ...bytesOf(entries.length, 4)],
  ]);
  return Uint8Array.from([...head, ...entries.flat()]);
}

const isZero = (value: TwinValue): boolean => (value instanceof Uint8Array ? value.length === 0 : !value);
const mayLeaveIn = (random: Seeded, value: TwinValue): boolean => !isZero(value) || random.chance(0.5);

function some(random: Seeded, value: TwinValue): number[] {
  if (isZero(value) && random.chance(0.3)) return [0xc0];
  if (typeof value === 'string') return someText(random, value);
  if (typeof value === 'boolean') return random.chance(0.5) ? plain(value) : someNumber(random, value ? 1 : 0);
  if (typeof value === 'number') return someNumber(random, value);
  if (!(value instanceof Uint8Array)) return plain(value);
  const { length } = value;
  return random.pick([
    () => raw(value),
    () => (length < 256 ? [0xd9, length, ...value] : raw(value)),
    () => (length < 256 ? [0xc4, length, ...value] : raw(value)),
    () => (length < 65_536 ? [0xc5, ...bytesOf(length, 2), ...value] : raw(value)),
    () => [0xc6, ...bytesOf(length, 4), ...value],
    () =>
      length < 65_536
        ? [0xdd, ...bytesOf(length, 4), ...[...value].flatMap((byte) => someNumber(random, byte))]
        : raw(value),
    () => (length < 65_536 ? [0xdc, ...bytesOf(length, 2), ...[...value].flatMap(plain)] : raw(value)),
  ])();
}

function someText(random: Seeded, text: string): number[] {
  const bytes = [...Buffer.from(text, 'latin1')];
  const { length } = bytes;
  const forms = [[0xda, ...bytesOf(length, 2), ...bytes], [0xdb, ...bytesOf(length, 4), ...bytes], plain(text)];
  if (length < 256) forms.push([0xd9, length, ...bytes]);
  return random.pick(forms);
}

function someNumber(random: Seeded, value: number): number[] {
  const forms = [plain(value), [0xcf, ...bytesOf(value, 8)], [0xd3, ...bytesOf(value, 8)]];
  if (value < 2 ** 31) forms.push([0xd2, ...bytesOf(value, 4)]);
  if (value < 2 ** 32) forms.push([0xce, ...bytesOf(value, 4)]);
  if (value < 2 ** 15) forms.push([0xd1, ...bytesOf(value, 2)]);
  if (value < 2 ** 16) forms.push([0xcd, ...bytesOf(value, 2)]);
  if (value < 2 ** 8) forms.push([0xcc, value]);
  if (value < 2 ** 7) forms.push([0xd0, value]);
  return random.pick(forms);
}

/** Any value at all. */
function junk(random: Seeded, depth: number): number[] {
  const leaf = random.pick([
    [0xc0],
    [0xc3],
    [0xff],
    [0xca, 1, 2, 3, 4],
    [0xcb, ...bytesOf(5, 8)],
    [0xd3, ...bytesOf(-5, 8)],
    [0xd4, 1, 2],
    [0xd8, 1, ...bytesOf(0, 16)],
    [0xc7, 2, 9, 1, 2],
    [0xc8, 0, 1, 9, 1],
    [0xc9, 0, 0, 0, 0, 9],
    [0xc4, 1, 1],
    plain('text'),
  ]);
  if (depth === 0 || random.chance(0.4)) return leaf;
  const items = Array.from({ length: random.below(4) }, () => junk(random, depth - 1));
  return random.chance(0.5)
    ? [0x90 + items.length, ...items.flat()]
    : [0xde, ...bytesOf(items.length, 2), ...items.flatMap((item) => [...junk(random, 0), ...item])];
}
