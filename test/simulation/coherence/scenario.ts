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
   * Around a suspicion two nodes may load the same row for one key, and the version that a reader sees may then be the one
   * or the other. (Around a change of the ring too, but with a value that is no older.)
   */
  readonly versionsMayFall?: boolean;
  /** A put of a key whose data source lags that need not survive what happens. */
  readonly putsMayBeLost?: (write: WriteRecord) => boolean;
  readonly world?: (random: Seeded) => Partial<WorldOptions>;
  readonly crowd?: (random: Seeded) => Partial<Crowd>;
  /** What happens while clients write and read. Returns with everything healed. */
  readonly play: (plot: Plot) => Promise<void>;
}
