import type { Alive, PacketMessage, PushNodeState, PushState, Vsn } from '../../../../src/membership/messages.js';
import { type SwimConfig, swimConfig } from '../../../../src/membership/swim/config.js';
import { SwimCore } from '../../../../src/membership/swim/core.js';
import type { Endpoint, SwimEffect, SwimEvent, SwimInput } from '../../../../src/membership/swim/effects.js';
import { plainVsn } from '../../../../src/membership/swim/self.js';
import { seeded } from '../../../support/seeded.js';

export const none = new Uint8Array();

/** 10.0.0.`last`:7946 */
export const at = (last: number, port = 7946): Endpoint => ({ addr: Uint8Array.of(10, 0, 0, last), port });

export const noSource = { addr: none, port: 0, node: '' };

interface Claimed {
  readonly incarnation?: number;
  readonly endpoint?: Endpoint;
  readonly meta?: Uint8Array;
  readonly vsn?: Vsn;
}

/** Member `m7` lives at 10.0.0.7 unless told otherwise. */
const homeOf = (node: string): Endpoint => at(Number(node.slice(1)));

export const alive = (node: string, claimed: Claimed = {}): Alive => ({
  is: 'alive',
  node,
  incarnation: claimed.incarnation ?? 10,
  ...(claimed.endpoint ?? homeOf(node)),
  meta: claimed.meta ?? none,
  vsn: claimed.vsn ?? plainVsn,
});

export const suspect = (node: string, incarnation = 10, from = 'm99'): PacketMessage => ({
  is: 'suspect',
  node,
  incarnation,
  from,
});

export const dead = (node: string, incarnation = 10, from = 'm99'): PacketMessage => ({
  is: 'dead',
  node,
  incarnation,
  from,
});

export const pushed = (name: string, state: PushState, claimed: Claimed = {}): PushNodeState => {
  const { addr, port, incarnation, meta, vsn } = alive(name, claimed);
  return { name, addr, port, incarnation, meta, vsn, state };
};

type Of<T extends { readonly do: string }, D extends T['do']> = Extract<T, { readonly do: D }>;

/** One core, `m0` at 10.0.0.0, with its time in the test's hand; each message counts 10 bytes unless told otherwise. */
export class Driver {
  readonly core: SwimCore;
  nowMs = 0;
  /** All pings are answered at once, by whoever it is that they are sent to. */
  answering = false;
  /** Everything the core wanted done since the last `clear`. */
  effects: SwimEffect[] = [];
  #wakeAtMs = Number.POSITIVE_INFINITY;

  constructor(
    changes: Partial<SwimConfig> = {},
    options: { readonly seed?: string; readonly sizeOf?: (message: PacketMessage) => number } = {},
  ) {
    const self = { ...at(0), name: 'm0', incarnation: 100, meta: none, vsn: plainVsn };
    const random = seeded(options.seed ?? 'driver');
    this.core = new SwimCore(self, swimConfig('lan', changes), { random, sizeOf: options.sizeOf ?? (() => 10) });
  }

  static started(changes: Partial<SwimConfig> = {}, members: readonly string[] = []): Driver {
    const driver = new Driver(changes);
    driver.step({ is: 'start' });
    driver.hear(...members.map((name) => alive(name)));
    driver.clear();
    return driver;
  }

  clear(): void {
    this.effects = [];
  }

  step(input: SwimInput): void {
    const effects = this.core.step(input, this.nowMs);
    this.core.check();
    for (const effect of effects) if (effect.do === 'wake') this.#wakeAtMs = this.nowMs + effect.afterMs;
    this.effects.push(...effects);
    if (!this.answering) return;
    for (const effect of effects) if (effect.do === 'send') this.#answer(effect.messages);
  }

  #answer(messages: readonly PacketMessage[]): void {
    for (const message of messages) {
      if (message.is === 'ping') this.hear({ is: 'ack', seqNo: message.seqNo, payload: none });
    }
  }

  hear(...messages: readonly PacketMessage[]): void {
    if (messages.length > 0) this.step({ is: 'packet', from: at(99), messages });
  }

  /** Wakes the core on time, again and again. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.#wakeAtMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.#wakeAtMs);
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.step({ is: 'wake' });
    }
    this.nowMs = untilMs;
  }

  /** Advances in small steps until such an effect is there; the effect, or undefined. */
  until<T extends SwimEffect>(found: (effect: SwimEffect) => effect is T, limitMs = 60_000): T | undefined {
    for (let waitedMs = 0; waitedMs <= limitMs; waitedMs += 5) {
      const effect = this.effects.find(found);
      if (effect !== undefined) return effect;
      this.advance(5);
    }
    return undefined;
  }

  done<D extends SwimEffect['do']>(what: D): readonly Of<SwimEffect, D>[] {
    return this.effects.filter((effect): effect is Of<SwimEffect, D> => effect.do === what);
  }

  events(): readonly SwimEvent[] {
    return this.done('tell').map((effect) => effect.event);
  }

  /** `joined m1`, `failed m2`: who was told as what. */
  told(): readonly string[] {
    return this.events().map((event) => ('member' in event ? `${event.is} ${event.member.name}` : event.is));
  }

  /** All messages sent, each with the last byte of where to. */
  sent<K extends PacketMessage['is']>(kind: K): readonly { to: number; message: Extract<PacketMessage, { is: K }> }[] {
    return this.done('send').flatMap(({ to, messages }) =>
      messages
        .filter((message): message is Extract<PacketMessage, { is: K }> => message.is === kind)
        .map((message) => ({ to: to.addr[3]!, message })),
    );
  }

  state(name: string): string {
    const member = this.core.member(name);
    return member === undefined ? 'unknown' : `${member.state} ${member.incarnation}`;
  }

  /** Lets gossip run, with all well, until nothing waits to be passed on. */
  drainNews(): void {
    this.answering = true;
    this.advance(3000);
    this.answering = false;
    this.clear();
  }
}

export const isSend =
  (kind: PacketMessage['is']) =>
  (effect: SwimEffect): effect is Extract<SwimEffect, { do: 'send' }> =>
    effect.do === 'send' && effect.messages.some((message) => message.is === kind);

export const isTell =
  (kind: SwimEvent['is']) =>
  (effect: SwimEffect): effect is Extract<SwimEffect, { do: 'tell' }> =>
    effect.do === 'tell' && effect.event.is === kind;

export const isDoing =
  <D extends SwimEffect['do']>(what: D) =>
  (effect: SwimEffect): effect is Extract<SwimEffect, { do: D }> =>
    effect.do === what;
