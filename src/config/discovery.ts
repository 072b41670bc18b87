import type { DiscoveryConfig, GossipConfig } from './node-config.js';
import type { Path } from './problems.js';
import { defaults } from './ranges.js';
import type { FileConfig } from './schema.js';

export interface Relation {
  readonly path: Path;
  readonly message: string;
}

/** What of the file decides how nodes find each other; flags change it before it is resolved. */
export type DiscoverySections = Pick<FileConfig, 'gossip' | 'discovery' | 'cluster'>;

export type Provider = DiscoveryConfig['provider'];

const sectioned = ['dns', 'nats', 'kubernetes'] as const;

/** Has a section of its own in the file. */
export const isSectioned = (provider: Provider): provider is (typeof sectioned)[number] =>
  sectioned.some((name) => name === provider);

type Section<P extends (typeof sectioned)[number]> = NonNullable<NonNullable<FileConfig['discovery']>[P]>;

/** A port for gossip, or a wish for others, makes a seed of a node without peers: static, waiting to be met. */
export function providerOf({ gossip, discovery = {}, cluster }: DiscoverySections): Provider {
  const { provider, peers = [] } = discovery;
  const isSeed = gossip?.port !== undefined || wantsOthers(cluster?.minimumPeers);
  return provider ?? (peers.length > 0 || isSeed ? 'static' : 'standalone');
}

export const wantsOthers = (minimumPeers = 1): boolean => minimumPeers > 1;

/** Of a node that is told to be alone and to wait for others. */
export const standaloneButWaiting = (minimumPeers: number): string =>
  `is ${minimumPeers}, but the provider is standalone, which meets nobody; use static, or leave it out`;

/** Assumes that `discoveryFaults` found none. */
export function discoveryOf(sections: DiscoverySections): DiscoveryConfig {
  const { gossip, discovery = {} } = sections;
  const provider = providerOf(sections);
  switch (provider) {
    case 'standalone':
      return { provider };
    case 'dns': {
      const dns: Partial<Section<'dns'>> = discovery.dns ?? {};
      const { name = '', servers = [], port, family, interval, srv = false } = dns;
      return {
        provider,
        name,
        servers: [...new Set(servers)],
        // A port of 0 is another one on each node.
        port: port ?? (gossip?.port || defaults.gossipPort),
        family,
        intervalMs: interval ?? defaults.dnsIntervalMs,
        srv,
      };
    }
    case 'nats': {
      const access: Partial<Section<'nats'>> = discovery.nats ?? {};
      const { servers = [], subject = '', timeout, tls } = access;
      return {
        provider,
        servers,
        subject,
        timeoutMs: timeout ?? defaults.natsTimeoutMs,
        credentialsFile: access.credentialsFile,
        user: access.user,
        password: access.password,
        token: access.token,
        tls: tls && { ca: tls.ca, cert: tls.cert, key: tls.key },
      };
    }
    case 'kubernetes': {
      const access: Partial<Section<'kubernetes'>> = discovery.kubernetes ?? {};
      const { podLabels = {}, portName = defaults.podPortName } = access;
      return {
        provider,
        namespace: access.namespace,
        podLabels,
        portName,
        apiServer: access.apiServer,
        tokenFile: access.tokenFile,
        caFile: access.caFile,
      };
    }
    default:
      return { provider: 'static', peers: [...new Set(discovery.peers ?? [])] };
  }
}

export function gossipOf(sections: DiscoverySections): GossipConfig | false {
  if (providerOf(sections) === 'standalone') return false;
  const { port, profile, transport, secrets, secretsFile, tls, delegateVersions } = sections.gossip ?? {};
  const packets = transport ?? defaults.gossipTransport;
  return {
    port: port ?? defaults.gossipPort,
    profile: profile ?? defaults.profile,
    transport: packets,
    tls: tls ?? packets === 'udp',
    secrets: [...new Set(secrets ?? [])],
    secretsFile,
    delegateVersions,
  };
}

/** What contradicts itself though each value may stand alone. */
export function discoveryFaults(sections: DiscoverySections): readonly Relation[] {
  const { gossip, discovery = {} } = sections;
  const found: Relation[] = [];
  const fault = (path: Path, message: string): void => void found.push({ path, message });
  const provider = providerOf(sections);
  if (gossip?.secrets !== undefined && gossip.secretsFile !== undefined) {
    fault(['gossip', 'secretsFile'], 'given beside gossip.secrets; leave one of them out');
  }
  if (gossip?.tls === true && gossip.transport === 'tcp') {
    fault(
      ['gossip', 'tls'],
      'true, but over tcp each packet is a connection of its own; leave it out, or take transport udp',
    );
  }
  const [lowest = 0, highest = 0, current = 0] = gossip?.delegateVersions ?? [];
  if (lowest > current || current > highest) {
    fault(
      ['gossip', 'delegateVersions'],
      `must be lowest, highest and current, with the current between the others, found ${[lowest, highest, current].join(', ')}`,
    );
  }
  if ((discovery.peers?.length ?? 0) > 0 && provider !== 'static') {
    fault(['discovery', 'peers'], `given, but the provider is ${provider}; use static, or leave them out`);
  }
  const { minimumPeers = 1 } = sections.cluster ?? {};
  if (provider === 'standalone' && wantsOthers(minimumPeers)) {
    fault(['cluster', 'minimumPeers'], standaloneButWaiting(minimumPeers));
  }
  for (const name of sectioned) {
    if (provider === name && discovery[name] === undefined) {
      fault(['discovery', 'provider'], `is ${name}, but there is no section ${name}; add discovery.${name}`);
    } else if (discovery.provider === undefined && discovery[name] !== undefined) {
      fault(['discovery', name], `given, but no provider; write provider: ${name}, or leave it out`);
    }
  }
  return [...found, ...natsFaults(discovery.nats)];
}

function natsFaults(nats: Section<'nats'> | undefined): readonly Relation[] {
  if (nats === undefined) return [];
  const { user, password, tls } = nats;
  const at = (key: string): Path => ['discovery', 'nats', key];
  const found: Relation[] = [];
  if (nats.servers.length === 0) found.push({ path: at('servers'), message: 'is empty; name at least one server' });
  const ways = (['credentialsFile', 'user', 'token'] as const).filter((key) => nats[key] !== undefined);
  const [first, second] = ways;
  if (second !== undefined) {
    found.push({ path: at(second), message: `given beside ${first}; leave one of them out` });
  }
  if ((user === undefined) !== (password === undefined)) {
    const [given, other] = user === undefined ? ['password', 'user'] : ['user', 'password'];
    found.push({ path: at(given), message: `given without ${other}; give both, or neither` });
  }
  if (tls !== undefined && (tls.cert === undefined) !== (tls.key === undefined)) {
    const [given, other] = tls.cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    found.push({ path: [...at('tls'), given], message: `given without ${other}; give both, or neither` });
  }
  return found;
}

/** Sections that are right and do nothing here. */
export function discoveryDoubts(sections: DiscoverySections): readonly Relation[] {
  const { gossip, discovery = {} } = sections;
  const provider = providerOf(sections);
  const found: Relation[] = [];
  if (gossip !== undefined && provider === 'standalone') {
    const instead =
      discovery.provider === undefined
        ? 'give discovery.peers, another provider, or gossip.port to wait for others'
        : 'use another provider, or leave it out';
    found.push({ path: ['gossip'], message: `has no effect, since the node is standalone; ${instead}` });
  }
  for (const name of sectioned) {
    if (discovery[name] === undefined || name === provider) continue;
    found.push({ path: ['discovery', name], message: `has no effect, since the provider is ${provider}` });
  }
  if (provider === 'dns' && discovery.dns?.srv === true && discovery.dns.port !== undefined) {
    found.push({
      path: ['discovery', 'dns', 'port'],
      message: 'has no effect, since SRV records bring their own ports',
    });
  }
  return found;
}
