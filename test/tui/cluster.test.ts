import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { cli } from '../support/cli.js';
import { type RealNode, RealNodes } from '../support/real-nodes.js';
import { key, PseudoTerminal } from '../support/terminal.js';

const source = `export default async (key) => {
  if (key.startsWith('bad')) throw new Error('the database is down');
  return 'value of ' + key;
};`;

/** One real cluster of three nodes, and the dashboard before it as people use it. */
describe('dash before a real cluster', function () {
  this.timeout(90_000);
  let nodes: RealNodes;
  let cluster: readonly RealNode[];
  let client: Client;
  let terminal: PseudoTerminal;
  let config: string;
  let reading = true;
  let readers: Promise<void>;

  before(async () => {
    nodes = await RealNodes.open();
    const file = await nodes.file('source.mjs', source);
    config = [
      'gossip: { profile: local }',
      'keyspaces:',
      `  users: { maxBytes: 16MiB, defaultTtl: 5m, breaker: { failures: 2, reset: 60s }, source: { type: module, path: ${file} } }`,
      '  scratch: { maxBytes: 4MiB, source: { type: none } }',
      '',
    ].join('\n');
    cluster = await nodes.cluster(['anna', 'berta', 'clara'], { config, admin: '127.0.0.1:0' });
    client = nodes.client(cluster.slice(0, 2));
    readers = readAllTheTime();
    terminal = new PseudoTerminal(
      ['dash', '--admin', `http://${cluster[0]!.admin}`, '--interval', '500ms', '--allow-writes'],
      {
        columns: 110,
        rows: 26,
      },
    );
  });
  after(async () => {
    reading = false;
    await readers;
    await (terminal as PseudoTerminal | undefined)?.close();
    await nodes.close();
  });

  async function readAllTheTime(): Promise<void> {
    for (let i = 0; reading; i++) {
      await client.get('users', `user-${i % 20}`).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  it('shows nodes with their share, requests, hit ratio and memory', async () => {
    await terminal.shows('3 alive', /ring [0-9a-f]+/, /requests \d+(\.\d)?\/s/, /hit ratio (\d\d\.\d|100)%/);
    await terminal.shows(/anna +● alive +\d\d\.\d% .* \d+% .* now/, /clara +● alive/);
    terminal.press(key.enter);
    await terminal.shows(/state +● alive/, /ready +yes/, 'Memory', /process +\d+(\.\d)?MiB/);
    terminal.press(key.end);
    await terminal.shows('As others see it', /clara +● alive/);
    terminal.press(key.escape);
  });

  it('shows keyspaces, with what is held of each', async () => {
    terminal.press('2');
    await terminal.shows('KEYSPACE', /users .* 5m/, /scratch .* never/);
    terminal.press(`${key.end}${key.enter}`);
    await terminal.shows('By node', /anna +\d/, /clara +\d/);
    terminal.press(key.end);
    await terminal.shows(/stale copies +\d/);
    terminal.press('C');
    await terminal.shows('Clear keyspace users on every node?');
    terminal.press('y');
    await terminal.shows('cleared users on 3 nodes');
    terminal.press(key.escape);
  });

  it('shows the keys that are read most, and deletes one when asked to', async () => {
    terminal.press('3');
    await terminal.shows(/user-\d+ +users +█.* \d+(\.\d)? +\d+\.\d% +(anna|berta|clara)/);
    terminal.press('X');
    await terminal.shows(/Delete key "user-\d+" of users/);
    terminal.press('y');
    await terminal.shows(/deleted "user-\d+" of users/);
  });

  it('shows a breaker that opens, and closes it when asked to', async () => {
    terminal.press('4');
    await terminal.shows(/users +● closed/);
    // A key of one node, so that its breaker alone opens.
    for (let i = 0; i < 3; i++) await client.get('users', 'bad').catch(() => {});
    await terminal.shows(/users +▲ open 1\/3 +2\/2 +\d+s/);
    terminal.press('B');
    await terminal.shows(/Close the breaker of users on (anna|berta|clara)\?/);
    terminal.press('y');
    await terminal.shows(/closed the breaker of users/);
    await terminal.shows(/users +● closed/);
  });

  it('shows what happens, and a node that is killed', async () => {
    terminal.press('5');
    await terminal.shows(/listening/);
    cluster[2]!.signal('SIGKILL');
    await terminal.shows(/peer-failed +clara/);
    terminal.press('1');
    await terminal.shows(/clara +▲ dead/, '1 dead', '2 alive', 'data 0s old');
  });

  it('shows it again when it is back', async () => {
    const admin = cluster[2]!.admin;
    await nodes.start({ name: 'clara', config, admin, peers: cluster.slice(0, 2) });
    await terminal.shows(/clara +● alive .* now/, '3 alive');
  });

  it('goes on without the node that it was started with, which is told as out of reach, and takes it back', async () => {
    const [anna] = cluster;
    anna!.signal('SIGSTOP');
    await terminal.shows(/anna +(▲ (unreachable|dead)|◐ suspect) .* \d+s/, /berta +● alive .* now/);
    terminal.press('5');
    await terminal.shows(/listening to what (berta|clara) tells/);
    anna!.signal('SIGCONT');
    terminal.press('1');
    await terminal.shows(/anna +● alive .* now/, '3 alive');
  });

  it('drains a node when asked to', async () => {
    terminal.press(`${key.end}D`);
    await terminal.shows('Drain clara?');
    terminal.press('y');
    await terminal.shows(/drained clara: \d+ entries handed over/);
    await terminal.shows(/clara +◐ draining/, '1 draining');
  });

  it('prints one frame in a pipe, and one JSON document', async () => {
    const args = ['dash', '--admin', `http://${cluster[1]!.admin}`];
    const [frame, json] = await Promise.all([cli(args), cli([...args, '--once', '--json'])]);
    expect(frame.exit, frame.stderr).to.equal(0);
    const text = frame.stdout.toString();
    expect(text)
      .to.match(/requests \d/)
      .and.match(/berta +● alive/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
    expect(text).to.not.match(/\u001b/);
    const document = JSON.parse(json.stdout.toString());
    expect(document.nodes.map(({ name }: { name: string }) => name)).to.deep.equal(['anna', 'berta', 'clara']);
    expect(document.requests_per_second).to.be.above(0);
    expect(document.keyspaces.map(({ name }: { name: string }) => name)).to.deep.equal(['scratch', 'users']);
  });

  it('leaves the screen as it was', async () => {
    terminal.press('q');
    expect((await terminal.ended()).code).to.equal(0);
    expect(terminal.isOnOwnScreen).to.equal(false);
  });
});
