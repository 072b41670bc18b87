import { distcache } from '../wire/generated/distcache.js';
import type { Method } from './calls.js';

const { v1 } = distcache;

interface Encoder<Message> {
  encode(message: Message): { finish(): Uint8Array };
}
interface Decoder<Message> {
  decode(bytes: Uint8Array): Message;
}

const method = <Request, Reply>(
  path: string,
  request: Encoder<Request>,
  reply: Decoder<Reply>,
): Method<Request, Reply> => ({
  path: `/distcache.v1.${path}`,
  encode: (message) => request.encode(message),
  decode: (bytes) => reply.decode(bytes),
});

/** The public service of proto/distcache/v1/cache.proto. */
export const methods = {
  get: method('Cache/Get', v1.GetRequest, v1.GetReply),
  getMany: method('Cache/GetMany', v1.GetManyRequest, v1.GetManyReply),
  put: method('Cache/Put', v1.PutRequest, v1.WriteReply),
  putMany: method('Cache/PutMany', v1.PutManyRequest, v1.WriteManyReply),
  delete: method('Cache/Delete', v1.DeleteRequest, v1.WriteReply),
  deleteMany: method('Cache/DeleteMany', v1.DeleteManyRequest, v1.WriteManyReply),
  deleteMatching: method('Cache/DeleteMatching', v1.DeleteMatchingRequest, v1.DeleteMatchingReply),
  status: method('Cluster/Status', v1.StatusRequest, v1.StatusReply),
  listPeers: method('Cluster/ListPeers', v1.ListPeersRequest, v1.ListPeersReply),
  listKeyspaces: method('Cluster/ListKeyspaces', v1.ListKeyspacesRequest, v1.ListKeyspacesReply),
  getKeyspace: method('Cluster/GetKeyspace', v1.GetKeyspaceRequest, v1.Keyspace),
  warm: method('Cluster/Warm', v1.WarmRequest, v1.WarmReply),
  hotKeys: method('Cluster/HotKeys', v1.HotKeysRequest, v1.HotKeysReply),
  locateKey: method('Cluster/LocateKey', v1.LocateKeyRequest, v1.LocateKeyReply),
  updateKeyspace: method('Cluster/UpdateKeyspace', v1.UpdateKeyspaceRequest, v1.UpdateKeyspaceReply),
  clearKeyspace: method('Cluster/ClearKeyspace', v1.ClearKeyspaceRequest, v1.KeyspaceResult),
  deleteKeyspaces: method('Cluster/DeleteKeyspaces', v1.DeleteKeyspacesRequest, v1.DeleteKeyspacesReply),
  drain: method('Cluster/Drain', v1.DrainRequest, v1.DrainReply),
  watchEvents: method('Cluster/WatchEvents', v1.WatchEventsRequest, v1.Event),
};
