import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Authenticator, ConnectionOptions, Msg, NatsConnection } from 'nats';
import { aborted, DistcacheError, invalidArgument, messageOf } from '../../base/errors.js';
import type { StopSignal } from '../../base/stop-signal.js';
import { formatDuration } from '../../base/units.js';
import type { Cancel, Clock } from '../../ports/clock.js';
import type { NatsCredentials, NatsServer, NatsSettings } from './settings.js';

export interface NatsHeard {
  readonly payload: Uint8Array;
  /** '' where no answer is asked for. */
  readonly reply: string;
  /** The server says that nobody hears what was asked. */
  readonly isUnheard: boolean;
}

/** What the server does not let this user do. */
export interface NatsRefusal {
  readonly operation: string;
  readonly subject: string;
}

/** One connection, from when it stands until it breaks; it does not mend itself. */
export interface NatsBus {
  /** Why it ended, once it did. Never rejects. */
  readonly closed: Promise<string>;
  /** Dropped without a word where the connection has just ended. */
  publish(subject: string, payload: Uint8Array, reply?: string): void;
  /** Hears nothing where the connection has just ended. `heard` must not throw: the package would stop reading. */
  subscribe(subject: string, heard: (message: NatsHeard) => void): Cancel;
  onRefused(listener: (refusal: NatsRefusal) => void): void;
  /** Resolves when the server has taken everything published so far; rejects or stays open when the connection ends. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Rejects with UNAUTHORIZED where the server refuses the credentials, and with PEER_UNREACHABLE. */
export type DialNats = (server: NatsServer, signal: StopSignal) => Promise<NatsBus>;

/** For the first bytes of the server, and again for the handshake. */
const dialMs = 5000;
/** A server that is frozen is noticed after three times this. */
const pingMs = 10_000;

/**
 * Dials with the `nats` package, which is loaded here, since few nodes need it. The package's timers (its handshake, its
 * pings) run on the machine's clock. Rejects with INVALID_ARGUMENT for credentials that cannot be read.
 */
export async function natsDialer(settings: NatsSettings, clock: Clock, clientName: string): Promise<DialNats> {
  const nats = await import('nats');
  const authenticator = (credentials: NatsCredentials): Authenticator => {
    if ('token' in credentials) return nats.tokenAuthenticator(credentials.token);
    if ('user' in credentials) return nats.usernamePasswordAuthenticator(credentials.user, credentials.password);
    if ('nkey' in credentials) return nats.nkeyAuthenticator(Buffer.from(credentials.nkey.trim()));
    return nats.credsAuthenticator(Buffer.from(credentials.credentials));
  };
  if (settings.credentials !== undefined) tryAuthenticator(authenticator(settings.credentials), settings.credentials);

  return async (server, signal) => {
    await probe(server, signal, clock);
    const credentials = server.login ?? settings.credentials;
    const options: ConnectionOptions = {
      servers: server.host.includes(':') ? `[${server.host}]:${server.port}` : `${server.host}:${server.port}`,
      name: clientName,
      timeout: dialMs,
      pingInterval: pingMs,
      // What this node publishes does not come back to it, so that the server can say when nobody else is there.
      noEcho: true,
      // The link above redials, with back-off: the package, told to wait for a first connection, cannot be stopped.
      reconnect: false,
      // Host names are looked up as everywhere else on the machine, /etc/hosts included.
      resolve: false,
      ignoreClusterUpdates: true,
      ...(credentials === undefined ? {} : { authenticator: authenticator(credentials) }),
      ...(server.mustTls ? { tls: tlsOf(settings, server) } : {}),
    };
    let connection: NatsConnection;
    try {
      connection = await leavingNoSocket(signal, () => nats.connect(options));
    } catch (error) {
      throw signal.aborted ? aborted(`dialling ${server.shown}`) : failure(server, error);
    }
    if (signal.aborted) {
      await connection.close();
      throw aborted(`dialling ${server.shown}`);
    }
    return busOf(connection);
  };
}

/**
 * A connection whose attempt leaves no socket open when it fails or is aborted. The package forgets the socket of an attempt
 * that timed out, which would keep the process from ending; Node tells of every socket made within our call alone.
 */
async function leavingNoSocket(signal: StopSignal, connect: () => Promise<NatsConnection>): Promise<NatsConnection> {
  const attempt = new AsyncLocalStorage<Socket[]>();
  const sockets: Socket[] = [];
  const note = (message: unknown): void =>
    void attempt.getStore()?.push((message as { readonly socket: Socket }).socket);
  const destroy = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  subscribe('net.client.socket', note);
  signal.addEventListener('abort', destroy, { once: true });
  try {
    return await attempt.run(sockets, connect);
  } catch (error) {
    destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', destroy);
    unsubscribe('net.client.socket', note);
  }
}

/** What is in a creds file or a seed shows only when it is used: so use it before there is a server. */
function tryAuthenticator(authenticate: Authenticator, credentials: NatsCredentials): void {
  try {
    authenticate('a nonce');
  } catch {
    const [name, what] =
      'nkey' in credentials ? ['nkey', 'an nkey seed'] : ['credentials', 'the text of a .creds file'];
    throw invalidArgument(`discovery.nats.credentials.${name} cannot be read; must be ${what}, whole and unchanged`);
  }
}

/** `servername` goes through to `tls.connect`; the package would only set it had it looked up the host itself. */
function tlsOf({ tls = {} }: NatsSettings, { tlsName }: NatsServer): NonNullable<ConnectionOptions['tls']> {
  const { ca, cert, key } = tls;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(tlsName === undefined ? {} : { servername: tlsName }),
  };
}

const greeting = 'INFO ';

/**
 * Sees whether a NATS server greets there. The package leaves the socket of an attempt that timed out open, one for every
 * attempt, so a server that takes connections and says nothing, or a network that swallows packets, must not get to it.
 */
function probe(server: NatsServer, signal: StopSignal, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: server.host, port: server.port });
    let heard = '';
    const end = (error?: DistcacheError): void => {
      cancelTimer();
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = (): void => end(aborted(`dialling ${server.shown}`));
    const cancelTimer = clock.after(dialMs, () =>
      end(unreachable(server, `it did not greet within ${formatDuration(dialMs)}`)),
    );
    signal.addEventListener('abort', onAbort, { once: true });
    // Stays for good: a socket that was destroyed may still report an error.
    socket.on('error', (error) => end(unreachable(server, textOf(error), error)));
    socket.on('close', () => end(unreachable(server, 'it hung up before it greeted')));
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.toString('latin1', 0, greeting.length);
      if (heard.length < greeting.length) return;
      end(heard.startsWith(greeting) ? undefined : unreachable(server, 'what answers there is no NATS server'));
    });
    if (signal.aborted) onAbort();
  });
}

const unreachable = (server: NatsServer, why: string, cause?: unknown): DistcacheError =>
  new DistcacheError('PEER_UNREACHABLE', `${server.shown}: ${why}`, { cause });

/** Codes of the package's errors that are about who asks. */
const credentialCodes: ReadonlySet<string> = new Set([
  'AUTHORIZATION_VIOLATION',
  'AUTHENTICATION_EXPIRED',
  'AUTHENTICATION_TIMEOUT',
  'BAD_AUTHENTICATION',
  'ACCOUNT_EXPIRED',
]);

function failure(server: NatsServer, error: unknown): DistcacheError {
  const code = String((error as { code?: unknown } | undefined)?.code);
  if (credentialCodes.has(code)) {
    return new DistcacheError('UNAUTHORIZED', `${server.shown}: the server says: ${textOf(error)}`, { cause: error });
  }
  if (code === 'SERVER_OPT_NA') {
    return unreachable(server, 'the server has no TLS, which discovery.nats.tls or tls:// asks for', error);
  }
  if (code === 'TIMEOUT') return unreachable(server, `no handshake within ${formatDuration(dialMs)}`, error);
  return unreachable(server, textOf(error), error);
}

/** A dial of several addresses fails with an error without a text. */
function textOf(error: unknown): string {
  const chained = (error as { chainedError?: unknown } | undefined)?.chainedError;
  const text = messageOf(chained ?? error);
  return text === '' ? String((error as { code?: unknown }).code ?? 'no reason given') : text;
}

function busOf(connection: NatsConnection): NatsBus {
  const refused: ((refusal: NatsRefusal) => void)[] = [];
  // Left open by the package when the connection ends: nothing waits for it, and it goes with the connection.
  (async (): Promise<void> => {
    for await (const { type, permissionContext } of connection.status()) {
      if (type !== 'error' || permissionContext === undefined) continue;
      for (const listener of refused) listener(permissionContext);
    }
  })().catch(() => {});
  return {
    closed: connection.closed().then(
      (error) => (error === undefined || error === null ? 'the connection was closed' : textOf(error)),
      (error: unknown) => textOf(error),
    ),
    publish(subject, payload, reply) {
      if (!connection.isClosed()) connection.publish(subject, payload, reply === undefined ? {} : { reply });
    },
    subscribe(subject, heard) {
      if (connection.isClosed()) return () => {};
      const subscription = connection.subscribe(subject, {
        // Errors are about permissions, and are told as refusals too.
        callback: (error, message) => {
          if (error === null) heard(heardOf(message));
        },
      });
      return () => subscription.unsubscribe();
    },
    onRefused: (listener) => void refused.push(listener),
    flush: () => connection.flush(),
    close: () => connection.close(),
  };
}

const heardOf = (message: Msg): NatsHeard => ({
  payload: message.data,
  reply: message.reply ?? '',
  isUnheard: message.data.length === 0 && message.headers?.code === 503,
});
