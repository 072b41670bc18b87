/** A Redis server of the bench's own: a free port, a folder that goes with it, nothing written to disk. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface RedisProcess {
  readonly port: number;
  readonly version: string;
  stop(): Promise<void>;
}

/** undefined where redis-server is not installed. */
export async function startRedis(): Promise<RedisProcess | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'distcache-bench-redis-'));
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', kill);
  const started = await Promise.race([once(child, 'spawn').then(() => true), once(child, 'error').then(() => false)]);
  if (!started) {
    process.off('exit', kill);
    await rm(folder, { recursive: true });
    return undefined;
  }
  const ended = once(child, 'close');
  let version = 'of unknown version';
  let ready = false;
  for await (const line of createInterface(child.stdout)) {
    version = /version=([\d.]+)/i.exec(line)?.[1] ?? version;
    ready = /ready to accept connections/i.test(line);
    if (ready) break;
  }
  if (!ready) throw new Error('redis-server ended before it was ready');
  child.stdout.resume();
  return {
    port,
    version,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      process.off('exit', kill);
      await rm(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
