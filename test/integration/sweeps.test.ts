import { expect } from 'chai';
import { cli, type Ended, shell } from '../support/cli.js';
import { configOf, type RealNode, RealNodes } from '../support/real-nodes.js';
import { until } from '../support/until.js';

const json = ({ stdout }: Ended) => JSON.parse(stdout.toString());

describe('deletes by tag and by prefix on real nodes', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let cluster: readonly RealNode[];

  before(async () => {
    nodes = await RealNodes.open();
    const source = await nodes.file(
      'source.mjs',
      "let loads = 0;\nexport default (key) => ({ value: key + ' ' + ++loads, tags: ['row', key.split('/')[0]] });\n",
    );
    const config = configOf(`{ type: module, path: ${source} }`, {
      keyspace: 'defaultTtl: 5m, writeTimeout: 3s',
      keyspaces: ['pages: { maxBytes: 1MiB, source: { type: none } }'],
    });
    cluster = await nodes.cluster(['cache-1', 'cache-2', 'cache-3'], { config });
  });
  after(() => nodes.close());

  const run = (args: readonly string[], node = cluster[0]!): Promise<Ended> => cli([...args, '--addr', node.grpc]);
  const done = async (args: readonly string[], node?: RealNode): Promise<Ended> => {
    const ended = await run(args, node);
    expect(ended.exit, ended.stderr).to.equal(0);
    return ended;
  };
  /** What every node answers for each key; undefined: not found. */
  const read = async (keyspace: string, keys: readonly string[]): Promise<readonly (string | undefined)[]> => {
    const texts = new Set<string | undefined>();
    for (const node of cluster) {
      const client = nodes.client([node]);
      for (const one of await client.getMany(keyspace, keys)) {
        texts.add(one.found ? Buffer.from(one.value).toString() : undefined);
      }
      await client.close();
    }
    return [...texts];
  };
  const keys = (prefix: string): readonly string[] => Array.from({ length: 20 }, (_, i) => `${prefix}/${i}`);

  it('put --tag, then delete --tag through another node: gone on all, and nothing else', async () => {
    await done(['put', 'pages', 'home', 'hi', '--tag', 'site', '--tag', 'front']);
    await done(['put', 'pages', 'about', 'we', '--tag', 'site']);
    await done(['put', 'pages', 'alone', 'I']);
    const lines =
      '{"key":"a","value":"1","tags":["many"]}\n{"key":"b","value":"2"}\n{"key":"c","value":"3","tags":[]}\n';
    const put = await shell(`distcache put pages --from - --tag site --addr ${cluster[1]!.grpc}`, { input: lines });
    expect(put.exit, put.stderr).to.equal(0);
    expect(await read('pages', ['home', 'about', 'b', 'alone', 'a', 'c'])).to.have.members([
      'hi',
      'we',
      '2',
      'I',
      '1',
      '3',
    ]);

    const ended = await done(['delete', 'pages', '--tag', 'site', '--json'], cluster[2]);
    expect(json(ended)).to.deep.equal({ keyspace: 'pages', tag: 'site', deleted: 3, unreached: [] });
    expect(await read('pages', ['home', 'about', 'b'])).to.deep.equal([undefined]);
    expect(await read('pages', ['alone', 'a', 'c'])).to.have.members(['I', '1', '3']);
    expect(json(await done(['delete', 'pages', '--tag', 'many', '--json'])).deleted).to.equal(1);
    const again = await done(['delete', 'pages', '--tag', 'many']);
    expect(again.stdout.toString()).to.equal('');
  });

  it('tags that a source sets: what was loaded with one is loaded again on every node', async () => {
    const before = await read('ks', [...keys('user'), ...keys('team')]);
    expect(before).to.have.length(40);
    expect(json(await done(['delete', 'ks', '--tag', 'user', '--json'], cluster[1])).deleted).to.equal(20);
    const users = await read('ks', keys('user'));
    expect(users).to.have.length(20);
    for (const text of users) expect(before).not.to.include(text);
    expect(before).to.include.members([...(await read('ks', keys('team')))]);
  });

  it('by prefix', async () => {
    const before = await read('ks', [...keys('p'), ...keys('pq')]);
    expect(json(await done(['delete', 'ks', '--prefix', 'p/', '--json'], cluster[2]))).to.deep.equal({
      keyspace: 'ks',
      prefix: 'p/',
      deleted: 20,
      unreached: [],
    });
    for (const text of await read('ks', keys('p'))) expect(before).not.to.include(text);
    expect(before).to.include.members([...(await read('ks', keys('pq')))]);
  });

  it('a node that is stopped meanwhile is named, exit code 4, and answers with nothing from before when it is back', async () => {
    const [first, , third] = cluster as [RealNode, RealNode, RealNode];
    const before = await read('ks', keys('row'));
    third.signal('SIGSTOP');
    const ended = await run(['delete', 'ks', '--tag', 'row', '--json', '--timeout', '3s'], first);
    third.signal('SIGCONT');
    expect(ended.exit, ended.stderr).to.equal(4);
    expect(json(ended)).to.deep.include({ keyspace: 'ks', tag: 'row', unreached: ['cache-3'] });
    expect(ended.stderr).to.match(/^Error: [^\n]*cache-3[^\n]*\n$/);
    await nodes.linked(cluster);
    await until('it has deleted them too', async () => {
      const now = await read('ks', keys('row'));
      return now.every((text) => !before.includes(text));
    });
  });

  const refusals: readonly (readonly [name: string, args: readonly string[], exit: number, says: RegExp])[] = [
    ['no key, no tag and no prefix', ['delete', 'ks'], 2, /missing argument KEY; or say --tag or --prefix/],
    ['a key and a tag', ['delete', 'ks', 'k', '--tag', 't'], 2, /both KEY and --tag are given/],
    ['a tag and a prefix', ['delete', 'ks', '--tag', 't', '--prefix', 'p'], 2, /--prefix/],
    ['an empty tag', ['delete', 'ks', '--tag', ''], 2, /tag is empty; to delete all entries, clear the keyspace/],
    ['an empty prefix', ['delete', 'ks', '--prefix', ''], 2, /prefix is empty; to delete all/],
    ['a long tag', ['delete', 'ks', '--tag', 'x'.repeat(129)], 2, /tag is 129 bytes long, may be at most 128/],
    ['a long prefix', ['delete', 'ks', '--prefix', 'x'.repeat(4097)], 2, /is 4097 bytes long, may be at most 4096/],
    ['--ack', ['delete', 'ks', '--tag', 't', '--ack', 'owner'], 2, /--ack has no meaning with --tag/],
    ['an unknown keyspace', ['delete', 'nope', '--tag', 't'], 3, /keyspace 'nope'/],
    [
      'a put with a long tag',
      ['put', 'ks', 'k', 'v', '--tag', 'é'.repeat(65)],
      2,
      /130 bytes long, may be at most 128/,
    ],
    [
      'a put with 17 tags',
      ['put', 'ks', 'k', 'v', ...Array.from({ length: 17 }, (_, i) => ['--tag', `t${i}`]).flat()],
      2,
      /tags are 17, may be at most 16/,
    ],
  ];
  for (const [name, args, exit, says] of refusals) {
    it(`${name} is refused: exit code ${exit}`, async () => {
      const ended = await run(args);
      expect(ended.stderr)
        .to.match(says)
        .and.match(/^Error: [^\n]*\n$/);
      expect(ended.exit).to.equal(exit);
    });
  }
});
