import type { PushPull } from '../messages.js';
import type { Context } from './context.js';
import type { Endpoint } from './effects.js';
import { mergeState, ownState } from './merge.js';

interface Exchange {
  /** The caller's number of the join it is part of; undefined for our own upkeep. */
  readonly join: number | undefined;
}

interface Join {
  readonly join: number;
  waiting: number;
  contacted: number;
  refused: number;
  readonly problems: string[];
}

const key = (exchange: number): string => `exchange:${exchange}`;

/** Texts kept of one join, so that a list of a thousand dead seeds stays readable. */
const problemsMax = 16;

/** Exchanges of whole states that this node began, at most `exchangesMax` at a time, and the joins they belong to. */
export class Exchanges {
  readonly #context: Context;
  readonly #underWay = new Map<number, Exchange>();
  readonly #joins = new Map<number, Join>();
  #number = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  get size(): number {
    return this.#underWay.size;
  }

  /** Asks one node for its state; `join` marks that one of us may be new to the other. */
  begin(to: Endpoint, join: boolean): void {
    if (!this.#start(to, join, undefined)) this.#context.counts.exchangesRefused++;
  }

  /** Asks all of them; `joinDone` follows when each has answered, failed, or was refused for lack of room. */
  join(join: number, targets: readonly Endpoint[]): void {
    const record: Join = { join, waiting: 0, contacted: 0, refused: 0, problems: [] };
    this.#joins.set(join, record);
    for (const to of targets) {
      if (this.#start(to, true, join)) record.waiting++;
      else {
        this.#context.counts.exchangesRefused++;
        note(record, `${this.#context.config.exchangesMax} exchanges of state are under way already`);
      }
    }
    this.#settle(record);
  }

  onState(number: number, state: PushPull): void {
    const exchange = this.#end(number);
    if (exchange === undefined) return;
    const merged = mergeState(this.#context, state);
    this.#context.counts[merged ? 'exchangesDone' : 'exchangesFailed']++;
    this.#report(exchange, merged ? undefined : 'its state was refused: protocol versions do not fit');
  }

  onFailed(number: number, problem: string, refused = false): void {
    const exchange = this.#end(number);
    if (exchange === undefined) return;
    this.#context.counts.exchangesFailed++;
    this.#report(exchange, problem, refused);
  }

  #start(to: Endpoint, asJoin: boolean, join: number | undefined): boolean {
    const context = this.#context;
    const { config, schedule, nowMs } = context;
    if (this.#underWay.size >= config.exchangesMax) return false;
    this.#number = (this.#number + 1) >>> 0;
    const exchange = this.#number;
    this.#underWay.set(exchange, { join });
    context.counts.exchanges++;
    // The transport has the deadline; twice that, a transport that never reports cannot hold the place for ever.
    schedule.set(key(exchange), nowMs + 2 * config.tcpTimeoutMs, { is: 'exchangeTimeout', exchange });
    const state = ownState(context, asJoin);
    const target = { addr: to.addr, port: to.port };
    context.emit({ do: 'exchange', exchange, to: target, state, withinMs: config.tcpTimeoutMs });
    return true;
  }

  /** Undefined when it is no longer under way: a late answer changes nothing. */
  #end(number: number): Exchange | undefined {
    const exchange = this.#underWay.get(number);
    this.#underWay.delete(number);
    this.#context.schedule.clear(key(number));
    return exchange;
  }

  #report(exchange: Exchange, problem: string | undefined, refused = false): void {
    const record = exchange.join === undefined ? undefined : this.#joins.get(exchange.join);
    if (record === undefined) return;
    record.waiting--;
    if (problem === undefined) record.contacted++;
    else note(record, problem);
    if (refused) record.refused++;
    this.#settle(record);
  }

  #settle(record: Join): void {
    if (record.waiting > 0) return;
    const { join, contacted, refused, problems } = record;
    this.#joins.delete(join);
    this.#context.tell({ is: 'joinDone', join, contacted, refused, problems });
  }
}

function note(record: Join, problem: string): void {
  if (record.problems.length < problemsMax) record.problems.push(problem);
}
