import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../base/errors.js';
import type { NodeConfig } from '../config/node-config.js';
import type { Engine } from '../node/engine.js';
import { readGossipSecrets, type Security, securityFiles, securityOf, stateOf } from '../node/security-files.js';
import type { Cancel, Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { type KeyspaceReload, reloadKeyspaces } from './reload-keyspaces.js';

/** How often the files that a config names are looked at. */
const lookMs = 2_000;

export interface Reload {
  readonly engine: Pick<Engine, 'setGossipSecrets' | 'setTls' | 'setAuth'> & KeyspaceReload['engine'];
  readonly sourceOf: KeyspaceReload['sourceOf'];
  /** What the node runs with. */
  readonly config: NodeConfig;
  /** Where relative paths start. */
  readonly baseDir: string;
  /** Reads file and flags again. */
  readonly read: () => Promise<NodeConfig>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What runs, as far as it can change while the node does. */
interface Running {
  readonly config: NodeConfig;
  readonly security: Security;
  /** Of the files that hold certificates, tokens and secrets, when they were last read. */
  readonly files: string;
}

/**
 * On SIGHUP the config is read again, and when files with certificates, tokens or secrets change these are. What can change while
 * the node runs changes; what cannot be used changes nothing, and the log says what is wrong. Returns how to stop.
 */
export async function reloadOnChange(reload: Reload): Promise<Cancel> {
  const { config, baseDir, clock } = reload;
  const state = await stateOf(securityFiles(config, baseDir));
  let running: Running = { config, security: await securityOf(config, baseDir), files: state };
  let isReading = false;
  let isAsked = false;
  let isOver = false;
  let cancelLook: Cancel | undefined;
  const run = async (): Promise<void> => {
    if (isReading) return;
    isReading = true;
    do {
      const isSignalled = isAsked;
      isAsked = false;
      running = isSignalled ? await reloaded(reload, running) : await looked(reload, running);
    } while (isAsked);
    isReading = false;
  };
  const lookLater = (): void => {
    cancelLook = clock.after(lookMs, () => void run().then(() => isOver || lookLater()), { background: true });
  };
  const onSignal = (): void => {
    isAsked = true;
    void run();
  };
  process.on('SIGHUP', onSignal);
  lookLater();
  return () => {
    isOver = true;
    cancelLook?.();
    process.off('SIGHUP', onSignal);
  };
}

/** What the node runs with after a signal. Never rejects. */
async function reloaded(reload: Reload, running: Running): Promise<Running> {
  const { baseDir, read, log } = reload;
  const { config } = running;
  try {
    const next = await read();
    const secrets = await readGossipSecrets(next.gossip, baseDir);
    if (!takeSecrets(reload, secrets, running, 'SIGHUP: '))
      log.write('info', 'SIGHUP: gossip.secrets have not changed');
    const security = { ...running.security, gossipSecrets: secrets };
    const keyspaces = await reloadKeyspaces(reload, config.keyspaces, next.keyspaces);
    // Only what took effect: the rest is told of again the next time.
    const live = { ...withLiveOf(config, next), keyspaces };
    const taken = await renewed(reload, { ...running, security, config: live }, 'SIGHUP: ');
    // What is told of keyspaces was told of each of them there.
    const later = sectionsThatDiffer({ ...taken.config, keyspaces: next.keyspaces }, next);
    if (later.length > 0) {
      log.write('warn', `SIGHUP: changes of ${later.join(', ')} take effect when the node is started again`);
    }
    return taken;
  } catch (error) {
    log.write('error', `SIGHUP: the config was not taken over, the node goes on as before: ${messageOf(error)}`);
    return running;
  }
}

/** What the node runs with after a look at its files. Never rejects. */
async function looked(reload: Reload, running: Running): Promise<Running> {
  const files = await stateOf(securityFiles(running.config, reload.baseDir));
  if (files === running.files) return running;
  try {
    return await renewed(reload, running, '');
  } catch (error) {
    const what = 'certificates, tokens or secrets have changed and cannot be used, the node goes on as before';
    reload.log.write('error', `${what}: ${messageOf(error)}`);
    // Told once for each change of the files: a key that comes a moment after its certificate is one more.
    return { ...running, files };
  }
}

/** Reads certificates, tokens and secrets again, and takes over what has changed. */
async function renewed(reload: Reload, running: Running, cause: string): Promise<Running> {
  const { engine, baseDir, log } = reload;
  const { config } = running;
  const files = await stateOf(securityFiles(config, baseDir));
  const security = await securityOf(config, baseDir);
  if (security.tls !== undefined && !isDeepStrictEqual(security.tls, running.security.tls)) {
    engine.setTls(security.tls);
    log.write('info', `${cause}certificates changed; new connections use them`);
  }
  if (!isDeepStrictEqual(security.auth, running.security.auth)) {
    engine.setAuth(security.auth);
    log.write('info', `${cause}auth changed`);
  }
  takeSecrets(reload, security.gossipSecrets, running, cause);
  return { config, security, files };
}

/** False where they are those that the node has. */
function takeSecrets({ engine, log }: Reload, secrets: readonly string[], running: Running, cause: string): boolean {
  if (isDeepStrictEqual(secrets, running.security.gossipSecrets)) return false;
  engine.setGossipSecrets(secrets);
  log.write('info', `${cause}gossip.secrets changed`);
  return true;
}

/** `config` with what of `next` takes effect while the node runs. */
const withLiveOf = (config: NodeConfig, next: NodeConfig): NodeConfig => ({
  ...config,
  auth: next.auth,
  gossip:
    config.gossip === false || next.gossip === false
      ? config.gossip
      : { ...config.gossip, secrets: next.gossip.secrets, secretsFile: next.gossip.secretsFile },
  tls:
    config.tls === undefined || next.tls === undefined
      ? config.tls
      : { ...next.tls, clientAuth: config.tls.clientAuth, nodeName: config.tls.nodeName },
});

const sectionsThatDiffer = (a: NodeConfig, b: NodeConfig): readonly string[] =>
  (Object.keys(a) as (keyof NodeConfig)[]).filter((section) => !isDeepStrictEqual(a[section], b[section]));
