/** A node in a process of its own, as an operator starts it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cli } from './harness.js';

export interface NodeProcess {
  readonly name: string;
  /** `host:port` */
  readonly address: string;
  /** `host:port` */
  readonly gossip: string;
  /** `host:port` */
  readonly admin: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** `keyspace` has this data source, and keeps no copies of what other nodes own. `more`: of the config file. */
export async function startNode(
  name: string,
  keyspace: string,
  more: object = {},
  source: object = { type: 'none' },
): Promise<NodeProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'distcache-bench-'));
  const config = join(folder, 'node.json');
  await writeFile(
    config,
    JSON.stringify({
      name,
      gossip: { port: 0 },
      admin: { port: 0 },
      ...more,
      keyspaces: { [keyspace]: { maxBytes: '256MiB', hotShare: 0, source } },
    }),
  );
  const args = [cli, 'node', 'start', '--config', config, '--bind-port', '0', '--json', '--log-level', 'warn'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', kill);
  const ended = once(child, 'close');
  const line = await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
  if (typeof line[0] !== 'string') throw new Error('the node ended before it was ready');
  const { grpc, gossip, admin } = JSON.parse(line[0]) as { grpc: string; gossip: string; admin: string };
  return {
    name,
    address: grpc,
    gossip,
    admin,
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      process.off('exit', kill);
      await rm(folder, { recursive: true });
    },
  };
}
