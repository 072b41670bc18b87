import { type ChainableCommander, Cluster, Redis } from 'ioredis';
import { isAddress, joinAddress, splitAddress } from '../base/addresses.js';
import { DistcacheError, messageOf } from '../base/errors.js';
import type { RedisDefinition, SourceContext } from './definition.js';
import { badDefinition, connectionProblem, endIfAborted, sourceFailed, untilAborted } from './outcome.js';
import { holdLengths, holdNullReplies, isOutOfStep } from './redis-replies.js';

const standardPort = 6379;

/**
 * A connection to one Redis server, or to the nodes of a cluster, made when it is needed: the loads of one moment wait
 * for the same attempt, and when it fails they all do, at once. Nothing is tried again behind their back, so that how
 * often a server that is down is asked is up to what stands before the source.
 */
export class RedisConnection {
  readonly isCluster: boolean;
  readonly #context: SourceContext;
  readonly #where: string;
  readonly #make: () => Redis | Cluster;
  #current: { readonly client: Redis | Cluster; readonly ready: Promise<void> } | undefined;
  #isClosed = false;

  /** Throws INVALID_ARGUMENT where the definition cannot work. */
  constructor(definition: RedisDefinition, context: SourceContext) {
    holdNullReplies();
    holdLengths();
    this.#context = context;
    const { keyspace, readTimeoutMs } = context;
    const url = parsedUrl(definition.url, keyspace);
    const first = { host: url.host, port: url.port };
    const others = (definition.nodes ?? []).map((node) => {
      if (!isAddress(node)) throw badDefinition(keyspace, 'nodes', `holds '${node}', which is no host:port`);
      return splitAddress(node);
    });
    this.isCluster = definition.cluster === true || others.length > 0;
    if (this.isCluster && url.database !== 0) {
      throw badDefinition(keyspace, 'url', `names the database ${url.database}; a cluster has database 0 only`);
    }
    this.#where = `redis at ${joinAddress(first.host, first.port)}`;
    const options = {
      ...(url.user !== '' && { username: url.user }),
      ...(url.password !== '' && { password: url.password }),
      ...(url.isSecure && { tls: {} }),
      protocol: 2 as const,
      connectionName: 'distcache',
      lazyConnect: true,
      // A server that still loads its data says so to whoever asks.
      enableReadyCheck: false,
      enableOfflineQueue: false,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      connectTimeout: readTimeoutMs,
      // Of a server that went silent: what nobody waits for any more would stay in line for ever.
      socketTimeout: readTimeoutMs,
    };
    this.#make = this.isCluster
      ? () =>
          new Cluster([first, ...others], {
            lazyConnect: true,
            clusterRetryStrategy: null,
            // Which node has which slot is asked again when one of them says MOVED or is gone. A timer for it would
            // outlive a connection that ends while the question is under way.
            slotsRefreshInterval: 0,
            slotsRefreshTimeout: readTimeoutMs,
            // What a node broke off is not sent again: ioredis forgets some of what waits for that when the last node goes.
            retryDelayOnFailover: 0,
            retryDelayOnClusterDown: 0,
            redisOptions: options,
          })
      : () => new Redis({ ...options, ...first, db: url.database });
  }

  /** Sends commands in one go, and gives their replies; what the server refused of them is an Error among these. */
  async send(add: (pipeline: ChainableCommander) => void, signal: AbortSignal): Promise<readonly unknown[]> {
    const { keyspace } = this.#context;
    endIfAborted(signal, keyspace);
    try {
      const client = await untilAborted(() => this.#ready(), signal, keyspace);
      const pipeline = client.pipeline();
      add(pipeline);
      const replies = (await untilAborted(() => pipeline.exec(), signal, keyspace)) ?? [];
      const broken = replies.find(([error]) => error !== null && error.name !== 'ReplyError');
      if (broken !== undefined) throw broken[0];
      return replies.map(([error, reply]) => error ?? reply);
    } catch (error) {
      endIfAborted(signal, keyspace);
      throw this.failed(error);
    }
  }

  /** What a caller is told of an error of the server or the connection. */
  failed(error: unknown): DistcacheError {
    if (error instanceof DistcacheError) return error;
    // The cause is left behind: ioredis keeps the command with it, and with AUTH the password.
    return sourceFailed(this.#context.keyspace, `${this.#where} ${problemOf(error)}`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const { client } = this.#current ?? {};
    this.#current = undefined;
    client?.disconnect();
  }

  async #ready(): Promise<Redis | Cluster> {
    if (this.#isClosed) throw new Error('is closed');
    this.#current ??= this.#connect();
    const { client, ready } = this.#current;
    await ready;
    return client;
  }

  #connect(): { client: Redis | Cluster; ready: Promise<void> } {
    const client = this.#make();
    const ready = new Promise<void>((resolve, reject) => {
      let problem: unknown;
      let problemOfNode: unknown;
      let isLeft = false;
      // What went wrong is said in events; the promises of ioredis say that the connection is closed.
      client.on('error', (error: Error & { lastNodeError?: Error }) => {
        problem ??= error.lastNodeError ?? error;
        // One packet may hold thousands of such answers, and each disconnect adds a listener to the socket.
        if (isLeft || !isOutOfStep(error)) return;
        isLeft = true;
        client.disconnect();
      });
      // Of one node of a cluster, which may do without.
      client.on('node error', (error: Error) => {
        problemOfNode ??= error;
      });
      client.once('end', () => {
        if (this.#current?.client === client) this.#current = undefined;
        // A cluster that has lost all its nodes still tries to subscribe to one.
        client.disconnect();
        const why = problemOfNode ?? problem;
        // Of nodes that refuse a connection ioredis says that it is closed.
        const isUnreached = this.isCluster && isClosed(why);
        reject(isUnreached ? new Error(unreached) : (why ?? new Error('Connection is closed.')));
      });
      client.connect().then(
        () => {
          if (problem === undefined) return resolve();
          // Connected all the same, as to another database than the one that was asked for.
          client.disconnect();
          reject(problem);
        },
        () => client.disconnect(),
      );
    });
    ready.catch(() => {});
    return { client, ready };
  }
}

interface ParsedUrl {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: number;
  readonly isSecure: boolean;
}

/** The URL is never quoted in messages: it may hold a password. */
function parsedUrl(text: string, keyspace: string): ParsedUrl {
  const bad = (problem: string): Error =>
    badDefinition(keyspace, 'url', `${problem}; write for example: redis://127.0.0.1:6379`);
  if (!URL.canParse(text)) throw bad('is no URL');
  const url = new URL(text);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw bad(`starts with ${url.protocol}, allowed are redis: and rediss:`);
  }
  if (url.hostname === '') throw bad('names no host');
  const database = url.pathname.replace(/^\//, '');
  if (!/^\d{0,6}$/.test(database)) throw bad('has a path that is no number of a database');
  if (url.search !== '') throw bad('has parameters, which are not known');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? standardPort : Number(url.port),
    user: unescaped(url.username),
    password: unescaped(url.password),
    database: Number(database),
    isSecure: url.protocol === 'rediss:',
  };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const unreached =
  'and the other nodes of the cluster, as far as they are known, could not be reached; are they running?';

const isClosed = (error: unknown): boolean => error === undefined || /closed|None of startup/.test(messageOf(error));

/** Codes, and what the server itself says: other texts may hold more of the address than host and port. */
function problemOf(error: unknown): string {
  const { name, code } = error as NodeJS.ErrnoException;
  if (messageOf(error) === unreached) return unreached;
  const text = messageOf(error).split('\n', 1)[0]!;
  if (name === 'ReplyError') return `says: ${text}`;
  const known = connectionProblem(code);
  if (known !== undefined) return known;
  if (text.startsWith('Socket timeout')) return 'went silent in the middle of an answer';
  if (/closed|aborted|None of startup nodes|Stream isn't writeable|max retries/i.test(text))
    return 'broke the connection';
  if (name === 'ClusterAllFailedError')
    return 'and the other nodes did not tell which of them has which keys; is it a cluster?';
  return code === undefined ? 'did not answer properly' : `could not be reached (${code})`;
}
