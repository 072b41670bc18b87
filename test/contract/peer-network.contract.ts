import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { DistcacheError } from '../../src/base/errors.js';
import type { StopSignal } from '../../src/base/stop-signal.js';
import type { Clock } from '../../src/ports/clock.js';
import type { PeerHandler, PeerReply, PeerRequest } from '../../src/ports/peers.js';
import type { PeerNode } from '../support/peer-nodes.js';

/** Two nodes that are linked, `a` being the one that dials. */
export interface LinkedPair {
  readonly clock: Clock;
  readonly a: PeerNode;
  readonly b: PeerNode;
  /** Gives the outcome, letting time pass where it does not by itself. */
  until<T>(promise: Promise<T>): Promise<T>;
  /** Breaks the connection between the two; both notice. */
  breakLink(): void;
  close(): Promise<void>;
}

const never = Number.POSITIVE_INFINITY;
const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');
const pattern = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => (i * 31) ^ (i >> 8));
const get = (key: string): PeerRequest => ({
  do: 'get',
  keyspace: 'users',
  key,
  loading: [],
  minVersion: 0,
  standIn: false,
});
const valueReply = (value: Uint8Array): PeerReply => ({
  is: 'value',
  value,
  version: 1,
  lifeMs: never,
  outcome: 'hit',
  wasPut: false,
  sourceVersion: undefined,
  floor: 0,
  generation: 0,
});

/** What every PeerNetwork keeps to, whatever carries it. */
export function peerNetworkContract(name: string, pair: () => Promise<LinkedPair>): void {
  describe(`PeerNetwork: ${name}`, () => {
    let linked: LinkedPair;
    beforeEach(async () => {
      linked = await pair();
    });
    afterEach(() => linked.close());

    const call = (from: PeerNode, to: PeerNode, request: PeerRequest, timeoutMs = 15_000, signal?: AbortSignal) =>
      from.links.call(to.info.id, request, { deadlineMs: linked.clock.nowMs() + timeoutMs, signal });

    it('carries every kind of request and answer, both ways', async () => {
      const { a, b, until } = linked;
      const held = {
        version: 5,
        lifeMs: never,
        wasPut: true,
        sourceVersion: 3,
        floor: 4,
        generation: 0,
        heard: 0,
        yours: false,
      };
      const rows: [PeerRequest, PeerReply][] = [
        [
          { ...get('ключ'), do: 'get', loading: ['users/x'], minVersion: 0, standIn: false } as PeerRequest,
          valueReply(Uint8Array.of(1, 2)),
        ],
        [
          { do: 'put', keyspace: 'users', key: 'k', value: Uint8Array.of(0, 255), ttlMs: never, ack: 'applied' },
          { is: 'written', version: 5, unreached: ['node-c'] },
        ],
        [
          { do: 'delete', keyspace: 'users', key: '', ack: 'applied' },
          { is: 'absent', version: 3, lifeMs: 0.5, outcome: 'negative', floor: 0, generation: 0 },
        ],
        [{ do: 'invalidate', keyspace: 'users', key: 'k', version: 2 ** 52, sequence: 0 }, { is: 'applied' }],
        [
          {
            do: 'keyspace',
            record: {
              keyspace: 'users',
              existence: { deleted: true, version: 1, by: 'a' },
              generation: 0,
              settings: [{ tunable: 'maxBytes', value: 1024, version: 2, by: 'b' }],
              sweeps: [
                { by: 'tag', text: 't', version: 3 },
                { by: 'prefix', text: 'p/', version: 4 },
              ],
              digest: 7,
            },
          },
          { is: 'not-owner', owner: 'someone' },
        ],
        [
          {
            do: 'floors',
            keyspace: 'users',
            floors: pattern(32_768),
            heard: { versions: [], isWhole: false },
            swept: 0,
          },
          { is: 'applied' },
        ],
        [{ do: 'synced', sequence: 2 ** 52, heard: { versions: [['a', 9]], isWhole: true } }, { is: 'applied' }],
        [{ do: 'vouch', heard: { versions: [['a', 9]], isWhole: true } }, { is: 'applied' }],
        [
          { do: 'renew', resync: true },
          { is: 'lease', sent: 2 ** 52, ownsMs: 1500.5 },
        ],
        [{ do: 'recall', keyspace: 'users', key: 'k' }, { is: 'nothing' }],
        [{ do: 'recall', keyspace: 'users', key: 'k', taken: 5 }, { is: 'nothing' }],
        [
          { do: 'hot-keys', keyspace: 'users', limit: 20 },
          { is: 'hot-keys', keys: ['ключ', 'k'] },
        ],
        [{ do: 'hold', keyspace: 'users', key: 'k', value: Uint8Array.of(7), ...held, sequence: 8 }, { is: 'applied' }],
        [
          { do: 'hold', keyspace: 'users', key: 'k', value: null, ...held, sequence: 0, heard: 2 ** 52, yours: true },
          { is: 'applied' },
        ],
        [
          { do: 'check', keyspace: 'users', key: 'k', version: 5 },
          { is: 'checked', current: true },
        ],
        [
          { do: 'compare', keyspace: 'users', digests: pattern(16_384) },
          { is: 'differ', slots: pattern(512) },
        ],
      ];
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        for (const [request, reply] of rows) {
          const heard: unknown[] = [];
          to.links.serve((peer, asked) => {
            heard.push(peer, asked);
            return reply;
          });
          const answer = await until(call(from, to, request));
          expect(plain(answer)).to.deep.equal(plain(reply));
          expect(plain(heard)).to.deep.equal(plain([from.info, request]));
        }
      }
    });

    it('keeps the order of requests, over turns and frames', async () => {
      const { a, b, until } = linked;
      const seen: string[] = [];
      b.links.serve((_from, request) => {
        seen.push('key' in request ? request.key : '');
        return { is: 'applied' };
      });
      const calls: Promise<unknown>[] = [];
      for (let i = 0; i < 3_000; i++) {
        if (i % 100 === 0) await null;
        if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
        const bulk = i % 97 === 0 ? 50_000 : 1;
        const put: PeerRequest = {
          do: 'put',
          keyspace: 'k',
          key: `${i}`,
          value: new Uint8Array(bulk),
          ttlMs: 1,
          ack: 'applied',
        };
        calls.push(
          call(a, b, i % 3 === 0 ? put : { do: 'invalidate', keyspace: 'k', key: `${i}`, version: i, sequence: 0 }),
        );
      }
      await until(Promise.all(calls));
      expect(seen).to.deep.equal(Array.from({ length: 3_000 }, (_, i) => `${i}`));
    });

    it('answers later requests while an earlier one takes its time', async () => {
      const { a, b, until } = linked;
      let release: (reply: PeerReply) => void = () => {};
      b.links.serve((_from, request) =>
        request.do === 'get' && request.key === 'slow'
          ? new Promise((resolve) => {
              release = resolve;
            })
          : { is: 'applied' },
      );
      const slow = call(a, b, get('slow'));
      expect(await until(call(a, b, get('quick')))).to.deep.equal({ is: 'applied' });
      release({ is: 'not-owner', owner: 'someone' });
      expect(await until(slow)).to.deep.equal({ is: 'not-owner', owner: 'someone' });
    });

    for (const size of [0, 1, 255, 16_384, 65_536, 1 << 20, 16 << 20]) {
      it(`carries values of ${size} bytes both ways`, async () => {
        const { a, b, until } = linked;
        const value = pattern(size);
        const heard: string[] = [];
        b.links.serve((_from, request) => {
          if (request.do === 'put') heard.push(digest(request.value));
          return valueReply(value);
        });
        const put: PeerRequest = { do: 'put', keyspace: 'k', key: 'k', value, ttlMs: undefined, ack: 'applied' };
        const answers = await until(Promise.all([call(a, b, put), call(a, b, get('k')), call(a, b, put)]));
        expect(heard).to.deep.equal([digest(value), digest(value)]);
        for (const answer of answers) {
          expect(answer.is === 'value' && digest(answer.value)).to.equal(digest(value));
        }
      });
    }

    it('answers 10,000 calls at once, each with its own answer', async () => {
      const { a, b, until } = linked;
      const handler: PeerHandler = (_from, request) => {
        const key = request.do === 'get' ? request.key : '';
        const reply = valueReply(Buffer.from(`value of ${key}`));
        return key.endsWith('7') ? Promise.resolve(reply) : reply;
      };
      a.links.serve(handler);
      b.links.serve(handler);
      const keys = Array.from({ length: 5_000 }, (_, i) => `key-${i}`);
      const ask = (from: PeerNode, to: PeerNode) => Promise.all(keys.map((key) => call(from, to, get(key))));
      const [fromB, fromA] = await until(Promise.all([ask(a, b), ask(b, a)]));
      const texts = (replies: readonly PeerReply[]): string[] =>
        replies.map((reply) => (reply.is === 'value' ? Buffer.from(reply.value).toString() : reply.is));
      const expected = keys.map((key) => `value of ${key}`);
      expect(texts(fromB)).to.deep.equal(expected);
      expect(texts(fromA)).to.deep.equal(expected);
      const counts = a.links.counters();
      expect(counts.inflight).to.equal(0);
      expect(counts.framesOut).to.be.below(1_000);
    });

    it('lets a caller cancel, and tells the handler', async () => {
      const { a, b, until } = linked;
      const told = new Promise<void>((resolve) => {
        b.links.serve((_from, _request, wait) => {
          wait.signal?.addEventListener('abort', () => resolve(), { once: true });
          return new Promise(() => {});
        });
      });
      const controller = new AbortController();
      const pending = call(a, b, get('x'), 15_000, controller.signal).catch((error: DistcacheError) => error.code);
      await until(call(b, a, get('ping')));
      controller.abort();
      expect(await until(pending)).to.equal('ABORTED');
      await until(told);
    });

    it('fails a call at its deadline', async () => {
      const { a, b, until } = linked;
      b.links.serve(() => new Promise(() => {}));
      const pending = call(a, b, get('x'), 30).catch((error: DistcacheError) => error.code);
      expect(await until(pending)).to.equal('TIMEOUT');
    });

    it('carries errors with code and node', async () => {
      const { a, b, until } = linked;
      b.links.serve(() => Promise.reject(new DistcacheError('DATA_SOURCE_RATE_LIMITED', 'later')));
      const error = await until(call(a, b, get('x')).catch((thrown: unknown) => thrown));
      expect(error).to.be.instanceOf(DistcacheError);
      expect(error).to.include({ code: 'DATA_SOURCE_RATE_LIMITED', message: 'later', node: 'node-b' });
    });

    it('fails what is under way when the link breaks, ends the waits of handlers, and links again', async () => {
      const { a, b, until } = linked;
      const signals: StopSignal[] = [];
      const arrived = new Promise<void>((resolve) => {
        b.links.serve((_from, _request, wait) => {
          if (signals.push(wait.signal!) === 100) resolve();
          return new Promise(() => {});
        });
      });
      const again = new Promise<void>((resolve) => {
        let both = 0;
        for (const node of [a, b]) node.links.onLink(({ is }) => is === 'up' && ++both === 2 && resolve());
      });
      const codes = Promise.all(
        Array.from({ length: 100 }, () => call(a, b, get('x')).catch((error: DistcacheError) => error.code)),
      );
      await until(arrived);
      linked.breakLink();
      expect(await until(codes)).to.deep.equal(Array(100).fill('PEER_UNREACHABLE'));
      await until(again);
      expect(signals.every((signal) => signal.aborted)).to.equal(true);
      b.links.serve(() => ({ is: 'applied' }));
      expect(await until(call(a, b, get('x')))).to.deep.equal({ is: 'applied' });
    });

    it('gives up on reads and writes that wait for a peer, tells its handlers, and keeps the link', async () => {
      const { a, b, until } = linked;
      const signals: StopSignal[] = [];
      const cancelled: Promise<void>[] = [];
      let arrive: () => void;
      const arrived = new Promise<void>((resolve) => {
        arrive = resolve;
      });
      let grant: (reply: PeerReply) => void;
      const granted = new Promise<PeerReply>((resolve) => {
        grant = resolve;
      });
      b.links.serve((_from, request, { signal }) => {
        if (request.do === 'renew') {
          arrive();
          return granted;
        }
        signals.push(signal!);
        cancelled.push(new Promise((resolve) => signal!.addEventListener('abort', () => resolve(), { once: true })));
        return new Promise<PeerReply>(() => {});
      });
      const at = { keyspace: 'users', key: 'x' };
      const codes = [
        get('x'),
        { do: 'recall', ...at } as const,
        { do: 'put', ...at, value: Uint8Array.of(1), ttlMs: undefined, ack: 'applied' } as const,
        { do: 'delete', ...at, ack: 'owner' } as const,
      ].map((request) => call(a, b, request).catch((error: DistcacheError) => error.code));
      const lease = call(a, b, { do: 'renew', resync: false });
      await until(arrived);
      a.links.giveUp(b.info.id);
      expect(await until(Promise.all(codes))).to.deep.equal(Array(4).fill('PEER_UNREACHABLE'));
      await until(Promise.all(cancelled));
      expect(signals.map((signal) => signal.aborted)).to.deep.equal(Array(4).fill(true));
      grant!({ is: 'lease', sent: 3, ownsMs: 0 });
      expect(await until(lease)).to.deep.equal({ is: 'lease', sent: 3, ownsMs: 0 });
      expect(a.links.linked()).to.have.length(1);
    });

    it('tells the peer when a node leaves, and closes twice without harm', async () => {
      const { a, b, until } = linked;
      const left = new Promise((resolve) => {
        a.links.onLink((event) => event.is === 'down' && resolve(event.left));
      });
      await until(Promise.all([b.links.close(), b.links.close()]));
      expect(await until(left)).to.equal(true);
      expect(a.links.linked()).to.deep.equal([]);
    });
  });
}

/** Bytes and infinities in a form that compares by content. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_name, part) => {
      if (part === never) return 'infinity';
      return part?.type === 'Buffer' ? Object.fromEntries(Object.entries(part.data)) : part;
    }),
  );
}
