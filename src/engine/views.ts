import { splitAddress } from '../base/addresses.js';
import type { KeyLocation, NodeStatus, PeerStatus } from '../ports/cache.js';
import type { Member, NodeInfo } from '../ports/membership.js';

/** What a node tells of itself and of the others, for people and scripts. */

/** This node as membership has it, which counts its incarnation on while it runs; before it has it, as it is. */
export const asMember = (self: NodeInfo, members: readonly Member[]): NodeInfo =>
  members.find(({ id }) => id === self.id) ?? self;

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
    serving: facts.state === 'serving',
    incarnation: self.incarnation,
    weight: self.weight,
    id: self.id,
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
    serving: member.serving,
    bindAddr: bind.host,
    bindPort: bind.port,
    discoveryPort: splitAddress(member.gossip).port,
    gossip: member.gossip === '' ? 'none' : member.gossip,
    admin: member.admin === '' ? 'off' : member.admin,
    ringShare: owns ? (shares.get(member.name) ?? 0) : 0,
    incarnation: member.incarnation,
    weight: member.weight,
    version: member.version,
  };
}

/** `shares` as above. Entries are kept by their owner alone, so there are no replicas to name. */
export const keyLocation = (owner: string, shares: ReadonlyMap<string, number>): KeyLocation => ({
  owner,
  replicas: [],
  nodes: [...shares].map(([name, share]) => ({ name, share })),
});
