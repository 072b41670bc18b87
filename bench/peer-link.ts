/*
 * How many small gets a second one link carries, and how long one takes alone: two processes over loopback.
 * `node --import tsx bench/peer-link.ts [seconds]`
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { systemClock } from '../src/platform/clock.js';
import { systemRandom } from '../src/platform/random.js';
import { silent } from '../src/ports/log.js';
import type { NodeInfo } from '../src/ports/membership.js';
import type { PeerReply } from '../src/ports/peers.js';
import { createGrpcDialer } from '../src/transport/grpc-dialer.js';
import { peerDefinition } from '../src/transport/grpc-services.js';
import { ServerFrameStream } from '../src/transport/grpc-stream.js';
import { createPeerLinks, type PeerLinks } from '../src/transport/peer-links.js';

const limits = { maxInflight: 100_000, maxInflightBytes: 256 * 1024 * 1024, maxFrameBytes: 17 * 1024 * 1024 };
const value = new Uint8Array(100).fill(1);

function links(id: string, address: string): PeerLinks {
  let clock = 1;
  const self: NodeInfo = { id, name: id, address, admin: '', gossip: '', version: '0', weight: 1, incarnation: 1 };
  return createPeerLinks({
    clock: systemClock,
    random: systemRandom,
    log: silent,
    stamp: { now: () => ++clock, merge: () => true, ageMs: () => 0 },
    self: () => self,
    label: 'bench',
    dialer: createGrpcDialer({ maxFrameBytes: limits.maxFrameBytes }),
    limits,
  });
}

async function serve(): Promise<void> {
  const server = new Server({ 'grpc.max_receive_message_length': limits.maxFrameBytes });
  const network = links('b', 'unknown');
  const store = new Map<string, Uint8Array>();
  for (let i = 0; i < 10_000; i++) store.set(`user:${i}`, value);
  network.serve((_from, request): PeerReply => {
    const found = request.do === 'get' ? store.get(request.key) : undefined;
    if (found === undefined)
      return { is: 'absent', version: 1, lifeMs: 1, outcome: 'negative', floor: 0, generation: 0 };
    return {
      is: 'value',
      value: found,
      version: 7e15,
      lifeMs: 60_000,
      outcome: 'hit',
      wasPut: false,
      sourceVersion: undefined,
      floor: 0,
      generation: 0,
    };
  });
  server.addService(peerDefinition as ServiceDefinition, {
    link: (call: ConstructorParameters<typeof ServerFrameStream>[0]) => network.accept(new ServerFrameStream(call)),
  });
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) => process.send?.(port));
  process.on('disconnect', () => process.exit());
}

async function measure(seconds: number): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['serve']);
  const [port] = (await once(child, 'message')) as [number];
  const network = links('a', 'unknown');
  network.dial(`127.0.0.1:${port}`);
  await new Promise<void>((resolve) => network.onLink(() => resolve()));

  const get = async (i: number): Promise<void> => {
    const reply = await network.call(
      'b',
      { do: 'get', keyspace: 'users', key: `user:${i % 10_000}`, loading: [], minVersion: 0, standIn: false },
      { deadlineMs: performance.now() + 5_000 },
    );
    if (reply.is !== 'value' || reply.value.byteLength !== value.byteLength) throw new Error('wrong answer');
  };

  async function run(callers: number, forMs: number): Promise<{ count: number; tookMs: number; times: number[] }> {
    const startMs = performance.now();
    const times: number[] = [];
    let count = 0;
    const caller = async (): Promise<void> => {
      for (let nowMs = performance.now(); nowMs - startMs < forMs; ) {
        await get(count++);
        const afterMs = performance.now();
        if (times.length < 200_000) times.push(afterMs - nowMs);
        nowMs = afterMs;
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return { count, tookMs: performance.now() - startMs, times: times.sort((a, b) => a - b) };
  }

  console.log(`node ${process.version}, value ${value.byteLength} B`);
  await run(1_000, 1_000);
  for (const callers of [1, 8, 64, 1_000, 10_000]) {
    const before = network.counters();
    const { count, tookMs, times } = await run(callers, seconds * 1_000);
    const after = network.counters();
    const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
    const perFrame = ((after.operationsOut - before.operationsOut) / (after.framesOut - before.framesOut)).toFixed(1);
    console.log(
      `${String(callers).padStart(6)} callers: ${Math.round((count * 1_000) / tookMs).toLocaleString('en')} gets/s, ` +
        `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${perFrame} gets a frame`,
    );
  }
  await network.close();
  child.disconnect();
}

if (process.argv[2] === 'serve') await serve();
else await measure(Number(process.argv[2] ?? 3));
