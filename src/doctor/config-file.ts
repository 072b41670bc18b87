import { blankSecrets } from '../admin/blank-secrets.js';
import { readDocument } from '../config/document.js';
import { type LoadOptions, load } from '../config/load.js';
import type { NodeConfig } from '../config/node-config.js';
import { formatProblem, type Path, pathText } from '../config/problems.js';
import { type Check, fail, ok, warn } from './check.js';

export interface LookedAt {
  /** undefined where the file has problems. */
  readonly config: NodeConfig | undefined;
  /** Paths of secrets that stand in the file itself. */
  readonly inline: readonly string[];
  readonly checks: readonly Check[];
}

const check = 'config';

/** The file by itself: what `config validate` says of it, and secrets that stand in it. */
export function lookAtFile(text: string, options: LoadOptions): LookedAt {
  const { file } = options;
  const loaded = load(text, options);
  const inline = inlineSecrets(text, options);
  if (!loaded.ok) {
    const mend = `change it in ${file}; distcache config schema tells what is allowed`;
    const checks = loaded.problems.map((problem) => fail(check, formatProblem(problem), mend));
    return { config: undefined, inline, checks: [...checks, secretsCheck(file, inline)] };
  }
  const doubts = loaded.warnings.map((problem) =>
    warn(check, formatProblem(problem), `change or remove it in ${file}, unless it is meant`),
  );
  const { keyspaces } = loaded.config;
  const valid = ok(check, `${file} is valid, with ${keyspaces.length} keyspace${keyspaces.length === 1 ? '' : 's'}`);
  return { config: loaded.config, inline, checks: [valid, ...doubts, secretsCheck(file, inline)] };
}

const shownMax = 5;

function secretsCheck(file: string, inline: readonly string[]): Check {
  if (inline.length === 0) return ok('secrets in the file', `none stands in ${file} itself`);
  const more = inline.length > shownMax ? ` and ${inline.length - shownMax} more` : '';
  return warn(
    'secrets in the file',
    `${file} holds ${inline.slice(0, shownMax).join(', ')}${more} in the clear`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what users write
    'take them from the environment, "${NAME}", or from files, tokenFile and secretsFile, for what is to change while nodes run',
  );
}

/** Whatever the admin endpoints would blank, and no variable put in. */
function inlineSecrets(text: string, { env }: LoadOptions): readonly string[] {
  const read = readDocument(text, env);
  if (!read.ok) return [];
  const { document } = read;
  const found: string[] = [];
  const look = (value: unknown, path: Path, name: string): void => {
    if (Array.isArray(value)) {
      for (const [index, element] of value.entries()) look(element, [...path, index], name);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, element] of Object.entries(value)) look(element, [...path, key], key);
    } else if (isSecret(name, value) && document.expansion(path) === undefined) found.push(pathText(path));
  };
  look(document.root, [], '');
  return found;
}

/** `tokenFile` and the like name where the secret is. */
const isSecret = (name: string, value: unknown): boolean =>
  !/file$/i.test(name) && (blankSecrets({ [name]: value }) as Record<string, unknown>)[name] !== value;
