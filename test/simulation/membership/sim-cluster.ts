import type { PacketMessage } from '../../../src/membership/messages.js';
import { type SwimConfig, swimConfig } from '../../../src/membership/swim/config.js';
import { SwimCore } from '../../../src/membership/swim/core.js';
import {
  type Endpoint,
  endpointKey,
  type SwimEffect,
  type SwimEvent,
  type SwimInput,
} from '../../../src/membership/swim/effects.js';
import { plainVsn } from '../../../src/membership/swim/self.js';
import { type Seeded, seeded } from '../../support/seeded.js';
import { EventQueue } from './event-queue.js';
import { SimNetwork } from './sim-network.js';

/** About what the messages take as msgpack; the exact sizes are the codec's. */
export function sizeOf(message: PacketMessage): number {
  switch (message.is) {
    case 'ping':
      return 75 + message.node.length + message.source.node.length;
    case 'indirectPing':
      return 105 + message.node.length + message.source.node.length;
    case 'ack':
      return 18 + message.payload.length;
    case 'nack':
      return 10;
    case 'alive':
      return 58 + message.addr.length + message.node.length + message.meta.length;
    case 'suspect':
    case 'dead':
      return 29 + message.node.length + message.from.length;
    case 'user':
      return 1 + message.payload.length;
  }
}

/** A node of the simulation: `core` is undefined while its process is gone. */
export interface SimNode {
  readonly name: string;
  readonly endpoint: Endpoint;
  core: SwimCore | undefined;
  /** Its own clock runs this much faster than the simulation's, from its own start. */
  rate: number;
  offsetMs: number;
  /** Goes up with each life: what was meant for an earlier one is void. */
  life: number;
  paused: boolean;
  /** What arrived while it was paused, as in socket buffers, at most 500. */
  backlog: SwimInput[];
  wake: number;
  wakeMissed: boolean;
  resumedMs: number;
}

export interface Told {
  readonly atMs: number;
  readonly by: string;
  readonly event: SwimEvent;
  /** Whether the member it is about was up and not at a standstill then, nor in the second before. */
  readonly answers: boolean;
}

export interface SimOptions {
  readonly seed: string;
  readonly nodes: number;
  readonly config?: SwimConfig;
  /** Clocks differ from true time by up to this share. */
  readonly drift?: number;
  /** Structures are checked the slow way after every so many steps. */
  readonly checkEvery?: number;
}

const backlogMax = 500;

/** Many cores, one fake time, one bad network; all chance from one seed. */
export class SimCluster {
  readonly queue = new EventQueue();
  readonly network: SimNetwork;
  readonly random: Seeded;
  readonly config: SwimConfig;
  readonly nodes: SimNode[] = [];
  readonly told: Told[] = [];
  steps = 0;
  readonly #byEndpoint = new Map<string, SimNode>();
  readonly #checkEvery: number;
  #streams = new Map<number, { readonly from: SimNode; readonly exchange: number; readonly life: number }>();
  #streamNumber = 0;
  #hash = 0x811c9dc5;

  constructor(options: SimOptions) {
    this.random = seeded(options.seed);
    this.config = options.config ?? swimConfig('lan');
    this.network = new SimNetwork(this.queue, this.random.fork('network'));
    this.#checkEvery = options.checkEvery ?? 97;
    const clocks = this.random.fork('clocks');
    const drift = options.drift ?? 0;
    for (let i = 0; i < options.nodes; i++) {
      const node: SimNode = {
        name: `node-${i}`,
        endpoint: { addr: Uint8Array.of(10, 0, i >> 8, i & 255), port: 7946 },
        core: undefined,
        rate: 1 + (2 * clocks.next() - 1) * drift,
        offsetMs: clocks.below(1_000_000),
        life: 0,
        paused: false,
        backlog: [],
        wake: 0,
        wakeMissed: false,
        resumedMs: Number.NEGATIVE_INFINITY,
      };
      this.nodes.push(node);
      this.#byEndpoint.set(endpointKey(node.endpoint), node);
    }
  }

  get nowMs(): number {
    return this.queue.nowMs;
  }

  /** Of everything that was stepped and told so far: the same seed gives the same. */
  get traceHash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  up(): SimNode[] {
    return this.nodes.filter((node) => node.core !== undefined);
  }

  node(name: string): SimNode {
    return this.nodes.find((node) => node.name === name)!;
  }

  /** Starts a process that knows these seeds; a second life has a higher incarnation, as epoch seconds give it. */
  start(
    node: SimNode,
    seeds: readonly SimNode[] = this.nodes.slice(0, 3),
    { incarnation = 1_700_000_000 + Math.floor(this.nowMs / 1000) + node.life } = {},
  ): void {
    node.life++;
    node.paused = false;
    node.backlog = [];
    node.wakeMissed = false;
    const { name, endpoint } = node;
    const random = this.random.fork(`${name}/${node.life}`);
    const meta = new TextEncoder().encode(`{"life":${node.life}}`);
    const self = { ...endpoint, name, incarnation, meta, vsn: plainVsn };
    node.core = new SwimCore(self, this.config, { random, sizeOf });
    const targets = seeds.filter((seed) => seed !== node).map((seed) => seed.endpoint);
    this.step(node, { is: 'start' });
    this.step(node, { is: 'seeds', seeds: targets });
    if (targets.length > 0) this.step(node, { is: 'join', join: 1, targets });
  }

  startAll(): void {
    for (const node of this.nodes) this.start(node);
  }

  /** The process is gone, its memory with it. */
  crash(node: SimNode): void {
    node.core = undefined;
    node.life++;
  }

  /** Nothing runs for so long, memory and clock go on: a suspended process or a blocked event loop. */
  pause(node: SimNode, ms: number): void {
    if (node.paused || node.core === undefined) return;
    const { life } = node;
    node.paused = true;
    this.queue.after(ms, () => {
      if (node.life === life) this.wakeUp(node);
    });
  }

  /** Ends a pause early. */
  wakeUp(node: SimNode): void {
    if (node.paused) this.#resume(node);
  }

  advance(ms: number): void {
    this.queue.advance(ms);
  }

  /** Milliseconds until `holds`, looked at ten times a second; undefined when it never did within the limit. */
  until(holds: () => boolean, limitMs: number): number | undefined {
    const startMs = this.nowMs;
    while (!holds()) {
      if (this.nowMs - startMs >= limitMs) return undefined;
      this.advance(100);
    }
    return this.nowMs - startMs;
  }

  /** Every running node knows exactly the running nodes as alive, each in its present life. */
  agreed(): boolean {
    return this.disagreement() === undefined;
  }

  disagreement(): string | undefined {
    const up = this.up();
    const expected = new Map(up.map((node) => [node.name, node.core!.member(node.name)!]));
    for (const node of up) {
      let matching = 0;
      for (const { name, state, incarnation } of node.core!.members()) {
        if (state === 'dead' || state === 'left') continue;
        const truth = expected.get(name);
        if (truth === undefined) return `${node.name} believes ${name} to be ${state}`;
        if (truth.state === 'left') continue;
        if (state !== 'alive' || truth.incarnation !== incarnation) {
          return `${node.name} has ${name} as ${state} ${incarnation}, it is alive ${truth.incarnation}`;
        }
        matching++;
      }
      const alive = [...expected.values()].filter((member) => member.state === 'alive').length;
      if (matching !== alive) return `${node.name} knows ${matching} of ${alive}`;
    }
    return undefined;
  }

  check(): void {
    for (const node of this.up()) node.core!.check();
  }

  step(node: SimNode, input: SwimInput): void {
    if (node.core === undefined) return;
    if (node.paused) {
      if (input.is === 'wake') node.wakeMissed = true;
      else if (node.backlog.length < backlogMax) node.backlog.push(input);
      return;
    }
    this.#trace(`${this.nowMs.toFixed(3)} ${node.name} ${input.is}`);
    const effects = node.core.step(input, node.offsetMs + this.nowMs * node.rate);
    if (++this.steps % this.#checkEvery === 0) node.core.check();
    for (const effect of effects) this.#act(node, effect);
  }

  #resume(node: SimNode): void {
    node.paused = false;
    node.resumedMs = this.nowMs;
    const { backlog } = node;
    node.backlog = [];
    // Timers come before input in an event loop: just what must not lead to wrong accusations.
    if (node.wakeMissed) this.step(node, { is: 'wake' });
    node.wakeMissed = false;
    for (const input of backlog) this.step(node, input);
  }

  #act(node: SimNode, effect: SwimEffect): void {
    switch (effect.do) {
      case 'send': {
        const from = node.endpoint;
        this.#packet(node, effect.to, { is: 'packet', from, messages: effect.messages });
        break;
      }
      case 'wake': {
        const wake = ++node.wake;
        const { life } = node;
        this.queue.after(effect.afterMs / node.rate, () => {
          if (node.life === life && node.wake === wake) this.step(node, { is: 'wake' });
        });
        break;
      }
      case 'streamPing': {
        const { seqNo } = effect.ping;
        this.#later(node, effect.withinMs, { is: 'streamPong', seqNo, ok: false });
        this.#ask(node, effect.to, (stream) => ({ is: 'streamPing', stream, ping: effect.ping }), seqNo);
        break;
      }
      case 'exchange': {
        const { exchange, state } = effect;
        this.#later(node, effect.withinMs, { is: 'exchangeFailed', exchange, problem: 'timed out' });
        this.#ask(node, effect.to, (stream) => ({ is: 'exchangeAsked', stream, state }), exchange);
        break;
      }
      case 'answer': {
        const stream = this.#streams.get(effect.stream);
        this.#streams.delete(effect.stream);
        if (stream === undefined || stream.from.life !== stream.life) break;
        const { from, exchange } = stream;
        const { message } = effect;
        const input: SwimInput =
          message.is === 'ack'
            ? { is: 'streamPong', seqNo: message.seqNo, ok: true }
            : { is: 'exchanged', exchange, state: message };
        this.network.stream(node.name, from.name, input, (copy) => this.#deliver(from, stream.life, copy));
        break;
      }
      case 'drop':
        this.#streams.delete(effect.stream);
        break;
      case 'tell':
        this.told.push({ atMs: this.nowMs, by: node.name, event: effect.event, answers: this.#answers(effect.event) });
        this.#trace(`${node.name} ${effect.event.is} ${'member' in effect.event ? effect.event.member.name : ''}`);
        break;
    }
  }

  #answers(event: SwimEvent): boolean {
    const about = 'member' in event ? this.#byEndpoint.get(endpointKey(event.member)) : undefined;
    return about?.core !== undefined && !about.paused && this.nowMs - about.resumedMs > 1000;
  }

  #packet(node: SimNode, to: Endpoint, input: SwimInput): void {
    const target = this.#byEndpoint.get(endpointKey(to));
    if (target === undefined) return;
    if (target.core === undefined) {
      this.network.packets++;
      if (this.random.chance(this.network.weather.refusal)) this.#later(node, 1, { is: 'sendFailed', to });
      return;
    }
    this.network.packet(node.name, target.name, input, (copy) => this.step(target, copy));
  }

  #ask(node: SimNode, to: Endpoint, input: (stream: number) => SwimInput, exchange: number): void {
    const target = this.#byEndpoint.get(endpointKey(to));
    if (target?.core === undefined) return;
    const stream = ++this.#streamNumber;
    this.#streams.set(stream, { from: node, exchange, life: node.life });
    this.network.stream(node.name, target.name, input(stream), (copy) => this.step(target, copy));
  }

  #later(node: SimNode, afterMs: number, input: SwimInput): void {
    const { life } = node;
    this.queue.after(afterMs, () => this.#deliver(node, life, input));
  }

  #deliver(node: SimNode, life: number, input: SwimInput): void {
    if (node.life === life) this.step(node, input);
  }

  #trace(line: string): void {
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193);
  }
}
