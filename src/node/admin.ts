import { blankSecrets } from '../admin/blank-secrets.js';
import type { AdminCounts, AdminServer } from '../admin/server.js';
import { joinAddress } from '../base/addresses.js';
import { systemClock } from '../platform/clock.js';
import { advertisedAddress } from '../platform/machine.js';
import { processGauges, type StoppableGauges } from '../platform/process-gauges.js';
import type { Wait } from '../ports/clock.js';
import type { AdminNode } from '../ports/insight.js';
import type { Log } from '../ports/log.js';
import type { ResolvedAdmin } from './options.js';

/** Longest key, and what JSON may make of it. */
const bodyBytes = (maxKeyBytes: number): number => 1024 + 6 * maxKeyBytes;

/** The admin endpoints of one node, put together from their parts. */
export class NodeAdmin {
  readonly #options: ResolvedAdmin;
  readonly #node: AdminNode;
  readonly #log: Log;
  readonly #maxKeyBytes: number;
  readonly #describe: () => unknown;
  #server: AdminServer | undefined;
  #gauges: StoppableGauges | undefined;
  #address = '';

  /** @param describe what `config` shows unless the options say otherwise */
  constructor(
    options: ResolvedAdmin,
    deps: {
      readonly node: AdminNode;
      readonly log: Log;
      readonly maxKeyBytes: number;
      readonly describe: () => unknown;
    },
  ) {
    this.#options = options;
    this.#node = deps.node;
    this.#log = deps.log;
    this.#maxKeyBytes = deps.maxKeyBytes;
    this.#describe = options.describe ?? deps.describe;
  }

  /** `host:port`; '' before it listens. */
  get address(): string {
    return this.#address;
  }

  /** `host:port` for others to ask; '' where it listens on the loopback, and they reach this node elsewhere. */
  addressFor(nodeHost: string): string {
    return isLoopback(this.#options.addr) && !isLoopback(nodeHost) ? '' : this.#address;
  }

  /** undefined: it does not listen. */
  counts(): AdminCounts | undefined {
    return this.#server?.counts();
  }

  /** Loaded only by a node that has the endpoints. Rejects with a ListenError. */
  async listen(): Promise<void> {
    const [{ AdminServer: Server }, { allowAll }] = await Promise.all([
      import('../admin/server.js'),
      import('../admin/access.js'),
    ]);
    this.#gauges = processGauges(systemClock);
    const { addr, port, isPortFlexible, basePath } = this.#options;
    const server = new Server({
      addr,
      port,
      isPortFlexible,
      basePath,
      node: this.#node,
      gauges: this.#gauges,
      clock: systemClock,
      metrics: this.#options.metrics,
      config: () => blankSecrets(this.#describe()) as Readonly<Record<string, unknown>>,
      access: allowAll,
      log: this.#log,
      limits: { bodyBytesMax: bodyBytes(this.#maxKeyBytes) },
    });
    this.#address = joinAddress(advertisedAddress(addr), await server.listen());
    this.#server = server;
  }

  /** Idempotent. */
  async stop(wait: Wait): Promise<void> {
    this.#gauges?.stop();
    await this.#server?.stop(wait);
  }
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.');
