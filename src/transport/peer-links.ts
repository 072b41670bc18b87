import type { LinkProof } from '../access/cluster-secret.js';
import { DistcacheError, messageOf } from '../base/errors.js';
import type { Cancel, Clock, Wait } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { NodeInfo } from '../ports/membership.js';
import type { DialProblem, LinkEvent, PeerHandler, PeerNetwork, PeerRequest, Stamp } from '../ports/peers.js';
import type { Random } from '../ports/random.js';
import { FrameEncoder, type Goodbye, type Hello, protocolVersion } from '../wire/frames.js';
import type { Answer } from './call-table.js';
import { DialTargets, type Target } from './dial-targets.js';
import type { Dialer, FrameStream, StreamEvents } from './frame-stream.js';
import { type HandshakeResult, type Role, shakeHands } from './handshake.js';
import { type HeldBytes, heldRequests } from './held-bytes.js';
import type { LinkLimits } from './link-limits.js';
import { Partings } from './partings.js';
import { PeerSession } from './peer-session.js';
import { RefusalLog } from './refusal-log.js';
import { addCounts, type LinkCounts, type LinkEnd, noCounts, type SessionCounts } from './session-counts.js';

/*
 * One link per pair of nodes. Order of messages matters between two nodes, so two streams would be one too many, and both
 * sides must agree which one stands without asking: the node with the smaller id dials. Who has the larger id and dials
 * all the same (it may be the only one that knows the other's address) is told to wait, and is dialled back.
 *
 * Each side sends something every second and gives the other up after three seconds of silence. A process that itself
 * did not run for a while (a blocked event loop, a suspended machine) heard nothing either: it takes off what its own
 * timer was late before it blames anyone.
 */

const quietMs = 1_000;
const silentMs = 3_000;
const tickMs = 500;
/** A timer may be this late on a busy machine without that meaning anything. */
const lateMs = 250;
/** Links of one node; a further node is refused. */
const linksMax = 1_024;
/** Streams that have not said who they are. */
const greetingsMax = 256;

/** Refusals that nothing but a change of configuration ends. */
const lastingReasons: ReadonlySet<Goodbye['reason']> = new Set([
  'WRONG_LABEL',
  'WRONG_PROTOCOL',
  'NAME_TAKEN',
  'NOT_PROVEN',
]);

export interface PeerLinksDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly stamp: Stamp;
  /** Asked for at each greeting, so the address may become known after this was made. */
  readonly self: () => NodeInfo;
  readonly label: string;
  /** Name of the function that places keys: nodes with different ones do not join. '' does not ask. */
  readonly hasher?: string | undefined;
  /** Where the cluster has a secret; without, whoever knows the label is believed. */
  readonly proof?: LinkProof | undefined;
  readonly dialer: Dialer;
  readonly limits: LinkLimits;
}

export interface PeerLinks extends PeerNetwork {
  /** Takes a stream that a peer opened. */
  accept(stream: FrameStream): void;
  counters(): LinkCounts;
}

interface Link {
  readonly session: PeerSession;
  readonly sinceMs: number;
}

export const createPeerLinks = (deps: PeerLinksDeps): PeerLinks => new Links(deps);

class Links implements PeerLinks {
  readonly #deps: PeerLinksDeps;
  readonly #encoder = new FrameEncoder();
  readonly #asked: HeldBytes;
  readonly #partings: Partings;
  readonly #targets: DialTargets;
  readonly #refusals: RefusalLog;
  readonly #links = new Map<string, Link>();
  /** Breaks off the handshakes under way. */
  readonly #greetings = new Set<Cancel>();
  readonly #linkListeners = new Set<(event: LinkEvent) => void>();
  readonly #problemListeners = new Set<(problem: DialProblem) => void>();
  #handler: PeerHandler = () => {
    throw new DistcacheError('NOT_STARTED', `${this.#deps.self().name} does not serve yet`);
  };
  #past: SessionCounts = noCounts;
  #opened = 0;
  #accepting = 0;
  readonly #turnedAway = { links: 0, tooMany: 0, greetings: 0 };
  #cancelTick: Cancel | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: PeerLinksDeps) {
    this.#deps = deps;
    this.#partings = new Partings(deps.clock);
    this.#asked = heldRequests(deps.limits.maxInflightBytes, deps.limits.maxFrameBytes);
    this.#refusals = new RefusalLog(deps.clock, deps.log);
    this.#targets = new DialTargets({
      clock: deps.clock,
      random: deps.random,
      stands: (address, peerId) => this.#stands(address, peerId),
      attempt: (target) => this.#attempt(target),
      tell: (problem) => this.#emit(this.#problemListeners, problem),
    });
  }

  serve(handler: PeerHandler): void {
    this.#handler = handler;
  }

  dial(address: string): void {
    if (this.#closing === undefined) this.#targets.want(address);
  }

  undial(address: string): void {
    this.#targets.unwant(address);
  }

  linked(): readonly NodeInfo[] {
    return [...this.#links.values()].map(({ session }) => session.peer);
  }

  onLink(listener: (event: LinkEvent) => void): Cancel {
    this.#linkListeners.add(listener);
    return () => this.#linkListeners.delete(listener);
  }

  onDialProblem(listener: (problem: DialProblem) => void): Cancel {
    this.#problemListeners.add(listener);
    return () => this.#problemListeners.delete(listener);
  }

  call(peerId: string, request: PeerRequest, wait: Wait): Promise<Answer> {
    const link = this.#links.get(peerId);
    if (link === undefined) {
      return Promise.reject(new DistcacheError('PEER_UNREACHABLE', `no link to the node with id ${peerId}`));
    }
    return link.session.call(request, wait);
  }

  giveUp(peerId: string): void {
    this.#links.get(peerId)?.session.abandon();
  }

  accept(stream: FrameStream): void {
    if (this.#closing !== undefined || this.#accepting >= greetingsMax) {
      if (this.#closing === undefined) this.#turnedAway.greetings++;
      stream.destroy();
      return;
    }
    this.#accepting++;
    this.#greet(stream, 'accepted', (result) => {
      this.#accepting--;
      if (result.is === 'linked') return this.#open(result);
      if (result.is === 'refused') this.#refused(stream, result);
      return undefined;
    });
  }

  counters(): LinkCounts {
    let sum = this.#past;
    for (const { session } of this.#links.values()) sum = addCounts(sum, session.counts());
    return {
      ...sum,
      links: this.#links.size,
      linksOpened: this.#opened,
      dialsFailed: this.#targets.failures,
      linksRefused: this.#turnedAway.links,
      linksTooMany: this.#turnedAway.tooMany,
      greetingsRefused: this.#turnedAway.greetings,
      bytesRefused: this.#asked.refused,
      invitationsDropped: this.#targets.dropped,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#targets.close();
    for (const cancel of this.#greetings) cancel();
    this.#greetings.clear();
    for (const { session } of [...this.#links.values()]) session.goodbye('LEAVING', '');
    this.#cancelTick?.();
    await this.#partings.settled();
  }

  #attempt(target: Target): Cancel {
    if (target.address === this.#deps.self().address) {
      this.#targets.pointless(target, `${target.address} is the address of this node itself`);
      return () => {};
    }
    let stream: FrameStream;
    try {
      stream = this.#deps.dialer.dial(target.address);
    } catch (error) {
      this.#targets.failed(target, messageOf(error), true);
      return () => {};
    }
    return this.#greet(stream, 'dialled', (result) => {
      if (result.is === 'linked') {
        this.#targets.linked(target, result.hello);
        return this.#open(result);
      }
      if (result.is === 'failed') this.#targets.failed(target, `${target.address}: ${result.why}`, true);
      else this.#undone(target, result.goodbye, result.hello);
      return undefined;
    });
  }

  #greet(stream: FrameStream, role: Role, finish: (result: HandshakeResult) => StreamEvents | undefined): Cancel {
    const { clock, stamp, proof } = this.#deps;
    let over = false;
    let cancel: Cancel | undefined;
    const breakOff = (): void => {
      this.#greetings.delete(breakOff);
      if (!over && role === 'accepted') this.#accepting--;
      over = true;
      cancel?.();
    };
    this.#greetings.add(breakOff);
    const handshake = {
      clock,
      stamp,
      encoder: this.#encoder,
      partings: this.#partings,
      proof,
      hello: () => this.#hello(),
      judge: (hello: Hello, remote: number) => this.#judge(hello, remote, role),
    };
    cancel = shakeHands(handshake, stream, role, (result) => {
      over = true;
      this.#greetings.delete(breakOff);
      return finish(result);
    });
    return breakOff;
  }

  #hello(): Hello {
    const { self, label, hasher = '' } = this.#deps;
    return { ...self(), protocol: protocolVersion, label, hasher };
  }

  /** Whether this node can be linked with the one that greets. Both sides judge, by the same rules. */
  #judge(hello: Hello, clock: number, role: Role): Goodbye | undefined {
    const { self, label, hasher = '', stamp } = this.#deps;
    const { id, name } = self();
    const no = (reason: Goodbye['reason'], detail: string): Goodbye => ({ reason, detail });
    if (hello.protocol !== protocolVersion) {
      return no('WRONG_PROTOCOL', `${name} speaks protocol ${protocolVersion}, ${hello.name} speaks ${hello.protocol}`);
    }
    if (hello.label !== label) return no('WRONG_LABEL', 'the label of this cluster is another one');
    if (hasher !== '' && hello.hasher !== '' && hello.hasher !== hasher) {
      return no('WRONG_PROTOCOL', `${name} places keys by ${hasher}, ${hello.name} by ${hello.hasher}`);
    }
    if (hello.id === id) return no('SELF', `${name} is this node itself`);
    const known = [...this.#links.values()].map(({ session }) => session.peer);
    if (known.some((peer) => peer.id === hello.id))
      return no('DUPLICATE', `${hello.name} and ${name} are linked already`);
    if (hello.name === name || known.some((peer) => peer.name === hello.name)) {
      return no('NAME_TAKEN', `another node of the cluster is named ${hello.name}; names must be unique`);
    }
    if (!stamp.merge(clock)) {
      return no(
        'CLOCK_SKEW',
        `the clock of ${hello.name} is too far ahead of that of ${name}; check time synchronization`,
      );
    }
    if (this.#links.size >= linksMax) return no('TOO_MANY', `${name} has ${linksMax} links, which is its limit`);
    if (role === 'accepted' && hello.id > id) return no('DIAL_YOU', `${name} dials ${hello.address}`);
    return undefined;
  }

  /** A stream of a peer's came to nothing. */
  #refused(stream: FrameStream, { by, goodbye, hello }: HandshakeResult & { is: 'refused' }): void {
    if (by === 'us' && goodbye.reason === 'DIAL_YOU' && hello !== undefined && hello.address !== '') {
      // Who has shown nothing must not have us dial addresses of its choice; where there is a secret, gossip tells them.
      if (this.#closing === undefined && this.#deps.proof === undefined) this.#targets.invite(hello.address);
    } else if (by === 'us' && goodbye.reason !== 'DUPLICATE' && goodbye.reason !== 'SELF') {
      this.#turnedAway.links++;
      if (goodbye.reason === 'TOO_MANY') this.#turnedAway.tooMany++;
      this.#refusals.report(stream.remote, goodbye, hello?.name);
    }
  }

  /** A dial of ours came to nothing, though somebody answered. */
  #undone(target: Target, { reason, detail }: Goodbye, hello: Hello | undefined): void {
    if (hello !== undefined) target.peerId = hello.id;
    const { address, failures } = target;
    switch (reason) {
      case 'SELF':
        this.#targets.pointless(target, `${address} leads to this node itself`);
        return;
      case 'DUPLICATE':
        this.#targets.failed(target, undefined, true);
        return;
      case 'DIAL_YOU': {
        const own = this.#deps.self().address;
        const message = `${address} is to dial this node at ${own} but does not; check that it can reach ${own}`;
        this.#targets.failed(target, failures >= 4 ? message : undefined, true);
        return;
      }
      default: {
        const passing = !lastingReasons.has(reason);
        this.#targets.failed(target, `${address} refused the link: ${detail === '' ? reason : detail}`, passing);
      }
    }
  }

  #open({ hello, stream, early }: HandshakeResult & { is: 'linked' }): StreamEvents {
    const { protocol, label, hasher, nonce, proof, ...peer } = hello;
    const { clock, stamp, log, limits, self } = this.#deps;
    const sinceMs = clock.nowMs();
    const session = new PeerSession(
      {
        clock,
        stamp,
        log,
        limits,
        share: this.#asked.share(),
        encoder: this.#encoder,
        handler: (from, request, wait) => this.#handler(from, request, wait),
        selfName: self().name,
      },
      peer,
      stream,
      (end) => this.#down(peer, stream, sinceMs, end),
    );
    this.#links.set(peer.id, { session, sinceMs });
    this.#opened++;
    this.#cancelTick ??= this.#tickAfter();
    log.write('debug', `link to ${peer.name} (${peer.address}) is up`, { peer: peer.name });
    this.#targets.peerUp(peer);
    this.#emit<LinkEvent>(this.#linkListeners, { is: 'up', peer });
    if (early !== undefined) session.receive(early);
    return {
      frame: (bytes) => session.receive(bytes),
      drain: () => session.drained(),
      closed: (why) => session.lost(why),
    };
  }

  #down(peer: NodeInfo, stream: FrameStream, sinceMs: number, { why, left }: LinkEnd): void {
    const link = this.#links.get(peer.id);
    if (link === undefined) return;
    this.#links.delete(peer.id);
    this.#past = addCounts(this.#past, {
      ...link.session.counts(),
      inflight: 0,
      serving: 0,
      askedBytes: 0,
      queuedBytes: 0,
    });
    this.#partings.part(stream);
    this.#deps.log.write('debug', `link to ${peer.name} (${peer.address}) is down: ${why}`, { peer: peer.name });
    this.#targets.peerDown(peer, left, this.#deps.clock.nowMs() - sinceMs);
    this.#emit<LinkEvent>(this.#linkListeners, { is: 'down', peer, left });
  }

  #stands(address: string, peerId: string | undefined): boolean {
    if (peerId !== undefined && this.#links.has(peerId)) return true;
    return [...this.#links.values()].some(({ session }) => session.peer.address === address);
  }

  #tickAfter(): Cancel {
    const { clock } = this.#deps;
    const dueMs = clock.nowMs() + tickMs;
    const tick = (): void => {
      const nowMs = clock.nowMs();
      const overslept = nowMs - dueMs;
      for (const { session } of [...this.#links.values()]) {
        session.tick(nowMs, overslept > lateMs ? overslept : 0, quietMs, silentMs);
      }
      this.#cancelTick = this.#links.size > 0 ? this.#tickAfter() : undefined;
    };
    return clock.after(tickMs, tick, { background: true });
  }

  /** A listener that throws hurts nobody else. */
  #emit<Event>(listeners: ReadonlySet<(event: Event) => void>, event: Event): void {
    for (const listener of [...listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#deps.log.write('error', 'a listener of the peer links failed', { error });
      }
    }
  }
}
