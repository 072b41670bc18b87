import { isAddress } from '../base/addresses.js';
import { invalidArgument } from '../base/errors.js';
import { type Duration, parseDuration } from '../base/units.js';
import type { CoreOptions } from '../engine/options.js';
import type { Hasher } from '../ports/hasher.js';
import type { Log } from '../ports/log.js';
import type { EvictionIndexFactory } from '../store/entry.js';

/** How a node finds the others. Made by `standalone()` and `staticDiscovery()`. */
export type Discovery =
  | { readonly provider: 'standalone' }
  | { readonly provider: 'static'; readonly peers: readonly string[] };

/** A node of its own, without a cluster. */
export const standalone = (): Discovery => ({ provider: 'standalone' });

/** A fixed list of the other nodes' gRPC addresses, `host:port`; this node's own may be among them. */
export function staticDiscovery(options: { readonly peers: readonly string[] }): Discovery {
  if (!Array.isArray(options?.peers)) throw invalidArgument('discovery.peers is not an array of host:port');
  for (const peer of options.peers) {
    if (!isAddress(peer))
      throw invalidArgument(`discovery.peers has '${peer}', must be host:port such as 10.0.0.2:3320`);
  }
  return { provider: 'static', peers: [...options.peers] };
}

export interface EngineOptions extends CoreOptions {
  /** Unique in the cluster and kept over restarts. Default: `hostname-port`. */
  readonly name?: string | undefined;
  /** Nodes with another label never join. */
  readonly label?: string | undefined;
  /** Where this node listens for clients and peers. Without `bind` and without a cluster it listens nowhere. */
  readonly bind?:
    | {
        /** Default 127.0.0.1. */
        readonly addr?: string | undefined;
        /** Name of a network interface, instead of or beside `addr`. */
        readonly interface?: string | undefined;
        /** Default 3320; 0 takes a free one. */
        readonly port?: number | undefined;
      }
    | undefined;
  /** Default: standalone. */
  readonly discovery?: Discovery | undefined;
  readonly cluster?:
    | {
        /** Members, this node included, without which start fails. Default 1. */
        readonly minimumPeers?: number | undefined;
        /** How long start may take. Default 30 s. */
        readonly bootstrapTimeout?: Duration | undefined;
        /** How long stop waits for operations under way. Default 30 s. */
        readonly shutdownTimeout?: Duration | undefined;
      }
    | undefined;
  /** Must be the same on all nodes. Default: xxh3. */
  readonly hasher?: Hasher | undefined;
  /** Default: silent. */
  readonly logger?: Log | undefined;
  /** Policies that keyspaces may name in `eviction`, beside `lru`. */
  readonly evictionPolicies?: Readonly<Record<string, EvictionIndexFactory>> | undefined;
}

export interface ResolvedNode {
  readonly label: string;
  readonly name: string | undefined;
  /** undefined: does not listen. */
  readonly bind:
    | { readonly addr: string | undefined; readonly interface: string | undefined; readonly port: number }
    | undefined;
  readonly discovery: Discovery;
  readonly minimumPeers: number;
  readonly bootstrapTimeoutMs: number;
  readonly shutdownTimeoutMs: number;
}

export const defaultPort = 3320;
const nameBytesMax = 128;

/** The part of the options that concerns the node around the engine; throws INVALID_ARGUMENT naming the field. */
export function resolveNode(options: EngineOptions): ResolvedNode {
  const discovery = options.discovery ?? standalone();
  if (discovery.provider !== 'standalone' && discovery.provider !== 'static') {
    const { provider } = discovery as { provider?: unknown };
    throw invalidArgument(`discovery is '${provider}'; make it with staticDiscovery({ peers }) or standalone()`);
  }
  const clustered = discovery.provider !== 'standalone';
  const bind = options.bind ?? (clustered ? {} : undefined);
  const port = bind?.port ?? defaultPort;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalidArgument(`bind.port is ${port}, must be a whole number from 0 to 65535`);
  }
  checkText('bind.addr', bind?.addr);
  checkText('bind.interface', bind?.interface);
  const minimumPeers = options.cluster?.minimumPeers ?? 1;
  if (!Number.isInteger(minimumPeers) || minimumPeers < 1 || minimumPeers > 10_000) {
    throw invalidArgument(`cluster.minimumPeers is ${minimumPeers}, must be a whole number from 1 to 10000`);
  }
  if (bind === undefined && minimumPeers > 1) {
    throw invalidArgument(
      `cluster.minimumPeers is ${minimumPeers}, but without bind and discovery there is only this node; give it one of them`,
    );
  }
  checkName('name', options.name);
  checkName('label', options.label);
  return {
    label: options.label ?? '',
    name: options.name,
    bind: bind && { addr: bind.addr, interface: bind.interface, port },
    discovery,
    minimumPeers,
    bootstrapTimeoutMs: duration('cluster.bootstrapTimeout', options.cluster?.bootstrapTimeout, 30_000),
    shutdownTimeoutMs: duration('cluster.shutdownTimeout', options.cluster?.shutdownTimeout, 30_000),
  };
}

function duration(field: string, given: Duration | undefined, fallbackMs: number): number {
  if (given === undefined) return fallbackMs;
  const ms = typeof given === 'string' ? parseDuration(given) : given;
  if (typeof ms === 'number' && ms >= 0 && ms <= 86_400_000) return ms;
  throw invalidArgument(`${field} is ${String(given)}, must be a duration from 0s to 24h, such as 30s`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
const controls = /[\u0000-\u001f\u007f]/;

function checkText(field: string, text: unknown): void {
  if (text === undefined || (typeof text === 'string' && text !== '')) return;
  throw invalidArgument(`${field} is ${text === '' ? 'empty' : String(text)}, must be a text; or leave it out`);
}

function checkName(field: string, name: string | undefined): void {
  if (name === undefined) return;
  if (
    typeof name !== 'string' ||
    Buffer.byteLength(name) > nameBytesMax ||
    controls.test(name) ||
    !name.isWellFormed()
  ) {
    throw invalidArgument(
      `${field} must be a text of at most ${nameBytesMax} bytes of well-formed Unicode without control characters`,
    );
  }
  if (field === 'name' && name === '') throw invalidArgument('name is empty; leave it out for hostname-port');
}
