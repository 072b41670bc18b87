import { joinAddress } from '../base/addresses.js';
import { invalidArgument } from '../base/errors.js';
import { GossipMembership } from '../membership/gossip/membership.js';
import type { GossipAt } from '../membership/gossip/transport.js';
import { systemClock } from '../platform/clock.js';
import { advertisedAddress, bindAddress } from '../platform/machine.js';
import { freshNonce, systemRandom } from '../platform/random.js';
import type { Wait } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { NodeInfo } from '../ports/membership.js';
import type { PeerNetwork } from '../ports/peers.js';
import { createGossipTransport, type SocketGossipTransport } from '../transport/gossip/gossip-transport.js';
import type { GossipTls } from '../transport/gossip/stream-tls.js';
import type { KeyRing } from '../wire/memberlist/key-ring.js';
import { encodePacketMessage } from '../wire/memberlist/messages.js';
import { keysOf, type ResolvedGossip, type ResolvedNode } from './options.js';

/** How long start waits for links to those it has met, before it serves without them. */
const linkWithinMs = 5000;

/** The gossip of one node, put together from its parts. */
export class NodeGossip {
  readonly membership: GossipMembership;
  readonly #keys: KeyRing | undefined;
  readonly #transport: SocketGossipTransport;

  /** Throws INVALID_ARGUMENT for an address that nobody could gossip on. */
  constructor(
    node: ResolvedNode & { readonly bind: NonNullable<ResolvedNode['bind']>; readonly gossip: ResolvedGossip },
    deps: {
      readonly log: Log;
      readonly peers: PeerNetwork;
      readonly self: () => NodeInfo;
      /** undefined: gossip travels in the clear. */
      readonly keys: KeyRing | undefined;
      /** undefined: this node has no TLS. */
      readonly tls: GossipTls | undefined;
    },
  ) {
    const { gossip, bind } = node;
    const { log, peers, self, keys, tls } = deps;
    this.#keys = keys;
    this.#transport = createGossipTransport({
      host: hostOf(bindAddress(bind)),
      port: gossip.port,
      kind: gossip.transport,
      label: node.label,
      keys,
      tls: gossip.tls ? tls : undefined,
      nonce: freshNonce,
      clock: systemClock,
      log,
      limits: { streamTimeoutMs: gossip.swim.tcpTimeoutMs },
    });
    const transport = this.#transport;
    this.membership = new GossipMembership(
      {
        clock: systemClock,
        random: systemRandom,
        log,
        transport,
        discovery: node.discovery,
        peers,
        self,
        sizeOf: (message) => encodePacketMessage(message).length,
      },
      {
        advertise: (at) => {
          const { host, port } = advertised(at);
          transport.advertise(host, port);
          return { host, port };
        },
        swim: gossip.swim,
        ...(gossip.delegateVersions === undefined ? {} : { delegateVersions: gossip.delegateVersions }),
        minimumPeers: node.minimumPeers,
        joinRetryIntervalMs: node.joinRetryIntervalMs,
        maxJoinAttempts: node.maxJoinAttempts,
        linkWithinMs,
      },
    );
  }

  /** Opens the ports; gives the address at which others reach this node's gossip. */
  async listen(wait: Wait): Promise<string> {
    const { host, port } = advertised(await this.membership.listen(wait));
    return joinAddress(host, port);
  }

  /** The node's certificates have changed. */
  renewTls(): void {
    this.#transport.renewTls();
  }

  /** Encrypts with the first of these from now on, and decrypts with all. Throws INVALID_ARGUMENT and changes nothing. */
  rotate(secrets: readonly string[]): void {
    const keys = keysOf(secrets);
    const [first] = keys;
    if (this.#keys === undefined || first === undefined) {
      throw invalidArgument(
        `gossip encryption cannot be turned ${first === undefined ? 'off' : 'on'} while the node runs; restart it with ` +
          `${first === undefined ? 'no' : 'the'} gossip.secrets`,
      );
    }
    this.#keys.replace(keys);
  }
}

const advertised = ({ host, port }: GossipAt): GossipAt => ({ host: advertisedAddress(host), port });

/** Gossip names its members by raw addresses, so a name will not do. */
function hostOf(addr: string): string {
  return addr === 'localhost' ? '127.0.0.1' : addr;
}
