import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Seeded, seeded } from '../support/seeded.js';
import { within } from '../support/until.js';

/** Something that reads bytes from outside. */
export interface Parser {
  /** Also the folder of its corpus. */
  readonly name: string;
  /** Input as an honest sender writes it. */
  sound(random: Seeded): Uint8Array;
  /** Words of its language, which chance alone would take long to spell. */
  readonly words?: readonly string[];
  /** Throws where it breaks its contract: an error of another kind, a bound that was passed, no answer. */
  read(bytes: Uint8Array, random: Seeded): void | Promise<void>;
  /** What a round costs beside others: a socket is dearer than a decoder. */
  readonly dear?: boolean;
  close?(): Promise<void>;
}

const corpus = fileURLToPath(new URL('../corpus', import.meta.url));
/** Of the processor, for one input; far above what any of them costs. */
const cpuMsMax = 500;
const roundMsMax = 20_000;

/** Inputs that were worth keeping, oldest name first. */
export function kept(parser: string): readonly { readonly name: string; readonly bytes: Uint8Array }[] {
  const folder = join(corpus, parser);
  let names: string[];
  try {
    names = readdirSync(folder).sort();
  } catch {
    return [];
  }
  return names.map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
}

export function keep(parser: string, name: string, bytes: Uint8Array): string {
  const folder = join(corpus, parser);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** The line that runs one round again. */
export const again = (parser: string, seed: string, round: number): string =>
  `npm run fuzz -- --parser ${parser} --seed ${seed} --round ${round}`;

/** What goes into a round depends on nothing but these three. */
export function inputOf(parser: Parser, seed: string, round: number): { bytes: Uint8Array; random: Seeded } {
  const random = seeded(`${seed}/${parser.name}/${round}`);
  const own = kept(parser.name);
  const base = own.length > 0 && random.chance(0.3) ? random.pick(own).bytes : parser.sound(random);
  return { bytes: random.chance(0.1) ? base : spoilt(base, random, parser.words ?? []), random };
}

/** Runs one round; rejects with what went wrong, the input, and how to run it again. */
export async function fuzz(parser: Parser, seed: string, round: number): Promise<void> {
  const { bytes, random } = inputOf(parser, seed, round);
  try {
    await read(parser, bytes, random);
  } catch (cause) {
    throw new Error(`${again(parser.name, seed, round)}\n${shown(bytes)}\n${cause}`, { cause });
  }
}

/** Runs one input of the corpus. */
export async function replay(parser: Parser, name: string, bytes: Uint8Array): Promise<void> {
  try {
    await read(parser, bytes, seeded(name));
  } catch (cause) {
    throw new Error(`test/corpus/${parser.name}/${name}\n${shown(bytes)}\n${cause}`, { cause });
  }
}

async function read(parser: Parser, bytes: Uint8Array, random: Seeded): Promise<void> {
  const before = process.cpuUsage();
  await within(roundMsMax, 'an input', Promise.resolve(parser.read(bytes, random)));
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000;
  if (parser.dear !== true && cpuMs > cpuMsMax) throw new Error(`it took ${Math.round(cpuMs)} ms of the processor`);
}

const shown = (bytes: Uint8Array): string =>
  `${bytes.length} bytes: ${Buffer.from(bytes.subarray(0, 2_000)).toString('base64')}${bytes.length > 2_000 ? '…' : ''}`;

/** Lengths and numbers at the edges of what fields hold. */
const edges: readonly Uint8Array[] = [
  '00',
  'ff',
  '7f',
  '80',
  'ffff',
  '8000',
  'ffffffff',
  'ffffffffffffffff',
  'ffffffff0f',
  'ffffffffffffffffff01',
].map((hex) => new Uint8Array(Buffer.from(hex, 'hex')));

/** A few bytes changed, cut out, doubled, moved, put in, or the end gone. */
function spoilt(base: Uint8Array, random: Seeded, words: readonly string[]): Uint8Array {
  if (random.chance(0.05)) return Uint8Array.from({ length: random.below(400) }, () => random.below(256));
  let bytes = Buffer.from(base);
  const insert = (at: number, piece: Uint8Array): void => {
    bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
  };
  for (let times = random.between(1, 6); times > 0; times--) {
    const at = random.below(bytes.length + 1);
    const length = random.chance(0.8) ? random.below(9) : random.below(bytes.length + 1);
    random.pick([
      () => void (at < bytes.length && bytes.writeUInt8(bytes[at]! ^ (1 << random.below(8)), at)),
      () => void (at < bytes.length && bytes.writeUInt8(random.below(256), at)),
      () => insert(at, random.pick(edges)),
      () => insert(at, words.length === 0 ? Uint8Array.of(random.below(256)) : Buffer.from(random.pick(words))),
      () => insert(at, Buffer.from(bytes.subarray(at, at + length))),
      () => insert(random.below(bytes.length + 1), Buffer.from(bytes.subarray(at, at + length))),
      () => {
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
      },
      () => {
        if (random.chance(0.3)) bytes = bytes.subarray(0, at);
      },
      () => {
        const piece = Buffer.from(bytes.subarray(at, at + length));
        if (piece.length > 0 && piece.length < 64)
          insert(at, Buffer.concat(Array(random.pick([2, 10, 200])).fill(piece)));
      },
    ])();
  }
  return new Uint8Array(bytes.subarray(0, 256 * 1024));
}
