import { expect } from 'chai';
import { load } from '../../../src/config/load.js';
import { options, problemsOf } from './support.js';

const some = 'source: { type: none }';
const ofTime = 'such as 250ms, 30s or 5m';
const timeout = `must be a duration from 1ms to 1d, ${ofTime}`;
const size = 'such as 512KiB or 64MiB';
const nameRule = 'must be a name of at most 128 bytes: letters, digits and . _ - :, with a letter or digit first';
const portRule = 'must be a port from 0 to 65535';
const keyspaceSize = `must be a size from 1KiB to 8GiB, ${size}`;

/** What is wrong, the file, and what is said of it. */
const rows: readonly (readonly [string, string, ...string[]])[] = [
  ['unknown section', 'nme: x', '1:1 nme: unknown key; did you mean name?'],
  ['unknown key inside', 'bind: { prot: 1 }', '1:9 bind.prot: unknown key; did you mean port?'],
  ['other spelling', 'limits:\n  max-batch: 1', '2:3 limits.max-batch: unknown key; did you mean maxBatch?'],
  [
    'nothing near',
    'timeouts: { xylophone: 1s }',
    '1:13 timeouts.xylophone: unknown key; known here are read, write, keepAlive',
  ],
  ['port above', 'bind: { port: 65536 }', `1:15 bind.port: ${portRule}, found 65536`],
  ['port below', 'bind: { port: -1 }', `1:15 bind.port: ${portRule}, found -1`],
  ['port in quotes', 'bind: { port: "3320" }', `1:15 bind.port: ${portRule}, found "3320"`],
  ['port of parts', 'bind: { port: 1.5 }', `1:15 bind.port: ${portRule}, found 1.5`],
  [
    'address with port',
    'bind: { addr: "127.0.0.1:1" }',
    '1:15 bind.addr: must be a host name or an IP address without port, such as 127.0.0.1, found "127.0.0.1:1"',
  ],
  [
    'address beyond',
    'bind: { addr: 300.0.0.1 }',
    '1:15 bind.addr: must be a host name or an IP address without port, such as 127.0.0.1, found "300.0.0.1"',
  ],
  ['name with a blank', 'name: a b', `1:7 name: ${nameRule}, found "a b"`],
  ['name of digits', 'name: 42', `1:7 name: ${nameRule}, found 42; put it in quotes`],
  [
    'label with a blank',
    'label: a b',
    '1:8 label: must be a label of at most 128 bytes: letters, digits and . _ - :, found "a b"',
  ],
  [
    'duration without unit',
    'timeouts: { read: 30 }',
    `1:19 timeouts.read: ${timeout}, found 30; write its unit, for example 30s`,
  ],
  [
    'duration without unit in quotes',
    'timeouts: { read: "30" }',
    `1:19 timeouts.read: ${timeout}, found "30"; write its unit, for example 30s`,
  ],
  ['duration of zero', 'timeouts: { read: 0s }', `1:19 timeouts.read: ${timeout}, found "0s"`],
  ['duration below zero', 'timeouts: { read: -5s }', `1:19 timeouts.read: ${timeout}, found "-5s"`],
  ['duration too long', 'timeouts: { read: 25h }', `1:19 timeouts.read: ${timeout}, found "25h"`],
  [
    'duration beyond all',
    `timeouts: { read: ${'9'.repeat(320)}d }`,
    `1:19 timeouts.read: ${timeout}, found "${'9'.repeat(57)}..."`,
  ],
  ['duration of nothing', 'timeouts: { read: }', `1:13 timeouts.read: ${timeout}, found nothing`],
  [
    'infinite number',
    'cluster: { virtualNodes: 1e400 }',
    '1:26 cluster.virtualNodes: must be a whole number from 1 to 4096, found Infinity',
  ],
  [
    'not a number',
    'cluster: { virtualNodes: .nan }',
    '1:26 cluster.virtualNodes: must be a whole number from 1 to 4096, found NaN',
  ],
  ['not a boolean', 'warmup: { onJoin: yes }', '1:19 warmup.onJoin: must be true or false, found "yes"'],
  [
    'rate without unit',
    'source: { rateLimit: 5 }',
    '1:22 source.rateLimit: must be a rate above 0, such as 100/s or 600/m, found 5; write its unit, for example 5/s',
  ],
  [
    'rate of zero',
    'source: { rateLimit: 0/s }',
    '1:22 source.rateLimit: must be a rate above 0, such as 100/s or 600/m, found "0/s"',
  ],
  [
    'burst and wait of no rate',
    'source: { burst: 5, wait: 1s }',
    '1:18 source.burst: has no effect without source.rateLimit; give that too',
    '1:27 source.wait: has no effect without source.rateLimit; give that too',
  ],
  [
    'a rate limit that is none',
    `keyspaces: { a: { maxBytes: 1MiB, rateLimit: 5/s, ${some} } }`,
    '1:46 keyspaces.a.rateLimit: must be false, none, or a map with rate, burst and wait, found "5/s"',
  ],
  [
    'a breaker of one half',
    `keyspaces: { a: { maxBytes: 1MiB, breaker: { failures: 3 }, ${some} } }`,
    '1:35 keyspaces.a.breaker.reset: missing; must be a duration from 1ms to 1d, such as 250ms, 30s or 5m',
  ],
  ['text for a map', 'bind: nope', '1:7 bind: must be a map, found "nope"'],
  ['list for a map', 'bind: [1]', '1:7 bind: must be a map, found a list'],
  ['list for the file', '- a', '1:1 must be a map, found a list'],
  ['text for the file', 'hello', '1:1 must be a map, found "hello"'],
  ['map for a list', 'discovery: { peers: {} }', '1:21 discovery.peers: must be a list, found a map'],
  ['number for the admin', 'admin: 3321', '1:8 admin: must be false, or a map with addr and port, found 3321'],
  ['true for the admin', 'admin: true', '1:8 admin: must be false, or a map with addr and port, found true'],
  [
    'metrics for Prometheus without admin endpoints',
    'admin: false\ntelemetry: { metrics: prometheus }',
    '2:23 telemetry.metrics: is prometheus, which is served at the admin endpoints, but admin is false',
  ],
  [
    'metrics over OTLP to nowhere',
    'telemetry: { metrics: otlp }',
    '1:23 telemetry.metrics: needs telemetry.otlp, the URL that it goes to, such as http://127.0.0.1:4318',
  ],
  [
    'traces to nowhere',
    'telemetry: { traces: true }',
    '1:22 telemetry.traces: needs telemetry.otlp, the URL that it goes to, such as http://127.0.0.1:4318',
  ],
  [
    'sampling beyond all',
    'telemetry: { sampling: 200% }',
    '1:24 telemetry.sampling: must be a share from 0% to 100%, such as 12.5% or 0.125, found "200%"',
  ],
  ['key inside the admin', 'admin: { prot: 1 }', '1:10 admin.prot: unknown key; did you mean port?'],
  ['value inside the admin', 'admin: { port: 99999 }', `1:16 admin.port: ${portRule}, found 99999`],
  [
    'same port twice',
    'bind: { port: 4000 }\nadmin: { port: 4000 }',
    '2:16 admin.port: must differ from the port of bind, both are 4000',
  ],
  [
    'same port on all addresses',
    'bind: { port: 4000 }\nadmin: { addr: 0.0.0.0, port: 4000 }',
    '2:31 admin.port: must differ from the port of bind, both are 4000',
  ],
  [
    'same port for gossip',
    'gossip: { port: 3320 }',
    '1:17 gossip.port: must differ from the port of bind, both are 3320',
  ],
  [
    'unknown provider',
    'discovery: { provider: statc }',
    '1:24 discovery.provider: must be one of standalone, static, dns, nats, kubernetes, found "statc"; did you mean static?',
  ],
  [
    'peer without host',
    'discovery: { peers: [a:1, ":2"] }',
    '1:27 discovery.peers[1]: must be host or host:port of another node\'s gossip, such as 10.0.0.2:3322 or [::1]:3322, found ":2"',
  ],
  [
    'peers of a standalone node',
    'discovery: { provider: standalone, peers: ["a:1"] }',
    '1:43 discovery.peers: given, but the provider is standalone; use static, or leave them out',
  ],
  [
    'peers beside dns',
    'discovery: { provider: dns, peers: [a], dns: { name: x } }',
    '1:36 discovery.peers: given, but the provider is dns; use static, or leave them out',
  ],
  [
    'provider without its section',
    'discovery: { provider: nats }',
    '1:24 discovery.provider: is nats, but there is no section nats; add discovery.nats',
  ],
  [
    'section without a provider',
    'discovery: { dns: { name: x } }',
    '1:19 discovery.dns: given, but no provider; write provider: dns, or leave it out',
  ],
  [
    'name server by name',
    'discovery: { provider: dns, dns: { name: x, servers: [ns.example] } }',
    '1:55 discovery.dns.servers[0]: must be an IP address with or without port, such as 10.0.0.53 or 127.0.0.1:5353, found "ns.example"',
  ],
  [
    'two ways into NATS, one of them half',
    'discovery: { provider: nats, nats: { servers: ["nats://h"], subject: s, user: u, token: t, tls: { cert: c } } }',
    '1:79 discovery.nats.user: given without password; give both, or neither',
    '1:89 discovery.nats.token: given beside user; leave one of them out',
    '1:105 discovery.nats.tls.cert: given without key; give both, or neither',
  ],
  [
    'pods without labels',
    'discovery: { provider: kubernetes, kubernetes: {} }',
    '1:36 discovery.kubernetes.podLabels: missing; must be a map',
  ],
  [
    'secrets that are none, unseen',
    `gossip: { port: 0, secrets: [hunter2, ${'A'.repeat(16)}, ${'A'.repeat(43)}=] }`,
    ...[30, 39].map(
      (column, index) =>
        `1:${column} gossip.secrets[${index}]: must be base64 of 16, 24 or 32 bytes; make one with openssl rand -base64 32`,
    ),
  ],
  [
    'TLS of gossip over tcp',
    'gossip: { transport: tcp, tls: true }',
    '1:32 gossip.tls: true, but over tcp each packet is a connection of its own; leave it out, or take transport udp',
  ],
  [
    'delegate versions out of order',
    'gossip: { port: 0, delegateVersions: [2, 4, 5] }',
    '1:38 gossip.delegateVersions: must be lowest, highest and current, with the current between the others, found 2, 4, 5',
  ],
  ['keyspaces as a list', 'keyspaces: []', '1:12 keyspaces: must be a map, found a list'],
  ['keyspace of nothing', 'keyspaces:\n  a:\n', '2:3 keyspaces.a: must be a map, found nothing'],
  ['keyspace without budget', `keyspaces:\n  a: { ${some} }`, `2:3 keyspaces.a.maxBytes: missing; ${keyspaceSize}`],
  ['keyspace without source', 'keyspaces:\n  a: { maxBytes: 1MiB }', '2:3 keyspaces.a.source: missing; must be a map'],
  [
    'budget of zero',
    `keyspaces: { a: { maxBytes: 0, ${some} } }`,
    `1:29 keyspaces.a.maxBytes: ${keyspaceSize}, found 0`,
  ],
  ['budget of 7', `keyspaces: { a: { maxBytes: 7, ${some} } }`, `1:29 keyspaces.a.maxBytes: ${keyspaceSize}, found 7`],
  [
    'budget of a part',
    `keyspaces: { a: { maxBytes: 1024.5, ${some} } }`,
    `1:29 keyspaces.a.maxBytes: ${keyspaceSize}, found 1024.5`,
  ],
  [
    'budget not a number',
    `keyspaces: { a: { maxBytes: .NaN, ${some} } }`,
    `1:29 keyspaces.a.maxBytes: ${keyspaceSize}, found NaN`,
  ],
  [
    'budget above the memory',
    `keyspaces: { a: { maxBytes: 9GiB, ${some} } }`,
    `1:29 keyspaces.a.maxBytes: ${keyspaceSize}, found "9GiB"`,
  ],
  [
    'unknown policy',
    `keyspaces: { a: { maxBytes: 1MiB, eviction: lfu, ${some} } }`,
    '1:45 keyspaces.a.eviction: must be lru, found "lfu"; did you mean lru?',
  ],
  [
    'time to live of zero',
    `keyspaces: { a: { maxBytes: 1MiB, defaultTtl: 0, ${some} } }`,
    `1:47 keyspaces.a.defaultTtl: must be a duration from 1ms to 36500d, ${ofTime}, found 0`,
  ],
  [
    'share without percent',
    `keyspaces: { a: { maxBytes: 1MiB, hotShare: 12.5, ${some} } }`,
    '1:45 keyspaces.a.hotShare: must be a share from 0% to 50%, such as 12.5% or 0.125, found 12.5; did you mean 12.5%?',
  ],
  [
    'share of all',
    `keyspaces: { a: { maxBytes: 1MiB, hotShare: 100%, ${some} } }`,
    '1:45 keyspaces.a.hotShare: must be a share from 0% to 50%, such as 12.5% or 0.125, found "100%"',
  ],
  [
    'name with control characters',
    `keyspaces: { "a\\u0007": { maxBytes: 1MiB, ${some} } }`,
    '1:14 keyspaces["a\\u0007"]: must be a keyspace name of at most 128 bytes: any text without control characters, found "a\\u0007"',
  ],
  [
    'empty name',
    `keyspaces: { "": { maxBytes: 1MiB, ${some} } }`,
    '1:14 keyspaces[""]: must be a keyspace name of at most 128 bytes: any text without control characters, found nothing',
  ],
  [
    'name that JavaScript keeps',
    `keyspaces: { __proto__: { maxBytes: 1MiB, ${some} } }`,
    '1:14 keyspaces.__proto__: cannot be used as a name',
  ],
  [
    'name given twice',
    `keyspaces:\n  a: { maxBytes: 1MiB, ${some} }\n  a: { maxBytes: 1MiB, ${some} }`,
    '3:3 keyspaces.a: given twice, first on line 2',
  ],
  [
    'unknown source',
    'keyspaces: { a: { maxBytes: 1MiB, source: { type: sqllite } } }',
    '1:51 keyspaces.a.source.type: must be one of sqlite, postgres, redis, http, directory, module, none, found "sqllite"; did you mean sqlite?',
  ],
  [
    'source without type',
    'keyspaces:\n  a:\n    maxBytes: 1MiB\n    source: {}',
    '4:5 keyspaces.a.source.type: missing; must be one of sqlite, postgres, redis, http, directory, module, none',
  ],
  [
    'source without query',
    'keyspaces: { a: { maxBytes: 1MiB, source: { type: sqlite, file: a.db } } }',
    '1:35 keyspaces.a.source.query: missing; must be a query, which is text of at most 4096 characters',
  ],
  [
    'key of another source',
    'keyspaces: { a: { maxBytes: 1MiB, source: { type: none, file: x } } }',
    '1:57 keyspaces.a.source.file: unknown key; known here are type',
  ],
  [
    'URL without key',
    'keyspaces: { a: { maxBytes: 1MiB, source: { type: http, url: "https://u:pw@h/" } } }',
    '1:62 keyspaces.a.source.url: must be a URL that starts with http:// or https:// and contains {key}',
  ],
  [
    'URL of a file',
    'keyspaces: { a: { maxBytes: 1MiB, source: { type: http, url: "file:///{key}" } } }',
    '1:62 keyspaces.a.source.url: must be a URL that starts with http:// or https:// and contains {key}',
  ],
  [
    'secret of a wrong type',
    'admin: { token: 12345 }',
    '1:17 admin.token: must be a token of 1 to 4096 printable characters without spaces; make one with openssl rand -hex 32',
  ],
  [
    'several at once',
    'nme: x\nbind:\n  port: x\nadmin: 1',
    '1:1 nme: unknown key; did you mean name?',
    `3:9 bind.port: ${portRule}, found "x"`,
    '4:8 admin: must be false, or a map with addr and port, found 1',
  ],
  ['no YAML', 'a: [1\nb: 2', '2:1 Flow sequence in block collection must be sufficiently indented and end with a ]'],
  ['tab for indentation', 'bind:\n\tport: 1', '2:1 Tabs are not allowed as indentation'],
  ['no JSON', '{\n  "name": "a"\n  "label": "b"\n}', '3:3 Missing , between flow map items'],
  ['JSON cut off', '{"name": "a",', '1:14 Flow map must end with a }'],
  ['two documents', 'name: a\n---\nname: b', '2:1 the file has a second document from here on; a config is one'],
  ['tag', 'name: !!js/function x', '1:7 Unresolved tag: tag:yaml.org,2002:js/function'],
  ['list for a key', '[a]: 1', '1:1 a key must be text'],
  ['alias of nothing', 'name: *a', '1:7 name: *a is the name of no anchor above'],
  ['alias of itself', 'discovery: &a { peers: *a }', '1:24 discovery.peers: *a stands inside of what it names'],
  [
    'variable unquoted in braces',
    `bind: { port: \${PORT} }`,
    '1:16 Unexpected flow-map-start at node end; inside { } and [ ] a variable needs quotes',
  ],
];

describe('config: problems', () => {
  for (const [title, text, ...problems] of rows) {
    it(title, () => expect(problemsOf(text)).to.deep.equal(problems));
  }

  it('keeps the first hundred and counts the others', () => {
    const lines = Array.from({ length: 250 }, (_, index) => `key${index}: 1`);
    const problems = problemsOf(lines.join('\n'));
    expect(problems).to.have.length(101);
    expect(problems.at(-1)).to.equal('100:1 and 150 more problems');
  });

  it('refuses an unusable 1e400 however it is written', () => {
    for (const value of ['1e400', '-1e400', '.inf', '-.inf', '1e400s', '"1e400"']) {
      expect(problemsOf(`timeouts: { write: ${value} }`)[0], value).to.match(
        /^1:20 timeouts\.write: must be a duration/,
      );
    }
  });
});

describe('config: hostile files', () => {
  const mib = 1024 ** 2;
  const bombs: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
    'more than a mebibyte': ['#'.repeat(mib + 1), /^1:1 the file is larger than 1MiB/],
    'deep flow nesting': ['['.repeat(mib), /^1:1 the file is nested more than 32 deep/],
    'deep block nesting': ['- '.repeat(100_000), /^1:\d+ (Maximum call stack|.*nested more than 32 deep)/],
    'half a million parts': ['- a\n'.repeat(100_000), /^1:1 the file has more than 250000 parts/],
    'quotes without end': ['"'.repeat(200_000), /^1:3 Unexpected/],
    'aliases that multiply': [
      ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
        .concat(Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`))
        .join('\n'),
      /^1:1 the file has more than 100000 values once its aliases are followed/,
    ],
    'fifty thousand unknown keys': [
      Array.from({ length: 30_000 }, (_, i) => `kk${i}: 1`).join('\n'),
      /^1:1 kk0: unknown key/,
    ],
  };
  for (const [title, [text, message]] of Object.entries(bombs)) {
    it(`${title}: refused soon`, () => {
      const [first] = problemsOf(text);
      expect(first).to.match(message);
    });
  }

  it('puts in a bounded amount of text', () => {
    const text = `discovery: { peers: [${Array(100).fill(`"\${BIG}"`).join(', ')}] }`;
    const result = load(text, options({ BIG: 'x'.repeat(100_000) }));
    expect(result.ok).to.equal(false);
    expect(JSON.stringify(result)).to.include('variables put in more than 4194304 characters').and.not.include('xxxx');
  });
});
