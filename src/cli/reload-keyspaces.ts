import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../base/errors.js';
import type { KeyspaceConfig } from '../config/node-config.js';
import type { Engine } from '../node/engine.js';
import { keyspaceSettings } from '../node/from-config.js';
import type { DataSource } from '../ports/data-source.js';
import type { Log } from '../ports/log.js';

export interface KeyspaceReload {
  readonly engine: Pick<Engine, 'addKeyspace' | 'removeKeyspace' | 'redefineKeyspace' | 'keyspaces'>;
  readonly log: Log;
  /** Makes what a keyspace loads from. */
  readonly sourceOf: (keyspace: KeyspaceConfig) => Promise<DataSource>;
}

/**
 * Brings the keyspaces of a running node to what its file says now. Returns what took effect: of the rest the next reading
 * tells again. A keyspace that cannot be taken over stays as it is and keeps no other from it.
 */
export async function reloadKeyspaces(
  reload: KeyspaceReload,
  before: readonly KeyspaceConfig[],
  after: readonly KeyspaceConfig[],
): Promise<readonly KeyspaceConfig[]> {
  const { engine, log } = reload;
  const known = new Map(before.map((keyspace) => [keyspace.name, keyspace]));
  const taken: KeyspaceConfig[] = [];
  for (const keyspace of after) {
    const was = known.get(keyspace.name);
    known.delete(keyspace.name);
    try {
      taken.push(was === undefined ? await added(reload, keyspace) : await changed(reload, was, keyspace));
    } catch (error) {
      log.write('error', `SIGHUP: keyspace '${keyspace.name}' was not taken over: ${messageOf(error)}`);
      if (was !== undefined) taken.push(was);
    }
  }
  for (const name of known.keys()) {
    if (!engine.removeKeyspace(name)) continue;
    log.write('info', `SIGHUP: keyspace '${name}' is no longer in the file: removed from this node, and from no other`);
  }
  return taken;
}

async function added({ engine, log, sourceOf }: KeyspaceReload, keyspace: KeyspaceConfig): Promise<KeyspaceConfig> {
  await engine.addKeyspace({ ...keyspaceSettings(keyspace), dataSource: await sourceOf(keyspace) });
  log.write('info', `SIGHUP: keyspace '${keyspace.name}' added`);
  return keyspace;
}

async function changed(
  { engine, log }: KeyspaceReload,
  was: KeyspaceConfig,
  keyspace: KeyspaceConfig,
): Promise<KeyspaceConfig> {
  const { name } = keyspace;
  if (!engine.keyspaces().includes(name)) {
    log.write(
      'warn',
      `SIGHUP: keyspace '${name}' is in the file, but was deleted on all nodes; take it out of the file, and in again to bring it back`,
    );
    return keyspace;
  }
  // What needs a start stays as it was.
  const taken = { ...keyspace, source: was.source, eviction: was.eviction };
  const later = (['source', 'eviction'] as const).filter((key) => !isDeepStrictEqual(was[key], keyspace[key]));
  if (later.length > 0) {
    log.write(
      'warn',
      `SIGHUP: ${later.join(' and ')} of keyspace '${name}' take effect when the node is started again`,
    );
  }
  if (isDeepStrictEqual(was, taken)) return taken;
  const isDifferent = await engine.redefineKeyspace(keyspaceSettings(taken));
  log.write(
    'info',
    `SIGHUP: keyspace '${name}' ${isDifferent ? 'changed' : 'has other settings in the file, the same in force'}`,
  );
  return taken;
}
