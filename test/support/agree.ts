import { expect } from 'chai';
import { type Seeded, seeded } from './seeded.js';

/**
 * Puts the same random steps to a structure and to its dumbest correct twin, and demands the same answer to each.
 * A failure names the seed and the step; run it again with `SEED=<seed>` in the environment.
 * @param steps how many steps, all from the one seed
 * @param after called after every step, for the structure's own `check()`
 */
export function agree<Step>(
  seed: string,
  steps: number,
  next: (random: Seeded) => Step,
  real: (step: Step) => unknown,
  twin: (step: Step) => unknown,
  after: () => void = () => {},
): void {
  const chosen = process.env.SEED ?? seed;
  const random = seeded(chosen);
  for (let i = 0; i < steps; i++) {
    const step = next(random);
    const where = `SEED=${chosen} step ${i}: ${JSON.stringify(step)}`;
    let given: unknown;
    try {
      given = real(step);
      after();
    } catch (error) {
      throw new Error(`${where} threw ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    expect(given, where).to.deep.equal(twin(step));
  }
}
