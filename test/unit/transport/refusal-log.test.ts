import { expect } from 'chai';
import type { Log } from '../../../src/ports/log.js';
import { RefusalLog } from '../../../src/transport/refusal-log.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('transport: the log of refused links', () => {
  const label = { reason: 'WRONG_LABEL', detail: 'the label of this cluster is another one' } as const;
  const frame = { reason: 'BAD_FRAME', detail: 'the message ends inside a field' } as const;
  let clock: FakeClock;
  let lines: { message: string; untold: unknown }[];
  let refusals: RefusalLog;

  beforeEach(() => {
    clock = new FakeClock();
    lines = [];
    const log: Log = { write: (_level, message, fields) => void lines.push({ message, untold: fields?.untold }) };
    refusals = new RefusalLog(clock, log);
  });

  it('tells the same of the same node once a minute, from whatever port it comes, and how often it did not tell', async () => {
    for (let port = 1; port <= 20; port++) refusals.report(`10.0.0.2:${port}`, label, 'cache-2');
    expect(lines).to.deep.equal([
      { message: 'refused a link from 10.0.0.2:1: the label of this cluster is another one', untold: undefined },
    ]);
    await clock.advance(60_000);
    refusals.report('10.0.0.2:21', label, 'cache-2');
    expect(lines.map(({ untold }) => untold)).to.deep.equal([undefined, 19]);
  });

  it('tells another reason, and another node, at once', () => {
    refusals.report('10.0.0.2:1', label, 'cache-2');
    refusals.report('10.0.0.2:1', frame, 'cache-2');
    refusals.report('10.0.0.2:2', label, 'cache-3');
    refusals.report('10.0.0.2:3', frame, undefined);
    refusals.report('10.0.0.2:4', frame, undefined);
    refusals.report('10.0.0.3:4', frame, undefined);
    expect(lines).to.have.length(5);
  });

  it('is not flooded by a stranger who takes a new name each time', async () => {
    for (let n = 0; n < 10_000; n++) refusals.report('10.0.0.2:1', label, `name-${n}`);
    expect(lines).to.have.length(32);
    await clock.advance(60_000);
    refusals.report('10.0.0.2:1', label, 'name-1');
    expect(lines.at(-1)).to.deep.include({ untold: 9_968 });
  });
});
