import { unreachable } from '../../base/assert.js';
import {
  aborted,
  codeOf,
  DistcacheError,
  invalidArgument,
  messageOf,
  notStarted,
  timedOut,
} from '../../base/errors.js';
import { Stop } from '../../base/stop-signal.js';
import { formatDuration } from '../../base/units.js';
import { type Cancel, type Clock, remainingMs, type Wait } from '../../ports/clock.js';
import { type Discovery, type DiscoveryContext, foundMax } from '../../ports/discovery.js';
import { HeardAddresses } from './addresses.js';
import { type DialNats, type NatsBus, type NatsHeard, type NatsRefusal, natsDialer } from './dial.js';
import { NatsLink } from './link.js';
import { decodeMessage, encodeMessage, gossipAddress, nameBytesMax } from './messages.js';
import { type NatsOptions, type NatsSettings, natsSettings } from './settings.js';

/*
 * NATS keeps no register, so the nodes are the register: whoever looks asks all on the subject, and every node answers
 * with its own address. A node that comes says `here` once connected and asks, so both sides know at once; one that goes
 * says `gone`. A node that was killed says nothing, and is forgotten when a whole question went by without its answer.
 * Cost: each question has as many answers as there are nodes, so asking again is rare.
 */

/** How the provider gets at its connection; tests put their own here. */
export type NatsDialer = (settings: NatsSettings, clock: Clock, clientName: string) => Promise<DialNats>;

const findAgainMs = 30_000;
/** Answers to questions given in one second; of a flood of more, the rest goes unanswered. */
const answersPerSecondMax = 2000;
/** Answers go only to inboxes: nobody can make all nodes publish elsewhere by asking for it. */
const inboxPrefix = '_INBOX.';
const inboxLengthMax = 255;
/** Messages that are none of ours are told of at most this often. */
const foreignRepeatMs = 60_000;

/** The question that is under way. */
interface Question {
  readonly round: number;
  readonly answered: Promise<readonly string[]>;
  fail(error: unknown): void;
}

/** Finds nodes over a NATS server: all that use the same `subject`. Its options are checked by `start`. */
export const natsDiscovery = (options: NatsOptions, dialer: NatsDialer = natsDialer): Discovery =>
  new NatsDiscovery(options, dialer);

class NatsDiscovery implements Discovery {
  readonly provider = 'nats';
  readonly findAgainMs = findAgainMs;
  readonly #options: NatsOptions;
  readonly #dialer: NatsDialer;
  readonly #stop = new Stop();
  readonly #listeners = new Set<{ readonly tell: (addresses: readonly string[]) => void }>();
  #node: NatsNode | undefined;

  constructor(options: NatsOptions, dialer: NatsDialer) {
    this.#options = options;
    this.#dialer = dialer;
  }

  async start(context: DiscoveryContext, wait: Wait): Promise<void> {
    this.#refuseStopped(wait);
    const settings = natsSettings(this.#options);
    const self = { name: context.self.name, gossip: gossipAddress(context.self.gossip) ?? '' };
    // What others would not take as a message is said here, where somebody can mend it.
    if (decodeMessage(encodeMessage({ is: 'here', ...self })) === undefined) {
      throw invalidArgument(
        `discovery over NATS: this node is ${JSON.stringify(context.self)}; must have a name of up to ${nameBytesMax} bytes and an ip:port for gossip that others can reach`,
      );
    }
    const dial = await this.#dialer(settings, context.clock, settings.name ?? `distcache ${context.self.name}`);
    this.#refuseStopped(wait);
    this.#node = new NatsNode(settings, { ...context, self }, dial, (addresses) => {
      for (const { tell } of this.#listeners) {
        try {
          tell(addresses);
        } catch (error) {
          context.log.write('error', 'a listener of discovery failed', { reason: messageOf(error) });
        }
      }
    });
  }

  async find(wait: Wait): Promise<readonly string[]> {
    this.#refuseStopped(wait);
    if (this.#node === undefined) throw notStarted('discovery over NATS');
    return this.#node.find(wait, this.#stop);
  }

  watch(tell: (addresses: readonly string[]) => void): Cancel {
    const listener = { tell };
    if (!this.#stop.aborted) this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async stop(wait: Wait): Promise<void> {
    this.#listeners.clear();
    this.#stop.abort('stopped');
    await this.#node?.stop(wait);
  }

  #refuseStopped(wait: Wait): void {
    if (this.#stop.aborted || wait.signal?.aborted === true) throw aborted('discovery over NATS');
  }
}

/** A provider that was started. */
class NatsNode {
  readonly #settings: NatsSettings;
  readonly #context: DiscoveryContext;
  readonly #tell: (addresses: readonly string[]) => void;
  readonly #link: NatsLink;
  readonly #ran: Promise<void>;
  readonly #known = new HeardAddresses(foundMax);
  #round = 0;
  #question: Question | undefined;
  /** Why questions cannot work with the rights of this user; of the present connection. */
  #denied: string | undefined;
  readonly #deniedTold = new Set<string>();
  #stopped: Promise<void> | undefined;
  #isTelling = false;
  #isFullTold = false;
  #foreign = { count: 0, toldMs: Number.NEGATIVE_INFINITY };
  #answers = { sinceMs: Number.NEGATIVE_INFINITY, count: 0 };

  constructor(
    settings: NatsSettings,
    context: DiscoveryContext,
    dial: DialNats,
    tell: (addresses: readonly string[]) => void,
  ) {
    this.#settings = settings;
    this.#context = context;
    this.#tell = tell;
    const { clock, random, log } = context;
    this.#link = new NatsLink({
      clock,
      random,
      log,
      servers: settings.servers,
      dial,
      up: (bus) => this.#up(bus),
      down: () => this.#question?.fail(this.#lost()),
    });
    this.#ran = this.#link.run();
  }

  /** Joins the question that is under way, if there is one. */
  async find(wait: Wait, stop: Stop): Promise<readonly string[]> {
    const { clock } = this.#context;
    const question = this.#ask();
    try {
      return await endingWith(clock, wait, stop, this.#what, question.answered);
    } catch (error) {
      // The answers so far are worth more to one in a hurry than none; no answer so far says nothing yet.
      const soFar = codeOf(error) === 'TIMEOUT' ? this.#known.since(question.round) : [];
      if (soFar.length > 0) return soFar;
      throw error;
    }
  }

  async stop(wait: Wait): Promise<void> {
    const { clock } = this.#context;
    this.#stopped ??= this.#end(wait);
    await settled(clock, remainingMs(wait, clock), this.#stopped);
  }

  async #end(wait: Wait): Promise<void> {
    const { clock, self } = this.#context;
    const bus = this.#link.bus;
    this.#question?.fail(aborted(this.#what));
    if (bus !== undefined) {
      bus.publish(this.#settings.subject, encodeMessage({ is: 'gone', ...self }));
      await settled(clock, Math.min(remainingMs(wait, clock), this.#settings.timeoutMs), bus.flush());
    }
    this.#link.stop();
    await this.#ran;
  }

  get #what(): string {
    return `finding nodes over NATS at ${this.#link.shown}`;
  }

  #lost(): DistcacheError {
    return new DistcacheError(
      'PEER_UNREACHABLE',
      `lost the connection to NATS at ${this.#link.shown}; it is dialled again by itself. Check that the server runs`,
    );
  }

  #up(bus: NatsBus): void {
    const { subject } = this.#settings;
    this.#denied = undefined;
    this.#deniedTold.clear();
    bus.onRefused((refusal) => this.#refused(refusal));
    bus.subscribe(subject, (message) => this.#hear(bus, message));
    bus.publish(subject, encodeMessage({ is: 'here', ...this.#context.self }));
    this.#ask();
  }

  #ask(): Question {
    this.#question ??= this.#begin();
    return this.#question;
  }

  #begin(): Question {
    const stop = new Stop();
    const round = ++this.#round;
    const answered = this.#collect(round, stop).finally(() => {
      if (this.#question?.round === round) this.#question = undefined;
    });
    // Perhaps nobody waits for it: then `watch` has what it found, and the log what hindered it.
    answered.catch(() => {});
    return { round, answered, fail: (error) => stop.abort(error) };
  }

  /** Asks, and gives who answered within the time-out. */
  async #collect(round: number, stop: Stop): Promise<readonly string[]> {
    const { random } = this.#context;
    const { subject, timeoutMs } = this.#settings;
    const bus = await this.#link.connected(timeoutMs);
    if (this.#denied !== undefined) throw new DistcacheError('PEER_UNREACHABLE', this.#denied);
    const unheard = new Stop();
    let hasAnswered = false;
    const inbox = `${inboxPrefix}distcache.${random.id()}`;
    const unsubscribe = bus.subscribe(inbox, (message) => {
      hasAnswered = true;
      if (message.isUnheard) unheard.abort('nobody hears it');
      else this.#hear(bus, message);
    });
    bus.publish(subject, encodeMessage({ is: 'who' }), inbox);
    // A server that is frozen would otherwise look like one that knows of nobody.
    bus.flush().then(
      () => {
        hasAnswered = true;
      },
      () => {},
    );
    try {
      await this.#answering(unheard, stop);
    } finally {
      unsubscribe();
    }
    if (!hasAnswered) {
      throw new DistcacheError(
        'TIMEOUT',
        `NATS at ${this.#link.shown} did not answer within ${formatDuration(timeoutMs)}; check that the server is not stuck, or raise discovery.nats.timeout`,
      );
    }
    if (this.#known.keepSince(round)) this.#changed();
    if (this.#known.size < foundMax) this.#isFullTold = false;
    return this.#known.since(round);
  }

  /** Resolves after the time-out, or when nobody hears the question; rejects with the reason of `stop`. */
  #answering(unheard: Stop, stop: Stop): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#context.clock.after(this.#settings.timeoutMs, resolve);
      const ends = (stopped: Stop, end: () => void): void => {
        const run = (): void => {
          cancel();
          end();
        };
        if (stopped.aborted) run();
        else stopped.addEventListener('abort', run);
      };
      ends(unheard, resolve);
      ends(stop, () => reject(stop.reason));
    });
  }

  /** Whatever came on the subject or in the inbox; never throws. */
  #hear(bus: NatsBus, { payload, reply }: NatsHeard): void {
    const message = decodeMessage(payload);
    switch (message?.is) {
      case undefined:
        this.#countForeign();
        return;
      case 'who':
        if (this.#mayAnswer(reply)) bus.publish(reply, encodeMessage({ is: 'here', ...this.#context.self }));
        return;
      case 'gone':
        if (this.#known.forget(message.gossip, message.name)) this.#changed();
        return;
      case 'here':
        if (message.gossip !== this.#context.self.gossip) this.#meet(message.gossip, message.name);
        return;
      default:
        unreachable(message);
    }
  }

  #meet(gossip: string, name: string): void {
    const heard = this.#known.hear(gossip, name, this.#round);
    if (heard === 'changed') this.#changed();
    if (heard !== 'full' || this.#isFullTold) return;
    this.#isFullTold = true;
    this.#context.log.write(
      'warn',
      `more than ${foundMax} nodes answer on the NATS subject ${this.#settings.subject}; the others are left out, gossip will find them`,
    );
  }

  #mayAnswer(reply: string): boolean {
    if (!reply.startsWith(inboxPrefix) || reply.length > inboxLengthMax) return false;
    const nowMs = this.#context.clock.nowMs();
    if (nowMs - this.#answers.sinceMs >= 1000) this.#answers = { sinceMs: nowMs, count: 0 };
    return this.#answers.count++ < answersPerSecondMax;
  }

  #countForeign(): void {
    const nowMs = this.#context.clock.nowMs();
    this.#foreign.count++;
    if (nowMs - this.#foreign.toldMs < foreignRepeatMs) return;
    this.#context.log.write(
      'warn',
      `ignored what is no message of distcache on the NATS subject ${this.#settings.subject}; does something else use that subject, or another release?`,
      { messages: this.#foreign.count },
    );
    this.#foreign = { count: 0, toldMs: nowMs };
  }

  #refused({ operation, subject }: NatsRefusal): void {
    const isInbox = subject.startsWith(inboxPrefix);
    const kind = `${operation} ${isInbox ? inboxPrefix : this.#settings.subject}`;
    const why = `NATS at ${this.#link.shown} does not let this user ${operation === 'publish' ? 'publish' : 'subscribe'} to ${subject}; allow both for ${this.#settings.subject} and ${inboxPrefix}> in the permissions of the server`;
    if (!this.#deniedTold.has(kind)) this.#context.log.write('error', why);
    this.#deniedTold.add(kind);
    // Without these two there are no questions; without the others this node is only not found by those who ask.
    if ((operation === 'publish') === isInbox) return;
    this.#denied = why;
    this.#question?.fail(new DistcacheError('PEER_UNREACHABLE', why));
  }

  /** Tells what is known, once for all that changes in one turn. */
  #changed(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#context.clock.soon(() => {
      this.#isTelling = false;
      if (this.#stopped === undefined) this.#tell(this.#known.all());
    });
  }
}

/** Resolves when `work` has settled, whatever its outcome, or the time is over. */
function settled(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(limitMs, resolve);
    const end = (): void => {
      cancel();
      resolve();
    };
    work.then(end, end);
  });
}

/** As `work`, but rejects with TIMEOUT at the deadline, and with ABORTED when the caller or the provider stops. */
function endingWith<T>(clock: Clock, wait: Wait, stop: Stop, what: string, work: Promise<T>): Promise<T> {
  const givenMs = remainingMs(wait, clock);
  return new Promise((resolve, reject) => {
    const release = (): void => {
      cancel();
      wait.signal?.removeEventListener('abort', onAbort);
      stop.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      release();
      reject(aborted(what));
    };
    const cancel = clock.after(givenMs, () => {
      release();
      reject(timedOut(what, givenMs));
    });
    wait.signal?.addEventListener('abort', onAbort, { once: true });
    stop.addEventListener('abort', onAbort);
    work.finally(release).then(resolve, reject);
  });
}
