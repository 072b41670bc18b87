import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { needs } from './servers.js';

const run = promisify(execFile);
const ip = async (...args: readonly string[]): Promise<void> => void (await run('ip', [...args]));

/**
 * A network of this machine's own, in namespaces: hosts in groups, each group on a bridge, the bridges joined by one
 * cable that can be pulled. Nothing of it touches the machine's own network. Needs root, and iproute2.
 */
export class SplitNetwork {
  /** Names of namespaces are shared by the whole machine. */
  readonly #prefix = `distcache-${randomUUID().slice(0, 8)}-`;
  readonly #namespaces: string[] = [];
  readonly #addresses = new Map<string, string>();
  readonly #cables: string[] = [];

  private constructor() {}

  /** Skips the test aloud where namespaces cannot be made, or fails where they have to be. */
  static async require(context: Mocha.Context): Promise<void> {
    needs(context, 'ip', 'iproute2');
    const probe = `distcache-${randomUUID()}`;
    try {
      await ip('netns', 'add', probe);
      await ip('netns', 'del', probe);
    } catch (error) {
      const why = `network namespaces cannot be made here (they need root): ${(error as Error).message.trim()}`;
      if (process.env.DISTCACHE_REQUIRE_SERVERS === '1') throw new Error(why);
      process.stderr.write(`SKIPPED: ${why}\n`);
      context.skip();
    }
  }

  /** Hosts by group, addressed 10.99.0.1, 10.99.0.2 and so on in their order. */
  static async open(groups: readonly (readonly string[])[]): Promise<SplitNetwork> {
    const network = new SplitNetwork();
    try {
      await network.#lay(groups);
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  addressOf(host: string): string {
    return this.#addresses.get(host)!;
  }

  /** What runs a command on a host. */
  on(host: string): readonly string[] {
    return ['ip', 'netns', 'exec', `${this.#prefix}${host}`];
  }

  /** The groups no longer reach each other: packets vanish, as when a cable is pulled. */
  async cut(): Promise<void> {
    for (const cable of this.#cables) await ip('-n', this.#switches, 'link', 'set', cable, 'down');
  }

  async heal(): Promise<void> {
    for (const cable of this.#cables) await ip('-n', this.#switches, 'link', 'set', cable, 'up');
  }

  /** Idempotent. Processes that still run in it keep their namespace alive, so end them before. */
  async close(): Promise<void> {
    for (const name of this.#namespaces.splice(0).reverse()) await ip('netns', 'del', name);
  }

  get #switches(): string {
    return `${this.#prefix}switch`;
  }

  async #lay(groups: readonly (readonly string[])[]): Promise<void> {
    const switches = this.#switches;
    await this.#namespace(switches);
    for (const [group, hosts] of groups.entries()) {
      await ip('-n', switches, 'link', 'add', `br${group}`, 'type', 'bridge');
      await ip('-n', switches, 'link', 'set', `br${group}`, 'up');
      if (group > 0) await this.#cable(group);
      for (const host of hosts) await this.#host(host, group);
    }
  }

  /** From the bridge of this group to that of the one before. */
  async #cable(group: number): Promise<void> {
    const switches = this.#switches;
    await ip('-n', switches, 'link', 'add', `up${group}`, 'type', 'veth', 'peer', 'name', `down${group}`);
    await ip('-n', switches, 'link', 'set', `up${group}`, 'master', `br${group - 1}`, 'up');
    await ip('-n', switches, 'link', 'set', `down${group}`, 'master', `br${group}`, 'up');
    this.#cables.push(`down${group}`);
  }

  async #host(host: string, group: number): Promise<void> {
    const name = `${this.#prefix}${host}`;
    const switches = this.#switches;
    const address = `10.99.0.${this.#addresses.size + 1}`;
    await this.#namespace(name);
    await ip('-n', switches, 'link', 'add', `p${host}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    await ip('-n', switches, 'link', 'set', `p${host}`, 'master', `br${group}`, 'up');
    await ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    await ip('-n', name, 'link', 'set', 'eth0', 'up');
    await ip('-n', name, 'link', 'set', 'lo', 'up');
    this.#addresses.set(host, address);
  }

  async #namespace(name: string): Promise<void> {
    await ip('netns', 'add', name);
    this.#namespaces.push(name);
  }
}
