import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below those that systems hand out by themselves, so that nobody gets it between here and its use. */
const lowest = 20_000;
const highest = 32_000;

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer();
  const socket = createSocket('udp4');
  try {
    server.listen(port, host);
    await once(server, 'listening');
    socket.bind(port, host);
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

/** A port that is free for UDP and for TCP just now at all these IPv4 addresses. */
export async function freePort(...hosts: readonly string[]): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    const free = await Promise.all((hosts.length > 0 ? hosts : ['127.0.0.1']).map((host) => isFree(host, port)));
    if (!free.includes(false)) return port;
  }
}
