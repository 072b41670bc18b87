import { expect } from 'chai';
import { changeFlags } from '../../src/cli/keyspace-flags.js';
import { cli, type Ended } from '../support/cli.js';
import { configOf, type RealNode, RealNodes } from '../support/real-nodes.js';
import { until } from '../support/until.js';

const json = ({ stdout }: Ended) => JSON.parse(stdout.toString());

describe('keyspaces of real nodes, changed while they run', function () {
  this.timeout(60_000);
  let nodes: RealNodes;
  let cluster: readonly RealNode[];

  before(async () => {
    nodes = await RealNodes.open();
    const source = await nodes.file('source.mjs', "export default (key) => 'row of ' + key;\n");
    const config = configOf(`{ type: module, path: ${source} }`, {
      keyspace: 'defaultTtl: 5m, writeTimeout: 3s',
      keyspaces: [
        'gone: { maxBytes: 1MiB, source: { type: none } }',
        'old: { maxBytes: 1MiB, source: { type: none } }',
      ],
    });
    cluster = await nodes.cluster(['cache-1', 'cache-2', 'cache-3'], { config });
  });
  after(() => nodes.close());

  const run = (args: readonly string[], node = cluster[0]!): Promise<Ended> => cli([...args, '--addr', node.grpc]);
  const shown = async (node: RealNode) => json(await run(['keyspace', 'show', 'ks', '--json'], node));
  const applied = ['cache-1', 'cache-2', 'cache-3'].map((node) => ({ node, outcome: 'applied' }));

  it('update at 200 requests a second: no read fails, and the new value is in force on all nodes when it returns', async () => {
    const client = nodes.client(cluster);
    const failed: unknown[] = [];
    let reads = 0;
    let isOver = false;
    const reading = (async () => {
      const startedMs = performance.now();
      const running: Promise<void>[] = [];
      for (; !isOver; reads++) {
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, startedMs + reads * 5 - performance.now())));
        running.push(
          client.get('ks', `k${reads % 500}`).then(
            () => {},
            (error) => void failed.push(error),
          ),
        );
      }
      await Promise.all(running);
    })();
    await until('reads are under way', () => reads > 50);
    const ended = await run(['keyspace', 'update', 'ks', '--max-bytes', '2MiB', '--default-ttl', '1m', '--json']);
    expect(ended.exit, ended.stderr).to.equal(0);
    expect(json(ended)).to.deep.equal({ keyspace: 'ks', nodes: applied });
    for (const node of cluster) {
      expect(await shown(node)).to.include({ max_bytes: 2 * 1024 ** 2, default_ttl_ms: 60_000 });
    }
    const before = reads;
    await until('more reads', () => reads > before + 50);
    isOver = true;
    await reading;
    expect(failed).to.deep.equal([]);
  });

  it('a node that is stopped meanwhile is named, exit code 4, and has it when it is back', async () => {
    const [first, , third] = cluster as [RealNode, RealNode, RealNode];
    third.signal('SIGSTOP');
    const ended = await run(['keyspace', 'update', 'ks', '--negative-ttl', '7s', '--json', '--timeout', '2s'], first);
    expect(ended.exit, ended.stderr).to.equal(4);
    const { nodes: outcomes, error } = json(ended);
    expect(outcomes.slice(0, 2)).to.deep.equal(applied.slice(0, 2));
    expect(outcomes[2]).to.include({ node: 'cache-3', outcome: 'failed' });
    expect(outcomes[2].error.code).to.be.oneOf(['TIMEOUT', 'PEER_UNREACHABLE']);
    expect(error.code).to.equal('PARTIAL_FAILURE');
    expect(ended.stderr).to.match(/^Error: keyspace 'ks' was not changed on cache-3[^\n]*\n$/);
    third.signal('SIGCONT');
    await until('it has it', async () => (await shown(third)).negative_ttl_ms === 7000);
  });

  it('a node that was killed and started again has it before it says that it serves', async () => {
    const third = cluster[2]!;
    third.signal('SIGKILL');
    await third.exited;
    const { options } = third;
    const again = await nodes.start({ ...options, peers: cluster.slice(0, 2) });
    cluster = [...cluster.slice(0, 2), again];
    expect(await shown(again)).to.include({ negative_ttl_ms: 7000, max_bytes: 2 * 1024 ** 2 });
    await nodes.linked(cluster);
  });

  it('a dry run shows the difference and changes nothing; a file says what flags say', async () => {
    const file = await nodes.file('ks.yaml', 'defaultTtl: none\nmaxBytes: 3MiB\nrateLimit: { rate: 100/s }\n');
    const preview = await run(['keyspace', 'update', 'ks', '--file', file, '--hot-share', '25%', '--dry-run']);
    expect(preview.exit, preview.stderr).to.equal(0);
    expect(preview.stdout.toString()).to.equal(
      [
        'max_bytes: 2MiB -> 3MiB',
        'default_ttl_ms: 1m -> none',
        'hot_share: 12.5% -> 25%',
        'rate_per_second: none -> 100/s',
        'rate_burst: none -> 100',
        '',
      ].join('\n'),
    );
    expect(json(await run(['keyspace', 'update', 'ks', '--file', file, '--dry-run', '--json']))).to.deep.include({
      keyspace: 'ks',
      dry_run: true,
    });
    expect(await shown(cluster[1]!)).to.include({ max_bytes: 2 * 1024 ** 2 });
    const ended = await run(['keyspace', 'update', 'ks', '--file', file, '--max-bytes', '4MiB']);
    expect(
      ended.stdout
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ +/).join(' ')),
    ).to.deep.equal(['NODE OUTCOME REASON', 'cache-1 applied', 'cache-2 applied', 'cache-3 applied']);
    const now = await shown(cluster[1]!);
    expect(now).to.include({ max_bytes: 4 * 1024 ** 2, default_ttl_ms: null });
    expect(now.source.rate_limit).to.include({ per_second: 100 });
    expect((await run(['keyspace', 'update', 'ks', '--rate-limit', 'none'])).exit).to.equal(0);
    expect((await shown(cluster[2]!)).source.rate_limit).to.equal(null);
  });

  it('update takes every option by a flag of its own, in force on every node; none takes each back', async () => {
    const flags: Record<keyof typeof changeFlags, readonly [given: string, shown: object]> = {
      'max-bytes': ['5MiB', { max_bytes: 5 * 1024 ** 2 }],
      'default-ttl': ['90s', { default_ttl_ms: 90_000 }],
      'ttl-jitter': ['5%', { ttl_jitter: 0.05 }],
      'negative-ttl': ['3s', { negative_ttl_ms: 3000 }],
      'stale-while-revalidate': ['10s', { stale_while_revalidate_ms: 10_000 }],
      'stale-if-error': ['10m', { stale_if_error_ms: 600_000 }],
      'hot-share': ['20%', { hot_share: 0.2 }],
      'read-timeout': ['1s', { read_timeout_ms: 1000 }],
      'write-timeout': ['1500ms', { write_timeout_ms: 1500 }],
      'rate-limit': ['50/s', { rate_limit: { per_second: 50, burst: 5, wait_ms: 40 } }],
      'rate-burst': ['5', {}],
      'rate-wait': ['40ms', {}],
      'breaker-failures': ['2', { breaker: { failures_max: 2, reset_ms: 3000 } }],
      'breaker-reset': ['3s', {}],
      'warm-key': ['k1', { warm_keys: ['k1'] }],
    };
    expect(Object.keys(flags).sort()).to.deep.equal(Object.keys(changeFlags).sort());
    const given = Object.entries(flags).flatMap(([flag, [value]]) => [`--${flag}`, value]);
    const ended = await run(['keyspace', 'update', 'ks', ...given, '--json']);
    expect(json(ended), ended.stderr).to.deep.equal({ keyspace: 'ks', nodes: applied });
    const expected = Object.assign({}, ...Object.values(flags).map(([, shows]) => shows));
    for (const node of cluster) {
      const { source, ...rest } = await shown(node);
      const { rate_limit: limit, breaker } = source;
      const kept = ({ per_second, burst, wait_ms }: typeof limit) => ({ per_second, burst, wait_ms });
      const found = {
        ...rest,
        rate_limit: kept(limit),
        breaker: { failures_max: breaker.failures_max, reset_ms: breaker.reset_ms },
      };
      expect(found).to.deep.include(expected);
    }
    // Those that stand for a whole: a burst without a rate is none.
    const whole = Object.keys(flags).filter(
      (flag) => !['max-bytes', 'rate-burst', 'rate-wait', 'breaker-reset'].includes(flag),
    );
    const cleared = await run(['keyspace', 'update', 'ks', ...whole.flatMap((flag) => [`--${flag}`, 'none'])]);
    expect(cleared.exit, cleared.stderr).to.equal(0);
    for (const node of cluster) {
      const { source, ...rest } = await shown(node);
      expect(rest).to.deep.include({ default_ttl_ms: null, negative_ttl_ms: null, ttl_jitter: 0, warm_keys: [] });
      expect(rest).to.include({ stale_while_revalidate_ms: null, stale_if_error_ms: null, hot_share: 0.125 });
      expect(rest).to.include({ read_timeout_ms: 5000, write_timeout_ms: 5000 });
      expect(source).to.include({ rate_limit: null, breaker: null });
    }
  });

  it('clear: no node answers with anything from before', async () => {
    const value = `put-${process.pid}`;
    expect((await run(['put', 'ks', 'a', value])).exit).to.equal(0);
    for (const node of cluster) expect((await run(['get', 'ks', 'a'], node)).stdout.toString()).to.equal(value);
    const ended = await run(['keyspace', 'clear', 'ks', '--yes', '--json'], cluster[1]);
    expect(json(ended)).to.deep.equal({ keyspace: 'ks', nodes: applied });
    for (const node of cluster) expect((await run(['get', 'ks', 'a'], node)).stdout.toString()).to.equal('row of a');
  });

  it('delete: of several, one document each; what is not there exits with 3', async () => {
    const ended = await run(['keyspace', 'delete', 'gone', 'old', '--yes', '--json']);
    expect(json(ended)).to.deep.equal({
      keyspaces: ['gone', 'old'].map((keyspace) => ({ keyspace, nodes: applied })),
    });
    for (const node of cluster) expect((await run(['get', 'gone', 'a'], node)).exit).to.equal(3);
    expect((await run(['keyspace', 'delete', 'gone', '--yes'])).exit).to.equal(3);
  });

  const refusals: [string, readonly string[], RegExp][] = [
    [
      'clear without a terminal and without --yes',
      ['keyspace', 'clear', 'ks'],
      /^Error: Empty keyspace 'ks' on every node\? Without a terminal to ask on, --yes says so\n$/,
    ],
    ['delete without a terminal and without --yes', ['keyspace', 'delete', 'ks'], /--yes says so\n$/],
    ['update of nothing', ['keyspace', 'update', 'ks'], /^Error: nothing is to be changed; give a flag/],
    [
      'a size that is none',
      ['keyspace', 'update', 'ks', '--max-bytes', 'big'],
      /^Error: --max-bytes is "big", must be a size such as 64MiB, or none\n$/,
    ],
    ['no budget', ['keyspace', 'update', 'ks', '--max-bytes', 'none'], /maxBytes cannot be none; give a value/],
    [
      'a budget beyond bounds',
      ['keyspace', 'update', 'ks', '--max-bytes', '1B'],
      /maxBytes is 1, must be a size from 1024B/,
    ],
    [
      'a file that is not there',
      ['keyspace', 'update', 'ks', '--file', '/nowhere.yaml'],
      /^Error: --file: \/nowhere.yaml does not exist\n$/,
    ],
  ];
  for (const [name, args, message] of refusals) {
    it(`${name} is refused: exit code 2`, async () => {
      const ended = await run(args);
      expect(ended.stderr).to.match(message);
      expect(ended.exit).to.equal(2);
    });
  }

  it('a file may come by stdin', async () => {
    const args = ['keyspace', 'update', 'ks', '--file', '-', '--dry-run'];
    const input = 'maxBytes: none\n';
    const ended = await cli(args, { env: { DISTCACHE_ADDR: cluster[0]!.grpc }, input });
    expect(ended.stderr).to.match(/^Error: maxBytes cannot be none/);
    expect(ended.exit).to.equal(2);
  });

  it('a file is refused with line and path', async () => {
    const file = await nodes.file('bad.yaml', 'defaultTtl: 5m\nmaxByte: 1MiB\nsource: { type: none }\n');
    const ended = await run(['keyspace', 'update', 'ks', '--file', file]);
    expect(ended.stderr).to.match(/bad\.yaml:2:1 maxByte: unknown key; did you mean maxBytes\? \(and 1 more\)\n$/);
    expect(ended.exit).to.equal(2);
  });
});
