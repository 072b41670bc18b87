import { ClusterSecret } from '../access/cluster-secret.js';
import { joinAddress } from '../base/addresses.js';
import { invalidArgument, notStarted } from '../base/errors.js';
import { HybridClock } from '../coherence/hybrid-clock.js';
import { checkCall } from '../engine/arguments.js';
import { CacheEngine } from '../engine/engine.js';
import { resolveOptions } from '../engine/options.js';
import { AloneMembership } from '../membership/alone.js';
import { systemClock } from '../platform/clock.js';
import { xxh3Hasher } from '../platform/hasher.js';
import { asyncLoadContext } from '../platform/load-context.js';
import { advertisedAddress, bindAddress, shortHostname, totalMemoryBytes } from '../platform/machine.js';
import { packageFacts } from '../platform/package.js';
import { freshChallenge, systemRandom } from '../platform/random.js';
import type { CallOptions, NodeStatus, PeerStatus } from '../ports/cache.js';
import type { Wait } from '../ports/clock.js';
import { type Log, silent } from '../ports/log.js';
import type { NodeInfo } from '../ports/membership.js';
import { lruIndex } from '../store/lru-index.js';
import type { Providers, Telemetry } from '../telemetry/telemetry.js';
import type { GrpcServer, GrpcServerLimits } from '../transport/grpc-server.js';
import { createPeerLinks, type PeerLinks } from '../transport/peer-links.js';
import { KeyRing } from '../wire/memberlist/key-ring.js';
import { NodeAdmin } from './admin.js';
import { describeOptions } from './describe.js';
import { NodeGossip } from './gossip.js';
import { Guard } from './guard.js';
import { LateRecorder } from './late-recorder.js';
import { LazyDialer } from './lazy-dialer.js';
import { noPeers } from './no-peers.js';
import { type EngineOptions, type ResolvedNode, resolveNode } from './options.js';
import { quietLog } from './quiet-log.js';
import { type AuthOptions, resolveSecurity, type TlsOptions } from './security.js';

/** What a message has beside key and value. */
const messageOverheadBytes = 64 * 1024;

interface Watched extends Providers {
  readonly recorder: LateRecorder;
  telemetry?: Telemetry;
}

interface Listener {
  readonly at: NonNullable<ResolvedNode['bind']>;
  readonly links: PeerLinks;
  readonly dialer: LazyDialer;
  readonly limits: GrpcServerLimits;
}

/**
 * A distributed read-through cache. Without `discovery` and `bind` it stands alone inside this process; with them it is a
 * node that others reach over gRPC.
 *
 * @example
 * const engine = new Engine({
 *   keyspaces: [{ name: 'users', maxBytes: '64MiB', defaultTtl: '5m', dataSource: { fetch: (key) => db.load(key) } }],
 * });
 * await engine.start();
 * const { value } = await engine.get('users', '42');
 * await engine.stop();
 */
export class Engine extends CacheEngine {
  readonly #node: ResolvedNode;
  readonly #log: Log;
  readonly #listener: Listener | undefined;
  readonly #gossip: NodeGossip | undefined;
  readonly #admin: NodeAdmin | undefined;
  readonly #watched: Watched | undefined;
  readonly #identity: { self: NodeInfo };
  readonly #guard: Guard;
  #server: GrpcServer | undefined;
  /** Ends what start waits for. */
  readonly #leaving = new AbortController();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** Throws INVALID_ARGUMENT naming every option that cannot be used. */
  constructor(options: EngineOptions) {
    const policies = new Map([['lru', lruIndex], ...Object.entries(options?.evictionPolicies ?? {})]);
    const resolved = resolveOptions(options, {
      totalMemoryBytes: totalMemoryBytes(),
      evictionPolicies: [...policies.keys()],
    });
    const node = resolveNode(options);
    const guard = new Guard(node, resolveSecurity(options, systemClock.wallMs()), systemClock.wallMs());
    const log = quietLog(options.logger ?? silent);
    const hybrid = new HybridClock(systemClock);
    const hasher = options.hasher ?? xxh3Hasher;
    const identity = { self: nodeInfo(node, { name: node.name ?? shortHostname() }) };
    const self = (): NodeInfo => identity.self;
    const keys = node.gossip === undefined || node.gossip.keys.length === 0 ? undefined : new KeyRing(node.gossip.keys);
    let listener: Listener | undefined;
    if (node.bind !== undefined) {
      const { maxValueBytes, maxKeyBytes, maxInflight, maxInflightBytes } = resolved.limits;
      const maxFrameBytes = maxValueBytes + maxKeyBytes + messageOverheadBytes;
      const dialer = new LazyDialer();
      const links = createPeerLinks({
        clock: systemClock,
        random: systemRandom,
        log,
        stamp: hybrid,
        self,
        label: node.label,
        hasher: hasher.name,
        proof: keys && new ClusterSecret(() => keys.keys, freshChallenge),
        dialer,
        limits: { maxInflight, maxInflightBytes, maxFrameBytes },
      });
      links.onDialProblem(({ address, message, passing }) => {
        log.write(passing ? 'warn' : 'error', `no link to ${address}: ${message}`, { address });
      });
      listener = { at: node.bind, links, dialer, limits: { ...resolved.limits, maxFrameBytes } };
    }
    const peers = listener?.links ?? noPeers;
    const { bind, gossip: gossiping } = node;
    const gossipTls = guard.tls && { files: () => guard.tls!, nodeName: guard.nodeName };
    const gossip =
      bind === undefined || gossiping === undefined
        ? undefined
        : new NodeGossip({ ...node, bind, gossip: gossiping }, { log, peers, self, keys, tls: gossipTls });
    const { meterProvider, tracerProvider } = options;
    const isWatched = meterProvider !== undefined || tracerProvider !== undefined;
    const watched: Watched | undefined = isWatched
      ? { meterProvider, tracerProvider, recorder: new LateRecorder() }
      : undefined;
    super(
      {
        clock: systemClock,
        random: systemRandom,
        log,
        hasher,
        context: asyncLoadContext(),
        membership: gossip?.membership ?? new AloneMembership(self),
        peers,
        hybrid,
        self,
        label: node.label,
        evictionPolicies: policies,
        recorder: watched?.recorder,
      },
      resolved,
    );
    this.#node = node;
    this.#log = log;
    this.#listener = listener;
    this.#gossip = gossip;
    this.#admin =
      node.admin &&
      new NodeAdmin(node.admin, {
        node: this,
        log,
        maxKeyBytes: resolved.limits.maxKeyBytes,
        describe: () => describeOptions(node, resolved),
        access: guard.adminAccess,
      });
    this.#watched = watched;
    this.#identity = identity;
    this.#guard = guard;
    for (const weakness of guard.weaknesses()) log.write('warn', weakness);
  }

  /**
   * Listens, opens the data sources, meets the other nodes, and serves. Rejects with CLUSTER_QUORUM, with a ListenError
   * when the port is taken, or with what a data source said that cannot work; nothing is left running then.
   */
  start(options?: CallOptions): Promise<void> {
    const refusal = this.#stopping === undefined ? refusalOf(options) : notStarted('start');
    if (refusal !== undefined) return Promise.reject(refusal);
    const { signal: leaving } = this.#leaving;
    const signal = options?.signal === undefined ? leaving : AbortSignal.any([options.signal, leaving]);
    this.#starting ??= this.#start(this.#wait({ ...options, signal }, this.#node.bootstrapTimeoutMs));
    return this.#starting;
  }

  /**
   * Waits for operations under way, leaves the cluster, frees everything. Idempotent; may be called during start, which
   * then rejects with NOT_STARTED.
   */
  stop(options?: CallOptions): Promise<void> {
    const refusal = refusalOf(options);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#leaving.abort();
    this.#stopping ??= this.#stop(this.#wait(options, this.#node.shutdownTimeoutMs));
    return this.#stopping;
  }

  /** As others see it, but with the admin endpoints where they are: others are told of them only if they can reach them. */
  override status(): NodeStatus {
    return { ...super.status(), admin: this.#admin?.address || 'off' };
  }

  override peers(): readonly PeerStatus[] {
    const admin = this.#admin?.address || 'off';
    return super.peers().map((peer) => (peer.isSelf ? { ...peer, admin } : peer));
  }

  /**
   * Changes the gossip's secrets while the node runs: the first encrypts, all decrypt. To change a secret without a gap, add
   * the new one behind the old on every node, then put it first on every node, then leave the old one out. Throws
   * INVALID_ARGUMENT where gossip is in the clear, or would become so: that takes a restart.
   */
  setGossipSecrets(secrets: readonly string[]): void {
    if (this.#gossip === undefined) throw invalidArgument('this node does not gossip, so it has no use for secrets');
    this.#gossip.rotate(secrets);
  }

  /**
   * Changes certificates while the node runs: for every connection made from then on, to this node and from it; those that
   * stand go on. Throws INVALID_ARGUMENT and changes nothing where they cannot be used, or TLS was not on before.
   */
  setTls(tls: TlsOptions): void {
    const next = this.#guard.setTls(tls, systemClock.wallMs());
    this.#server?.renewTls(next);
    this.#gossip?.renewTls();
    if (this.#guard.adminTls !== undefined) this.#admin?.renewTls(this.#guard.adminTls);
  }

  /**
   * Changes who may do what, for all calls from then on. Throws INVALID_ARGUMENT where it cannot be, and where it would let
   * in everybody.
   */
  setAuth(auth: AuthOptions): void {
    this.#guard.setAuth(auth);
  }

  async #start(wait: Wait): Promise<void> {
    try {
      if (this.#watched !== undefined) await this.#watch(this.#watched);
      if (this.#listener !== undefined) await this.#listen(this.#listener, wait);
      else await this.#admin?.listen(this.#guard.adminTls);
      await this.open(wait);
    } catch (error) {
      const now: Wait = { deadlineMs: systemClock.nowMs() };
      await this.close(now);
      await Promise.all([this.#server?.stop(now), this.#admin?.stop(now)]);
      this.#watched?.telemetry?.stop();
      throw this.#stopping === undefined ? error : notStarted('start');
    }
  }

  async #stop(wait: Wait): Promise<void> {
    await this.close(wait);
    // A start that was under way ends now, and takes the server along that it may have begun.
    await this.#starting?.catch(() => {});
    // The servers go last: one carries the links over which the others are told, the other says that this node drains.
    await Promise.all([this.#server?.stop(wait), this.#admin?.stop(wait)]);
    this.#watched?.telemetry?.stop();
  }

  async #watch(watched: Watched): Promise<void> {
    const { Telemetry } = await import('../telemetry/telemetry.js');
    watched.telemetry = new Telemetry(watched, {
      clock: systemClock,
      log: this.#log,
      version: packageFacts().version,
      peerOf: (id) => this.#listener?.links.linked().find((peer) => peer.id === id),
      read: () => ({
        status: this.status(),
        peers: this.peers(),
        keyspaces: this.describeKeyspaces(),
        sources: this.insights.sources(),
        engine: this.insights.counts(),
        links: this.#listener?.links.counters(),
        clients: this.#server?.counters(),
        admin: this.#admin?.counts(),
      }),
    });
    watched.recorder.use(watched.telemetry.recorder);
    watched.telemetry.start();
  }

  async #listen({ at, links, dialer, limits }: Listener, wait: Wait): Promise<void> {
    const addr = bindAddress(at);
    const [{ createGrpcServer }, { createGrpcDialer }] = await Promise.all([
      import('../transport/grpc-server.js'),
      import('../transport/grpc-dialer.js'),
    ]);
    if (this.#leaving.signal.aborted) throw notStarted('start');
    const { access, nodeName, tls } = this.#guard;
    const dialling = tls && (() => ({ files: this.#guard.tls ?? tls, nodeName }));
    dialer.use(createGrpcDialer({ ...limits, tls: dialling }));
    this.#server = await createGrpcServer({
      addr,
      port: at.port,
      service: this,
      links,
      limits,
      protoDir: packageFacts().protoDir,
      log: this.#log,
      clock: systemClock,
      recorder: this.#watched?.recorder,
      access,
      tls,
    });
    const name = this.#node.name ?? `${shortHostname()}-${this.#server.port}`;
    const gossip = await this.#gossip?.listen(wait);
    if (this.#leaving.signal.aborted) throw notStarted('start');
    await this.#admin?.listen(this.#guard.adminTls);
    const host = advertisedAddress(addr);
    this.#identity.self = nodeInfo(this.#node, {
      name,
      address: joinAddress(host, this.#server.port),
      gossip: gossip ?? '',
      admin: this.#admin?.addressFor(host) ?? '',
    });
  }

  #wait(options: CallOptions | undefined, defaultMs: number): Wait {
    return { deadlineMs: systemClock.nowMs() + (options?.timeoutMs ?? defaultMs), signal: options?.signal };
  }
}

/** What is wrong with the options of a call. */
function refusalOf(options: CallOptions | undefined): unknown {
  try {
    checkCall(options);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A new run of a node: its id is fresh, its incarnation the time of start in seconds, above that of any earlier run. */
const nodeInfo = (
  { weight }: ResolvedNode,
  told: Pick<NodeInfo, 'name'> & Partial<Pick<NodeInfo, 'address' | 'gossip' | 'admin'>>,
): NodeInfo => ({
  id: systemRandom.id(),
  address: '',
  admin: '',
  gossip: '',
  ...told,
  version: packageFacts().version,
  weight,
  incarnation: Math.floor(systemClock.wallMs() / 1000),
});
