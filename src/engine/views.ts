import { splitAddress } from '../base/addresses.js';
import type { NodeStatus, PeerStatus } from '../ports/cache.js';
import type { Member, NodeInfo } from '../ports/membership.js';

/** What a node tells of itself and of the others, for people and scripts. */

export function nodeStatus(
  self: NodeInfo,
  facts: Pick<NodeStatus, 'state' | 'uptimeMs' | 'ringShare' | 'peers' | 'label'>,
): NodeStatus {
  return {
    node: self.name,
    version: self.version,
    healthy: facts.state !== 'stopped',
    ready: facts.state === 'serving',
    grpc: self.address === '' ? 'off' : self.address,
    admin: self.admin === '' ? 'off' : self.admin,
    gossip: self.gossip === '' ? 'none' : self.gossip,
    ...facts,
  };
}

/** `shares`: part of the key space by name, of those who own any. */
export function peerStatus(member: Member, selfId: string, shares: ReadonlyMap<string, number>): PeerStatus {
  const bind = splitAddress(member.address);
  const owns = member.state === 'alive' || member.state === 'suspect';
  return {
    id: member.id,
    name: member.name,
    state: member.state,
    isSelf: member.id === selfId,
    bindAddr: bind.host,
    bindPort: bind.port,
    discoveryPort: splitAddress(member.gossip).port,
    admin: member.admin === '' ? 'off' : member.admin,
    ringShare: owns ? (shares.get(member.name) ?? 0) : 0,
    incarnation: member.incarnation,
    version: member.version,
  };
}
