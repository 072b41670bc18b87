import { createHash, timingSafeEqual } from 'node:crypto';
import { DistcacheError } from '../base/errors.js';
import { anyone, Caller, type Grant, nodeCaller, type Right } from './rights.js';
import type { Rule } from './rpc-rules.js';

/** A caller that shows a token. */
export interface TokenGrant extends Grant {
  readonly token: string;
}

export interface AccessOptions {
  readonly tokens?: readonly TokenGrant[] | undefined;
  /** Callers that show a certificate, by a name in it: a DNS name of its own, or its common name. */
  readonly certificates?: readonly Grant[] | undefined;
}

/** How nodes of the cluster are known. */
export interface NodeIdentity {
  /** The name in a certificate that makes its holder a node. */
  readonly nodeName: string;
  /** Who may open a link: nobody, where there is no cluster; who has such a certificate; or anybody, for the handshake to judge. */
  readonly nodes: 'nobody' | 'certified' | 'anybody';
  /** Who shows no certificate has to show a token, also where nobody is asked for one. */
  readonly needsCertificate?: boolean | undefined;
}

/** What somebody shows. Certificates were checked against the authority before. */
export interface Shown {
  /** The value of `authorization`, as it came. */
  readonly authorization?: string | undefined;
  /** Names in the certificate; undefined without one. */
  readonly certificate?: readonly string[] | undefined;
}

interface Entry {
  readonly digest: Buffer;
  readonly caller: Caller;
}

const digestOf = (token: string): Buffer => createHash('sha256').update(token, 'utf8').digest();

/** Longer ones are refused unread. */
const tokenCharsMax = 4096;

/** UNAUTHORIZED, and whether it is known who asked: then another token helps, not the same again. */
export class AccessDenied extends DistcacheError {
  constructor(
    message: string,
    readonly isKnown = false,
  ) {
    super('UNAUTHORIZED', message);
  }
}

const refused = (message: string): AccessDenied => new AccessDenied(message);

/**
 * Who is who. `replace` changes that for all calls from then on. Without tokens and certificates everybody may do
 * everything, where a certificate was asked for everybody who has one.
 */
export class Access {
  #tokens: readonly Entry[] = [];
  #certificates = new Map<string, Caller>();
  #isOpen = true;

  constructor(
    options: AccessOptions,
    private readonly nodes: NodeIdentity,
  ) {
    this.replace(options);
  }

  replace({ tokens = [], certificates = [] }: AccessOptions): void {
    this.#tokens = tokens.map(({ token, ...grant }) => ({ digest: digestOf(token), caller: new Caller(grant) }));
    this.#certificates = new Map(certificates.map((grant) => [grant.name, new Caller(grant)]));
    this.#isOpen = tokens.length === 0 && certificates.length === 0;
  }

  /** Nobody needs to show anything. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  isNode(certificate: readonly string[] | undefined): boolean {
    return certificate?.includes(this.nodes.nodeName) ?? false;
  }

  /** Throws UNAUTHORIZED where nodes are known by certificates, and this is none of a node's. */
  checkNode(certificate: readonly string[] | undefined): void {
    const { nodes, nodeName } = this.nodes;
    if (nodes === 'nobody') throw refused('this node stands alone, and takes no links from others');
    if (nodes === 'anybody' || this.isNode(certificate)) return;
    const shown =
      certificate === undefined
        ? 'no certificate was shown'
        : `the certificate is of ${certificate.slice(0, 4).join(', ')}`;
    throw refused(`links are for nodes, whose certificates bear the name ${nodeName}; ${shown}`);
  }

  /** Throws UNAUTHORIZED. A token that is shown decides, whatever certificate stands beside it. */
  callerOf({ authorization, certificate }: Shown): Caller {
    if (authorization !== undefined && this.#tokens.length > 0) return this.#byToken(authorization);
    if (this.isNode(certificate)) return nodeCaller(certificate?.[0] ?? this.nodes.nodeName);
    if (this.#isOpen) {
      if (this.nodes.needsCertificate !== true || certificate !== undefined) return anyone;
      throw refused('no certificate was shown, and tls.clientAuth is require; give one with --tls-cert and --tls-key');
    }
    for (const name of certificate ?? []) {
      const caller = this.#certificates.get(name);
      if (caller !== undefined) return caller;
    }
    if (certificate !== undefined) {
      const names = certificate.slice(0, 4).join(', ');
      throw refused(`the certificate of ${names} gives no rights here; show a token, or list it in auth.certificates`);
    }
    throw refused(
      'no token was shown; give one with --token, DISTCACHE_TOKEN or the header "authorization: Bearer TOKEN"',
    );
  }

  #byToken(authorization: string): Caller {
    const [, token] = /^bearer +(\S+) *$/i.exec(authorization.slice(0, tokenCharsMax + 16)) ?? [];
    if (token === undefined || token.length > tokenCharsMax) {
      throw refused('the header "authorization" is not of the form "Bearer TOKEN"');
    }
    const digest = digestOf(token);
    // Digests are of one length, and all are looked at: neither what a token is nor which one tells by the time it takes.
    let found: Caller | undefined;
    for (const entry of this.#tokens) if (timingSafeEqual(entry.digest, digest)) found = entry.caller;
    if (found === undefined) throw refused('the token is not known here; check that it is the current one');
    return found;
  }
}

/** Throws UNAUTHORIZED where a caller lacks what a call asks for, the keyspace aside. */
export function checkRule(caller: Caller, rule: Rule): void {
  if (rule.is === 'keyspace' && !caller.has(rule.right)) throw lacks(caller, rule.right, '');
  if (rule.is === 'node-wide' && !caller.mayRun(rule.right)) {
    throw lacks(caller, rule.right, caller.has(rule.right) ? ' for the node as a whole' : '');
  }
  if (rule.is === 'whole' && !caller.mayAll(rule.right)) {
    throw lacks(caller, rule.right, caller.has(rule.right) ? ' for every keyspace' : '');
  }
}

/** Throws UNAUTHORIZED where a caller lacks the right for the keyspace that a request names; undefined: for all of them. */
export function checkKeyspace(caller: Caller, rule: Rule, keyspace: string | undefined): void {
  if (rule.is !== 'keyspace') return;
  if (keyspace === undefined ? caller.mayAll(rule.right) : caller.mayUse(rule.right, keyspace)) return;
  throw lacks(caller, rule.right, keyspace === undefined ? ' for every keyspace' : ` for keyspace '${keyspace}'`);
}

const lacks = (caller: Caller, right: Right, where: string): AccessDenied =>
  new AccessDenied(`${caller.name} lacks the right '${right}'${where}; an operator can give it in auth`, true);
