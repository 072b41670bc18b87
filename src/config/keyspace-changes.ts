import type { KeyspaceChanges } from '../ports/keyspace-changes.js';
import { checkAgainst, type Finding } from './check.js';
import { type ConfigDocument, readDocument } from './document.js';
import type { Environment } from './environment.js';
import { type Path, type Problem, pathText, sortedProblems } from './problems.js';
import { fixedKeys, keyspaceChangesSchema } from './schema.js';

export type ChangesRead =
  | { readonly ok: true; readonly changes: KeyspaceChanges }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads a file of settings of one keyspace, YAML or JSON. `none` and `null` say that there is to be none. */
export function loadKeyspaceChanges(text: string, file: string, env: Environment): ChangesRead {
  const inFile = ({ line, column, path, message }: Omit<Problem, 'file' | 'path'> & { path: Path }): Problem => ({
    file,
    line,
    column,
    path: pathText(path),
    message,
  });
  const read = readDocument(text, env);
  if (!read.ok) return { ok: false, problems: sortedProblems(read.problems.map(inFile)) };
  const { document } = read;
  const fixed = takeFixed(document);
  const none = takeNone(document);
  const { file: settings, findings } = checkAgainst(document, keyspaceChangesSchema());
  const place = (finding: Finding): Problem => inFile({ ...placeOf(document, finding), ...finding });
  const problems = [...document.problems.map(inFile), ...[...fixed, ...findings].map(place)];
  if (problems.length > 0 || settings === undefined) return { ok: false, problems: sortedProblems(problems) };
  return { ok: true, changes: { ...settings, ...none } as KeyspaceChanges };
}

/** Takes out what a node's file says of a keyspace and no change may. */
function takeFixed({ root }: ConfigDocument): readonly Finding[] {
  if (typeof root !== 'object' || root === null || Array.isArray(root)) return [];
  return fixedKeys
    .filter((name) => Object.hasOwn(root, name))
    .map((name) => {
      delete (root as Record<string, unknown>)[name];
      const message = "cannot be changed while a keyspace runs; it is for the nodes' files";
      return { path: [name], message, isOfKey: true };
    });
}

/** Takes what is to be none out of the tree, which then has only values. A name that is no setting stays, to be refused. */
function takeNone({ root }: ConfigDocument): Readonly<Record<string, null>> {
  const none: Record<string, null> = {};
  if (typeof root !== 'object' || root === null || Array.isArray(root)) return none;
  const known = Object.keys(keyspaceChangesSchema().shape);
  for (const [name, value] of Object.entries(root)) {
    if (!known.includes(name) || (value !== null && value !== 'none')) continue;
    none[name] = null;
    delete (root as Record<string, unknown>)[name];
  }
  return none;
}

const placeOf = (document: ConfigDocument, { path, isOfKey }: Finding) =>
  isOfKey ? document.keyPlace(path) : document.place(path);
