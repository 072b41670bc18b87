import type { Family, Names, Service } from '../../src/discovery/names/resolve.js';

const failure = (code: string, what: string): Error => Object.assign(new Error(`query ${code} ${what}`), { code });

/** A DNS that does as a test says. A name that it was not given does not exist. */
export class FakeNames {
  /** IPs of a host, of both families; or the code of the error that its look-up fails with; `silent` never answers. */
  readonly hosts = new Map<string, readonly string[] | string>();
  readonly services = new Map<string, readonly Service[] | string>();
  /** Everything fails with this code, or is `silent`. */
  all: string | undefined;
  /** Questions asked so far, as `host family`. */
  readonly asked: string[] = [];
  readonly #waiting = new Set<{ retry(): void; reject(error: Error): void }>();

  /** @param cancellable false: as the machine's own look-ups */
  constructor(private readonly cancellable = true) {}

  /** What a provider is given: called for each round. */
  readonly make = (): Names => ({
    addresses: (host, family) => {
      const families: readonly Family[] = this.cancellable && family === 0 ? [4, 6] : [family];
      return families.map((one) => {
        this.asked.push(`${host} ${one}`);
        return this.#answer(host, () => this.hosts.get(host)).then((ips) =>
          ips.filter((ip) => one === 0 || (one === 6) === ip.includes(':')),
        );
      });
    },
    services: (name) => {
      this.asked.push(`${name} srv`);
      return this.#answer(name, () => this.services.get(name));
    },
    cancel: () => {
      if (!this.cancellable) return;
      for (const waiting of this.#waiting) waiting.reject(failure('ECANCELLED', 'all'));
      this.#waiting.clear();
    },
  });

  /** Questions without an answer yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Asks anew for all that waits, as a resolver that repeats its question. */
  retry(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const one of waiting) one.retry();
  }

  #answer<T>(what: string, look: () => readonly T[] | string | undefined): Promise<readonly T[]> {
    return new Promise((resolve, reject) => {
      const ask = (): void => {
        const found = this.all ?? look() ?? [];
        if (found === 'silent') this.#waiting.add({ retry: ask, reject });
        else if (typeof found === 'string') reject(failure(found, what));
        else resolve(found);
      };
      ask();
    });
  }
}
