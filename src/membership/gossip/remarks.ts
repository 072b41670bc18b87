import { addressOf } from '../endpoints.js';
import { textOfName } from '../names.js';
import type { SwimEvent } from '../swim/effects.js';
import type { MinuteLog } from './minute-log.js';

export type Remark = Extract<SwimEvent, { is: 'conflict' | 'onlyByStream' | 'mergeRefused' }>;

/** What is amiss in the pool, for people. Each kind may come with every packet, so it is said once a minute at most. */
export function remark(log: MinuteLog, event: Remark, selfName: string): void {
  if (event.is === 'mergeRefused') {
    log.write(event.is, 'warn', `gossip: the state of another member was refused: ${event.problem}`);
    return;
  }
  const name = textOfName(event.member.name);
  const address = addressOf(event.member);
  if (event.is === 'onlyByStream') {
    const message = `gossip: ${name} answers over TCP but not to packets: check that UDP gets to ${address} and back`;
    log.write(event.is, 'warn', message, { name, address });
    return;
  }
  const claimed = addressOf(event.claimed);
  const holder = name === selfName ? 'this node' : address;
  const message = `gossip: ${claimed} claims the name ${name} of ${holder}, and is ignored: give each node its own name; one that crashed frees its name by itself`;
  log.write(event.is, 'warn', message, { name, claimed });
}
