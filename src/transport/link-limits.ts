export interface SessionLimits {
  /** Calls that may wait for this peer's answer, and requests of it that are being answered. */
  readonly maxInflight: number;
  /** Largest frame either side takes, in bytes. */
  readonly maxFrameBytes: number;
}

export interface LinkLimits extends SessionLimits {
  /** Bytes of other nodes' requests that are being answered, of all links; of one a quarter. */
  readonly maxInflightBytes: number;
}
