import { expect } from 'chai';
import { allShow, said, untilSaid } from '../support/cluster-views.js';
import { Dnsmasq } from '../support/dnsmasq.js';
import { freePort } from '../support/free-port.js';
import { configOf, type NodeOptions, type RealNode, RealNodes } from '../support/real-nodes.js';
import { needs } from '../support/servers.js';
import { pause } from '../support/until.js';

const name = 'cache.test';
const hosts = { a: '127.0.0.2', b: '127.0.0.3', c: '127.0.0.4', d: '127.0.0.5' } as const;
type Host = keyof typeof hosts;
const everybody = 'a alive, b alive, c alive';

describe('integration: nodes that find each other by DNS', function () {
  this.timeout(90_000);
  before(function () {
    needs(this, 'dnsmasq', 'dnsmasq-base');
  });
  let nodes: RealNodes;
  let dns: Dnsmasq;
  let gossipPort: number;
  beforeEach(async () => {
    nodes = await RealNodes.open();
    dns = await Dnsmasq.start();
    gossipPort = await freePort(...Object.values(hosts));
  });
  afterEach(async () => {
    await nodes.close();
    await dns.close();
  });

  const config = (more = ''): string =>
    configOf('{ type: none }', {
      top: [
        'cluster: { joinRetryInterval: 200ms, maxJoinAttempts: 4 }',
        `discovery: { provider: dns, dns: { servers: ["${dns.address}"], interval: 500ms, ${more === '' ? `name: ${name}` : more} } }`,
      ].join('\n'),
    });
  const optionsOf = (host: Host): NodeOptions => ({ name: host, addr: hosts[host], gossipPort, config: config() });
  const records = (...named: readonly Host[]) => named.map((host) => [hosts[host], name] as const);

  async function three(): Promise<readonly RealNode[]> {
    await dns.hosts(records('a', 'b', 'c'));
    const all = await Promise.all((['a', 'b', 'c'] as const).map((host) => nodes.spawn(optionsOf(host))));
    for (const node of all) await node.ready();
    await nodes.linked(all);
    return all;
  }

  it('three at one port of three addresses, and a fourth that comes later, beside a record of nobody', async () => {
    const all = await three();
    await dns.hosts([...records('a', 'b', 'c', 'd'), ['127.0.0.9', name]]);
    const fourth = await nodes.start(optionsOf('d'));
    await nodes.linked([...all, fourth]);
    await allShow([...all, fourth], `${everybody}, d alive`, 5_000);
    expect(all.flatMap((node) => node.log()).filter(({ level }) => level > 30)).to.deep.equal([]);
  });

  it('a node that waited alone finds by itself one that DNS names later and that looks for nobody', async () => {
    await dns.hosts(records('a'));
    const alone = await nodes.start(optionsOf('a'));
    const seed = await nodes.start({ ...optionsOf('b'), config: configOf('{ type: none }') });
    await dns.hosts(records('a', 'b'));
    await nodes.linked([alone, seed]);
  });

  it('SRV records bring the ports', async () => {
    const ports = [await freePort(), await freePort(), await freePort()];
    await dns.hosts(
      [['127.0.0.1', 'host.test']],
      ports.map((port) => ({ name: '_gossip._tcp.cache.test', target: 'host.test', port })),
    );
    const all = await Promise.all(
      ['a', 'b', 'c'].map((host, n) =>
        nodes.spawn({
          name: host,
          gossipPort: ports[n]!,
          config: config('name: _gossip._tcp.cache.test, srv: true'),
        }),
      ),
    );
    for (const node of all) await node.ready();
    await nodes.linked(all);
  });

  it('the server dies: the cluster says so once and goes on; who comes meanwhile is alone until it is back', async () => {
    const all = await three();
    await dns.kill();
    for (const node of all) await untilSaid(node, /discovery by dns fails, and is tried again: .*cache\.test/);
    const late = await nodes.start(optionsOf('d'));
    expect(said(late, /discovery by dns fails, and is tried again/)).to.have.length(1);
    const [alone] = said(late, 'going on alone');
    expect(alone).to.match(/going on alone after 4 attempts to join, and trying on behind: .*cache\.test/);
    // Several look-ups of each.
    await pause(3_000);
    for (const node of [...all, late]) {
      expect(said(node, 'discovery by dns fails'), node.stderr).to.have.length(1);
      expect(said(node, /peer (failed|left)/), node.stderr).to.deep.equal([]);
    }
    await nodes.linked(all);
    await nodes.linked([late], 1);

    await dns.hosts(records('a', 'b', 'c', 'd'));
    await dns.up();
    await nodes.linked([...all, late]);
    for (const node of [...all, late]) await untilSaid(node, 'discovery by dns answers again');
  });
});
