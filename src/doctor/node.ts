import { dirname, join, resolve } from 'node:path';
import { joinAddress } from '../base/addresses.js';
import { messageOf } from '../base/errors.js';
import { isLoopback } from '../base/ip.js';
import type { NodeConfig, TlsConfig } from '../config/node-config.js';
import { readGossipSecrets, readTls, securityOf } from '../node/security-files.js';
import { fileMode } from '../platform/files.js';
import {
  advertisedAddress,
  availableMemoryBytes,
  bindAddress,
  nodeVersion,
  openFilesMax,
} from '../platform/machine.js';
import type { Clock } from '../ports/clock.js';
import { type CertificateUse, checkCertificate } from './certificates.js';
import { type Check, fail } from './check.js';
import { checkDiscovery } from './discovery.js';
import { checkAuthorityKey, checkSecretFile } from './file-modes.js';
import { checkMemory, checkNodeVersion, checkOpenFiles } from './machine.js';
import { checkPorts, type Running } from './ports.js';
import { checkProtection } from './protection.js';
import { checkGossipSecrets, checkSameTokens, checkToken } from './secrets.js';
import { checkSources } from './sources.js';

/** A node as a config describes it, and what is needed to look at it. */
export interface Described {
  readonly config: NodeConfig;
  /** Of the config. */
  readonly file: string;
  /** Where relative paths in it start. */
  readonly baseDir: string;
  /** Secrets stand in the file itself, so nobody else should read it. */
  readonly hasInline: boolean;
  /** Nodes that were seen to run. */
  readonly running: Running;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Everything about the node on this machine. Never rejects. */
export async function examineNode(node: Described): Promise<readonly Check[]> {
  const { config } = node;
  const where = placeOf(config);
  return [
    ...checkProtection(config),
    ...(await certificateChecks(node, where.is === 'known' ? where.advertised : '127.0.0.1')),
    ...(await tokenChecks(node)),
    ...(await gossipSecretChecks(node)),
    ...(await fileChecks(node)),
    ...(await checkSources(node)),
    checkNodeVersion(nodeVersion()),
    checkOpenFiles(openFilesMax(), config),
    checkMemory(availableMemoryBytes(), config),
    ...(where.is === 'known' ? await networkChecks(node, where) : []),
  ];
}

/** Where the node listens, and how others reach it. */
export type Place =
  | { readonly is: 'known'; readonly addr: string; readonly advertised: string }
  /** The machine has no such interface or address. */
  | { readonly is: 'unknown' };

export function placeOf({ bind }: Pick<NodeConfig, 'bind'>): Place {
  try {
    const addr = bindAddress(bind);
    return { is: 'known', addr, advertised: advertisedAddress(addr) };
  } catch {
    return { is: 'unknown' };
  }
}

async function networkChecks(
  node: Described,
  { addr, advertised }: Extract<Place, { is: 'known' }>,
): Promise<readonly Check[]> {
  const { config, running } = node;
  const gossip = joinAddress(advertised, config.gossip === false ? 0 : config.gossip.port);
  return [...(await checkPorts(config, addr, running)), ...(await checkDiscovery(config, { ...node, gossip }))];
}

async function certificateChecks(node: Described, host: string): Promise<readonly Check[]> {
  const { tls, bind, admin, gossip } = node.config;
  const own = tls && {
    setting: 'tls',
    host,
    port: bind.port,
    nodeName: gossip === false ? undefined : tls.nodeName,
    clientAuth: tls.clientAuth,
  };
  const ofAdmin = admin !== false && typeof admin.tls === 'object' ? admin.tls : undefined;
  const found = tls && own ? await certificateOf(node, tls, own) : [];
  if (admin === false || ofAdmin === undefined) return found;
  const { clientAuth } = ofAdmin;
  const at = { host: advertisedAddress(admin.addr), port: admin.port };
  const use = { setting: 'admin.tls', ...at, nodeName: undefined, clientAuth };
  return [...found, ...(await certificateOf(node, ofAdmin, use))];
}

async function certificateOf(
  { baseDir, clock }: Described,
  files: TlsConfig,
  use: Omit<CertificateUse, 'wallMs'>,
): Promise<readonly Check[]> {
  try {
    return checkCertificate(await readTls(files, baseDir, use.setting), { ...use, wallMs: clock.wallMs() });
  } catch (error) {
    return [fail(use.setting, messageOf(error), 'mend the path, or make certificates: distcache cert create')];
  }
}

async function tokenChecks({ config, baseDir }: Described): Promise<readonly Check[]> {
  const { auth, admin } = config;
  const ofAdmin =
    admin === false || admin.token === undefined ? [] : [{ name: 'the admin endpoints', token: admin.token }];
  const found = ofAdmin.map((token) => checkToken({ setting: 'admin.token', ...token }));
  try {
    const { tokens = [] } = (await securityOf({ tls: undefined, auth, gossip: false }, baseDir)).auth;
    return [
      ...tokens.map(({ name, token }, index) => checkToken({ setting: `auth.tokens[${index}]`, name, token })),
      ...checkSameTokens(tokens),
      ...found,
    ];
  } catch (error) {
    return [fail('auth.tokens', messageOf(error), 'write the token into that file, or change tokenFile'), ...found];
  }
}

async function gossipSecretChecks({ config: { gossip }, baseDir }: Described): Promise<readonly Check[]> {
  try {
    return checkGossipSecrets(await readGossipSecrets(gossip, baseDir));
  } catch (error) {
    return [
      fail('gossip.secretsFile', messageOf(error), 'write secrets into that file, one a line, or change the path'),
    ];
  }
}

async function fileChecks({ config, file, baseDir, hasInline }: Described): Promise<readonly Check[]> {
  const named = secretFiles(config).map(({ setting, path }) => ({ setting, path: resolve(baseDir, path) }));
  const all = [...(hasInline ? [{ setting: 'config', path: resolve(file) }] : []), ...named];
  const checks = await Promise.all(all.map(async (one) => checkSecretFile({ ...one, mode: await fileMode(one.path) })));
  const found = checks.filter((check) => check !== undefined);
  const { tls, bind } = config;
  const authorityKey = tls && join(dirname(resolve(baseDir, tls.key)), 'ca-key.pem');
  if (authorityKey === undefined || (await fileMode(authorityKey)) === undefined) return found;
  return [...found, checkAuthorityKey(authorityKey, isLoopback(bind.addr ?? ''))];
}

/** Paths as written of all that nobody else should read. */
function secretFiles({
  tls,
  admin,
  auth,
  gossip,
  discovery,
}: NodeConfig): readonly { setting: string; path: string }[] {
  const given: readonly (readonly [string, string | undefined])[] = [
    ['tls.key', tls?.key],
    ['admin.tls.key', admin !== false && typeof admin.tls === 'object' ? admin.tls.key : undefined],
    ...auth.tokens.map(({ tokenFile }, index) => [`auth.tokens[${index}].tokenFile`, tokenFile] as const),
    ['gossip.secretsFile', gossip === false ? undefined : gossip.secretsFile],
    ...(discovery.provider === 'nats'
      ? ([
          ['discovery.nats.credentialsFile', discovery.credentialsFile],
          ['discovery.nats.tls.key', discovery.tls?.key],
        ] as const)
      : []),
    ...(discovery.provider === 'kubernetes'
      ? ([['discovery.kubernetes.tokenFile', discovery.tokenFile]] as const)
      : []),
  ];
  return given.flatMap(([setting, path]) => (path === undefined ? [] : [{ setting, path }]));
}
