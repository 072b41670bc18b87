import { expect } from 'chai';
import { cli } from '../support/cli.js';
import { type FakeNode, startFakeNode } from '../support/fake-node.js';

describe('cli: values past their expiry, and what protects a source', function () {
  this.timeout(30_000);
  let node: FakeNode;
  const run = (...args: readonly string[]) => cli(args, { env: { DISTCACHE_ADDR: node.address } });
  const json = async (...args: readonly string[]) => JSON.parse((await run(...args, '--json')).stdout.toString());

  before(async () => {
    node = await startFakeNode();
  });
  after(() => node.stop());

  it('get tells how long ago a value expired, in JSON, of many, and on stderr', async () => {
    await run('put', 'ks', 'k', 'v');
    node.service.staleMs = 61_000;
    const told = await json('get', 'ks', 'k');
    expect(told).to.include({ value: 'v', outcome: 'stale', stale_ms: 61_000 });
    expect(Date.now() - Date.parse(told.expires_at)).to.be.within(60_000, 120_000);
    const { stdout, stderr } = await run('get', 'ks', 'k', '--meta');
    expect(stdout.toString()).to.equal('v');
    expect(stderr).to.match(/^outcome=stale .* expires_at=\S+ stale_ms=61000\n$/);
    for (const entry of (await json('get', 'ks', 'k', 'k')).entries) expect(entry).to.include({ stale_ms: 61_000 });
    node.service.staleMs = undefined;
    expect(await json('get', 'ks', 'k')).not.to.have.property('stale_ms');
  });

  it('keyspace show tells breaker and rate limit, for people and for scripts', async () => {
    const { source, ...keyspace } = await json('keyspace', 'show', 'ks');
    expect(keyspace).to.include({ ttl_jitter: 0.1, stale_while_revalidate_ms: 30_000, stale_if_error_ms: null });
    expect(source).to.deep.equal({
      breaker: {
        state: 'open',
        failures: 5,
        failures_max: 5,
        reset_ms: 10_000,
        next_probe_in_ms: 8200,
        opened: 2,
      },
      rate_limit: { tokens: 0.5, per_second: 100, burst: 20, wait_ms: 100, waiting: 3, next_token_in_ms: 35 },
      running: 1,
      max_concurrent: 64,
      queued: 2,
      max_queued: 10_000,
      load_timeout_ms: 4750,
      counts: { answered: 7, failed: 6, cancelled: 5, circuit_open: 4, rate_limited: 3, overloaded: 2 },
    });
    const text = (await run('keyspace', 'show', 'ks')).stdout.toString();
    expect(text).to.match(/breaker\s+open, 5 of 5 failures, reset 10s, next probe in 8s200ms/);
    expect(text).to.match(/rate limit\s+100\/s, burst 20, wait 100ms, 0 left/);
    expect(text)
      .to.match(/ttl jitter\s+10(\.0)?%\n/)
      .and.to.match(/warm keys\s+(none|\S+)\n/);
    expect(text).to.match(/stale while revalidate\s+30s\n.*stale if error\s+off/);
  });
});
