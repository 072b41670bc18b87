/** A source text in three views. What a view leaves out is blank there, so that places are the same in all of them. */
export interface SourceText {
  /** Without comments; strings and templates as they are. */
  readonly uncommented: string;
  /** Without comments, and without the contents of strings, templates and regular expressions. */
  readonly bare: string;
  /** The comments alone. */
  readonly comments: string;
}

const plain = /[^'"`/{}]+/y;
const lineComment = /\/\/.*/y;
const blockComment = /\/\*[\s\S]*?(?:\*\/|$)/y;
/** Ends on its own line, so that an apostrophe in JSX text is no string. */
const quoted = /(['"])(?:\\[\s\S]|(?!\1)[^\\\n])*\1/y;
const templateText = /(?:\\[\s\S]|(?!\$\{)[^\\`])+/y;
const regex = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
/** After one of these a slash begins a regular expression, after anything else it divides. */
const beforeRegex = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|throw|yield|await))\s*$/;

const blankOf = (part: string): string => part.replace(/[^\n]/g, ' ');

/** Tells code, strings and comments of TypeScript apart; knows no more of the grammar than that takes. */
class Reader {
  readonly #text: string;
  #at = 0;
  uncommented = '';
  bare = '';
  comments = '';

  constructor(text: string) {
    this.#text = text;
  }

  /** To the end, or within a template to the brace that closes its `${`. */
  read(insideTemplate: boolean): void {
    for (let depth = 0; this.#at < this.#text.length; ) {
      const comment = this.#match(lineComment) ?? this.#match(blockComment);
      if (comment !== undefined) {
        this.#take(comment, blankOf(comment), blankOf(comment));
        continue;
      }
      const afterOperator = this.#text[this.#at] === '/' && beforeRegex.test(this.bare.slice(-40));
      const literal = this.#match(quoted) ?? (afterOperator ? this.#match(regex) : undefined);
      if (literal !== undefined) {
        this.#take(literal, literal, literal[0] + blankOf(literal.slice(1, -1)) + literal.at(-1));
        continue;
      }
      const char = this.#text[this.#at]!;
      if (char === '`') {
        this.#template();
        continue;
      }
      if (char === '{') depth++;
      if (char === '}' && insideTemplate && depth-- === 0) return;
      const code = this.#match(plain) ?? char;
      this.#take(code, code, code);
    }
  }

  #template(): void {
    this.#take('`', '`', '`');
    while (this.#at < this.#text.length && this.#text[this.#at] !== '`') {
      if (this.#text.startsWith('${', this.#at)) {
        this.#take('${', '${', '  ');
        this.read(true);
        this.#take('}', '}', ' ');
      } else {
        const part = this.#match(templateText) ?? '$';
        this.#take(part, part, blankOf(part));
      }
    }
    if (this.#at < this.#text.length) this.#take('`', '`', '`');
  }

  #match(sticky: RegExp): string | undefined {
    sticky.lastIndex = this.#at;
    return sticky.exec(this.#text)?.[0];
  }

  #take(part: string, uncommented: string, bare: string): void {
    this.uncommented += uncommented;
    this.bare += bare;
    this.comments += uncommented === part ? blankOf(part) : part;
    this.#at += part.length;
  }
}

export function readSource(text: string): SourceText {
  const reader = new Reader(text);
  reader.read(false);
  return reader;
}
