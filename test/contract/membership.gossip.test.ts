import { MembershipPool, type PoolNode } from '../support/membership-pool.js';
import { membershipContract } from './membership.contract.js';

membershipContract('gossip over the fake network', async ({ minimumPeers, others, expected = [] }) => {
  const pool = new MembershipPool();
  const seeds = ['node-b', ...others, ...expected].map((name) => pool.gossipOf(name));
  const running: Promise<unknown>[] = [];
  const appear = (name: string): void => {
    const node = pool.node(name, { seeds });
    running.push(node.start().catch(() => {}));
  };
  for (const name of others) appear(name);
  await pool.clock.until(Promise.all(running));
  const node: PoolNode = pool.node('node-b', { seeds, minimumPeers });
  const leaving: Promise<unknown>[] = [];
  return {
    membership: node.membership,
    selfName: 'node-b',
    nowMs: () => pool.clock.nowMs(),
    pass: (ms) => pool.clock.advance(ms),
    until: (promise) => pool.clock.until(promise),
    appear,
    leave: (name) => {
      leaving.push(pool.leave(pool.nodes.get(name)!));
    },
    vanish: (name) => pool.kill(pool.nodes.get(name)!),
    open: () => node.open,
    close: async () => {
      await pool.clock.until(Promise.all(leaving));
      await pool.stop();
    },
  };
});
