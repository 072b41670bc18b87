import { expect } from 'chai';
import type { PeerRequest } from '../../../src/ports/peers.js';
import { decodeFrame, encodeFrame } from '../../../src/wire/frames.js';
import { distcache } from '../../../src/wire/generated/distcache.js';
import { type Operation, operationBound } from '../../../src/wire/operations.js';

const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const at = { keyspace: 'users', key: '42' };
const requests: readonly PeerRequest[] = [
  { do: 'get', ...at, loading: [], minVersion: 0, standIn: false },
  { do: 'put', ...at, value: Buffer.from('v'), ttlMs: 5, ack: 'owner' },
  { do: 'delete', ...at, ack: 'applied' },
];
const operationOf = (request: PeerRequest): Operation => ({ is: 'request', id: 1, remainingMs: 9, request });
const decodedOf = (frame: Uint8Array): unknown => {
  const [operation] = decodeFrame(frame).operations;
  return operation?.is === 'request' ? operation.request : undefined;
};
const frameOf = (request: PeerRequest): Buffer => encodeFrame({ clock: 1, operations: [operationOf(request)] });

describe('trace context between nodes', () => {
  for (const request of requests) {
    it(`travels with a ${request.do}, with and without a tracestate`, () => {
      for (const tracestate of ['', 'a=1,b=2', 'x'.repeat(512)]) {
        const traced = { ...request, trace: { traceparent, tracestate } } as PeerRequest;
        expect(decodedOf(frameOf(traced))).to.deep.equal(traced);
      }
    });

    it(`costs a ${request.do} that has none not a byte`, () => {
      expect(frameOf({ ...request, trace: undefined } as PeerRequest)).to.deep.equal(frameOf(request));
      expect(decodedOf(frameOf(request))).to.deep.equal(request);
    });

    it(`of a ${request.do} is counted in the bound of the operation`, () => {
      const longest = { traceparent: 'a'.repeat(64), tracestate: 'b'.repeat(512) };
      const traced = operationOf({ ...request, trace: longest } as PeerRequest);
      const bytes = encodeFrame({ clock: 1, operations: [traced] }).byteLength;
      expect(operationBound(traced)).to.be.at.least(bytes);
    });
  }

  const get = requests[0] as PeerRequest;
  const foreign: readonly [string, string, string][] = [
    ['a traceparent that is too long', 'a'.repeat(65), ''],
    ['a tracestate that is too long', traceparent, 'a'.repeat(513)],
    ['a traceparent that is no ASCII', 'ä'.repeat(20), ''],
    ['a tracestate with control characters', traceparent, 'a=1\r\nb=2'],
  ];
  for (const [what, parent, tracestate] of foreign) {
    it(`is left out by who sends, and passed over by who reads: ${what}`, () => {
      const bad = { ...get, trace: { traceparent: parent, tracestate } } as PeerRequest;
      expect(decodedOf(frameOf(bad))).to.deep.equal(get);
      const frame = distcache.v1.Frame.encode({
        operations: [{ id: 1, get: { ...at, remainingMs: 9, traceparent: parent, tracestate } }],
      }).finish();
      expect(decodedOf(frame)).to.deep.equal(get);
    });
  }

  it('is read as any protobuf implementation writes it', () => {
    const frame = distcache.v1.Frame.encode({
      operations: [{ id: 1, delete: { ...at, remainingMs: 9, traceparent, tracestate: 'a=1' } }],
    }).finish();
    expect(decodedOf(frame)).to.deep.equal({ ...requests[2], trace: { traceparent, tracestate: 'a=1' } });
  });
});
