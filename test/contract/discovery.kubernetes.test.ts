import { joinAddress, splitAddress } from '../../src/base/addresses.js';
import { kubernetesDiscovery } from '../../src/discovery/kubernetes/discovery.js';
import { systemClock } from '../../src/platform/clock.js';
import type { Clock } from '../../src/ports/clock.js';
import type { DiscoveryContext } from '../../src/ports/discovery.js';
import { KubernetesApi } from '../support/kubernetes-api.js';
import { seeded } from '../support/seeded.js';
import { needs } from '../support/servers.js';
import { pause, until, within } from '../support/until.js';
import { discoveryContract } from './discovery.contract.js';

/** The machine's time, and how many of its timers are set. */
function countingClock(): { readonly clock: Clock; readonly set: Set<object> } {
  const set = new Set<object>();
  const clock: Clock = {
    ...systemClock,
    after(delayMs, run) {
      const timer = {};
      set.add(timer);
      const cancel = systemClock.after(delayMs, () => {
        set.delete(timer);
        run();
      });
      return () => {
        set.delete(timer);
        cancel();
      };
    },
  };
  return { clock, set };
}

describe('contract: discovery by Kubernetes', () => {
  before(function () {
    needs(this, 'openssl', 'openssl');
  });

  discoveryContract('kubernetes', async () => {
    const api = await KubernetesApi.open();
    const { clock, set } = countingClock();
    const known = new Set<string>();
    let failures = 0;
    const context: DiscoveryContext = {
      clock,
      random: seeded('contract'),
      log: {
        write: (level, message) => {
          if (level === 'warn' && message.endsWith('trying again')) failures++;
        },
      },
      self: { name: 'self', gossip: '10.9.9.9:3322' },
    };
    const discovery = kubernetesDiscovery({ podLabels: { app: 'cache' }, portName: 'gossip', api: api.access });
    let isUp = true;
    let isStarted = false;
    /** A watch that is cut is the only way to notice; what was not noticed would make a race of the test. */
    const breakdown = async (how: () => Promise<void> | void): Promise<void> => {
      const isWatched = isUp && isStarted;
      if (isWatched) await until('it watches', () => api.watches > 0);
      const before = failures;
      await how();
      isUp = false;
      if (isWatched) await until('it notices', () => failures > before);
    };
    return {
      discovery: {
        provider: discovery.provider,
        findAgainMs: discovery.findAgainMs,
        async start(given, wait) {
          await discovery.start(given, wait);
          isStarted = true;
        },
        find: (wait) => discovery.find(wait),
        watch: (listener) => discovery.watch!(listener),
        async stop(wait) {
          isStarted = false;
          await discovery.stop(wait);
        },
      },
      context,
      named: new RegExp(`Kubernetes API at ${api.host}`),
      address: (i) => joinAddress(`10.0.${i >> 8}.${i & 255}`, 3322),
      know: async (addresses) => {
        for (const address of known) {
          if (addresses.includes(address)) continue;
          api.remove(`pod-${address}`);
          known.delete(address);
        }
        for (const address of addresses) {
          if (known.has(address)) continue;
          const { host, port } = splitAddress(address);
          api.put({ name: `pod-${address}`, ip: host, ports: { gossip: port } });
          known.add(address);
        }
      },
      down: () => breakdown(() => api.down()),
      up: async () => {
        await api.up();
        isUp = true;
      },
      silence: () => breakdown(() => api.silence()),
      manyKnown: true,
      pass: pause,
      until: (promise) => within(60_000, 'what the contract waits for', promise),
      open: () => set.size,
      close: async () => {
        await until('the client has hung up', () => api.connections === 0);
        await api.close();
      },
    };
  });
});
