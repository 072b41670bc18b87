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
import type { HybridClock } from '../coherence/hybrid-clock.js';
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
import type { KeyspaceLedger } from './keyspace-ledger.js';
import { nothingDone } from './keyspace-records.js';
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
}

/** The options of a keyspace whose data source stays. */
export type KeyspaceSettingsGiven = Omit<KeyspaceOptions, 'dataSource'>;

/** For opening a data source, unless the caller says otherwise. */
const addMs = 10_000;
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
    const record = { ...nothingDone(name), generation: this.#deps.hybrid.next() };
    return this.#whole(record, wait, 'cleared');
  }

  /**
   * Deletes what bears a tag, or whose key begins so, on every node. Once this has resolved no node answers with it, but for
   * those that are named.
   */
  async sweep(name: string, by: Sweep['by'], text: string, options?: CallOptions): Promise<SweepResult> {
    const { wait } = this.#asked(name, options, by === 'tag' ? 'deleteByTag' : 'deleteByPrefix');
    checkSweep(by, text);
    const { clock, inflight, ledger, hybrid } = this.#deps;
    const version = hybrid.next();
    const record = { ...nothingDone(name), sweeps: [{ by, text, version }] };
    const until = { deadlineMs: Math.min(beforeAnswer(wait, clock).deadlineMs, clock.nowMs() + sweepMs) };
    return inflight.run(async () => {
      const own = ledger.take(record);
      const told = await Promise.all(this.#others().map((node) => this.#told(node, record, until)));
      const unreached = told.filter(({ outcome }) => outcome === 'failed').map(({ node }) => node);
      const removed = told.reduce((sum, node) => sum + node.removed, (await own).removed);
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

  /** Here and at everybody else. */
  #changed(record: KeyspaceRecord, wait: Wait): Promise<KeyspaceResult> {
    const { clock, self, inflight, ledger } = this.#deps;
    const until = beforeAnswer(wait, clock);
    return inflight.run(async () => {
      // First here, in this very turn: from now on this node tells of nothing older.
      const own = ledger.take(record);
      const told = this.#others().map((node) => this.#told(node, record, until));
      const here: NodeOutcome = { node: self().name, outcome: (await own).changed ? 'applied' : 'unchanged' };
      const others = (await Promise.all(told)).map(({ removed: _, ...outcome }): NodeOutcome => outcome);
      const nodes = [here, ...others].sort((a, b) => (a.node < b.node ? -1 : 1));
      return { keyspace: record.keyspace, nodes };
    });
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
        const removed = reply.is === 'recorded' ? reply.removed : 0;
        return { node: name, outcome: isApplied ? 'applied' : 'unchanged', removed };
      } catch (error) {
        const code: ErrorCode = codeOf(error) ?? 'PEER_UNREACHABLE';
        // It gets no lease before it was told all that this node knows.
        if (code !== 'INVALID_ARGUMENT') leases.leases.undelivered(id);
        const isOut = code === 'PEER_UNREACHABLE' || code === 'OVERLOADED';
        if (!isOut || remainingMs(wait, clock) <= againMs) {
          return { node: name, outcome: 'failed', error: { code, message: messageOf(error) }, removed: 0 };
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
