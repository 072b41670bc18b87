import type { z } from 'zod';
import { sourceTypes } from '../connectors/definition.js';
import type { ConfigDocument } from './document.js';
import { plainMeaning } from './environment.js';
import { leafFault } from './leaf.js';
import { type Path, show, suggestion } from './problems.js';
import { ranges } from './ranges.js';
import { oneOf, refusal } from './scalars.js';
import { type FileConfig, fileSchema } from './schema.js';

export interface Finding {
  readonly path: Path;
  readonly message: string;
  /** A fault of the key itself rather than of what stands behind it. */
  readonly isOfKey?: boolean;
}

type Issue = z.core.$ZodIssue;

/** Holds a config file to its schema, as `checkAgainst` does. */
export const checkTree = (document: ConfigDocument, totalMemoryBytes: number) =>
  checkAgainst<FileConfig>(document, fileSchema(totalMemoryBytes));

/**
 * Holds a file to a schema. `file` is there when nothing was found. Variables that stand alone count as what their place
 * asks for: text, or else the number or boolean that YAML would read; `document.root` is changed accordingly.
 */
export function checkAgainst<T>(
  document: ConfigDocument,
  schema: z.ZodType<T>,
): { readonly file: T | undefined; readonly findings: readonly Finding[] } {
  const parse = () => schema.safeParse(document.root, { error: allowedKeys });
  let result = parse();
  const issues = (): readonly Issue[] => flat(result.error?.issues ?? []);
  const typed = issues().filter(({ path }) => retypeVariable(document, path as Path));
  if (typed.length > 0) result = parse();
  const findings: Finding[] = [];
  for (const issue of issues()) {
    if (findings.length > 10 * ranges.problemsMax) break;
    if (!document.isBroken(issue.path as Path)) findings.push(...findingsOf(issue, document));
  }
  return { file: result.success ? result.data : undefined, findings };
}

/** The keys that the refused map may have, as the issue's message; other issues are worded where the file is known. */
const allowedKeys = (issue: z.core.$ZodRawIssue): string => {
  const shape = (issue.inst?._zod.def as { shape?: object } | undefined)?.shape;
  return issue.code === 'unrecognized_keys' && shape !== undefined ? Object.keys(shape).join('\n') : '';
};

/** Of a union only what the meant alternative complains of: the one that accepts the value's kind. */
function flat(issues: readonly Issue[], base: Path = []): readonly Issue[] {
  return issues.flatMap((issue): readonly Issue[] => {
    const path = [...base, ...(issue.path as Path)];
    const isOther = (found: Issue): boolean => found.path.length === 0 && found.code !== 'unrecognized_keys';
    const meant = issue.code === 'invalid_union' ? issue.errors.find((branch) => !branch.some(isOther)) : undefined;
    return meant !== undefined ? flat(meant, path) : [{ ...issue, path: [...path] }];
  });
}

function findingsOf(issue: Issue, document: ConfigDocument): readonly Finding[] {
  const path = issue.path as Path;
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = issue.message.split('\n');
      return issue.keys.slice(0, 10 * ranges.problemsMax).map((key) => {
        const near =
          suggestion(key, known) || `; known here are ${known.filter((name) => !name.startsWith('$')).join(', ')}`;
        return { path: [...path, key], message: `unknown key${near}`, isOfKey: true };
      });
    }
    case 'invalid_key':
      return [{ path, message: `must be ${issue.issues[0]?.message}, found ${show(path.at(-1))}`, isOfKey: true }];
    case 'invalid_union': {
      if (issue.discriminator === undefined) break;
      // Of the only such union; types of later releases are known, but not offered.
      const choices = oneOf(sourceTypes);
      return [
        { path, message: told(document, path, choices.expected, refusal(choices, valueAt(document.root, path))) },
      ];
    }
    case 'custom': {
      const fault = leafFault(issue.params);
      if (fault === undefined) break;
      const { scalar } = fault;
      return [{ path, message: told(document, path, scalar.expected, refusal(scalar, valueAt(document.root, path))) }];
    }
    case 'too_big':
      if (issue.message === '') return [{ path, message: `must have at most ${issue.maximum} elements` }];
      break;
  }
  const kind = 'expected' in issue ? kinds[issue.expected as string] : undefined;
  const expected = issue.message || (kind ?? 'something else');
  return [
    {
      path,
      message: told(document, path, expected, `must be ${expected}, found ${show(valueAt(document.root, path))}`),
    },
  ];
}

const kinds: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  tuple: 'a list',
  boolean: 'true or false',
};

/** `refused` shows the value, which is not for missing ones, nor for what variables hold. */
function told(document: ConfigDocument, path: Path, expected: string, refused: string): string {
  const variables = document.expansion(path)?.variables ?? [];
  if (variables.length > 0) return `must be ${expected}, which the value with ${variables.join(' and ')} is not`;
  return valueAt(document.root, path) === undefined ? `missing; must be ${expected}` : refused;
}

function retypeVariable(document: ConfigDocument, path: Path): boolean {
  const expansion = document.expansion(path);
  const meaning = expansion?.isWhole ? plainMeaning(expansion.text) : undefined;
  const around = valueAt(document.root, path.slice(0, -1));
  const last = path.at(-1);
  if (meaning === undefined || last === undefined || typeof around !== 'object' || around === null) return false;
  (around as Record<string | number, unknown>)[last] = meaning;
  return true;
}

export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
