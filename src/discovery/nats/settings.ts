import { invalidArgument } from '../../base/errors.js';
import { bytesOfIp } from '../../base/ip.js';
import { type Duration, parseDuration } from '../../base/units.js';

export type NatsCredentials =
  | { readonly user: string; readonly password: string }
  | { readonly token: string }
  /** The text of a `.creds` file: a JWT and the seed that signs for it. */
  | { readonly credentials: string }
  /** The text of an nkey seed, `SU...`. */
  | { readonly nkey: string };

export interface NatsOptions {
  /**
   * `nats://host:port`, `tls://host:port` or `host[:port]`, tried in turn from a random one on. Only these are dialled:
   * servers that a NATS cluster advertises are not, so name several of them. A user in the URL holds for that server.
   */
  readonly servers: readonly string[];
  /** Nodes that use the same one find each other. No wildcards. */
  readonly subject: string;
  /** How long answers are collected. Standard: 1 second. */
  readonly timeout?: Duration | undefined;
  readonly credentials?: NatsCredentials | undefined;
  /** PEM texts. Where this is given, or the URL says `tls://`, a server without TLS is refused. */
  readonly tls?:
    | { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined }
    | undefined;
  /** Shown in the server's monitoring. Standard: `distcache NODE`. */
  readonly name?: string | undefined;
}

export interface NatsServer {
  readonly host: string;
  readonly port: number;
  /** What `tls.connect` checks the certificate for; undefined where the host is an IP address. */
  readonly tlsName: string | undefined;
  readonly mustTls: boolean;
  /** From the URL. */
  readonly login: NatsCredentials | undefined;
  /** For people: without the login. */
  readonly shown: string;
}

export interface NatsSettings {
  readonly servers: readonly NatsServer[];
  readonly subject: string;
  readonly timeoutMs: number;
  readonly credentials: NatsCredentials | undefined;
  readonly tls: NatsOptions['tls'];
  readonly name: string | undefined;
}

const field = 'discovery.nats';
const standardPort = 4222;
const serversMax = 64;
const subjectLengthMax = 255;
const timeoutStandardMs = 1000;
const timeoutMinMs = 10;
const timeoutMaxMs = 60_000;

/** Throws INVALID_ARGUMENT, naming the field, for what cannot ever work. No secret gets into a message. */
export function natsSettings(options: NatsOptions): NatsSettings {
  const { servers, subject, timeout = timeoutStandardMs, credentials, tls, name } = options;
  if (!Array.isArray(servers) || servers.length === 0 || servers.length > serversMax) {
    throw invalidArgument(
      `${field}.servers must be a list of 1 to ${serversMax} servers, such as [nats://127.0.0.1:4222]`,
    );
  }
  const timeoutMs = typeof timeout === 'number' ? timeout : parseDuration(timeout);
  if (timeoutMs === undefined || !(timeoutMs >= timeoutMinMs && timeoutMs <= timeoutMaxMs)) {
    throw invalidArgument(
      `${field}.timeout is ${JSON.stringify(timeout)}; must be a duration from 10ms to 60s, such as 1s`,
    );
  }
  checkSubject(subject);
  if (credentials !== undefined) checkCredentials(credentials);
  if (tls !== undefined && (tls.cert === undefined) !== (tls.key === undefined)) {
    throw invalidArgument(
      `${field}.tls has ${tls.cert === undefined ? 'a key but no cert' : 'a cert but no key'}; give both`,
    );
  }
  return {
    servers: servers.map((server: unknown, i) => natsServer(server, `${field}.servers[${i}]`, tls !== undefined)),
    subject,
    timeoutMs,
    credentials,
    tls,
    name,
  };
}

function checkSubject(subject: unknown): void {
  const why =
    typeof subject !== 'string' || subject === ''
      ? 'is missing'
      : /[\s\p{Cc}]/u.test(subject)
        ? 'has white space in it'
        : /[*>]/.test(subject)
          ? 'has a wildcard in it'
          : subject.split('.').includes('')
            ? 'has an empty part between its dots'
            : /^(?:\$|_INBOX(?:\.|$))/.test(subject)
              ? 'belongs to NATS itself'
              : subject.length > subjectLengthMax
                ? `is longer than ${subjectLengthMax}`
                : undefined;
  if (why === undefined) return;
  throw invalidArgument(
    `${field}.subject ${JSON.stringify(subject ?? '')} ${why}; give words joined by dots, the same on every node, such as distcache.prod`,
  );
}

function checkCredentials(credentials: NatsCredentials): void {
  const given = Object.entries(credentials).filter(([, value]) => value !== undefined);
  const names = given
    .map(([name]) => name)
    .sort()
    .join(' and ');
  if (!['password and user', 'token', 'credentials', 'nkey'].includes(names)) {
    throw invalidArgument(
      `${field}.credentials has ${names === '' ? 'nothing' : names}; give one of: user and password, token, credentials (the text of a .creds file), nkey (a seed)`,
    );
  }
  const empty = given.find(([, value]) => typeof value !== 'string' || value === '');
  if (empty !== undefined) throw invalidArgument(`${field}.credentials.${empty[0]} must be a text that is not empty`);
}

function natsServer(text: unknown, where: string, isTlsGiven: boolean): NatsServer {
  const url = typeof text === 'string' ? urlOf(text) : undefined;
  if (url === undefined) {
    throw invalidArgument(
      `${where} is ${JSON.stringify(typeof text === 'string' ? withoutLogin(text) : text)}; must be nats://host:port or tls://host:port`,
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? standardPort : Number(url.port);
  return {
    host,
    port,
    tlsName: bytesOfIp(host) === undefined ? host : undefined,
    mustTls: isTlsGiven || url.protocol === 'tls:',
    login: loginOf(url, where),
    shown: `${url.protocol}//${url.hostname}:${port}`,
  };
}

function urlOf(text: string): URL | undefined {
  const full = text.includes('://') ? text : `nats://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined || !['nats:', 'tls:'].includes(url.protocol) || url.port === '0') return undefined;
  if (!/^(?:\[[\da-f:.]+\]|[\w.-]+)$/i.test(url.hostname)) return undefined;
  return ['', '/'].includes(url.pathname) && url.search === '' && url.hash === '' ? url : undefined;
}

/** As NATS reads it: a user with a password, or alone a token. */
function loginOf({ username, password }: URL, where: string): NatsCredentials | undefined {
  if (username === '' && password === '') return undefined;
  try {
    const user = decodeURIComponent(username);
    return password === '' ? { token: user } : { user, password: decodeURIComponent(password) };
  } catch {
    throw invalidArgument(`${where}: the user or password has a % that is no percent-encoding; write it as %25`);
  }
}

/** Also of a text that is no URL: whatever stands before the last @ may be secret. */
const withoutLogin = (text: string): string => text.replace(/^([a-z+.-]*:\/\/)?.*@/is, '$1***@');
