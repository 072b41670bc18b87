import { joinAddress } from '../base/addresses.js';
import { codeOf } from '../base/errors.js';
import type { ClientTls } from '../client/links.js';
import type { Environment } from '../config/environment.js';
import type { NodeConfig } from '../config/node-config.js';
import { readTls, securityOf } from '../node/security-files.js';
import type { PeerStatus } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import { type Check, skip } from './check.js';
import { checkCluster } from './cluster.js';
import { type ClusterView, type Credentials, viewCluster } from './cluster-view.js';
import { lookAtFile } from './config-file.js';
import { examineNode, placeOf } from './node.js';
import { checkOutside } from './outside.js';
import type { Running } from './ports.js';

export interface Examination {
  /** undefined: the cluster alone is looked at. */
  readonly config: { readonly file: string; readonly text: string; readonly baseDir: string } | undefined;
  /** What the caller gives; what is left out is taken from the config. */
  readonly given: Omit<Credentials, 'addresses'> & { readonly addresses: readonly string[] | undefined };
  /** Where nodes are looked for when neither caller nor config say. */
  readonly defaultAddress: string;
  readonly env: Environment;
  readonly totalMemoryBytes: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Looks at the config, at this machine as the node's place, and at the cluster that runs, and says what is amiss. Changes
 * nothing anywhere, and announces nothing to anybody. Never rejects.
 */
export async function examine(examination: Examination): Promise<readonly Check[]> {
  const { config, env, totalMemoryBytes, clock, signal, given } = examination;
  const file = config && lookAtFile(config.text, { file: config.file, env, totalMemoryBytes });
  const credentials = await credentialsOf(examination, file?.config);
  const view = credentials && (await viewCluster({ credentials, clock, signal }));
  const ofNode =
    config === undefined || file?.config === undefined
      ? []
      : await examineNode({
          config: file.config,
          file: config.file,
          baseDir: config.baseDir,
          hasInline: file.inline.length > 0,
          running: runningOf(view),
          clock,
          timeoutMs: given.timeoutMs,
          signal,
        });
  const mayBeAbsent = config !== undefined && given.addresses === undefined;
  return [
    ...(file?.checks ?? []),
    ...ofNode,
    ...(view === undefined
      ? [skip('cluster', 'the config does not say where; name a node with --addr')]
      : checkCluster(view, mayBeAbsent)),
    ...(view?.is === 'seen'
      ? checkOutside(view.nodes, { wallMs: clock.wallMs(), expectsTls: credentials?.tls !== undefined })
      : []),
  ];
}

/** undefined: nobody says where. */
async function credentialsOf(
  { config: source, given, defaultAddress }: Examination,
  config: NodeConfig | undefined,
): Promise<Credentials | undefined> {
  const addresses = given.addresses ?? (source === undefined ? [defaultAddress] : addressesOf(config));
  if (addresses === undefined) return undefined;
  if (source === undefined || config === undefined) return { ...given, addresses };
  const tls = given.tls ?? (await tlsOf(config, source.baseDir));
  return { ...given, addresses, tls, token: given.token ?? (await tokenOf(config, source.baseDir)) };
}

function addressesOf(config: NodeConfig | undefined): readonly string[] | undefined {
  if (config === undefined || config.bind.port === 0) return undefined;
  const place = placeOf(config);
  return place.is === 'known' ? [joinAddress(place.advertised, config.bind.port)] : undefined;
}

/** As the node itself, with its own certificate. Files that cannot be read are told of elsewhere. */
async function tlsOf({ tls }: NodeConfig, baseDir: string): Promise<ClientTls | undefined> {
  try {
    return tls && (await readTls(tls, baseDir));
  } catch {
    return {};
  }
}

/** One that may look at everything, where there is one. */
async function tokenOf({ auth }: NodeConfig, baseDir: string): Promise<string | undefined> {
  try {
    const { tokens = [] } = (await securityOf({ tls: undefined, auth, gossip: false }, baseDir)).auth;
    return tokens.find(({ allow, keyspaces }) => allow.includes('read') && keyspaces === undefined)?.token;
  } catch {
    return undefined;
  }
}

function runningOf(view: ClusterView | undefined): Running {
  if (view?.is === 'unseen' && codeOf(view.error) === 'UNAUTHORIZED') return undefined;
  if (view?.is !== 'seen') return new Map();
  const here = (peer: PeerStatus): readonly string[] => [
    joinAddress(peer.bindAddr, peer.bindPort),
    peer.gossip,
    peer.admin,
  ];
  const alive = view.peers.filter(({ state }) => state === 'alive' || state === 'suspect' || state === 'draining');
  return new Map(alive.flatMap((peer) => here(peer).map((address) => [address, peer.name] as const)));
}
