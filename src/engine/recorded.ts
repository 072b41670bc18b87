import type { PeerNetwork } from '../ports/peers.js';
import type { Recorder } from '../ports/recorder.js';
import type { Reads } from './reads.js';
import type { Writes } from './writes.js';

/*
 * Puts a recorder around what an engine does that takes more than a look into memory. Without a recorder each of these
 * gives back what it was given, so that nobody pays for what nobody watches.
 */

/** What callers on this node use of the paths; peers take their own way in. */
export type CallersReads = Pick<Reads, 'read' | 'refresh'>;
export type CallersWrites = Pick<Writes, 'write' | 'confirmed'>;

export const recordedReads = (reads: CallersReads, recorder: Recorder | undefined): CallersReads =>
  recorder === undefined
    ? reads
    : {
        // Nobody waits for it; what it asks of others and of the data source is recorded there.
        refresh: (space, key, wait) => reads.refresh(space, key, wait),
        read: (space, key, wait, terms) =>
          recorder.operation(
            'get',
            space.name,
            () => reads.read(space, key, wait, terms),
            ({ outcome }) => outcome,
          ),
      };

/** `unreached`: some node did not confirm, and may answer with the older value for a while. */
export const recordedWrites = (writes: CallersWrites, recorder: Recorder | undefined): CallersWrites =>
  recorder === undefined
    ? writes
    : {
        confirmed: (requestFor, wait) => writes.confirmed(requestFor, wait),
        write: (space, key, change, ack, wait) =>
          recorder.operation(
            change.do,
            space.name,
            () => writes.write(space, key, change, ack, wait),
            ({ unreached }) => (unreached.length === 0 ? 'applied' : 'unreached'),
          ),
      };

export const recordedPeers = (peers: PeerNetwork, recorder: Recorder | undefined): PeerNetwork =>
  recorder === undefined
    ? peers
    : {
        serve: (handler) =>
          peers.serve((from, request, wait) => recorder.answer(from, request, () => handler(from, request, wait))),
        call: (peerId, request, wait) => recorder.ask(peerId, request, (sent) => peers.call(peerId, sent, wait)),
        dial: (address) => peers.dial(address),
        undial: (address) => peers.undial(address),
        linked: () => peers.linked(),
        onLink: (listener) => peers.onLink(listener),
        onDialProblem: (listener) => peers.onDialProblem(listener),
        giveUp: (peerId) => peers.giveUp(peerId),
        close: () => peers.close(),
      };
