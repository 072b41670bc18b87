import { expect } from 'chai';
import { allShow, said, untilSaid } from '../support/cluster-views.js';
import { freePort } from '../support/free-port.js';
import { configOf, type NodeOptions, type RealNode, RealNodes } from '../support/real-nodes.js';

/** Gives up soon. */
const config = (top = ''): string =>
  configOf('{ type: none }', {
    top: `cluster: { joinRetryInterval: 100ms, maxJoinAttempts: 3, bootstrapTimeout: 8s }\n${top}`,
  });

describe('integration: mistakes that people make when nodes are to meet', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let a: RealNode;
  before(async () => {
    nodes = await RealNodes.open();
    a = await nodes.start({ name: 'a', config: config() });
  });
  after(() => nodes.close());

  /** What keeps a node from starting: one line, and an exit code. */
  const refusals: readonly {
    readonly name: string;
    readonly how: () => NodeOptions;
    readonly exit: number;
    readonly says: () => RegExp;
  }[] = [
    {
      name: 'a secret that is not base64',
      how: () => ({ config: config('gossip: { port: 0, secrets: ["open sesame!"] }') }),
      exit: 2,
      says: () => /gossip\.secrets\[0\]: must be base64 of 16, 24 or 32 bytes; make one with openssl rand -base64 32/,
    },
    {
      name: 'a gossip port that another node has',
      how: () => ({ gossipPort: a.gossipPort, peers: [a] }),
      exit: 1,
      says: () => new RegExp(`cannot listen on 127.0.0.1:${a.gossipPort}: .* in use; choose another --discovery-port`),
    },
    {
      name: 'all ports of another node, as two nodes with defaults have them',
      how: () => ({ port: a.port, gossipPort: a.gossipPort, peers: [a] }),
      exit: 1,
      says: () => new RegExp(`cannot listen on 127.0.0.1:${a.port}: .* in use; choose another --bind-port`),
    },
    {
      name: 'the name of another node',
      how: () => ({ name: 'a', peers: [a] }),
      exit: 2,
      says: () => new RegExp(`the name a belongs to the member at ${a.gossip}; give this node another name`),
    },
    {
      name: 'a provider of Kubernetes outside of it',
      how: () => ({ config: config('discovery: { provider: kubernetes, kubernetes: { podLabels: { app: cache } } }') }),
      exit: 2,
      says: () => /outside a cluster.*Run it in a pod, or set apiServer, tokenFile and caFile of discovery\.kubernetes/,
    },
    {
      name: 'a URL as a peer',
      how: () => ({ args: ['--peers', 'http://10.0.0.2:3322'] }),
      exit: 2,
      says: () => /--peers: must be host or host:port .*, found "http:\/\/10\.0\.0\.2:3322"/,
    },
  ];
  for (const { name, how, exit, says } of refusals) {
    it(`${name}: exit ${exit}, and a line that says what to do`, async () => {
      const node = await nodes.spawn({ name: 'x', config: config(), plain: true, ...how() });
      expect(await node.exited, node.stderr).to.equal(exit);
      const lines = node.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
      expect(lines, node.stderr).to.have.length(1);
      expect(lines[0]).to.match(says());
      expect(node.stdout).to.equal('');
    });
  }

  it('a gRPC port as a peer', async () => {
    const node = await nodes.start({ name: 'b', config: config(), args: ['--peers', a.grpc] });
    const lines = said(node, `${a.grpc}: what answers there speaks gRPC, not gossip; give its gossip port`);
    expect(lines[0]).to.match(/^gossip: 1 found, none answered: .*; it is tried again$/);
    expect(lines[1]).to.match(/^going on alone after 3 attempts to join, and trying on behind: /);
    expect(lines).to.have.length(2);
  });

  it('a port where nobody listens as a peer: it is named, and the node goes on alone', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const node = await nodes.start({ name: 'g', config: config(), args: ['--peers', nobody] });
    expect(said(node, `going on alone, and trying on behind: discovery by static found ${nobody}`)).to.have.length(1);
  });

  it('another label: both sides say so', async () => {
    const node = await nodes.start({ name: 'c', config: config(), peers: [a], args: ['--label', 'wrong'] });
    expect(said(node, /closed the connection without an answer; give both the same label/)).to.have.length(2);
    await untilSaid(a, /dropped a gossip stream from .*: the label of another cluster; give every node .* the same/);
  });

  it('a host name with a typo among others: it is named, and the others are met', async () => {
    const peers = `no-such-host.invalid:3322,${a.gossip}`;
    const node = await nodes.start({ name: 'd', config: config(), args: ['--peers', peers] });
    await nodes.linked([a, node]);
    await untilSaid(
      node,
      /names of discovery\.peers \(no-such-host\.invalid\) cannot be resolved .*check their spelling/,
    );
  });

  it('a peer without a port: it is the default one', async () => {
    // Of an address of its own, where nobody has that port.
    const seed = await nodes.start({ name: 'e', config: config(), addr: '127.0.0.77', gossipPort: 3322 });
    const node = await nodes.start({
      name: 'f',
      config: config(),
      gossipPort: await freePort(),
      args: ['--peers', '127.0.0.77'],
    });
    await nodes.linked([seed, node]);
    await allShow([seed], 'e alive, f alive', 5_000);
  });
});
