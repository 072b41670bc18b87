import { expect } from 'chai';
import { allShow, said, untilSaid } from '../support/cluster-views.js';
import { freePort } from '../support/free-port.js';
import { KubernetesApi } from '../support/kubernetes-api.js';
import { configOf, type NodeOptions, type RealNode, RealNodes } from '../support/real-nodes.js';
import { needs } from '../support/servers.js';
import { pause, until } from '../support/until.js';

const ips = { a: '127.0.0.2', b: '127.0.0.3', c: '127.0.0.4', d: '127.0.0.5' } as const;
type Pod = keyof typeof ips;
const everybody = 'a alive, b alive, c alive';

describe('integration: nodes that find each other as pods of Kubernetes', function () {
  this.timeout(90_000);
  before(function () {
    needs(this, 'openssl', 'openssl');
  });
  let nodes: RealNodes;
  let api: KubernetesApi;
  let gossip: number;
  beforeEach(async () => {
    nodes = await RealNodes.open();
    api = await KubernetesApi.open();
    gossip = await freePort(...Object.values(ips));
  });
  afterEach(async () => {
    await nodes.close();
    await api.close();
  });

  const optionsOf = (name: Pod): NodeOptions => ({
    name,
    addr: ips[name],
    gossipPort: gossip,
    config: configOf('{ type: none }', {
      top: [
        'cluster: { joinRetryInterval: 200ms, maxJoinAttempts: 3 }',
        'discovery:',
        '  provider: kubernetes',
        '  kubernetes:',
        '    namespace: prod',
        '    podLabels: { app: cache }',
        `    apiServer: ${api.access.server}`,
        `    tokenFile: ${api.access.tokenFile}`,
        `    caFile: ${api.access.caFile}`,
      ].join('\n'),
    }),
  });
  const put = (name: Pod, ready = true): void => api.put({ name, ip: ips[name], ports: { gossip }, ready });

  async function three(): Promise<readonly RealNode[]> {
    for (const name of ['a', 'b', 'c'] as const) put(name);
    const all = await Promise.all((['a', 'b', 'c'] as const).map((name) => nodes.spawn(optionsOf(name))));
    for (const node of all) await node.ready();
    await nodes.linked(all);
    return all;
  }

  it('three pods are one cluster, and so is one that comes later', async () => {
    const all = await three();
    put('d');
    const late = await nodes.start(optionsOf('d'));
    await nodes.linked([...all, late]);
    await allShow([...all, late], `${everybody}, d alive`, 5_000);
  });

  it('a node alone is told of a pod that becomes ready, and meets it though that one looks for nobody', async () => {
    put('a');
    put('b', false);
    const alone = await nodes.start(optionsOf('a'));
    const other = await nodes.start({ ...optionsOf('b'), config: configOf('{ type: none }') });
    await until('the watch is open', () => api.watches === 1);
    expect(api.count('list')).to.equal(1);
    put('b');
    await nodes.linked([alone, other]);
    expect(api.count('list'), 'it was not the list that told').to.equal(1);
  });

  it('the API dies: the cluster says so and goes on; who comes meanwhile is alone until it is back', async () => {
    const all = await three();
    await api.down();
    for (const node of all) await untilSaid(node, /kubernetes/i);
    const late = await nodes.start(optionsOf('d'));
    expect(said(late, /going on alone after 3 attempts to join, and trying on behind: .*kubernetes/i)).to.have.length(
      1,
    );
    await pause(3_000);
    await allShow(all, everybody, 5_000);
    put('d');
    await api.up();
    await nodes.linked([...all, late]);
    await allShow([...all, late], `${everybody}, d alive`, 5_000);
    for (const node of all) expect(said(node, /peer (failed|left)/), node.stderr).to.deep.equal([]);
  });
});
