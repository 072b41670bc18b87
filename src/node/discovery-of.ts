import { resolve } from 'node:path';
import { unreachable } from '../base/assert.js';
import type { DiscoveryConfig, KubernetesDiscoveryConfig, NatsDiscoveryConfig } from '../config/node-config.js';
import { kubernetesDiscovery } from '../discovery/kubernetes/discovery.js';
import type { KubernetesAccess } from '../discovery/kubernetes/options.js';
import { dnsDiscovery } from '../discovery/names/dns.js';
import { staticDiscovery } from '../discovery/names/static.js';
import { natsDiscovery } from '../discovery/nats/discovery.js';
import type { NatsCredentials, NatsOptions } from '../discovery/nats/settings.js';
import { standalone } from '../discovery/standalone.js';
import { readSetting } from '../platform/files.js';
import { inClusterKubernetes } from '../platform/kubernetes.js';
import type { Discovery } from '../ports/discovery.js';

/** The provider that a config describes. Relative paths start at `baseDir`. Rejects with INVALID_ARGUMENT. */
export async function discoveryOf(config: DiscoveryConfig, baseDir: string): Promise<Discovery> {
  switch (config.provider) {
    case 'standalone':
      return standalone();
    case 'static':
      return staticDiscovery(config);
    case 'dns': {
      const { servers, intervalMs, srv, port, ...rest } = config;
      const given = { ...(servers.length === 0 ? {} : { servers }), ...(srv ? {} : { port }) };
      return dnsDiscovery({ ...rest, ...given, srv, interval: intervalMs });
    }
    case 'nats':
      return natsDiscovery(await natsOptions(config, baseDir));
    case 'kubernetes':
      return kubernetesDiscovery({ ...config, api: accessOf(config, baseDir) });
    default:
      return unreachable(config);
  }
}

async function natsOptions(config: NatsDiscoveryConfig, baseDir: string): Promise<NatsOptions> {
  const { servers, subject, timeoutMs, tls } = config;
  const read = async (setting: string, path: string | undefined): Promise<string | undefined> =>
    path === undefined ? undefined : readSetting(`discovery.nats.${setting}`, resolve(baseDir, path));
  return {
    servers,
    subject,
    timeout: timeoutMs,
    credentials: await credentialsOf(config, read),
    tls: tls && {
      ca: await read('tls.ca', tls.ca),
      cert: await read('tls.cert', tls.cert),
      key: await read('tls.key', tls.key),
    },
  };
}

async function credentialsOf(
  { credentialsFile, user, password, token }: NatsDiscoveryConfig,
  read: (setting: string, path: string | undefined) => Promise<string | undefined>,
): Promise<NatsCredentials | undefined> {
  const credentials = await read('credentialsFile', credentialsFile);
  if (credentials !== undefined) return { credentials };
  if (token !== undefined) return { token };
  return user === undefined ? undefined : { user, password: password ?? '' };
}

/** What the config says, and for the rest what a pod finds in itself. */
function accessOf(
  { apiServer, tokenFile, caFile }: KubernetesDiscoveryConfig,
  baseDir: string,
): KubernetesAccess | undefined {
  const pod = inClusterKubernetes();
  const server = apiServer ?? pod?.server;
  const token = tokenFile === undefined ? pod?.tokenFile : resolve(baseDir, tokenFile);
  const ca = caFile === undefined ? pod?.caFile : resolve(baseDir, caFile);
  if (server === undefined || token === undefined || ca === undefined) return undefined;
  return { server, tokenFile: token, caFile: ca, namespaceFile: pod?.namespaceFile };
}
