import { splitAddress } from '../base/addresses.js';
import { messageOf } from '../base/errors.js';
import type { DiscoveryConfig, NodeConfig } from '../config/node-config.js';
import { discoveryOf } from '../node/discovery-of.js';
import { systemRandom } from '../platform/random.js';
import type { Discovery } from '../ports/discovery.js';
import { silent } from '../ports/log.js';
import { type ProbeWait, probeReach } from '../transport/probe.js';
import { type Check, fail, ok, warn } from './check.js';

const check = 'discovery';
/** Of those found, so many are dialled, some at a time. */
const dialledMax = 64;
const atOnce = 16;
const natsPort = 4222;

export interface Seeking extends ProbeWait {
  readonly baseDir: string;
  /** `ip:port` of this node's own gossip. */
  readonly gossip: string;
  readonly signal: AbortSignal;
}

/** Whether the provider answers, and whether anybody is where it points to. Announces nothing to anybody. */
export async function checkDiscovery(config: NodeConfig, seeking: Seeking): Promise<readonly Check[]> {
  const { discovery } = config;
  if (discovery.provider === 'standalone') return [ok(check, 'standalone: this node looks for nobody')];
  try {
    const provider = await discoveryOf(discovery, seeking.baseDir);
    // Whoever starts this provider says to all others that it is there.
    if (discovery.provider === 'nats') return await natsChecks(discovery.servers, seeking);
    const found = await foundBy(provider, seeking);
    return [await reachOf(found, discovery.provider, config, seeking)];
  } catch (error) {
    return [fail(check, messageOf(error), mendOf(discovery))];
  }
}

const mendOf = ({ provider }: DiscoveryConfig): string =>
  provider === 'kubernetes'
    ? 'run it in a pod whose service account may get, list and watch pods (deploy/kubernetes/rbac.yaml)'
    : `mend discovery.${provider === 'static' ? 'peers' : provider}, or what it asks`;

async function foundBy(provider: Discovery, seeking: Seeking): Promise<readonly string[]> {
  const { clock, timeoutMs, signal, gossip } = seeking;
  const wait = { deadlineMs: clock.nowMs() + timeoutMs, signal };
  const self = { name: 'distcache doctor', gossip };
  try {
    await provider.start({ clock, random: systemRandom, log: silent, self }, wait);
    return await provider.find(wait);
  } finally {
    await provider.stop({ deadlineMs: clock.nowMs() + 1000 });
  }
}

async function reachOf(
  found: readonly string[],
  provider: string,
  { cluster }: NodeConfig,
  seeking: Seeking,
): Promise<Check> {
  const others = found.filter((address) => address !== seeking.gossip).slice(0, dialledMax);
  const isSeed = others.length === 0;
  if (isSeed) return ok(check, `${provider}: nobody else is known, so this node waits to be found`);
  const silentOnes = await unreached(others, seeking);
  const reached = others.length - silentOnes.length;
  const text = `${provider}: ${reached} of ${others.length} others answer where their gossip is to be`;
  if (silentOnes.length === 0) return ok(check, text);
  const names = silentOnes.map(({ address, why }) => `${address} (${why})`).slice(0, 5);
  const story = `${text}; not ${names.join(', ')}${silentOnes.length > 5 ? ', …' : ''}`;
  const mend = 'start them, or let TCP and UDP through to that port; it is the port of gossip (3322), not of gRPC';
  return reached + 1 < cluster.minimumPeers ? fail(check, story, mend) : warn(check, story, mend);
}

async function natsChecks(servers: readonly string[], seeking: Seeking): Promise<readonly Check[]> {
  const addresses = servers.map((server) => {
    const url = URL.parse(server.includes('://') ? server : `nats://${server}`);
    return `${url?.hostname ?? server}:${url?.port || natsPort}`;
  });
  const silentOnes = await unreached(addresses, seeking);
  if (silentOnes.length === 0) return [ok(check, `nats: ${addresses.join(', ')} can be reached`)];
  const found = `nats: no connection to ${silentOnes.map(({ address, why }) => `${address} (${why})`).join(', ')}`;
  const mend = 'start the NATS server, or mend discovery.nats.servers';
  return [(silentOnes.length === addresses.length ? fail : warn)(check, found, mend)];
}

interface Unreached {
  readonly address: string;
  readonly why: string;
}

async function unreached(addresses: readonly string[], wait: ProbeWait): Promise<readonly Unreached[]> {
  const waiting = [...addresses];
  const found: Unreached[] = [];
  const work = async (): Promise<void> => {
    for (let address = waiting.shift(); address !== undefined; address = waiting.shift()) {
      const { host, port } = splitAddress(address);
      try {
        await probeReach(host, port, wait);
      } catch (error) {
        found.push({ address, why: messageOf(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return found.sort((a, b) => (a.address < b.address ? -1 : 1));
}
