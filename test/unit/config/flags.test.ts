import { expect } from 'chai';
import { applyFlags, type NodeFlags, stillHolding } from '../../../src/config/flags.js';
import { defaultConfig, load } from '../../../src/config/load.js';
import type { NodeConfig } from '../../../src/config/node-config.js';
import { formatFlagProblem } from '../../../src/config/problems.js';
import { loaded, options } from './support.js';

type Base = Parameters<typeof applyFlags>[0];
const standard = (): Base => ({ config: defaultConfig(), sections: {} });

function flagged(
  flags: NodeFlags,
  { config, sections }: Base = standard(),
): { config: NodeConfig; warnings: readonly string[] } {
  const result = applyFlags({ config, sections }, flags);
  if (!result.ok) throw new Error(result.problems.map(formatFlagProblem).join('\n'));
  return { config: result.config, warnings: result.warnings.map(formatFlagProblem) };
}

function problemsOf(flags: NodeFlags, { config, sections }: Base = standard()): readonly string[] {
  const result = applyFlags({ config, sections }, flags);
  return result.ok ? [] : result.problems.map(formatFlagProblem);
}

const _idle = 'not in force in this release and has no effect';
const later = 'comes in a later release, so it is refused rather than ignored';

describe('config: flags of node start', () => {
  it('change nothing where none is given', () => {
    const base = loaded('name: a\nbind: { interface: eth0 }\ngossip: { port: 4 }\ndiscovery: { peers: ["a:1"] }');
    expect(flagged({}, base).config).to.deep.equal(base.config);
  });

  it('beat the file', () => {
    const base = loaded('name: a\nlabel: test\nbind: { interface: eth0, port: 1 }\ndiscovery: { peers: ["a:1"] }');
    const result = flagged(
      {
        name: 'b',
        label: 'prod',
        'bind-addr': '::1',
        'bind-port': '0',
        peers: 'b:1, c:2,b:1',
        'log-level': 'debug',
        'log-format': 'json',
        workers: 1,
      },
      base,
    );
    expect(result.warnings).to.deep.equal([]);
    expect(result.config).to.deep.equal({
      ...base.config,
      name: 'b',
      label: 'prod',
      bind: { addr: '::1', interface: undefined, port: 0 },
      discovery: { provider: 'static', peers: ['b:1', 'c:2'] },
      log: { level: 'debug', format: 'json' },
    });
  });

  it('peers alone make a static cluster, standalone drops the peers of the file', () => {
    const base = loaded('discovery: { peers: ["a:1"] }');
    expect(flagged({ peers: ['a:1', 'b:2,c:3'] }).config.discovery).to.deep.equal({
      provider: 'static',
      peers: ['a:1', 'b:2', 'c:3'],
    });
    expect(flagged({ discovery: 'standalone' }, base).config.discovery).to.deep.equal({
      provider: 'standalone',
    });
    expect(flagged({ discovery: 'static' }).config.discovery).to.deep.equal({ provider: 'static', peers: [] });
  });

  it('that say how to meet others settle what the file left in doubt about it, and nothing else', () => {
    const keyspace = (name: string): string => `${name}: { maxBytes: 5GiB, source: { type: none } }`;
    const text = `gossip: { profile: wan }\nkeyspaces: { ${keyspace('a')}, ${keyspace('b')} }`;
    const read = load(text, options());
    const warnings = read.ok ? read.warnings : [];
    const pathsOf = (flags: NodeFlags): readonly string[] => stillHolding(warnings, flags).map(({ path }) => path);
    expect(pathsOf({ name: 'a' })).to.deep.equal(['gossip', 'keyspaces']);
    expect(pathsOf({ peers: 'b:1' })).to.deep.equal(['keyspaces']);
  });

  it('a gossip port alone makes a seed; standalone has no gossip, and says so', () => {
    const seed = flagged({ 'discovery-port': '0' });
    expect(seed.config.discovery).to.deep.equal({ provider: 'static', peers: [] });
    expect(seed.config.gossip).to.deep.include({ port: 0, profile: 'lan', transport: 'udp' });
    const alone = flagged({ 'discovery-port': 1, discovery: 'standalone' });
    expect(alone.config.gossip).to.equal(false);
    expect(alone.warnings).to.deep.equal(['--discovery-port: has no effect, since the node is standalone']);
  });

  it('choose among the providers that the file describes, and keep its gossip', () => {
    const base = loaded(
      'gossip: { profile: wan }\ndiscovery: { provider: static, peers: [a], dns: { name: cache.example } }',
    );
    const { config } = flagged({ discovery: 'dns', 'discovery-port': 4000 }, base);
    expect(config.discovery).to.deep.equal({
      provider: 'dns',
      name: 'cache.example',
      servers: [],
      port: 4000,
      family: undefined,
      intervalMs: 10_000,
      srv: false,
    });
    expect(config.gossip).to.deep.include({ port: 4000, profile: 'wan' });
    const dns = loaded('discovery: { provider: dns, dns: { name: cache.example } }');
    expect(flagged({ peers: 'b' }, dns).config.discovery).to.deep.equal({ provider: 'static', peers: ['b:3322'] });
  });

  it('turn TLS on, or change the files of the config', () => {
    const files = { ca: '/ca.pem', cert: '/node.pem', key: '/node-key.pem', clientAuth: 'require', nodeName: 'n' };
    const own = { 'tls-cert': '/c.pem', 'tls-key': '/k.pem' };
    expect(flagged(own).config.tls).to.deep.equal({
      ca: undefined,
      cert: '/c.pem',
      key: '/k.pem',
      clientAuth: 'require',
      nodeName: 'distcache-node',
    });
    const inFile = loaded(`tls: ${JSON.stringify(files)}`);
    expect(flagged({ 'tls-ca': '/other.pem' }, inFile).config.tls).to.deep.equal({ ...files, ca: '/other.pem' });
    expect(flagged({}, inFile).config.tls).to.deep.equal(files);
    expect(problemsOf({ 'tls-ca': '/ca.pem' })).to.deep.equal([
      '--tls-cert: missing; TLS takes both --tls-cert and --tls-key',
    ]);
  });

  it('let a node stand open on the command line alone', () => {
    expect(flagged({}).config.insecure).to.equal(false);
    expect(flagged({ insecure: true }).config.insecure).to.equal(true);
  });

  it('give the admin endpoints an address, or none', () => {
    expect(flagged({}).config.admin).to.include({ addr: '127.0.0.1', port: 3321, isPortFlexible: true });
    expect(flagged({ 'admin-addr': '10.0.0.1:0' }).config.admin).to.deep.equal({
      addr: '10.0.0.1',
      port: 0,
      basePath: '/_distcache/admin',
      isPortFlexible: false,
      tls: true,
      token: undefined,
    });
    expect(flagged({ 'admin-addr': 'off' }).config.admin).to.equal(false);
    const file = loaded('admin: { port: 4000, basePath: /ops }');
    expect(flagged({ 'admin-addr': '[::1]:1' }, file).config.admin).to.include({ addr: '::1', basePath: '/ops' });
  });

  it('do not take the admin endpoints from metrics that are served there', () => {
    const file = loaded('telemetry: { metrics: prometheus }');
    expect(problemsOf({ 'admin-addr': 'off' }, file)).to.deep.equal([
      '--admin-addr: is off, but telemetry.metrics is prometheus, which is served at the admin endpoints',
    ]);
    expect(flagged({ 'admin-addr': '127.0.0.1:0' }, file).config.telemetry.metrics).to.equal('prometheus');
  });

  it('keep the default admin port out of the way of ports that were asked for', () => {
    expect(flagged({ 'bind-port': 3321 }).config.bind.port).to.equal(3321);
  });

  const rows: readonly (readonly [string, NodeFlags, ...string[]])[] = [
    ['port beyond', { 'bind-port': '70000' }, '--bind-port: must be a port from 0 to 65535, found 70000'],
    ['port of letters', { 'bind-port': 'x' }, '--bind-port: must be a port from 0 to 65535, found "x"'],
    ['empty port', { 'bind-port': '' }, '--bind-port: must be a port from 0 to 65535, found nothing'],
    ['port of gossip below', { 'discovery-port': -1 }, '--discovery-port: must be a port from 0 to 65535, found -1'],
    [
      'name with a blank',
      { name: 'a b' },
      '--name: must be a name of at most 128 bytes: letters, digits and . _ - :, with a letter or digit first, found "a b"',
    ],
    [
      'empty address',
      { 'bind-addr': '' },
      '--bind-addr: must be a host name or an IP address without port, such as 127.0.0.1, found nothing',
    ],
    [
      'admin without port',
      { 'admin-addr': 'localhost' },
      '--admin-addr: must be host:port, such as 127.0.0.1:3321, or off, found "localhost"',
    ],
    [
      'peer at port 0',
      { peers: 'a:1,b:0' },
      '--peers: must be host or host:port of another node\'s gossip, such as 10.0.0.2:3322 or [::1]:3322, found "b:0"',
    ],
    [
      'unknown provider',
      { discovery: 'dsn' },
      '--discovery: must be one of standalone, static, dns, nats, kubernetes, found "dsn"; did you mean dns?',
    ],
    [
      'provider without its section',
      { discovery: 'dns' },
      '--discovery: dns needs its section in the config file; add discovery.dns there',
    ],
    ['peers of an unset variable', { peers: '' }, '--peers: is empty; give host:port of other nodes, or leave it out'],
    [
      'peers beside another provider',
      { discovery: 'nats', peers: 'a' },
      '--peers: given, but --discovery is nats; use static, or leave one out',
      '--discovery: nats needs its section in the config file; add discovery.nats there',
    ],
    [
      'gossip on the port for clients',
      { 'bind-port': 4000, 'discovery-port': 4000 },
      '--discovery-port: must differ from the port of bind, both are 4000',
    ],
    [
      'peers of a standalone node',
      { discovery: 'standalone', peers: 'a:1' },
      '--peers: given, but --discovery is standalone; use static, or leave one out',
    ],
    ['workers', { workers: '4' }, `--workers: ${later}; use 1 or leave it out`],
    ['log level', { 'log-level': 'warning' }, '--log-level: must be one of debug, info, warn, error, found "warning"'],
    [
      'log format',
      { 'log-format': 'JSON' },
      '--log-format: must be one of pretty, json, found "JSON"; did you mean json?',
    ],
    [
      'several',
      { workers: 0, label: 'a b' },
      '--workers: must be a whole number from 1 to 1024, found 0',
      '--label: must be a label of at most 128 bytes: letters, digits and . _ - :, found "a b"',
    ],
  ];
  for (const [title, flags, ...problems] of rows) {
    it(`refused: ${title}`, () => expect(problemsOf(flags)).to.deep.equal(problems));
  }

  it('ports that clash name the flag that was given', () => {
    const config: NodeConfig = {
      ...defaultConfig(),
      admin: { addr: '127.0.0.1', port: 4000, basePath: '/x', isPortFlexible: false, tls: true, token: undefined },
    };
    expect(problemsOf({ 'bind-port': 4000 }, { config, sections: {} })).to.deep.equal([
      '--bind-port: must differ from the port of admin, both are 4000',
    ]);
  });
});
