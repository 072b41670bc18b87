import { expect } from 'chai';
import { defaultConfig } from '../../../src/config/load.js';
import { starterFile } from '../../../src/config/starter.js';
import { loaded, problemsOf } from './support.js';

const full = `# yaml-language-server: $schema=./distcache.schema.json
name: cache-1
label: prod
bind: { addr: 127.0.0.1, port: 3320 }
admin: { addr: 127.0.0.1, port: 3321 }
gossip: { port: 3322, profile: lan, transport: udp, delegateVersions: [2,5,4] }
discovery:
  provider: static
  peers: [127.0.0.1:3322, 127.0.0.1:3422]
  dns:        { name: cache.prod.svc, port: 3322, family: ipv4, interval: 10s }
  nats:       { servers: [nats://127.0.0.1:4222], subject: distcache.prod, timeout: 1s }
  kubernetes: { namespace: prod, podLabels: { app: cache }, portName: gossip }
cluster: { minimumPeers: 1, replicas: 1, virtualNodes: 512, joinRetryInterval: 1s, maxJoinAttempts: 10, bootstrapTimeout: 30s, shutdownTimeout: 30s }
timeouts: { read: 5s, write: 5s, keepAlive: 300s }
limits: { maxKeyBytes: 4KiB, maxValueBytes: 16MiB, maxBatch: 10000, maxInflight: 100000 }
warmup: { maxHotKeys: 100, minHits: 1, concurrency: 4, timeout: 2s, onJoin: true, onLeave: true, refreshInterval: 0s }
source: { rateLimit: 500/s, burst: 100, wait: 0s, breaker: { failures: 5, reset: 10s }, maxConcurrent: 8, maxQueued: 0 }
telemetry: { metrics: prometheus, otlp: "http://127.0.0.1:4318", traces: false }
keyspaces:
  cities:
    maxBytes: 64MiB
    eviction: lru
    defaultTtl: 5m
    ttlJitter: 10%
    negativeTtl: 10s
    staleWhileRevalidate: 30s
    staleIfError: 10m
    hotShare: 12.5%
    readTimeout: 2s
    writeTimeout: 3s
    warmKeys: [paris]
    rateLimit: { rate: 100/s, burst: 20, wait: 100ms }
    breaker: { failures: 3, reset: 5s }
    source: { type: sqlite, file: cities.db, query: "select json from city where id = :key" }
  pages:    { maxBytes: 128MiB, source: { type: http, url: "https://example.org/pages/{key}", headers: { authorization: "Bearer \${API}" } } }
  files:    { maxBytes: 64MiB,  source: { type: directory, path: ./data } }
  custom:   { maxBytes: 64MiB,  source: { type: module, path: ./source.mjs } }
  scratch:  { maxBytes: 16MiB,  source: { type: none } }
`;

const idle = 'not in force in this release and has no effect';

describe('config: a whole file', () => {
  it('turns every text into a number with its unit', () => {
    const { config } = loaded(full, { API: 'secret' });
    expect({ ...config, keyspaces: config.keyspaces.length }).to.deep.equal({
      name: 'cache-1',
      label: 'prod',
      bind: { addr: '127.0.0.1', interface: undefined, port: 3320 },
      admin: {
        addr: '127.0.0.1',
        port: 3321,
        basePath: '/_distcache/admin',
        isPortFlexible: false,
        tls: true,
        token: undefined,
      },
      gossip: {
        port: 3322,
        profile: 'lan',
        transport: 'udp',
        tls: true,
        secrets: [],
        secretsFile: undefined,
        delegateVersions: [2, 5, 4],
      },
      discovery: { provider: 'static', peers: ['127.0.0.1:3322', '127.0.0.1:3422'] },
      cluster: {
        minimumPeers: 1,
        weight: 1,
        replicas: 1,
        onSplit: 'serve',
        virtualNodes: 512,
        joinRetryIntervalMs: 1000,
        maxJoinAttempts: 10,
        bootstrapTimeoutMs: 30_000,
        shutdownTimeoutMs: 30_000,
      },
      timeouts: { readMs: 5000, writeMs: 5000, keepAliveMs: 300_000 },
      limits: {
        maxKeyBytes: 4096,
        maxValueBytes: 16_777_216,
        maxBatch: 10_000,
        maxInflight: 100_000,
        maxInflightPerClient: undefined,
        maxInflightBytes: 256 * 1024 ** 2,
        maxConnections: 10_000,
      },
      tls: undefined,
      auth: { tokens: [], certificates: [] },
      insecure: false,
      warmup: {
        maxHotKeys: 100,
        minHits: 1,
        concurrency: 4,
        timeoutMs: 2000,
        deadlineMs: 30_000,
        onJoin: true,
        onLeave: true,
        refreshIntervalMs: 0,
      },
      source: {
        maxConcurrent: 8,
        maxQueued: 0,
        rateLimit: { perSecond: 500, burst: 100, waitMs: 0 },
        breaker: { failures: 5, resetMs: 10_000 },
      },
      telemetry: {
        metrics: 'prometheus',
        otlp: 'http://127.0.0.1:4318',
        traces: false,
        sampling: 0.1,
        intervalMs: 30_000,
      },
      log: { level: 'info', format: undefined },
      keyspaces: 5,
    });
    expect(config.keyspaces[0]).to.deep.equal({
      name: 'cities',
      maxBytes: 67_108_864,
      eviction: 'lru',
      defaultTtlMs: 300_000,
      batch: { maxKeys: 100, windowMs: 0 },
      ttlJitter: 0.1,
      negativeTtlMs: 10_000,
      staleWhileRevalidateMs: 30_000,
      staleIfErrorMs: 600_000,
      rateLimit: { perSecond: 100, burst: 20, waitMs: 100 },
      breaker: { failures: 3, resetMs: 5000 },
      hotShare: 0.125,
      readTimeoutMs: 2000,
      writeTimeoutMs: 3000,
      warmKeys: ['paris'],
      source: { type: 'sqlite', file: 'cities.db', query: 'select json from city where id = :key' },
    });
    expect(config.keyspaces.map(({ name }) => name)).to.deep.equal(['cities', 'pages', 'files', 'custom', 'scratch']);
    expect(config.keyspaces[1]?.source).to.deep.equal({
      type: 'http',
      url: 'https://example.org/pages/{key}',
      headers: { authorization: 'Bearer secret' },
    });
  });

  it('tells a keyspace that says nothing of its protection from one that switches it off', () => {
    const source = 'maxBytes: 1MiB, source: { type: none }';
    const { config } = loaded(`keyspaces:
  inherits: { ${source} }
  without: { rateLimit: false, breaker: none, ${source} }
  own: { rateLimit: { rate: 600/m }, breaker: { failures: 1, reset: 1ms }, ${source} }
`);
    expect(config.keyspaces.map(({ rateLimit, breaker }) => [rateLimit, breaker])).to.deep.equal([
      [undefined, undefined],
      [false, false],
      [
        { perSecond: 10, burst: undefined, waitMs: 0 },
        { failures: 1, resetMs: 1 },
      ],
    ]);
    expect([config.source.rateLimit, config.source.breaker]).to.deep.equal([undefined, undefined]);
  });

  it('warns of each key that does nothing yet, in the order of the file', () => {
    const { warnings } = loaded(full, { API: 'x' });
    expect(warnings).to.deep.equal([
      `c.yaml:10:15 discovery.dns: has no effect, since the provider is static`,
      `c.yaml:11:15 discovery.nats: has no effect, since the provider is static`,
      `c.yaml:12:15 discovery.kubernetes: has no effect, since the provider is static`,
      `c.yaml:14:45 timeouts.keepAlive: ${idle}`,
      'c.yaml:18:41 telemetry.otlp: is given, but metrics is not otlp and traces is false, so nothing goes there',
    ]);
  });

  it('takes databases as sources, and says what is wrong with them', () => {
    const sources = (postgres: string, redis: string): string => `keyspaces:
  users: { maxBytes: 1MiB, source: { type: postgres, url: "postgres://u:hunter2@h/db", query: "select $1", ${postgres} } }
  sessions: { maxBytes: 1MiB, source: { type: redis, url: "redis://:hunter2@h", ${redis} } }
`;
    const more =
      'versionColumn: v, ttlColumn: t, tagsColumn: l, maxConnections: 3, statementTimeout: 1500ms, prepare: false';
    const { config, warnings } = loaded(
      sources(more, 'prefix: "s:", cluster: true, nodes: ["10.0.0.1", "[::1]:7000"]'),
    );
    expect(warnings).to.deep.equal([]);
    expect(config.keyspaces.map(({ source }) => source)).to.deep.equal([
      {
        type: 'postgres',
        url: 'postgres://u:hunter2@h/db',
        query: 'select $1',
        versionColumn: 'v',
        ttlColumn: 't',
        tagsColumn: 'l',
        maxConnections: 3,
        statementTimeoutMs: 1500,
        prepare: false,
      },
      {
        type: 'redis',
        url: 'redis://:hunter2@h',
        prefix: 's:',
        cluster: true,
        nodes: ['10.0.0.1:6379', '[::1]:7000'],
      },
    ]);
    const problems = problemsOf(sources('maxConnections: 0, statementTimout: 5', 'nodes: ["a b"], cluster: maybe'));
    expect(problems).to.have.length(4);
    expect(problems.join('\n')).to.include('did you mean statementTimeout').and.not.include('hunter2');
    for (const type of ['postgres', 'redis']) {
      const found = problemsOf(
        `keyspaces: { k: { maxBytes: 1MiB, source: { type: ${type}, url: "mysql://u:hunter2@h" } } }`,
      );
      expect(found.join('\n')).to.include('must be a URL that starts with').and.not.include('hunter2');
    }
  });

  it('takes how loads become one question, a hundred keys of the same turn unless told otherwise', () => {
    const text = (batch: string): string => `keyspaces: { k: { maxBytes: 1MiB, ${batch}source: { type: none } } }`;
    expect(loaded(text('')).config.keyspaces[0]?.batch).to.deep.equal({ maxKeys: 100, windowMs: 0 });
    const { config } = loaded(text('batch: { maxKeys: 7, window: 5ms }, '));
    expect(config.keyspaces[0]?.batch).to.deep.equal({ maxKeys: 7, windowMs: 5 });
    expect(problemsOf(text('batch: { maxKeys: 0, window: 2s }, '))).to.have.length(2);
  });

  it('takes how many nodes keep each entry, and what to do in a split', () => {
    const { config, warnings } = loaded('cluster: { replicas: 2, onSplit: passthrough }');
    expect(config.cluster).to.include({ replicas: 2, onSplit: 'passthrough' });
    expect(warnings).to.deep.equal([]);
    expect(problemsOf('cluster: { replicas: 17, onSplit: stop }')).to.have.length(2);
  });

  it('takes a file of comments, and one of empty sections, for the defaults', () => {
    for (const text of ['', '# nothing\n', 'keyspaces:\nbind:\n', '{}']) {
      expect(loaded(text).config, text).to.deep.equal(defaultConfig());
    }
    expect(defaultConfig().bind).to.deep.equal({ addr: '127.0.0.1', interface: undefined, port: 3320 });
    expect(defaultConfig().discovery).to.deep.equal({ provider: 'standalone' });
  });

  it('reads JSON, indented with tabs too', () => {
    const json = JSON.stringify(
      { bind: { port: 0 }, keyspaces: { 'a/é': { maxBytes: 1024, source: { type: 'none' } } } },
      null,
      '\t',
    );
    expect(loaded(json).config.keyspaces[0]?.name).to.equal('a/é');
  });

  it('gives keyspaces the time-outs of the section `timeouts`', () => {
    const text = 'timeouts: { read: 1s, write: 1500ms }\nkeyspaces: { a: { maxBytes: 1KiB, source: { type: none } } }';
    const [keyspace] = loaded(text).config.keyspaces;
    expect([keyspace?.readTimeoutMs, keyspace?.writeTimeoutMs]).to.deep.equal([1000, 1500]);
  });

  it('takes peers for a static cluster, each once, and an interface in place of an address', () => {
    const { config } = loaded('discovery: { peers: ["a:1", "[::1]:2", "a:1"] }\nbind: { interface: eth0 }');
    expect(config.discovery).to.deep.equal({ provider: 'static', peers: ['a:1', '[::1]:2'] });
    expect(config.bind).to.deep.equal({ addr: undefined, interface: 'eth0', port: 3320 });
  });

  it('takes secrets of the gossip from itself or from a file, and not from both', () => {
    const { config } = loaded('gossip: { port: 0, secretsFile: s.txt }');
    expect(config.gossip).to.deep.include({ secrets: [], secretsFile: 's.txt' });
    const secret = Buffer.alloc(16).toString('base64');
    expect(problemsOf(`gossip: { port: 0, secrets: ["${secret}"], secretsFile: s.txt }`)).to.deep.equal([
      '1:72 gossip.secretsFile: given beside gossip.secrets; leave one of them out',
    ]);
  });

  it('gossips unless standalone, and says where a section does nothing', () => {
    const rows: readonly (readonly [string, string, boolean, ...string[]])[] = [
      ['gossip: { port: 0 }', 'static', true],
      ['discovery: { peers: [a] }', 'static', true],
      ['discovery: { provider: static }', 'static', true],
      [
        'gossip: { profile: wan }',
        'standalone',
        false,
        'c.yaml:1:9 gossip: has no effect, since the node is standalone; give discovery.peers, another provider, or gossip.port to wait for others',
      ],
      [
        'gossip: { port: 1 }\ndiscovery: { provider: standalone }',
        'standalone',
        false,
        'c.yaml:1:9 gossip: has no effect, since the node is standalone; use another provider, or leave it out',
      ],
    ];
    for (const [text, provider, gossips, ...expected] of rows) {
      const { config, warnings } = loaded(text);
      expect([config.discovery.provider, config.gossip !== false], text).to.deep.equal([provider, gossips]);
      expect(warnings, text).to.deep.equal(expected);
    }
  });

  it('takes addresses of gossip with a port or without one, in all their forms', () => {
    const { config } = loaded('discovery: { peers: [a, "a:3322", "::1", "[::2]", "[::3]:4", 10.0.0.1] }');
    expect(config.discovery)
      .to.have.property('peers')
      .that.deep.equals(['a:3322', '[::1]:3322', '[::2]:3322', '[::3]:4', '10.0.0.1:3322']);
  });

  it('resolves the section of the provider that is chosen', () => {
    const nats = loaded(
      'discovery: { provider: nats, nats: { servers: ["nats://h"], subject: s, user: u, password: p } }',
    );
    expect(nats.config.discovery).to.deep.equal({
      provider: 'nats',
      servers: ['nats://h'],
      subject: 's',
      timeoutMs: 1000,
      credentialsFile: undefined,
      user: 'u',
      password: 'p',
      token: undefined,
      tls: undefined,
    });
    const pods = loaded('discovery: { provider: kubernetes, kubernetes: { podLabels: { app: cache }, tokenFile: t } }');
    expect(pods.config.discovery).to.deep.equal({
      provider: 'kubernetes',
      namespace: undefined,
      podLabels: { app: 'cache' },
      portName: 'gossip',
      apiServer: undefined,
      tokenFile: 't',
      caFile: undefined,
    });
    const dns = loaded(
      'discovery: { provider: dns, dns: { name: n, servers: [10.0.0.53, "[::1]:5353"], interval: 1s } }',
    );
    expect(dns.config.discovery).to.deep.include({
      servers: ['10.0.0.53:53', '[::1]:5353'],
      intervalMs: 1000,
      port: 3322,
    });
  });

  it('takes secrets as serf keygen and openssl print them', () => {
    const secrets = [16, 24, 32].map((length) => Buffer.alloc(length, 0xfb).toString('base64'));
    const { config } = loaded(`gossip: { port: 0, secrets: [${secrets}, "\${KEY}"] }`, { KEY: secrets[0] });
    expect(config.gossip).to.have.property('secrets').that.deep.equals(secrets);
  });

  it('follows aliases', () => {
    const text = 'keyspaces:\n  a: &a { maxBytes: 1KiB, source: { type: none } }\n  b: *a\n';
    expect(loaded(text).config.keyspaces.map(({ name }) => name)).to.deep.equal(['a', 'b']);
  });

  it('accepts the starter file without a warning', () => {
    const { config, warnings } = loaded(starterFile);
    expect(warnings).to.deep.equal([]);
    expect(config.keyspaces.map(({ name }) => name)).to.deep.equal(['scratch']);
    expect(starterFile.split('\n', 1)[0]).to.equal('# yaml-language-server: $schema=./distcache.schema.json');
  });

  it('accepts each commented key of the starter file', () => {
    const opened = starterFile
      .replace(/^( *)# (?= *[a-zA-Z]+:( |$))/gm, '$1')
      .replace(/^ {2}provider: standalone.*\n/m, '');
    const { config, warnings } = loaded(opened, {
      API: 'x',
      DATABASE_URL: 'postgres://h',
      GOSSIP_SECRET: Buffer.alloc(32).toString('base64'),
      OPS_TOKEN: 'x',
    });
    expect(config.keyspaces.map(({ name }) => name)).to.include.members([
      'scratch',
      'cities',
      'pages',
      'files',
      'custom',
    ]);
    expect(config.name).to.equal('cache-1');
    expect(warnings.map((warning) => warning.replace(/^\S+ /, ''))).to.deep.equal(
      ['dns', 'nats', 'kubernetes'].map((name) => `discovery.${name}: has no effect, since the provider is static`),
    );
  });

  it('warns where more peers are wanted than named, and where keyspaces exceed the memory together', () => {
    const text = `cluster: { minimumPeers: 4 }
discovery: { peers: ["a:1"] }
keyspaces:
  a: { maxBytes: 5GiB, source: { type: none } }
  b: { maxBytes: 5GiB, source: { type: none } }
`;
    expect(loaded(text).warnings).to.deep.equal([
      'c.yaml:1:26 cluster.minimumPeers: is 4, but only 2 nodes are named, this one included; the node serves once others have found it',
      "c.yaml:4:3 keyspaces: together may hold more bytes than this machine's memory",
    ]);
  });
});
