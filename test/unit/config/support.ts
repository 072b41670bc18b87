import { expect } from 'chai';
import type { DiscoverySections } from '../../../src/config/discovery.js';
import { type LoadOptions, load } from '../../../src/config/load.js';
import type { NodeConfig } from '../../../src/config/node-config.js';
import { formatProblem } from '../../../src/config/problems.js';

const gib = 1024 ** 3;

export const options = (env: LoadOptions['env'] = {}): LoadOptions => ({
  file: 'c.yaml',
  env,
  totalMemoryBytes: 8 * gib,
});

/** The config of a file that must be good, and its warnings as lines. */
export function loaded(
  text: string,
  env: LoadOptions['env'] = {},
): { config: NodeConfig; sections: DiscoverySections; warnings: readonly string[] } {
  const result = load(text, options(env));
  if (!result.ok) throw new Error(`refused:\n${result.problems.map(formatProblem).join('\n')}`);
  return { config: result.config, sections: result.sections, warnings: result.warnings.map(formatProblem) };
}

/** The problems of a file that must be bad, as `line:column path: message`. */
export function problemsOf(text: string, env: LoadOptions['env'] = {}): readonly string[] {
  const result = load(text, options(env));
  expect(result.ok, `accepted:\n${text}`).to.equal(false);
  return result.ok ? [] : result.problems.map((problem) => formatProblem(problem).replace('c.yaml:', ''));
}
