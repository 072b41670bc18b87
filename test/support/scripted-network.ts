import type { Cancel } from '../../src/ports/clock.js';
import type { NodeInfo } from '../../src/ports/membership.js';
import type { DialProblem, LinkEvent, PeerNetwork } from '../../src/ports/peers.js';

/** A PeerNetwork on which nothing happens but what a test says. Nobody can be called. */
export class ScriptedNetwork implements PeerNetwork {
  readonly #linked = new Map<string, NodeInfo>();
  readonly #linkListeners = new Set<(event: LinkEvent) => void>();
  readonly #problemListeners = new Set<(problem: DialProblem) => void>();
  /** Addresses dialled and not undialled, in order, as often as they were. */
  readonly dialled: string[] = [];
  /** Called at each dial, after it was noted. */
  onDial: (address: string) => void = () => {};

  serve(): void {}

  dial(address: string): void {
    this.dialled.push(address);
    this.onDial(address);
  }

  undial(address: string): void {
    for (let at = this.dialled.indexOf(address); at >= 0; at = this.dialled.indexOf(address))
      this.dialled.splice(at, 1);
  }

  linked(): readonly NodeInfo[] {
    return [...this.#linked.values()];
  }

  onLink(listener: (event: LinkEvent) => void): Cancel {
    this.#linkListeners.add(listener);
    return () => this.#linkListeners.delete(listener);
  }

  onDialProblem(listener: (problem: DialProblem) => void): Cancel {
    this.#problemListeners.add(listener);
    return () => this.#problemListeners.delete(listener);
  }

  call(): Promise<never> {
    return Promise.reject(new Error('nobody can be called here'));
  }

  giveUp(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }

  up(peer: NodeInfo): void {
    this.#linked.set(peer.id, peer);
    this.#tell(this.#linkListeners, { is: 'up', peer });
  }

  down(peer: NodeInfo, left = false): void {
    this.#linked.delete(peer.id);
    this.#tell(this.#linkListeners, { is: 'down', peer, left });
  }

  refuse(address: string, passing = true): void {
    this.#tell(this.#problemListeners, { address, message: 'refused', passing });
  }

  /** Who follows links and dials: nobody, once everything was stopped. */
  get listeners(): number {
    return this.#linkListeners.size + this.#problemListeners.size;
  }

  /** As the real one: what a listener throws reaches nobody else. */
  #tell<Event>(listeners: ReadonlySet<(event: Event) => void>, event: Event): void {
    for (const listener of [...listeners]) {
      try {
        listener(event);
      } catch {
        // The real one logs it.
      }
    }
  }
}
