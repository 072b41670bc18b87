import { messageOf } from '../base/errors.js';
import type { NodeFlags } from '../config/flags.js';
import type { NodeConfig } from '../config/node-config.js';
import type { Engine } from '../node/engine.js';
import { dataSourceOf, engineOf } from '../node/from-config.js';
import { telemetryOf } from '../node/telemetry.js';
import { systemClock } from '../platform/clock.js';
import { createLog } from '../platform/log.js';
import { totalMemoryBytes } from '../platform/machine.js';
import type { NodeStatus } from '../ports/cache.js';
import type { Log } from '../ports/log.js';
import { startConfig } from './config-file.js';
import { exitCodes } from './exit-codes.js';
import { type Reload, reloadOnChange } from './reload.js';

export interface NodeRun {
  /** Path of the config file; undefined: defaults and flags alone. */
  readonly file: string | undefined;
  readonly flags: NodeFlags;
  /** Told once, when the node serves. */
  readonly onReady: (status: NodeStatus) => Promise<void>;
  readonly stderrIsTerminal: boolean;
}

/**
 * Runs a node until SIGTERM or SIGINT, then drains and returns. A second signal ends the process at once. SIGHUP reads the
 * config again.
 */
export async function runNode(run: NodeRun): Promise<void> {
  const machine = { env: process.env, totalMemoryBytes: totalMemoryBytes() };
  const { config, baseDir, warnings } = await startConfig(run.file, run.flags, machine);
  const log = await createLog({
    level: config.log.level,
    format: config.log.format ?? (run.stderrIsTerminal ? 'pretty' : 'json'),
  });
  for (const warning of warnings) log.write('warn', warning);
  const telemetry = await telemetryOf(config, log);
  try {
    const engine = await engineOf(config, baseDir, log, telemetry);
    await runEngine(run, {
      engine,
      config,
      baseDir,
      clock: systemClock,
      read: async () => (await startConfig(run.file, run.flags, machine)).config,
      sourceOf: (keyspace) => dataSourceOf(keyspace, config.limits, baseDir, log),
      log,
    });
  } finally {
    await telemetry?.stop();
  }
}

async function runEngine(run: NodeRun, reload: Reload & { readonly engine: Engine }): Promise<void> {
  const { engine, config, log } = reload;
  const stopped = stopOnSignal(engine, log);
  follow(engine, log);
  const stopReloading = await reloadOnChange(reload);
  try {
    await serve(run, engine, config, log, stopped);
  } finally {
    stopReloading();
  }
}

async function serve(run: NodeRun, engine: Engine, config: NodeConfig, log: Log, stopped: Stopped): Promise<void> {
  try {
    // A signal does not wait for a start that takes its time.
    await Promise.race([engine.start(), stopped.done]);
  } catch (error) {
    if (!stopped.asked()) throw error;
  }
  if (stopped.asked()) return stopped.done;
  if (config.keyspaces.length === 0) {
    log.write('warn', 'no keyspace is configured, so there is nothing to get or put; see distcache config init');
  }
  await run.onReady(engine.status());
  await stopped.done;
}

interface Stopped {
  readonly done: Promise<void>;
  asked(): boolean;
}

function stopOnSignal(engine: Engine, log: Log): Stopped {
  const { promise: done, resolve: finish, reject: fail } = Promise.withResolvers<void>();
  let asked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(exitCodes.interrupted);
    asked = true;
    log.write('info', `${signal}: draining; a second signal ends at once`);
    engine.stop().then(finish, fail);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return { done, asked: () => asked };
}

/** Logs what happens in the cluster, until the engine stops. */
async function tell(engine: Engine, log: Log): Promise<void> {
  for await (const event of engine.events()) {
    if (event.type === 'gap') log.write('warn', `${event.missed} events were missed`);
    else if (event.type === 'breaker-changed') {
      const { keyspace, from, to } = event;
      log.write(to === 'open' ? 'warn' : 'info', `the circuit of keyspace '${keyspace}' is ${to}, was ${from}`);
    } else if ('keyspace' in event) {
      const peer = 'peer' in event ? ` from what ${event.peer.name} has in its file` : '';
      log.write('info', `${event.type.replace('-', ' ')}: ${event.keyspace}${peer}`);
    } else {
      const failed = event.type === 'peer-failed';
      const { name, address, id, state, serving } = event.peer;
      const now = event.type === 'peer-updated' ? ` is ${state}${serving ? ' and serves' : ''}` : '';
      log.write(failed ? 'warn' : 'info', `${event.type.replace('-', ' ')}: ${name}${now}`, {
        peer: name,
        address,
        id,
      });
    }
  }
}

function follow(engine: Engine, log: Log): void {
  tell(engine, log).catch((error) => log.write('error', 'following the events failed', { error: messageOf(error) }));
}
