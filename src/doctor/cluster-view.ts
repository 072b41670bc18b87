import { joinAddress, splitAddress } from '../base/addresses.js';
import { codeOf } from '../base/errors.js';
import { isLoopback } from '../base/ip.js';
import { AdminClient } from '../client/admin.js';
import { adminTargetOf } from '../client/admin-target.js';
import { type Client, connect } from '../client/client.js';
import { askEach, type NodeAnswer } from '../client/everywhere.js';
import type { ClientTls } from '../client/links.js';
import { defaultNodeName } from '../node/security.js';
import type { NodeDocument } from '../ports/admin.js';
import type { CallOptions, KeyspaceStatus, NodeStatus, PeerStatus } from '../ports/cache.js';
import type { Clock } from '../ports/clock.js';
import { probeTls, type TlsSeen } from '../transport/probe.js';

/** How to get at a cluster: what clients show. */
export interface Credentials {
  readonly addresses: readonly string[];
  readonly timeoutMs: number;
  readonly token?: string | undefined;
  readonly tls?: ClientTls | undefined;
}

export interface Looking {
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What a node says of itself to who may ask. */
export interface Told {
  readonly status: NodeStatus;
  readonly peers: readonly PeerStatus[];
  readonly keyspaces: readonly KeyspaceStatus[];
  /** Its wall clock less that of this machine; undefined where it does not tell. Half the time to ask it is unsure. */
  readonly ahead: { readonly ms: number; readonly unsureMs: number } | undefined;
}

/** What anybody finds who comes to an address and shows nothing: no token and no certificate. */
export interface Outside {
  readonly address: string;
  /** undefined: nobody answered from here. */
  readonly tls: TlsSeen | undefined;
  /** It takes a version of TLS that is broken. */
  readonly takesOldTls: boolean;
  /** What became of a question that asks for the right to read. */
  readonly stranger: 'let in' | 'turned away' | 'no answer';
}

export interface NodeView {
  readonly name: string;
  readonly told: NodeAnswer<Told>;
  readonly grpc: Outside;
  /** undefined: it told of none that could be asked from elsewhere. */
  readonly admin: Outside | undefined;
  /** Of its process; undefined where its admin endpoints could not be asked. */
  readonly process: NodeDocument | undefined;
}

export type ClusterView =
  | { readonly is: 'seen'; readonly peers: readonly PeerStatus[]; readonly nodes: readonly NodeView[] }
  | { readonly is: 'unseen'; readonly error: unknown };

/** Asks one node who is there, and then each of them, from outside and with what it was given. Never rejects. */
export async function viewCluster(looking: Looking): Promise<ClusterView> {
  const { credentials, signal } = looking;
  const client = connect(credentials);
  try {
    const peers = await client.peers({ signal });
    const answers = await askEach(peers, (address) => viewNode(looking, peers, address));
    const nodes = answers.flatMap((answer) => (answer.is === 'answered' ? [answer.answer] : []));
    return { is: 'seen', peers, nodes };
  } catch (error) {
    return { is: 'unseen', error };
  } finally {
    await client.close();
  }
}

async function viewNode(looking: Looking, peers: readonly PeerStatus[], address: string): Promise<NodeView> {
  const peer = peers.find(({ bindAddr, bindPort }) => joinAddress(bindAddr, bindPort) === address)!;
  const [told] = await askEach([peer], () => tell(looking, address));
  const admin = peer.admin === '' || peer.admin === 'off' ? undefined : peer.admin;
  const [grpc, seen] = await Promise.all([
    grpcFromOutside(looking, address),
    admin === undefined ? undefined : viewAdmin(looking, admin),
  ]);
  return { name: peer.name, told: told!, grpc, admin: seen?.outside, process: seen?.process };
}

async function tell({ credentials, clock, signal }: Looking, address: string): Promise<Told> {
  const client = connect({ ...credentials, addresses: [address] });
  try {
    const call = { signal };
    const status = await client.status(call);
    const [peers, keyspaces] = await Promise.all([client.peers(call), client.keyspaces(call)]);
    return { status, peers, keyspaces, ahead: await aheadOf(client, clock, call) };
  } finally {
    await client.close();
  }
}

/** By the time that a node's first event tells. Who may not follow events does not learn it. */
async function aheadOf(client: Client, clock: Clock, call: CallOptions): Promise<Told['ahead']> {
  const askedMs = clock.wallMs();
  const events = client.events(call);
  try {
    const { value } = await events.next();
    const unsureMs = (clock.wallMs() - askedMs) / 2;
    return value === undefined ? undefined : { ms: value.at.getTime() - askedMs - unsureMs, unsureMs };
  } catch {
    return undefined;
  } finally {
    await events.return(undefined);
  }
}

async function grpcFromOutside(looking: Looking, address: string): Promise<Outside> {
  const { credentials, signal } = looking;
  const { tls } = credentials;
  const seen = await tlsOf(looking, address, 'h2', tls?.nodeName ?? defaultNodeName);
  const ask = async (): Promise<unknown> => {
    const shown = isPlain(seen) ? undefined : { ca: tls?.ca, nodeName: tls?.nodeName };
    const client = connect({ timeoutMs: credentials.timeoutMs, addresses: [address], tls: shown });
    try {
      return await client.status({ signal });
    } finally {
      await client.close();
    }
  };
  return { ...seen, stranger: await outcomeOf(seen, ask) };
}

interface AdminView {
  readonly outside: Outside;
  readonly process: NodeDocument | undefined;
}

async function viewAdmin(looking: Looking, address: string): Promise<AdminView> {
  const { token, tls } = looking.credentials;
  // Whoever asks over HTTP knows the host alone.
  const seen = await tlsOf(looking, address, 'http/1.1', splitAddress(address).host);
  // A token that TLS is to protect is not shown without it, because some node says so.
  const shown = tls !== undefined && isPlain(seen) && !isLoopback(splitAddress(address).host) ? undefined : token;
  const [stranger, process] = await Promise.all([
    outcomeOf(seen, () => askAdmin(looking, seen, { tls: tls && { ca: tls.ca } })),
    askAdmin(looking, seen, { token: shown, tls }).catch(() => undefined),
  ]);
  return { outside: { ...seen, stranger }, process };
}

async function askAdmin(
  { credentials, clock, signal }: Looking,
  seen: Seen,
  shown: { readonly token?: string | undefined; readonly tls?: ClientTls | undefined },
): Promise<NodeDocument> {
  const client = new AdminClient({ clock, timeoutMs: credentials.timeoutMs, ...shown });
  try {
    return await client.node(adminTargetOf(`${isPlain(seen) ? 'http' : 'https'}://${seen.address}`), { signal });
  } finally {
    client.close();
  }
}

async function outcomeOf({ tls }: Seen, ask: () => Promise<unknown>): Promise<Outside['stranger']> {
  // Where it is we who do not trust, nothing is learned of what it would say.
  if (tls === undefined || (tls.is === 'tls' && tls.refusedFor !== undefined)) return 'no answer';
  try {
    await ask();
    return 'let in';
  } catch (error) {
    return codeOf(error) === 'UNAUTHORIZED' ? 'turned away' : 'no answer';
  }
}

type Seen = Omit<Outside, 'stranger'>;

const isPlain = ({ tls }: Seen): boolean => tls?.is === 'plain';

async function tlsOf(
  { credentials, clock }: Looking,
  address: string,
  protocol: 'h2' | 'http/1.1',
  nodeName: string,
): Promise<Seen> {
  const { host, port } = splitAddress(address);
  const { timeoutMs, tls } = credentials;
  const probe = { clock, timeoutMs, protocol, ca: tls?.ca, nodeName };
  try {
    const seen = await probeTls(host, port, probe);
    if (seen.is === 'plain') return { address, tls: seen, takesOldTls: false };
    const old = await probeTls(host, port, { ...probe, version: 'TLSv1.1' });
    return { address, tls: seen, takesOldTls: old.is === 'tls' };
  } catch {
    return { address, tls: undefined, takesOldTls: false };
  }
}
