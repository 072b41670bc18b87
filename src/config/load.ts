import { checkTree, type Finding } from './check.js';
import type { DiscoverySections } from './discovery.js';
import { type ConfigDocument, readDocument } from './document.js';
import type { Environment } from './environment.js';
import type { NodeConfig } from './node-config.js';
import { notYetInFile } from './not-yet.js';
import { type Path, type Problem, pathText, sortedProblems } from './problems.js';
import { contradictions, doubts, resolveFile } from './resolve.js';

export interface LoadOptions {
  /** Name of the file, for messages. */
  readonly file: string;
  readonly env: Environment;
  /** What no keyspace may exceed. */
  readonly totalMemoryBytes: number;
}

export type Loaded =
  | {
      readonly ok: true;
      readonly config: NodeConfig;
      /** What flags may choose from: sections of providers that the file itself does not choose, for instance. */
      readonly sections: DiscoverySections;
      readonly warnings: readonly Problem[];
    }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads a config file's text, YAML or JSON. Never throws; all problems are told at once, in the order of the file. */
export function load(text: string, { file, env, totalMemoryBytes }: LoadOptions): Loaded {
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
  const place = (finding: Finding): Problem => inFile({ ...placeOf(document, finding), ...finding });
  const checked = checkTree(document, totalMemoryBytes);
  const unfinished = notYetInFile(document.root);
  const problems = [
    ...document.problems.map(inFile),
    ...checked.findings.map(place),
    ...unfinished.filter(({ is }) => is === 'refuse').map(place),
    ...(checked.file === undefined ? [] : contradictions(checked.file).map(place)),
  ];
  if (problems.length > 0 || checked.file === undefined) return { ok: false, problems: sortedProblems(problems) };

  const config = resolveFile(checked.file);
  const warnings = [...unfinished, ...doubts(checked.file, config, totalMemoryBytes)].map(place);
  const { gossip, discovery, cluster } = checked.file;
  return { ok: true, config, sections: { gossip, discovery, cluster }, warnings: sortedProblems(warnings) };
}

/** What a node runs with when there is no file: standalone, without keyspaces. */
export const defaultConfig = (): NodeConfig => resolveFile({});

const placeOf = (document: ConfigDocument, { path, isOfKey }: Finding) =>
  isOfKey ? document.keyPlace(path) : document.place(path);
