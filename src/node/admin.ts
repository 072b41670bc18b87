import { type Access, AccessDenied, checkKeyspace, checkRule } from '../access/access.js';
import { adminRuleOf } from '../access/admin-rules.js';
import type { AdminRequest, Verdict } from '../admin/access.js';
import { blankSecrets } from '../admin/blank-secrets.js';
import type { AdminCounts, AdminServer } from '../admin/server.js';
import { joinAddress } from '../base/addresses.js';
import { messageOf } from '../base/errors.js';
import { isLoopback } from '../base/ip.js';
import { systemClock } from '../platform/clock.js';
import { advertisedAddress } from '../platform/machine.js';
import { processGauges, type StoppableGauges } from '../platform/process-gauges.js';
import type { Wait } from '../ports/clock.js';
import type { AdminNode } from '../ports/insight.js';
import type { Log } from '../ports/log.js';
import type { ServerTls } from '../transport/tls.js';
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
  readonly #access: Access;
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
      readonly access: Access;
    },
  ) {
    this.#options = options;
    this.#node = deps.node;
    this.#log = deps.log;
    this.#maxKeyBytes = deps.maxKeyBytes;
    this.#access = deps.access;
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
  async listen(tls: ServerTls | undefined): Promise<void> {
    const { AdminServer: Server } = await import('../admin/server.js');
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
      access: (request) => verdictOf(this.#access, request),
      tls,
      log: this.#log,
      limits: { bodyBytesMax: bodyBytes(this.#maxKeyBytes) },
    });
    this.#address = joinAddress(advertisedAddress(addr), await server.listen());
    this.#server = server;
  }

  renewTls(tls: ServerTls): void {
    this.#server?.renewTls(tls);
  }

  /** Idempotent. */
  async stop(wait: Wait): Promise<void> {
    this.#gauges?.stop();
    await this.#server?.stop(wait);
  }
}

/** The same rights as over gRPC, by a table of the same kind. */
function verdictOf(access: Access, { path, isWrite, authorization, certificate }: AdminRequest): Verdict {
  const { rule, keyspace } = adminRuleOf({ path, isWrite });
  if (rule.is === 'open') return { is: 'allowed' };
  try {
    const caller = access.callerOf({ authorization, certificate });
    checkRule(caller, rule);
    if (keyspace !== undefined) checkKeyspace(caller, rule, keyspace);
    return { is: 'allowed' };
  } catch (error) {
    const isKnown = error instanceof AccessDenied && error.isKnown;
    return { is: isKnown ? 'forbidden' : 'unknown', message: messageOf(error) };
  }
}
