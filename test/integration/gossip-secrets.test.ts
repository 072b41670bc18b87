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

  it('are changed in a file that each node looks at by itself, and nodes that are at different steps go on talking', async () => {
    const files: string[] = [];
    const pair: RealNode[] = [];
    const top = (file: string): string => `gossip: { secretsFile: ${JSON.stringify(file)}, profile: local }`;
    for (const name of ['a', 'b']) {
      const file = await nodes.file(`${name}.secrets`, `${old}\n`);
      const config = configOf('{ type: none }', { top: top(file) });
      pair.push(await nodes.start({ name, peers: [...pair], config }));
      files.push(file);
    }
    await nodes.linked(pair);
    const client = nodes.client(pair);
    for (const [step, secrets] of [[old, fresh], [fresh, old], [fresh]].entries()) {
      for (const [index, node] of pair.entries()) {
        await writeFile(files[index]!, `${secrets.join('\n')}\n`);
        await until('the node has looked at its file', () => said(node, 'gossip.secrets changed') === step + 1);
        await client.put('ks', { key: `${step} ${index}`, value: Uint8Array.of(step) });
      }
    }
    await writeFile(files[0]!, 'hunter2\n');
    await until('the node says that it goes on', () => said(pair[0]!, 'whose line 1 is not base64') === 1);
    for (const node of pair) {
      expect(said(node, 'peer failed'), node.stderr).to.equal(0);
      for (const secret of [old, fresh, 'hunter2']) expect(node.stderr).not.to.include(secret);
    }
    await nodes.linked(pair);

    const file = await nodes.file('c.secrets', `\n  ${fresh}  \n\n`);
    const friend = await nodes.start({
      name: 'c',
      peers: pair,
      config: configOf('{ type: none }', { top: top(file) }),
    });
    await nodes.linked([...pair, friend]);
    const late = await nodes.start({ name: 'd', peers: pair, config: configWith([old]) });
    await nodes.linked([late], 1);
    await nodes.linked([...pair, friend], 3);
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
