import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SplitNetwork } from '../../support/namespaces.js';
import { programPath } from '../../support/servers.js';

const run = promisify(execFile);

/** An address of nobody: what is sent there vanishes, without an error for the sender. */
const nowhere = '02:00:00:00:00:01';

/** Hosts of one network, any of which can be cut off from any others, one way or both. */
export class Cuts {
  readonly #cut = new Set<string>();

  private constructor(
    readonly network: SplitNetwork,
    readonly hosts: readonly string[],
  ) {}

  /** The reason, where the machine does not allow it. */
  static async open(hosts: readonly string[]): Promise<Cuts | string> {
    if (programPath('ip') === undefined) return 'ip is not installed: apt-get install iproute2';
    try {
      return new Cuts(await SplitNetwork.open([hosts]), hosts);
    } catch (error) {
      return `network namespaces cannot be made here (they need root): ${(error as Error).message.trim().split('\n')[0]}`;
    }
  }

  /** Nothing passes between the two sides any more. */
  async cut(side: readonly string[], other: readonly string[]): Promise<void> {
    for (const a of side) {
      for (const b of other) {
        await this.#drop(a, b);
        await this.#drop(b, a);
      }
    }
  }

  async heal(): Promise<void> {
    for (const pair of [...this.#cut]) {
      const [from, to] = pair.split('>') as [string, string];
      await this.#ip(from, 'neigh', 'del', this.network.addressOf(to), 'dev', 'eth0');
      this.#cut.delete(pair);
    }
  }

  close(): Promise<void> {
    return this.network.close();
  }

  async #drop(from: string, to: string): Promise<void> {
    const address = this.network.addressOf(to);
    await this.#ip(from, 'neigh', 'replace', address, 'lladdr', nowhere, 'dev', 'eth0', 'nud', 'permanent');
    this.#cut.add(`${from}>${to}`);
  }

  async #ip(host: string, ...args: readonly string[]): Promise<void> {
    const [program, ...before] = this.network.on(host);
    await run(program!, [...before, 'ip', ...args]);
  }
}
