import { expect } from 'chai';
import { codeOf } from '../../../src/base/errors.js';
import { FakeClock } from '../../support/fake-clock.js';
import { LinkMembership, type LinkMembershipOptions } from '../../support/link-membership.js';
import { nodeInfo } from '../../support/peer-nodes.js';
import { ScriptedNetwork } from '../../support/scripted-network.js';

const self = nodeInfo('self', 'self:1', 'self');
const a = nodeInfo('a', 'a:1', 'node-a');
const b = nodeInfo('b', 'b:1', 'node-b');

describe('LinkMembership', () => {
  let clock: FakeClock;
  let network: ScriptedNetwork;
  let membership: LinkMembership;
  const make = (options: Partial<LinkMembershipOptions> = {}): void => {
    membership = new LinkMembership(
      { clock, peers: network, self: () => self },
      { addresses: ['a:1', 'b:1'], minimumPeers: 1, firstContactMs: 2000, ...options },
    );
  };
  beforeEach(() => {
    clock = new FakeClock({ startMs: 1e9 });
    network = new ScriptedNetwork();
    make();
  });
  afterEach(async () => {
    await membership.stop();
    expect([clock.pending(), network.listeners, network.dialled.length], 'left open').to.deep.equal([0, 0, 0]);
  });

  /** Milliseconds that start takes, while the script runs beside it. */
  const startTakesMs = async (script: () => void, withinMs = 30_000): Promise<number> => {
    const beganMs = clock.nowMs();
    const starting = membership.start({ deadlineMs: beganMs + withinMs });
    script();
    await clock.until(starting);
    return clock.nowMs() - beganMs;
  };
  const names = (): string[] => membership.members().map(({ name, state }) => `${name} ${state}`);

  describe('first contact', () => {
    it('dials every address once', async () => {
      await startTakesMs(() => {
        expect(network.dialled).to.deep.equal(['a:1', 'b:1']);
      });
    });

    it('is over at once when all have refused', async () => {
      const tookMs = await startTakesMs(() => {
        network.refuse('a:1');
        network.refuse('b:1', false);
      });
      expect(tookMs).to.equal(0);
    });

    it('is over at once when all are linked or have refused', async () => {
      const tookMs = await startTakesMs(() => {
        clock.after(30, () => network.refuse('a:1'));
        clock.after(70, () => network.up(b));
      });
      expect(tookMs).to.equal(70);
      expect(names()).to.deep.equal(['node-b alive', 'self alive']);
    });

    it('takes no longer than its time when somebody stays silent', async () => {
      expect(await startTakesMs(() => network.up(a))).to.equal(2000);
    });

    it('takes no longer than start may', async () => {
      expect(await startTakesMs(() => {}, 300)).to.equal(300);
    });

    it('is not waited for without addresses', async () => {
      make({ addresses: [] });
      expect(await startTakesMs(() => {})).to.equal(0);
    });

    it('does not wait for an address whose node is linked already', async () => {
      network.up(a);
      expect(await startTakesMs(() => network.refuse('b:1'))).to.equal(0);
      expect(names()).to.deep.equal(['node-a alive', 'self alive']);
    });

    it('takes its own address in the list for one that was heard of', async () => {
      make({ addresses: ['self:1'] });
      expect(await startTakesMs(() => network.refuse('self:1', false))).to.equal(0);
      expect(names()).to.deep.equal(['self alive']);
    });

    it('hears of the same address twice without harm', async () => {
      make({ addresses: ['a:1', 'a:1', 'b:1'] });
      const tookMs = await startTakesMs(() => {
        network.refuse('a:1');
        network.refuse('a:1');
        clock.after(10, () => network.refuse('b:1'));
      });
      expect(tookMs).to.equal(10);
    });

    it('ends with ABORTED when the caller gives up', async () => {
      const controller = new AbortController();
      const starting = membership
        .start({ deadlineMs: clock.nowMs() + 30_000, signal: controller.signal })
        .catch((error: unknown) => codeOf(error));
      controller.abort();
      expect(await clock.until(starting, 0)).to.equal('ABORTED');
    });
  });

  it('counts peers that are not on its list but have it on theirs', async () => {
    make({ addresses: [], minimumPeers: 2 });
    const tookMs = await startTakesMs(() => clock.after(4000, () => network.up(a)));
    expect(tookMs).to.equal(4000);
    expect(names()).to.deep.equal(['node-a alive', 'self alive']);
  });

  it('does not count one who went away again before there were enough', async () => {
    make({ minimumPeers: 3 });
    const starting = membership
      .start({ deadlineMs: clock.nowMs() + 3000 })
      .catch((error: Error) => [codeOf(error), error.message]);
    network.up(a);
    network.down(a);
    network.up(b);
    const [code, message] = (await clock.until(starting)) as string[];
    expect(code).to.equal('CLUSTER_QUORUM');
    expect(message).to.match(/only 2 of the 3 .*cluster\.minimumPeers.* a:1, b:1 can be reached/);
  });

  it('knows its own address only after it listens, and lists it then', async () => {
    let own = nodeInfo('self', '', 'self');
    const late = new LinkMembership(
      { clock, peers: network, self: () => own },
      { addresses: [], minimumPeers: 1, firstContactMs: 2000 },
    );
    own = self;
    expect(late.members().map(({ address }) => address)).to.deep.equal(['self:1']);
  });

  describe('those who are gone', () => {
    beforeEach(() =>
      startTakesMs(() => {
        network.up(a);
        network.up(b);
      }),
    );

    it('are listed for ten minutes', async () => {
      network.down(a, true);
      await clock.advance(300_000);
      network.down(b);
      expect(names()).to.deep.equal(['node-a left', 'node-b dead', 'self alive']);
      await clock.advance(300_001);
      expect(names()).to.deep.equal(['node-b dead', 'self alive']);
      await clock.advance(300_000);
      expect(names()).to.deep.equal(['self alive']);
    });

    it('are a thousand at most; the one gone longest is forgotten first', () => {
      for (let i = 0; i < 5000; i++) {
        const peer = nodeInfo(`id-${i}`, `p${i}:1`, `p${String(i).padStart(4, '0')}`);
        network.up(peer);
        network.down(peer);
      }
      const gone = membership.members().filter(({ state }) => state === 'dead');
      expect(gone).to.have.length(1000);
      expect([gone[0]!.name, gone.at(-1)!.name]).to.deep.equal(['p4000', 'p4999']);
      expect(names()).to.include.members(['node-a alive', 'node-b alive', 'self alive']);
    });

    it('and come back are new in the order of going', () => {
      network.down(a);
      network.up(a);
      network.down(b);
      network.down(a);
      for (let i = 0; i < 999; i++) {
        const peer = nodeInfo(`id-${i}`, `p${i}:1`, `p${i}`);
        network.up(peer);
        network.down(peer);
      }
      expect(names()).to.include('node-a dead');
      expect(names()).not.to.include('node-b dead');
    });

    it('and whose end is noticed only after they are back are listed once, as they are now', () => {
      const heard: string[] = [];
      membership.onChange(({ is, member }) => heard.push(`${is} ${member.id}`));
      const again = nodeInfo('a2', 'a:1', 'node-a');
      network.up(again);
      network.down(a);
      expect(names()).to.deep.equal(['node-a alive', 'node-b alive', 'self alive']);
      expect(heard).to.deep.equal(['joined a2']);
      network.down(again);
      expect(names()).to.deep.equal(['node-a dead', 'node-b alive', 'self alive']);
    });

    it('and were never known are no news', () => {
      const heard: string[] = [];
      membership.onChange(({ is }) => heard.push(is));
      network.down(nodeInfo('x', 'x:1'));
      expect(heard).to.deep.equal([]);
      expect(names()).to.deep.equal(['node-a alive', 'node-b alive', 'self alive']);
    });
  });
});
