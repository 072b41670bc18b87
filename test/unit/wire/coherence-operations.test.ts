import { expect } from 'chai';
import type { PeerReply, PeerRequest } from '../../../src/ports/peers.js';
import { decodeFrame, encodeFrame } from '../../../src/wire/frames.js';
import { distcache } from '../../../src/wire/generated/distcache.js';
import { type Operation, operationBound } from '../../../src/wire/operations.js';
import { MalformedError } from '../../../src/wire/reader.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const version = 1_700_000_000_000 * 4096 + 17;
/** Counts that a 32-bit field would wrap. */
const large = Number.MAX_SAFE_INTEGER;
const never = Number.POSITIVE_INFINITY;
const remainingMs = 4_000_000_000;
const at = { keyspace: 'users', key: 'é' };

/** What any other protobuf implementation sends for the same. */
type Body = Omit<distcache.v1.IOperation, 'id'>;
const request = (does: PeerRequest, body: Body): [Operation, Body] => [
  { is: 'request', id: 7, remainingMs, request: does },
  body,
];
const reply = (is: PeerReply, body: Body): [Operation, Body] => [{ is: 'reply', id: 7, reply: is }, body];

const heard = {
  versions: [
    ['a', version],
    ['ключ', large],
  ],
  isWhole: true,
} as const;
const heardBody = {
  heard: [
    { nodeId: 'a', version },
    { nodeId: 'ключ', version: large },
  ],
  whole: true,
};
const heldAll = {
  version,
  heard: large,
  yours: true,
  lifeMs: 0.5,
  wasPut: true,
  sourceVersion: large,
  floor: version,
  generation: version,
  sequence: large,
};
const heldLittle = {
  version,
  heard: 0,
  yours: false,
  lifeMs: never,
  wasPut: false,
  sourceVersion: undefined,
  floor: 0,
  generation: 0,
  sequence: 0,
};
const known = { version, lifeMs: 1.5, outcome: 'hot' } as const;
const knownBody = { version, lifeMs: 1.5, outcome: 2 };

const rows: Record<string, [Operation, Body]> = {
  'get of a version at least': request(
    { do: 'get', ...at, loading: ['k/a'], minVersion: version, standIn: false },
    { get: { ...at, remainingMs, loading: ['k/a'], minVersion: version } },
  ),
  'get from a stand-in': request(
    { do: 'get', ...at, loading: [], minVersion: 0, standIn: true },
    { get: { ...at, remainingMs, standIn: true } },
  ),
  'put that the owner answers': request(
    { do: 'put', ...at, value: bytes(1), ttlMs: 0, ack: 'owner' },
    { put: { ...at, remainingMs, value: bytes(1), ttlMs: 0, ackOwner: true } },
  ),
  'delete that the owner answers': request(
    { do: 'delete', ...at, ack: 'owner' },
    { delete: { ...at, remainingMs, ackOwner: true } },
  ),
  'invalidate, counted': request(
    { do: 'invalidate', ...at, version, sequence: large },
    { invalidate: { ...at, remainingMs, version, sequence: large } },
  ),
  synced: request({ do: 'synced', sequence: large, heard }, { synced: { remainingMs, sequence: large, ...heardBody } }),
  'synced before any invalidation': request(
    { do: 'synced', sequence: 0, heard: { versions: [], isWhole: false } },
    { synced: { remainingMs } },
  ),
  'synced, where one that wrote is gone': request(
    { do: 'synced', sequence: 1, heard: { versions: [['a', version, true]], isWhole: true } },
    { synced: { remainingMs, sequence: 1, heard: [{ nodeId: 'a', version, gone: true }], whole: true } },
  ),
  vouch: request({ do: 'vouch', heard }, { vouch: { remainingMs, ...heardBody } }),
  'floors and whose writes they are': request(
    { do: 'floors', keyspace: 'users', floors: bytes(1, 2), heard, swept: version },
    { floors: { keyspace: 'users', remainingMs, floors: bytes(1, 2), ...heardBody, swept: version } },
  ),
  'floors for whom the sender has seen own its keys all along': request(
    { do: 'floors', keyspace: 'users', floors: bytes(1, 2), heard, swept: 0, steady: true },
    { floors: { keyspace: 'users', remainingMs, floors: bytes(1, 2), ...heardBody, steady: true } },
  ),
  'put, to be made once': request(
    { do: 'put', ...at, value: bytes(1), ttlMs: 0, ack: 'applied', once: large },
    { put: { ...at, remainingMs, value: bytes(1), ttlMs: 0, once: large } },
  ),
  'delete, to be made once': request(
    { do: 'delete', ...at, ack: 'applied', once: 1 },
    { delete: { ...at, remainingMs, once: 1 } },
  ),
  renew: request({ do: 'renew', resync: false }, { renew: { remainingMs } }),
  'renew after missed news': request({ do: 'renew', resync: true }, { renew: { remainingMs, resync: true } }),
  recall: request({ do: 'recall', ...at }, { recall: { ...at, remainingMs } }),
  'recall that only claims': request(
    { do: 'recall', ...at, claim: true },
    { recall: { ...at, remainingMs, claim: true } },
  ),
  'recall of what was taken': request(
    { do: 'recall', ...at, taken: version },
    { recall: { ...at, remainingMs, taken: version } },
  ),
  'hold of all that is known': request(
    { do: 'hold', ...at, value: bytes(1, 2), ...heldAll },
    { hold: { ...at, remainingMs, value: bytes(1, 2), ...heldAll } },
  ),
  'hold of little': request(
    { do: 'hold', ...at, value: bytes(1), ...heldLittle },
    { hold: { ...at, remainingMs, value: bytes(1), version } },
  ),
  'hold of a value without bytes': request(
    { do: 'hold', ...at, value: bytes(), ...heldLittle },
    { hold: { ...at, remainingMs, value: bytes(), version } },
  ),
  'hold of an absence': request(
    { do: 'hold', ...at, value: null, ...heldLittle, lifeMs: 0 },
    { hold: { ...at, remainingMs, version, lifeMs: 0 } },
  ),
  'hold of what has expired': request(
    { do: 'hold', ...at, value: bytes(1), ...heldLittle, lifeMs: -2500.5 },
    { hold: { ...at, remainingMs, value: bytes(1), version, lifeMs: 0, staleMs: 2500.5 } },
  ),
  "hold of the source's version zero": request(
    { do: 'hold', ...at, value: bytes(), ...heldLittle, sourceVersion: 0 },
    { hold: { ...at, remainingMs, value: bytes(), version, sourceVersion: 0 } },
  ),
  'hot keys asked for': request(
    { do: 'hot-keys', keyspace: 'users', limit: 1000 },
    { hotKeys: { keyspace: 'users', limit: 1000, remainingMs } },
  ),
  'hot keys told': reply({ is: 'hot-keys', keys: ['a', 'ключ'] }, { toldHotKeys: { keys: ['a', 'ключ'] } }),
  'no hot keys told': reply({ is: 'hot-keys', keys: [] }, { toldHotKeys: {} }),
  check: request({ do: 'check', ...at, version }, { check: { ...at, remainingMs, version } }),
  compare: request(
    { do: 'compare', keyspace: 'users', digests: new Uint8Array(16_384).fill(9) },
    { compare: { keyspace: 'users', remainingMs, digests: new Uint8Array(16_384).fill(9) } },
  ),
  'value with what its node knew': reply(
    { is: 'value', value: bytes(1), ...known, wasPut: true, sourceVersion: 0, floor: version, generation: large },
    { value: { value: bytes(1), ...knownBody, wasPut: true, sourceVersion: 0, floor: version, generation: large } },
  ),
  'value that has expired': reply(
    {
      is: 'value',
      value: bytes(1),
      version,
      lifeMs: -0.25,
      outcome: 'stale',
      wasPut: false,
      sourceVersion: undefined,
      floor: 0,
      generation: 0,
    },
    { value: { value: bytes(1), version, lifeMs: 0, outcome: 4, staleMs: 0.25 } },
  ),
  'absent with what its node knew': reply(
    { is: 'absent', ...known, floor: version, generation: large },
    { absent: { ...knownBody, floor: version, generation: large } },
  ),
  'not owner': reply({ is: 'not-owner', owner: 'node-b' }, { notOwner: { owner: 'node-b' } }),
  'a record taken in': reply(
    { is: 'recorded', changed: true, removed: 11, newer: large },
    { recorded: { changed: true, removed: 11, newer: large } },
  ),
  'a record that was known': reply({ is: 'recorded', changed: false, removed: 0, newer: 0 }, { recorded: {} }),
  lease: reply({ is: 'lease', sent: large, ownsMs: 1500.5 }, { lease: { sent: large, ownsMs: 1500.5 } }),
  'lease before any invalidation': reply({ is: 'lease', sent: 0, ownsMs: 0 }, { lease: {} }),
  nothing: reply({ is: 'nothing' }, { nothing: {} }),
  'checked, current': reply({ is: 'checked', current: true }, { checked: { current: true } }),
  'checked, overtaken': reply({ is: 'checked', current: false }, { checked: {} }),
  differ: reply(
    { is: 'differ', slots: new Uint8Array(512).fill(5) },
    { differ: { slots: new Uint8Array(512).fill(5) } },
  ),
};

const operations = Object.values(rows).map(([operation]) => operation);

/** Buffers as plain arrays; infinity and undefined stay as they are. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
};
const decoded = (frame: Uint8Array): unknown => plain(decodeFrame(frame).operations);

describe('operations of the coherence protocol', () => {
  for (const [name, [operation, body]] of Object.entries(rows)) {
    it(`round trip: ${name}`, () => {
      expect(decoded(encodeFrame({ clock: version, operations: [operation] }))).to.deep.equal([plain(operation)]);
    });

    it(`are read as any protobuf implementation writes them: ${name}`, () => {
      const frame = distcache.v1.Frame.encode({ operations: [{ id: operation.id, ...body }] }).finish();
      expect(decoded(frame)).to.deep.equal([plain(operation)]);
    });

    it(`are written for any protobuf implementation to read: ${name}`, () => {
      const message = distcache.v1.Frame.decode(encodeFrame({ clock: 0, operations: [operation] })).operations[0];
      const wanted = distcache.v1.Frame.encode({ operations: [{ id: operation.id, ...body }] }).finish();
      expect(plain(message)).to.deep.equal(plain(distcache.v1.Frame.decode(wanted).operations[0]));
    });

    it(`stay within their bound: ${name}`, () => {
      const [one, two] = [1, 2].map((times) => {
        const frame = encodeFrame({ clock: 0, operations: Array<Operation>(times).fill(operation) });
        return frame.byteLength;
      });
      expect(two! - one!).to.be.at.most(operationBound(operation));
    });
  }

  it('stay within their bound with the longest numbers and lengths, whatever a text costs', () => {
    const long = { keyspace: '長'.repeat(300), key: '🙂'.repeat(70_000) };
    const value = new Uint8Array(3 << 20);
    const requests: PeerRequest[] = [
      { do: 'get', ...long, loading: Array(256).fill(long.key.slice(0, 200)), minVersion: large, standIn: true },
      { do: 'put', ...long, value, ttlMs: never, ack: 'owner' },
      { do: 'delete', ...long, ack: 'owner' },
      { do: 'invalidate', ...long, version: large, sequence: large },
      { do: 'recall', ...long },
      { do: 'hold', ...long, value, ...heldAll },
      { do: 'check', ...long, version: large },
      { do: 'compare', keyspace: long.keyspace, digests: value },
    ];
    for (const asked of requests) {
      const operation: Operation = { is: 'request', id: 0xffff_ffff, remainingMs: never, request: asked };
      const exact = (text: string): number => Buffer.byteLength(text);
      const frame = encodeFrame({ clock: 0, operations: [operation] });
      expect(frame.byteLength, asked.do).to.be.at.most(operationBound(operation, exact) + 9);
    }
  });

  it('leave out what is at its default', () => {
    const size = (...of: Operation[]): number => encodeFrame({ clock: 0, operations: of }).byteLength;
    const [absence] = rows['hold of an absence']!;
    const [empty] = rows['hold of a value without bytes']!;
    const [renewed, resynced] = [rows.renew![0], rows['renew after missed news']![0]];
    expect(size(absence) - size(empty), 'a lifetime, but no bytes').to.equal(9 - 2);
    expect(size(resynced) - size(renewed)).to.equal(2);
    const message = distcache.v1.Frame.decode(
      encodeFrame({ clock: 0, operations: [rows['get from a stand-in']![0], rows['hold of little']![0]] }),
    );
    expect(Object.keys(message.operations[0]!.get!)).not.to.include('minVersion');
    expect(message.operations[1]!.hold).not.to.have.any.keys('lifeMs', 'sequence', 'sourceVersion', 'floor', 'wasPut');
  });

  it('of an older release, which says less, are read with the defaults', () => {
    const bare: Body[] = [
      { get: {} },
      { put: {} },
      { delete: {} },
      { invalidate: {} },
      { synced: {} },
      { hold: {} },
      { value: {} },
      { absent: {} },
      { notOwner: {} },
    ];
    const frame = distcache.v1.Frame.encode({ operations: bare.map((body) => ({ id: 1, ...body })) }).finish();
    const empty = { keyspace: '', key: '' };
    expect(
      decodeFrame(frame).operations.map((operation) =>
        plain(operation.is === 'request' ? operation.request : operation.is === 'reply' && operation.reply),
      ),
    ).to.deep.equal([
      { do: 'get', ...empty, loading: [], minVersion: 0, standIn: false },
      { do: 'put', ...empty, value: [], ttlMs: undefined, ack: 'applied' },
      { do: 'delete', ...empty, ack: 'applied' },
      { do: 'invalidate', ...empty, version: 0, sequence: 0 },
      { do: 'synced', sequence: 0, heard: { versions: [], isWhole: false } },
      { do: 'hold', ...empty, value: null, ...heldLittle, version: 0 },
      {
        is: 'value',
        value: [],
        version: 0,
        lifeMs: never,
        outcome: 'load',
        wasPut: false,
        sourceVersion: undefined,
        floor: 0,
        generation: 0,
      },
      { is: 'absent', version: 0, lifeMs: never, outcome: 'load', floor: 0, generation: 0 },
      { is: 'not-owner', owner: '' },
    ]);
  });

  const wrong: Record<string, (number: number) => Body> = {
    'min_version of get': (minVersion) => ({ get: { minVersion } }),
    'sequence of invalidate': (sequence) => ({ invalidate: { sequence } }),
    'sequence of synced': (sequence) => ({ synced: { sequence } }),
    'version of hold': (wrongVersion) => ({ hold: { version: wrongVersion } }),
    'sequence of hold': (sequence) => ({ hold: { sequence } }),
    'source_version of hold': (sourceVersion) => ({ hold: { sourceVersion } }),
    'floor of hold': (floor) => ({ hold: { floor } }),
    'generation of hold': (generation) => ({ hold: { generation } }),
    'generation of value': (generation) => ({ value: { generation } }),
    'generation of absent': (generation) => ({ absent: { generation } }),
    'version of check': (wrongVersion) => ({ check: { version: wrongVersion } }),
    'source_version of value': (sourceVersion) => ({ value: { sourceVersion } }),
    'stale_ms of hold': (staleMs) => ({ hold: { staleMs } }),
    'stale_ms of value': (staleMs) => ({ value: { staleMs } }),
    'floor of value': (floor) => ({ value: { floor } }),
    'floor of absent': (floor) => ({ absent: { floor } }),
    'sent of lease': (sent) => ({ lease: { sent } }),
  };
  for (const [name, body] of Object.entries(wrong)) {
    it(`are refused where a number can be none: ${name}`, () => {
      for (const number of [Number.NaN, never, -1]) {
        const frame = distcache.v1.Frame.encode({ operations: [{ id: 1, ...body(number) }] }).finish();
        expect(() => decodeFrame(frame), String(number)).to.throw(MalformedError);
      }
    });
  }

  it('are refused with a lifetime that is negative or no number', () => {
    for (const lifeMs of [Number.NaN, -0.5, Number.NEGATIVE_INFINITY]) {
      for (const body of [{ hold: { lifeMs } }, { value: { lifeMs } }, { absent: { lifeMs } }]) {
        const frame = distcache.v1.Frame.encode({ operations: [{ id: 1, ...body }] }).finish();
        expect(() => decodeFrame(frame), `${lifeMs}`).to.throw(MalformedError);
      }
    }
  });

  it('that are damaged or cut off give a frame or a MalformedError, whatever they are', () => {
    let state = 54_321;
    const next = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    const small = operations.filter((operation) => operationBound(operation) < 2_000);
    const sound = small.map((operation) => encodeFrame({ clock: version, operations: [operation] }));
    let refused = 0;
    for (let round = 0; round < 20_000; round++) {
      const whole = sound[round % sound.length]!;
      const frame = Uint8Array.prototype.slice.call(whole, 0, round % 3 === 0 ? 1 + next(whole.length) : whole.length);
      for (let damage = 1 + next(3); damage > 0; damage--) frame[next(frame.byteLength)] = next(256);
      try {
        // What is believed can be sent on.
        encodeFrame({ clock: 0, operations: decodeFrame(frame).operations.filter(({ is }) => !is.startsWith('unkn')) });
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error;
        refused++;
      }
    }
    expect(refused).to.be.within(1_000, 19_000);
  });
});
