import { expect } from 'chai';
import type { GossipArrival, GossipErrand, GossipTransport } from '../../src/membership/gossip/transport.js';
import type { PacketMessage, Ping, PushPull } from '../../src/membership/messages.js';
import type { Endpoint } from '../../src/membership/swim/effects.js';
import type { Wait } from '../../src/ports/clock.js';
import { ListenError } from '../../src/transport/listen-error.js';

export interface NodeOptions {
  /** 0 takes a free one. */
  readonly port?: number;
  readonly label?: string;
  /** '' is the clear. */
  readonly secret?: string;
  readonly streamTimeoutMs?: number;
}

/** Where transports are made and time passes. All of them share one IP. */
export interface GossipGround {
  make(options: NodeOptions): GossipTransport;
  /** Where others reach what listens at this port. */
  endpoint(port: number): Endpoint;
  wait(): Wait;
  /** Lets time pass until it holds. */
  until(what: string, holds: () => boolean): Promise<void>;
  pass(ms: number): Promise<void>;
  /** Timers and whatever else is open: 0 once all was closed. */
  pending(): number;
}

/** One node: what arrived at it, and what it does about that. */
export class GossipNode {
  readonly arrivals: GossipArrival[] = [];
  onArrival: (arrival: GossipArrival) => void = () => {};
  endpoint!: Endpoint;

  constructor(readonly transport: GossipTransport) {}

  of<K extends GossipArrival['is']>(kind: K): Extract<GossipArrival, { is: K }>[] {
    return this.arrivals.filter((arrival): arrival is Extract<GossipArrival, { is: K }> => arrival.is === kind);
  }

  carry(errand: GossipErrand): void {
    this.transport.carry(errand);
  }

  send(to: Endpoint, ...messages: PacketMessage[]): void {
    this.carry({ do: 'send', to, messages, checksum: true });
  }

  exchange(to: Endpoint, exchange: number, withinMs = 20_000, state = stateOf('asker')): void {
    this.carry({ do: 'exchange', exchange, to, state, withinMs });
  }

  dropped(what: 'packets' | 'streams'): number {
    const counts = Object.entries(this.transport.counts());
    return counts.reduce((sum, [name, n]) => sum + (name.startsWith(`gossip_${what}_dropped_`) ? n : 0), 0);
  }
}

export const nack = (seqNo: number): PacketMessage => ({ is: 'nack', seqNo });
export const pingOf = (seqNo: number, node = 'other'): Ping => ({
  is: 'ping',
  seqNo,
  node,
  source: { addr: Uint8Array.of(10, 0, 0, 1), port: 7946, node: 'asker' },
});
export const stateOf = (name: string, join = true): PushPull => ({
  is: 'pushPull',
  join,
  nodes: [
    {
      name,
      addr: Uint8Array.of(10, 0, 0, 1),
      port: 7946,
      meta: Uint8Array.of(1, 2, 3),
      incarnation: 7,
      state: 'alive',
      vsn: [1, 5, 2, 0, 0, 0],
    },
  ],
  userState: new Uint8Array(),
});
/** Byte arrays as lists, so that a Buffer equals a Uint8Array. */
export const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, item) => (ArrayBuffer.isView(item) ? [...(item as Uint8Array)] : bufferless(item))),
  );
const bufferless = (item: unknown): unknown =>
  typeof item === 'object' && item !== null && (item as { type?: unknown }).type === 'Buffer'
    ? (item as { data: unknown }).data
    : item;

/** What every GossipTransport keeps to. */
export function gossipTransportContract(name: string, makeGround: () => GossipGround): void {
  describe(`GossipTransport: ${name}`, () => {
    let ground: GossipGround;
    let nodes: GossipNode[];
    beforeEach(() => {
      ground = makeGround();
      nodes = [];
    });
    afterEach(async () => {
      await Promise.all(nodes.map((node) => node.transport.close()));
      expect(ground.pending(), 'timers left').to.equal(0);
    });

    const prepare = (options: NodeOptions = {}): GossipNode => {
      const node = new GossipNode(ground.make(options));
      nodes.push(node);
      return node;
    };
    const open = async (options: NodeOptions = {}): Promise<GossipNode> => {
      const node = prepare(options);
      const at = await node.transport.open((arrival) => {
        node.arrivals.push(arrival);
        node.onArrival(arrival);
      }, ground.wait());
      node.endpoint = ground.endpoint(at.port);
      return node;
    };
    const pair = async (): Promise<[GossipNode, GossipNode]> => [await open(), await open()];
    /** A port where nobody listens any more. */
    const nobody = async (): Promise<Endpoint> => {
      const node = await open();
      await node.transport.close();
      return node.endpoint;
    };

    it('brings what a packet holds, in its order, and where it came from', async () => {
      const [a, b] = await pair();
      a.send(b.endpoint, pingOf(1), nack(2), { is: 'suspect', incarnation: 3, node: 'x', from: 'y' });
      a.send(b.endpoint, nack(4));
      await ground.until('two packets', () => b.of('packet').length === 2);
      const [first, second] = b.of('packet').sort((x, y) => y.messages.length - x.messages.length);
      expect(plain(first?.messages)).to.deep.equal(
        plain([pingOf(1), nack(2), { is: 'suspect', incarnation: 3, node: 'x', from: 'y' }]),
      );
      expect(plain(second?.messages)).to.deep.equal([nack(4)]);
      expect(plain(first?.from)).to.deep.equal(plain(a.endpoint));
      await ground.until('the counts', () => a.transport.counts().gossip_packets_sent === 2);
      expect(b.transport.counts().gossip_packets_received).to.equal(2);
    });

    it('hands over a copy, so that what the sender changes later stays unseen', async () => {
      const [a, b] = await pair();
      const payload = Uint8Array.of(1, 2, 3);
      a.send(b.endpoint, { is: 'ack', seqNo: 1, payload });
      payload.fill(9);
      await ground.until('the packet', () => b.arrivals.length === 1);
      expect(plain(b.of('packet')[0]?.messages)).to.deep.equal([{ is: 'ack', seqNo: 1, payload: [1, 2, 3] }]);
    });

    it('tells nothing from within carry', async () => {
      const [a, b] = await pair();
      const impossible = { addr: Uint8Array.of(1, 2, 3), port: 1 };
      a.send(b.endpoint, nack(1));
      a.send(impossible, nack(1));
      a.exchange(b.endpoint, 1);
      a.exchange(impossible, 2);
      a.carry({ do: 'streamPing', to: impossible, ping: pingOf(3), withinMs: 1000 });
      expect(a.arrivals).to.deep.equal([]);
      expect(b.arrivals).to.deep.equal([]);
      await ground.until('all of it', () => a.arrivals.length === 3 && b.arrivals.length === 2);
    });

    it('says what could not be sent because of its receiver', async () => {
      const a = await open();
      const impossible: Endpoint[] = [
        { addr: new Uint8Array(), port: 7946 },
        { addr: new Uint8Array(5), port: 7946 },
        { addr: Uint8Array.of(127, 0, 0, 1), port: 0 },
      ];
      for (const to of impossible) a.send(to, nack(1));
      await ground.until('three failures', () => a.of('sendFailed').length === 3);
      expect(plain(a.of('sendFailed').map(({ to }) => to))).to.deep.equal(plain(impossible));
      expect(a.transport.counts().gossip_send_errors).to.equal(3);
    });

    it('exchanges states over a stream', async () => {
      const [a, b] = await pair();
      b.onArrival = (arrival) => {
        if (arrival.is !== 'exchangeAsked') return;
        b.carry({ do: 'answer', stream: arrival.stream, message: stateOf('answerer') });
      };
      a.exchange(b.endpoint, 17);
      await ground.until('the answer', () => a.arrivals.length === 1);
      expect(plain(b.of('exchangeAsked')[0]?.state)).to.deep.equal(plain(stateOf('asker')));
      expect(plain(a.arrivals)).to.deep.equal(plain([{ is: 'exchanged', exchange: 17, state: stateOf('answerer') }]));
    });

    it('answers later too, and several streams in any order', async () => {
      const [a, b] = await pair();
      for (let i = 1; i <= 5; i++) a.exchange(b.endpoint, i, 20_000, stateOf(`asker${i}`));
      await ground.until('five questions', () => b.arrivals.length === 5);
      for (const { stream, state } of b.of('exchangeAsked').reverse()) {
        b.carry({ do: 'answer', stream, message: stateOf(`to ${state.nodes[0]?.name}`) });
      }
      await ground.until('five answers', () => a.arrivals.length === 5);
      const heard = a.of('exchanged').map(({ exchange, state }) => `${exchange} ${state.nodes[0]?.name}`);
      expect(heard.sort()).to.deep.equal([1, 2, 3, 4, 5].map((i) => `${i} to asker${i}`));
    });

    it('pings over a stream: only the ack of that number counts', async () => {
      const [a, b] = await pair();
      b.onArrival = (arrival) => {
        if (arrival.is !== 'streamPing') return;
        const { seqNo } = arrival.ping;
        const message = { is: 'ack', seqNo: seqNo === 5 ? 6 : seqNo, payload: new Uint8Array() } as const;
        b.carry({ do: 'answer', stream: arrival.stream, message });
      };
      for (const seqNo of [4, 5]) a.carry({ do: 'streamPing', to: b.endpoint, ping: pingOf(seqNo), withinMs: 20_000 });
      await ground.until('two outcomes', () => a.arrivals.length === 2);
      expect(plain(b.of('streamPing')[0]?.ping)).to.deep.equal(plain(pingOf(b.of('streamPing')[0]!.ping.seqNo)));
      const outcomes = a.of('streamPong').sort((x, y) => x.seqNo - y.seqNo);
      expect(outcomes).to.deep.equal([
        { is: 'streamPong', seqNo: 4, ok: true },
        { is: 'streamPong', seqNo: 5, ok: false },
      ]);
    });

    it('says at once, and with the address, that nobody listens there', async () => {
      const a = await open();
      const to = await nobody();
      a.exchange(to, 3);
      a.carry({ do: 'streamPing', to, ping: pingOf(9), withinMs: 20_000 });
      await ground.until('both failures', () => a.arrivals.length === 2);
      expect(a.of('streamPong')).to.deep.equal([{ is: 'streamPong', seqNo: 9, ok: false }]);
      const [failed] = a.of('exchangeFailed');
      expect(failed).to.include({ exchange: 3, refused: true });
      expect(failed?.problem).to.equal(
        `${to.addr.join('.')}:${to.port}: connection refused; is a node listening there?`,
      );
    });

    it('fails an exchange whose stream is dropped, not saying that nobody listens', async () => {
      const [a, b] = await pair();
      b.onArrival = (arrival) => {
        if (arrival.is === 'exchangeAsked') b.carry({ do: 'drop', stream: arrival.stream });
      };
      a.exchange(b.endpoint, 1);
      await ground.until('the failure', () => a.arrivals.length === 1);
      expect(a.of('exchangeFailed')[0]).to.include({ exchange: 1, refused: false });
      expect(a.of('exchangeFailed')[0]?.problem).to.contain('without an answer');
    });

    it('fails an exchange that is not answered in its time, once', async () => {
      const [a, b] = await pair();
      a.exchange(b.endpoint, 1, 250);
      await ground.until('the question', () => b.arrivals.length === 1);
      expect(a.arrivals).to.deep.equal([]);
      await ground.until('the failure', () => a.arrivals.length === 1);
      expect(a.of('exchangeFailed')[0]?.problem).to.match(/no answer within 250 ?ms/);
      b.carry({ do: 'answer', stream: b.of('exchangeAsked')[0]!.stream, message: stateOf('late') });
      await ground.pass(50);
      expect(a.arrivals).to.have.length(1);
    });

    it('closes a stream that its own side does not answer in time', async () => {
      const a = await open();
      const b = await open({ streamTimeoutMs: 150 });
      a.exchange(b.endpoint, 1);
      await ground.until('the failure', () => a.arrivals.length === 1);
      expect(a.of('exchangeFailed')[0]?.problem).to.contain('without an answer');
      expect(b.transport.counts().gossip_streams_timed_out).to.equal(1);
      b.carry({ do: 'answer', stream: b.of('exchangeAsked')[0]!.stream, message: stateOf('late') });
    });

    it('does nothing about streams that it does not know, or knows no more', async () => {
      const [a, b] = await pair();
      b.onArrival = (arrival) => {
        if (arrival.is !== 'exchangeAsked') return;
        const { stream } = arrival;
        for (let i = 0; i < 2; i++) b.carry({ do: 'answer', stream, message: stateOf('b') });
        b.carry({ do: 'drop', stream });
        b.carry({ do: 'drop', stream: stream + 1000 });
      };
      a.exchange(b.endpoint, 1);
      await ground.until('the answer', () => a.arrivals.length === 1);
      expect(a.arrivals[0]?.is).to.equal('exchanged');
    });

    const strangers: readonly (readonly [string, NodeOptions, NodeOptions])[] = [
      ['another label', { label: 'blue' }, { label: 'green' }],
      ['a label where there is none', { label: 'blue' }, {}],
      ['no label where there is one', {}, { label: 'green' }],
      ['another secret', { secret: 'one' }, { secret: 'two' }],
      ['the clear where there is a secret', {}, { secret: 'two' }],
      ['a secret where there is the clear', { secret: 'one' }, {}],
    ];
    for (const [what, theirs, ours] of strangers) {
      it(`hears nobody of ${what}, and counts that`, async () => {
        const [stranger, node] = [await open(theirs), await open(ours)];
        stranger.send(node.endpoint, nack(1), nack(2));
        stranger.exchange(node.endpoint, 1);
        stranger.carry({ do: 'streamPing', to: node.endpoint, ping: pingOf(2), withinMs: 20_000 });
        await ground.until('both failures', () => stranger.arrivals.length === 2);
        await ground.until('the drops', () => node.dropped('packets') >= 1 && node.dropped('streams') === 2);
        expect(node.arrivals).to.deep.equal([]);
        expect(stranger.of('streamPong')).to.deep.equal([{ is: 'streamPong', seqNo: 2, ok: false }]);
        expect(stranger.of('exchangeFailed')[0]).to.include({ exchange: 1, refused: false });
      });
    }

    it('hears those of its own label and secret', async () => {
      const options = { label: 'blue', secret: 'one' };
      const [a, b] = [await open(options), await open(options)];
      b.onArrival = (arrival) => {
        if (arrival.is !== 'exchangeAsked') return;
        b.carry({ do: 'answer', stream: arrival.stream, message: stateOf('b') });
      };
      a.send(b.endpoint, nack(1), nack(2));
      a.exchange(b.endpoint, 1);
      await ground.until('both', () => a.arrivals.length === 1 && b.arrivals.length === 2);
      expect(a.arrivals[0]?.is).to.equal('exchanged');
      expect(plain(b.of('packet')[0]?.messages)).to.deep.equal([nack(1), nack(2)]);
    });

    it('does not open where another listens', async () => {
      const a = await open();
      const rival = prepare({ port: a.endpoint.port });
      const error = await rival.transport
        .open(() => {}, ground.wait())
        .then(
          () => undefined,
          (failure: unknown) => failure,
        );
      expect(error).to.be.instanceOf(ListenError);
      expect((error as ListenError).message).to.contain('address already in use');
      rival.send(a.endpoint, nack(1));
    });

    it('tells nothing and carries nothing once it is closed, which may be done twice; its port is free then', async () => {
      const [a, b] = await pair();
      a.exchange(b.endpoint, 1);
      await ground.until('the question', () => b.arrivals.length === 1);
      a.send(b.endpoint, nack(1));
      b.send(a.endpoint, nack(1));
      a.exchange(await nobody(), 2);
      const told = a.arrivals.length;
      await Promise.all([a.transport.close(), a.transport.close()]);
      b.carry({ do: 'answer', stream: b.of('exchangeAsked')[0]!.stream, message: stateOf('b') });
      a.exchange(b.endpoint, 3);
      a.send(b.endpoint, nack(2));
      await ground.pass(100);
      expect(a.arrivals).to.have.length(told);
      const again = await open({ port: a.endpoint.port });
      b.send(again.endpoint, nack(5));
      await ground.until('the packet', () => again.arrivals.length === 1);
      expect(b.of('exchangeAsked')).to.have.length(1);
    });

    it('may be closed without having been opened', async () => {
      await prepare().transport.close();
    });
  });
}
