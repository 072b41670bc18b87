import { DistcacheError } from '../base/errors.js';
import type { PeerNetwork } from '../ports/peers.js';

/** The network of an engine that stands alone: nobody calls, and nobody can be called. */
export const noPeers: PeerNetwork = {
  serve: () => {},
  dial: () => {},
  undial: () => {},
  linked: () => [],
  onLink: () => () => {},
  onDialProblem: () => () => {},
  call: () => Promise.reject(new DistcacheError('PEER_UNREACHABLE', 'this engine stands alone and has no peers')),
  giveUp: () => {},
  close: () => Promise.resolve(),
};
