/** What a stream tells of itself. `closed` comes exactly once, and nothing after it. */
export interface StreamEvents {
  frame(bytes: Uint8Array): void;
  /** There is room again after `send` said that there is none. */
  drain(): void;
  closed(why: string): void;
}

/** An ordered, bidirectional sequence of frames between two nodes, over whatever carries it. */
export interface FrameStream {
  /** Who is at the other end, for people: an address. */
  readonly remote: string;
  /** Called once, before anything else; events come from then on, never before it returned. */
  open(events: StreamEvents): void;
  /** Takes the frame over in any case. False: wait for `drain` before the next one. */
  send(frame: Uint8Array): boolean;
  /** Lets what was sent leave, then ends both directions. Idempotent. */
  end(): void;
  /** Ends at once; what was not sent is lost. Idempotent. */
  destroy(): void;
}

/** Opens streams to addresses. A stream that does not come about tells by `closed`. */
export interface Dialer {
  dial(address: string): FrameStream;
}
