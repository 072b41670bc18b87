import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { cli, type Ended } from '../support/cli.js';
import { CountingSource } from '../support/counting-source.js';
import { type RealNode, RealNodes } from '../support/real-nodes.js';

const bytes = Buffer.from([0, 255, 10, 13, 0]);

describe('integration: data sources of a config file, read on the command line', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let source: CountingSource;
  let cluster: readonly RealNode[];

  before(async () => {
    nodes = await RealNodes.open();
    source = await CountingSource.start((key) => (key.startsWith('page') ? `page ${key}` : undefined));
    const database = new DatabaseSync(join(nodes.folder, 'cities.db'));
    database.exec('create table city (id text primary key, json text); create table blob (id text, data blob)');
    const insert = database.prepare('insert into city values (?, ?)');
    for (const [id, json] of [
      ['paris', '{"name":"Paris"}'],
      ["o'hare", 'quoted'],
      ['nothing', null],
    ] as const) {
      insert.run(id, json);
    }
    database.prepare('insert into blob values (?, ?)').run('bytes', bytes);
    database.close();
    await mkdir(join(nodes.folder, 'data/deep'), { recursive: true });
    await nodes.file('data/a.txt', 'file a');
    await nodes.file('data/deep/b.bin', bytes);
    await nodes.file('secret.txt', 'not for you');
    await symlink(join(nodes.folder, 'secret.txt'), join(nodes.folder, 'data/link.txt'));
    await writeFile(
      join(nodes.folder, 'source.mjs'),
      `export default {
        async fetch(key, { signal }) {
          if (!(signal instanceof AbortSignal)) throw new Error('no signal');
          if (key === 'broken') throw new Error('out of order');
          if (key === 'never') return new Promise(() => {});
          if (key === 'short') return { value: 'for a second', ttlMs: 1000 };
          return key.startsWith('m') ? 'module says ' + key : null;
        },
      };`,
    );
    const config = `
admin: false
keyspaces:
  cities: { maxBytes: 8MiB, defaultTtl: 1m, source: { type: sqlite, file: cities.db, query: "select json from city where id = :key" } }
  blobs: { maxBytes: 8MiB, source: { type: sqlite, file: cities.db, query: "select data from blob where id = :key" } }
  pages: { maxBytes: 8MiB, source: { type: http, url: "${source.template}" } }
  files: { maxBytes: 8MiB, source: { type: directory, path: ./data } }
  custom: { maxBytes: 8MiB, readTimeout: 500ms, source: { type: module, path: ./source.mjs } }
  scratch: { maxBytes: 8MiB, source: { type: none } }
  down: { maxBytes: 8MiB, source: { type: http, url: "http://127.0.0.1:9/{key}" } }
`;
    cluster = await nodes.cluster(['one', 'two'], { config });
  });
  after(async () => {
    await nodes.close();
    await source.stop();
  });

  const get = (args: readonly string[], at = 0): Promise<Ended> => cli(['get', ...args, '--addr', cluster[at]!.grpc]);

  const found: readonly (readonly [string, string, string | Buffer])[] = [
    ['cities', 'paris', '{"name":"Paris"}'],
    ['cities', "o'hare", 'quoted'],
    ['blobs', 'bytes', bytes],
    ['pages', 'page 1/2?x=%41#é', 'page page 1/2?x=%41#é'],
    ['files', 'a.txt', 'file a'],
    ['files', 'deep/b.bin', bytes],
    ['custom', 'm1', 'module says m1'],
  ];
  for (const [keyspace, key, value] of found) {
    it(`${keyspace} has ${key}, from either node, and from memory the second time`, async () => {
      for (const at of [0, 1]) {
        const ended = await get([keyspace, key], at);
        expect(ended).to.deep.include({ exit: 0, stderr: '', stdout: Buffer.from(value) });
      }
      const again = JSON.parse((await get([keyspace, key, '--json'])).stdout.toString());
      expect(again).to.include({ keyspace, key, found: true });
      expect(again.outcome).to.be.oneOf(['hit', 'hot']);
    });
  }

  const absent: readonly (readonly [string, string])[] = [
    ['cities', "x' or '1'='1"],
    ['cities', 'nothing'],
    ['cities', 'PARIS'],
    ['pages', 'elsewhere'],
    ['files', '../secret.txt'],
    ['files', 'link.txt'],
    ['files', 'deep'],
    ['files', '/etc/hostname'],
    ['custom', 'x'],
    ['scratch', 'k'],
  ];
  it('what a source does not have is not found, exit 3, and no fault of the source', async () => {
    for (const [keyspace, key] of absent) {
      const ended = await get([keyspace, key]);
      expect(ended, `${keyspace} ${key}`).to.deep.include({ exit: 3, stdout: Buffer.alloc(0) });
      expect(ended.stderr).to.match(/^Error: .*not found in \w+.*\n$/);
    }
  });

  const failing: readonly (readonly [string, string, number, string, RegExp])[] = [
    ['custom', 'broken', 1, 'DATA_SOURCE_FAILED', /out of order/],
    // The owner says 500 ms; the node that asked it may be first to give up, and tells how long it waited.
    ['custom', 'never', 4, 'TIMEOUT', /\b[45]\d\d ?ms/],
    ['down', 'k', 1, 'DATA_SOURCE_FAILED', /127\.0\.0\.1:9/],
  ];
  for (const [keyspace, key, exit, code, says] of failing) {
    it(`${keyspace} fails on ${key} with exit ${exit}, and a put stands in for it`, async () => {
      const ended = await get([keyspace, key, '--json']);
      expect(ended.exit, ended.stderr).to.equal(exit);
      expect(JSON.parse(ended.stdout.toString()).error.code).to.equal(code);
      expect(ended.stderr).to.match(says);
      expect((await cli(['put', keyspace, key, 'mended', '--addr', cluster[1]!.grpc])).exit).to.equal(0);
      expect((await get([keyspace, key])).stdout.toString()).to.equal('mended');
    });
  }

  it('scratch holds what was put, until its time to live is over', async () => {
    const { grpc } = cluster[1]!;
    expect((await cli(['put', 'scratch', 'k', 'v', '--ttl', '1h', '--addr', grpc])).exit).to.equal(0);
    const held = JSON.parse((await get(['scratch', 'k', '--json'])).stdout.toString());
    expect(held).to.include({ found: true, value: 'v' });
    const lifeMs = Date.parse(held.expires_at) - Date.now();
    expect(lifeMs).to.be.within(3_500_000, 3_600_000);
    expect((await cli(['put', 'scratch', 'brief', 'v', '--ttl', '1ms', '--addr', grpc])).exit).to.equal(0);
    expect((await get(['scratch', 'brief'])).exit).to.equal(3);
  });

  it('the keyspaces are listed and shown with what was asked of them', async () => {
    const listed = await cli(['keyspace', 'list', '--json', '--addr', cluster[0]!.grpc]);
    const names = JSON.parse(listed.stdout.toString()).keyspaces.map(({ name }: { name: string }) => name);
    expect(names).to.have.members(['cities', 'blobs', 'pages', 'files', 'custom', 'scratch', 'down']);
    const shown = await cli(['keyspace', 'show', 'cities', '--json', '--addr', cluster[0]!.grpc]);
    const cities = JSON.parse(shown.stdout.toString());
    expect(cities).to.include({ name: 'cities', max_bytes: 8 * 1024 ** 2, default_ttl_ms: 60_000 });
    expect(cities.stats.gets).to.be.above(0);
  });
});
