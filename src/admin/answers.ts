import { Buffer } from 'node:buffer';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../ports/clock.js';
import type { Answered } from './routes.js';

/** An answer as it is sent. */
export interface Rendered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Buffer;
}

export function rendered(answered: Answered, headers: Readonly<Record<string, string>> = {}): Rendered {
  const isText = 'text' in answered;
  const body = Buffer.from(isText ? answered.text : `${JSON.stringify(answered.document)}\n`, 'utf8');
  return {
    status: answered.status,
    headers: {
      'content-type': isText ? answered.contentType : 'application/json; charset=utf-8',
      'content-length': body.length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body,
  };
}

export function send(response: ServerResponse, { status, headers, body }: Rendered, isHead: boolean): void {
  response.writeHead(status, headers);
  response.end(isHead ? undefined : body);
}

const entriesMax = 64;

/**
 * Answers that are used again for a moment: a document is made once however many ask for it at a time, and all who read it
 * slowly share its bytes.
 */
export class RecentAnswers {
  readonly #recent = new Map<string, { readonly untilMs: number; readonly answer: Promise<Rendered> }>();

  constructor(
    private readonly clock: Clock,
    private readonly forMs: number,
  ) {}

  get(what: string, make: () => Promise<Rendered>): Promise<Rendered> {
    const nowMs = this.clock.nowMs();
    const known = this.#recent.get(what);
    if (known !== undefined && nowMs < known.untilMs) return known.answer;
    this.#recent.delete(what);
    const answer = make();
    // What failed is tried again by the next who asks.
    answer.catch(() => this.#recent.delete(what));
    this.#recent.set(what, { untilMs: nowMs + this.forMs, answer });
    if (this.#recent.size > entriesMax) this.#recent.delete(this.#recent.keys().next().value!);
    return answer;
  }
}
