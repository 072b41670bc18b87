import { expect } from 'chai';
import { allGuards } from '../../../src/coherence/guards.js';
import { leaseMs, renewMs } from '../../../src/coherence/leases.js';
import { Confirmations } from '../../../src/engine/confirmations.js';
import { LeaseKeeper } from '../../../src/engine/lease-keeper.js';
import type { NodeInfo } from '../../../src/ports/membership.js';
import type { PeerNetwork } from '../../../src/ports/peers.js';
import { FakeClock } from '../../support/fake-clock.js';

type Reply = ReturnType<PeerNetwork['call']>;
interface Outcome {
  unreached?: readonly string[];
  atMs?: number;
}

const invalidation = { do: 'invalidate', keyspace: 'ks', key: 'k', version: 7, sequence: 1 } as const;
const unused = (): never => {
  throw new Error('nobody asks for this');
};
const infoOf = (name: string): NodeInfo => ({
  id: `id of ${name}`,
  name,
  address: `${name}:3320`,
  admin: '',
  gossip: '',
  version: '',
  weight: 1,
  incarnation: 1,
});

describe('Confirmations', () => {
  const deadlineMs = 20_000;
  let clock: FakeClock;
  let keeper: LeaseKeeper;
  let confirmations: Confirmations;
  /** What each peer says to the next invalidation. */
  let answers: Map<string, Reply>;
  const ids = (...names: string[]): string[] => names.map((name) => infoOf(name).id);

  beforeEach(() => {
    clock = new FakeClock();
    answers = new Map();
    const peers: PeerNetwork = {
      linked: () => ['a', 'b'].map(infoOf),
      call: (id) => answers.get(id) ?? Promise.resolve({ is: 'applied' }),
      serve: unused,
      dial: unused,
      undial: unused,
      onLink: unused,
      onDialProblem: unused,
      giveUp: unused,
      close: unused,
    };
    keeper = new LeaseKeeper({
      clock,
      peers,
      guards: allGuards,
      others: () => ids('a', 'b'),
      tellFloors: () => {},
      passesThrough: () => false,
      version: () => 0,
      lost: () => {},
      regained: () => {},
      silenceChanged: () => {},
    });
    confirmations = new Confirmations({ clock, peers, leases: keeper, guards: allGuards });
    for (const name of ['a', 'b']) {
      keeper.leases.linkUp(infoOf(name).id);
      confirmations.onLinkUp(infoOf(name));
    }
  });

  /** A write that `a` applies and `b` says `answer` to, while both have their leases renewed. */
  const written = (answer: Reply): Outcome => {
    answers.set(infoOf('b').id, answer);
    const renewed = (): void => {
      for (const id of ids('a', 'b')) keeper.grant(id, false);
      clock.after(renewMs, renewed);
    };
    renewed();
    const outcome: Outcome = {};
    confirmations
      .told((_, next) => ({ ...invalidation, sequence: next() }), { deadlineMs })
      .then((unreached) => Object.assign(outcome, { unreached, atMs: clock.nowMs() }));
    return outcome;
  };
  const lost = (): Reply => Promise.reject(new Error('the link broke'));
  const hanging = (): Reply => new Promise(() => {});

  for (const [what, answer] of [
    ['did not get it', lost],
    ['does not answer', hanging],
  ] as const) {
    it(`a peer that ${what} is done once it has taken all floors, though its leases are renewed`, async () => {
      const outcome = written(answer());
      await clock.advance(300);
      const told = confirmations.telling(infoOf('b').id);
      keeper.leases.telling(infoOf('b').id);
      await clock.advance(40);
      expect(outcome).to.deep.equal({});
      told();
      await clock.settle();
      expect(outcome).to.deep.equal({ unreached: [], atMs: 340 });
    });
  }

  it('floors that were told before the write say nothing of it, nor do those that another peer has taken', async () => {
    const before = confirmations.telling(infoOf('b').id);
    const outcome = written(hanging());
    await clock.settle();
    before();
    confirmations.telling(infoOf('a').id)();
    // Leases that are granted meanwhile cover nothing from before the write.
    await clock.advance(leaseMs - 1);
    expect(outcome).to.deep.equal({});
    await clock.advance(1);
    expect(outcome).to.deep.equal({ unreached: ['b'], atMs: leaseMs });
  });

  describe('a peer that is to keep the value, and has taken the floors without it', () => {
    const toldAgain = async (again: (() => Reply) | undefined): Promise<Outcome> => {
      const outcome: Outcome = {};
      const told = confirmations.told(
        () => invalidation,
        { deadlineMs },
        (id) => (again !== undefined && id === infoOf('b').id ? { do: 'renew', resync: false } : undefined),
      );
      void told.then((unreached) => Object.assign(outcome, { unreached, atMs: clock.nowMs() }));
      await clock.advance(100);
      const taken = confirmations.telling(infoOf('b').id);
      if (again !== undefined) answers.set(infoOf('b').id, again());
      await clock.advance(40);
      taken();
      await clock.settle();
      return outcome;
    };
    beforeEach(() => answers.set(infoOf('b').id, lost()));

    it('is done where the entry is not the latest any more', async () => {
      expect(await toldAgain(undefined)).to.deep.equal({ unreached: [], atMs: 140 });
    });

    it('is told again, and done once it has it', async () => {
      let keep: (reply: Awaited<Reply>) => void = () => {};
      const outcome = await toldAgain(
        () =>
          new Promise((resolve) => {
            keep = resolve;
          }),
      );
      expect(outcome).to.deep.equal({});
      keep({ is: 'applied' });
      await clock.settle();
      expect(outcome).to.deep.equal({ unreached: [], atMs: 140 });
    });

    for (const [what, again] of [
      ['does not keep it', (): Reply => Promise.resolve({ is: 'nothing' })],
      ['is lost again', (): Reply => lost()],
    ] as const) {
      it(`is named where it ${what}`, async () => {
        expect(await toldAgain(again)).to.deep.equal({ unreached: ['b'], atMs: 140 });
      });
    }
  });

  it('says when no peer can serve anything older than what had too little time', async () => {
    const settled = async (): Promise<number> => {
      let atMs = -1;
      void confirmations.settled({ deadlineMs: 10_000 }).then(() => {
        atMs = clock.nowMs();
      });
      await clock.advance(3000);
      return atMs;
    };
    expect(await settled(), 'nothing was written').to.equal(0);
    const startedMs = clock.nowMs();
    answers.set(infoOf('b').id, hanging());
    for (const id of ids('a', 'b')) keeper.grant(id, false);
    void confirmations.told(() => invalidation, { deadlineMs: startedMs + 300 });
    await clock.advance(300);
    expect(await settled()).to.equal(startedMs + leaseMs);
    expect(await settled(), 'it is over').to.equal(clock.nowMs() - 3000);
  });

  it('a peer that gets no lease before it was told is waited for until its lease has lapsed, and named', async () => {
    const outcome = written(lost());
    await clock.advance(leaseMs);
    expect(outcome).to.deep.equal({ unreached: ['b'], atMs: leaseMs });
  });
});
