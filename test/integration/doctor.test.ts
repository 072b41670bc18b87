import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { DoctorJson } from '../../src/cli/doctor-view.js';
import { staticDiscovery } from '../../src/discovery/names/static.js';
import { Engine } from '../../src/node/engine.js';
import type { EngineOptions } from '../../src/node/options.js';
import { cli } from '../support/cli.js';
import { TestAuthority } from '../support/issued.js';
import { until } from '../support/until.js';

type Results = ReadonlyMap<string, readonly { readonly result: string; readonly found: string }[]>;

interface Visit {
  readonly exit: unknown;
  readonly report: DoctorJson;
  readonly by: Results;
}

async function visit(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Visit> {
  const ended = await cli(['doctor', '--json', ...args], { env });
  expect(ended.stderr).to.equal('');
  const report: DoctorJson = JSON.parse(ended.stdout.toString());
  const by = new Map<string, { readonly result: string; readonly found: string }[]>();
  for (const { check, ...rest } of report.checks) by.set(check, [...(by.get(check) ?? []), rest]);
  return { exit: ended.exit, report, by };
}

const resultsOf = ({ by }: Visit, check: string): readonly string[] =>
  (by.get(check) ?? []).map(({ result }) => result);
const failing = ({ report }: Visit): readonly string[] =>
  report.checks.filter(({ result }) => result === 'fail').map(({ check, found }) => `${check}: ${found}`);

describe('integration: doctor', function () {
  this.timeout(60_000);
  const token = '0123456789abcdef'.repeat(4);
  const secret = Buffer.from(Array.from({ length: 32 }, (_, i) => 255 - 7 * i)).toString('base64');
  const env = { TOKEN: token, SECRET: secret };
  let folder: string;
  const engines: Engine[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distcache-doctor-'));
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.stop({ timeoutMs: 2000 })));
    await rm(folder, { recursive: true });
  });

  async function file(name: string, text: string, mode = 0o600): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, text);
    await chmod(path, mode);
    return path;
  }

  async function start(options: Partial<EngineOptions> & { name: string }): Promise<Engine> {
    const peers = engines.map((engine) => engine.status().gossip);
    const engine = new Engine({
      bind: { port: 0 },
      gossip: { port: 0, profile: 'local', secrets: [secret] },
      discovery: staticDiscovery({ peers }),
      keyspaces: [{ name: 'ks', maxBytes: '1MiB', dataSource: { fetch: () => null } }],
      ...options,
    });
    engines.push(engine);
    await engine.start();
    return engine;
  }

  const linked = (): Promise<void> =>
    until('all see each other', () => engines.every((engine) => engine.status().peers === engines.length));

  const portOf = (address: string): number => Number(address.split(':').at(-1));

  describe('of a cluster on mutual TLS', () => {
    let authority: TestAuthority;
    let config: string;

    beforeEach(async () => {
      authority = await TestAuthority.create();
      const ca = authority.ca.cert;
      for (const name of ['a', 'b']) {
        const { cert, key } = await authority.node(name);
        await file(`${name}.pem`, cert);
        await file(`${name}-key.pem`, key);
        await start({
          name,
          tls: { ca, cert, key },
          auth: { tokens: [{ name: 'ops', token, allow: ['read', 'write', 'admin'] }] },
          admin: { port: 0 },
        });
      }
      await file('ca.pem', ca);
      await linked();
      const { grpc, gossip, admin } = engines[0]!.status();
      config = `name: a
bind: { port: ${portOf(grpc)} }
admin: { port: ${portOf(admin)} }
gossip: { port: ${portOf(gossip)}, secrets: ["\${SECRET}"] }
discovery: { provider: static, peers: ["${gossip}", "${engines[1]!.status().gossip}"] }
tls: { ca: ca.pem, cert: a.pem, key: a-key.pem }
auth: { tokens: [ { name: ops, token: "\${TOKEN}", allow: [read, write, admin] } ] }
keyspaces: { ks: { maxBytes: 1MiB, source: { type: none } } }
`;
    });

    it('that is well: nothing fails, with what the config holds alone', async () => {
      const found = await visit(['--config', await file('a.yaml', config)], env);
      expect(failing(found)).to.deep.equal([]);
      expect(found.exit).to.equal(0);
      expect(found.report.healthy).to.equal(true);
      const inOrder = [
        ...['config', 'secrets in the file', 'protection of the node', 'protection of the admin endpoints'],
        ...['tls.key', 'tls.cert names', 'auth.tokens[0]', 'gossip.secrets[0]', 'tls.key permissions', 'memory'],
        ...['bind.port', 'admin.port', 'gossip.port', 'discovery', 'members', 'reach', 'ready', 'one cluster'],
        ...['releases', 'keyspaces', 'clocks', 'gossip', 'strangers', 'admin endpoints'],
      ];
      for (const check of inOrder) expect(resultsOf(found, check), check).to.deep.equal(['ok']);
      expect(found.by.get('bind.port')![0]!.found).to.contain('taken by a, which runs');
      expect(found.by.get('strangers')![0]!.found).to.match(/^a, b: turns away/);
      // Of one day: what the nodes show is looked at as well as the file.
      expect(resultsOf(found, 'tls.cert')).to.deep.equal(['warn']);
      expect(resultsOf(found, 'certificates')).to.deep.equal(['warn', 'warn']);
      for (const shown of [token, secret, 'PRIVATE']) expect(JSON.stringify(found.report)).to.not.contain(shown);
    });

    it('a key that everybody may read, a token in the file and another one in force: each is told', async () => {
      await chmod(join(folder, 'a-key.pem'), 0o644);
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the config file
      const text = config.replace('${TOKEN}', 'hunter2');
      const found = await visit(['--config', await file('a.yaml', text, 0o644)], env);
      expect(found.exit).to.equal(7);
      const told = ['config permissions', 'tls.key permissions', 'auth.tokens[0]', 'cluster'];
      expect(
        failing(found)
          .map((line) => line.split(': ')[0])
          .sort(),
      ).to.deep.equal([...told].sort());
      expect(resultsOf(found, 'secrets in the file')).to.deep.equal(['warn']);
      expect(resultsOf(found, 'bind.port')).to.deep.equal(['skip']);
      expect(JSON.stringify(found.report)).to.not.contain('hunter2');
    });

    it('that is asked with nothing in hand says what to show', async () => {
      const found = await visit(['--addr', engines[0]!.status().grpc]);
      expect(found.exit).to.equal(7);
      expect(resultsOf(found, 'cluster')).to.deep.equal(['fail']);
      expect(found.report.checks[0]!.mend).to.contain('--tls-ca');
    });
  });

  it('of a cluster in the clear: keyspaces that differ, and an open circuit', async () => {
    const down = { fetch: () => Promise.reject(new Error('down')) };
    const ks = { name: 'ks', maxBytes: '1MiB', breaker: { failures: 1, reset: '1h' } };
    await start({ name: 'a', keyspaces: [{ ...ks, defaultTtl: '5m', dataSource: down }] });
    const more = { name: 'more', maxBytes: '1MiB', dataSource: down };
    await start({ name: 'b', keyspaces: [{ ...ks, defaultTtl: '6m', dataSource: down }, more] });
    await linked();
    const [a] = engines;
    // Some key of its own, so that it is its source that fails.
    for (let i = 0; a!.describeKeyspace('ks').source?.breaker?.state !== 'open'; i++) {
      await a!.get('ks', String(i)).catch(() => {});
    }
    const found = await visit(['--addr', a!.status().grpc]);
    expect(found.exit).to.equal(7);
    expect(failing(found).filter((line) => !line.includes('at b'))).to.deep.equal([
      'keyspace more: a: does not have it, so its part of the keys is kept by nobody',
      'circuits: open: ks at a; its data source keeps failing',
    ]);
    expect(resultsOf(found, 'keyspace ks')).to.deep.equal(['warn']);
    expect(resultsOf(found, 'strangers')).to.deep.equal(['ok']);
  });

  it('of a config that cannot be, with a cluster that is well', async () => {
    const a = await start({ name: 'a' });
    const path = await file('bad.yaml', 'bind: { port: 70000 }\n');
    const alone = await visit(['--config', path]);
    expect(alone.exit).to.equal(7);
    expect(resultsOf(alone, 'cluster')).to.deep.equal(['skip']);
    const both = await visit(['--config', path, '--addr', a.status().grpc]);
    expect(failing(both)).to.have.length(1);
    expect(resultsOf(both, 'members')).to.deep.equal(['ok']);
  });
});
