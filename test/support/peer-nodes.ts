import type { LinkProof } from '../../src/access/cluster-secret.js';
import type { Clock } from '../../src/ports/clock.js';
import type { Log } from '../../src/ports/log.js';
import type { NodeInfo } from '../../src/ports/membership.js';
import type { DialProblem, LinkEvent, PeerHandler, Stamp } from '../../src/ports/peers.js';
import type { Dialer } from '../../src/transport/frame-stream.js';
import type { LinkLimits } from '../../src/transport/link-limits.js';
import { createPeerLinks, type PeerLinks } from '../../src/transport/peer-links.js';
import type { FakeNetwork } from './fake-network.js';
import { seeded } from './seeded.js';

/** A logical clock that believes everything up to a limit. */
export function countingStamp(limit = Number.POSITIVE_INFINITY): Stamp & { at: number } {
  return {
    at: 1,
    now() {
      return this.at;
    },
    merge(remote) {
      if (remote > this.at + limit) return false;
      this.at = Math.max(this.at, remote);
      return true;
    },
    ageMs: () => 0,
  };
}

export const nodeInfo = (id: string, address: string, name = `node-${id}`): NodeInfo => ({
  id,
  name,
  address,
  admin: '',
  gossip: '',
  version: '0.1.0',
  weight: 1,
  incarnation: 1,
});

export interface PeerNode {
  readonly info: NodeInfo;
  readonly links: PeerLinks;
  /** `up node-b` and so on, in order. */
  readonly events: string[];
  readonly problems: DialProblem[];
  readonly stamp: Stamp & { at: number };
}

export interface PeerNodeOptions {
  readonly clock: Clock;
  readonly dialer: Dialer;
  readonly info: NodeInfo;
  readonly label?: string;
  readonly hasher?: string;
  readonly limits?: LinkLimits;
  readonly handler?: PeerHandler;
  readonly stamp?: Stamp & { at: number };
  readonly log?: Log;
  readonly self?: () => NodeInfo;
  readonly proof?: LinkProof;
}

export const defaultLimits: LinkLimits = {
  maxInflight: 20_000,
  maxInflightBytes: 256 * 1024 * 1024,
  maxFrameBytes: 17 * 1024 * 1024,
};

/** Says whose node answered, and for what. */
export const echo =
  (name: string): PeerHandler =>
  (_from, request) =>
    request.do === 'get'
      ? {
          is: 'value',
          value: Buffer.from(`${name}:${request.key}`),
          version: 1,
          lifeMs: Number.POSITIVE_INFINITY,
          outcome: 'hit',
          wasPut: false,
          sourceVersion: undefined,
          floor: 0,
          generation: 0,
        }
      : { is: 'applied' };

const quiet: Log = {
  write(level, message, fields) {
    if (level === 'error') throw new Error(`${message}: ${String(fields?.error)}`);
  },
};

export function peerNode(options: PeerNodeOptions): PeerNode {
  const { clock, dialer, info, label = 'test', limits = defaultLimits, hasher } = options;
  const stamp = options.stamp ?? countingStamp();
  const links = createPeerLinks({
    clock,
    dialer,
    label,
    limits,
    stamp,
    hasher,
    log: options.log ?? quiet,
    random: seeded(info.id),
    self: options.self ?? (() => info),
    proof: options.proof,
  });
  const events: string[] = [];
  const problems: DialProblem[] = [];
  links.onLink((event: LinkEvent) => events.push(`${event.is} ${event.peer.name}`));
  links.onDialProblem((problem) => problems.push(problem));
  links.serve(options.handler ?? echo(info.name));
  return { info, links, events, problems, stamp };
}

/** A node of the fake network, listening at its address. */
export function fakeNode(
  network: FakeNetwork,
  clock: Clock,
  id: string,
  address: string,
  more: Partial<PeerNodeOptions> = {},
): PeerNode {
  const host = network.host(address);
  const node = peerNode({ clock, dialer: host.dialer, info: nodeInfo(id, address), ...more });
  host.listen((stream) => node.links.accept(stream));
  return node;
}
