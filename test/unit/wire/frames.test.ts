import { expect } from 'chai';
import { decodeFrame, encodeFrame, FrameEncoder, operationsPerFrameMax } from '../../../src/wire/frames.js';
import { distcache } from '../../../src/wire/generated/distcache.js';
import { type Operation, operationBound } from '../../../src/wire/operations.js';
import { MalformedError } from '../../../src/wire/reader.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const version = 1_700_000_000_000 * 4096 + 17;
const never = Number.POSITIVE_INFINITY;

const operations: Record<string, Operation> = {
  get: {
    is: 'request',
    id: 1,
    remainingMs: 5000,
    request: { do: 'get', keyspace: 'users', key: '42', loading: [], minVersion: 0, standIn: false },
  },
  'get inside of loads': {
    is: 'request',
    id: 2,
    remainingMs: 1,
    request: {
      do: 'get',
      keyspace: 'users',
      key: 'é',
      loading: ['users/a', 'cities/ü'],
      minVersion: 0,
      standIn: false,
    },
  },
  'get of an empty keyspace name': {
    is: 'request',
    id: 3,
    remainingMs: 0,
    request: { do: 'get', keyspace: '', key: '', loading: [], minVersion: 0, standIn: false },
  },
  put: {
    is: 'request',
    id: 4,
    remainingMs: 0xffff_ffff,
    request: {
      do: 'put',
      keyspace: 'users',
      key: 'k'.repeat(300),
      value: bytes(1, 2, 3),
      ttlMs: undefined,
      ack: 'applied',
    },
  },
  'put that never expires': {
    is: 'request',
    id: 0xffff_ffff,
    remainingMs: 16_384,
    request: { do: 'put', keyspace: '長い名前', key: '🙂'.repeat(40), value: bytes(), ttlMs: never, ack: 'applied' },
  },
  delete: {
    is: 'request',
    id: 127,
    remainingMs: 128,
    request: { do: 'delete', keyspace: 'users', key: '\0/../%2F', ack: 'applied' },
  },
  invalidate: {
    is: 'request',
    id: 128,
    remainingMs: 2_097_152,
    request: { do: 'invalidate', keyspace: 'users', key: '__proto__', version, sequence: 0 },
  },
  'drop keyspace': {
    is: 'request',
    id: 300_000_000,
    remainingMs: 268_435_456,
    request: {
      do: 'keyspace',
      record: { keyspace: 'users', existence: undefined, generation: 0, settings: [], sweeps: [], digest: 0 },
    },
  },
  floors: {
    is: 'request',
    id: 11,
    remainingMs: 9,
    request: {
      do: 'floors',
      keyspace: 'users',
      floors: bytes(1, 2, 3),
      heard: { versions: [], isWhole: false },
      swept: 0,
    },
  },
  cancel: { is: 'cancel', id: 7 },
  value: {
    is: 'reply',
    id: 8,
    reply: {
      is: 'value',
      value: bytes(9, 8, 7),
      version,
      lifeMs: never,
      outcome: 'hit',
      wasPut: false,
      sourceVersion: undefined,
      floor: 0,
      generation: 0,
    },
  },
  'value not to be kept': {
    is: 'reply',
    id: 9,
    reply: {
      is: 'value',
      value: bytes(),
      version,
      lifeMs: 0,
      outcome: 'stale',
      wasPut: true,
      sourceVersion: undefined,
      floor: 0,
      generation: 0,
    },
  },
  absent: {
    is: 'reply',
    id: 10,
    reply: { is: 'absent', version, lifeMs: 1234.5, outcome: 'negative', floor: 0, generation: 0 },
  },
  'absent for ever': {
    is: 'reply',
    id: 10,
    reply: { is: 'absent', version: 0, lifeMs: never, outcome: 'load', floor: 0, generation: 0 },
  },
  written: { is: 'reply', id: 11, reply: { is: 'written', version, unreached: ['node-b', 'node-c'] } },
  'written everywhere': { is: 'reply', id: 11, reply: { is: 'written', version, unreached: [] } },
  applied: { is: 'reply', id: 12, reply: { is: 'applied' } },
  'not owner': { is: 'reply', id: 13, reply: { is: 'not-owner', owner: 'someone' } },
  refused: { is: 'reply', id: 14, reply: { is: 'refused', code: 'OVERLOADED', message: 'too much', node: 'node-b' } },
};

const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_name, part) => {
      if (part === Number.POSITIVE_INFINITY) return 'infinity';
      return part?.type === 'Buffer' ? Object.fromEntries(Object.entries(part.data)) : part;
    }),
  );

/** The generated decoder, with what it leaves out as proto3 default filled in by `toObject`-like reading. */
const generated = (frame: Uint8Array): distcache.v1.Frame => distcache.v1.Frame.decode(frame);

describe('frames', () => {
  for (const [name, operation] of Object.entries(operations)) {
    it(`round trip: ${name}`, () => {
      const frame = decodeFrame(encodeFrame({ clock: version, operations: [operation] }));
      expect(frame.clock).to.equal(version);
      expect(plain(frame.operations)).to.deep.equal(plain([operation]));
    });

    it(`reads as the same message for every protobuf implementation: ${name}`, () => {
      const encoded = encodeFrame({ clock: version, operations: [operation] });
      const again = distcache.v1.Frame.encode(generated(encoded)).finish();
      expect(plain(decodeFrame(again))).to.deep.equal(plain(decodeFrame(encoded)));
      const body = generated(encoded).operations[0]!;
      expect(body.id).to.equal(operation.id);
      if (operation.is === 'request' && operation.request.do === 'get') {
        expect(body.get!.key).to.equal(operation.request.key);
        expect(body.get!.loading ?? []).to.deep.equal(operation.request.loading);
        expect(body.get!.remainingMs).to.equal(operation.remainingMs);
      }
    });

    it(`stays within its bound: ${name}`, () => {
      const encoded = encodeFrame({ clock: 0, operations: [operation] });
      expect(encoded.byteLength).to.be.at.most(operationBound(operation) + 32);
    });
  }

  it('keeps the order of many operations and never writes a frame again that it gave away', () => {
    const encoder = new FrameEncoder();
    const all = Object.values(operations);
    const frames = Array.from({ length: 300 }, (_, i) => {
      const shifted = [...all.slice(i % all.length), ...all.slice(0, i % all.length)];
      return { expected: plain(shifted), encoded: encoder.frame({ clock: i, operations: shifted }) };
    });
    for (const { expected, encoded } of frames) expect(plain(decodeFrame(encoded).operations)).to.deep.equal(expected);
  });

  it('carries a value that is larger than a chunk, as a view on the frame', () => {
    const value = new Uint8Array(1 << 20).fill(7);
    const put: Operation = {
      is: 'request',
      id: 1,
      remainingMs: 1,
      request: { do: 'put', keyspace: 'a', key: 'b', value, ttlMs: 5, ack: 'applied' },
    };
    const encoded = encodeFrame({ clock: 1, operations: [put, put] });
    const [first] = decodeFrame(encoded).operations;
    const decoded = first?.is === 'request' && first.request.do === 'put' ? first.request.value : bytes();
    expect(decoded.byteLength).to.equal(1 << 20);
    expect(decoded.every((byte) => byte === 7)).to.equal(true);
    expect(decoded.buffer).to.equal(encoded.buffer);
  });

  it('greets and says goodbye', () => {
    const hello = {
      protocol: 1,
      label: 'production',
      id: 'aa',
      name: 'node-a',
      address: '10.0.0.1:3320',
      admin: '',
      gossip: '10.0.0.1:3322',
      version: '0.1.0',
      weight: 1.5,
      incarnation: 3,
      hasher: 'xxh3',
    };
    const goodbye = { reason: 'DIAL_YOU', detail: 'a < b' } as const;
    expect(decodeFrame(encodeFrame({ clock: 1, operations: [], hello, goodbye }))).to.deep.equal({
      clock: 1,
      operations: [],
      hello,
      goodbye,
    });
  });

  it('reads reasons of a newer release as unspecified', () => {
    const goodbye = distcache.v1.Goodbye.encode({ reason: 77 as never, detail: 'x' }).finish();
    const frame = Buffer.concat([bytes(0x22, goodbye.byteLength), goodbye]);
    expect(decodeFrame(frame).goodbye).to.deep.equal({ reason: 'REASON_UNSPECIFIED', detail: 'x' });
  });

  it('tells requests from answers that it does not know, and passes over unknown fields', () => {
    const operation = (...body: number[]): number[] => [0x12, body.length, ...body];
    const frame = bytes(
      ...[0x48, 1], // field 9, a varint
      ...operation(0x08, 5, 0xfa, 0x02, 2, 0x08, 1), // body 47
      ...operation(0x08, 6, 0xfa, 0x03, 0), // body 63
      ...operation(0x08, 7, 0x82, 0x04, 0), // field 64: no body at all
    );
    expect(decodeFrame(frame).operations).to.deep.equal([
      { is: 'unknown-request', id: 5 },
      { is: 'unknown-reply', id: 6 },
    ]);
  });

  it('takes the codes of a newer release for a node that could not answer', () => {
    const refused = { is: 'refused', code: 'BRAND_NEW' as never, message: 'm', node: 'n' } as const;
    const frame = decodeFrame(encodeFrame({ clock: 1, operations: [{ is: 'reply', id: 1, reply: refused }] }));
    expect(frame.operations[0]).to.deep.equal({
      is: 'reply',
      id: 1,
      reply: { is: 'refused', code: 'PEER_UNREACHABLE', message: 'BRAND_NEW: m', node: 'n' },
    });
  });
});

describe('hostile frames', () => {
  const repeated = (part: number[], times: number): Uint8Array => Uint8Array.from(Array(times).fill(part).flat());
  const cases: Record<string, Uint8Array> = {
    'a length of 4 GiB': bytes(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f),
    'a length one beyond the end': bytes(0x12, 3, 0x08, 1),
    'a varint of eleven bytes': bytes(0x48, ...Array(11).fill(0xff)),
    'a varint id above 32 bits': bytes(0x12, 7, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
    'a tag that never ends': bytes(...Array(64).fill(0x80)),
    'groups, nested a thousand deep': repeated([0x4b], 1000),
    'a clock that is cut off': bytes(0x09, 1, 2, 3),
    'a clock that is not a number': bytes(0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f),
    'a clock at infinity': bytes(0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f),
    'a clock before its epoch': bytes(0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0xbf),
    'more operations than a frame may hold': repeated([0x12, 0], operationsPerFrameMax + 1),
    'a key that is no UTF-8': bytes(0x12, 6, 0x12, 4, 0x12, 2, 0xc3, 0x28),
    'a lone surrogate in UTF-8': bytes(0x12, 7, 0x12, 5, 0x12, 3, 0xed, 0xa0, 0x80),
    'a chain of too many loads': (() => {
      const loading = repeated([0x22, 0], 300);
      return Buffer.concat([bytes(0x12, 0xdb, 0x04, 0x12, 0xd8, 0x04), loading]);
    })(),
    'a negative lifetime': bytes(0x12, 12, 0x82, 1, 9, 0x19, 0, 0, 0, 0, 0, 0, 0xf0, 0xbf),
    'a greeting without a name': bytes(0x1a, 0),
    'a greeting that is noise': bytes(0x1a, 3, 0xff, 0xff, 0xff),
  };
  for (const [name, frame] of Object.entries(cases)) {
    it(`are refused with one type of error: ${name}`, () => {
      expect(() => decodeFrame(frame)).to.throw(MalformedError);
    });
  }

  it('an operation nested in itself costs no stack', () => {
    let frame = Buffer.alloc(0);
    for (let depth = 0; depth < 10_000; depth++) {
      const length = frame.byteLength;
      const prefix = [0x12];
      for (let rest = length; ; rest >>>= 7) {
        prefix.push(rest >= 0x80 ? (rest & 0x7f) | 0x80 : rest);
        if (rest < 0x80) break;
      }
      frame = Buffer.concat([Uint8Array.from(prefix), frame]);
    }
    expect(() => decodeFrame(frame)).not.to.throw(RangeError);
  });

  it('random and damaged bytes give a frame or a MalformedError, whatever they are', () => {
    let state = 12345;
    const next = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    const sound = encodeFrame({ clock: version, operations: Object.values(operations) });
    for (let round = 0; round < 20_000; round++) {
      let frame: Uint8Array;
      if (round % 2 === 0) {
        frame = Uint8Array.from({ length: next(64) }, () => next(256));
      } else {
        frame = Uint8Array.prototype.slice.call(sound, 0, 1 + next(sound.byteLength));
        for (let damage = next(4); damage > 0; damage--) frame[next(frame.byteLength)] = next(256);
      }
      try {
        decodeFrame(frame);
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error;
      }
    }
  });
});
