import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { DistcacheError, type PartialFailure } from '../../../src/base/errors.js';
import { type Client, type ConnectOptions, connect } from '../../../src/client/client.js';
import { type FakeNode, startFakeNode } from '../../support/fake-node.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);

async function rejection(promise: Promise<unknown>): Promise<DistcacheError> {
  try {
    await promise;
  } catch (error) {
    return error as DistcacheError;
  }
  throw new Error('was expected to reject');
}

/** A port at which nobody listens. */
async function deadAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = addressOf(server);
  server.close();
  await once(server, 'close');
  return address;
}

const addressOf = (server: Server): string => {
  const address = server.address();
  return typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : '';
};

describe('client', () => {
  let node: FakeNode;
  const open: { close(): unknown }[] = [];

  const client = (...addresses: string[]): Client =>
    clientWith({ addresses: addresses.length > 0 ? addresses : [node.address] });
  const clientWith = (options: ConnectOptions): Client => {
    const made = connect(options);
    open.push(made);
    return made;
  };
  /** Takes connections and says nothing on them. */
  const silentAddress = async (): Promise<string> => {
    const sockets = new Set<{ destroy(): void }>();
    const server = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push({
      close: () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    });
    return addressOf(server);
  };

  beforeEach(async () => {
    node = await startFakeNode();
  });

  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
    await node.stop();
  });

  describe('values', () => {
    const rows: readonly { name: string; value: Uint8Array }[] = [
      { name: 'none', value: new Uint8Array() },
      { name: 'one byte', value: Uint8Array.of(0) },
      { name: 'all bytes', value: Uint8Array.from({ length: 256 }, (_, byte) => byte) },
      { name: '5 MiB, above the default of gRPC', value: new Uint8Array(5 * 1024 * 1024).fill(0xa5) },
    ];
    for (const { name, value } of rows) {
      it(`come back bit for bit: ${name}`, async () => {
        const cache = client();
        const written = await cache.put('ks', { key: 'k', value });
        expect(written).to.deep.equal({ version: 1, node: 'fake-1', unreached: [] });
        const found = await cache.get('ks', 'k');
        expect(Buffer.compare(found.value, value)).to.equal(0);
        const [batched] = await cache.getMany('ks', ['k']);
        expect(Buffer.compare(batched?.value ?? bytes('?'), value)).to.equal(0);
      });
    }

    it('come with where they are from and when they expire', async () => {
      const cache = client();
      await cache.put('ks', { key: 'k', value: bytes('v'), ttlMs: 60_000 });
      const { value, expiresAt, ...rest } = await cache.get('ks', 'k');
      expect(rest).to.deep.equal({ key: 'k', found: true, outcome: 'hit', node: 'fake-1', version: 1 });
      expect(expiresAt?.getTime()).to.be.closeTo(Date.now() + 60_000, 10_000);
    });

    it('with a date far ahead live as long as any may; a longer time to live is refused before it leaves', async () => {
      const cache = client();
      await cache.put('ks', { key: 'k', value: bytes('v'), expiresAt: new Date(Date.UTC(9999, 11, 31)) });
      const { expiresAt } = await cache.get('ks', 'k');
      expect(expiresAt?.getTime()).to.be.closeTo(Date.now() + 36_500 * 86_400_000, 10_000);
      const error = await rejection(cache.put('ks', { key: 'k', value: bytes('v'), ttlMs: 1e20 }));
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.message).to.contain('ttlMs is 100000000000000000000').and.contain('36500d');
    });

    it('come within a time-out of months, longer than deadlines of gRPC can be', async () => {
      const cache = clientWith({ addresses: [node.address], timeoutMs: 90 * 86_400_000 });
      await cache.put('ks', { key: 'k', value: bytes('v') });
      expect((await cache.get('ks', 'k', { timeoutMs: Number.POSITIVE_INFINITY })).found).to.equal(true);
    });

    it('larger than the client takes are refused by name of the limit', async () => {
      await client().put('ks', { key: 'k', value: new Uint8Array(100_000) });
      const error = await rejection(clientWith({ addresses: [node.address], maxMessageBytes: 10_000 }).get('ks', 'k'));
      expect(error.code).to.equal('VALUE_TOO_LARGE');
      expect(error.message).to.contain('9.8KiB');
    });
  });

  describe('tags', () => {
    it('go with their entry, each once; what is deleted by them comes back counted', async () => {
      const cache = client();
      await cache.put('ks', { key: 'k', value: bytes('v'), tags: ['a', 'é', 'a'] });
      expect(node.service.tags.get('k')).to.deep.equal(['a', 'é']);
      await cache.putMany('ks', [
        { key: 'l', value: bytes('v'), tags: ['b'] },
        { key: 'm', value: bytes('v') },
      ]);
      expect([node.service.tags.get('l'), node.service.tags.get('m')]).to.deep.equal([['b'], []]);
      expect(await cache.deleteByTag('ks', 'a')).to.deep.equal({ version: 9, removed: 2, unreached: ['node-c'] });
      expect(await cache.deleteByPrefix('ks', 'k')).to.deep.equal({ version: 9, removed: 1, unreached: [] });
    });

    it('that no message could carry as they are never leave', async () => {
      const cache = client();
      const put = (tags: unknown) =>
        rejection(cache.put('ks', { key: 'k', value: bytes('v'), tags: tags as string[] }));
      expect((await put('abc')).message).to.match(/^tags must be a list of texts/);
      expect((await put(['\ud800'])).message).to.match(/lone surrogate/);
      expect((await put([7])).message).to.match(/tags include "7", which is no text/);
      const failures = [
        cache.deleteByPrefix('ks', '\ud800'),
        cache.deleteByTag('ks', ''),
        cache.deleteByTag('ks', 7 as never),
      ];
      for (const failure of failures) expect((await rejection(failure)).code).to.equal('INVALID_ARGUMENT');
      expect(node.service.tags.size).to.equal(0);
    });
  });

  describe('keys', () => {
    for (const key of ['with\nnewline', 'Grüße 🎉', '__proto__', ' ', '\u0000', 'é', 'e\u0301']) {
      it(`are kept as they are: ${JSON.stringify(key)}`, async () => {
        const cache = client();
        await cache.put('ks', { key, value: bytes(key) });
        expect(Buffer.from((await cache.get('ks', key)).value).toString()).to.equal(key);
        await cache.delete('ks', key);
        expect((await cache.lookup('ks', key)).found).to.equal(false);
      });
    }

    it('that no encoding carries are refused before they are sent', async () => {
      expect((await rejection(client().get('ks', '\ud800'))).code).to.equal('INVALID_ARGUMENT');
      expect(await rejection(client().get('ks', 5 as unknown as string))).to.be.instanceOf(TypeError);
      expect(node.service.calls).to.deep.equal([]);
    });
  });

  describe('errors', () => {
    it('keep the code that the node gave', async () => {
      expect((await rejection(client().get('ks', 'absent'))).code).to.equal('NOT_FOUND');
      expect((await rejection(client().get('other', 'k'))).code).to.equal('KEYSPACE_NOT_FOUND');
      expect((await rejection(client().get('ks', ''))).code).to.equal('INVALID_ARGUMENT');
      node.service.mischief.refuse.set('k', new DistcacheError('OVERLOADED', 'too much', { node: 'other' }));
      const refused = await rejection(client().get('ks', 'k'));
      expect(refused).to.include({ code: 'OVERLOADED', message: 'too much', node: 'other' });
    });

    it('of options are told at once', () => {
      expect(() => connect({ addresses: [] })).to.throw('addresses is empty');
      expect(() => connect({ addresses: ['a:1'], timeoutMs: 0 })).to.throw('timeoutMs is 0');
      expect(() => connect({ addresses: ['a:1'], maxMessageBytes: -1 })).to.throw('maxMessageBytes is -1');
    });
  });

  describe('batches', () => {
    const keys = Array.from({ length: 2_500 }, (_, index) => `k${index}`);

    it('keep the order of their keys, present or not, over several requests', async () => {
      const cache = client();
      await cache.putMany(
        'ks',
        keys.map((key) => ({ key, value: bytes(key) })),
      );
      const asked = ['absent', ...keys.toReversed(), 'k1'];
      const lookups = await cache.getMany('ks', asked);
      expect(lookups.map(({ key }) => key)).to.deep.equal(asked);
      expect(lookups.slice(1).map(({ value }) => Buffer.from(value ?? []).toString())).to.deep.equal(asked.slice(1));
      expect(lookups[0]?.found).to.equal(false);
      expect(await cache.deleteMany('ks', keys)).to.deep.equal({ written: 2_500, unreached: [] });
      expect(node.service.values.size).to.equal(0);
      expect(node.service.calls.filter((call) => call.startsWith('putMany'))).to.deep.equal([
        'putMany 1000',
        'putMany 1000',
        'putMany 500',
      ]);
    });

    it('are cut by size too', async () => {
      const value = new Uint8Array(400_000);
      await client().putMany(
        'ks',
        ['a', 'b', 'c', 'd', 'e'].map((key) => ({ key, value })),
      );
      expect(node.service.calls).to.deep.equal(['putMany 2', 'putMany 2', 'putMany 1']);
    });

    it('of nothing ask nothing', async () => {
      expect(await client().getMany('ks', [])).to.deep.equal([]);
      expect(await client().putMany('ks', [])).to.deep.equal({ written: 0, unreached: [] });
      expect(node.service.calls).to.deep.equal([]);
    });

    it('name the keys that failed and do the others', async () => {
      node.service.mischief.refuse.set('k1', new DistcacheError('DATA_SOURCE_FAILED', 'down'));
      const cache = client();
      const failed = (await rejection(
        cache.putMany('ks', [
          { key: 'k1', value: bytes('1') },
          { key: 'k2', value: bytes('2') },
        ]),
      )) as PartialFailure;
      expect(failed.code).to.equal('PARTIAL_FAILURE');
      expect(failed.failures).to.deep.equal([
        { key: 'k1', code: 'DATA_SOURCE_FAILED', message: 'down', node: 'fake-1' },
      ]);
      expect(node.service.values.has('k2')).to.equal(true);
      const lookups = await cache.lookupMany('ks', ['k1', 'k2']);
      expect(lookups.map((lookup) => ('error' in lookup ? lookup.error.code : lookup.found))).to.deep.equal([
        'DATA_SOURCE_FAILED',
        true,
      ]);
      expect((await rejection(cache.getMany('ks', ['k1', 'k2']))).code).to.equal('PARTIAL_FAILURE');
    });

    it('refused as a whole say why', async () => {
      expect((await rejection(client().putMany('other', [{ key: 'k', value: bytes('1') }]))).code).to.equal(
        'KEYSPACE_NOT_FOUND',
      );
    });
  });

  describe('addresses', () => {
    it('out of reach are passed over, and not tried first again', async () => {
      const cache = client(await deadAddress(), node.address);
      await cache.put('ks', { key: 'k', value: bytes('1') });
      expect(Buffer.from((await cache.get('ks', 'k')).value).toString()).to.equal('1');
    });

    it('that take connections and say nothing are passed over within the time-out', async () => {
      const cache = clientWith({ addresses: [await silentAddress(), node.address], timeoutMs: 1_000 });
      expect((await cache.status()).node).to.equal('fake-1');
    });

    it('that answer with an error are believed', async () => {
      const other = await startFakeNode('fake-2');
      open.push({ close: () => other.stop() });
      expect((await rejection(client(node.address, other.address).get('other', 'k'))).code).to.equal(
        'KEYSPACE_NOT_FOUND',
      );
      expect(other.service.calls).to.deep.equal([]);
    });

    it('all out of reach are named', async () => {
      const [first, second] = [await deadAddress(), await deadAddress()];
      const error = await rejection(client(first, second).get('ks', 'k'));
      expect(error.code).to.equal('PEER_UNREACHABLE');
      expect(error.message)
        .to.contain(`${first} (connection refused), ${second} (connection refused)`)
        .and.contain('--addr');
    });

    it('of no distcache node are told as such', async () => {
      const error = await rejection(clientWith({ addresses: [await silentAddress()], timeoutMs: 200 }).get('ks', 'k'));
      expect(error.code).to.equal('PEER_UNREACHABLE');
      expect(error.message).to.match(/no connection within \d+ms/);
    });

    it('that went down between two calls are replaced by the next', async () => {
      const other = await startFakeNode('fake-2');
      const cache = client(other.address, node.address);
      expect((await cache.status()).node).to.equal('fake-2');
      await other.stop();
      expect((await cache.status()).node).to.equal('fake-1');
    });
  });

  describe('waits', () => {
    it('end with TIMEOUT when a node took the call and does not answer', async () => {
      node.service.mischief.silent = true;
      const error = await rejection(client().get('ks', 'k', { timeoutMs: 300 }));
      expect(error.code).to.equal('TIMEOUT');
      expect(error.message).to.contain('300ms').and.contain(node.address);
    });

    const calls: readonly { name: string; run: (cache: Client, signal: AbortSignal) => Promise<unknown> }[] = [
      { name: 'a single key', run: (cache, signal) => cache.get('ks', 'k', { signal }) },
      { name: 'a batch', run: (cache, signal) => cache.getMany('ks', ['k'], { signal }) },
    ];
    for (const { name, run } of calls) {
      it(`end with ABORTED when the caller gives up: ${name}`, async () => {
        node.service.mischief.silent = true;
        const controller = new AbortController();
        const running = rejection(run(client(), controller.signal));
        while (node.service.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        expect((await running).code).to.equal('ABORTED');
        expect((await rejection(run(client(), AbortSignal.abort()))).code).to.equal('ABORTED');
      });
    }

    it('end when the client is closed, which may happen twice', async () => {
      node.service.mischief.silent = true;
      const cache = client();
      const running = rejection(cache.get('ks', 'k'));
      while (node.service.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
      await cache.close();
      await cache.close();
      expect((await running).code).to.equal('NOT_STARTED');
      expect((await rejection(cache.get('ks', 'k'))).code).to.equal('NOT_STARTED');
    });
  });

  it('describes the cluster', async () => {
    const cache = client();
    const status = await cache.status();
    expect(status).to.include({ node: 'fake-1', state: 'serving', peers: 2, grpc: node.address, gossip: 'none' });
    expect((await cache.peers()).map(({ name, state, isSelf }) => ({ name, state, isSelf }))).to.deep.equal([
      { name: 'fake-1', state: 'alive', isSelf: true },
      { name: 'other', state: 'suspect', isSelf: false },
      { name: 'serf', state: 'alive', isSelf: false },
    ]);
    expect(await cache.locate('ks', 'k')).to.deep.equal(node.service.locate('ks', 'k'));
    const [keyspace] = await cache.keyspaces();
    expect(keyspace).to.deep.equal(node.service.describeKeyspace('ks'));
    expect(await cache.keyspace('ks')).to.deep.equal(keyspace);
    expect((await rejection(cache.keyspace('other'))).code).to.equal('KEYSPACE_NOT_FOUND');
  });
});
