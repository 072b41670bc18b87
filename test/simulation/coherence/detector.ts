import type { Cancel } from '../../../src/ports/clock.js';
import type { Seeded } from '../../support/seeded.js';
import type { SimNode, World } from './world.js';

const everyMs = 200;
/** Out of everybody's reach for so long, a node is suspected, and then taken for dead. */
const suspectAfterMs = { from: 1000, to: 1600 };
const deadAfterMs = { from: 4000, to: 6000 };

interface Doubt {
  readonly sinceMs: number;
  readonly suspectMs: number;
  readonly deadMs: number;
}

/**
 * What SWIM finds out, without its messages: who reaches another neither straight nor over a third suspects it after a
 * second or so and takes it for dead some seconds later. Who can be reached again hears first that it was suspected, denies
 * it, and only then is told of as alive.
 */
export class Detector {
  readonly #doubts = new Map<string, Doubt>();
  #cancel: Cancel | undefined;

  constructor(
    private readonly world: World,
    private readonly random: Seeded,
  ) {}

  start(): void {
    this.#cancel = this.world.clock.after(everyMs, () => {
      this.start();
      for (const observer of this.world.nodes.values()) {
        if (observer.state !== 'up') continue;
        for (const subject of this.world.nodes.values()) if (subject !== observer) this.#look(observer, subject);
      }
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  #look(observer: SimNode, subject: SimNode): void {
    const { world } = this;
    const { membership } = observer;
    const pair = `${observer.name}/${observer.membership.self.id}>${subject.membership.self.id}`;
    const known = membership.stateOf(subject.name);
    if (known === undefined) {
      // They started while they were cut off from each other.
      const { isServing } = subject.membership;
      if (isServing && world.reaches(observer, subject)) {
        observer.clock.run(() => membership.hear(subject.membership.news()));
      }
      return;
    }
    if (known === 'left') return;
    const nowMs = world.clock.nowMs();
    if (world.reaches(observer, subject) || world.reachesByOthers(observer, subject)) {
      this.#doubts.delete(pair);
      if (known === 'suspect' || known === 'dead') this.#deny(subject);
      return;
    }
    const doubt = this.#doubts.get(pair) ?? {
      sinceMs: nowMs,
      suspectMs: nowMs + this.random.between(suspectAfterMs.from, suspectAfterMs.to),
      deadMs: nowMs + this.random.between(deadAfterMs.from, deadAfterMs.to),
    };
    this.#doubts.set(pair, doubt);
    const news = subject.membership.news();
    if (nowMs >= doubt.deadMs && known !== 'dead') {
      observer.clock.run(() => membership.hear({ ...news, state: 'dead' }));
    } else if (nowMs >= doubt.suspectMs && known === 'alive') {
      observer.clock.run(() => membership.hear({ ...news, state: 'suspect' }));
    }
  }

  readonly #denying = new Set<string>();

  /** Once for all who suspect it; each hears of it in its own time. */
  #deny(subject: SimNode): void {
    const { id } = subject.membership.self;
    if (this.#denying.has(id) || subject.state === 'gone') return;
    this.#denying.add(id);
    this.world.clock.after(this.random.between(5, 100), () => {
      this.#denying.delete(id);
      if (subject.state !== 'up') return;
      subject.clock.run(() => {
        subject.membership.refute();
        subject.membership.announce();
      });
    });
  }
}
