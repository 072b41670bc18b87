import {
  codeOf,
  type ErrorCode,
  invalidArgument,
  type KeyspaceResult,
  messageOf,
  type NodeOutcome,
  notStarted,
} from '../base/errors.js';
import { checkNodes } from '../base/node-outcomes.js';
import { type HybridClock, versionOfWall } from '../coherence/hybrid-clock.js';
import { embargoMs } from '../coherence/leases.js';
import type { CallOptions, SweepResult } from '../ports/cache.js';
import { type Clock, remainingMs, type Wait } from '../ports/clock.js';
import type { KeyspaceChanges, KeyspacePreview } from '../ports/keyspace-changes.js';
import type { KeyspaceRecord, Setting, Sweep } from '../ports/keyspace-record.js';
import type { Log } from '../ports/log.js';
import type { Member, Membership, NodeInfo } from '../ports/membership.js';
import type { PeerNetwork, PeerReply } from '../ports/peers.js';
import { checkBatch, checkSweep, waitOf } from './arguments.js';
import type { EngineEvent } from './events.js';
import type { Inflight } from './inflight.js';
import type { Keyspace } from './keyspace.js';
import { type KeyspaceLedger, nothingTaken, type Taken } from './keyspace-ledger.js';
import { latestIn, nothingDone } from './keyspace-records.js';
import type { Keyspaces } from './keyspaces.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { EngineLimits, KeyspaceOptions } from './options.js';
import { checkNames, inForce, settingsOf } from './tunables.js';
import { beforeAnswer } from './writes.js';

export interface KeyspaceControlDeps {
  readonly clock: Clock;
  readonly hybrid: HybridClock;
  readonly peers: PeerNetwork;
  readonly membership: Membership;
  readonly log: Log;
  readonly self: () => NodeInfo;
  readonly spaces: Keyspaces;
  readonly ledger: KeyspaceLedger;
  readonly leases: LeaseKeeper;
  readonly limits: EngineLimits;
  readonly inflight: Inflight;
  readonly serving: () => boolean;
  readonly publish: (event: EngineEvent) => void;
}

/** How long nodes may take to hear of a sweep: while it is on its way, nobody joins who waits for others; see KeyspaceSweeps. */
const sweepMs = embargoMs - 500;

interface Told extends NodeOutcome {
  readonly removed: number;
  readonly newer: number;
}

/** What came of telling one record: here, and at each of the others. */
interface Spread {
  readonly own: Taken;
  readonly told: readonly Told[];
}

/** The options of a keyspace whose data source stays. */
export type KeyspaceSettingsGiven = Omit<KeyspaceOptions, 'dataSource'>;

/** For opening a data source, unless the caller says otherwise. */
const addMs = 10_000;
/** Within so long of a change whoever made it may have been lost before it had told everybody. */
const recentMs = 60_000;
/** A node whose link is down is told again so often, until the deadline: links come back. */
const againMs = 100;

/**
 * Changes of keyspaces at run time, through whichever node is asked. Each is one record that every node is sent and merges
 * into what it knows; who is out of reach learns it when its link comes up, and who joins when it joins. What comes back
 * names every node, so that nobody takes for done everywhere what was done in part.
 */
export class KeyspaceControl {
  readonly #deps: KeyspaceControlDeps;

  constructor(deps: KeyspaceControlDeps) {
    this.#deps = deps;
  }

  /** Rejects with INVALID_ARGUMENT before anybody is told; with PARTIAL_FAILURE where nodes failed. */
  async update(name: string, changes: KeyspaceChanges, options?: CallOptions): Promise<KeyspaceResult> {
    const { space, wait } = this.#asked(name, options, 'updateKeyspace');
    checkNames(changes);
    const settings = settingsOf(changes);
    this.#deps.ledger.preview(space, settings);
    const written = this.#written();
    const record: KeyspaceRecord = {
      ...nothingDone(name),
      settings: [...settings].map(([tunable, value]): Setting => ({ tunable, value, ...written })),
    };
    return this.#whole(record, wait, 'changed');
  }

  /** What `update` would come to here. Throws INVALID_ARGUMENT as it would. */
  preview(name: string, changes: KeyspaceChanges): KeyspacePreview {
    const { space } = this.#asked(name, undefined, 'previewKeyspace');
    checkNames(changes);
    const after = inForce(this.#deps.ledger.preview(space, settingsOf(changes)));
    return { keyspace: name, before: inForce(space.options), after };
  }

  /** Empties it on every node: once this has resolved, no node answers with anything from before. */
  async clear(name: string, options?: CallOptions): Promise<KeyspaceResult> {
    const { wait } = this.#asked(name, options, 'clearKeyspace');
    const until = beforeAnswer(wait, this.#deps.clock);
    const { spread } = await this.#deps.inflight.run(() =>
      this.#voided((generation) => ({ ...nothingDone(name), generation }), until),
    );
    const result = this.#result(name, spread);
    checkNodes([result], 'cleared');
    return result;
  }

  /**
   * Deletes what bears a tag, or whose key begins so, on every node. Once this has resolved no node answers with it, but for
   * those that are named.
   */
  async sweep(name: string, by: Sweep['by'], text: string, options?: CallOptions): Promise<SweepResult> {
    const { wait } = this.#asked(name, options, by === 'tag' ? 'deleteByTag' : 'deleteByPrefix');
    checkSweep(by, text);
    const { clock, inflight } = this.#deps;
    const until = { deadlineMs: Math.min(beforeAnswer(wait, clock).deadlineMs, clock.nowMs() + sweepMs) };
    return inflight.run(async () => {
      const record = (version: number) => ({ ...nothingDone(name), sweeps: [{ by, text, version }] });
      const { version, removed, spread } = await this.#voided(record, until);
      const unreached = spread.told.filter(({ outcome }) => outcome === 'failed').map(({ node }) => node);
      return { version, removed, unreached: unreached.sort() };
    });
  }

  /** All of them are checked before the first is removed. */
  async delete(names: readonly string[], options?: CallOptions): Promise<readonly KeyspaceResult[]> {
    checkBatch('names', names, this.#deps.limits);
    const asked = [...new Set(names)].map((name) => this.#asked(name, options, 'deleteKeyspaces'));
    const results = await Promise.all(
      asked.map(({ space, wait }) => {
        const existence = { deleted: true, ...this.#written() };
        return this.#changed({ ...nothingDone(space.name), existence }, wait);
      }),
    );
    checkNodes(results, 'deleted');
    return results;
  }

  /**
   * Adds a keyspace to this node. One that was deleted at run time is brought back by this, for all nodes that have it in
   * their files when they are next told to read them.
   */
  async add(given: KeyspaceOptions, options?: CallOptions): Promise<void> {
    const { ledger, clock, leases, spaces } = this.#deps;
    this.#checkServing('addKeyspace');
    const wait = waitOf(options, addMs, clock, 'addKeyspace', given.name);
    if (spaces.get(given.name) !== undefined) throw invalidArgument(`there is a keyspace '${given.name}' already`);
    if (ledger.existenceOf(given.name)?.deleted === true) {
      const existence = { deleted: false, ...this.#written() };
      const record = { ...nothingDone(given.name), existence };
      await ledger.take(record);
      await Promise.all(this.#others().map((node) => this.#told(node, record, beforeAnswer(wait, clock))));
    }
    await ledger.add(given, wait);
    // Nothing that peers told of it was kept while there was none.
    leases.resync();
  }

  /** Takes a keyspace from this node alone; the others keep theirs. False where there was none. */
  remove(name: string): boolean {
    const had = this.#deps.spaces.get(name) !== undefined;
    this.#deps.ledger.drop(name);
    return had;
  }

  /**
   * This node's own word on a keyspace has changed. What differs from before counts from now on: a change at run time of
   * the same option is withdrawn, on all nodes, so that the files hold again. Never rejects for want of a node.
   */
  async redefine(settings: KeyspaceSettingsGiven, options?: CallOptions): Promise<boolean> {
    const { space, wait } = this.#asked(settings.name, options, 'redefineKeyspace');
    const { ledger, clock } = this.#deps;
    const { dataSource, expiresAt } = space.given;
    const given: KeyspaceOptions = { expiresAt, ...settings, dataSource };
    const changed = ledger.settingsOf(given.name);
    const written = this.#written();
    const withdrawn = ledger
      .differing(space, given)
      .filter((tunable) => changed.has(tunable))
      .map((tunable): Setting => ({ tunable, value: undefined, ...written }));
    let isDifferent = await ledger.redefine(space, given);
    if (withdrawn.length > 0) {
      const record = { ...nothingDone(given.name), settings: withdrawn };
      isDifferent = (await ledger.take(record)).changed || isDifferent;
      await Promise.all(this.#others().map((node) => this.#told(node, record, beforeAnswer(wait, clock))));
    }
    return isDifferent;
  }

  /** What a peer tells. */
  async recorded(from: NodeInfo, record: KeyspaceRecord): Promise<PeerReply> {
    const { ledger, log } = this.#deps;
    try {
      const taken = await ledger.take(record);
      this.#compare(from, record);
      return { is: 'recorded', ...taken };
    } catch (error) {
      log.write('warn', `a change of keyspace '${record.keyspace}' is not taken over: ${messageOf(error)}`, {
        peer: from.name,
      });
      throw error;
    }
  }

  /**
   * A node was lost that had not left. What it changed at the last it may have told some of the others alone, whose links to the
   * rest stand: so those who know tell the rest. Nobody waits for that, and who cannot be told is told all with the next link or
   * lease.
   */
  passOn(): void {
    const { ledger, clock, peers, leases } = this.#deps;
    const since = versionOfWall(clock.wallMs() - recentMs);
    const wait = { deadlineMs: clock.nowMs() + addMs };
    for (const record of ledger.told()) {
      if (latestIn(record) <= since) continue;
      for (const { id } of peers.linked()) {
        peers.call(id, { do: 'keyspace', record }, wait).catch((error) => {
          if (codeOf(error) !== 'INVALID_ARGUMENT') leases.leases.undelivered(id);
        });
      }
    }
  }

  /** Files that differ work, each node by its own; but it is seldom meant. */
  #compare(from: NodeInfo, { keyspace, digest }: KeyspaceRecord): void {
    const { ledger, publish, log, membership } = this.#deps;
    const own = ledger.digest(keyspace);
    if (digest === 0 || own === 0 || digest === own) return;
    const peer = membership.members().find(({ id }) => id === from.id);
    log.write('warn', `the files of this node and of ${from.name} differ about keyspace '${keyspace}'`, {
      peer: from.name,
    });
    if (peer !== undefined) publish({ type: 'keyspace-differs', keyspace, peer });
  }

  async #whole(record: KeyspaceRecord, wait: Wait, done: string): Promise<KeyspaceResult> {
    const result = await this.#changed(record, wait);
    checkNodes([result], done);
    return result;
  }

  async #changed(record: KeyspaceRecord, wait: Wait): Promise<KeyspaceResult> {
    const { clock, inflight } = this.#deps;
    const until = beforeAnswer(wait, clock);
    return this.#result(record.keyspace, await inflight.run(() => this.#spread(record, until)));
  }

  #result(keyspace: string, { own, told }: Spread): KeyspaceResult {
    const here: NodeOutcome = { node: this.#deps.self().name, outcome: own.changed ? 'applied' : 'unchanged' };
    const others = told.map(({ removed: _, newer: __, ...outcome }): NodeOutcome => outcome);
    return { keyspace, nodes: [here, ...others].sort((a, b) => (a.node < b.node ? -1 : 1)) };
  }

  /**
   * Tells of a deletion of many entries. One that was put before may bear a later version: its owner's clock runs ahead, and
   * this node was not told, being out of its touch. Who kept such an entry says so, and then all are told of the deletion
   * anew, under a version above it: once, since what came up meanwhile is no entry from before.
   */
  async #voided(
    recordOf: (version: number) => KeyspaceRecord,
    until: Wait,
  ): Promise<{ readonly version: number; readonly removed: number; readonly spread: Spread }> {
    const { hybrid } = this.#deps;
    let removed = 0;
    for (let isAgain = false; ; isAgain = true) {
      const version = hybrid.next();
      const spread = await this.#spread(recordOf(version), until);
      const nodes = [spread.own, ...spread.told];
      removed += nodes.reduce((sum, node) => sum + node.removed, 0);
      const newer = Math.max(...nodes.map((node) => node.newer));
      if (isAgain || newer <= version) return { version, removed, spread };
      hybrid.merge(newer);
    }
  }

  /** Here and at everybody else. */
  async #spread(record: KeyspaceRecord, until: Wait): Promise<Spread> {
    // First here, in this very turn: from now on this node tells of nothing older.
    const own = this.#deps.ledger.take(record);
    const told = this.#others().map((node) => this.#told(node, record, until));
    return { own: await own, told: await Promise.all(told) };
  }

  /** Everybody who may answer for keys, linked or not, and who is linked and about to. */
  #others(): readonly NodeInfo[] {
    const { peers, membership, self } = this.#deps;
    const there = ({ state, serving }: Member): boolean => serving && (state === 'alive' || state === 'suspect');
    const nodes = new Map<string, NodeInfo>(peers.linked().map((peer) => [peer.id, peer]));
    for (const member of membership.members()) if (there(member)) nodes.set(member.id, member);
    nodes.delete(self().id);
    return [...nodes.values()];
  }

  async #told({ id, name }: NodeInfo, record: KeyspaceRecord, wait: Wait): Promise<Told> {
    const { peers, clock, leases } = this.#deps;
    for (let attempt = 0; ; attempt++) {
      try {
        const reply = await peers.call(id, { do: 'keyspace', record }, wait);
        // What was sent before the link broke may have arrived, or was said when it came up again.
        const isApplied = reply.is === 'recorded' && (reply.changed || attempt > 0);
        const { removed, newer } = reply.is === 'recorded' ? reply : nothingTaken;
        return { node: name, outcome: isApplied ? 'applied' : 'unchanged', removed, newer };
      } catch (error) {
        const code: ErrorCode = codeOf(error) ?? 'PEER_UNREACHABLE';
        // It gets no lease before it was told all that this node knows.
        if (code !== 'INVALID_ARGUMENT') leases.leases.undelivered(id);
        const isOut = code === 'PEER_UNREACHABLE' || code === 'OVERLOADED';
        if (!isOut || remainingMs(wait, clock) <= againMs) {
          const outcome = { outcome: 'failed', error: { code, message: messageOf(error) } } as const;
          return { ...nothingTaken, node: name, ...outcome };
        }
        await new Promise<void>((resolve) => void clock.after(againMs, resolve));
      }
    }
  }

  #written(): { readonly version: number; readonly by: string } {
    return { version: this.#deps.hybrid.next(), by: this.#deps.self().id };
  }

  #asked(name: string, options: CallOptions | undefined, what: string): { space: Keyspace; wait: Wait } {
    this.#checkServing(what);
    const space = this.#deps.spaces.existing(name);
    return { space, wait: waitOf(options, space.options.writeTimeoutMs, this.#deps.clock, what, name) };
  }

  #checkServing(what: string): void {
    if (!this.#deps.serving()) throw notStarted(what);
  }
}
