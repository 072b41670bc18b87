import { DistcacheError, type KeyFailure, PartialFailure } from '../base/errors.js';
import type { Client } from '../client/client.js';
import type { CallOptions, FailedLookup, Lookup } from '../ports/cache.js';
import { entryJson, originText } from './entries.js';
import { FailureWithData, OutputClosed } from './failure.js';
import type { Sink } from './terminal.js';

/** Where the parts of an answer go. `values` is stdout or the file of `--output`. */
export interface GetOutput {
  readonly values: Sink;
  readonly stdout: Sink;
  readonly json: boolean;
  /** Set where `values` is a file; JSON then leaves the values out and names it. */
  readonly file: string | undefined;
  /** Tells where a value came from. */
  readonly meta: ((line: string) => Promise<void>) | undefined;
}

export type AskClient = Pick<Client, 'lookup' | 'lookupMany'>;

/** Values of one request, as many bytes as the last ones let expect. */
const bytesAtOnce = 8 * 1024 * 1024;
const keysAtFirst = 16;
const keysAtMost = 1_000;
const growth = 4;
/** Failures kept of one command, for the message; the count goes on. */
const failuresKept = 100;
/** Keys named in one message. */
const keysNamed = 10;

/** One key: its raw bytes, and a newline where a terminal would otherwise put the prompt behind them. */
export async function getOne(
  client: AskClient,
  keyspace: string,
  key: string,
  call: CallOptions,
  out: GetOutput,
): Promise<void> {
  const lookup = await client.lookup(keyspace, key, call);
  const json = { keyspace, ...entryJson(lookup, out.file === undefined), ...fileJson(out) };
  if (!lookup.found) throw new FailureWithData(missing(keyspace, [key], 1, 1), json);
  if (!out.json || out.file !== undefined) {
    await out.values.write(lookup.value);
    if (out.values.isTerminal && lookup.value.at(-1) !== 0x0a) await out.values.write('\n');
  }
  if (out.json) await out.stdout.write(`${JSON.stringify(json)}\n`);
  await out.meta?.(originText(lookup));
}

/** Many keys, in order: lines `KEY<TAB>VALUE`, or one JSON document that grows as answers come. */
export async function getMany(
  client: AskClient,
  keyspace: string,
  keys: AsyncIterable<readonly string[]>,
  call: CallOptions,
  out: GetOutput,
): Promise<void> {
  const tally = new Tally(keyspace);
  const pace = new Pace();
  let fault: unknown;
  let separator = `{"keyspace":${JSON.stringify(keyspace)},"entries":[`;
  try {
    for await (const batch of sized(keys, pace)) {
      for (const entry of await client.lookupMany(keyspace, batch, call)) {
        tally.add(entry);
        pace.add(entry);
        if (!out.json || out.file !== undefined) await writeLine(entry, out.values);
        if (out.json) await out.stdout.write(separator + JSON.stringify(entryJson(entry, out.file === undefined)));
        separator = ',';
        if (!('error' in entry)) await out.meta?.(`${entry.key}\t${originText(entry)}`);
      }
    }
    fault = tally.failure();
  } catch (error) {
    if (!out.json || error instanceof OutputClosed) throw error;
    fault = error;
  }
  if (out.json) {
    // The document was begun with the first answer; what failed since is told inside it.
    const begin = separator === ',' ? '' : separator;
    const end = out.file === undefined ? ']' : `],"output":${JSON.stringify(out.file)}`;
    await out.stdout.write(fault === undefined ? `${begin}${end}}\n` : begin + end);
  }
  if (fault !== undefined) throw out.json ? new FailureWithData(fault, {}, true) : fault;
}

async function writeLine(entry: Lookup | FailedLookup, values: Sink): Promise<void> {
  if ('error' in entry || !entry.found) return;
  await values.write(Buffer.concat([Buffer.from(`${entry.key}\t`), entry.value, newline]));
}

const newline = Buffer.from('\n');

const fileJson = (out: GetOutput) => (out.file === undefined ? {} : { output: out.file });

function missing(keyspace: string, keys: readonly string[], count: number, asked: number): DistcacheError {
  const names = keys.map((key) => JSON.stringify(key)).join(', ');
  const rest = count > keys.length ? ` and ${count - keys.length} more` : '';
  const of = asked === 1 ? '' : ` (${count} of ${asked} keys)`;
  return new DistcacheError(
    'NOT_FOUND',
    `${names}${rest}${of} not found in ${keyspace}; its data source has no such key`,
  );
}

/** Groups of keys cut to what `pace` allows by then. */
async function* sized(groups: AsyncIterable<readonly string[]>, pace: Pace): AsyncGenerator<readonly string[]> {
  for await (const group of groups) {
    for (let start = 0; start < group.length; ) {
      const batch = group.slice(start, start + pace.next());
      start += batch.length;
      yield batch;
    }
  }
}

/** How many keys to ask for at once, so that their values fit into memory here and on the node, whatever their size. */
class Pace {
  #keys = keysAtFirst;
  #bytes = 0;
  #entries = 0;

  add(entry: Lookup | FailedLookup): void {
    this.#entries++;
    if (!('error' in entry)) this.#bytes += entry.value?.byteLength ?? 0;
  }

  next(): number {
    if (this.#entries > 0) {
      const fitting = Math.floor((bytesAtOnce * this.#entries) / Math.max(1, this.#bytes));
      this.#keys = Math.max(1, Math.min(fitting, this.#keys * growth, keysAtMost));
    }
    this.#entries = 0;
    this.#bytes = 0;
    return this.#keys;
  }
}

/** Counts what did not come, and remembers enough of it for one sentence. */
class Tally {
  #asked = 0;
  #missing = 0;
  #failed = 0;
  readonly #missingKeys: string[] = [];
  readonly #failures: KeyFailure[] = [];

  constructor(private readonly keyspace: string) {}

  add(entry: Lookup | FailedLookup): void {
    this.#asked++;
    if ('error' in entry) {
      const { code, message, node = '' } = entry.error;
      this.#failed++;
      if (this.#failures.length < failuresKept) this.#failures.push({ key: entry.key, code, message, node });
    } else if (!entry.found) {
      this.#missing++;
      if (this.#missingKeys.length < keysNamed) this.#missingKeys.push(entry.key);
    }
  }

  failure(): DistcacheError | undefined {
    const first = this.#failures[0];
    if (first !== undefined) {
      return new PartialFailure(
        `${this.#failed} of ${this.#asked} keys failed in ${this.keyspace}, first ${JSON.stringify(first.key)}: ${first.message}`,
        this.#failures,
      );
    }
    return this.#missing === 0 ? undefined : missing(this.keyspace, this.#missingKeys, this.#missing, this.#asked);
  }
}
