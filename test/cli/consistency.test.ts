import { expect } from 'chai';
import { cli } from '../support/cli.js';
import { type FakeNode, startFakeNode } from '../support/fake-node.js';

describe('cli: how new a read is to be, when a write is done, and drain', function () {
  this.timeout(30_000);
  let node: FakeNode;
  const run = (...args: readonly string[]) => cli(args, { env: { DISTCACHE_ADDR: node.address } });

  beforeEach(async () => {
    node = await startFakeNode();
  });
  afterEach(() => node.stop());

  it('get asks for a version and for the owner', async () => {
    await run('put', 'ks', 'a', 'x');
    const version = '374617313525761';
    expect((await run('get', 'ks', 'a', '--min-version', version, '--consistency', 'owner')).exit).to.equal(0);
    expect(node.service.asked).to.deep.equal({ minVersion: Number(version), consistency: 'owner', ack: undefined });
    expect((await run('get', 'ks', 'a', 'b', '--consistency', 'owner')).exit).to.be.oneOf([0, 3]);
    expect(node.service.asked).to.include({ consistency: 'owner' });
    expect((await run('get', 'ks', 'a')).exit).to.equal(0);
    expect(node.service.asked).to.deep.equal({ minVersion: undefined, consistency: undefined, ack: undefined });
  });

  it('put and delete say when they count as done', async () => {
    for (const args of [
      ['put', 'ks', 'a', 'x'],
      ['delete', 'ks', 'a'],
    ]) {
      expect((await run(...args, '--ack', 'owner')).exit).to.equal(0);
      expect(node.service.asked.ack).to.equal('owner');
      expect((await run(...args)).exit).to.equal(0);
      expect(node.service.asked.ack).to.equal(undefined);
    }
  });

  it('what is no version, no consistency and no ack is bad usage', async () => {
    for (const args of [
      ['get', 'ks', 'a', '--min-version', 'new'],
      ['get', 'ks', 'a', '--min-version', '-1'],
      ['get', 'ks', 'a', '--consistency', 'eventual'],
      ['put', 'ks', 'a', 'x', '--ack', 'all'],
    ]) {
      const { exit, stderr } = await run(...args);
      expect(exit, args.join(' ')).to.equal(2);
      expect(stderr.toString()).to.contain(args.at(-1)!);
    }
  });

  it('node drain says what was handed over, for people and for scripts', async () => {
    expect((await run('node', 'drain')).stdout.toString()).to.equal('drained fake-1: 3 entries handed over, 1 left\n');
    const { stdout } = await run('node', 'drain', '--json');
    expect(JSON.parse(stdout.toString())).to.deep.equal({ node: 'fake-1', handed_over: 3, left: 1 });
  });
});
