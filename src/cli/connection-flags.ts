import { Flags } from '@oclif/core';
import { usageError } from './failure.js';
import { durationFlag } from './value-flags.js';

export const defaultAddress = '127.0.0.1:3320';
export const defaultTimeoutMs = 5_000;

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
    description: 'Access token (later release: refused).',
    helpValue: 'TOKEN',
    env: 'DISTCACHE_TOKEN',
    helpGroup,
  }),
  'tls-ca': Flags.string({
    description: 'Certificate authority that signed the nodes, PEM (later release: refused).',
    helpValue: 'FILE',
    env: 'DISTCACHE_TLS_CA',
    helpGroup,
  }),
  'tls-cert': Flags.string({
    description: 'Own certificate for mutual TLS, PEM (later release: refused).',
    helpValue: 'FILE',
    env: 'DISTCACHE_TLS_CERT',
    helpGroup,
  }),
  'tls-key': Flags.string({
    description: 'Private key of --tls-cert, PEM (later release: refused).',
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
}

const environmentOf = {
  token: 'DISTCACHE_TOKEN',
  'tls-ca': 'DISTCACHE_TLS_CA',
  'tls-cert': 'DISTCACHE_TLS_CERT',
  'tls-key': 'DISTCACHE_TLS_KEY',
} as const;

/** Rejects what would silently be left undone: a connection that the user believes protected must not go out in the clear. */
export function connectionOf(flags: ConnectionFlagValues): Connection {
  for (const [name, variable] of Object.entries(environmentOf)) {
    if (flags[name as keyof typeof environmentOf] !== undefined) {
      throw usageError(
        `--${name} (or ${variable}) is set, but this release speaks neither TLS nor tokens; leave it out to connect in the clear`,
      );
    }
  }
  return { addresses: addressesOf(flags.addr ?? defaultAddress), timeoutMs: flags.timeout ?? defaultTimeoutMs };
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
        `--addr: ${JSON.stringify(address)} is no host:port; write for example 127.0.0.1:3320 or [::1]:3320`,
      );
    }
  }
  return addresses;
}
