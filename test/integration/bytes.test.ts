import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { Engine, staticDiscovery } from '../../src/index.js';
import { cli, shell } from '../support/cli.js';
import { configOf, type RealNode, RealNodes } from '../support/real-nodes.js';
import { until } from '../support/until.js';

const mib = 1024 ** 2;
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Not the same in any two places, and no UTF-8. */
const noise = (length: number, salt = 0): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + (i >> 16) + salt) & 0xff;
  return bytes;
};

/** A cluster of processes, and an engine of this process that is a member of it. */
class Mixed {
  private constructor(
    readonly nodes: RealNodes,
    readonly cluster: readonly RealNode[],
    readonly clients: readonly Client[],
    readonly engine: Engine,
  ) {}

  static async start(names: readonly string[], maxValueBytes: number): Promise<Mixed> {
    const nodes = await RealNodes.open();
    const config = configOf('{ type: none }', { top: `limits: { maxValueBytes: ${maxValueBytes} }` });
    const cluster = await nodes.cluster(names, { config });
    const engine = new Engine({
      name: 'library',
      bind: { port: 0 },
      gossip: { port: 0 },
      discovery: staticDiscovery({ peers: cluster.map((node) => node.gossip) }),
      limits: { maxValueBytes },
      keyspaces: [{ name: 'ks', maxBytes: '256MiB', dataSource: { fetch: async () => null } }],
    });
    await engine.start();
    await nodes.linked(cluster, names.length + 1);
    await until('the engine sees all', () => engine.status().peers === names.length + 1);
    const clients = cluster.map((node) => nodes.client([node]));
    return new Mixed(nodes, cluster, clients, engine);
  }

  env(index: number): Record<string, string> {
    return {
      DISTCACHE_ADDR: this.cluster[index % this.cluster.length]!.grpc,
      DISTCACHE_TIMEOUT: '30s',
      DIR: this.nodes.folder,
    };
  }

  async stop(): Promise<void> {
    await this.engine.stop();
    await this.nodes.close();
  }
}

/** Each way to write a value, on a node of its own. */
const writers: Readonly<Record<string, (mixed: Mixed, key: string, value: Uint8Array) => Promise<unknown>>> = {
  'put --file': async (mixed, key, value) => {
    await mixed.nodes.file('in', value);
    const ended = await shell(`distcache put ks "$KEY" --file "$DIR/in"`, { env: { ...mixed.env(0), KEY: key } });
    expect(ended).to.deep.include({ exit: 0, stderr: '' });
  },
  'put from a pipe': async (mixed, key, value) => {
    await mixed.nodes.file('in', value);
    const ended = await shell(`cat "$DIR/in" | distcache put ks "$KEY"`, { env: { ...mixed.env(1), KEY: key } });
    expect(ended).to.deep.include({ exit: 0, stderr: '' });
  },
  'the gRPC client': (mixed, key, value) => mixed.clients.at(-1)!.put('ks', { key, value }),
  'the library': (mixed, key, value) => mixed.engine.put('ks', { key, value }, { timeoutMs: 30_000 }),
};

/** On the command line: into a file of its own, or down a pipe. */
const readers: Readonly<Record<'file' | 'pipe', string>> = {
  file: 'distcache get ks "$KEY" --output "$DIR/out"',
  pipe: 'distcache get ks "$KEY" | cat > "$DIR/out"',
};

/** Reads a key on every node by the client, by the library and on the command line; the hashes of what came. */
async function readEverywhere(mixed: Mixed, key: string, how: keyof typeof readers): Promise<readonly string[]> {
  const byClient = await Promise.all(mixed.clients.map((client) => client.get('ks', key)));
  const byLibrary = await mixed.engine.get('ks', key, { timeoutMs: 30_000 });
  const ended = await shell(readers[how], { env: { ...mixed.env(2), KEY: key } });
  expect(ended).to.deep.include({ exit: 0, stderr: '', stdout: Buffer.alloc(0) });
  const file = join(mixed.nodes.folder, 'out');
  const byCommand = await readFile(file);
  await rm(file);
  return [...byClient.map(({ value }) => value), byLibrary.value, byCommand].map(sha);
}

describe('integration: values and keys, bit for bit', function () {
  this.timeout(60_000);
  let mixed: Mixed;

  before(async () => {
    mixed = await Mixed.start(['one', 'two', 'three'], 16 * mib);
  });
  after(() => mixed.stop());

  const rows: readonly { readonly name: string; readonly value: Uint8Array }[] = [
    { name: '0 bytes', value: Buffer.alloc(0) },
    { name: '1 byte', value: Buffer.from([0]) },
    { name: 'all 256 values of a byte', value: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)) },
    { name: '1 MiB', value: noise(mib) },
    { name: 'maxValueBytes, 16 MiB', value: noise(16 * mib) },
  ];
  for (const { name, value } of rows) {
    for (const [index, [way, write]] of Object.entries(writers).entries()) {
      // Each size is written in each way, and read in each.
      const how = index % 2 === 0 ? 'pipe' : 'file';
      it(`${name}, written by ${way}, come back from every node`, async () => {
        const key = `${name} by ${way}`;
        await write(mixed, key, value);
        for (const hash of await readEverywhere(mixed, key, how)) expect(hash).to.equal(sha(value));
        // The next row needs the room.
        await mixed.engine.delete('ks', key);
      });
    }
  }

  it('one byte more than 16 MiB is refused by name of the limit on each way, and the old value stays', async () => {
    await mixed.clients[0]!.put('ks', { key: 'over', value: Buffer.from('before') });
    await expectRefused(mixed, 16 * mib);
    expect(Buffer.from((await mixed.clients[1]!.get('ks', 'over')).value).toString()).to.equal('before');
  });

  it('as is what no message could carry', async () => {
    await mixed.nodes.file('huge', noise(24 * mib));
    const ended = await shell('distcache put ks over --file "$DIR/huge"', { env: mixed.env(0) });
    expect(ended.exit, ended.stderr).to.equal(2);
    expect(ended.stderr).to.match(/^Error: .*limits\.maxValueBytes.*\n$/);
    const error = await mixed.clients[0]!.put('ks', { key: 'over', value: noise(24 * mib) }).catch((thrown) => thrown);
    expect(error).to.include({ code: 'VALUE_TOO_LARGE' });
  });

  const keys: readonly string[] = [
    'a\nb',
    'line\n',
    '🦊👩‍👩‍👧',
    '  spaces  ',
    ' ',
    '\t',
    '__proto__',
    'constructor',
    '..',
    '../../etc/passwd',
    '%2F',
    '/',
    'a//b',
    '-leading',
    '--json',
    '9007199254740993',
    'e\u0301 decomposed',
    '\u00e9 decomposed',
    'k'.repeat(4096),
    '\u00e9'.repeat(2048),
  ];

  it('keys of any kind are kept apart, written by the command line and read in every way', async () => {
    const putEvery = async (first: number, step: number): Promise<void> => {
      for (let n = first; n < keys.length; n += step) {
        const ended = await cli(['put', 'ks', '--', keys[n]!, `value ${n}`], { env: mixed.env(n) });
        expect(ended, JSON.stringify(keys[n])).to.deep.include({ exit: 0, stderr: '' });
      }
    };
    await Promise.all([putEvery(0, 2), putEvery(1, 2)]);
    const expected = keys.map((_, index) => `value ${index}`);
    const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();
    for (const client of mixed.clients) {
      expect((await client.getMany('ks', keys)).map(({ value }) => text(value))).to.deep.equal(expected);
    }
    expect((await mixed.engine.getMany('ks', keys)).map(({ value }) => text(value))).to.deep.equal(expected);

    const many = await cli(['get', 'ks', '--json', '--', ...keys], { env: mixed.env(1) });
    expect(many).to.deep.include({ exit: 0, stderr: '' });
    const { entries } = JSON.parse(many.stdout.toString());
    expect(entries.map(({ key }: { key: string }) => key)).to.deep.equal(keys);
    expect(entries.map(({ value }: { value: string }) => value)).to.deep.equal(expected);
    const dashed = await cli(['get', 'ks', '--', '-leading'], { env: mixed.env(2) });
    expect(dashed.stdout.toString()).to.equal(`value ${keys.indexOf('-leading')}`);

    const gone = await cli(['delete', 'ks', '--', ...keys], { env: mixed.env(0) });
    expect(gone).to.deep.include({ exit: 0, stderr: '' });
    for (const client of mixed.clients) {
      expect((await client.getMany('ks', keys)).map(({ found }) => found)).to.deep.equal(keys.map(() => false));
    }
  });

  it('a NUL in a key, which no argument can hold, passes through client and library', async () => {
    await mixed.clients[0]!.put('ks', { key: 'a\0b', value: Buffer.from('nul') });
    expect(Buffer.from((await mixed.engine.get('ks', 'a\0b')).value).toString()).to.equal('nul');
    expect((await mixed.clients[1]!.lookup('ks', 'a')).found).to.equal(false);
  });

  const refusedKeys: readonly { readonly name: string; readonly key: string; readonly says: RegExp }[] = [
    { name: 'the empty key', key: '', says: /key is empty/ },
    { name: '4097 bytes', key: 'k'.repeat(4097), says: /limits\.maxKeyBytes/ },
  ];
  for (const { name, key, says } of refusedKeys) {
    it(`${name} is refused on each way`, async () => {
      const tries: readonly (() => Promise<unknown>)[] = [
        () => mixed.clients[0]!.get('ks', key),
        () => mixed.clients[1]!.put('ks', { key, value: Buffer.from('v') }),
        () => mixed.clients[2]!.delete('ks', key),
        () => mixed.engine.get('ks', key),
        () => mixed.engine.put('ks', { key, value: Buffer.from('v') }),
      ];
      for (const attempt of tries) {
        const error = await attempt().then(
          () => 'went through',
          (thrown) => thrown,
        );
        expect(error).to.include({ code: 'INVALID_ARGUMENT' });
        expect(error.message).to.match(says);
      }
      for (const args of [
        ['get', 'ks', key],
        ['put', 'ks', key, 'v'],
        ['delete', 'ks', key],
      ]) {
        const ended = await cli(args, { env: mixed.env(0) });
        expect(ended.exit, args[0]).to.equal(2);
        expect(ended.stderr)
          .to.match(says)
          .and.match(/^Error: .*\n$/);
      }
    });
  }
});

describe('integration: a smaller maxValueBytes', function () {
  this.timeout(60_000);
  const limit = 1_000;
  let mixed: Mixed;

  before(async () => {
    mixed = await Mixed.start(['one', 'two'], limit);
  });
  after(() => mixed.stop());

  it('is filled to the last byte on each way', async () => {
    let salt = 0;
    for (const [way, write] of Object.entries(writers)) {
      const value = noise(limit, ++salt);
      await write(mixed, way, value);
      for (const hash of await readEverywhere(mixed, way, 'pipe')) expect(hash, way).to.equal(sha(value));
    }
  });

  it('and one byte more is refused on each way', () => expectRefused(mixed, limit));
});

/** A value one byte above the limit is refused by the limit's name, whoever owns the key. */
async function expectRefused(mixed: Mixed, limit: number): Promise<void> {
  const value = noise(limit + 1);
  const entry = { key: 'over', value };
  const says = new RegExp(`limits\\.maxValueBytes.*${limit}`);
  const tries = [
    ...mixed.clients.flatMap((client) => [() => client.put('ks', entry), () => client.putMany('ks', [entry])]),
    () => mixed.engine.put('ks', entry),
    () => mixed.engine.putMany('ks', [entry]),
  ];
  for (const attempt of tries) {
    const error = await attempt().then(
      () => 'went through',
      (thrown) => thrown,
    );
    expect(error).to.include({ code: 'VALUE_TOO_LARGE' });
    expect(error.message).to.match(says);
  }
  await mixed.nodes.file('over', value);
  for (const line of ['distcache put ks over --file "$DIR/over"', 'cat "$DIR/over" | distcache put ks over']) {
    const plain = await shell(line, { env: mixed.env(0) });
    expect(plain.exit).to.equal(2);
    expect(plain.stderr)
      .to.match(says)
      .and.match(/^Error: .*\n$/);
  }
  const json = await shell('distcache put ks over --file "$DIR/over" --json', { env: mixed.env(1) });
  expect(json.exit).to.equal(2);
  expect(JSON.parse(json.stdout.toString()).error.code).to.equal('VALUE_TOO_LARGE');
}
