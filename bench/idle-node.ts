/*
 * A node of `idle.ts` in a process of its own: NAME GOSSIP_ADDRESS_OF_THE_FIRST KEYS. It answers each message with the
 * processor time that it has taken so far, in microseconds. On `read` it reads all keys, on `bare` it goes on without
 * leases, renewals and sampling.
 */
import { once } from 'node:events';
import { library, root, sampleValue } from './harness.js';

interface Part {
  start(): void;
  stop(): void;
}

/** The instances of a class that this process has started. */
async function started(path: string, name: string): Promise<readonly Part[]> {
  const { prototype } = ((await import(`${root}dist/src/${path}`)) as Record<string, { prototype: Part }>)[name]!;
  const found: Part[] = [];
  const { start } = prototype;
  prototype.start = function (this: Part) {
    if (!found.includes(this)) found.push(this);
    start.call(this);
  };
  return found;
}

const parts = [
  await started('engine/lease-keeper.js', 'LeaseKeeper'),
  await started('engine/sampler.js', 'Sampler'),
] as const;
const { Engine, staticDiscovery } = await library();
const [name, first, keys] = process.argv.slice(2) as [string, string, string];
const engine = new Engine({
  name,
  bind: { port: 0 },
  gossip: { port: 0 },
  ...(first !== '' && { discovery: staticDiscovery({ peers: [first] }) }),
  cluster: { minimumPeers: first === '' ? 1 : 2 },
  keyspaces: [{ name: 'bench', maxBytes: '64MiB', dataSource: { fetch: (key) => sampleValue(key) } }],
});
await engine.start();
process.send!(engine.status().gossip);

for (let asked = ''; asked !== 'stop'; ) {
  [asked] = (await once(process, 'message')) as [string];
  if (asked === 'read') {
    // Twice: what others own is kept when it is read again.
    for (let i = 0; i < 2 * Number(keys); i++) await engine.get('bench', `user:${i % Number(keys)}`);
  } else if (asked === 'bare') {
    for (const part of parts.flat()) part.stop();
  }
  const { user, system } = process.cpuUsage();
  process.send!({ us: user + system, stats: engine.stats().bench });
}
await engine.stop();
process.disconnect();
