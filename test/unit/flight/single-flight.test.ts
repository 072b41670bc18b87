import { expect } from 'chai';
import { codeOf, DistcacheError, notStarted } from '../../../src/base/errors.js';
import type { StopSignal } from '../../../src/base/stop-signal.js';
import { SingleFlight } from '../../../src/flight/single-flight.js';
import type { Wait } from '../../../src/ports/clock.js';
import { FakeClock } from '../../support/fake-clock.js';
import { type Seeded, seeded } from '../../support/seeded.js';

const never: Wait = { deadlineMs: Number.POSITIVE_INFINITY };
const overloaded = (limit: number): DistcacheError => new DistcacheError('OVERLOADED', `${limit} run already`);

const outcomeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `value ${String(value)}`,
    (error) => codeOf(error) ?? `thrown ${error instanceof Error ? error.message : String(error)}`,
  );

describe('SingleFlight', () => {
  let clock: FakeClock;
  let flights: SingleFlight<string>;
  beforeEach(() => {
    clock = new FakeClock();
    flights = new SingleFlight(clock, 10, overloaded);
  });
  afterEach(() => expect(clock.pending(), 'timers left').to.equal(0));

  const in_ = (ms: number): Wait => ({ deadlineMs: clock.nowMs() + ms });
  const slowly =
    (ms: number, value = 'v') =>
    (): Promise<string> =>
      new Promise((resolve) => void clock.after(ms, () => resolve(value)));

  it('runs once for all who wait at the same time, and again for who comes after', async () => {
    let runs = 0;
    const run = (): Promise<string> => slowly(10, `run ${++runs}`)();
    const first = await clock.until(Promise.all([1, 2, 3].map(() => flights.wait('k', 0, never, run))));
    expect(first).to.deep.equal(['run 1', 'run 1', 'run 1']);
    expect(await clock.until(flights.wait('k', 0, never, run))).to.equal('run 2');
    expect(flights.counts()).to.deep.equal({ started: 2, joined: 2, abandoned: 0, refused: 0, running: 0 });
  });

  it('keeps keys apart, whatever they are called', async () => {
    const keys = ['a', 'b', '__proto__', 'constructor', ''];
    const values = await clock.until(Promise.all(keys.map((key) => flights.wait(key, 0, never, slowly(5, key)))));
    expect(values).to.deep.equal(keys);
  });

  for (const [name, run] of [
    ['that rejects', () => Promise.reject(new Error('boom'))],
    [
      'that throws at once',
      () => {
        throw new Error('boom');
      },
    ],
  ] as const) {
    it(`a run ${name} fails all who wait, with the same error, and the next one begins anew`, async () => {
      const errors = await clock.until(
        Promise.all([1, 2].map(() => flights.wait('k', 0, never, run).catch((error: unknown) => error))),
      );
      expect(errors[0]).to.equal(errors[1]);
      expect(errors[0]).to.have.property('message', 'boom');
      expect(flights.has('k', 0)).to.equal(false);
      expect(await clock.until(flights.wait('k', 0, never, slowly(1)))).to.equal('v');
      expect(flights.counts().running).to.equal(0);
    });
  }

  it('the first caller who leaves takes nobody along; the last one stops the run', async () => {
    let stopped = 0;
    const controller = new AbortController();
    const run = (signal: StopSignal): Promise<string> => {
      signal.addEventListener('abort', () => stopped++);
      return new Promise(() => {});
    };
    const first = outcomeOf(flights.wait('k', 0, { ...never, signal: controller.signal }, run));
    const hasty = outcomeOf(flights.wait('k', 0, in_(50), run));
    controller.abort();
    expect(await clock.until(first)).to.equal('ABORTED');
    expect(stopped).to.equal(0);
    expect(await clock.until(hasty)).to.equal('TIMEOUT');
    expect(clock.nowMs()).to.equal(50);
    expect(stopped).to.equal(1);
    expect(flights.counts()).to.deep.equal({ started: 1, joined: 1, abandoned: 1, refused: 0, running: 1 });
  });

  it('who comes after the last one left gets a run of their own, though the stopped one has not ended', async () => {
    const gone = outcomeOf(flights.wait('k', 0, in_(10), slowly(100, 'old')));
    await clock.advance(10);
    const next = flights.wait('k', 0, never, slowly(200, 'new'));
    expect(await clock.until(gone)).to.equal('TIMEOUT');
    expect(await clock.until(next)).to.equal('new');
  });

  it('a caller whose signal has aborted already begins nothing', async () => {
    const outcome = await outcomeOf(
      flights.wait('k', 0, { ...never, signal: AbortSignal.abort() }, () => {
        throw new Error('begun');
      }),
    );
    expect(outcome).to.equal('ABORTED');
    expect(flights.counts().started).to.equal(0);
  });

  it('a caller with another guard does not join; both runs go on to their ends', async () => {
    const old = flights.wait('k', 1, never, slowly(100, 'old'));
    const fresh = flights.wait('k', 2, never, slowly(50, 'new'));
    expect([flights.has('k', 1), flights.has('k', 2)]).to.deep.equal([false, true]);
    expect(await clock.until(fresh)).to.equal('new');
    expect(clock.nowMs()).to.equal(50);
    // The place of the key is free again, and the earlier run does not take it back.
    const third = flights.wait('k', 2, never, slowly(10, 'third'));
    expect(await clock.until(Promise.all([old, third]))).to.deep.equal(['old', 'third']);
    expect(flights.counts()).to.deep.equal({ started: 3, joined: 0, abandoned: 0, refused: 0, running: 0 });
  });

  it('who rules out what began before it came shares the next run with others like it', async () => {
    const begun: number[] = [];
    const run = (): Promise<string> => {
      begun.push(clock.nowMs());
      return slowly(400, 'v')();
    };
    const now = (): Promise<string> => flights.wait('k', 1, never, run, clock.nowMs());
    const waits: Promise<string>[] = [];
    for (let i = 0; i < 20; i++) {
      waits.push(now());
      await clock.advance(10);
    }
    await clock.until(Promise.all(waits));
    // The first begins at once; those who come while one runs gather for 50 ms, and none joins what began before it.
    expect(begun).to.deep.equal([0, 60, 110, 160, 210].map((ms) => begun[0]! + ms));
    expect(flights.counts()).to.include({ started: 5, joined: 15, running: 0 });
  });

  it('a run for which others gathered is never begun once they all have left, or the flights end', async () => {
    const held = ['k', 'other'].map((key) => flights.wait(key, 1, never, slowly(500, 'held')));
    await clock.advance(1);
    let begun = 0;
    const run = (): Promise<string> => {
      begun++;
      return slowly(1)();
    };
    expect(await clock.until(outcomeOf(flights.wait('k', 1, in_(20), run, clock.nowMs())))).to.equal('TIMEOUT');
    const gathering = outcomeOf(flights.wait('other', 1, never, run, clock.nowMs()));
    flights.abortAll(notStarted('stopping'));
    expect(await gathering).to.equal('NOT_STARTED');
    expect(await Promise.all(held.map(outcomeOf))).to.deep.equal(['NOT_STARTED', 'NOT_STARTED']);
    await clock.advance(1000);
    expect(begun).to.equal(0);
    expect(flights.counts().running).to.equal(0);
  });

  it('beyond its limit it refuses who would begin one more run, not who joins one', async () => {
    const few = new SingleFlight<string>(clock, 2, overloaded);
    const running = ['a', 'b'].map((key) => few.wait(key, 0, never, slowly(10, key)));
    expect(await outcomeOf(few.wait('c', 0, never, slowly(10)))).to.equal('OVERLOADED');
    expect(await outcomeOf(few.wait('a', 1, never, slowly(10)))).to.equal('OVERLOADED');
    running.push(few.wait('a', 0, never, slowly(10)));
    expect(await clock.until(Promise.all(running))).to.deep.equal(['a', 'b', 'a']);
    expect(await clock.until(few.wait('c', 0, never, slowly(10, 'c')))).to.equal('c');
  });

  it('a run that was given up counts until it ends, so the limit holds whatever callers do', async () => {
    const few = new SingleFlight<string>(clock, 1, overloaded);
    const gone = outcomeOf(few.wait('a', 0, in_(10), slowly(100)));
    expect(await clock.until(gone)).to.equal('TIMEOUT');
    expect(await outcomeOf(few.wait('b', 0, never, slowly(1)))).to.equal('OVERLOADED');
    await clock.advance(100);
    expect(await clock.until(few.wait('b', 0, never, slowly(1, 'b')))).to.equal('b');
  });

  it('abortAll fails all who wait and stops all runs, also those whose place another took', async () => {
    const stopped: string[] = [];
    const run =
      (name: string) =>
      (signal: StopSignal): Promise<string> => {
        signal.addEventListener('abort', () => stopped.push(name));
        return new Promise(() => {});
      };
    const waits = [
      flights.wait('k', 1, in_(60_000), run('displaced')),
      flights.wait('k', 2, in_(60_000), run('current')),
      flights.wait('k', 2, in_(60_000), run('joined')),
      flights.wait('other', 0, in_(60_000), run('other')),
    ].map(outcomeOf);
    flights.abortAll(notStarted('stopping'));
    expect(clock.pending()).to.equal(0);
    expect(await Promise.all(waits)).to.deep.equal(Array(4).fill('NOT_STARTED'));
    expect(stopped.sort()).to.deep.equal(['current', 'displaced', 'other']);
    flights.abortAll(notStarted('stopping'));
    expect(stopped).to.have.length(3);
  });

  it('what a run does after it was given up reaches nobody', async () => {
    const late = outcomeOf(flights.wait('k', 0, in_(10), slowly(50, 'late')));
    const failing = outcomeOf(
      flights.wait('l', 0, in_(10), () => slowly(50)().then(() => Promise.reject(new Error('late')))),
    );
    expect(await clock.until(Promise.all([late, failing]))).to.deep.equal(['TIMEOUT', 'TIMEOUT']);
    await clock.advance(100);
    expect(flights.counts()).to.include({ running: 0, abandoned: 2 });
  });

  it('10,000 wait for one run, each with a time of their own', async () => {
    const waits = Array.from({ length: 10_000 }, (_, i) =>
      outcomeOf(flights.wait('k', 0, in_(i % 2 === 0 ? 10 : 1000), slowly(100))),
    );
    const outcomes = await clock.until(Promise.all(waits));
    expect(outcomes.filter((outcome) => outcome === 'value v')).to.have.length(5000);
    expect(outcomes.filter((outcome) => outcome === 'TIMEOUT')).to.have.length(5000);
    expect(flights.counts()).to.deep.equal({ started: 1, joined: 9999, abandoned: 0, refused: 0, running: 0 });
  });
});

/** What became of one caller: what they got and when. */
interface Ending {
  readonly outcome: string;
  readonly atMs: number;
}

interface Caller {
  readonly key: string;
  readonly guard: number;
  readonly startMs: number;
  readonly deadlineMs: number;
  /** When its signal aborts; undefined: it never does. */
  readonly abortMs: number | undefined;
  /** How long the run takes that it would begin, and how that ends. */
  readonly runMs: number;
  readonly fails: boolean;
}

const limit = 6;

function callersOf(random: Seeded, count: number): readonly Caller[] {
  const callers: Caller[] = [];
  let startMs = 0;
  const guards = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    startMs += random.below(8);
    const key = `k${random.below(4)}`;
    if (random.chance(0.15)) guards.set(key, (guards.get(key) ?? 0) + 1);
    callers.push({
      key,
      guard: guards.get(key) ?? 0,
      startMs,
      // Uneven, so that no two things that matter to each other fall on one instant.
      deadlineMs: startMs + random.between(1, 80) + 0.25,
      abortMs: random.chance(0.3) ? startMs + random.between(0, 60) + 0.125 : undefined,
      runMs: random.between(1, 60) + 0.5,
      fails: random.chance(0.2),
    });
  }
  return callers;
}

/** The dumbest correct twin: goes over all runs for each caller, on paper. */
function onPaper(callers: readonly Caller[]): { endings: readonly Ending[]; counts: Record<string, number> } {
  interface Flight {
    readonly key: string;
    readonly guard: number;
    readonly endMs: number;
    readonly outcome: string;
    readonly passengers: { readonly leavesMs: number }[];
    displaced: boolean;
  }
  const runs: Flight[] = [];
  const endings: Ending[] = [];
  let joined = 0;
  const leftMs = (flight: Flight): number => Math.max(...flight.passengers.map(({ leavesMs }) => leavesMs));
  for (const [index, caller] of callers.entries()) {
    const { key, guard, startMs, deadlineMs, abortMs } = caller;
    const current = runs.find(
      (run) => run.key === key && !run.displaced && run.endMs > startMs && leftMs(run) > startMs,
    );
    const leavesMs = Math.min(deadlineMs, abortMs ?? Number.POSITIVE_INFINITY);
    let flight = current?.guard === guard ? current : undefined;
    if (flight !== undefined) {
      joined++;
    } else {
      if (runs.filter((run) => run.endMs > startMs).length >= limit) {
        endings.push({ outcome: 'OVERLOADED', atMs: startMs });
        continue;
      }
      if (current !== undefined) current.displaced = true;
      const outcome = caller.fails ? `thrown run ${index}` : `value run ${index}`;
      flight = { key, guard, endMs: startMs + caller.runMs, outcome, passengers: [], displaced: false };
      runs.push(flight);
    }
    flight.passengers.push({ leavesMs });
    if (flight.endMs < leavesMs) endings.push({ outcome: flight.outcome, atMs: flight.endMs });
    else endings.push({ outcome: leavesMs === deadlineMs ? 'TIMEOUT' : 'ABORTED', atMs: leavesMs });
  }
  const abandoned = runs.filter((run) => leftMs(run) < run.endMs).length;
  const refused = endings.filter(({ outcome }) => outcome === 'OVERLOADED').length;
  return { endings, counts: { started: runs.length, joined, abandoned, refused, running: 0 } };
}

describe('SingleFlight against its twin', () => {
  for (const seed of (process.env.SEED ?? 'a,b,c,d').split(',')) {
    it(`agrees over 400 callers with deadlines, cancels, failures and changing guards, SEED=${seed}`, async () => {
      const clock = new FakeClock();
      const flights = new SingleFlight<string>(clock, limit, overloaded);
      const callers = callersOf(seeded(seed), 400);
      const endings: Promise<Ending>[] = [];
      for (const [index, caller] of callers.entries()) {
        clock.after(caller.startMs, () => {
          const controller = new AbortController();
          if (caller.abortMs !== undefined) clock.after(caller.abortMs - clock.nowMs(), () => controller.abort());
          const run = (): Promise<string> =>
            new Promise((resolve, reject) => {
              const end = (): void => (caller.fails ? reject(new Error(`run ${index}`)) : resolve(`run ${index}`));
              clock.after(caller.runMs, end);
            });
          const wait: Wait = { deadlineMs: caller.deadlineMs, signal: controller.signal };
          const ended = outcomeOf(flights.wait(caller.key, caller.guard, wait, run));
          endings.push(ended.then((outcome) => ({ outcome, atMs: clock.nowMs() })));
        });
      }
      await clock.advance(10_000);
      const real = await Promise.all(endings);
      const paper = onPaper(callers);
      for (const [index, ending] of real.entries()) {
        expect(ending, `SEED=${seed} caller ${index}`).to.deep.equal(paper.endings[index]);
      }
      expect(flights.counts()).to.deep.equal(paper.counts);
      // Law: every caller began a run, joined one, or was refused.
      expect(callers.length).to.equal(paper.counts.started! + paper.counts.joined! + paper.counts.refused!);
      expect(new Set(real.map(({ outcome }) => outcome.split(' ')[0])).size, 'every kind of ending').to.equal(5);
      expect(clock.pending()).to.equal(0);
    });
  }
});
