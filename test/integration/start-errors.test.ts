import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { cli, type Ended, shell } from '../support/cli.js';
import { configOf, RealNodes } from '../support/real-nodes.js';

/** Asked for are 2 s on a quiet machine; the tests may share theirs. */
const limitMs = 5_000;

describe('integration: what keeps a node from starting is one line and an exit code, soon', function () {
  this.timeout(30_000);
  let nodes: RealNodes;
  let slowest = { ms: 0, name: '' };

  before(async () => {
    nodes = await RealNodes.open();
    await nodes.file('text.txt', 'this is no database, and longer than the header of one'.repeat(20));
    await nodes.file('throws.mjs', 'throw new Error("no such luck");');
    await nodes.file('empty.mjs', 'export const fetch = () => null;');
  });
  after(async () => {
    await nodes.close();
    process.stdout.write(`    slowest: ${Math.round(slowest.ms)} ms (${slowest.name})\n`);
  });

  const none = '{ type: none }';
  const port = ['--bind-port', '0'];

  interface Row {
    readonly name: string;
    readonly config?: string;
    readonly args?: readonly string[];
    readonly exit: 1 | 2 | 4;
    readonly says: readonly (string | RegExp)[];
  }
  const rows: readonly Row[] = [
    { name: 'bad YAML', config: 'keyspaces: [', exit: 2, says: [/node-\S+\.yaml:\d+:\d+/] },
    { name: 'a tab in YAML', config: 'keyspaces:\n\tks: {}', exit: 2, says: [/node-\S+\.yaml:2:\d+/] },
    { name: 'not a map', config: '- a\n- b', exit: 2, says: [/node-\S+\.yaml/] },
    {
      name: 'an unknown key, with a near one',
      config: configOf(none, { keyspace: 'defaultTll: 1s' }),
      exit: 2,
      says: ['keyspaces.ks.defaultTll', 'did you mean defaultTtl'],
    },
    {
      name: 'a wrong type',
      config: configOf(none, { top: 'bind: { port: many }' }),
      exit: 2,
      says: ['bind.port', 'many'],
    },
    {
      name: 'an impossible value',
      config: 'keyspaces: { ks: { maxBytes: 0, source: { type: none } } }',
      exit: 2,
      says: ['keyspaces.ks.maxBytes'],
    },
    {
      name: 'a variable that is not set',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the config's own placeholder
      config: 'name: "${DISTCACHE_TEST_UNSET}"',
      exit: 2,
      says: ['DISTCACHE_TEST_UNSET'],
    },
    {
      name: 'a missing config file',
      args: ['--config', '/nowhere/cache.yaml', ...port],
      exit: 2,
      says: ['/nowhere/cache.yaml', 'does not exist'],
    },
    { name: 'a folder as config file', args: ['--config', '/tmp', ...port], exit: 2, says: ['/tmp', 'folder'] },
    {
      name: 'a missing database file',
      config: configOf('{ type: sqlite, file: nowhere.db, query: "select v from t where k = :key" }'),
      exit: 2,
      says: ['nowhere.db', 'ks'],
    },
    {
      name: 'a file that is no database',
      config: configOf('{ type: sqlite, file: text.txt, query: "select v from t where k = :key" }'),
      exit: 2,
      says: ['text.txt', 'SQLite'],
    },
    {
      name: 'a missing module',
      config: configOf('{ type: module, path: ./nowhere.mjs }'),
      exit: 2,
      says: ['nowhere.mjs', 'ks'],
    },
    {
      name: 'a module that throws',
      config: configOf('{ type: module, path: ./throws.mjs }'),
      exit: 2,
      says: ['throws.mjs', 'no such luck'],
    },
    {
      name: 'a module without a default export',
      config: configOf('{ type: module, path: ./empty.mjs }'),
      exit: 2,
      says: ['empty.mjs', 'default export'],
    },
    {
      name: 'a missing folder',
      config: configOf('{ type: directory, path: ./nowhere }'),
      exit: 2,
      says: ['nowhere', 'ks'],
    },
    {
      name: 'a query without the key',
      config: configOf('{ type: postgres, url: "postgres://u:hunter2@127.0.0.1/db", query: "select 1" }'),
      exit: 2,
      says: ['keyspaces.ks.source.query', '$1'],
    },
    {
      name: 'a discovery provider without its section, in the file',
      config: configOf(none, { top: 'discovery: { provider: nats }' }),
      exit: 2,
      says: ['discovery.provider', 'nats', 'add discovery.nats'],
    },
    {
      name: 'a discovery provider without its section, as a flag',
      args: ['--discovery', 'kubernetes', ...port],
      exit: 2,
      says: ['--discovery', 'kubernetes', 'add discovery.kubernetes'],
    },
    {
      name: 'a provider that there is not',
      args: ['--discovery', 'magic', ...port],
      exit: 2,
      says: ['--discovery', 'magic', 'static'],
    },
    { name: 'a port that is none', args: ['--bind-port', 'x'], exit: 2, says: ['--bind-port', 'x'] },
    { name: 'a port too high', args: ['--bind-port', '70000'], exit: 2, says: ['--bind-port', '70000', '65535'] },
    {
      name: 'a level that there is not',
      args: ['--log-level', 'loud', ...port],
      exit: 2,
      says: ['--log-level', 'loud'],
    },
    {
      name: 'peers that are no addresses',
      args: ['--peers', 'http://nonsense', ...port],
      exit: 2,
      says: ['--peers', 'http://nonsense'],
    },
    { name: 'an unknown flag', args: ['--bnid-port', '0'], exit: 2, says: ['--bnid-port'] },
    { name: 'an argument too many', args: ['now', ...port], exit: 2, says: ['now'] },
    {
      name: 'an address of another machine',
      args: ['--bind-addr', '203.0.113.1', '--insecure', ...port],
      exit: 1,
      says: ['203.0.113.1', '--bind-addr'],
    },
    {
      name: 'an address that others can reach, though nothing protects the node',
      args: ['--bind-addr', '0.0.0.0', ...port],
      exit: 2,
      says: ['0.0.0.0', 'Three ways out', 'auth.tokens', 'cert create', '127.0.0.1', '--insecure'],
    },
    {
      name: 'the same for the admin endpoints alone',
      args: ['--admin-addr', '0.0.0.0:0', ...port],
      exit: 2,
      says: ['the admin endpoints', '0.0.0.0', '--insecure'],
    },
    {
      name: 'an address that others can reach, with tokens but gossip in the clear',
      config: configOf(none, { top: 'auth: { tokens: [ { name: a, token: t, allow: [read] } ] }' }),
      args: ['--bind-addr', '0.0.0.0', '--discovery-port', '0'],
      exit: 2,
      says: ['gossip.secrets', '--insecure'],
    },
    {
      name: 'a certificate that is not there',
      config: configOf(none, { top: 'tls: { cert: nowhere.pem, key: nowhere-key.pem }' }),
      exit: 2,
      says: ['tls.cert', 'nowhere.pem'],
    },
    {
      name: 'an interface that there is not',
      config: configOf(none, { top: 'bind: { interface: nowhere0 }' }),
      exit: 2,
      says: ['bind.interface', 'nowhere0'],
    },
    {
      name: 'too few nodes in time',
      config: configOf(none, { top: 'gossip: { port: 0 }\ncluster: { minimumPeers: 3, bootstrapTimeout: 1500ms }' }),
      exit: 4,
      says: ['minimumPeers', '3'],
    },
  ];

  async function timed(name: string, run: () => Promise<Ended>): Promise<Ended> {
    const startMs = performance.now();
    const ended = await run();
    const ms = performance.now() - startMs;
    if (ms > slowest.ms) slowest = { ms, name };
    expect(ms, `${name} took`).to.be.below(limitMs);
    return ended;
  }

  let files = 0;
  const argumentsOf = async ({ config, args = [] }: Row): Promise<readonly string[]> =>
    config === undefined
      ? ['node', 'start', ...args]
      : ['node', 'start', '--config', await nodes.file(`node-${files++}.yaml`, config), ...port, ...args];

  function expectOneLine(ended: Ended, { exit, says }: Pick<Row, 'exit' | 'says'>): void {
    // Warnings before it are log lines.
    const lines = ended.stderr.split('\n').filter((line) => !line.startsWith('{'));
    expect(lines, ended.stderr).to.have.length(2);
    expect(lines[1]).to.equal('');
    expect(lines[0]).to.match(/^Error: /);
    for (const words of says) {
      if (typeof words === 'string') expect(lines[0]).to.contain(words);
      else expect(lines[0]).to.match(words);
    }
    expect(ended.exit).to.equal(exit);
  }

  for (const row of rows) {
    it(row.name, async () => {
      const args = await argumentsOf(row);
      const plain = await timed(row.name, () => cli(args));
      expectOneLine(plain, row);
      expect(plain.stdout.toString()).to.equal('');
    });
  }

  it('a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const taken = String((server.address() as { port: number }).port);
    for (const json of [[], ['--json']]) {
      const ended = await timed('port taken', () => cli(['node', 'start', '--bind-port', taken, ...json]));
      expectOneLine(ended, { exit: 1, says: [`127.0.0.1:${taken}`, 'in use', '--bind-port'] });
    }
    server.close();
  });

  it('a port that another node has, which goes on', async () => {
    const node = await nodes.start();
    const ended = await timed('port taken', () => cli(['node', 'start', '--bind-port', String(node.port)]));
    expectOneLine(ended, { exit: 1, says: [String(node.port), 'in use'] });
    expect((await nodes.client([node]).status()).ready).to.equal(true);
  });

  it('with --json the same, and a document on stdout', async () => {
    const codes: readonly (readonly [Row, string])[] = [
      [rows.find(({ name }) => name === 'an unknown key, with a near one')!, 'INVALID_ARGUMENT'],
      [rows.find(({ name }) => name === 'a missing database file')!, 'INVALID_ARGUMENT'],
      [rows.find(({ name }) => name === 'a port that is none')!, 'INVALID_ARGUMENT'],
      [rows.find(({ name }) => name === 'too few nodes in time')!, 'CLUSTER_QUORUM'],
      [rows.find(({ name }) => name === 'an address of another machine')!, 'INTERNAL'],
    ];
    for (const [row, code] of codes) {
      const ended = await cli([...(await argumentsOf(row)), '--json']);
      expectOneLine(ended, row);
      const { error } = JSON.parse(ended.stdout.toString());
      expect(error.code, row.name).to.equal(code);
      expect(ended.stderr).to.contain(error.message);
    }
  });

  it('leaves no file behind', async () => {
    const temporary = join(nodes.folder, 'tmp');
    await mkdir(temporary);
    const env = { TMPDIR: temporary, NODE_DISABLE_COMPILE_CACHE: '1' };
    const file = await nodes.file('bad.yaml', 'keyspaces: [');
    expect((await shell('distcache node start --config "$FILE"', { env: { ...env, FILE: file } })).exit).to.equal(2);
    expect(await readdir(temporary)).to.deep.equal([]);
  });
});
