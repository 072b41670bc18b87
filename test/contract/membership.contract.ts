import { expect } from 'chai';
import { codeOf } from '../../src/base/errors.js';
import type { Wait } from '../../src/ports/clock.js';
import type { Member, MemberChange, Membership } from '../../src/ports/membership.js';

/** One node's view under test, and the means to make things happen around it. Other nodes go by their names. */
export interface Gathering {
  readonly membership: Membership;
  /** Name of the node whose view this is. */
  readonly selfName: string;
  nowMs(): number;
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
  /** Gives the outcome, letting time pass where it takes some. */
  until<T>(promise: Promise<T>): Promise<T>;
  /** A node of this name starts, with an id of its own, and tries to meet the node under test. */
  appear(name: string): void;
  /** It stops in good order. */
  leave(name: string): void;
  /** Its process is gone, and says nothing. */
  vanish(name: string): void;
  /** Timers, listeners and whatever else the membership has open. */
  open(): number;
  close(): Promise<void>;
}

export interface GatheringOptions {
  readonly minimumPeers: number;
  /** Names of nodes that run before the one under test starts. It knows where to find them. */
  readonly others: readonly string[];
  /** Names of nodes that do not run yet; it knows where they would be found. */
  readonly expected?: readonly string[];
}

/** Whatever finds members: long enough to notice that one came, left or failed. */
const noticedMs = 60_000;

const said = ({ is, member }: MemberChange): string => `${is} ${member.name}`;
const listed = (members: readonly Member[]): string[] => members.map(({ name, state }) => `${name} ${state}`);
const codeOfRejected = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => 'resolved',
    (error) => codeOf(error) ?? String(error),
  );

/** What every Membership keeps to, whatever finds the members. */
export function membershipContract(name: string, make: (options: GatheringOptions) => Promise<Gathering>): void {
  describe(`Membership: ${name}`, () => {
    let gathering: Gathering;
    const gather = async (options: Partial<GatheringOptions> = {}): Promise<Membership> => {
      gathering = await make({ minimumPeers: 1, others: [], ...options });
      return gathering.membership;
    };
    const within = (ms: number, signal?: AbortSignal): Wait => ({ deadlineMs: gathering.nowMs() + ms, signal });
    const begin = (ms = 30_000): Promise<void> => gathering.until(gathering.membership.start(within(ms)));
    afterEach(async () => {
      await gathering.until(gathering.membership.stop(within(1000)));
      await gathering.close();
    });

    describe('start', () => {
      it('of a node that is alone and may be succeeds, and it is a member of its own', async () => {
        const membership = await gather();
        await begin();
        expect(listed(membership.members())).to.deep.equal([`${gathering.selfName} alive`]);
      });

      it('meets those who are there, and lists them with itself by name', async () => {
        const membership = await gather({ others: ['node-c', 'node-a'] });
        await begin();
        expect(listed(membership.members())).to.deep.equal(['node-a alive', 'node-b alive', 'node-c alive']);
      });

      it('succeeds although some who were expected are not there', async () => {
        const membership = await gather({ others: ['node-a'], expected: ['node-c'] });
        await begin();
        expect(listed(membership.members())).to.deep.equal(['node-a alive', 'node-b alive']);
      });

      it('fails with CLUSTER_QUORUM when too few are met in time, and says how many were asked for', async () => {
        const membership = await gather({ minimumPeers: 4, others: ['node-a'], expected: ['node-c'] });
        const startedMs = gathering.nowMs();
        const error = await gathering.until(membership.start(within(5000)).catch((thrown: unknown) => thrown));
        expect(codeOf(error)).to.equal('CLUSTER_QUORUM');
        expect(error)
          .to.have.property('message')
          .that.matches(/only 2 of the 4 /);
        expect(gathering.nowMs() - startedMs).to.be.within(4999, 5500);
      });

      it('waits for the last one it needs', async () => {
        const membership = await gather({ minimumPeers: 3, others: ['node-a'], expected: ['node-c'] });
        const starting = membership.start(within(60_000));
        await gathering.pass(10_000);
        gathering.appear('node-c');
        await gathering.until(starting);
        expect(listed(membership.members())).to.deep.equal(['node-a alive', 'node-b alive', 'node-c alive']);
      });

      it('ends with ABORTED as soon as its caller gives up', async () => {
        const membership = await gather({ minimumPeers: 9, expected: ['node-a'] });
        const controller = new AbortController();
        const starting = codeOfRejected(membership.start(within(30_000, controller.signal)));
        await gathering.pass(10_000);
        const abortedMs = gathering.nowMs();
        controller.abort();
        expect(await gathering.until(starting)).to.equal('ABORTED');
        expect(gathering.nowMs()).to.equal(abortedMs);
      });

      it('does not begin for a caller who has given up before', async () => {
        const membership = await gather({ others: ['node-a'] });
        expect(await gathering.until(codeOfRejected(membership.start(within(9000, AbortSignal.abort()))))).to.equal(
          'ABORTED',
        );
      });

      it('ends when it is stopped meanwhile, and does not hold the stop up', async () => {
        const membership = await gather({ minimumPeers: 9, expected: ['node-a'] });
        const starting = codeOfRejected(membership.start(within(30_000)));
        await gathering.pass(5000);
        const stoppedMs = gathering.nowMs();
        await gathering.until(membership.stop(within(1000)));
        expect(await gathering.until(starting)).to.equal('ABORTED');
        expect(gathering.nowMs() - stoppedMs).to.be.at.most(1000);
        expect(gathering.open()).to.equal(0);
      });
    });

    describe('changes', () => {
      it('are told in order, once each, and the list is changed already when they are', async () => {
        const membership = await gather({ others: ['node-a'] });
        await begin();
        const heard: string[] = [];
        membership.onChange((change) => {
          const state = membership.members().find(({ id }) => id === change.member.id)?.state;
          heard.push(`${said(change)}: ${state}`);
          expect(change.member.state).to.equal(state);
        });
        gathering.appear('node-c');
        await gathering.pass(noticedMs);
        gathering.leave('node-c');
        await gathering.pass(noticedMs);
        gathering.vanish('node-a');
        await gathering.pass(noticedMs);
        expect(heard.filter((line) => !line.startsWith('updated'))).to.deep.equal([
          'joined node-c: alive',
          'left node-c: left',
          'failed node-a: dead',
        ]);
        expect(listed(membership.members())).to.deep.equal(['node-a dead', 'node-b alive', 'node-c left']);
      });

      for (const [how, end] of [
        ['left', 'leave'],
        ['failed', 'vanish'],
      ] as const) {
        it(`a node that ${how} and comes back under its name is another one: listed once, with its new id`, async () => {
          const membership = await gather({ others: ['node-a'] });
          await begin();
          const [first] = membership.members();
          gathering[end]('node-a');
          await gathering.pass(noticedMs);
          const heard: string[] = [];
          membership.onChange((change) => heard.push(said(change)));
          gathering.appear('node-a');
          await gathering.pass(noticedMs);
          expect(listed(membership.members())).to.deep.equal(['node-a alive', 'node-b alive']);
          expect(membership.members()[0]!.id).not.to.equal(first!.id);
          expect(heard.filter((line) => !line.startsWith('updated'))).to.deep.equal(['joined node-a']);
        });
      }

      it('reach everybody else although one who hears of them throws', async () => {
        const membership = await gather();
        await begin();
        const heard: string[] = [];
        membership.onChange((change) => heard.push(`first ${said(change)}`));
        membership.onChange(() => {
          throw new Error('not my day');
        });
        membership.onChange((change) => heard.push(`last ${said(change)}`));
        gathering.appear('node-a');
        await gathering.pass(noticedMs);
        expect(heard.filter((line) => !line.includes('updated'))).to.deep.equal([
          'first joined node-a',
          'last joined node-a',
        ]);
      });

      it('reach nobody who hears no more, who may say so twice and while being told', async () => {
        const membership = await gather();
        await begin();
        const heard: string[] = [];
        const cancel = membership.onChange((change) => {
          heard.push(said(change));
          cancel();
          cancel();
        });
        gathering.appear('node-a');
        await gathering.pass(noticedMs);
        gathering.vanish('node-a');
        await gathering.pass(noticedMs);
        expect(heard).to.deep.equal(['joined node-a']);
      });
    });

    it('hands out a list that later changes leave alone', async () => {
      const membership = await gather();
      await begin();
      const before = membership.members();
      gathering.appear('node-a');
      await gathering.pass(noticedMs);
      expect(listed(before)).to.deep.equal(['node-b alive']);
      expect(listed(membership.members())).to.deep.equal(['node-a alive', 'node-b alive']);
    });

    describe('stop', () => {
      it('may be called twice, leaves nothing open, and nothing is told after it', async () => {
        const membership = await gather({ others: ['node-a'] });
        await begin();
        const heard: string[] = [];
        membership.onChange((change) => heard.push(said(change)));
        await gathering.until(Promise.all([membership.stop(within(1000)), membership.stop(within(1000))]));
        await gathering.until(membership.stop(within(1000)));
        expect(gathering.open()).to.equal(0);
        gathering.vanish('node-a');
        gathering.appear('node-c');
        await gathering.pass(noticedMs);
        expect(heard).to.deep.equal([]);
      });

      it('may be called before start', async () => {
        const membership = await gather({ others: ['node-a'] });
        await gathering.until(membership.stop(within(1000)));
        expect(gathering.open()).to.equal(0);
        expect(await gathering.until(codeOfRejected(membership.start(within(1000))))).to.equal('ABORTED');
      });
    });
  });
}
