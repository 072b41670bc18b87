import { expect } from 'chai';
import type { GossipTransport } from '../../../../src/membership/gossip/transport.js';
import { swimConfig } from '../../../../src/membership/swim/config.js';
import { SwimCore } from '../../../../src/membership/swim/core.js';
import type { SwimEvent, SwimInput } from '../../../../src/membership/swim/effects.js';
import { plainVsn } from '../../../../src/membership/swim/self.js';
import type { Cancel, Clock } from '../../../../src/ports/clock.js';
import type { GossipTransportOptions } from '../../../../src/transport/gossip/options.js';
import { encodePacketMessage } from '../../../../src/wire/memberlist/messages.js';
import { CountingClock, endpointAt, ringOf, socketTransport, soonEnough } from '../../../support/gossip-sockets.js';
import { seeded } from '../../../support/seeded.js';
import { until } from '../../../support/until.js';

/** A SWIM core on a transport, with the machine's time. */
class Node {
  readonly events: SwimEvent[] = [];
  core!: SwimCore;
  port = 0;
  #cancelWake: Cancel = () => {};
  #closed = false;

  constructor(
    readonly name: string,
    readonly transport: GossipTransport,
    readonly clock: Clock,
  ) {}

  async start(): Promise<this> {
    const waiting: SwimInput[] = [];
    let isReady = false;
    const at = await this.transport.open(
      (arrival) => (isReady ? this.step(arrival) : waiting.push(arrival)),
      soonEnough(),
    );
    this.port = at.port;
    const self = {
      name: this.name,
      incarnation: 1,
      meta: Buffer.from(this.name),
      vsn: plainVsn,
      ...endpointAt(at.port),
    };
    const config = swimConfig('local', {
      probeIntervalMs: 200,
      probeTimeoutMs: 100,
      gossipIntervalMs: 30,
      lagToleranceMs: 50,
      packetOverheadBytes: this.transport.packetOverheadBytes,
    });
    const sizeOf = (message: Parameters<typeof encodePacketMessage>[0]): number => encodePacketMessage(message).length;
    this.core = new SwimCore(self, config, { random: seeded(this.name), sizeOf });
    this.step({ is: 'start' });
    isReady = true;
    for (const input of waiting) this.step(input);
    return this;
  }

  step(input: SwimInput): void {
    if (this.#closed) return;
    for (const effect of this.core.step(input, this.clock.nowMs())) {
      if (effect.do === 'tell') this.events.push(effect.event);
      else if (effect.do !== 'wake') this.transport.carry(effect);
      else {
        this.#cancelWake();
        this.#cancelWake = this.clock.after(effect.afterMs, () => this.step({ is: 'wake' }));
      }
    }
  }

  /** Members with their metadata, as seen from here. */
  sees(): string {
    const members = this.core
      .members()
      .map(({ name, state, meta }) => `${name}/${Buffer.from(meta).toString()} ${state}`);
    return members.sort().join(', ');
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelWake();
    await this.transport.close();
  }
}

describe('gossip transport: SWIM over it', () => {
  const kinds: readonly (readonly [string, Partial<GossipTransportOptions>])[] = [
    ['UDP', { kind: 'udp' }],
    ['UDP, with label, secret and compression', { kind: 'udp', label: 'blue', keys: ringOf('one')!, compress: true }],
    ['TCP', { kind: 'tcp' }],
    ['TCP, with label and secret', { kind: 'tcp', label: 'blue', keys: ringOf('one')! }],
  ];
  for (const [what, options] of kinds) {
    it(`brings nodes together that know but one, and tells of one that leaves (${what})`, async () => {
      const clock = new CountingClock();
      const make = (name: string) => new Node(name, socketTransport({ clock, ...options }), clock).start();
      const [a, b, c] = [await make('a'), await make('b'), await make('c')];
      const nodes = [a, b, c];
      try {
        for (const node of [b, c]) node.step({ is: 'join', join: 1, targets: [endpointAt(a.port)] });
        const all = 'a/a alive, b/b alive, c/c alive';
        await until('all see all', () => nodes.every((node) => node.sees() === all));
        await until('probes are answered', () => nodes.every((node) => node.core.counts().probesAcked >= 2));
        c.step({ is: 'leave', withinMs: 5000 });
        await until('it has left', () => c.events.some(({ is }) => is === 'leaveDone'));
        await c.close();
        await until('the others know', () => [a, b].every((node) => node.sees().endsWith('c/c left')));
        for (const node of nodes) node.core.check();
      } finally {
        await Promise.all(nodes.map((node) => node.close()));
      }
      expect(clock.pending).to.equal(0);
    });
  }
});
