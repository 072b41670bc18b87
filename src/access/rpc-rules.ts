import type { Right } from './rights.js';

/** What a call asks of its caller. */
export type Rule =
  /** Anybody, also without token or certificate. */
  | { readonly is: 'open' }
  /** Nodes of the cluster; who that is, the handshake of the link decides. */
  | { readonly is: 'node' }
  /** A right for the keyspace that the request names. */
  | { readonly is: 'keyspace'; readonly right: Right }
  /** A right for the node as a whole; to look at a node, a right to read anywhere will do. */
  | { readonly is: 'node-wide'; readonly right: Right }
  /** A right for every keyspace, since what is told is about all of them. */
  | { readonly is: 'whole'; readonly right: Right };

const of = (right: Right): Rule => ({ is: 'keyspace', right });
const whole = (right: Right): Rule => ({ is: 'node-wide', right });

/** Every remote procedure that a node serves, and what it takes to call it. What is not listed nobody may call. */
export const rpcRules: Readonly<Record<string, Rule>> = {
  '/distcache.v1.Cache/Get': of('read'),
  '/distcache.v1.Cache/GetMany': of('read'),
  '/distcache.v1.Cache/Put': of('write'),
  '/distcache.v1.Cache/PutMany': of('write'),
  '/distcache.v1.Cache/Delete': of('write'),
  '/distcache.v1.Cache/DeleteMany': of('write'),
  // Many keys at once, of one keyspace: no more than its writer may do key by key.
  '/distcache.v1.Cache/DeleteMatching': of('write'),
  '/distcache.v1.Cluster/Status': whole('read'),
  '/distcache.v1.Cluster/ListPeers': whole('read'),
  '/distcache.v1.Cluster/ListKeyspaces': whole('read'),
  '/distcache.v1.Cluster/GetKeyspace': of('read'),
  '/distcache.v1.Cluster/LocateKey': of('read'),
  '/distcache.v1.Cluster/HotKeys': of('read'),
  // It loads what any read of these keys would load.
  '/distcache.v1.Cluster/Warm': of('read'),
  '/distcache.v1.Cluster/UpdateKeyspace': of('admin'),
  '/distcache.v1.Cluster/ClearKeyspace': of('admin'),
  '/distcache.v1.Cluster/DeleteKeyspaces': of('admin'),
  '/distcache.v1.Cluster/Drain': whole('admin'),
  '/distcache.v1.Cluster/WatchEvents': { is: 'whole', right: 'read' },
  '/distcache.v1.Peer/Link': { is: 'node' },
  '/grpc.health.v1.Health/Check': { is: 'open' },
  '/grpc.health.v1.Health/Watch': { is: 'open' },
  '/grpc.health.v1.Health/List': { is: 'open' },
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': whole('read'),
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': whole('read'),
};
