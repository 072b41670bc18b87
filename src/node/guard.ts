import { Access, type NodeIdentity } from '../access/access.js';
import { rights } from '../access/rights.js';
import { invalidArgument } from '../base/errors.js';
import { bindAddress } from '../platform/machine.js';
import type { ServerTls } from '../transport/tls.js';
import type { ResolvedNode } from './options.js';
import {
  type AuthOptions,
  type Exposed,
  exposureOf,
  type ResolvedSecurity,
  resolveAuth,
  resolveTls,
  type TlsOptions,
  weaknessesOf,
} from './security.js';

/** Who may do what on one node and over which certificates, as it is now: both change while the node runs. */
export class Guard {
  /** Of clients and peers. */
  readonly access: Access;
  /** Of the admin endpoints, which may have a token of their own. */
  readonly adminAccess: Access;
  readonly nodeName: string;
  readonly #node: ResolvedNode;
  readonly #security: ResolvedSecurity;
  #tls: ServerTls | undefined;
  readonly #ownAdminTls: ServerTls | undefined;

  /** Throws INVALID_ARGUMENT where the node would stand open. */
  constructor(node: ResolvedNode, security: ResolvedSecurity, wallMs: number) {
    const { nodeName, auth, tls } = security;
    this.#node = node;
    this.#security = security;
    this.#tls = tls;
    this.#ownAdminTls = typeof node.admin?.tls === 'object' ? resolveTls(node.admin.tls, wallMs) : undefined;
    this.nodeName = nodeName;
    this.#refuseExposure(security);
    const needsCertificate = tls?.clientAuth === 'require';
    this.access = new Access(auth, { nodeName, nodes: nodesOf(node, tls), needsCertificate });
    this.adminAccess = new Access(this.#adminAuth(auth), {
      nodeName,
      nodes: 'nobody',
      needsCertificate: this.adminTls?.clientAuth === 'require' || needsCertificate,
    });
  }

  /** undefined: in the clear. */
  get tls(): ServerTls | undefined {
    return this.#tls;
  }

  /** Certificates are asked for and looked at request by request: probes have none. */
  get adminTls(): ServerTls | undefined {
    const tls = this.#ownAdminTls ?? (this.#node.admin?.tls === true ? this.#tls : undefined);
    return tls?.clientAuth === 'require' ? { ...tls, clientAuth: 'request' } : tls;
  }

  /** What is protected less than it may look. */
  weaknesses(): readonly string[] {
    return this.#exposed(this.#security)
      .flatMap(weaknessesOf)
      .map(({ found, mend }) => `${found}; ${mend}`);
  }

  /** Throws INVALID_ARGUMENT and changes nothing where they cannot be used, or TLS was not on before. */
  setTls(tls: TlsOptions, wallMs: number): ServerTls {
    if (this.#tls === undefined)
      throw invalidArgument('TLS cannot be turned on while the node runs; restart it with tls');
    this.#tls = resolveTls({ ...tls, clientAuth: this.#tls.clientAuth }, wallMs);
    return this.#tls;
  }

  /** Throws INVALID_ARGUMENT and changes nothing where it cannot be, and where it would let in everybody. */
  setAuth(auth: AuthOptions): void {
    const next = resolveAuth(auth);
    this.#refuseExposure({ ...this.#security, auth: next });
    this.access.replace(next);
    this.adminAccess.replace(this.#adminAuth(next));
  }

  #adminAuth(auth: AuthOptions): AuthOptions {
    return withAdminToken(auth, this.#node.admin?.token);
  }

  #refuseExposure(security: ResolvedSecurity): void {
    for (const exposed of this.#exposed(security)) {
      const exposure = exposureOf(exposed);
      if (exposure === undefined) continue;
      throw invalidArgument(`${exposure.found}. Three ways out: ${exposure.mend}`);
    }
  }

  #exposed(security: ResolvedSecurity): readonly Exposed[] {
    const { bind, admin, gossip } = this.#node;
    return exposedOf({
      bind,
      admin: admin && {
        addr: admin.addr,
        auth: this.#adminAuth(security.auth),
        tls: this.#ownAdminTls ?? (admin.tls === true ? security.tls : undefined),
      },
      isClustered: gossip !== undefined,
      hasSecret: (gossip?.keys.length ?? 0) > 0,
      security,
    });
  }
}

/** Where a node listens, and what stands before it there. */
export interface Standing extends Pick<Exposed, 'isClustered' | 'hasSecret' | 'security'> {
  readonly bind: { readonly addr: string | undefined; readonly interface: string | undefined } | undefined;
  readonly admin: ({ readonly addr: string } & Pick<Exposed['security'], 'auth' | 'tls'>) | undefined;
}

/** Throws INVALID_ARGUMENT where the machine has no such address. */
export function exposedOf({ bind, admin, isClustered, hasSecret, security }: Standing): readonly Exposed[] {
  const node: Exposed = { what: 'the node', addr: bind && bindAddress(bind), isClustered, hasSecret, security };
  if (admin === undefined) return [node];
  const { addr, auth, tls } = admin;
  const { isInsecure } = security;
  return [
    node,
    {
      what: 'the admin endpoints',
      addr,
      isClustered: false,
      hasSecret: false,
      security: { auth, tls, isInsecure },
    },
  ];
}

/** The admin endpoints may have a token of their own, which opens all of them. */
export const withAdminToken = (auth: AuthOptions, token: string | undefined): AuthOptions =>
  token === undefined ? auth : { ...auth, tokens: [...(auth.tokens ?? []), { name: 'admin', token, allow: rights }] };

/** Where there is no cluster nobody is a node; where certificates are asked for, nodes have some. */
function nodesOf(node: ResolvedNode, tls: ServerTls | undefined): NodeIdentity['nodes'] {
  if (node.gossip === undefined) return 'nobody';
  return tls === undefined || tls.clientAuth === 'none' ? 'anybody' : 'certified';
}
