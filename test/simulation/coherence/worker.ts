import { guardsWithout } from '../../../src/coherence/guards.js';
import { againOf, runOnce, scenarioNamed, storyOf } from './run.js';
import type { Ended, Errand } from './workers.js';

/** One process of `Workers`: makes the runs that it is sent, one after the other. */
async function ended({ scenario, seed, without }: Errand): Promise<Ended> {
  try {
    const outcome = await runOnce(scenarioNamed(scenario), seed, guardsWithout(...without));
    const { operations, problems, violations } = outcome;
    return { operations, problems, checkers: violations.map(({ checker }) => checker), story: storyOf(outcome) };
  } catch (error) {
    const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      operations: 0,
      problems: [problem],
      checkers: [],
      story: [againOf({ scenario, seed }), problem].join('\n'),
    };
  }
}

process.on('message', async (errand: Errand) => {
  const answer = await ended(errand);
  if (process.connected) process.send!(answer);
});
process.on('disconnect', () => process.exit());
