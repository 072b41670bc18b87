import type { WriteRecord } from '../../support/history/records.js';
import type { Seeded } from '../../support/seeded.js';
import type { Plot } from './acts.js';
import type { Crowd } from './clients.js';
import type { WorldOptions } from './world.js';

export interface Scenario {
  readonly name: string;
  /** The ring has stood still for a minute before clients come. */
  readonly isSettled?: boolean;
  /**
   * Writes are answered in this time: one lease, and what latency and attempts take where a link breaks meanwhile. Only where
   * nothing lasts longer than that.
   */
  readonly answersWithinMs?: number;
  /** A write of which nobody learnt takes effect at most so late; where the default does not do. */
  readonly lateWriteMs?: number;
  /** See `CheckOptions`. */
  readonly ownersCrash?: boolean;
  /** A put of a key whose data source lags that need not survive what happens. */
  readonly putsMayBeLost?: (write: WriteRecord) => boolean;
  readonly world?: (random: Seeded) => Partial<WorldOptions>;
  readonly crowd?: (random: Seeded) => Partial<Crowd>;
  /** What happens while clients write and read. Returns with everything healed. */
  readonly play: (plot: Plot) => Promise<void>;
}
