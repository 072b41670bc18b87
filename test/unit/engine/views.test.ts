import { expect } from 'chai';
import { asMember, keyLocation, nodeStatus, peerStatus } from '../../../src/engine/views.js';
import type { Member } from '../../../src/ports/membership.js';

const node: Member = {
  id: 'i1',
  name: 'cache-1',
  address: '[::1]:3320',
  admin: '',
  gossip: '[::1]:3322',
  version: '0.1.0',
  weight: 2,
  incarnation: 9,
  state: 'alive',
  serving: true,
};
const shares = new Map([
  ['cache-1', 0.25],
  ['cache-2', 0.75],
]);

describe('engine: views', () => {
  it('show a member with its addresses apart and its share', () => {
    expect(peerStatus(node, 'i1', shares)).to.deep.equal({
      id: 'i1',
      name: 'cache-1',
      state: 'alive',
      isSelf: true,
      serving: true,
      bindAddr: '::1',
      bindPort: 3320,
      discoveryPort: 3322,
      gossip: '[::1]:3322',
      admin: 'off',
      ringShare: 0.25,
      incarnation: 9,
      weight: 2,
      version: '0.1.0',
    });
  });

  it('show a program that is no cache node without addresses of gRPC, and the dead without a share', () => {
    const foreign = peerStatus({ ...node, id: 's', name: 'serf', address: '', serving: false }, 'i1', shares);
    expect(foreign).to.include({ bindAddr: '', bindPort: 0, serving: false, ringShare: 0, gossip: '[::1]:3322' });
    expect(peerStatus({ ...node, state: 'dead' }, 'x', shares)).to.include({ ringShare: 0, isSelf: false });
  });

  it('show a node with who it is, and whether it answers', () => {
    const facts = { uptimeMs: 5, ringShare: 1, peers: 1, label: '', gossipCounts: {}, ready: true };
    expect(nodeStatus(node, { ...facts, state: 'serving' })).to.include({
      serving: true,
      id: 'i1',
      weight: 2,
      incarnation: 9,
    });
    expect(asMember({ ...node, incarnation: 1 }, [node]).incarnation).to.equal(9);
    expect(asMember(node, []).incarnation).to.equal(9);
    expect(nodeStatus({ ...node, gossip: '' }, { ...facts, ready: false, state: 'draining' })).to.include({
      serving: false,
      ready: false,
      gossip: 'none',
    });
  });

  it('show where a key is, with the shares of all who own any', () => {
    expect(keyLocation('cache-2', ['cache-1'], shares)).to.deep.equal({
      owner: 'cache-2',
      replicas: ['cache-1'],
      nodes: [
        { name: 'cache-1', share: 0.25 },
        { name: 'cache-2', share: 0.75 },
      ],
    });
  });
});
