/** The file that `config init` writes: runs as it is, and shows what else there is. */
export const starterFile = `# yaml-language-server: $schema=./distcache.schema.json
#
# One distcache node. Start it:    distcache node start --config distcache.yaml
# Check it after each change:      distcache config validate distcache.yaml
# What is unsafe or amiss:         distcache doctor --config distcache.yaml
# Help while typing, in editors:   distcache config schema > distcache.schema.json
#
# Durations are written 250ms, 30s, 5m, 1h; sizes 512KiB, 64MiB, 1GB; shares 10%.
# \${VAR} and \${VAR:-default} are taken from the environment; inside { } and [ ] put them in quotes.
# Whatever is left out has the value shown in the comment.

# name: cache-1            # unique in the cluster, the same after a restart; left out: hostname-bindPort
# label: prod              # nodes with another label never join

bind:
  addr: 127.0.0.1          # 0.0.0.0 listens on every address
  port: 3320               # 0 takes a free one
  # interface: eth0        # instead of addr

admin:                     # HTTP for operators: health, figures, events; false for none
  addr: 127.0.0.1          # whoever reaches it may read, and drain the node, unless auth says less
  port: 3321               # 0 takes a free one; left out: 3321, or a free one where that is taken

discovery:
  provider: standalone     # or static, with the addresses of the other nodes' gossip:
  # provider: static
  # peers: [10.0.0.2:3322, 10.0.0.3:3322]
  # Or the provider is dns, nats or kubernetes, each with its section:
  # dns: { name: cache.prod.svc, interval: 10s }
  # nats: { servers: ["nats://127.0.0.1:4222"], subject: distcache.prod }
  # kubernetes: { podLabels: { app: cache }, portName: gossip }

# gossip:                  # how nodes find failures; any node that is not standalone has it
#   port: 3322             # UDP and TCP; 0 takes a free one
#   profile: lan           # or local (one machine), wan
#   transport: udp         # or tcp
#   tls: true              # streams go over the tls below; false for pools with plain memberlist
#   secrets: ["\${GOSSIP_SECRET}"]    # openssl rand -base64 32; the first encrypts, all decrypt
#                                     # or secretsFile: a file that holds them, one a line, read again when it changes

# tls: { ca: certs/ca.pem, cert: certs/node.pem, key: certs/node-key.pem }    # distcache cert create makes these

# auth:                    # who may do what; left out: whoever gets in may do everything
#   tokens: [{ name: ops, token: "\${OPS_TOKEN}", allow: [read, write, admin] }]    # openssl rand -hex 32
#   certificates: [{ name: client, allow: [read, write], keyspaces: [scratch] }]

# cluster:
#   minimumPeers: 1        # nodes, this one included, without which it does not serve
#   weight: 1              # this node's part of the ring relative to others
#   virtualNodes: 512      # the same on all nodes
#   joinRetryInterval: 1s
#   maxJoinAttempts: 10
#   bootstrapTimeout: 30s
#   shutdownTimeout: 30s

# telemetry:
#   metrics: prometheus    # at the admin endpoints, under /metrics; or otlp, none
#   otlp: http://127.0.0.1:4318
#   traces: true           # over OTLP
#   sampling: 10%          # of the traces that begin here

# timeouts: { read: 5s, write: 5s }

# warmup:                  # hot keys loaded ahead of need, each by its owner, when a node joins or leaves
#   maxHotKeys: 100        # of each keyspace
#   minHits: 1             # in the last minute or two
#   concurrency: 4         # loads at once
#   timeout: 2s            # for each key
#   deadline: 30s          # a node that starts is ready after so long, warm or not
#   onJoin: true
#   onLeave: true
#   refreshInterval: 0s    # hot keys are loaded again before they expire, so often; 0s for not

# limits: { maxKeyBytes: 4KiB, maxValueBytes: 16MiB, maxBatch: 10000, maxInflight: 100000, maxInflightBytes: 256MiB }

# source:                  # how data sources are protected, of each keyspace on each node
#   maxConcurrent: 64      # loads at once
#   maxQueued: 10000       # and how many more may wait
#   rateLimit: 500/s       # left out: no limit
#   burst: 100             # loads that may start at once after a quiet time; left out: those of one second
#   wait: 0s               # how long a load waits for its turn
#   breaker: { failures: 5, reset: 10s }    # failures in a row that cut the source off, and for how long; left out: never

keyspaces:
  # Nothing to load from: holds what is put into it.
  scratch:
    maxBytes: 64MiB        # per node: keys, values and their overhead
    source: { type: none }

  # cities:
  #   maxBytes: 64MiB
  #   eviction: lru
  #   defaultTtl: 5m       # left out: entries do not expire
  #   ttlJitter: 10%       # lifetimes are shortened by up to this part, so that they do not end together
  #   negativeTtl: 10s     # "the source has no such key" is remembered this long
  #   staleWhileRevalidate: 30s    # an expired entry is served so long while a load behind it refreshes it
  #   staleIfError: 10m    # and so long when the source fails, is limited or cut off
  #   rateLimit: { rate: 100/s, burst: 20, wait: 100ms }    # in place of what source says; false or none for no limit
  #   breaker: { failures: 3, reset: 5s }
  #   hotShare: 12.5%      # part of maxBytes for copies of other nodes' entries
  #   readTimeout: 2s
  #   writeTimeout: 2s
  #   source: { type: sqlite, file: cities.db, query: "select json from city where id = :key" }

  # users:
  #   maxBytes: 256MiB
  #   batch: { maxKeys: 100, window: 0s }    # keys of one query; 0s: loads of the same turn of the event loop
  #   source: { type: postgres, url: "\${DATABASE_URL}", query: "select doc from users where id = $1" }

  # sessions:
  #   maxBytes: 32MiB
  #   source: { type: redis, url: "redis://127.0.0.1:6379", prefix: "session:" }    # cluster: true for a Redis Cluster

  # pages:
  #   maxBytes: 128MiB
  #   source: { type: http, url: "https://example.org/pages/{key}", headers: { authorization: "Bearer \${API}" } }

  # files:
  #   maxBytes: 64MiB
  #   source: { type: directory, path: ./data }

  # custom:
  #   maxBytes: 64MiB
  #   source: { type: module, path: ./source.mjs }    # export default { fetch(key, { signal }) } or a function
`;
