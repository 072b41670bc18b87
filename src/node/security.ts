import type { AccessOptions } from '../access/access.js';
import { rights } from '../access/rights.js';
import { invalidArgument } from '../base/errors.js';
import { isLoopback } from '../base/ip.js';
import { faultsOf } from '../certificates/material.js';
import type { ServerTls } from '../transport/tls.js';

/** Encryption between nodes and with clients. Texts in PEM; `distcache cert create` makes some that work at once. */
export interface TlsOptions {
  /** Authorities that certificates of nodes and clients must come from. Several in a row while one is replaced. */
  readonly ca?: string | undefined;
  readonly cert: string;
  readonly key: string;
  /** Whether callers must show a certificate. Default require. */
  readonly clientAuth?: ServerTls['clientAuth'] | undefined;
  /** The name in a certificate that makes its holder a node. Default distcache-node. */
  readonly nodeName?: string | undefined;
}

/** Who may do what. With neither tokens nor certificates everybody who can connect may do everything. */
export type AuthOptions = AccessOptions;

export const defaultNodeName = 'distcache-node';
const clientAuths: readonly ServerTls['clientAuth'][] = ['none', 'request', 'require'];
const grantsMax = 1000;

export interface SecurityOptions {
  readonly tls?: TlsOptions | undefined;
  readonly auth?: AuthOptions | undefined;
  /** Listen where others can reach it though nothing protects the node. Default false. */
  readonly insecure?: boolean | undefined;
}

export interface ResolvedSecurity {
  readonly tls: ServerTls | undefined;
  readonly nodeName: string;
  readonly auth: AuthOptions;
  readonly isInsecure: boolean;
}

/** Throws INVALID_ARGUMENT, which names the field and shows no secret. */
export function resolveSecurity({ tls, auth, insecure }: SecurityOptions, wallMs: number): ResolvedSecurity {
  const nodeName = tls?.nodeName ?? defaultNodeName;
  if (typeof nodeName !== 'string' || nodeName === '') throw invalidArgument('tls.nodeName is empty; leave it out');
  return {
    tls: tls && resolveTls(tls, wallMs),
    nodeName,
    auth: resolveAuth(auth ?? {}),
    isInsecure: insecure === true,
  };
}

export function resolveTls(tls: TlsOptions, wallMs: number): ServerTls {
  const { ca, cert, key, clientAuth = 'require' } = tls ?? {};
  for (const [field, text] of Object.entries({ cert, key })) {
    if (typeof text !== 'string' || text === '')
      throw invalidArgument(`tls.${field} is missing, must be a text in PEM`);
  }
  if (!clientAuths.includes(clientAuth)) {
    throw invalidArgument(`tls.clientAuth is '${clientAuth}', must be one of ${clientAuths.join(', ')}`);
  }
  const fatal = faultsOf({ ca, cert, key }, wallMs).find(({ isFatal }) => isFatal);
  if (fatal !== undefined) throw invalidArgument(`tls.${fatal.field} ${fatal.message}`);
  return { ca, cert, key, clientAuth };
}

/** Throws INVALID_ARGUMENT naming the first that cannot be. */
export function resolveAuth({ tokens = [], certificates = [] }: AuthOptions): AuthOptions {
  for (const [section, grants] of Object.entries({ tokens, certificates })) {
    if (!Array.isArray(grants) || grants.length > grantsMax) {
      throw invalidArgument(`auth.${section} must be a list of at most ${grantsMax}`);
    }
    for (const [index, { name, allow, keyspaces }] of grants.entries()) {
      const at = `auth.${section}[${index}]`;
      if (typeof name !== 'string' || name === '') throw invalidArgument(`${at}.name is missing, must be a text`);
      if (!Array.isArray(allow) || allow.length === 0 || allow.some((right) => !rights.includes(right))) {
        throw invalidArgument(`${at}.allow must list at least one of ${rights.join(', ')}`);
      }
      if (keyspaces !== undefined && (!Array.isArray(keyspaces) || keyspaces.length === 0)) {
        throw invalidArgument(`${at}.keyspaces must name at least one keyspace; leave it out for all`);
      }
    }
  }
  checkTokens(tokens);
  return { tokens, certificates };
}

const tokenCharsMax = 4096;

function checkTokens(tokens: NonNullable<AuthOptions['tokens']>): void {
  const seen = new Map<string, string>();
  for (const [index, { token, name }] of tokens.entries()) {
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token) || token.length > tokenCharsMax) {
      throw invalidArgument(
        `auth.tokens[${index}].token (of ${name}) must be 1 to ${tokenCharsMax} printable characters without spaces; ` +
          'make one with: openssl rand -hex 32',
      );
    }
    const other = seen.get(token);
    if (other !== undefined) throw invalidArgument(`auth.tokens: ${other} and ${name} have the same token`);
    seen.set(token, name);
  }
}

/** Who could get at a node, or at its admin endpoints. */
export interface Exposed {
  /** For people. */
  readonly what: 'the node' | 'the admin endpoints';
  /** Where it listens; undefined: nowhere. */
  readonly addr: string | undefined;
  readonly isClustered: boolean;
  readonly hasSecret: boolean;
  readonly security: Pick<ResolvedSecurity, 'auth' | 'isInsecure'> & {
    readonly tls: Pick<ServerTls, 'clientAuth'> | undefined;
  };
}

const asksWho = ({ tokens = [], certificates = [] }: AuthOptions): boolean => tokens.length + certificates.length > 0;

/** What is amiss, and what to do about it: `found; mend` makes a line. */
export interface Weakness {
  readonly found: string;
  readonly mend: string;
}

/** What is protected less than it may look. */
export function weaknessesOf(exposed: Exposed): readonly Weakness[] {
  const { addr, isClustered, hasSecret, security } = exposed;
  const { tls, auth, isInsecure } = security;
  if (addr === undefined) return [];
  const weak: Weakness[] = [];
  if (isInsecure && exposureOf({ ...exposed, security: { ...security, isInsecure: false } }) !== undefined) {
    weak.push({
      found: `--insecure: others can reach ${addr}, and nothing keeps them from reading, writing or joining`,
      mend: 'give tls or auth.tokens, and gossip.secrets',
    });
  }
  if (asksWho(auth) && isClustered && !hasSecret && (tls === undefined || tls.clientAuth === 'none')) {
    weak.push({
      found: 'auth is set, but nothing tells a node from a client: who acts as a node passes it by',
      mend: 'give gossip.secrets',
    });
  }
  if ((auth.tokens?.length ?? 0) > 0 && tls === undefined && !isLoopback(addr)) {
    weak.push({ found: 'tokens travel in the clear, where others can read them', mend: 'give tls as well' });
  }
  return weak;
}

/** What stands open, and why the node is not to start so; undefined where it may. */
export function exposureOf(node: Exposed): Weakness | undefined {
  const { what, addr, isClustered, hasSecret, security } = node;
  const { tls, auth, isInsecure } = security;
  if (addr === undefined || isInsecure) return undefined;
  const hasAuth = asksWho(auth);
  if (isLoopback(addr)) return undefined;
  const open: string[] = [];
  if (!hasAuth && tls?.clientAuth !== 'require') open.push('anybody who reaches it can read and write');
  if (isClustered && !hasSecret) open.push('its gossip is in the clear and takes in anybody');
  if (open.length === 0) return undefined;
  const secret = isClustered && !hasSecret ? ' and gossip.secrets (openssl rand -base64 32)' : '';
  return {
    found: `${what} would listen on ${addr}, which others can reach, and ${open.join(', and ')}`,
    mend:
      `protect it with tls (distcache cert create makes certificates) or auth.tokens${secret}; ` +
      'listen on 127.0.0.1; or start with --insecure to leave it open',
  };
}
