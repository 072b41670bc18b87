import { assert } from '../../base/assert.js';
import { GossipFault } from './fault.js';
import { labelBytesMax } from './limits.js';
import { messageType } from './structs.js';

/** The type byte and the length. */
const headerBytes = 2;

export interface LabelPolicy {
  /** Keeps clusters apart: at most 255 bytes; none is written when empty. Peers before 0.3 cannot read one. */
  readonly label: Uint8Array;
  /** Set where a proxy takes the label off: what arrives must bear none, what leaves is labelled still. */
  readonly skipInboundLabelCheck: boolean;
}

/** Bytes that the label adds to a packet. */
export const labelOverheadBytes = (label: Uint8Array): number => (label.length === 0 ? 0 : headerBytes + label.length);

/** What stands before every packet, and before the first byte that the dialler of a stream sends. */
export function labelHeader(label: Uint8Array): Uint8Array {
  assert(label.length <= labelBytesMax, `a label has at most ${labelBytesMax} bytes`);
  if (label.length === 0) return new Uint8Array();
  return Uint8Array.from([messageType.label, label.length, ...label]);
}

/** Checks the label at the start of a packet or stream, and gives where the rest begins. `truncated` when it ends early. */
export function passLabel(bytes: Uint8Array, policy: LabelPolicy): number {
  const start = bytes[0] === messageType.label ? labelEnd(bytes) : 0;
  if (policy.skipInboundLabelCheck) {
    if (start > 0) throw new GossipFault('labelUnexpected', 'a label that the proxy should have taken off');
    return 0;
  }
  const label = bytes.subarray(Math.min(start, headerBytes), start);
  if (Buffer.compare(label, policy.label) !== 0) {
    throw new GossipFault(
      'labelMismatch',
      start === 0 ? 'no label, and one is required' : 'the label of another cluster',
    );
  }
  return start;
}

function labelEnd(bytes: Uint8Array): number {
  const length = bytes[1];
  if (length === 0) throw new GossipFault('labelMalformed', 'a label of no bytes');
  const end = headerBytes + (length ?? 0);
  if (length === undefined || end > bytes.length)
    throw new GossipFault('truncated', 'the bytes end within the label', end);
  return end;
}
