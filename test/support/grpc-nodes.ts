import { fileURLToPath } from 'node:url';
import { Access } from '../../src/access/access.js';
import { systemClock } from '../../src/platform/clock.js';
import { silent } from '../../src/ports/log.js';
import type { NodeInfo } from '../../src/ports/membership.js';
import { createGrpcDialer } from '../../src/transport/grpc-dialer.js';
import { createGrpcServer, type GrpcServer, type GrpcServerLimits } from '../../src/transport/grpc-server.js';
import { defaultLimits, nodeInfo, type PeerNode, peerNode } from './peer-nodes.js';
import { StubCacheService } from './stub-cache-service.js';

export const protoDir = fileURLToPath(new URL('../../proto', import.meta.url));

export const serverLimits: GrpcServerLimits = {
  maxInflight: 1_000,
  maxKeyBytes: 8 * 1024,
  maxValueBytes: 16 * 1024 * 1024,
  maxFrameBytes: defaultLimits.maxFrameBytes,
  maxConnections: 1_000,
  maxInflightPerClient: 1_000,
  maxInflightBytes: 256 * 1024 * 1024,
};

/** Everybody may do everything. */
export const openAccess = (): Access => new Access({}, { nodeName: 'distcache-node', nodes: 'anybody' });

export interface GrpcNode extends PeerNode {
  readonly server: GrpcServer;
  readonly service: StubCacheService;
  stop(): Promise<void>;
}

/** A node with real sockets on a free port of the loopback interface. `advertise`: another address than its own. */
export async function grpcNode(
  id: string,
  options: { advertise?: (port: number) => string; limits?: Partial<GrpcServerLimits>; name?: string } = {},
): Promise<GrpcNode> {
  const { advertise = (port: number) => `127.0.0.1:${port}`, limits = {} } = options;
  let info: NodeInfo = nodeInfo(id, '', options.name);
  const service = new StubCacheService();
  const dialer = createGrpcDialer({ maxFrameBytes: defaultLimits.maxFrameBytes });
  const node = peerNode({ clock: systemClock, dialer, info, self: () => info, log: silent });
  const server = await createGrpcServer({
    addr: '127.0.0.1',
    port: 0,
    service,
    links: node.links,
    limits: { ...serverLimits, ...limits },
    protoDir,
    log: silent,
    clock: systemClock,
    access: openAccess(),
  });
  info = { ...info, address: advertise(server.port) };
  return {
    ...node,
    info,
    server,
    service,
    async stop() {
      await node.links.close();
      await server.stop({ deadlineMs: systemClock.nowMs() + 1_000 });
    },
  };
}
