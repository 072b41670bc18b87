import { expect } from 'chai';
import { DistcacheError } from '../../../src/base/errors.js';
import { askEach, mergedHotKeys, unreachedOf } from '../../../src/client/everywhere.js';
import type { HotKeyspace, PeerStatus } from '../../../src/ports/cache.js';

const peer = (name: string, state: PeerStatus['state'] = 'alive', bindAddr = '10.0.0.1'): PeerStatus => ({
  id: name,
  name,
  state,
  isSelf: false,
  serving: true,
  bindAddr,
  bindPort: 3320,
  discoveryPort: 3322,
  gossip: '10.0.0.1:3322',
  admin: 'off',
  ringShare: 0.5,
  incarnation: 1,
  weight: 1,
  version: '0',
});

describe('client: every node', () => {
  it('is asked by itself, some at a time, and answers in the order of the nodes', async () => {
    const peers = Array.from({ length: 40 }, (_, i) => peer(`n${i}`, 'alive', `10.0.0.${i}`));
    let running = 0;
    let most = 0;
    const answers = await askEach(peers, async (address) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return address;
    });
    expect(answers).to.have.lengthOf(40);
    expect(answers[7]).to.deep.equal({ node: 'n7', is: 'answered', answer: '10.0.0.7:3320' });
    expect(most).to.equal(16);
  });

  it('that is gone, or speaks no gRPC, is not asked; who fails keeps no other from it', async () => {
    const peers = [peer('a'), peer('b', 'dead'), peer('c', 'left'), peer('d', 'draining'), peer('serf', 'alive', '')];
    const told = await askEach([...peers, peer('e', 'suspect', '10.0.0.9')], async (address) => {
      if (address.startsWith('10.0.0.9')) throw new DistcacheError('PEER_UNREACHABLE', 'no way');
      return 'here';
    });
    expect(told.map(({ node, is }) => `${node} ${is}`)).to.deep.equal(['a answered', 'd answered', 'e failed']);
    expect(unreachedOf(told)).to.deep.equal(['e']);
  });
});

describe('client: hot keys of all nodes', () => {
  const space = (name: string, hits: number, keys: Readonly<Record<string, number>>): HotKeyspace => ({
    name,
    hits,
    windowMs: 60_000,
    keys: Object.entries(keys).map(([key, count]) => ({
      key,
      hits: count,
      share: count / hits,
      hitsPerSecond: count / 60,
      owner: 'o',
    })),
  });

  it('are sums, and shares of all gets', () => {
    const merged = mergedHotKeys([[space('ks', 100, { a: 50, b: 40 })], [space('ks', 300, { b: 200 })], []], 10);
    expect(merged).to.have.lengthOf(1);
    expect(merged[0]).to.deep.include({ name: 'ks', hits: 400, windowMs: 60_000 });
    expect(merged[0]?.keys.map(({ key, hits, share }) => [key, hits, share])).to.deep.equal([
      ['b', 240, 0.6],
      ['a', 50, 0.125],
    ]);
    expect(merged[0]?.keys[0]?.hitsPerSecond).to.equal(4);
  });

  it('are as many as wanted of each keyspace; a keyspace without gets has none', () => {
    const merged = mergedHotKeys([[space('a', 6, { x: 3, y: 2, z: 1 }), space('b', 0, {})]], 2);
    expect(merged.map(({ name, keys }) => [name, keys.map(({ key }) => key)])).to.deep.equal([
      ['a', ['x', 'y']],
      ['b', []],
    ]);
  });
});
