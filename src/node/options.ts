import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import { defaultGossipPort } from '../base/addresses.js';
import { invalidArgument } from '../base/errors.js';
import { type Duration, parseDuration } from '../base/units.js';
import { standalone } from '../discovery/standalone.js';
import type { CoreOptions } from '../engine/options.js';
import { type SwimConfig, type SwimProfile, swimConfig, swimProfiles } from '../membership/swim/config.js';
import { defaultAdminBasePath, isBasePath } from '../ports/admin.js';
import type { Discovery } from '../ports/discovery.js';
import type { Hasher } from '../ports/hasher.js';
import type { MetricsText } from '../ports/insight.js';
import type { Log } from '../ports/log.js';
import type { EvictionIndexFactory } from '../store/entry.js';
import { keysMax } from '../wire/memberlist/limits.js';
import type { SecurityOptions, TlsOptions } from './security.js';

export interface GossipOptions {
  /** UDP and TCP port. Default 3322; 0 takes one that is free in both. */
  readonly port?: number | undefined;
  /** Timing: one data centre, one machine, or the open internet. Default lan. */
  readonly profile?: SwimProfile | undefined;
  /** How packets travel: as datagrams, or each on a short TCP connection. The same on all nodes. Default udp. */
  readonly transport?: 'udp' | 'tcp' | undefined;
  /**
   * Default true: streams between nodes go over the node's own TLS, if it has any and packets are datagrams. false: as they
   * are, for a pool with peers that speak plain memberlist.
   */
  readonly tls?: boolean | undefined;
  /** Base64 of 16, 24 or 32 bytes each. The first encrypts, all decrypt. Default none: gossip travels in the clear. */
  readonly secrets?: readonly string[] | undefined;
  /** Lowest, highest and current version of the delegate protocol, for pools of programs that check it, such as Serf. */
  readonly delegateVersions?: readonly [min: number, max: number, current: number] | undefined;
}

export interface AdminOptions {
  /** Default 127.0.0.1. */
  readonly addr?: string | undefined;
  /** 0 takes a free one. Default 3321, or a free one where that is taken. */
  readonly port?: number | undefined;
  /** Before every path. Default /_distcache/admin. */
  readonly basePath?: string | undefined;
  /** Default true: the node's own TLS, if it has any. false: plain HTTP; or certificates of their own. */
  readonly tls?: boolean | TlsOptions | undefined;
  /** Opens all of the admin endpoints, beside the tokens of `auth`. */
  readonly token?: string | undefined;
  /** What `config` shows; secrets are blanked by their names. Default: the options as they are resolved. */
  readonly describe?: (() => unknown) | undefined;
  /** What `metrics` answers, with its content type. Default: there is no such endpoint. */
  readonly metrics?: MetricsText | undefined;
}

export interface EngineOptions extends CoreOptions, SecurityOptions {
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
  /** Endpoints for operators over HTTP: health, figures, events. Left out: none. */
  readonly admin?: AdminOptions | undefined;
  /** How this node finds the others: `staticDiscovery` and its like, or a provider of your own. Default: standalone. */
  readonly discovery?: Discovery | undefined;
  /**
   * How nodes tell each other who is there. With it, or with `cluster.minimumPeers`, a node that looks for nobody waits to
   * be found; a node without any of the three is alone.
   */
  readonly gossip?: GossipOptions | undefined;
  readonly cluster?:
    | {
        /** Members, this node included, without which start fails. Default 1. */
        readonly minimumPeers?: number | undefined;
        /** This node's part of the ring relative to others, 0.1 to 10. Default 1. */
        readonly weight?: number | undefined;
        /** Pause between attempts to join. Default 1 s. */
        readonly joinRetryInterval?: Duration | undefined;
        /** Attempts after which a node that need not wait for others goes on alone, and tries on behind. Default 10. */
        readonly maxJoinAttempts?: number | undefined;
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
  /** Where this node's metrics go. One node a provider: two would count under the same names. Default: nowhere. */
  readonly meterProvider?: MeterProvider | undefined;
  /** Where this node's spans go; those of a read or write belong to the span around its call. Default: nowhere. */
  readonly tracerProvider?: TracerProvider | undefined;
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
  /** undefined: none. */
  readonly admin: ResolvedAdmin | undefined;
  readonly discovery: Discovery;
  /** undefined: neither listens for gossip nor looks for others. */
  readonly gossip: ResolvedGossip | undefined;
  readonly minimumPeers: number;
  readonly weight: number;
  readonly joinRetryIntervalMs: number;
  readonly maxJoinAttempts: number;
  readonly bootstrapTimeoutMs: number;
  readonly shutdownTimeoutMs: number;
}

export interface ResolvedAdmin {
  readonly addr: string;
  readonly port: number;
  /** Nobody asked for this port, so any other will do where it is taken. */
  readonly isPortFlexible: boolean;
  readonly basePath: string;
  readonly tls: boolean | TlsOptions;
  readonly token: string | undefined;
  readonly describe: (() => unknown) | undefined;
  readonly metrics: MetricsText | undefined;
}

export interface ResolvedGossip {
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
  /** Streams go over the node's own TLS, if it has any. */
  readonly tls: boolean;
  readonly swim: SwimConfig;
  /** Raw keys; empty: in the clear. */
  readonly keys: readonly Uint8Array[];
  readonly delegateVersions: readonly [min: number, max: number, current: number] | undefined;
}

export const defaultPort = 3320;
const defaultAdminPort = 3321;
const nameBytesMax = 128;

/** The part of the options that concerns the node around the engine; throws INVALID_ARGUMENT naming the field. */
export function resolveNode(options: EngineOptions): ResolvedNode {
  const discovery = options.discovery ?? standalone();
  checkDiscovery(discovery);
  checkProvider('meterProvider', 'getMeter', options.meterProvider);
  checkProvider('tracerProvider', 'getTracer', options.tracerProvider);
  const minimumPeers = options.cluster?.minimumPeers ?? 1;
  if (!Number.isInteger(minimumPeers) || minimumPeers < 1 || minimumPeers > 10_000) {
    throw invalidArgument(`cluster.minimumPeers is ${minimumPeers}, must be a whole number from 1 to 10000`);
  }
  // A node that waits for others without looking for them waits to be found.
  const clustered = discovery.provider !== 'standalone' || options.gossip !== undefined || minimumPeers > 1;
  const bind = options.bind ?? (clustered ? {} : undefined);
  const port = checkPort('bind.port', bind?.port ?? defaultPort);
  checkText('bind.addr', bind?.addr);
  checkText('bind.interface', bind?.interface);
  const maxJoinAttempts = options.cluster?.maxJoinAttempts ?? 10;
  if (!Number.isInteger(maxJoinAttempts) || maxJoinAttempts < 1 || maxJoinAttempts > 1_000_000) {
    throw invalidArgument(`cluster.maxJoinAttempts is ${maxJoinAttempts}, must be a whole number from 1 to 1000000`);
  }
  checkName('name', options.name);
  checkName('label', options.label);
  return {
    label: options.label ?? '',
    name: options.name,
    bind: bind && { addr: bind.addr, interface: bind.interface, port },
    admin: options.admin && resolveAdmin(options.admin),
    discovery,
    gossip: clustered ? resolveGossip(options.gossip ?? {}) : undefined,
    minimumPeers,
    weight: checkWeight(options.cluster?.weight ?? 1),
    joinRetryIntervalMs: duration('cluster.joinRetryInterval', options.cluster?.joinRetryInterval, 1000),
    maxJoinAttempts,
    bootstrapTimeoutMs: duration('cluster.bootstrapTimeout', options.cluster?.bootstrapTimeout, 30_000),
    shutdownTimeoutMs: duration('cluster.shutdownTimeout', options.cluster?.shutdownTimeout, 30_000),
  };
}

function resolveAdmin({ addr, port, basePath = defaultAdminBasePath, ...more }: AdminOptions): ResolvedAdmin {
  checkText('admin.addr', addr);
  checkText('admin.token', more.token);
  if (typeof basePath !== 'string' || !isBasePath(basePath)) {
    throw invalidArgument(
      `admin.basePath is ${String(basePath)}, must be a path such as /distcache, without / at its end`,
    );
  }
  return {
    addr: addr ?? '127.0.0.1',
    port: checkPort('admin.port', port ?? defaultAdminPort),
    isPortFlexible: port === undefined,
    basePath,
    tls: more.tls ?? true,
    token: more.token,
    describe: more.describe,
    metrics: more.metrics,
  };
}

function checkDiscovery(discovery: Discovery): void {
  const { provider, findAgainMs, start, find, stop } = (discovery ?? {}) as Partial<Discovery>;
  if (typeof provider !== 'string' || ![start, find, stop].every((method) => typeof method === 'function')) {
    throw invalidArgument(
      'discovery is no provider; make one with staticDiscovery, dnsDiscovery, natsDiscovery, kubernetesDiscovery or standalone',
    );
  }
  if (typeof findAgainMs === 'number' && findAgainMs > 0) return;
  throw invalidArgument(
    `discovery.findAgainMs of '${provider}' is ${String(findAgainMs)}, must be milliseconds above 0, or Infinity for once`,
  );
}

function checkProvider(field: string, method: string, provider: unknown): void {
  if (provider === undefined) return;
  if (typeof (provider as Record<string, unknown> | null)?.[method] === 'function') return;
  throw invalidArgument(`${field} has no ${method}(); give one of OpenTelemetry's, or leave it out`);
}

function checkWeight(weight: number): number {
  if (typeof weight === 'number' && weight >= 0.1 && weight <= 10) return weight;
  throw invalidArgument(`cluster.weight is ${weight}, must be a number from 0.1 to 10`);
}

function checkPort(field: string, port: number): number {
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw invalidArgument(`${field} is ${port}, must be a whole number from 0 to 65535`);
}

/** A name may be taken by another address as soon as its node is dead: a pod comes back elsewhere. */
const deadReclaimMs = 1;
/** One connection for each packet takes its time; values of distcache-go, whose nodes may be in the pool. */
const overTcp = { probeIntervalMs: 5000, probeTimeoutMs: 2000, tcpPings: false } as const;

function resolveGossip(gossip: GossipOptions): ResolvedGossip {
  const { port = defaultGossipPort, profile = 'lan', transport = 'udp', secrets = [], delegateVersions } = gossip;
  const { tls = transport === 'udp' } = gossip;
  if (typeof tls !== 'boolean') throw invalidArgument('gossip.tls is no boolean; give true or false');
  if (!Object.hasOwn(swimProfiles, profile)) {
    throw invalidArgument(`gossip.profile is '${profile}', must be one of ${Object.keys(swimProfiles).join(', ')}`);
  }
  if (transport !== 'udp' && transport !== 'tcp') {
    throw invalidArgument(`gossip.transport is '${transport}', must be udp or tcp`);
  }
  if (tls && transport === 'tcp') {
    throw invalidArgument(
      'gossip.tls is true, but over tcp each packet is a connection of its own; leave it out, or take transport udp',
    );
  }
  if (delegateVersions !== undefined) checkVersions(delegateVersions);
  return {
    port: checkPort('gossip.port', port),
    transport,
    tls,
    swim: swimConfig(profile, { deadReclaimMs, ...(transport === 'tcp' ? overTcp : {}) }),
    keys: keysOf(secrets),
    delegateVersions,
  };
}

/** The raw keys of base64 texts. Throws INVALID_ARGUMENT, which doesn't show the text. */
export function keysOf(secrets: readonly string[]): readonly Uint8Array[] {
  if (!Array.isArray(secrets)) throw invalidArgument('gossip.secrets is no list; give a list of texts, also of one');
  if (secrets.length > keysMax) {
    throw invalidArgument(
      `gossip.secrets has ${secrets.length} entries, must have at most ${keysMax}: leave old ones out`,
    );
  }
  return secrets.map((secret: unknown, index) => {
    const key = typeof secret === 'string' ? Buffer.from(secret, 'base64') : Buffer.alloc(0);
    // What is no base64 is skipped in decoding, so only the way back tells a slip from a key.
    if ([16, 24, 32].includes(key.length) && key.toString('base64') === secret) return key;
    throw invalidArgument(
      `gossip.secrets[${index}] is not what it must be: base64 of 16, 24 or 32 bytes; make one with: openssl rand -base64 32`,
    );
  });
}

function checkVersions(versions: readonly [number, number, number]): void {
  const [min, max, current] = versions;
  const inRange = versions.length === 3 && versions.every((v) => Number.isInteger(v) && v >= 0 && v <= 255);
  if (inRange && min <= current && current <= max) return;
  throw invalidArgument(
    `gossip.delegateVersions is [${versions.join(', ')}], must be lowest, highest and current version, 0 to 255 each`,
  );
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
