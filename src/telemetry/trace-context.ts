import { createTraceState, isSpanContextValid, type SpanContext, TraceFlags } from '@opentelemetry/api';
import type { TraceContext } from '../ports/recorder.js';

/** The W3C's Trace Context: https://www.w3.org/TR/trace-context/ */
const format = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

export function writeTraceContext({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const flags = (traceFlags & 0xff).toString(16).padStart(2, '0');
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate: traceState?.serialize() ?? '' };
}

/** undefined for what is no trace context: the request then stands in no trace. */
export function readTraceContext(traceparent: string, tracestate: string | undefined): SpanContext | undefined {
  const match = format.exec(traceparent.trim());
  if (match === null) return undefined;
  const [, version, traceId, spanId, flags, more] = match;
  // Later versions may go on behind; this one may not, and ff is none.
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  const context: SpanContext = {
    traceId: traceId!,
    spanId: spanId!,
    traceFlags: Number.parseInt(flags!, 16) & TraceFlags.SAMPLED,
    isRemote: true,
    ...(tracestate === undefined || tracestate === '' ? {} : { traceState: createTraceState(tracestate) }),
  };
  return isSpanContextValid(context) ? context : undefined;
}
