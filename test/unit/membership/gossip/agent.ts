import { bytesOfIp } from '../../../../src/base/ip.js';
import { endpointOf } from '../../../../src/membership/endpoints.js';
import { Driver } from '../../../../src/membership/gossip/driver.js';
import { MinuteLog } from '../../../../src/membership/gossip/minute-log.js';
import { swimConfig } from '../../../../src/membership/swim/config.js';
import { SwimCore } from '../../../../src/membership/swim/core.js';
import type { SwimEvent, SwimInput } from '../../../../src/membership/swim/effects.js';
import { plainVsn } from '../../../../src/membership/swim/self.js';
import { silent } from '../../../../src/ports/log.js';
import type { FakeGossipTransport } from '../../../support/fake-gossip.js';
import type { MembershipPool, PoolNode } from '../../../support/membership-pool.js';

export interface AgentOptions {
  /** As on the wire: one character for each byte. */
  readonly name?: string;
  readonly meta?: Uint8Array;
  readonly incarnation?: number;
}

/** A program in the pool that speaks its gossip and is no cache node, or a node that lies. */
export class Agent {
  readonly events: SwimEvent[] = [];
  readonly core: SwimCore;
  readonly #driver: Driver;
  readonly #transport: FakeGossipTransport;

  constructor(pool: MembershipPool, host: string, { name = 'agent', meta, incarnation = 7 }: AgentOptions = {}) {
    const random = pool.random.fork(`agent ${host}`);
    this.#transport = pool.net.transport(host);
    this.core = new SwimCore(
      { name, addr: bytesOfIp(host)!, port: 7946, incarnation, meta: meta ?? new Uint8Array(), vsn: plainVsn },
      swimConfig('lan'),
      { random, sizeOf: () => 100 },
    );
    this.#driver = new Driver(this.core, {
      clock: pool.clock,
      log: new MinuteLog(silent, pool.clock),
      transport: this.#transport,
      onEvent: (event) => this.events.push(event),
    });
  }

  async meet(node: PoolNode): Promise<void> {
    await this.#transport.open((arrival) => this.#driver.feed(arrival));
    this.feed({ is: 'start' });
    const [host = '', port = ''] = node.membership
      .members()
      .find(({ id }) => id === node.self.id)!
      .gossip.split(':');
    this.feed({ is: 'join', join: 1, targets: [endpointOf(host, Number(port))!] });
  }

  feed(input: SwimInput): void {
    this.#driver.feed(input);
  }

  async close(): Promise<void> {
    this.#driver.close();
    await this.#transport.close();
  }
}
