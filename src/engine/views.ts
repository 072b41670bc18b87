import { splitAddress } from '../base/addresses.js';
import type { KeyLocation, NodeStatus, PeerStatus } from '../ports/cache.js';
import type { Member, Membership, NodeInfo } from '../ports/membership.js';
import type { Topology } from './topology.js';

/** What a node tells of itself and of the others, for people and scripts. */

/** This node as membership has it, which counts its incarnation on while it runs; before it has it, as it is. */
export const asMember = (self: NodeInfo, members: readonly Member[]): NodeInfo =>
  members.find(({ id }) => id === self.id) ?? self;

export function nodeStatus(
  self: NodeInfo,
  facts: Pick<NodeStatus, 'state' | 'ready' | 'uptimeMs' | 'ringShare' | 'peers' | 'label' | 'gossipCounts'>,
): NodeStatus {
  return {
    node: self.name,
    version: self.version,
    healthy: facts.state !== 'stopped',
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

interface Viewed {
  readonly membership: Membership;
  readonly self: () => NodeInfo;
  readonly label: string;
}

/** This node as it is now. */
export function statusOf(
  { membership, self, label }: Viewed,
  topology: Topology,
  now: Pick<NodeStatus, 'state' | 'ready' | 'uptimeMs'>,
): NodeStatus {
  const member = asMember(self(), topology.members());
  return nodeStatus(member, {
    ...now,
    ringShare: topology.shares().get(member.name) ?? 0,
    peers: topology.serving,
    label,
    gossipCounts: membership.counts(),
  });
}

export function peersOf({ self }: Pick<Viewed, 'self'>, topology: Topology): readonly PeerStatus[] {
  const shares = topology.shares();
  return topology.members().map((member) => peerStatus(member, self().id, shares));
}

/** Where a key is now. */
export function locationOf(topology: Topology, key: string): KeyLocation {
  const { hash, owner } = topology.place(key);
  const replicas = topology.replicasOf(hash).map(({ name }) => name);
  return keyLocation(owner.name, replicas, topology.shares());
}

/** `shares` as above. */
export const keyLocation = (
  owner: string,
  replicas: readonly string[],
  shares: ReadonlyMap<string, number>,
): KeyLocation => ({
  owner,
  replicas,
  nodes: [...shares].map(([name, share]) => ({ name, share })),
});
