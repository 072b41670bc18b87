import { codeOf } from '../../../src/base/errors.js';
import type { SweepResult } from '../../../src/ports/cache.js';
import { type ReadOutcome, textFor, type WriteOutcome } from '../../support/history/records.js';
import type { Seeded } from '../../support/seeded.js';
import { isLagging } from './keys.js';
import { ks, type SimNode, tagsOf, type World } from './world.js';

export const callTimeoutMs = 5000;

export interface Crowd {
  readonly keys: readonly string[];
  readonly writersPerKey: number;
  readonly readers: number;
  readonly asksOwner: boolean;
  /** One client clears the keyspace now and then, and changes its settings. */
  readonly operates: boolean;
  /** More keys, which are put into the cache only: their data source hears of deletes, and never of a put. */
  readonly lagging: readonly string[];
  /** Of that kind too, put before all else, and then at rest: what nodes hold and hand over. */
  readonly ballast: readonly string[];
}

/** A sweep that some nodes did not confirm counts as failed. */
async function reached(sweeping: Promise<SweepResult>): Promise<void> {
  const { unreached } = await sweeping;
  if (unreached.length > 0) throw new Error(`unreached: ${unreached.join()}`);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** What is said before anything was done, and perhaps after an attempt that may have been. */
const refusals: ReadonlySet<string> = new Set(['OVERLOADED', 'NOT_STARTED', 'CLUSTER_QUORUM', 'VALUE_TOO_LARGE']);
const failed = (error: unknown): string => codeOf(error) ?? String(error);

/** Clients that write and read until they are told to end. A client's node may be gone: then it asks another. */
export class Clients {
  readonly #running: Promise<void>[] = [];
  readonly #seqs = new Map<string, number>();
  #isOver = false;
  /** Writes under way; while the operator waits for them, none begins. */
  readonly #writing = new Set<Promise<void>>();
  #gate: Promise<void> | undefined;
  /** Calls that did not settle by their deadline. */
  readonly overdue: string[] = [];
  /** What readers ask for. */
  readonly #asked: readonly string[];

  constructor(
    private readonly world: World,
    private readonly crowd: Crowd,
  ) {
    const { keys, writersPerKey, readers } = crowd;
    this.#asked = [...keys, ...crowd.lagging];
    for (const key of crowd.lagging) this.#run(`w/${key}`, (random) => this.#writeOne(`w/${key}`, key, random));
    for (const key of keys) {
      for (let i = 0; i < writersPerKey; i++)
        this.#run(`w${i}/${key}`, (random) => this.#writeOne(`w${i}/${key}`, key, random));
    }
    if (crowd.operates) this.#run('operator', (random) => this.#operate(random));
    for (let i = 0; i < readers; i++) this.#run(`r${i}`, (random) => this.#readOne(`r${i}`, random));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.world.clock.until(Promise.all(this.#running), 60_000);
  }

  /** Puts the ballast; to be called before anything happens. */
  async load(): Promise<void> {
    const { world } = this;
    const random = world.random.fork('ballast');
    const put = async (key: string): Promise<void> => {
      const node = this.#nodeFor(random)!;
      const { seq, ended } = this.#begin('ballast', node, key, 'put');
      ended(await this.#write(node, key, 'put', seq));
    };
    await world.clock.until(Promise.all(this.crowd.ballast.map(put)), 60_000);
  }

  /** Every node that is up is asked for every key, and one of them for what has rested. */
  async readAll(): Promise<void> {
    const { world } = this;
    const random = world.random.fork('last');
    const last = (node: SimNode, key: string): Promise<void> =>
      this.#read(`final at ${node.name}`, node, key, { final: true });
    const readAt = async (node: SimNode): Promise<void> => {
      for (const key of this.#asked) await last(node, key);
    };
    const readEach = async (): Promise<void> => {
      for (const node of world.up()) await readAt(node);
      const { ballast } = this.crowd;
      // One by one: a key in doubt asks several nodes, which may be allowed a handful of calls to each other.
      for (const key of ballast) await last(this.#nodeFor(random)!, key);
    };
    await world.clock.until(readEach(), 60_000);
  }

  #run(name: string, step: (random: Seeded) => Promise<void>): void {
    const { clock } = this.world;
    const random = this.world.random.fork(name);
    const loop = async (): Promise<void> => {
      while (!this.#isOver) {
        await new Promise<void>((resolve) => {
          clock.after(random.between(1, name.startsWith('w') ? 400 : name === 'operator' ? 1500 : 120), resolve);
        });
        if (!this.#isOver) await step(random);
      }
    };
    this.#running.push(loop());
  }

  async #writeOne(client: string, key: string, random: Seeded): Promise<void> {
    await this.#gate;
    const node = this.#nodeFor(random);
    if (node === undefined) return;
    const kind = random.chance(isLagging(key) ? 0.8 : 0.5) ? 'put' : 'delete';
    const { seq, ended } = this.#begin(client, node, key, kind);
    const writing = this.#write(node, key, kind, seq).then(ended);
    this.#writing.add(writing);
    await writing;
    this.#writing.delete(writing);
  }

  /** The data source changes first, but for what is put of a key that only the cache has. */
  #begin(client: string, node: SimNode, key: string, kind: 'put' | 'delete') {
    const { history, source } = this.world;
    const seq = (this.#seqs.get(key) ?? 0) + 1;
    this.#seqs.set(key, seq);
    const ended = history.write({ client, node: node.name, key, kind, seq });
    if (kind === 'delete' || !isLagging(key)) source.set(key, seq);
    return { seq, ended };
  }

  async #operate(random: Seeded): Promise<void> {
    const node = this.#nodeFor(random);
    if (node === undefined) return;
    if (random.chance(0.7)) return this.#sweep(node, random.pick(['all', 'tag', 'prefix']), random);
    const changes = { defaultTtl: random.between(100, 5000), negativeTtl: random.below(1000) };
    await this.#told(node, node.engine.updateKeyspace(ks, changes, { timeoutMs: callTimeoutMs }), 'update');
  }

  /**
   * To the checkers a clear, or a delete by tag or prefix, is a delete of each of its keys, by the key's own writer: it waits
   * for the writes before, and those after wait for it. Acknowledged it is where no node failed.
   */
  async #sweep(node: SimNode, what: 'all' | 'tag' | 'prefix', random: Seeded): Promise<void> {
    const { keys } = this.crowd;
    const tag = random.pick(['even', 'odd']);
    const prefix = random.pick(keys);
    const swept = keys.filter((key) => what === 'all' || (what === 'tag' ? tagsOf(key).includes(tag) : key === prefix));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    await Promise.all(this.#writing);
    const begun = swept.map((key) => this.#begin(`w0/${key}`, node, key, 'delete'));
    const version = Number.NaN;
    const options = { timeoutMs: callTimeoutMs };
    const call =
      what === 'all'
        ? node.engine.clearKeyspace(ks, options)
        : reached(
            what === 'tag'
              ? node.engine.deleteByTag(ks, tag, options)
              : node.engine.deleteByPrefix(ks, prefix, options),
          );
    const isTold = await this.#told(node, call, `delete of ${what}`);
    const outcome: WriteOutcome = isTold
      ? { is: 'ok', version, unreached: [] }
      : { is: 'unknown', code: 'PARTIAL_FAILURE' };
    for (const { ended } of begun) ended(outcome);
    this.#gate = undefined;
    resolve();
  }

  /** No node failed. */
  async #told(node: SimNode, call: Promise<unknown>, what: string): Promise<boolean> {
    try {
      await this.#answered(node, call, `${what} at ${node.name}`);
      return true;
    } catch {
      return false;
    }
  }

  async #write(node: SimNode, key: string, kind: 'put' | 'delete', seq: number): Promise<WriteOutcome> {
    const options = { timeoutMs: callTimeoutMs };
    const startedMs = this.world.clock.nowMs();
    try {
      const call =
        kind === 'put'
          ? node.engine.put(ks, { key, value: encoder.encode(textFor(key, seq)), tags: tagsOf(key) }, options)
          : node.engine.delete(ks, key, options);
      const written = await this.#answered(node, call, `${kind} ${key}#${seq} at ${node.name}`);
      return { is: 'ok', version: written.version, unreached: written.unreached, by: written.node };
    } catch (error) {
      // Who is refused before any time has passed was refused by the node that was asked, and nothing had been sent.
      const isRefused = refusals.has(failed(error)) && this.world.clock.nowMs() === startedMs;
      return { is: isRefused ? 'failed' : 'unknown', code: failed(error) };
    }
  }

  async #readOne(client: string, random: Seeded): Promise<void> {
    const node = this.#nodeFor(random);
    if (node === undefined) return;
    const key = random.pick(this.#asked);
    const consistency = this.crowd.asksOwner && random.chance(0.3) ? 'owner' : 'cached';
    const seen = this.#seen.get(`${client}/${key}`) ?? 0;
    const minVersion = random.chance(0.1) && seen > 0 ? seen : undefined;
    await this.#read(client, node, key, { consistency, minVersion });
  }

  readonly #seen = new Map<string, number>();

  async #read(
    client: string,
    node: SimNode,
    key: string,
    asked: { consistency?: 'cached' | 'owner'; minVersion?: number | undefined; final?: boolean },
  ): Promise<void> {
    const { consistency = 'cached', minVersion, final = false } = asked;
    const ended = this.world.history.read({ client, node: node.name, key, consistency, minVersion, final });
    let outcome = await this.#lookup(node, key, { consistency, minVersion });
    // Where there is room for next to nothing, upkeep alone may fill it for a moment.
    for (let tries = 1; final && tries < 5 && outcome.is === 'failed' && outcome.code === 'OVERLOADED'; tries++) {
      await new Promise<void>((resolve) => void this.world.clock.after(100, resolve));
      outcome = await this.#lookup(node, key, { consistency, minVersion });
    }
    if (outcome.is === 'ok') {
      this.#seen.set(`${client}/${key}`, Math.max(outcome.version, this.#seen.get(`${client}/${key}`) ?? 0));
    }
    ended(outcome);
  }

  async #lookup(
    node: SimNode,
    key: string,
    asked: { consistency: 'cached' | 'owner'; minVersion: number | undefined },
  ): Promise<ReadOutcome> {
    try {
      const call = node.engine.lookup(ks, key, { timeoutMs: callTimeoutMs, ...asked });
      const found = await this.#answered(node, call, `get ${key} at ${node.name}`);
      if (!found.found) return { is: 'missing', version: found.version };
      const value = decoder.decode(found.value);
      return { is: 'ok', value, version: found.version, how: found.outcome, by: found.node };
    } catch (error) {
      return { is: 'failed', code: failed(error) };
    }
  }

  /** As long as the node runs it keeps the deadline; when it is gone its clients hear nothing more. */
  #answered<T>(node: SimNode, call: Promise<T>, what: string): Promise<T> {
    const { clock } = this.world;
    return new Promise((resolve, reject) => {
      // By its own clock, which stands still while its machine sleeps.
      const startedMs = node.clock.nowMs();
      const look = (): void => {
        if (node.state === 'gone') reject(new Error('GONE'));
        else cancel = clock.after(500, look);
        if (node.state === 'up' && node.clock.nowMs() - startedMs > 3 * callTimeoutMs) {
          this.overdue.push(what);
          reject(new Error('OVERDUE'));
        }
      };
      let cancel = clock.after(500, look);
      call.then(resolve, reject).finally(() => cancel());
    });
  }

  #nodeFor(random: Seeded): SimNode | undefined {
    const up = this.world.up();
    return up.length === 0 ? undefined : random.pick(up);
  }
}
