import type { Address } from '../base/addresses.js';
import {
  type DiscoverySections,
  discoveryOf,
  gossipOf,
  isSectioned,
  type Provider,
  providerOf,
  wantsOthers,
} from './discovery.js';
import type { NodeConfig, TlsConfig } from './node-config.js';
import { notYetInFlag } from './not-yet.js';
import type { FlagProblem, Problem } from './problems.js';
import { defaults, logFormats, logLevels, providers, type Range, ranges } from './ranges.js';
import { clashMessage, portClashes } from './resolve.js';
import * as scalars from './scalars.js';
import { refusal, type Scalar } from './scalars.js';

/** Flags of `node start` as the command line gives them. Numbers may come as text; lists also as one text with commas. */
export interface NodeFlags {
  readonly name?: string | undefined;
  readonly 'bind-addr'?: string | undefined;
  readonly 'bind-port'?: number | string | undefined;
  readonly 'discovery-port'?: number | string | undefined;
  /** `host:port`, or `off`. */
  readonly 'admin-addr'?: string | undefined;
  readonly label?: string | undefined;
  readonly discovery?: string | undefined;
  readonly peers?: string | readonly string[] | undefined;
  readonly workers?: number | string | undefined;
  readonly 'log-level'?: string | undefined;
  readonly 'log-format'?: string | undefined;
  readonly insecure?: boolean | undefined;
  readonly 'tls-ca'?: string | undefined;
  readonly 'tls-cert'?: string | undefined;
  readonly 'tls-key'?: string | undefined;
  readonly 'tls-client-auth'?: string | undefined;
}

export type Flagged =
  | { readonly ok: true; readonly config: NodeConfig; readonly warnings: readonly FlagProblem[] }
  | { readonly ok: false; readonly problems: readonly FlagProblem[] };

/** The key of the file, or the row of not-yet, that a flag stands for. */
const stands: Partial<Record<keyof NodeFlags, string>> = {
  'admin-addr': 'admin',
  'discovery-port': 'gossip.port',
  discovery: 'discovery.provider',
  workers: '--workers',
};

const anyPort: Range = ranges.port;
const adminAddress: Scalar<Address | false> = {
  expected: 'host:port, such as 127.0.0.1:3321, or off',
  parse: (value) => {
    if (value === 'off') return false;
    return typeof value === 'string' ? scalars.parseAddress(value, anyPort) : undefined;
  },
  json: {},
};

/** What file and defaults came to, and the sections that flags may still choose from. */
export interface Resolved {
  readonly config: NodeConfig;
  readonly sections: DiscoverySections;
}

/** Flags beat the file, which beats the defaults. */
export function applyFlags({ config, sections }: Resolved, flags: NodeFlags): Flagged {
  const problems: FlagProblem[] = [];
  const warnings: FlagProblem[] = [];
  const problem = (flag: keyof NodeFlags, message: string): void => void problems.push({ flag: `--${flag}`, message });

  const take = <T>(flag: keyof NodeFlags, scalar: Scalar<T>): T | undefined => {
    const given = numeric.has(flag) ? numberOf(flags[flag]) : flags[flag];
    if (given === undefined) return undefined;
    const parsed = scalar.parse(given);
    if (parsed === undefined) {
      problem(flag, refusal(scalar, given));
      return undefined;
    }
    const unfinished = notYetInFlag(stands[flag] ?? '', parsed);
    if (unfinished?.is === 'refuse') {
      problem(flag, unfinished.message);
      return undefined;
    }
    if (unfinished?.is === 'warn') warnings.push({ flag: `--${flag}`, message: unfinished.message });
    return parsed;
  };

  const peers = listOf(flags.peers)?.flatMap((peer) => {
    const address = scalars.peerAddress.parse(peer);
    if (address === undefined) problem('peers', refusal(scalars.peerAddress, peer));
    return address ?? [];
  });
  // An unset variable of an entrypoint would otherwise make a node that stands alone, and says nothing of it.
  if (peers?.length === 0) problem('peers', 'is empty; give host:port of other nodes, or leave it out');
  const provider = take('discovery', scalars.oneOf(providers));
  const admin = take('admin-addr', adminAddress);
  const gossipPort = take('discovery-port', scalars.port());
  const merged = mergedSections(sections, { provider, gossipPort, peers });
  const chosen = providerOf(merged);
  if (peers?.length && chosen !== 'static') {
    problem('peers', `given, but --discovery is ${chosen}; use static, or leave one out`);
  }
  if (isSectioned(chosen) && merged.discovery?.[chosen] === undefined) {
    problem('discovery', `${chosen} needs its section in the config file; add discovery.${chosen} there`);
  }
  if (chosen === 'standalone' && wantsOthers(config.cluster.minimumPeers)) {
    problem('discovery', `is standalone, but cluster.minimumPeers is ${config.cluster.minimumPeers}; use static`);
  }
  if (gossipPort !== undefined && chosen === 'standalone') {
    warnings.push({ flag: '--discovery-port', message: 'has no effect, since the node is standalone' });
  }
  take('workers', scalars.integer({ min: 1, max: 1024 }));
  const path = scalars.text('a path');
  const given = {
    ca: take('tls-ca', path),
    cert: take('tls-cert', path),
    key: take('tls-key', path),
    clientAuth: take('tls-client-auth', scalars.oneOf(['none', 'request', 'require'])),
  };
  const tls = withTlsFlags(config.tls, given);
  if (tls === 'incomplete')
    problem(given.cert === undefined ? 'tls-cert' : 'tls-key', 'missing; TLS takes both --tls-cert and --tls-key');
  const bindAddr = take('bind-addr', scalars.host);
  const flagged: NodeConfig = {
    ...config,
    name: take('name', scalars.nodeName) ?? config.name,
    label: take('label', scalars.label) ?? config.label,
    bind: {
      // An address on the command line is not held to the file's interface.
      addr: bindAddr ?? config.bind.addr,
      interface: bindAddr === undefined ? config.bind.interface : undefined,
      port: take('bind-port', scalars.port()) ?? config.bind.port,
    },
    admin:
      admin === undefined
        ? config.admin
        : admin === false
          ? false
          : {
              ...(config.admin || { basePath: defaults.adminBasePath, tls: true, token: undefined }),
              addr: admin.host,
              port: admin.port,
              isPortFlexible: false,
            },
    gossip: gossipOf(merged),
    discovery: discoveryOf(merged),
    tls: tls === 'incomplete' ? config.tls : tls,
    insecure: flags.insecure ?? config.insecure,
    log: {
      level: take('log-level', scalars.oneOf(logLevels)) ?? config.log.level,
      format: take('log-format', scalars.oneOf(logFormats)) ?? config.log.format,
    },
  };
  if (flagged.admin === false && config.admin !== false && config.telemetry.metrics === 'prometheus') {
    problem('admin-addr', 'is off, but telemetry.metrics is prometheus, which is served at the admin endpoints');
  }
  const flagOf = { bind: 'bind-port', admin: 'admin-addr', gossip: 'discovery-port' } as const;
  for (const clash of portClashes(flagged)) {
    // Named is a flag that was given: the other port may be the file's or the default.
    const isLater = flags[flagOf[clash.of]] !== undefined;
    const [named, other] = isLater ? [clash.of, clash.with] : [clash.with, clash.of];
    problem(flagOf[named], clashMessage(other, clash.port));
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config: flagged, warnings };
}

/** Of the file's warnings those that still hold: what it says of meeting others is doubted no more where flags decide that. */
export function stillHolding(warnings: readonly Problem[], flags: NodeFlags): readonly Problem[] {
  const decide = [flags.peers, flags.discovery, flags['discovery-port']].some((flag) => flag !== undefined);
  return decide ? warnings.filter(({ path }) => !/^(gossip|discovery|cluster\.minimumPeers)\b/.test(path)) : warnings;
}

const numeric: ReadonlySet<keyof NodeFlags> = new Set(['bind-port', 'discovery-port', 'workers']);

/** What is no number stays as it is, to be refused by name. */
const numberOf = (value: unknown): unknown =>
  typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;

const listOf = (value: string | readonly string[] | undefined): readonly string[] | undefined =>
  value === undefined
    ? undefined
    : [value].flat().flatMap((part) =>
        part
          .split(',')
          .map((peer) => peer.trim())
          .filter((peer) => peer !== ''),
      );

/** The file's sections as the flags change them. Peers alone make it static; another provider drops the file's peers. */
function mergedSections(
  { gossip, discovery, cluster }: DiscoverySections,
  flags: {
    readonly provider: Provider | undefined;
    readonly gossipPort: number | undefined;
    readonly peers: readonly string[] | undefined;
  },
): DiscoverySections {
  const provider = flags.provider ?? (flags.peers?.length ? 'static' : discovery?.provider);
  const keepsPeers = provider === undefined || provider === 'static';
  const peers = flags.peers ?? (keepsPeers ? discovery?.peers : undefined);
  return {
    gossip: flags.gossipPort === undefined ? gossip : { ...gossip, port: flags.gossipPort },
    discovery: { ...discovery, provider, peers: peers && [...peers] },
    cluster,
  };
}

/** The file's section as the flags change it. */
function withTlsFlags(
  tls: TlsConfig | undefined,
  flags: { readonly [Field in 'ca' | 'cert' | 'key' | 'clientAuth']: TlsConfig[Field] | undefined },
): TlsConfig | undefined | 'incomplete' {
  const { ca = tls?.ca, cert = tls?.cert, key = tls?.key, clientAuth = tls?.clientAuth ?? defaults.clientAuth } = flags;
  if (Object.values(flags).every((flag) => flag === undefined)) return tls;
  if (cert === undefined || key === undefined) return 'incomplete';
  return { ca, cert, key, clientAuth, nodeName: tls?.nodeName ?? defaults.nodeName };
}
