import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  type ParsedNode,
  parseDocument,
  type YAMLError,
  type YAMLWarning,
} from 'yaml';
import { formatSize } from '../base/units.js';
import { type Environment, Expander, type Expansion } from './environment.js';
import type { Path } from './problems.js';
import { ranges } from './ranges.js';

/** Counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface PlacedProblem extends Place {
  readonly path: Path;
  readonly message: string;
}

/** A file as plain values, and where each of them stands. */
export interface ConfigDocument {
  /** Maps have no prototype. A part with a problem of its own is undefined here. */
  readonly root: unknown;
  /** What is wrong beside syntax: keys given twice, variables not set. */
  readonly problems: readonly PlacedProblem[];
  /** Of the value, else of the nearest map or list around it. */
  place(path: Path): Place;
  /** Of the key that leads to the value, else as `place`. */
  keyPlace(path: Path): Place;
  /** Set where variables were put in. */
  expansion(path: Path): Expansion | undefined;
  /** True where `problems` already tells what is wrong with this very value. */
  isBroken(path: Path): boolean;
}

/** A part of the file beyond which nothing is read. */
class TooMuch extends Error {}

/** Reads YAML, and JSON with it. Syntax problems come alone, since nothing behind them can be trusted. */
export function readDocument(
  text: string,
  env: Environment,
):
  | { readonly ok: true; readonly document: ConfigDocument }
  | { readonly ok: false; readonly problems: readonly PlacedProblem[] } {
  const bytes = new TextEncoder().encode(text).byteLength;
  const whole = (message: string) => ({ ok: false as const, problems: [{ line: 1, column: 1, path: [], message }] });
  if (bytes > ranges.fileBytesMax) {
    return whole(`the file is larger than ${formatSize(ranges.fileBytesMax)}; it is no config file`);
  }
  const shape = shapeProblem(text);
  if (shape !== undefined) return whole(shape);

  const lines = new LineCounter();
  // Its own check of keys compares each with each, which takes minutes for a hostile file; the reader below has one.
  const options = {
    lineCounter: lines,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'error',
    version: '1.2',
  } as const;
  let parsed: Document.Parsed;
  try {
    parsed = parseDocument(text, options);
  } catch (error) {
    return whole(`the file is no YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (parsed.errors.length > 0) return { ok: false, problems: syntaxProblems(parsed.errors, text, at) };
  if (parsed.warnings.length > 0) return { ok: false, problems: syntaxProblems(parsed.warnings, text, at) };
  const reader = new Reader(at, new Expander(env));
  try {
    return { ok: true, document: reader.read(parsed.contents) };
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    return whole(error.message);
  }
}

/** Cheap to tell, and bounds the time and stack that the parser takes. */
function shapeProblem(text: string): string | undefined {
  let tokens = 0;
  let depth = 0;
  for (const token of new Lexer().lex(text)) {
    if (++tokens > ranges.fileTokensMax)
      return `the file has more than ${ranges.fileTokensMax} parts; it is no config file`;
    if (token === '[' || token === '{') depth++;
    else if (token === ']' || token === '}') depth--;
    if (depth > ranges.fileDepthMax) return `the file is nested more than ${ranges.fileDepthMax} deep`;
  }
  return undefined;
}

/** One a line, and none that the parser only finds because it lost its way at an earlier one. */
function syntaxProblems(
  faults: readonly YAMLError[] | readonly YAMLWarning[],
  text: string,
  at: (offset: number) => Place,
): readonly PlacedProblem[] {
  const byLine = new Map<number, PlacedProblem>();
  const sorted = [...faults].sort((a, b) => a.pos[0] - b.pos[0]);
  for (const { code, message, pos } of sorted) {
    if (byLine.size > 0 && code === 'UNEXPECTED_TOKEN') continue;
    const place = at(pos[0]);
    if (!byLine.has(place.line))
      byLine.set(place.line, { ...place, path: [], message: syntaxMessage(code, message, text, pos[0]) });
    if (byLine.size === ranges.problemsMax) break;
  }
  return [...byLine.values()];
}

/** The parser's words without the piece of the file that it quotes, which may be a secret. */
function syntaxMessage(code: string, message: string, text: string, offset: number): string {
  if (code === 'MULTIPLE_DOCS') return 'the file has a second document from here on; a config is one';
  const words = message.split('\n', 1)[0]!.replace(/: ".*$/, '');
  if (code !== 'UNEXPECTED_TOKEN') return words;
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1).split('\n', 1)[0] ?? '';
  return /\$\{[^}]*\}/.test(line) ? `${words}; inside { } and [ ] a variable needs quotes` : words;
}

const keyOf = (path: Path): string => JSON.stringify(path);

/** Walks the parsed file once. Aliases are followed, so a node may be met several times under different paths. */
class Reader {
  readonly #values = new Map<string, Place>();
  readonly #keys = new Map<string, Place>();
  readonly #expansions = new Map<string, Expansion>();
  readonly #broken = new Set<string>();
  readonly #problems: PlacedProblem[] = [];
  readonly #anchors = new Map<string, ParsedNode>();
  /** Nodes around the current one, to refuse one that holds itself. */
  readonly #around = new Set<Node>();
  #met = 0;

  constructor(
    private readonly at: (offset: number) => Place,
    private readonly expander: Expander,
  ) {}

  read(contents: ParsedNode | null): ConfigDocument {
    // A file of comments only is an empty config.
    const root = contents === null || isEmpty(contents) ? Object.create(null) : this.#value(contents, []);
    const nearest = (path: Path): Place => {
      for (let length = path.length; length >= 0; length--) {
        const part = path.slice(0, length);
        // A map starts at its first key; the key that leads to it is what people look for.
        const place = (length < path.length ? this.#keys.get(keyOf(part)) : undefined) ?? this.#values.get(keyOf(part));
        if (place !== undefined) return place;
      }
      return { line: 1, column: 1 };
    };
    return {
      root,
      problems: this.#problems,
      place: nearest,
      keyPlace: (path) => this.#keys.get(keyOf(path)) ?? nearest(path),
      expansion: (path) => this.#expansions.get(keyOf(path)),
      isBroken: (path) => this.#broken.has(keyOf(path)),
    };
  }

  #value(node: ParsedNode, path: Path): unknown {
    if (++this.#met > ranges.fileNodesMax) {
      throw new TooMuch(`the file has more than ${ranges.fileNodesMax} values once its aliases are followed`);
    }
    const place = this.at(node.range[0]);
    if (!this.#values.has(keyOf(path))) this.#values.set(keyOf(path), place);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined) return this.#wrong(path, place, `*${node.source} is the name of no anchor above`);
      if (this.#around.has(target)) return this.#wrong(path, place, `*${node.source} stands inside of what it names`);
      return this.#value(target, path);
    }
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return this.#scalar(node.value, path, place);
    if (path.length >= ranges.fileDepthMax) {
      return this.#wrong(path, place, `is nested more than ${ranges.fileDepthMax} deep`);
    }
    this.#around.add(node);
    const value = isMap(node)
      ? this.#map(node.items as Pair<ParsedNode, ParsedNode | null>[], path)
      : isSeq(node)
        ? node.items.map((item, index) => this.#value(item as ParsedNode, [...path, index]))
        : undefined;
    this.#around.delete(node);
    return value;
  }

  #scalar(value: unknown, path: Path, place: Place): unknown {
    if (typeof value !== 'string') return value;
    const expanded = this.expander.expand(value);
    switch (expanded.is) {
      case 'plain':
        return value;
      case 'wrong':
        return this.#wrong(path, place, expanded.message);
      case 'expanded':
        if (expanded.expansion.variables.length > 0) this.#expansions.set(keyOf(path), expanded.expansion);
        return expanded.expansion.text;
    }
  }

  #map(items: readonly Pair<ParsedNode, ParsedNode | null>[], path: Path): unknown {
    const map = Object.create(null) as Record<string, unknown>;
    for (const { key, value } of items) {
      const keyAt = this.at(key?.range?.[0] ?? 0);
      const name = isScalar(key) && key.value !== null ? String(key.source ?? key.value) : undefined;
      if (name === undefined) {
        this.#problems.push({ ...keyAt, path, message: 'a key must be text' });
        continue;
      }
      const below = [...path, name];
      const first = this.#keys.get(keyOf(below));
      // This one name means something else to JavaScript, and is nobody's.
      if (name === '__proto__') this.#problems.push({ ...keyAt, path: below, message: 'cannot be used as a name' });
      else if (Object.hasOwn(map, name)) {
        this.#problems.push({ ...keyAt, path: below, message: `given twice, first on line ${first?.line}` });
      } else {
        if (first === undefined) this.#keys.set(keyOf(below), keyAt);
        if (value === null || isEmpty(value)) {
          // A section whose keys are all commented out counts as left out; further down, emptiness is most likely a slip.
          if (path.length > 0) map[name] = null;
          this.#values.set(keyOf(below), keyAt);
          continue;
        }
        map[name] = this.#value(value, below);
      }
    }
    return map;
  }

  #wrong(path: Path, place: Place, message: string): undefined {
    this.#broken.add(keyOf(path));
    this.#problems.push({ ...place, path, message });
    return undefined;
  }
}

/** Nothing written, as against `null` or `~`. */
const isEmpty = (node: ParsedNode): boolean => isScalar(node) && node.value === null && (node.source ?? '') === '';
