import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Passes TCP connections on to another port, and breaks them on demand. */
export interface TcpRelay {
  readonly port: number;
  /** Connections taken so far. */
  taken(): number;
  /** Resets every connection that stands; new ones are taken. */
  breakAll(): void;
  /** Passes nothing on any more, and breaks nothing either, as a network that swallows packets. */
  freeze(): void;
  close(): Promise<void>;
}

export async function tcpRelay(targetPort: () => number): Promise<TcpRelay> {
  const sockets = new Set<Socket>();
  let frozen = false;
  let taken = 0;
  const server = createServer((near) => {
    taken++;
    const far = connect(targetPort(), '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
      if (frozen) from.pause();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    taken: () => taken,
    breakAll() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
