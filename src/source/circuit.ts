/*
 * A circuit breaker as a value: what a circuit is, and what becomes of it. No clock, no promise; the time is handed in.
 *
 *   closed     Every load passes. `failures` counts those in a row; the one that makes it `limits.failures` opens.
 *   open       No load passes, until the reset time is over: then the first that asks becomes the probe.
 *   half-open  The probe is under way and nobody else passes. Its success closes the circuit, its failure opens it for
 *              another reset time. When it ends without a word about the source, since its caller cancelled it or another
 *              guard refused it, the circuit is open as before, its time over: the next to ask is the probe.
 *
 * Each state has a round of its own, and a load is judged in the round in which it passed. So a load that passed before
 * the circuit opened changes nothing when it ends late, neither closing an open circuit nor failing a fresh one.
 */
export interface BreakerLimits {
  /** In a row. */
  readonly failures: number;
  /** How long an open circuit stays so before one load may try. */
  readonly resetMs: number;
}

export type Circuit =
  | { readonly is: 'closed'; readonly round: number; readonly failures: number }
  | { readonly is: 'open'; readonly round: number; readonly sinceMs: number }
  | { readonly is: 'half-open'; readonly round: number; readonly sinceMs: number };

/** What a load says of its source. `none`: nothing. */
export type Verdict = 'success' | 'failure' | 'none';

export const newCircuit: Circuit = { is: 'closed', round: 0, failures: 0 };

/** What becomes of the circuit when a load asks to pass. It passes where the circuit that comes back `admits` it. */
export function asked(circuit: Circuit, limits: BreakerLimits, nowMs: number): { circuit: Circuit; admits: boolean } {
  switch (circuit.is) {
    case 'closed':
      return { circuit, admits: true };
    case 'half-open':
      return { circuit, admits: false };
    case 'open':
      if (probeInMs(circuit.sinceMs, limits, nowMs) > 0) return { circuit, admits: false };
      return { circuit: { is: 'half-open', round: circuit.round + 1, sinceMs: circuit.sinceMs }, admits: true };
  }
}

/** What becomes of it when a load that passed in `round` has ended. */
export function judged(
  circuit: Circuit,
  round: number,
  verdict: Verdict,
  limits: BreakerLimits,
  nowMs: number,
): Circuit {
  if (circuit.round !== round) return circuit;
  switch (circuit.is) {
    case 'closed':
      if (verdict === 'none' || (verdict === 'success' && circuit.failures === 0)) return circuit;
      if (verdict === 'success') return { is: 'closed', round, failures: 0 };
      if (circuit.failures + 1 >= limits.failures) return { is: 'open', round: round + 1, sinceMs: nowMs };
      return { is: 'closed', round, failures: circuit.failures + 1 };
    case 'half-open':
      if (verdict === 'success') return { is: 'closed', round: round + 1, failures: 0 };
      return { is: 'open', round: round + 1, sinceMs: verdict === 'failure' ? nowMs : circuit.sinceMs };
    case 'open':
      // Nobody passes here, so no load bears this round.
      return circuit;
  }
}

/** Closed as if new; loads under way are judged no more. */
export const reset = ({ round }: Circuit): Circuit => ({ is: 'closed', round: round + 1, failures: 0 });

/** Milliseconds until a probe is let through; 0: the next load is one. undefined where that is no question. */
export const nextProbeInMs = (circuit: Circuit, limits: BreakerLimits, nowMs: number): number | undefined =>
  circuit.is === 'open' ? Math.max(0, probeInMs(circuit.sinceMs, limits, nowMs)) : undefined;

const probeInMs = (sinceMs: number, { resetMs }: BreakerLimits, nowMs: number): number => sinceMs + resetMs - nowMs;
