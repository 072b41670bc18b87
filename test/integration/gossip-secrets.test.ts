import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { configOf, type RealNode, RealNodes } from '../support/real-nodes.js';
import { pause, until } from '../support/until.js';

const old = Buffer.alloc(32, 'o').toString('base64');
const fresh = Buffer.alloc(16, 'f').toString('base64');

const configWith = (secrets: readonly string[]): string =>
  configOf('{ type: none }', { top: `gossip: { secrets: ${JSON.stringify(secrets)}, profile: local }` });

const said = (node: RealNode, text: string): number => node.log().filter(({ msg }) => msg.includes(text)).length;

describe('integration: secrets of the gossip', function () {
  this.timeout(120_000);
  let nodes: RealNodes;
  beforeEach(async () => {
    nodes = await RealNodes.open();
  });
  afterEach(() => nodes.close());

  it('are changed on a running cluster with SIGHUP, node by node, and nobody is lost', async () => {
    const files = new Map<RealNode, string>();
    const cluster: RealNode[] = [];
    for (const name of ['a', 'b', 'c']) {
      const file = await nodes.file(`${name}.yaml`, configWith([old]));
      const node = await nodes.start({ name, peers: [...cluster], args: ['--config', file] });
      files.set(node, file);
      cluster.push(node);
    }
    await nodes.linked(cluster);
    for (const secrets of [[old, fresh], [fresh, old], [fresh]]) {
      for (const node of cluster) {
        const before = said(node, 'gossip.secrets changed');
        await writeFile(files.get(node)!, configWith(secrets));
        node.signal('SIGHUP');
        await until('the node has read its config', () => said(node, 'gossip.secrets changed') > before);
        // Some rounds of gossip between nodes that are at different steps.
        await pause(1_000);
      }
    }
    await pause(3_000);
    for (const node of cluster) expect(said(node, 'peer failed'), node.stderr).to.equal(0);
    await nodes.linked(cluster);

    const friend = await nodes.start({ name: 'd', peers: cluster, config: configWith([fresh]) });
    await nodes.linked([...cluster, friend]);
    const late = await nodes.start({ name: 'e', peers: cluster, config: configWith([old]) });
    await nodes.linked([late], 1);
    await nodes.linked([...cluster, friend], 4);
  });

  it('cannot be turned off while the node runs, nor spoilt: the node goes on as before', async () => {
    const file = await nodes.file('a.yaml', configWith([old]));
    const node = await nodes.start({ name: 'a', args: ['--config', file] });
    for (const [text, problem] of [
      [configWith([]), 'cannot be turned off'],
      [configWith(['c2hvcnQ=']), 'secrets'],
      ['keyspaces: [', 'a.yaml'],
    ] as const) {
      await writeFile(file, text);
      node.signal('SIGHUP');
      await until(`the log says '${problem}'`, () =>
        node.log().some(({ msg }) => msg.includes('goes on as before') && msg.includes(problem)),
      );
      expect(node.stderr).not.to.include('c2hvcnQ');
    }
    const peer = await nodes.start({ name: 'b', peers: [node], config: configWith([old]) });
    await nodes.linked([node, peer]);
  });
});
