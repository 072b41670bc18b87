import { ranges } from './ranges.js';

/** Variables as the process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Expansion {
  readonly text: string;
  /** Variables that were put in, as `${NAME}`; their values never appear in messages. */
  readonly variables: readonly string[];
  /** The text is one variable and nothing else. */
  readonly isWhole: boolean;
}

export type Expanded =
  | { readonly is: 'plain' }
  | { readonly is: 'expanded'; readonly expansion: Expansion }
  | { readonly is: 'wrong'; readonly message: string };

const place = /\$\$\{|\$\{([^}]*)(\}?)/g;
const reference = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/;

// biome-ignore lint/suspicious/noTemplateCurlyInString: this is what users write
const brokenReference = 'has a broken variable; write ${NAME} or ${NAME:-default}, and $${ for a literal ${';

/**
 * Puts variables into texts: `${NAME}`, `${NAME:-default}` where NAME is unset or empty, and `$${` for a literal `${`.
 * One of these per file, since what variables put in is bounded in sum.
 */
export class Expander {
  #charsLeft = ranges.expandedCharsMax;

  constructor(private readonly env: Environment) {}

  expand(text: string): Expanded {
    if (!text.includes('${')) return { is: 'plain' };
    const variables: string[] = [];
    const wrong: string[] = [];
    const expanded = text.replace(place, (whole, inner: string, end: string) => {
      if (whole === '$${') return '${';
      const [, name, standard] = (end === '' ? null : reference.exec(inner)) ?? [];
      if (name === undefined) {
        wrong.push(brokenReference);
        return '';
      }
      const given = Object.hasOwn(this.env, name) ? this.env[name] : undefined;
      const value = given === undefined || (given === '' && standard !== undefined) ? standard : given;
      if (value === undefined) {
        wrong.push(`variable ${name} is not set; set it, or write \${${name}:-default}`);
        return '';
      }
      this.#charsLeft -= value.length;
      if (this.#charsLeft < 0) {
        wrong.push(`variables put in more than ${ranges.expandedCharsMax} characters`);
        return '';
      }
      variables.push(`\${${name}}`);
      return value;
    });
    if (wrong.length > 0) return { is: 'wrong', message: [...new Set(wrong)].join('; ') };
    const isWhole = variables.length === 1 && /^\$\{[^}]*\}$/.test(text);
    return { is: 'expanded', expansion: { text: expanded, variables: [...new Set(variables)], isWhole } };
  }
}

/** What YAML would take an unquoted scalar of this text for, where that is no text: `3320`, `true`, `0.5`. */
export function plainMeaning(text: string): number | boolean | undefined {
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  return /^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
}
