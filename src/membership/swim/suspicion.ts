import type { NodeName } from '../messages.js';
import type { SwimConfig } from './config.js';

/**
 * How long a suspect may take to refute. It starts at the maximum, and every accuser beyond the first brings it nearer to
 * the minimum: many who fail to reach a member are rarely all at fault themselves. The steps are logarithmic, so the first
 * confirmation shortens most. Source: Dadgar et al., "Lifeguard: SWIM-ing with situational awareness" (2017).
 */
export interface Suspicion {
  readonly startedMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** Confirmations that bring the timeout down to the minimum; 0: it starts there. */
  readonly wanted: number;
  /** The first accuser and those who confirmed: at most `wanted` + 1. */
  readonly accusers: ReadonlySet<NodeName>;
}

/** @param knownCount all members known, the dead and this one included */
export function newSuspicion(config: SwimConfig, knownCount: number, accuser: NodeName, nowMs: number): Suspicion {
  const scale = Math.max(1, Math.log10(Math.max(1, knownCount)));
  const minMs = (config.suspicionMult * Math.trunc(scale * 1000) * config.probeIntervalMs) / 1000;
  const most = config.suspicionMult - 2;
  return {
    startedMs: nowMs,
    minMs,
    maxMs: minMs * config.suspicionMaxTimeoutMult,
    wanted: knownCount - 2 < most ? 0 : Math.max(0, most),
    accusers: new Set([accuser]),
  };
}

/** The suspicion with one more accuser, or undefined when this one adds nothing. */
export function confirmed(suspicion: Suspicion, accuser: NodeName): Suspicion | undefined {
  const { accusers, wanted } = suspicion;
  if (accusers.size > wanted || accusers.has(accuser)) return undefined;
  return { ...suspicion, accusers: new Set([...accusers, accuser]) };
}

/** When the suspect counts as dead unless it refutes; may lie in the past after a confirmation. */
export function suspicionEndsMs({ startedMs, minMs, maxMs, wanted, accusers }: Suspicion): number {
  if (wanted < 1) return startedMs + minMs;
  const share = Math.log(accusers.size) / Math.log(wanted + 1);
  return startedMs + Math.max(minMs, Math.floor(maxMs - (maxMs - minMs) * share));
}
