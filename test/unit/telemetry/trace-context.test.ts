import { createTraceState, TraceFlags } from '@opentelemetry/api';
import { expect } from 'chai';
import { readTraceContext, writeTraceContext } from '../../../src/telemetry/trace-context.js';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

describe('trace context', () => {
  it('is read as it was written', () => {
    const written = writeTraceContext({
      traceId,
      spanId,
      traceFlags: TraceFlags.SAMPLED,
      traceState: createTraceState('a=1,b=2'),
    });
    expect(written).to.deep.equal({ traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'a=1,b=2' });
    const read = readTraceContext(written.traceparent, written.tracestate);
    expect(read).to.include({ traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true });
    expect(read?.traceState?.get('b')).to.equal('2');
  });

  it('of a span that is not sampled says so', () => {
    expect(writeTraceContext({ traceId, spanId, traceFlags: TraceFlags.NONE }).tracestate).to.equal('');
    expect(readTraceContext(`00-${traceId}-${spanId}-00`, undefined)?.traceFlags).to.equal(TraceFlags.NONE);
  });

  it('of a later version is read as far as this one goes', () => {
    expect(readTraceContext(`cc-${traceId}-${spanId}-01-what.comes`, '')).to.include({ traceId, spanId });
  });

  const refused: readonly [string, string][] = [
    ['nothing', ''],
    ['too short', `00-${traceId}-${spanId}`],
    ['capital letters', `00-${traceId.toUpperCase()}-${spanId}-01`],
    ['the version that is none', `ff-${traceId}-${spanId}-01`],
    ['more than its version has', `00-${traceId}-${spanId}-01-more`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['a span of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['ten thousand characters', `00-${'a'.repeat(10_000)}`],
  ];
  for (const [what, text] of refused) {
    it(`is none: ${what}`, () => expect(readTraceContext(text, undefined)).to.equal(undefined));
  }
});
