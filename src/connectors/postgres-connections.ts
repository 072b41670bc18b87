import type { EventEmitter } from 'node:events';
import pg from 'pg';
import { DistcacheError, messageOf } from '../base/errors.js';
import type { PostgresDefinition, SourceContext } from './definition.js';
import { badDefinition, connectionProblem, endIfAborted, sourceFailed, tooLarge, untilAborted } from './outcome.js';
import type { Column, Row } from './postgres-rows.js';

const connectionsMax = 10;
const idleMs = 30_000;
/** For the request to end a statement, which takes a connection of its own. */
const cancelMs = 5000;

/** What the server answered with, its values as it wrote them. */
export interface Rows {
  readonly fields: readonly Column[];
  readonly rows: readonly Row[];
}

export interface Statement {
  readonly text: string;
  /** undefined: prepared for this one use. */
  readonly name: string | undefined;
  readonly values: readonly unknown[];
  /** Whatever the server sends beyond this is not taken in: the connection is closed. */
  readonly answerBytesMax: number;
}

/** SQLSTATE 0A000 and 26000: what the name stood for is no longer so, as a column changed, or a pooler put us elsewhere. */
const staleStatements: ReadonlySet<string | undefined> = new Set(['0A000', '26000']);

/** What pg has and its types leave out. Its own `Client.cancel` does not speak TLS. */
interface Wire extends EventEmitter {
  readonly stream: { destroy(): void };
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secret: number): void;
}
interface Backend {
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly sslNegotiation: string;
}

interface Meter {
  leftBytes: number;
}

/** Raw texts of all types, whatever pg would make of them. */
const asWritten = { getTypeParser: () => (raw: unknown) => raw } as unknown as pg.CustomTypesConfig;

/**
 * Pooled connections to one database, opened when they are needed. A statement ends with its caller: whoever leaves has
 * it cancelled at the server. Errors are DATA_SOURCE_FAILED or TIMEOUT, and name host and port but nothing else of the
 * URL.
 */
export class PostgresConnections {
  readonly #context: SourceContext;
  readonly #pool: pg.Pool;
  readonly #where: string;
  readonly #meters = new WeakMap<object, Meter>();
  readonly #cancels = new Set<Wire>();
  readonly #max: number;
  #isClosed = false;

  /** Throws INVALID_ARGUMENT where the URL cannot work. */
  constructor(definition: PostgresDefinition, context: SourceContext) {
    this.#context = context;
    this.#max = definition.maxConnections ?? connectionsMax;
    const config: pg.PoolConfig = {
      connectionString: definition.url,
      application_name: 'distcache',
      statement_timeout: Math.ceil(definition.statementTimeoutMs ?? context.readTimeoutMs),
      keepAlive: true,
      max: this.#max,
      idleTimeoutMillis: idleMs,
      connectionTimeoutMillis: Math.ceil(context.readTimeoutMs),
      allowExitOnIdle: true,
    };
    try {
      const { host, port } = new pg.Client(config);
      this.#where = `postgres at ${host}:${port}`;
    } catch (error) {
      throw badDefinition(context.keyspace, 'url', 'cannot be used', error);
    }
    this.#pool = new pg.Pool(config);
    // Of a connection that nobody uses: the pool has dropped it, and the next load opens another.
    this.#pool.on('error', () => {});
    this.#pool.on('connect', (client) => {
      // Of one in use: its statement fails by itself.
      client.on('error', () => {});
      const meter: Meter = { leftBytes: Number.POSITIVE_INFINITY };
      this.#meters.set(client, meter);
      const { stream } = client.connection;
      stream.on('data', (chunk: Uint8Array) => {
        meter.leftBytes -= chunk.byteLength;
        if (meter.leftBytes < 0) stream.destroy();
      });
    });
  }

  /** The rows, or the error that the database answered with, as pg made it: see `failed`. */
  async run(statement: Statement, signal: AbortSignal): Promise<Rows> {
    return this.#use(signal, async (client, spoil) => {
      const meter = this.#meters.get(client)!;
      meter.leftBytes = statement.answerBytesMax;
      const { text, name, values } = statement;
      const query = { text, values: [...values], rowMode: 'array' as const, types: asWritten };
      try {
        if (name === undefined) return await client.query<(string | null)[]>(query);
        try {
          return await client.query<(string | null)[]>({ ...query, name });
        } catch (error) {
          if (!staleStatements.has(sqlStateOf(error))) throw error;
          spoil();
          return await client.query<(string | null)[]>(query);
        }
      } catch (error) {
        if (meter.leftBytes < 0) throw tooLarge(this.#context, statement.answerBytesMax);
        throw error;
      } finally {
        if (meter.leftBytes >= 0) meter.leftBytes = Number.POSITIVE_INFINITY;
      }
    });
  }

  /** Several statements without parameters, as one transaction; the rows of each. */
  async runAll(text: string, signal: AbortSignal): Promise<readonly Rows[]> {
    return this.#use(signal, async (client, spoil) => {
      try {
        const results: unknown = await client.query({ text, rowMode: 'array', types: asWritten });
        return results as readonly Rows[];
      } catch (error) {
        // A transaction that fails takes back no prepared statement.
        spoil();
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const wire of this.#cancels) wire.stream.destroy();
    await this.#pool.end();
  }

  /** What a caller is told of anything that `run` rejected with. */
  failed(error: unknown): DistcacheError {
    if (error instanceof DistcacheError) return error;
    const what = `${this.#where} ${problemOf(error)}`;
    const isTimeOut = sqlStateOf(error) === '57014';
    // The cause is left behind: pg's errors may hold the client, and with it the password.
    if (isTimeOut) {
      return new DistcacheError('TIMEOUT', `the data source of keyspace '${this.#context.keyspace}': ${what}`);
    }
    return sourceFailed(this.#context.keyspace, what);
  }

  async #use<T>(signal: AbortSignal, work: (client: pg.PoolClient, spoil: () => void) => Promise<T>): Promise<T> {
    const { keyspace } = this.#context;
    endIfAborted(signal, keyspace);
    const connecting = this.#pool.connect();
    let client: pg.PoolClient;
    try {
      client = await untilAborted(() => connecting, signal, keyspace);
    } catch (error) {
      // What is still to come goes back unused.
      connecting.then(
        (late) => late.release(),
        () => {},
      );
      throw error;
    }
    let isSpoilt = false;
    const spoil = (): void => {
      isSpoilt = true;
    };
    try {
      return await untilAborted(() => work(client, spoil), signal, keyspace);
    } catch (error) {
      if (signal.aborted) {
        // A late cancel would hit whatever the connection does next, so it does nothing any more.
        spoil();
        this.#cancel(client);
      }
      throw error;
    } finally {
      client.release(isSpoilt);
    }
  }

  /** Beyond as many as there may be connections, statements are left to their time-out at the server. */
  #cancel(client: pg.PoolClient): void {
    const { processID, secretKey, sslNegotiation } = client as unknown as Backend;
    if (processID === null || secretKey === null || this.#cancels.size >= this.#max || this.#isClosed) return;
    const { ssl, host, port } = client;
    const wire = new pg.Connection({ ssl } as pg.ConnectionConfig) as unknown as Wire;
    this.#cancels.add(wire);
    const send = (): void => wire.cancel(processID, secretKey);
    const stopTimer = this.#context.clock.after(cancelMs, () => wire.stream.destroy());
    wire.on('error', () => wire.stream.destroy());
    wire.once('end', () => {
      stopTimer();
      this.#cancels.delete(wire);
    });
    wire.once('connect', () => {
      if (!ssl) send();
      else if (sslNegotiation !== 'direct') wire.requestSsl();
    });
    wire.once('sslconnect', send);
    if (host.startsWith('/')) wire.connect(`${host}/.s.PGSQL.${port}`);
    else wire.connect(port, host);
  }
}

/** Of an error that the database answered with. */
export const sqlStateOf = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError ? error.code : undefined;

/** Whether the database refused the key itself: no value of the column's type is written like that. */
export const isRefusedKey = (error: unknown): boolean =>
  error instanceof pg.DatabaseError &&
  error.code?.startsWith('22') === true &&
  error.where?.startsWith('unnamed portal parameter $1') === true;

/** Codes, and what the database itself says: other texts may hold more of the address than host and port. */
function problemOf(error: unknown): string {
  if (error instanceof pg.DatabaseError) return `says: ${messageOf(error).split('\n', 1)[0]} (${error.code})`;
  const { code } = error as NodeJS.ErrnoException;
  const known = connectionProblem(code);
  if (known !== undefined) return known;
  const text = messageOf(error);
  if (text.startsWith('Connection terminated')) return 'broke the connection';
  if (text.startsWith('timeout e'))
    return 'gave no connection in time: it does not answer, or all of maxConnections are busy';
  return code === undefined ? 'did not answer properly' : `could not be reached (${code})`;
}
