import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { CountingSource } from '../support/counting-source.js';
import { configOf, httpSource, type RealNode, RealNodes } from '../support/real-nodes.js';
import { pause, until, within } from '../support/until.js';

/** Of each read of the stream. */
const timeoutMs = 5_000;
/** What two slow cores may add before an answer, or its time-out, is seen here. */
const slackMs = 2_000;
const everyMs = 5;
const keyCount = 60;

interface Tally {
  answered: number;
  wrong: number;
  slowestMs: number;
  readonly failures: string[];
  readonly hung: string[];
}

/** Reads at a steady pace, however long each takes: a node that hangs does not slow down what is asked of it. */
class ReadStream {
  readonly tally: Tally = { answered: 0, wrong: 0, slowestMs: 0, failures: [], hung: [] };
  readonly #open = new Set<Promise<void>>();
  #isOver = false;
  readonly #pump: Promise<void>;

  constructor(private readonly clients: readonly Client[]) {
    this.#pump = this.#run();
  }

  /** Ends the stream; resolves when every read has settled. */
  async end(): Promise<Tally> {
    this.#isOver = true;
    await this.#pump;
    await Promise.all(this.#open);
    return this.tally;
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      for (const client of this.clients) {
        const read = this.#read(client, `key-${n % keyCount}`).finally(() => this.#open.delete(read));
        this.#open.add(read);
      }
      await pause(everyMs);
    }
  }

  async #read(client: Client, key: string): Promise<void> {
    const startMs = performance.now();
    try {
      const { value } = await within(timeoutMs + slackMs, key, client.get('ks', key, { timeoutMs }));
      this.tally.answered++;
      if (Buffer.from(value).toString() !== `document of ${key}`) this.tally.wrong++;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code === undefined) this.tally.hung.push(message);
      else this.tally.failures.push(`${code}: ${message}`);
    }
    this.tally.slowestMs = Math.max(this.tally.slowestMs, performance.now() - startMs);
  }
}

describe('integration: a node that fails under reads', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let source: CountingSource;
  let config: string;
  let cluster: readonly RealNode[];
  let clients: readonly Client[];
  let stream: ReadStream | undefined;

  beforeEach(async () => {
    nodes = await RealNodes.open();
    source = await CountingSource.start();
    // Entries live briefly, so that reads go on needing owners and source.
    config = configOf(httpSource(source.template), { keyspace: 'defaultTtl: 300ms' });
    cluster = await nodes.cluster(['one', 'two', 'three'], { config });
    clients = cluster.map((node) => nodes.client([node]));
  });
  afterEach(async () => {
    await stream?.end();
    stream = undefined;
    await nodes.close();
    await source.stop();
  });

  const peersSeenBy = async (index: number): Promise<number> => (await clients[index]!.status()).peers;

  async function beginReads(): Promise<ReadStream> {
    const begun = new ReadStream(clients.slice(1));
    stream = begun;
    await until('reads go on', () => begun.tally.answered > 200);
    return begun;
  }

  it('SIGKILL of one of three: reads on the others go on, and it joins again under its name and port', async () => {
    const [first, second, third] = cluster as [RealNode, RealNode, RealNode];
    const reads = await beginReads();
    first.signal('SIGKILL');
    await within(5_000, 'the kill', first.exited);
    const killedAt = reads.tally.answered;
    await until('the others have noticed', async () => (await peersSeenBy(1)) === 2 && (await peersSeenBy(2)) === 2);
    await until('reads go on after the kill', () => reads.tally.answered > killedAt + 500);

    const again = await nodes.start({ name: 'one', port: first.port, peers: [second, third], config });
    expect(again.grpc).to.equal(first.grpc);
    await nodes.linked([again, second, third]);
    const joinedAt = reads.tally.answered;
    await until('reads go on after the return', () => reads.tally.answered > joinedAt + 200);
    const { value } = await nodes.client([again]).get('ks', 'key-1');
    expect(Buffer.from(value).toString()).to.equal('document of key-1');
    const own = (await nodes.client([second]).peers()).filter(({ name }) => name === 'one');
    expect(own.map(({ state }) => state)).to.deep.equal(['alive']);

    const tally = await reads.end();
    expect(tally.hung).to.deep.equal([]);
    expect(tally.failures).to.deep.equal([]);
    expect(tally.wrong).to.equal(0);
    expect(tally.slowestMs).to.be.below(timeoutMs);
  });

  it('SIGKILL without a restart: puts and deletes work on, and no read waits for the dead', async () => {
    const [first] = cluster as [RealNode];
    const keys = Array.from({ length: keyCount }, (_, n) => `written-${n}`);
    first.signal('SIGKILL');
    await within(5_000, 'the kill', first.exited);
    for (const key of keys) {
      const { unreached } = await clients[1]!.put('ks', { key, value: Buffer.from('new'), ttlMs: 60_000 });
      expect(unreached.filter((name) => name !== 'one')).to.deep.equal([]);
      expect(Buffer.from((await clients[2]!.get('ks', key)).value).toString()).to.equal('new');
    }
    const { written } = await clients[2]!.deleteMany('ks', keys);
    expect(written).to.equal(keyCount);
    const lookups = await clients[1]!.getMany('ks', keys);
    expect(lookups.map(({ value }) => value && Buffer.from(value).toString())).to.deep.equal(
      keys.map((key) => `document of ${key}`),
    );
  });

  it('SIGSTOP for 6 s: no read on the others hangs past its deadline, and after SIGCONT the node is linked again', async () => {
    const [first] = cluster as [RealNode];
    const reads = await beginReads();
    first.signal('SIGSTOP');
    const stoppedAtMs = performance.now();
    const stoppedAt = reads.tally.answered;
    await until(
      'the others have given it up',
      async () => (await peersSeenBy(1)) === 2 && (await peersSeenBy(2)) === 2,
    );
    await until('reads go on without it', () => reads.tally.answered > stoppedAt + 500);
    await pause(Math.max(0, 6_000 - (performance.now() - stoppedAtMs)));
    first.signal('SIGCONT');
    await nodes.linked(cluster);
    const backAt = reads.tally.answered;
    await until('reads go on with it', () => reads.tally.answered > backAt + 200);
    const { value } = await clients[0]!.get('ks', 'key-1');
    expect(Buffer.from(value).toString()).to.equal('document of key-1');

    const tally = await reads.end();
    expect(tally.hung).to.deep.equal([]);
    expect(tally.failures).to.deep.equal([]);
    expect(tally.wrong).to.equal(0);
  });
});
