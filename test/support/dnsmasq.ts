import { type ChildProcess, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killed } from './child.js';
import { freePort } from './free-port.js';
import { programPath } from './servers.js';
import { until } from './until.js';

export interface Srv {
  readonly name: string;
  readonly target: string;
  readonly port: number;
}

const zone = 'test';
/** Exists as long as it answers. Changes with each set of hosts, so that a test sees that they were read. */
const stamp = `stamp.${zone}`;

/** A dnsmasq process that knows the zone `test` and refuses all else. Its records change while it runs. */
export class Dnsmasq {
  #child: ChildProcess | undefined;
  #changes = 0;
  #lines: readonly string[] = [];
  #services: readonly Srv[] = [];

  private constructor(
    readonly port: number,
    private readonly folder: string,
  ) {}

  static async start(): Promise<Dnsmasq> {
    const server = new Dnsmasq(await freePort(), await mkdtemp(join(tmpdir(), 'dnsmasq-')));
    await server.up();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** From now on exactly these records, as `[ip, name]`. Services take a restart, which is done where they change. */
  async hosts(hosts: readonly (readonly [string, string])[], services: readonly Srv[] = []): Promise<void> {
    this.#lines = hosts.map(([ip, name]) => `${ip} ${name}`);
    const isSame = JSON.stringify(services) === JSON.stringify(this.#services);
    this.#services = services;
    if (this.#child === undefined) return;
    if (!isSame) {
      await this.kill();
      return this.up();
    }
    await this.#write();
    this.#child.kill('SIGHUP');
    await this.#ready();
  }

  /** Starts it, or lets it go on. */
  async up(): Promise<void> {
    if (this.#child !== undefined) {
      this.#child.kill('SIGCONT');
      return this.#ready();
    }
    await this.#write();
    this.#child = spawn(
      programPath('dnsmasq')!,
      [
        '--no-daemon',
        '--conf-file=/dev/null',
        '--pid-file=',
        `--port=${this.port}`,
        '--listen-address=127.0.0.1',
        '--bind-interfaces',
        '--no-resolv',
        '--no-hosts',
        `--addn-hosts=${this.#hostsFile}`,
        `--local=/${zone}/`,
        ...this.#services.map(({ name, target, port }) => `--srv-host=${name},${target},${port}`),
      ],
      { stdio: 'ignore' },
    );
    await this.#ready();
  }

  /** Takes questions, as the kernel does that for it, and answers none until `up`. */
  silence(): void {
    this.#child?.kill('SIGSTOP');
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await killed(child);
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  get #hostsFile(): string {
    return join(this.folder, 'hosts');
  }

  /** The IP of the stamp that stands for the records as they are. */
  get #stampIp(): string {
    return `10.255.${this.#changes >> 8}.${this.#changes & 0xff}`;
  }

  async #write(): Promise<void> {
    this.#changes++;
    // The stamp comes last, and the whole file is read in one go.
    await writeFile(this.#hostsFile, `${[...this.#lines, `${this.#stampIp} ${stamp}`].join('\n')}\n`);
  }

  async #ready(): Promise<void> {
    await until(`dnsmasq answers at ${this.address}`, async () => {
      const resolver = new Resolver({ timeout: 500, tries: 1 });
      resolver.setServers([this.address]);
      const found = await resolver.resolve4(stamp).catch((): string[] => []);
      return found.includes(this.#stampIp);
    });
  }
}
