import { aborted, invalidArgument } from '../base/errors.js';
import type { Wait } from '../ports/clock.js';
import type { Discovery } from '../ports/discovery.js';

/** A node of its own: finds nobody and is not asked again. Others that know of it may join it all the same. */
export function standalone(): Discovery {
  let started = false;
  let stopped = false;
  const refuse = (doing: string, wait: Wait): void => {
    if (stopped || wait.signal?.aborted === true) {
      throw aborted(`${doing} of discovery.standalone`, wait.signal?.reason);
    }
  };
  return {
    provider: 'standalone',
    findAgainMs: Number.POSITIVE_INFINITY,
    async start(_context, wait) {
      if (started) throw invalidArgument('discovery.standalone was given to two nodes; make one for each');
      refuse('start', wait);
      started = true;
    },
    async find(wait) {
      refuse('find', wait);
      return [];
    },
    async stop() {
      stopped = true;
    },
  };
}
