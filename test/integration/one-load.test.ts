import { expect } from 'chai';
import type { DistcacheError } from '../../src/base/errors.js';
import type { Client } from '../../src/client/client.js';
import { CountingSource } from '../support/counting-source.js';
import { configOf, httpSource, RealNodes } from '../support/real-nodes.js';
import { until } from '../support/until.js';

const callers = 1_000;

describe('integration: one load per key in the whole cluster', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let source: CountingSource;
  let clients: readonly Client[];

  before(async () => {
    nodes = await RealNodes.open();
    source = await CountingSource.start();
    const config = configOf(httpSource(source.template), { keyspace: 'readTimeout: 30s' });
    const cluster = await nodes.cluster(['one', 'two', 'three'], { config });
    clients = cluster.map((node) => nodes.client([node]));
  });
  after(async () => {
    await nodes.close();
    await source.stop();
  });
  beforeEach(() => {
    source.delayMs = 0;
    source.forget();
  });

  const readers = (key: string) =>
    Array.from({ length: callers }, (_, index) => clients[index % clients.length]!.get('ks', key));

  async function expectAll(key: string, reads: readonly Promise<{ readonly value: Uint8Array }>[]): Promise<void> {
    const values = (await Promise.all(reads)).map(({ value }) => Buffer.from(value).toString());
    expect(new Set(values)).to.deep.equal(new Set([`document of ${key}`]));
    expect(values).to.have.length(callers);
    expect(source.requests(key)).to.equal(1);
    expect(source.requests()).to.equal(1);
  }

  it('1,000 concurrent gets of a cold key over three nodes ask the source once', async () => {
    await expectAll('cold', readers('cold'));
  });

  it('as they do when the source takes 500 ms', async () => {
    source.delayMs = 500;
    await expectAll('slow', readers('slow'));
  });

  it('and for each of 100 keys that all nodes read at once', async () => {
    const keys = Array.from({ length: 100 }, (_, index) => `key-${index}`);
    const answers = await Promise.all(clients.map((client) => client.getMany('ks', keys)));
    for (const lookups of answers) {
      const values = lookups.map(({ value }) => value && Buffer.from(value).toString());
      expect(values).to.deep.equal(keys.map((key) => `document of ${key}`));
    }
    expect(keys.map((key) => source.requests(key))).to.deep.equal(keys.map(() => 1));
  });

  it('a key that the source does not have is asked for once, and missing for every caller', async () => {
    source.documents = () => undefined;
    source.delayMs = 500;
    const outcomes = await Promise.allSettled(readers('nowhere'));
    source.documents = (key) => `document of ${key}`;
    const codes = outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.code);
    expect(new Set(codes)).to.deep.equal(new Set(['NOT_FOUND']));
    expect(source.requests()).to.equal(1);
  });

  it('first callers that cancel or run out of time fail nobody else', async () => {
    source.hold();
    const key = 'left-alone';
    const gets = async (): Promise<number> => {
      const statuses = await Promise.all(clients.map((client) => client.keyspace('ks')));
      return statuses.reduce((sum, { stats }) => sum + stats.loads!, 0);
    };
    const before = await gets();
    const cancels = clients.map(() => new AbortController());
    const first = clients.map((client, index) => client.get('ks', key, { signal: cancels[index]!.signal }));
    const second = clients.map((client) => client.get('ks', key, { timeoutMs: 2_000 }));
    const leavers = Promise.allSettled([...first, ...second]);
    await until('the source is asked', () => source.requests(key) === 1);

    const reads = readers(key);
    // Everyone waits by now: those who leave leave others behind.
    await until('all callers wait', async () => (await gets()) >= before + callers + first.length + second.length);
    for (const cancel of cancels) cancel.abort();
    const codes = (await leavers).map((outcome) =>
      outcome.status === 'rejected' ? (outcome.reason as DistcacheError).code : 'answered',
    );
    expect(codes).to.deep.equal(['ABORTED', 'ABORTED', 'ABORTED', 'TIMEOUT', 'TIMEOUT', 'TIMEOUT']);
    source.release();
    await expectAll(key, reads);
  });
});
