import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { staticDiscovery } from '../../../src/discovery/names/static.js';
import { standalone } from '../../../src/discovery/standalone.js';
import { type EngineOptions, keysOf, resolveNode } from '../../../src/node/options.js';

const minimal = { keyspaces: [] };
const problemOf = (make: () => unknown): string => {
  try {
    make();
  } catch (error) {
    return `${codeOf(error)}: ${messageOf(error)}`;
  }
  return 'accepted';
};

describe('node: options', () => {
  it('has the defaults of the original', () => {
    const discovery = staticDiscovery({ peers: ['10.0.0.2:3322'] });
    const { gossip, ...node } = resolveNode({ ...minimal, discovery });
    expect(node).to.deep.equal({
      label: '',
      name: undefined,
      admin: undefined,
      bind: { addr: undefined, interface: undefined, port: 3320 },
      discovery,
      minimumPeers: 1,
      weight: 1,
      joinRetryIntervalMs: 1000,
      maxJoinAttempts: 10,
      bootstrapTimeoutMs: 30_000,
      shutdownTimeoutMs: 30_000,
    });
    expect(gossip).to.deep.include({ port: 3322, transport: 'udp', tls: true, keys: [], delegateVersions: undefined });
    expect(gossip?.swim).to.include({ probeIntervalMs: 1000, probeTimeoutMs: 500, tcpPings: true });
  });

  it('gossips with discovery, or where it is told to; else it neither listens nor looks', () => {
    expect(resolveNode({ ...minimal, bind: {} }).gossip).to.equal(undefined);
    expect(resolveNode({ ...minimal, gossip: {} })).to.have.nested.property('gossip.port', 3322);
    expect(resolveNode({ ...minimal, cluster: { minimumPeers: 2 } })).to.have.nested.property('gossip.port', 3322);
    expect(resolveNode({ ...minimal, gossip: {} }).bind).to.include({ port: 3320 });
  });

  it('probes at the pace of distcache-go where packets travel over TCP', () => {
    const { gossip } = resolveNode({ ...minimal, gossip: { transport: 'tcp' } });
    expect(gossip?.swim).to.include({ probeIntervalMs: 5000, probeTimeoutMs: 2000, tcpPings: false });
  });

  it('reads secrets of 16, 24 and 32 bytes, the first first', () => {
    const secrets = [32, 16, 24].map((length, i) => Buffer.alloc(length, i).toString('base64'));
    expect(keysOf(secrets).map((key) => [key.length, key[0]])).to.deep.equal([
      [32, 0],
      [16, 1],
      [24, 2],
    ]);
  });

  it('listens nowhere without a cluster and without bind', () => {
    expect(resolveNode(minimal).bind).to.equal(undefined);
    expect(resolveNode({ ...minimal, discovery: standalone() }).bind).to.equal(undefined);
    expect(resolveNode({ ...minimal, bind: {} }).bind).to.include({ port: 3320 });
  });

  const good: readonly [string, Partial<EngineOptions>][] = [
    ['port 0', { bind: { port: 0 } }],
    ['port 65535', { bind: { port: 65_535 } }],
    ['a name of 128 bytes', { name: 'x'.repeat(128) }],
    ['a name in any script', { name: 'узел-1 😀' }],
    ['the empty label', { label: '' }],
    ['minimumPeers of a node that others may find', { cluster: { minimumPeers: 3 } }],
    [
      'a provider of the application',
      {
        discovery: {
          provider: 'ours',
          findAgainMs: 1,
          start: async () => {},
          find: async () => [],
          stop: async () => {},
        },
      },
    ],
    ['time-outs as text', { cluster: { bootstrapTimeout: '90s', shutdownTimeout: '24h' } }],
    ['time-outs of 0', { cluster: { bootstrapTimeout: 0, shutdownTimeout: '0s' } }],
  ];
  for (const [name, options] of good) {
    it(`takes ${name}`, () => expect(problemOf(() => resolveNode({ ...minimal, ...options }))).to.equal('accepted'));
  }

  const bad: readonly [string, unknown, RegExp][] = [
    ['port -1', { bind: { port: -1 } }, /bind\.port is -1, must be a whole number from 0 to 65535/],
    ['port 65536', { bind: { port: 65_536 } }, /bind\.port is 65536/],
    ['port 3320.5', { bind: { port: 3320.5 } }, /bind\.port is 3320\.5/],
    ['port NaN', { bind: { port: Number.NaN } }, /bind\.port is NaN/],
    ['a port in words', { bind: { port: '3320' } }, /bind\.port is 3320/],
    ['an empty address', { bind: { addr: '' } }, /bind\.addr is empty/],
    ['an address that is a number', { bind: { addr: 127 } }, /bind\.addr is 127, must be a text/],
    ['an empty interface', { bind: { interface: '' } }, /bind\.interface is empty/],
    ['an empty name', { name: '' }, /name is empty; leave it out/],
    ['a name of 129 bytes', { name: 'x'.repeat(129) }, /name must be a text of at most 128 bytes/],
    ['a name of 129 bytes in fewer characters', { name: `${'é'.repeat(64)}x` }, /name must be/],
    ['a name with a line break', { name: 'a\nb' }, /name must be/],
    ['a name with NUL', { name: 'a\u0000' }, /name must be/],
    ['a name with DEL', { name: 'a\u007f' }, /name must be/],
    ['a name that no encoding carries', { name: 'a\ud800' }, /name must be .* well-formed/],
    ['a name that is a number', { name: 5 }, /name must be a text/],
    ['a label with a line break', { label: 'a\r' }, /label must be/],
    ['a label of 129 bytes', { label: 'x'.repeat(129) }, /label must be/],
    ['minimumPeers 0', { bind: {}, cluster: { minimumPeers: 0 } }, /minimumPeers is 0, must be .* from 1 to 10000/],
    ['minimumPeers 1.5', { bind: {}, cluster: { minimumPeers: 1.5 } }, /minimumPeers is 1\.5/],
    ['minimumPeers 10001', { bind: {}, cluster: { minimumPeers: 10_001 } }, /minimumPeers is 10001/],
    ['minimumPeers in words', { bind: {}, cluster: { minimumPeers: '3' } }, /minimumPeers is 3, must/],
    ['a negative time-out', { cluster: { bootstrapTimeout: -1 } }, /bootstrapTimeout is -1, must be .* such as 30s/],
    ['a time-out of more than a day', { cluster: { shutdownTimeout: '25h' } }, /shutdownTimeout is 25h/],
    ['a time-out that is NaN', { cluster: { shutdownTimeout: Number.NaN } }, /shutdownTimeout is NaN/],
    ['a time-out without a unit', { cluster: { shutdownTimeout: '30' } }, /shutdownTimeout is 30/],
    ['a time-out that is null', { cluster: { shutdownTimeout: null } }, /shutdownTimeout is null/],
    ['a discovery of another sort', { discovery: { provider: 'nats' } }, /discovery is no provider; make one with/],
    [
      'a discovery that does not say when to ask it again',
      { discovery: { provider: 'mine', start: () => {}, find: () => [], stop: () => {} } },
      /findAgainMs of 'mine' is undefined, must be milliseconds/,
    ],
    ['a discovery that is a list', { discovery: ['a:1'] }, /discovery is no provider/],
    ['a gossip port of 70000', { gossip: { port: 70_000 } }, /gossip\.port is 70000/],
    [
      'an unknown profile',
      { gossip: { profile: 'moon' } },
      /gossip\.profile is 'moon', must be one of lan, local, wan/,
    ],
    ['an unknown transport', { gossip: { transport: 'ip' } }, /gossip\.transport is 'ip', must be udp or tcp/],
    [
      'a secret of 5 bytes',
      { gossip: { secrets: ['aGVsbG8='] } },
      /secrets\[0\] is not .* base64 of 16.* openssl rand/,
    ],
    ['a secret with a slip', { gossip: { secrets: [`${'A'.repeat(22)}!==`] } }, /secrets\[0\] is not what it must be/],
    ['a secret that is no list', { gossip: { secrets: `${'A'.repeat(22)}==` } }, /secrets is no list/],
    [
      'more secrets than are tried',
      { gossip: { secrets: Array.from({ length: 17 }, (_, i) => Buffer.alloc(16, i).toString('base64')) } },
      /secrets has 17 entries, must have at most 16/,
    ],
    [
      'TLS of gossip over tcp',
      { gossip: { tls: true, transport: 'tcp' } },
      /gossip\.tls is true, but over tcp each packet/,
    ],
    ['versions out of order', { gossip: { delegateVersions: [3, 2, 3] } }, /delegateVersions is \[3, 2, 3\], must be/],
    ['no weight', { cluster: { weight: 0 } }, /cluster\.weight is 0, must be a number from 0\.1 to 10/],
    ['no attempt to join', { gossip: {}, cluster: { maxJoinAttempts: 0 } }, /maxJoinAttempts is 0, must be/],
  ];
  for (const [name, options, message] of bad) {
    it(`refuses ${name}`, () => {
      const problem = problemOf(() => resolveNode({ ...minimal, ...(options as object) }));
      expect(problem).to.match(/^INVALID_ARGUMENT: /);
      expect(problem).to.match(message);
    });
  }
});
