import { expect } from 'chai';
import { DistcacheError } from '../../../src/base/errors.js';
import { allGuards } from '../../../src/coherence/guards.js';
import { renewMs, touchMs } from '../../../src/coherence/leases.js';
import { LeaseKeeper } from '../../../src/engine/lease-keeper.js';
import type { NodeInfo } from '../../../src/ports/membership.js';
import type { PeerNetwork } from '../../../src/ports/peers.js';
import { FakeClock } from '../../support/fake-clock.js';

type Reply = ReturnType<PeerNetwork['call']>;

const unused = (): never => {
  throw new Error('nobody asks for this');
};
const infoOf = (id: string): NodeInfo => ({
  id,
  name: id,
  address: `${id}:3320`,
  admin: '',
  gossip: '',
  version: '',
  weight: 1,
  incarnation: 1,
});

/** One node's keeper, whose peers answer renewals at once until they are held back. */
class Kept {
  readonly clock = new FakeClock();
  readonly keeper: LeaseKeeper;
  readonly linked: Set<string>;
  lost = 0;
  regained = 0;
  #isHeld = false;
  /** Renewals that were asked for and have no answer. */
  readonly #asked = new Map<string, { answer: () => void; fail: () => void }>();

  constructor(readonly others: readonly string[]) {
    this.linked = new Set(others);
    const peers: PeerNetwork = {
      linked: () => [...this.linked].map(infoOf),
      call: (id) => this.#call(id),
      serve: unused,
      dial: unused,
      undial: unused,
      onLink: unused,
      onDialProblem: unused,
      giveUp: unused,
      close: unused,
    };
    this.keeper = new LeaseKeeper({
      clock: this.clock,
      peers,
      guards: allGuards,
      others: () => others,
      tellFloors: () => {},
      passesThrough: () => false,
      version: () => 0,
      lost: () => this.lost++,
      regained: () => this.regained++,
      silenceChanged: () => {},
    });
  }

  /** In touch with all others, and back from having been in touch with nobody. */
  static async of(...others: readonly string[]): Promise<Kept> {
    const kept = new Kept(others);
    kept.keeper.start();
    for (const id of others) {
      kept.keeper.onLink({ is: 'up', peer: infoOf(id) });
      kept.keeper.leases.synced(id, 0, { versions: [], isWhole: true }, kept.keeper.now());
    }
    await kept.clock.advance(2 * renewMs);
    expect(kept.keeper.owns()).to.equal(true);
    expect(kept.lost, 'who was never in touch loses none').to.equal(0);
    kept.regained = 0;
    return kept;
  }

  /** The machine sleeps; no renewal is answered from now on but by `answer`. */
  async sleep(ms: number): Promise<void> {
    this.#isHeld = true;
    this.clock.stepWall(ms);
    await this.clock.advance(renewMs);
  }

  async answer(...ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#asked.get(id)!.answer();
    await this.clock.settle();
  }

  async fail(id: string): Promise<void> {
    this.#asked.get(id)!.fail();
    await this.clock.settle();
  }

  #call(id: string): Reply {
    const lease = { is: 'lease', sent: 0, ownsMs: touchMs } as const;
    if (!this.#isHeld) return Promise.resolve(lease);
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new DistcacheError('PEER_UNREACHABLE', 'the link broke'));
      this.#asked.set(id, { answer: () => resolve(lease), fail });
    });
  }
}

describe('LeaseKeeper: after the sleep of a machine, which monotonic time does not count', () => {
  it('a node owns nothing for as long as it has heard from too few, whatever fails meanwhile', async () => {
    const kept = await Kept.of('a', 'b');
    await kept.sleep(60_000);
    expect(kept.keeper.owns()).to.equal(false);
    kept.linked.delete('a');
    kept.keeper.onLink({ is: 'down', peer: infoOf('a'), left: false });
    await kept.fail('a');
    expect(kept.keeper.owns(), 'a renewal to a failed').to.equal(false);
    await kept.fail('b');
    expect(kept.keeper.owns(), 'a renewal to b failed').to.equal(false);
  });

  it('the answer of one of four does not bring back the leases of the other three', async () => {
    const kept = await Kept.of('a', 'b', 'c', 'd');
    await kept.sleep(2500);
    await kept.answer('a');
    expect(kept.keeper.owns()).to.equal(false);
    expect(kept.keeper.holds('a')).to.equal(true);
    expect(kept.keeper.holds('b')).to.equal(false);
    await kept.clock.advance(100);
    expect(kept.keeper.owns()).to.equal(false);
  });

  it('it was away: it comes back once all others have answered, in doubt of what it holds', async () => {
    const kept = await Kept.of('a', 'b', 'c', 'd');
    const { ownGeneration } = kept.keeper;
    await kept.sleep(2500);
    await kept.answer('a', 'b', 'c');
    expect(kept.keeper.owns()).to.equal(false);
    expect([kept.lost, kept.regained]).to.deep.equal([1, 0]);
    await kept.answer('d');
    expect(kept.keeper.owns()).to.equal(true);
    expect([kept.lost, kept.regained]).to.deep.equal([1, 1]);
    expect(kept.keeper.ownGeneration, 'what was begun before is not kept').to.be.above(ownGeneration);
  });

  it('it does not own anything before that, though the clock on the wall is set back', async () => {
    const kept = await Kept.of('a', 'b');
    await kept.sleep(2500);
    await kept.answer('a');
    kept.clock.stepWall(-2500);
    expect(kept.keeper.owns()).to.equal(false);
  });

  it('a small step of the wall clock means nothing', async () => {
    const kept = await Kept.of('a', 'b');
    await kept.sleep(400);
    expect(kept.keeper.owns()).to.equal(true);
    await kept.answer('a', 'b');
    expect(kept.keeper.owns()).to.equal(true);
    expect([kept.lost, kept.regained]).to.deep.equal([0, 0]);
  });
});
