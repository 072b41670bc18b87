import { messageOf } from '../base/errors.js';
import type { KeyspaceConfig, NodeConfig } from '../config/node-config.js';
import { moduleFile } from '../connectors/module.js';
import { createDataSource } from '../connectors/registry.js';
import type { Clock } from '../ports/clock.js';
import { type Check, fail, ok } from './check.js';

export interface SourcesSeen {
  readonly config: Pick<NodeConfig, 'keyspaces' | 'limits'>;
  /** Where relative paths in it start. */
  readonly baseDir: string;
  readonly clock: Clock;
}

/** Sources as a node that starts would open them, which refuses to where one cannot be. No server is asked. */
export const checkSources = async (seen: SourcesSeen): Promise<readonly Check[]> =>
  (await Promise.all(seen.config.keyspaces.map((keyspace) => checkSource(keyspace, seen)))).flat();

async function checkSource(keyspace: KeyspaceConfig, seen: SourcesSeen): Promise<readonly Check[]> {
  const { name, source } = keyspace;
  if (source.type === 'none') return [];
  const check = `keyspaces.${name}.source`;
  try {
    return [ok(check, await opened(keyspace, seen))];
  } catch (error) {
    return [fail(check, `it refuses to start: ${messageOf(error)}`, 'change the source in the config')];
  }
}

async function opened(
  { name, source, readTimeoutMs, defaultTtlMs }: KeyspaceConfig,
  { config, baseDir, clock }: SourcesSeen,
): Promise<string> {
  // To load somebody's code would run it.
  if (source.type === 'module') return `there is a module ${await moduleFile(source, { baseDir, keyspace: name })}`;
  const opening = await createDataSource(source, {
    keyspace: name,
    baseDir,
    maxValueBytes: config.limits.maxValueBytes,
    honourCacheHeaders: defaultTtlMs === undefined,
    readTimeoutMs,
    clock,
    log: { write: () => {} },
  });
  await opening.close?.();
  const isHere = source.type === 'sqlite' || source.type === 'directory';
  return isHere ? `${source.type}: opens` : `${source.type}: is well described; its server was not asked`;
}
