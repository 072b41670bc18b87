import { expect } from 'chai';
import type { Suspect } from '../../../src/membership/messages.js';
import type { GoPeer, GoProgram } from '../../support/go-memberlist.js';
import type { GossipNode } from '../../support/gossip-node.js';
import { pause, until } from '../../support/until.js';
import { MixedPool, type PoolOptions } from './pool.js';
import { everybody, sendPacket } from './raw.js';

const packetKinds: readonly PoolOptions[] = [{ packets: 'udp' }, { packets: 'tcp' }];

/** An accusation by somebody whom neither knows. */
const accusationOf = (node: string, incarnation: number): Suspect => ({
  is: 'suspect',
  incarnation,
  node,
  from: 'stranger',
});

const incarnationAt = (node: GossipNode, name: string): number => node.member(name)?.incarnation ?? 0;

/** What becomes of members that crash, stop, are accused, leave or are forgotten. */
export function failureTests(program: () => GoProgram): void {
  let pool: MixedPool;

  afterEach(() => pool.close());

  /** `go1`, `go2`, `ours1`, `ours2`, all alive to each other. */
  const fourMembers = async (
    options: PoolOptions = {},
  ): Promise<{ go: readonly [GoPeer, GoPeer]; ours: readonly [GossipNode, GossipNode] }> => {
    pool = new MixedPool(program(), options);
    const go = [await pool.go('go1'), await pool.go('go2')] as const;
    const ours = [await pool.node('ours1'), await pool.node('ours2')] as const;
    await go[1].join(go[0].address);
    await ours[0].join(go[0].address);
    await ours[1].join(ours[0].address);
    await pool.allShow('go1', 'go2', 'ours1', 'ours2');
    return { go, ours };
  };

  for (const options of packetKinds) {
    it(`${options.packets}: a Go peer and a node of ours crash, all agree, and both come back, younger than they were`, async () => {
      const { go, ours } = await fourMembers(options);
      await Promise.all([pool.crash(go[1]), pool.crash(ours[1])]);
      await Promise.all(['go2', 'ours2'].map((name) => ours[0].tells('failed', name, 20_000)));
      expect(ours[0].told('go2')).to.deep.equal(['joined', 'suspect', 'failed']);
      await until('go1 tells it as well', () => ['go2', 'ours2'].every((name) => go[0].told(name).at(-1) === 'gone'));
      expect(await everybodyOf(go[0])).to.deep.equal(['go1 alive', 'go2 dead', 'ours1 alive', 'ours2 dead']);
      await pool.allShow('go1', 'ours1');
      // Where they were, as nobody else may have their names, and below the incarnation that everybody holds of them.
      await (await pool.go('go2', { port: go[1].self.port })).join(ours[0].address);
      await (await pool.node('ours2', { port: ours[1].endpoint.port, incarnation: 1 })).join(go[0].address);
      await pool.allShow('go1', 'go2', 'ours1', 'ours2');
      expect(ours[0].member('ours2')!.incarnation).to.be.above(ours[1].incarnation);
    });

    it(`${options.packets}: a Go peer that stops is suspected, and refutes as soon as it goes on`, async () => {
      const { go, ours } = await fourMembers(options);
      const before = incarnationAt(ours[0], 'go2');
      go[1].pause();
      await Promise.race(ours.map((node) => node.tells('suspect', 'go2', 20_000)));
      go[1].resume();
      await until('both of ours know it alive by its denial', () =>
        ours.every((node) => node.member('go2')?.state === 'alive' && incarnationAt(node, 'go2') > before),
      );
      await pool.allShow('go1', 'go2', 'ours1', 'ours2');
      expect(pool.losses()).to.deep.equal([]);
    });

    it(`${options.packets}: a Go peer taken for dead comes back by itself when it goes on`, async () => {
      const { go, ours } = await fourMembers(options);
      go[1].pause();
      await Promise.all(ours.map((node) => node.tells('failed', 'go2', 20_000)));
      await until('go1 tells it as well', () => go[0].told('go2').at(-1) === 'gone');
      go[1].resume();
      await until('all have it back', () => ours.every((node) => node.told('go2').at(-1) === 'joined'));
      await pool.allShow('go1', 'go2', 'ours1', 'ours2');
    });

    it(`${options.packets}: Go peers suspect a node of ours that says nothing, and believe its denial`, async () => {
      const { go, ours } = await fourMembers(options);
      ours[1].deafness = 'all';
      await until('a Go peer suspects it', () => go.some((peer) => peer.logged(/Suspect ours2 has failed/)));
      ours[1].deafness = 'none';
      await until('it denies', () => ours[1].core.counts().refuted > 0);
      const { incarnation } = ours[1];
      await until('ours1 hears so', () => ours[0].state('ours2') === `alive ${incarnation}`);
      await until('they hear so', async () =>
        (await Promise.all(go.map(everybodyOf))).every((states) => states.includes('ours2 alive')),
      );
      expect(pool.losses()).to.deep.equal([]);
    });
  }

  it('a node of ours that answers streams alone is kept alive by the ping over a stream', async () => {
    const { go, ours } = await fourMembers();
    ours[1].deafness = 'pings';
    await until('both peers fall back to streams', () =>
      go.every((peer) => peer.logged(/Was able to connect to ours2/)),
    );
    expect(pool.losses()).to.deep.equal([]);
  });

  it('a node of ours pings for Go peers and says when nobody answers', async () => {
    const { go, ours } = await fourMembers();
    go[1].pause();
    const [node] = ours;
    // With three members besides it, go1 asks all that live.
    const from = (errand: { readonly port: number }): boolean => errand.port === go[0].self.port;
    const asked = await node.hears('indirectPing', (ping) => ping.node === 'go2' && from(ping.source), 20_000);
    expect(asked.nack, 'it expects to hear that nobody answers').to.equal(true);
    const nacks = () =>
      node.sent
        .flatMap((errand) => (errand.do === 'send' && from(errand.to) ? errand.messages : []))
        .filter((sent) => sent.is === 'nack' && sent.seqNo === asked.seqNo);
    await until('ours1 says that it got no answer', () => nacks().length === 1);
    go[1].resume();
  });

  it('a false accusation is denied, whichever side it is of and whichever side hears it', async () => {
    const { go, ours } = await fourMembers();
    const [own, theirs] = [ours[0].incarnation, incarnationAt(ours[0], 'go1')];
    await sendPacket(go[1].self, [accusationOf('ours1', own)]);
    await until('we deny', () => ours[0].incarnation > own);
    await until('they take the denial', async () => (await everybodyOf(go[1])).includes('ours1 alive'));
    const { addr, port } = ours[1].endpoint;
    await sendPacket({ addr: [...addr].join('.'), port }, [accusationOf('go1', theirs)]);
    await ours[1].tells('suspect', 'go1');
    await until('we take their denial', () => ours.every((node) => incarnationAt(node, 'go1') > theirs));
    await pool.allShow('go1', 'go2', 'ours1', 'ours2');
    expect(pool.losses()).to.deep.equal([]);
  });

  it('those who left are forgotten on both sides, and come back under their name from another address', async () => {
    const { go, ours } = await fourMembers({ gossipToTheDeadMs: 1000 });
    await Promise.all([go[1].leave(), ours[1].leave()]);
    await pool.crash(go[1]);
    await pool.crash(ours[1]);
    const forgotten = async (): Promise<boolean> =>
      ours[0].core.members().length === 2 && (await everybodyOf(go[0])).length === 2;
    await until('both are forgotten', forgotten);
    await (await pool.go('go2')).join(ours[0].address);
    await (await pool.node('ours2', { incarnation: 1 })).join(go[0].address);
    await pool.allShow('go1', 'go2', 'ours1', 'ours2');
    expect(ours[0].told('go2')).to.deep.equal(['joined', 'left', 'joined']);
    expect(go[0].told('ours2')).to.deep.equal(['joined', 'gone', 'joined']);
  });

  it('nobody is lost by anybody while all is well', async () => {
    const { go, ours } = await fourMembers({ pushPullIntervalMs: 300 });
    await pause(3000);
    expect(pool.losses()).to.deep.equal([]);
    for (const peer of go) expect(peer.complaints()).to.deep.equal([]);
    for (const node of ours) expect(node.dropped()).to.deep.equal({});
  });

  const everybodyOf = (peer: GoPeer): Promise<readonly string[]> =>
    everybody(peer, undefined, pool.options.packets === 'tcp');
}
