/** How a link ended. `left`: the peer said that it stops. */
export interface LinkEnd {
  readonly why: string;
  readonly left: boolean;
}

/** A reading of one link since it came up. */
export interface SessionCounts {
  readonly framesOut: number;
  readonly framesIn: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
  readonly operationsOut: number;
  readonly operationsIn: number;
  /** Calls of ours without an answer. */
  readonly inflight: number;
  /** Requests of the peer that are being answered, or whose answer has not left. */
  readonly serving: number;
  /** Of requests of the peer that are being answered. */
  readonly askedBytes: number;
  /** Waiting to leave, an upper bound. */
  readonly queuedBytes: number;
  /** Answers that nobody waited for any more. */
  readonly lateAnswers: number;
  /** Requests of the peer that this side answered with 'refused'. */
  readonly refused: number;
  /** Operations of a newer release. */
  readonly notUnderstood: number;
  /** Frames whose clock was not believed. */
  readonly skewed: number;
  /** Writes that were refused because they had been on their way for too long. */
  readonly late: number;
  /** Calls of ours that were not sent, as too much waits for this peer already. */
  readonly callsRefused: number;
  /** Requests of the peer that were refused, as it has as many under way as it may. */
  readonly requestsRefused: number;
}

/** The same of all links of a node together, those that went down included. */
export interface LinkCounts extends SessionCounts {
  readonly links: number;
  readonly linksOpened: number;
  readonly dialsFailed: number;
  /** Streams of other nodes that were refused: for what they said, and for as many links as may be. */
  readonly linksRefused: number;
  readonly linksTooMany: number;
  /** Streams that were closed at once, as many had not said yet who they are. */
  readonly greetingsRefused: number;
  /** Requests that were refused, as those of other nodes that are held take too much memory. */
  readonly bytesRefused: number;
  /** Addresses that other nodes asked to be dialled at, and were not for want of room. */
  readonly invitationsDropped: number;
}

export const noCounts: SessionCounts = Object.freeze({
  framesOut: 0,
  framesIn: 0,
  bytesOut: 0,
  bytesIn: 0,
  operationsOut: 0,
  operationsIn: 0,
  inflight: 0,
  serving: 0,
  askedBytes: 0,
  queuedBytes: 0,
  lateAnswers: 0,
  refused: 0,
  notUnderstood: 0,
  skewed: 0,
  late: 0,
  callsRefused: 0,
  requestsRefused: 0,
});

export function addCounts(a: SessionCounts, b: SessionCounts): SessionCounts {
  const sum = { ...a };
  for (const name of Object.keys(noCounts) as (keyof SessionCounts)[]) sum[name] += b[name];
  return sum;
}
