import { joinAddress } from '../../base/addresses.js';
import { aborted, DistcacheError, invalidArgument, messageOf } from '../../base/errors.js';
import { Stop, type StopSignal } from '../../base/stop-signal.js';
import { formatDuration } from '../../base/units.js';
import { type Clock, remainingMs, type Wait } from '../../ports/clock.js';
import { type Discovery, type DiscoveryContext, foundMax } from '../../ports/discovery.js';
import type { LogLevel } from '../../ports/log.js';
import { canonicalIp, type Family, isSilence, type Names, systemCode, whyUnreachable } from './resolve.js';

/** What a provider that resolves names asks for. */
export interface Plan {
  readonly provider: string;
  readonly findAgainMs: number;
  /** The source, as messages name it: `the names a and b`. */
  readonly source: string;
  /** What is said when there is nobody. */
  readonly none: string;
  /** What to do about a source that does not answer, as a clause. */
  readonly check: string;
  /** Asks everything once, and hands what it hears to the round. */
  ask(round: Round): Promise<void>;
}

/** Addresses kept of one round before all but `foundMax` are left out. */
const collectedMax = 10 * foundMax;
/** Names and addresses that one message lists. */
const listedMax = 5;

/** One time of asking: what was heard until now. */
export class Round {
  readonly #found = new Set<string>();
  /** By what failed and why, as messages say it: two families that fail alike are one. */
  readonly #failures = new Map<string, unknown>();
  /** Why they are left out, as messages say it; at most `foundMax`. */
  readonly #unreachable = new Set<string>();
  /** Aborts when all is heard. */
  readonly over = new Stop();

  constructor(
    readonly names: Names,
    readonly stopping: StopSignal,
  ) {}

  /** `what` is the name that has this address, for messages. */
  found(ip: string, port: number, what: string): void {
    const canonical = canonicalIp(ip);
    const why = canonical === undefined ? 'is no IP address' : whyUnreachable(canonical);
    if (canonical === undefined || why !== undefined) {
      if (this.#unreachable.size < foundMax) this.#unreachable.add(`${ip} of ${what} ${why}`);
    } else if (this.#found.size < collectedMax) this.#found.add(joinAddress(canonical, port));
  }

  /** `error` undefined: the answer was that there is nothing. */
  failed(what: string, error?: unknown): void {
    this.#failures.set(`${what}: ${reasonOf(error)}`, error);
  }

  get count(): number {
    return this.#found.size;
  }

  /** Sorted, so that all nodes leave out the same. */
  addresses(): readonly string[] {
    return [...this.#found].sort().slice(0, foundMax);
  }

  get hasFailed(): boolean {
    return this.#failures.size > 0;
  }

  /** That all failed for want of an answer. */
  get wasSilent(): boolean {
    return [...this.#failures.values()].every(isSilence);
  }

  get cause(): unknown {
    return [...this.#failures.values()].find((error) => error !== undefined);
  }

  /** `a: no such name; b: ESERVFAIL; and 3 more`, whatever came first; '' where nothing failed. */
  failures(): string {
    return firstFew(this.#failures.keys());
  }

  /** `0.0.0.0 of a stands for every address of a machine`, and so on. */
  unreachable(): string {
    return firstFew(this.#unreachable);
  }

  /**
   * Asks for the addresses of a host and finds each at all `ports`. Never rejects: what fails is kept, and a host without
   * any address as well unless it `mayBeNone`.
   */
  async resolve(
    host: string,
    family: Family,
    ports: readonly number[],
    { mayBeNone = false }: { readonly mayBeNone?: boolean } = {},
  ): Promise<void> {
    const hear = async (answer: Promise<readonly string[]>): Promise<boolean> => {
      try {
        const ips = await answer;
        for (const ip of ips) for (const port of ports) this.found(ip, port, host);
        return ips.length > 0;
      } catch (error) {
        this.failed(host, error);
        return true;
      }
    };
    try {
      // All are heard at once: an answer that fails while another is awaited would be nobody's.
      const heard = await Promise.all(this.names.addresses(host, family).map(hear));
      if (!mayBeNone && !heard.includes(true)) this.failed(host);
    } catch (error) {
      // A name that the resolver does not even ask for.
      this.failed(host, error);
    }
  }
}

/** Sorted, so that the same texts in another order make the same message. */
function firstFew(texts: Iterable<string>): string {
  const sorted = [...texts].sort();
  const more = sorted.length - listedMax;
  return [...sorted.slice(0, listedMax), ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

function reasonOf(error: unknown): string {
  if (error === undefined) return 'no such name, or it has no address';
  const code = systemCode(error);
  if (isSilence(error)) return `no answer (${code})`;
  // Codes of DNS say all that there is; their messages differ by record type.
  return /^E[A-Z]+$/.test(code) ? code : messageOf(error);
}

/**
 * A provider that resolves names, one round at a time: whoever asks meanwhile gets the answer of the round under way, so a
 * look-up that hangs and cannot be cancelled is the only one. Each caller waits for it as long as it likes; one whose time
 * is up gets what was heard until then, or TIMEOUT where that is nothing, so that a slow name does not hide the others.
 */
export class RoundsDiscovery implements Discovery {
  readonly provider: string;
  readonly findAgainMs: number;
  readonly #stopping = new Stop();
  /** The last message of each kind, so that it is logged again only when it changes. */
  readonly #logged = new Map<string, string>();
  #context: DiscoveryContext | undefined;
  #round: Round | undefined;

  constructor(
    private readonly plan: Plan,
    private readonly makeNames: () => Names,
  ) {
    this.provider = plan.provider;
    this.findAgainMs = plan.findAgainMs;
  }

  async start(context: DiscoveryContext, wait: Wait): Promise<void> {
    if (this.#context !== undefined) {
      throw invalidArgument(`discovery.${this.provider} was given to two nodes; make one for each`);
    }
    this.#refuse('start', wait);
    this.#context = context;
  }

  async find(wait: Wait): Promise<readonly string[]> {
    this.#refuse('find', wait);
    const context = this.#context;
    if (context === undefined) {
      throw new DistcacheError('NOT_STARTED', `discovery.${this.provider}: call start() before find()`);
    }
    const beganMs = context.clock.nowMs();
    this.#round ??= this.#begin(context);
    const round = this.#round;
    const signals = [round.over, this.#stopping, ...(wait.signal === undefined ? [] : [wait.signal])];
    await firstOf(signals, remainingMs(wait, context.clock), context.clock);
    this.#refuse('find', wait);
    const { source, check } = this.plan;
    if (round.count > 0) return round.addresses();
    if (!round.over.aborted) {
      const waited = formatDuration(context.clock.nowMs() - beganMs);
      throw new DistcacheError('TIMEOUT', `${source}: DNS did not answer within ${waited}; ${check}`);
    }
    if (!round.hasFailed) return [];
    throw new DistcacheError(
      round.wasSilent ? 'TIMEOUT' : 'PEER_UNREACHABLE',
      `${source} cannot be resolved (${round.failures()}); ${check}`,
      { cause: round.cause },
    );
  }

  async stop(_wait: Wait): Promise<void> {
    this.#stopping.abort(undefined);
    this.#round?.names.cancel();
    this.#logged.clear();
  }

  #refuse(doing: string, wait: Wait): void {
    for (const signal of [this.#stopping, wait.signal]) {
      if (signal?.aborted === true) throw aborted(`${doing} of discovery.${this.provider}`, signal.reason);
    }
  }

  #begin(context: DiscoveryContext): Round {
    const round = new Round(this.makeNames(), this.#stopping);
    const asked = this.plan.ask(round).catch((error: unknown) => round.failed(this.plan.source, error));
    void asked.then(() => {
      this.#round = undefined;
      round.over.abort(undefined);
      if (!this.#stopping.aborted) this.#tell(context, round);
    });
    return round;
  }

  #tell(context: DiscoveryContext, round: Round): void {
    const { provider, source, none, check } = this.plan;
    const say = (kind: string, level: LogLevel, message: string): void => {
      if (this.#logged.get(kind) === message) return;
      this.#logged.set(kind, message);
      if (message !== '') context.log.write(level, message, { provider });
    };
    // What nobody was found for rejects, and whoever asked tells it.
    const failures = round.count > 0 ? round.failures() : '';
    say('failures', 'warn', failures && `a part of ${source} cannot be resolved (${failures}); ${check}`);
    const unreachable = round.unreachable();
    say('unreachable', 'warn', unreachable && `addresses of ${source} were left out: ${unreachable}`);
    // Without their number, which may differ each time.
    say(
      'many',
      'warn',
      round.count > foundMax ? `${source} have more than ${foundMax} addresses; the first ${foundMax} are used` : '',
    );
    say('none', 'info', round.count === 0 && !round.hasFailed ? none : '');
  }
}

/** Until the first of the signals aborts, or the time is up. */
function firstOf(signals: readonly StopSignal[], limitMs: number, clock: Clock): Promise<void> {
  if (signals.some((signal) => signal.aborted)) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      for (const signal of signals) signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(limitMs, end);
    for (const signal of signals) signal.addEventListener('abort', end);
  });
}
