import { expect } from 'chai';
import { isAddress, splitAddress } from '../../src/base/addresses.js';
import { codeOf, messageOf } from '../../src/base/errors.js';
import { bytesOfIp } from '../../src/base/ip.js';
import type { Wait } from '../../src/ports/clock.js';
import { type Discovery, type DiscoveryContext, foundMax } from '../../src/ports/discovery.js';

/** A provider that was not started yet, its source, and the means to change and to break that source. */
export interface Finding {
  readonly discovery: Discovery;
  /** What `start` is given. `self.gossip` is none of `address(i)`. */
  readonly context: DiscoveryContext;
  /** Part of every message about a source that does not answer: where it is, or what it is asked for. */
  readonly named: RegExp;
  /** The i-th address that `know` may be given, `ip:port`. Each one differs from the others. */
  address(i: number): string;
  /** From now on the source knows of exactly these, beside the node under test. Left out where it never knows of any. */
  readonly know?: ((addresses: readonly string[]) => Promise<void>) | undefined;
  /** The source is gone, as a process that was killed: what asks it is refused, or hears nothing. */
  readonly down?: (() => Promise<void>) | undefined;
  /** It is there again, and knows of what it knew of. */
  readonly up?: (() => Promise<void>) | undefined;
  /** It takes what it is asked and does not answer, until `up`. */
  readonly silence?: (() => Promise<void>) | undefined;
  /** False where no `know` can go beyond `foundMax`. */
  readonly manyKnown: boolean;
  /** True where a source that knows of none is as one that does not answer: a name on a list must resolve. */
  readonly noneIsFailure?: boolean;
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
  /** Gives the outcome, letting time pass where it takes some. */
  until<T>(promise: Promise<T>): Promise<T>;
  /** Timers, connections and whatever else the provider has open. */
  open(): number;
  /** Frees the source. The provider was stopped before. */
  close(): Promise<void>;
}

const findMs = 3000;
/** Whatever finds: long enough to notice a change, or that the source is back. */
const patienceMs = 30_000;

const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((thrown: unknown) => thrown);

/** What every Discovery keeps to, whatever its source. */
export function discoveryContract(name: string, make: () => Promise<Finding>): void {
  describe(`Discovery: ${name}`, function () {
    this.timeout(60_000);
    let finding: Finding;
    let discovery: Discovery;

    const wait = (ms: number, signal?: AbortSignal): Wait => ({
      deadlineMs: finding.context.clock.nowMs() + ms,
      signal,
    });
    const start = (): Promise<void> => finding.until(discovery.start(finding.context, wait(findMs)));
    const stop = (): Promise<void> => finding.until(discovery.stop(wait(findMs)));
    const others = (found: readonly string[]): string[] =>
      found.filter((address) => address !== finding.context.self.gossip).sort();
    const find = async (): Promise<string[]> => others(await finding.until(discovery.find(wait(findMs))));
    const addresses = (...which: number[]): string[] => which.map((i) => finding.address(i)).sort();

    /** Lets time pass until it holds. */
    const eventually = async (what: string, holds: () => Promise<boolean> | boolean): Promise<void> => {
      const endMs = finding.context.clock.nowMs() + patienceMs;
      while (!(await holds())) {
        if (finding.context.clock.nowMs() > endMs) throw new Error(`waited ${patienceMs} ms in vain: ${what}`);
        await finding.pass(50);
      }
    };
    const eventuallyFinds = (expected: readonly string[]): Promise<void> =>
      eventually(`find gives ${expected}`, async () => {
        const found = await outcome(find());
        return Array.isArray(found) && found.join() === [...expected].join();
      });
    const expectUnanswered = (error: unknown): void => {
      expect(codeOf(error), messageOf(error)).to.be.oneOf(['PEER_UNREACHABLE', 'TIMEOUT']);
      expect(messageOf(error)).to.match(finding.named);
    };

    beforeEach(async () => {
      finding = await make();
      discovery = finding.discovery;
    });
    afterEach(async () => {
      await stop();
      const open = finding.open();
      await finding.close();
      expect(open, 'left open after stop').to.equal(0);
    });

    /** What takes a source that can do this; elsewhere it is told as pending. */
    const needs = (context: Mocha.Context, ...means: readonly unknown[]): void => {
      if (means.includes(undefined) || means.includes(false)) context.skip();
    };

    it('has a name, and a time after which it is asked again', () => {
      expect(discovery.provider).to.match(/^[a-z]+$/);
      expect(discovery.findAgainMs).to.be.greaterThan(0);
    });

    describe('find', () => {
      it('gives none where the source knows of none', async () => {
        await finding.know?.([]);
        await start();
        if (finding.noneIsFailure) expectUnanswered(await outcome(find()));
        else expect(await find()).to.deep.equal([]);
      });

      it('gives what the source knows of, as ip:port, each once', async function () {
        needs(this, finding.know);
        await finding.know!(addresses(0, 1, 2));
        await start();
        await eventuallyFinds(addresses(0, 1, 2));
        const found = await finding.until(discovery.find(wait(findMs)));
        expect(new Set(found).size).to.equal(found.length);
        for (const address of found) {
          expect(isAddress(address), address).to.equal(true);
          expect(bytesOfIp(splitAddress(address).host), address).not.to.equal(undefined);
        }
      });

      it('gives those who came and leaves out those who went', async function () {
        needs(this, finding.know);
        await finding.know!(addresses(0, 1));
        await start();
        await eventuallyFinds(addresses(0, 1));
        await finding.know!(addresses(1, 2, 3));
        await eventuallyFinds(addresses(1, 2, 3));
      });

      it(`gives at most ${foundMax}, and warns that there are more`, async function () {
        needs(this, finding.know, finding.manyKnown);
        const warned: string[] = [];
        const { log } = finding.context;
        const context = {
          ...finding.context,
          log: {
            write: (...line: Parameters<typeof log.write>) => {
              if (line[0] === 'warn') warned.push(`${line[1]} ${JSON.stringify(line[2])}`);
              log.write(...line);
            },
          },
        };
        await finding.know!(Array.from({ length: foundMax + 5 }, (_, i) => finding.address(i)));
        await finding.until(discovery.start(context, wait(findMs)));
        await eventually('all are found', async () => (await find()).length >= foundMax - 1);
        expect((await finding.until(discovery.find(wait(findMs)))).length).to.be.at.most(foundMax);
        expect(warned.filter((line) => line.includes(String(foundMax)))).to.have.lengthOf(1);
      });

      it('may be called by two at a time', async function () {
        needs(this, finding.know);
        await finding.know!(addresses(0, 1));
        await start();
        await eventuallyFinds(addresses(0, 1));
        expect(await Promise.all([find(), find()])).to.deep.equal([addresses(0, 1), addresses(0, 1)]);
      });

      it('does not begin for a caller who has given up before', async () => {
        await start();
        expect(codeOf(await finding.until(outcome(discovery.find(wait(findMs, AbortSignal.abort())))))).to.equal(
          'ABORTED',
        );
      });

      it('ends with ABORTED as soon as its caller gives up, and leaves another caller alone', async function () {
        needs(this, finding.silence, finding.up);
        await finding.know!(addresses(0));
        await start();
        await eventuallyFinds(addresses(0));
        await finding.silence!();
        const controller = new AbortController();
        const given = outcome(discovery.find(wait(60_000, controller.signal)));
        const kept = outcome(discovery.find(wait(patienceMs)));
        await finding.pass(20);
        controller.abort();
        expect(codeOf(await finding.until(given))).to.equal('ABORTED');
        await finding.up!();
        // The question that was under way may be lost with the silence; what counts is that it was not cancelled.
        expect(codeOf(await finding.until(kept))).not.to.equal('ABORTED');
      });

      it('keeps its deadline when the source does not answer, and says which source', async function () {
        needs(this, finding.silence);
        await start();
        await finding.silence!();
        const beganMs = finding.context.clock.nowMs();
        expectUnanswered(await finding.until(outcome(discovery.find(wait(400)))));
        // Far more than the deadline, for slow machines, and far less than any question takes by itself.
        expect(finding.context.clock.nowMs() - beganMs).to.be.below(4000);
      });

      it('rejects for a deadline that has passed', async function () {
        needs(this, finding.silence);
        await start();
        await finding.silence!();
        expectUnanswered(await finding.until(outcome(discovery.find(wait(-1)))));
      });

      it('rejects while the source is down, naming it, and finds again when it is back', async function () {
        needs(this, finding.know, finding.down, finding.up);
        await finding.know!(addresses(0, 1));
        await start();
        await eventuallyFinds(addresses(0, 1));
        await finding.down!();
        expectUnanswered(await finding.until(outcome(discovery.find(wait(findMs)))));
        expectUnanswered(await finding.until(outcome(discovery.find(wait(findMs)))));
        await finding.up!();
        await eventuallyFinds(addresses(0, 1));
      });
    });

    describe('start', () => {
      it('succeeds although the source is down, and finds when it is there', async function () {
        needs(this, finding.know, finding.down, finding.up);
        await finding.know!(addresses(0, 1));
        await finding.down!();
        await start();
        expectUnanswered(await finding.until(outcome(discovery.find(wait(findMs)))));
        await finding.up!();
        await eventuallyFinds(addresses(0, 1));
      });

      it('does not begin for a caller who has given up before', async () => {
        const starting = discovery.start(finding.context, wait(findMs, AbortSignal.abort()));
        expect(codeOf(await finding.until(outcome(starting)))).to.equal('ABORTED');
      });
    });

    describe('watch', () => {
      it('tells all addresses whenever they change', async function () {
        needs(this, finding.know, discovery.watch);
        let told: readonly string[] = [];
        const cancel = discovery.watch!((list) => {
          told = list;
        });
        await finding.know!(addresses(0));
        await start();
        await eventually('the first is told', () => others(told).join() === addresses(0).join());
        await finding.know!(addresses(0, 1, 2));
        await eventually('two more are told', () => others(told).join() === addresses(0, 1, 2).join());
        await finding.know!(addresses(2));
        await eventually('two less are told', () => others(told).join() === addresses(2).join());
        cancel();
        cancel();
      });

      it('goes on after the source was down', async function () {
        needs(this, finding.know, discovery.watch, finding.down, finding.up);
        let told: readonly string[] = [];
        discovery.watch!((list) => {
          told = list;
        });
        await finding.know!(addresses(0));
        await start();
        await eventually('the first is told', () => others(told).join() === addresses(0).join());
        await finding.down!();
        await finding.pass(100);
        await finding.up!();
        await finding.know!(addresses(0, 1));
        await eventually('the second is told', () => others(told).join() === addresses(0, 1).join());
      });

      it('tells everybody else although one who hears throws, and nobody who cancelled', async function () {
        needs(this, finding.know, discovery.watch);
        let heard = 0;
        let told: readonly string[] = [];
        const cancel = discovery.watch!(() => heard++);
        cancel();
        discovery.watch!(() => {
          throw new Error('not my day');
        });
        discovery.watch!((list) => {
          told = list;
        });
        await start();
        await finding.know!(addresses(0, 1));
        await eventually('both are told', () => others(told).join() === addresses(0, 1).join());
        expect(heard).to.equal(0);
      });

      it('tells nothing after stop', async function () {
        needs(this, finding.know, discovery.watch);
        let heard = 0;
        await start();
        discovery.watch!(() => heard++);
        await stop();
        const before = heard;
        await finding.know!(addresses(0, 1));
        await finding.pass(300);
        expect(heard).to.equal(before);
      });
    });

    describe('stop', () => {
      it('may be called twice, at once and later', async () => {
        await start();
        await finding.until(Promise.all([discovery.stop(wait(findMs)), discovery.stop(wait(findMs))]));
        await stop();
        expect(finding.open()).to.equal(0);
      });

      it('may be called before start, which then does not begin', async () => {
        await stop();
        expect(finding.open()).to.equal(0);
        expect(codeOf(await finding.until(outcome(discovery.start(finding.context, wait(findMs)))))).to.equal(
          'ABORTED',
        );
      });

      it('ends a find under way, and none begins after it', async function () {
        needs(this, finding.silence);
        await start();
        await finding.silence!();
        const under = outcome(discovery.find(wait(60_000)));
        await finding.pass(20);
        await stop();
        expect(codeOf(await finding.until(under))).to.equal('ABORTED');
        expect(codeOf(await finding.until(outcome(discovery.find(wait(findMs)))))).to.equal('ABORTED');
      });

      for (const way of ['down', 'silence'] as const) {
        it(`keeps its deadline while the source is ${way === 'down' ? 'down' : 'silent'}`, async function () {
          needs(this, finding[way]);
          await start();
          await finding[way]!();
          const beganMs = finding.context.clock.nowMs();
          await finding.until(discovery.stop(wait(300)));
          expect(finding.context.clock.nowMs() - beganMs).to.be.below(4000);
        });
      }
    });
  });
}
