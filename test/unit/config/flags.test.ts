import { expect } from 'chai';
import { applyFlags, type NodeFlags } from '../../../src/config/flags.js';
import { defaultConfig } from '../../../src/config/load.js';
import type { NodeConfig } from '../../../src/config/node-config.js';
import { formatFlagProblem } from '../../../src/config/problems.js';
import { loaded } from './support.js';

function flagged(
  flags: NodeFlags,
  config: NodeConfig = defaultConfig(),
): { config: NodeConfig; warnings: readonly string[] } {
  const result = applyFlags(config, flags);
  if (!result.ok) throw new Error(result.problems.map(formatFlagProblem).join('\n'));
  return { config: result.config, warnings: result.warnings.map(formatFlagProblem) };
}

function problemsOf(flags: NodeFlags, config: NodeConfig = defaultConfig()): readonly string[] {
  const result = applyFlags(config, flags);
  return result.ok ? [] : result.problems.map(formatFlagProblem);
}

const idle = 'not in force in this release and has no effect';
const later = 'comes in a later release, so it is refused rather than ignored';

describe('config: flags of node start', () => {
  it('change nothing where none is given', () => {
    const { config } = loaded('name: a\nbind: { interface: eth0 }\ndiscovery: { peers: ["a:1"] }');
    expect(flagged({}, config).config).to.deep.equal(config);
  });

  it('beat the file', () => {
    const { config } = loaded(
      'name: a\nlabel: test\nbind: { interface: eth0, port: 1 }\ndiscovery: { peers: ["a:1"] }',
    );
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
      config,
    );
    expect(result.warnings).to.deep.equal([]);
    expect(result.config).to.deep.equal({
      ...config,
      name: 'b',
      label: 'prod',
      bind: { addr: '::1', interface: undefined, port: 0 },
      discovery: { provider: 'static', peers: ['b:1', 'c:2'] },
      log: { level: 'debug', format: 'json' },
    });
  });

  it('peers alone make a static cluster, standalone drops the peers of the file', () => {
    const { config } = loaded('discovery: { peers: ["a:1"] }');
    expect(flagged({ peers: ['a:1', 'b:2,c:3'] }).config.discovery).to.deep.equal({
      provider: 'static',
      peers: ['a:1', 'b:2', 'c:3'],
    });
    expect(flagged({ discovery: 'standalone' }, config).config.discovery).to.deep.equal({
      provider: 'standalone',
      peers: [],
    });
    expect(flagged({ discovery: 'static' }).config.discovery).to.deep.equal({ provider: 'static', peers: [] });
  });

  it('warn of what does nothing yet', () => {
    const { config, warnings } = flagged({ 'admin-addr': '127.0.0.1:0', 'discovery-port': 3322, insecure: true });
    expect(warnings).to.deep.equal([`--admin-addr: ${idle}`, `--discovery-port: ${idle}`, `--insecure: ${idle}`]);
    expect([config.admin, config.gossip]).to.deep.equal([false, false]);
    expect(flagged({ 'admin-addr': 'off', insecure: false }).warnings).to.deep.equal([]);
  });

  const rows: readonly (readonly [string, NodeFlags, ...string[]])[] = [
    ['port beyond', { 'bind-port': '70000' }, '--bind-port: must be a port from 0 to 65535, found 70000'],
    ['port of letters', { 'bind-port': 'x' }, '--bind-port: must be a port from 0 to 65535, found "x"'],
    ['empty port', { 'bind-port': '' }, '--bind-port: must be a port from 0 to 65535, found nothing'],
    [
      'port beyond of what is not in force',
      { 'discovery-port': -1 },
      '--discovery-port: must be a port from 0 to 65535, found -1',
    ],
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
      'peer without port',
      { peers: 'a:1,b' },
      '--peers: must be host:port, such as 10.0.0.2:3320 or [::1]:3320, found "b"',
    ],
    [
      'unknown provider',
      { discovery: 'dsn' },
      '--discovery: must be one of standalone, static, dns, nats, kubernetes, found "dsn"; did you mean dns?',
    ],
    ['provider of later', { discovery: 'dns' }, `--discovery: "dns" ${later}; use static with peers, or standalone`],
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
    const config: NodeConfig = { ...defaultConfig(), admin: { addr: '127.0.0.1', port: 4000 } };
    expect(problemsOf({ 'bind-port': 4000 }, config)).to.deep.equal([
      '--bind-port: must differ from the port of admin, both are 4000',
    ]);
  });
});
