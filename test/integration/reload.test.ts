import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { type RealNode, RealNodes } from '../support/real-nodes.js';
import { until } from '../support/until.js';

describe('SIGHUP on real nodes', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let cluster: readonly RealNode[];
  let file: string;

  const config = (keyspaces: readonly string[]): string => ['keyspaces:', ...keyspaces, ''].join('\n  ');
  const source = 'source: { type: none }';

  before(async () => {
    nodes = await RealNodes.open();
    file = await nodes.file(
      'cluster.yaml',
      config([`ks: { maxBytes: 1MiB, ${source} }`, `old: { maxBytes: 1MiB, ${source} }`]),
    );
    cluster = await nodes.cluster(['cache-1', 'cache-2', 'cache-3'], { args: ['--config', file] });
  });
  after(() => nodes.close());

  /** The file says this now; each node reads it, and is waited for until its log has one more line that matches. */
  const reload = async (text: string, says: RegExp): Promise<void> => {
    await writeFile(file, text);
    const told = (node: RealNode): number => node.log().filter(({ msg }) => says.test(msg)).length;
    const before = cluster.map(told);
    for (const node of cluster) node.signal('SIGHUP');
    await until(`all nodes say ${says}`, () => cluster.every((node, i) => told(node) > before[i]!));
  };
  const described = (name: string) =>
    Promise.all(
      cluster.map(async (node) => {
        const client = nodes.client([node]);
        const { maxBytes, defaultTtlMs } = await client.keyspace(name);
        await client.close();
        return { maxBytes, defaultTtlMs };
      }),
    );

  it('applies what changed on each node, adds what is new and removes what is gone; what is in memory stays', async () => {
    const client = nodes.client(cluster);
    await client.put('ks', { key: 'k', value: new TextEncoder().encode('stays') });
    await reload(
      config([`ks: { maxBytes: 2MiB, defaultTtl: 1m, ${source} }`, `young: { maxBytes: 3MiB, ${source} }`]),
      /keyspace 'old' is no longer in the file: removed from this node/,
    );
    expect(await described('ks')).to.deep.equal(cluster.map(() => ({ maxBytes: 2 * 1024 ** 2, defaultTtlMs: 60_000 })));
    expect((await described('young'))[2]).to.include({ maxBytes: 3 * 1024 ** 2 });
    expect((await client.keyspaces()).map(({ name }) => name).sort()).to.deep.equal(['ks', 'young']);
    expect(Buffer.from((await client.get('ks', 'k')).value).toString()).to.equal('stays');
  });

  const refused = 'SIGHUP: the config was not taken over, the node goes on as before: [^]*cluster\\.yaml';
  const wrong: readonly (readonly [name: string, text: string, says: string])[] = [
    ['a value that cannot be', config([`ks: { maxBytes: 7, ${source} }`]), ':2:\\d+ keyspaces\\.ks\\.maxBytes: '],
    [
      'an unknown key',
      config([`ks: { maxBytes: 1MiB, defaultTlt: 5m, ${source} }`]),
      ':2:\\d+ keyspaces\\.ks\\.defaultTlt: unknown key; did you mean defaultTtl\\?',
    ],
    ['no YAML at all', 'keyspaces: [', ':\\d+:\\d+ '],
  ];
  for (const [name, text, says] of wrong) {
    it(`says what is wrong and keeps the old: ${name}`, async () => {
      await reload(text, new RegExp(refused + says));
      expect(await described('ks')).to.deep.equal(
        cluster.map(() => ({ maxBytes: 2 * 1024 ** 2, defaultTtlMs: 60_000 })),
      );
    });
  }

  it('a file that is right again is taken over', async () => {
    await reload(config([`ks: { maxBytes: 4MiB, ${source} }`]), /keyspace 'ks' changed/);
    expect(await described('ks')).to.deep.equal(
      cluster.map(() => ({ maxBytes: 4 * 1024 ** 2, defaultTtlMs: undefined })),
    );
  });
});
