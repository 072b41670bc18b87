import { Flags } from '@oclif/core';
import type { ClientTls } from '../client/links.js';
import { ranges } from '../config/ranges.js';
import { systemReason, usageError } from './failure.js';
import { durationFlag, originOf } from './value-flags.js';

export const defaultAddress = '127.0.0.1:3320';
export const defaultTimeoutMs = 5_000;

/** The largest value that a config allows, with its key and what is around them. */
const maxMessageBytes = ranges.maxValueBytes.max + ranges.maxKeyBytes.max + 64 * 1024;

const helpGroup = 'CONNECTION';

/** Flags of every command that talks to a running cluster; a flag beats its environment variable. */
export const connectionFlags = {
  addr: Flags.string({
    description: `Nodes to talk to; the next is tried when one is out of reach. [default: ${defaultAddress}]`,
    helpValue: 'HOST:PORT[,HOST:PORT...]',
    env: 'DISTCACHE_ADDR',
    helpGroup,
  }),
  timeout: durationFlag({
    description: 'How long to wait for each answer. [default: 5s]',
    env: 'DISTCACHE_TIMEOUT',
    above: 0,
    example: '5s',
    helpGroup,
  }),
  token: Flags.string({
    description: 'Access token; better in the environment, where other users cannot see it.',
    helpValue: 'TOKEN',
    env: 'DISTCACHE_TOKEN',
    helpGroup,
  }),
  'tls-ca': Flags.string({
    description:
      'Certificate authority that signed the nodes, PEM, or "system" for those that the machine trusts. Turns TLS on.',
    helpValue: 'FILE',
    env: 'DISTCACHE_TLS_CA',
    helpGroup,
  }),
  'tls-cert': Flags.string({
    description: 'Own certificate for mutual TLS, PEM.',
    helpValue: 'FILE',
    env: 'DISTCACHE_TLS_CERT',
    helpGroup,
  }),
  'tls-key': Flags.string({
    description: 'Private key of --tls-cert, PEM.',
    helpValue: 'FILE',
    env: 'DISTCACHE_TLS_KEY',
    helpGroup,
  }),
};

export interface ConnectionFlagValues {
  readonly addr?: string | undefined;
  readonly timeout?: number | undefined;
  readonly token?: string | undefined;
  readonly 'tls-ca'?: string | undefined;
  readonly 'tls-cert'?: string | undefined;
  readonly 'tls-key'?: string | undefined;
}

export interface Connection {
  readonly addresses: readonly string[];
  readonly timeoutMs: number;
  readonly maxMessageBytes: number;
  readonly token?: string;
  readonly tls?: ClientTls;
}

/** What a connection takes. Reads the files that the flags name; rejects as bad usage where they cannot be. */
export async function connectionOf(flags: ConnectionFlagValues): Promise<Connection> {
  const tls = await tlsOf(flags);
  return {
    addresses: addressesOf(flags.addr ?? defaultAddress),
    timeoutMs: flags.timeout ?? defaultTimeoutMs,
    maxMessageBytes,
    ...(flags.token === undefined || flags.token === '' ? {} : { token: tokenOf(flags.token) }),
    ...(tls === undefined ? {} : { tls }),
  };
}

function tokenOf(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw usageError('--token (or DISTCACHE_TOKEN) must be printable characters without spaces');
}

const pemCertificate = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/;
const pemKey = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;

async function tlsOf(flags: ConnectionFlagValues): Promise<ClientTls | undefined> {
  const { 'tls-ca': ca, 'tls-cert': cert, 'tls-key': key } = flags;
  if (!ca && !cert && !key) return undefined;
  if (!cert !== !key) {
    const [given, missing] = cert ? ['cert', 'key'] : ['key', 'cert'];
    throw usageError(`--tls-${given} needs --tls-${missing} beside it (or DISTCACHE_TLS_${missing.toUpperCase()})`);
  }
  const { readFile } = await import('node:fs/promises');
  const read = async (flag: string, path: string): Promise<string> => {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      throw usageError(`--tls-${flag}: ${path} cannot be read: ${systemReason(error)}`, error);
    });
    // OpenSSL takes a file without any for no authority at all, and blames what the node shows.
    const [what, begins] = flag === 'key' ? ['private key', pemKey] : ['certificate', pemCertificate];
    if (!begins.test(text)) throw usageError(`--tls-${flag}: ${path} holds no ${what} in PEM`);
    return text;
  };
  return {
    ...(ca && ca !== 'system' ? { ca: await read('ca', ca) } : {}),
    ...(cert ? { cert: await read('cert', cert) } : {}),
    ...(key ? { key: await read('key', key) } : {}),
  };
}

/** `host:port[,host:port…]`; IPv6 hosts in brackets. */
export function addressesOf(text: string): readonly string[] {
  const addresses = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (addresses.length === 0) throw usageError('--addr is empty; give host:port, for example 127.0.0.1:3320');
  for (const address of addresses) {
    const port = /^(?:\[[0-9a-f:.%a-z]+\]|[^\s:[\]/]+):(\d{1,5})$/i.exec(address)?.[1];
    if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
      throw usageError(
        `--addr${originOf('addr', text, 'DISTCACHE_ADDR')}: ${JSON.stringify(address)} is no host:port; write for example 127.0.0.1:3320 or [::1]:3320`,
      );
    }
  }
  return addresses;
}
