import { expect } from 'chai';
import { codeOf, messageOf } from '../../../src/base/errors.js';
import { type EngineOptions, resolveNode, standalone, staticDiscovery } from '../../../src/node/options.js';

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
    expect(resolveNode({ ...minimal, discovery: staticDiscovery({ peers: [] }) })).to.deep.equal({
      label: '',
      name: undefined,
      bind: { addr: undefined, interface: undefined, port: 3320 },
      discovery: { provider: 'static', peers: [] },
      minimumPeers: 1,
      bootstrapTimeoutMs: 30_000,
      shutdownTimeoutMs: 30_000,
    });
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
    ['minimumPeers of a node that others may dial', { bind: {}, cluster: { minimumPeers: 3 } }],
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
    ['minimumPeers of a node that nobody can meet', { cluster: { minimumPeers: 2 } }, /only this node; give it/],
    ['a negative time-out', { cluster: { bootstrapTimeout: -1 } }, /bootstrapTimeout is -1, must be .* such as 30s/],
    ['a time-out of more than a day', { cluster: { shutdownTimeout: '25h' } }, /shutdownTimeout is 25h/],
    ['a time-out that is NaN', { cluster: { shutdownTimeout: Number.NaN } }, /shutdownTimeout is NaN/],
    ['a time-out without a unit', { cluster: { shutdownTimeout: '30' } }, /shutdownTimeout is 30/],
    ['a time-out that is null', { cluster: { shutdownTimeout: null } }, /shutdownTimeout is null/],
    ['a discovery of another sort', { discovery: { provider: 'nats' } }, /discovery is 'nats'; make it with/],
    ['a discovery that is a list', { discovery: ['a:1'] }, /discovery is 'undefined'; make it with/],
  ];
  for (const [name, options, message] of bad) {
    it(`refuses ${name}`, () => {
      const problem = problemOf(() => resolveNode({ ...minimal, ...(options as object) }));
      expect(problem).to.match(/^INVALID_ARGUMENT: /);
      expect(problem).to.match(message);
    });
  }

  describe('staticDiscovery', () => {
    it('keeps its own copy of the list', () => {
      const peers = ['a:1', '[::1]:2'];
      const discovery = staticDiscovery({ peers });
      peers.push('nonsense');
      expect(discovery).to.deep.equal({ provider: 'static', peers: ['a:1', '[::1]:2'] });
    });

    const lists: readonly [string, unknown, RegExp][] = [
      ['a host without a port', ['a:1', 'b'], /discovery\.peers has 'b', must be host:port such as/],
      ['an empty text', [''], /discovery\.peers has ''/],
      ['a number', [3320], /discovery\.peers has '3320'/],
      ['null', [null], /discovery\.peers has 'null'/],
      ['a text in place of the list', 'a:1', /is not an array/],
      ['no list', undefined, /is not an array/],
    ];
    for (const [name, peers, message] of lists) {
      it(`refuses ${name}`, () => {
        expect(problemOf(() => staticDiscovery({ peers: peers as string[] }))).to.match(message);
      });
    }
    it('refuses to be called with nothing', () => {
      expect(problemOf(() => staticDiscovery(undefined as never))).to.match(/is not an array/);
    });
  });
});
