import { expect } from 'chai';
import { textOfReport } from './chaos/report.js';
import { runChaos } from './chaos/run.js';

/** Another seed every day, the same for all runs of a day; DISTCACHE_CHAOS_SEED repeats one. */
const seed = process.env.DISTCACHE_CHAOS_SEED ?? new Date().toISOString().slice(0, 10);

describe('integration: chaos', function () {
  this.timeout(300_000);

  it(`real nodes killed, frozen, cut off, drained and added keep what coherence promises (seed ${seed})`, async () => {
    const again = `again: DISTCACHE_CHAOS_SEED=${seed} npx mocha test/integration/chaos.test.ts`;
    process.stderr.write(`${again}\n`);
    const report = await runChaos({ seed, forMs: 60_000, say: (line) => process.stderr.write(`${line}\n`) });
    const text = textOfReport(report);
    expect(report.verdict.violations.length, `${text}\n${again}`).to.equal(0);
    expect(report.problems, `${text}\n${again}`).to.deep.equal([]);
    if (process.env.DISTCACHE_REQUIRE_SERVERS === '1') expect(report.skipped).to.deep.equal([]);
    expect(report.history.reads.length, text).to.be.above(500);
    expect(report.faults.length, text).to.be.above(2);
  });
});
