import type { PeerDocument } from '../../src/ports/admin.js';
import { nodeRates, type PollFailure, type Rates, type Sample, type Track } from './track.js';

export type NodeState = PeerDocument['state'] | 'starting' | 'unreachable';

export interface NodeRow {
  readonly id: string;
  readonly name: string;
  readonly state: NodeState;
  /** `host:port`, or 'off'. */
  readonly admin: string;
  readonly grpc: string;
  readonly version: string;
  readonly share: number;
  readonly rates: Rates | undefined;
  /** What it told last, also when it answers no more. */
  readonly latest: Sample | undefined;
  readonly failure: PollFailure | undefined;
  readonly history: readonly (number | undefined)[];
  /** What each node that answers takes this one for. */
  readonly views: readonly { readonly by: string; readonly state: PeerDocument['state'] }[];
}

/** Graver ones first: where as many say the one as the other, the graver is shown. */
const gravity: readonly PeerDocument['state'][] = ['dead', 'suspect', 'draining', 'left', 'alive'];

/** All nodes that anybody knows of, sorted by name. */
export function nodeRows(tracks: readonly Track[]): readonly NodeRow[] {
  const told = peersByName(tracks);
  return tracks.map((track) => nodeRow(track, told.get(track.name) ?? [])).sort((a, b) => (a.name < b.name ? -1 : 1));
}

interface Told {
  readonly by: string;
  readonly peer: PeerDocument;
}

/** What the nodes that answer say of each. Where none answers, what they said last. */
function peersByName(tracks: readonly Track[]): ReadonlyMap<string, readonly Told[]> {
  const heard = tracks.filter(({ latest }) => latest !== undefined);
  const answering = heard.filter(({ failure }) => failure === undefined);
  const found = new Map<string, Told[]>();
  for (const { name, latest } of answering.length > 0 ? answering : heard) {
    for (const peer of latest!.peers.peers) {
      const list = found.get(peer.name);
      const told = { by: name, peer };
      if (list === undefined) found.set(peer.name, [told]);
      else list.push(told);
    }
  }
  return found;
}

function nodeRow(track: Track, told: readonly Told[]): NodeRow {
  const { name, admin, latest, failure, history } = track;
  // Of two runs under one name the one that lives counts, and it is listed by whoever knows of both.
  const newest = Math.max(...told.map(({ peer }) => peer.incarnation));
  const current = told.filter(({ peer }) => peer.state === 'alive' || peer.incarnation === newest);
  const views = current.map(({ by, peer }) => ({ by, state: peer.state }));
  const peer = current.find(({ by }) => by === name)?.peer ?? current[0]?.peer;
  return {
    id: name,
    name,
    state: stateOf(track, views),
    admin,
    grpc:
      latest?.node.grpc ?? (peer === undefined || peer.bind_port === 0 ? 'off' : `${peer.bind_addr}:${peer.bind_port}`),
    version: latest?.node.version ?? peer?.version ?? '',
    share: peer?.ring_share ?? 0,
    rates: failure === undefined ? nodeRates(track) : undefined,
    latest,
    failure,
    history,
    views,
  };
}

/** What a node says of itself comes first while it answers; then what the others say; silence to us alone is told as such. */
function stateOf({ latest, failure, admin }: Track, views: NodeRow['views']): NodeState {
  if (latest !== undefined && failure === undefined) {
    if (latest.node.state === 'starting' || latest.node.state === 'draining') return latest.node.state;
    if (latest.node.state === 'stopped') return 'left';
  }
  const seen = majority(views);
  if (seen !== 'alive') return seen ?? 'unreachable';
  return failure !== undefined && admin !== 'off' ? 'unreachable' : 'alive';
}

function majority(views: NodeRow['views']): PeerDocument['state'] | undefined {
  const votes = (state: PeerDocument['state']): number => views.filter((view) => view.state === state).length;
  const [first] = [...gravity].sort((a, b) => votes(b) - votes(a));
  return views.length === 0 ? undefined : first;
}
