import { expect } from 'chai';
import { allShow, said, untilSaid } from '../support/cluster-views.js';
import { TestNatsServer } from '../support/nats-server.js';
import { configOf, type NodeOptions, type RealNode, RealNodes } from '../support/real-nodes.js';
import { needs } from '../support/servers.js';
import { pause } from '../support/until.js';

const everybody = 'a alive, b alive, c alive';
const access = 'authorization { user: cache, password: "right" }';

describe('integration: nodes that find each other over NATS', function () {
  this.timeout(90_000);
  before(function () {
    needs(this, 'nats-server', 'nats-server');
  });
  let nodes: RealNodes;
  let server: TestNatsServer;
  beforeEach(async () => {
    nodes = await RealNodes.open();
    server = await TestNatsServer.started(access);
  });
  afterEach(async () => {
    await nodes.close();
    await server.close();
  });

  const optionsOf = (name: string, password = 'right'): NodeOptions => ({
    name,
    config: configOf('{ type: none }', {
      top: [
        'cluster: { joinRetryInterval: 200ms, maxJoinAttempts: 3 }',
        'discovery:',
        '  provider: nats',
        '  nats:',
        `    servers: ["${server.url}"]`,
        '    subject: distcache.test',
        '    timeout: 300ms',
        '    user: cache',
        `    password: ${'$'}{NATS_PASSWORD}`,
      ].join('\n'),
    }),
    env: { NATS_PASSWORD: password },
  });

  async function three(): Promise<readonly RealNode[]> {
    const all = await Promise.all(['a', 'b', 'c'].map((name) => nodes.spawn(optionsOf(name))));
    for (const node of all) await node.ready();
    await nodes.linked(all);
    return all;
  }

  it('three that start together are one cluster; nobody is lost while the server is down, nor when it is back', async () => {
    const all = await three();
    await server.kill();
    for (const node of all) await untilSaid(node, /nats/i);
    const late = await nodes.start(optionsOf('d'));
    expect(said(late, /going on alone after 3 attempts to join, and trying on behind: .*nats/i)).to.have.length(1);
    await pause(2_000);
    await allShow(all, everybody, 5_000);
    await allShow([late], 'd alive', 5_000);
    await server.start();
    await nodes.linked([...all, late]);
    await allShow([...all, late], `${everybody}, d alive`, 5_000);
    for (const node of all) expect(said(node, /peer (failed|left)/), node.stderr).to.deep.equal([]);
  });

  it('a wrong password is said in one line that does not show it, and the node goes on alone', async () => {
    const [a] = await Promise.all([nodes.start(optionsOf('a'))]);
    const stranger = await nodes.start(optionsOf('x', 'wr0ng-secret'));
    expect(said(stranger, /discovery by nats fails.*(user|password|credentials)/i), stranger.stderr).to.have.length(1);
    expect(stranger.stderr).not.to.include('wr0ng-secret');
    await allShow([a!], 'a alive', 5_000);
    await allShow([stranger], 'x alive', 5_000);
  });
});
