import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../base/errors.js';
import type { NodeConfig } from '../config/node-config.js';
import type { Engine } from '../node/engine.js';
import type { Log } from '../ports/log.js';
import { type KeyspaceReload, reloadKeyspaces } from './reload-keyspaces.js';

export interface Reload {
  readonly engine: Pick<Engine, 'setGossipSecrets'> & KeyspaceReload['engine'];
  readonly sourceOf: KeyspaceReload['sourceOf'];
  /** What the node runs with. */
  readonly config: NodeConfig;
  /** Reads file and flags again. */
  readonly read: () => Promise<NodeConfig>;
  readonly log: Log;
}

/**
 * On SIGHUP the config is read again. What can change while the node runs changes; a file that cannot be used changes
 * nothing, and the log says what is wrong. Returns how to stop listening.
 */
export function reloadOnSignal(reload: Reload): () => void {
  let { config } = reload;
  let isReading = false;
  let isAsked = false;
  const run = async (): Promise<void> => {
    isReading = true;
    while (isAsked) {
      isAsked = false;
      config = await reloaded({ ...reload, config });
    }
    isReading = false;
  };
  const onSignal = (): void => {
    isAsked = true;
    if (!isReading) void run();
  };
  process.on('SIGHUP', onSignal);
  return () => process.off('SIGHUP', onSignal);
}

/** What the node runs with afterwards. Never rejects. */
async function reloaded(reload: Reload): Promise<NodeConfig> {
  const { engine, config, read, log } = reload;
  try {
    const next = await read();
    const secrets = secretsOf(next);
    const changes = !isDeepStrictEqual(secrets, secretsOf(config));
    if (changes) engine.setGossipSecrets(secrets);
    log.write('info', changes ? 'SIGHUP: gossip.secrets changed' : 'SIGHUP: gossip.secrets have not changed');
    const keyspaces = await reloadKeyspaces(reload, config.keyspaces, next.keyspaces);
    // What is told of here was told of keyspace by keyspace there.
    const taken = { ...withSecretsOf(config, next), keyspaces };
    const later = sectionsThatDiffer({ ...taken, keyspaces: next.keyspaces }, next);
    if (later.length > 0) {
      log.write('warn', `SIGHUP: changes of ${later.join(', ')} take effect when the node is started again`);
    }
    // Only what took effect: the rest is told of again the next time.
    return taken;
  } catch (error) {
    log.write('error', `SIGHUP: the config was not taken over, the node goes on as before: ${messageOf(error)}`);
    return config;
  }
}

const secretsOf = ({ gossip }: NodeConfig): readonly string[] => (gossip === false ? [] : gossip.secrets);

const withSecretsOf = (config: NodeConfig, { gossip }: NodeConfig): NodeConfig =>
  config.gossip === false || gossip === false
    ? config
    : { ...config, gossip: { ...config.gossip, secrets: gossip.secrets } };

const sectionsThatDiffer = (a: NodeConfig, b: NodeConfig): readonly string[] =>
  (Object.keys(a) as (keyof NodeConfig)[]).filter((section) => !isDeepStrictEqual(a[section], b[section]));
