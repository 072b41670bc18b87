/*
 * Whether clients that mean no good disturb one that means well. A node in a process of its own, on mutual TLS; one client
 * in this process whose calls are timed; and in a third process what floods: 10,000 half-open connections, 1,000 clients
 * that ask for much and read none of it. In turns: undisturbed, half-open, slow readers, both, undisturbed.
 * `npx tsx bench/flood.ts [seconds a measurement]`
 *
 * It needs some 11,000 open files: where `ulimit -Hn` is lower, raise it (`ulimit -Hn 20000` as root).
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestAuthority } from '../test/support/issued.js';
import type { FloodOrder, FloodReport } from './flood-clients.js';
import { printMachine, printTable, report, sameBytes, sampleValue, type Timing, underLoad, whole } from './harness.js';
import { startNode } from './node-process.js';

const { connect } = (await import('../dist/src/client/client.js')) as typeof import('../src/client/client.js');

const keyspace = 'bench';
const forMs = 1000 * Number(process.argv[2] ?? 8);
const callers = 8;
const keys = Array.from({ length: 500 }, (_, index) => `key-${index}`);
/** More than the window that a client leaves open, and together less than what makes the node cut the slowest off. */
const large = Array.from({ length: 2 }, (_, index) => `large-${index}`);
const largeBytes = 96 * 1024;
const halfOpenCount = 10_000;
const readerCount = 1_000;
/** How long what was opened may take to be there, and then has to come to rest: handshakes end, windows fill. */
const gatherMs = 60_000;
const settleMs = 4_000;

const files = Number(/Max open files +\d+ +(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
if (files < halfOpenCount + readerCount + 200) {
  throw new Error(
    `this bench opens ${whole(halfOpenCount + readerCount)} sockets and may have ${files} files open; ulimit -Hn`,
  );
}

const folder = await mkdtemp(join(tmpdir(), 'distcache-flood-'));
const authority = await TestAuthority.create();
const [issued, app] = [await authority.node(), await authority.client()];
const pem = { ca: authority.ca.cert, cert: issued.cert, key: issued.key };
const path = (name: string): string => join(folder, `${name}.pem`);
for (const [name, text] of Object.entries(pem)) await writeFile(path(name), text);
const node = await startNode('bench', keyspace, {
  tls: { ca: path('ca'), cert: path('cert'), key: path('key') },
  auth: { certificates: [{ name: 'app', allow: ['read', 'write'] }] },
});
const tls = { ca: authority.ca.cert, cert: app.cert, key: app.key };
const client = connect({ addresses: [node.address], tls, timeoutMs: 30_000 });
for (const key of keys) await client.put(keyspace, { key, value: sampleValue(key) });
for (const key of large) await client.put(keyspace, { key, value: sampleValue(key, largeBytes) });

const flood = fork(fileURLToPath(new URL('flood-clients.ts', import.meta.url)));
/** What was told last. */
const told: { seen?: FloodReport } = {};
flood.on('message', (report) => {
  told.seen = report as FloodReport;
});
const order = (wanted: Partial<FloodOrder>): void => {
  const whom = { address: node.address, tls, keyspace, keys: large };
  flood.send({ ...whom, halfOpen: 0, readers: 0, ...wanted } satisfies FloodOrder);
};

/** Every answer is checked; one that fails ends the bench. */
const measure = (): Promise<Timing> =>
  underLoad(
    async (i) => {
      const key = keys[i % keys.length]!;
      const { value } = await client.get(keyspace, key);
      if (!sameBytes(value, sampleValue(key))) throw new Error(`${key} has another value`);
    },
    callers,
    forMs,
  );

async function gathered(is: (report: FloodReport) => boolean): Promise<void> {
  const endMs = performance.now() + gatherMs;
  while (told.seen === undefined || !is(told.seen)) {
    if (performance.now() > endMs) throw new Error(`the flood did not gather: ${JSON.stringify(told.seen)}`);
    await once(flood, 'message');
  }
}

async function under(wanted: Partial<FloodOrder>): Promise<{ timing: Timing; seen: FloodReport }> {
  delete told.seen;
  order(wanted);
  await gathered(
    ({ halfOpen, readers }) => halfOpen.opened >= (wanted.halfOpen ?? 0) && readers.opened >= (wanted.readers ?? 0),
  );
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const timing = await measure();
  const { halfOpen, readers } = told.seen!;
  order({});
  await gathered(({ halfOpen: a, readers: b }) => a.open + b.open === 0);
  return { timing, seen: { halfOpen, readers } };
}

await measure();
const before = await measure();
const rounds = {
  'half-open': await under({ halfOpen: halfOpenCount }),
  'slow readers': await under({ readers: readerCount }),
  both: await under({ halfOpen: halfOpenCount, readers: readerCount }),
};
const after = await measure();
flood.kill();
await once(flood, 'close');
await client.close();
await node.stop();
await rm(folder, { recursive: true });

printMachine(`Flood: ${callers} callers over mutual TLS, ${forMs / 1000} s each`);
const row = (name: string, { perSecond, p50, p99 }: Timing, seen?: FloodReport): readonly string[] => [
  name,
  whole(perSecond),
  p50.toFixed(2),
  p99.toFixed(2),
  seen === undefined ? '' : `${whole(seen.halfOpen.opened)} (${whole(seen.halfOpen.dropped)})`,
  seen === undefined ? '' : `${whole(seen.readers.opened)} (${whole(seen.readers.dropped)})`,
];
printTable(
  ['', 'gets/s', 'p50 ms', 'p99 ms', 'half-open (dropped)', 'readers (dropped)'],
  [
    row('undisturbed', before),
    ...Object.entries(rounds).map(([name, { timing, seen }]) => row(name, timing, seen)),
    row('undisturbed again', after),
  ],
);
const calm = (before.p99 + after.p99) / 2;
report(
  Object.entries(rounds).map(([name, { timing }]) => ({
    name: `p99 of a get, ${name} / undisturbed`,
    value: timing.p99 / calm,
    atMost: 3,
  })),
);
