import { checkAnswers } from './check-answers.js';
import { checkKept } from './check-kept.js';
import { checkLinear } from './check-linear.js';
import { checkLoads } from './check-loads.js';
import { checkMembers } from './check-members.js';
import { checkQuiet } from './check-quiet.js';
import {
  checkAcknowledged,
  checkMinVersion,
  checkMonotonic,
  checkOwnWrites,
  checkProduced,
  Writes,
} from './check-reads.js';
import { checkVersions } from './check-versions.js';
import type { History } from './history.js';
import type { CheckOptions } from './options.js';
import { type CheckerName, type Violation, violation } from './violations.js';

/** C8: whatever recounts itself and throws where its totals are wrong, as `store.check()`. */
export interface SelfChecking {
  check(): void;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /** Keys that C5 could not decide. */
  readonly undecided: readonly string[];
}

/** All checkers but those named in `without`, over one history. */
export function judge(
  history: History,
  options: CheckOptions & {
    readonly without?: readonly CheckerName[];
    readonly stores?: readonly SelfChecking[];
  } = {},
): Verdict {
  history.close();
  const writes = new Writes(history, options);
  const linear = checkLinear(history, options);
  const violations = [
    ...checkAcknowledged(history, options, writes),
    ...checkMonotonic(history, options, writes),
    ...checkOwnWrites(history, options, writes),
    ...checkMinVersion(history),
    ...checkAnswers(history, options),
    ...checkKept(history, options, writes),
    ...checkVersions(history, options, writes),
    ...linear.violations,
    ...checkLoads(history, options),
    ...checkQuiet(history, options, writes),
    ...checkStores(options.stores ?? []),
    ...checkProduced(history, options),
    ...checkMembers(history),
  ];
  const { without = [] } = options;
  return { violations: violations.filter(({ checker }) => !without.includes(checker)), undecided: linear.undecided };
}

export function checkStores(stores: readonly SelfChecking[]): readonly Violation[] {
  return stores.flatMap((store) => {
    try {
      store.check();
      return [];
    } catch (error) {
      return [violation('C8', `a store's totals are wrong: ${error instanceof Error ? error.message : String(error)}`)];
    }
  });
}
