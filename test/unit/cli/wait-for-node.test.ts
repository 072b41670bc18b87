import { expect } from 'chai';
import { DistcacheError } from '../../../src/base/errors.js';
import { repeatedly } from '../../../src/cli/repeatedly.js';
import { waitForNode } from '../../../src/cli/wait-for-node.js';
import type { NodeStatus } from '../../../src/ports/cache.js';
import { FakeClock } from '../../support/fake-clock.js';

const status = (ready: boolean, peers: number): NodeStatus =>
  ({ node: 'n', state: ready ? 'serving' : 'starting', ready, peers }) as NodeStatus;
const unreachable = new DistcacheError('PEER_UNREACHABLE', 'nobody listens there');
const never = new AbortController().signal;

describe('cli: waiting for a node', () => {
  const waiting = (answers: readonly (NodeStatus | DistcacheError)[], wanted: { ready?: boolean; peers?: number }) => {
    const clock = new FakeClock();
    let asked = 0;
    const client = {
      status: async () => {
        const answer = answers[Math.min(asked++, answers.length - 1)]!;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
    const options = { ready: wanted.ready ?? false, peers: wanted.peers, timeoutMs: 2000, signal: never, clock };
    const ended = waitForNode(client, options).then(
      (found) => `sees ${found.peers}`,
      (error: DistcacheError) => `${error.code}: ${error.message}`,
    );
    return { ended: clock.until(ended), asked: () => asked, clock };
  };

  it('goes on until it is ready and sees as many nodes as wanted', async () => {
    const run = waiting([unreachable, status(false, 1), status(true, 1), status(true, 3)], { ready: true, peers: 3 });
    expect(await run.ended).to.equal('sees 3');
    expect(run.asked()).to.equal(4);
    expect(run.clock.nowMs()).to.equal(600);
    expect(run.clock.pending()).to.equal(0);
  });

  it('ends when the time is up, and says what was missing', async () => {
    expect(await waiting([status(true, 2)], { peers: 3 }).ended).to.match(/^TIMEOUT: .*2000 ms: n sees 2 of 3 nodes$/);
    expect(await waiting([status(false, 3)], { ready: true }).ended).to.match(/n is starting and not ready$/);
    expect(await waiting([unreachable], {}).ended).to.match(/nobody listens there$/);
  });

  it('says what was seen last where the last question had no time for its answer, and that where nothing was seen', async () => {
    const late = new DistcacheError('TIMEOUT', 'no answer within 3 ms');
    expect(await waiting([status(true, 2), late], { peers: 3 }).ended).to.match(/: n sees 2 of 3 nodes$/);
    expect(await waiting([unreachable, status(false, 2), late], { ready: true }).ended).to.match(
      /: n is starting and not ready$/,
    );
    expect(await waiting([late], { peers: 3 }).ended).to.match(/: no answer within 3 ms$/);
    expect(await waiting([late, unreachable], { peers: 3 }).ended).to.match(/: nobody listens there$/);
  });

  it('ends at once with what waiting does not mend', async () => {
    const refused = new DistcacheError('UNAUTHORIZED', 'no token');
    const run = waiting([refused], { ready: true });
    expect(await run.ended).to.equal('UNAUTHORIZED: no token');
    expect(run.asked()).to.equal(1);
  });
});

describe('cli: again and again', () => {
  it('looks so often, from one start to the next', async () => {
    const clock = new FakeClock();
    const looks: number[] = [];
    const done = repeatedly({ everyMs: 1000, count: 3, signal: never, clock }, async () => {
      looks.push(clock.nowMs());
      await new Promise<void>((resolve) => void clock.after(300, resolve));
    });
    await clock.until(done);
    expect(looks).to.deep.equal([0, 1000, 2000]);
    expect(clock.pending()).to.equal(0);
  });

  it('ends with the signal, and with the first failure', async () => {
    const clock = new FakeClock();
    const stop = new AbortController();
    let looks = 0;
    await clock.until(
      repeatedly({ everyMs: 1000, count: Number.POSITIVE_INFINITY, signal: stop.signal, clock }, async () => {
        if (++looks === 2) stop.abort();
      }),
    );
    expect(looks).to.equal(2);
    const failing = repeatedly({ everyMs: 1, count: 5, signal: never, clock }, () => Promise.reject(unreachable));
    expect(await failing.catch((error: DistcacheError) => error.code)).to.equal('PEER_UNREACHABLE');
    expect(clock.pending()).to.equal(0);
  });
});
