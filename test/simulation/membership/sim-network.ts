import type { SwimInput } from '../../../src/membership/swim/effects.js';
import type { Seeded } from '../../support/seeded.js';
import type { EventQueue } from './event-queue.js';

/** What the network does to packets; shares in [0, 1]. Streams are spared all but delay and cuts, as TCP is. */
export interface Weather {
  readonly loss: number;
  readonly duplicate: number;
  /** Each packet takes its own time between these, so later ones overtake earlier ones. */
  readonly delayMs: readonly [min: number, max: number];
  /** A packet to a process that is gone is reported to its sender, as ICMP does, this often. */
  readonly refusal: number;
}

export const fairWeather: Weather = { loss: 0, duplicate: 0, delayMs: [0.2, 2], refusal: 0 };

/** Carries inputs from node to node; whoever is cut off one way may still be heard the other way. */
export class SimNetwork {
  weather: Weather = fairWeather;
  packets = 0;
  readonly #cuts = new Set<string>();

  constructor(
    private readonly queue: EventQueue,
    private readonly random: Seeded,
  ) {}

  /** Nothing from `from` reaches `to` any more. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  passes(from: string, to: string): boolean {
    return this.#cuts.size === 0 || !this.#cuts.has(`${from}>${to}`);
  }

  delayMs(): number {
    const [min, max] = this.weather.delayMs;
    return min + this.random.next() * (max - min);
  }

  /** A copy arrives, twice, or never. The sender and the receiver never share an object. */
  packet(from: string, to: string, input: SwimInput, deliver: (input: SwimInput) => void): void {
    this.packets++;
    if (!this.passes(from, to) || this.random.chance(this.weather.loss)) return;
    const copies = this.random.chance(this.weather.duplicate) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const copy = structuredClone(input);
      this.queue.after(this.delayMs(), () => deliver(copy));
    }
  }

  /** One direction of a stream: arrives unless cut. */
  stream(from: string, to: string, input: SwimInput, deliver: (input: SwimInput) => void): void {
    if (!this.passes(from, to) || !this.passes(to, from)) return;
    const copy = structuredClone(input);
    this.queue.after(2 * this.delayMs(), () => deliver(copy));
  }
}
