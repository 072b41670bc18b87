import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { cli } from '../support/cli.js';
import { type FakeNode, startFakeNode } from '../support/fake-node.js';

describe('cli: doctor', function () {
  this.timeout(30_000);
  let node: FakeNode;
  let folder: string;

  before(async () => {
    node = await startFakeNode();
    folder = await mkdtemp(join(tmpdir(), 'distcache-doctor-'));
  });
  after(async () => {
    await node.stop();
    await rm(folder, { recursive: true });
  });

  const config = async (text: string): Promise<string> => {
    const path = join(folder, 'c.yaml');
    await writeFile(path, text);
    return path;
  };
  const nothingThere = { DISTCACHE_ADDR: undefined };

  it('prints a line for each check, below it what to do, and ends with a count', async () => {
    const file = await config('bind: { addr: 0.0.0.0, port: 0 }\nadmin: false\n');
    const ended = await cli(['doctor', '--config', file], { env: nothingThere });
    expect(ended.exit).to.equal(7);
    expect(ended.stderr).to.equal('');
    const lines = ended.stdout.toString().split('\n');
    expect(lines[0]).to.match(/^RESULT +CHECK +FOUND$/);
    const at = lines.findIndex((line) => line.startsWith('FAIL'));
    expect(lines[at]).to.match(
      /^FAIL +protection of the node +it refuses to start: the node would listen on 0\.0\.0\.0/,
    );
    expect(lines[at + 1]).to.match(/^ +-> protect it with tls .*; listen on 127\.0\.0\.1; or start with --insecure/);
    expect(lines.at(-2)).to.match(/^1 failed, \d+ to think about, \d+ in order, 1 not looked at$/);
  });

  it('says the same as JSON, with the same exit code', async () => {
    const file = await config('bind: { addr: 0.0.0.0, port: 0 }\nadmin: false\n');
    const ended = await cli(['doctor', '--json'], { env: { DISTCACHE_CONFIG: file } });
    expect(ended.exit).to.equal(7);
    const report = JSON.parse(ended.stdout.toString());
    expect(report).to.include({ healthy: false });
    expect(report.counts).to.include({ fail: 1, skip: 1 });
    expect(Object.keys(report.checks[0])).to.deep.equal(['check', 'result', 'found', 'mend']);
  });

  it('where a config is in order, exits with 0', async () => {
    const file = await config('bind: { port: 0 }\nadmin: false\n');
    const ended = await cli(['doctor', '--config', file]);
    expect(ended.exit, ended.stdout.toString()).to.equal(0);
    expect(ended.stdout.toString()).to.match(/^0 failed/m);
  });

  it('asks the cluster alone where there is no config', async () => {
    const ended = await cli(['doctor', '--json'], { env: { DISTCACHE_ADDR: node.address } });
    const { checks } = JSON.parse(ended.stdout.toString());
    expect(checks.map(({ check }: { check: string }) => check)).to.include.members(['members', 'releases']);
    expect(node.service.calls).to.not.include('drain');
  });

  it('what takes connections and says nothing is given up in time', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const ended = await cli(['doctor', '--json', '--addr', `127.0.0.1:${port}`, '--timeout', '300ms']);
    for (const socket of sockets) socket.destroy();
    server.close();
    expect(ended.exit).to.equal(7);
    const { checks } = JSON.parse(ended.stdout.toString());
    expect(checks).to.have.length(1);
    expect(checks[0].found).to.match(/no connection within \d+ms/);
  });

  it('a file that is not there is bad usage', async () => {
    const ended = await cli(['doctor', '--config', '/nowhere.yaml']);
    expect(ended.exit).to.equal(2);
    expect(ended.stderr).to.match(/^Error: config file \/nowhere\.yaml does not exist[^\n]*\n$/);
  });
});
