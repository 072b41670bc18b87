import type { PushNodeState, PushPull, Vsn } from '../messages.js';
import { onAlive, onDead, onSuspect } from './claims.js';
import type { Context } from './context.js';
import { type Endpoint, sameEndpoint, stateOf } from './effects.js';
import { viewOf } from './members.js';

/** Everything this node knows, for an exchange of states. */
export function ownState(context: Context, join: boolean): PushPull {
  const nodes = [...context.members.values()].map((entry) => stateOf(viewOf(entry)));
  return { is: 'pushPull', join, nodes, userState: new Uint8Array() };
}

/**
 * Whether everybody could still talk to everybody after a merge: the version in use of each member, gone ones included,
 * must lie in the range that all living ones speak; the same for the application's versions.
 * @returns what does not fit, or undefined
 */
export function versionProblem(nodes: readonly Pick<PushNodeState, 'name' | 'state' | 'vsn'>[]): string | undefined {
  const alive = nodes.filter((node) => node.state === 'alive').map((node) => node.vsn);
  if (alive.length === 0) return undefined;
  const range = (min: 0 | 3): readonly [number, number] => [highest(alive, min), -highest(alive, min + 1, -1)];
  const [pMin, pMax] = range(0);
  const [dMin, dMax] = range(3);
  for (const { name, vsn } of nodes) {
    const [, , pCur, , , dCur] = vsn;
    if (pCur < pMin || pCur > pMax) {
      return `${name} speaks protocol version ${pCur}, but the living members have only [${pMin}, ${pMax}] in common`;
    }
    if (dCur < dMin || dCur > dMax) {
      return `${name} speaks application version ${dCur}, but the living members have only [${dMin}, ${dMax}] in common`;
    }
  }
  return undefined;
}

const highest = (versions: readonly Vsn[], at: number, sign = 1): number =>
  versions.reduce((most, vsn) => Math.max(most, sign * (vsn[at] ?? 0)), Number.NEGATIVE_INFINITY);

/** Takes over another node's whole state, or refuses it whole. False when refused. */
export function mergeState(context: Context, remote: PushPull): boolean {
  const { counts, members, self } = context;
  const local = [...members.values()].map(viewOf);
  const problem = versionProblem([...remote.nodes, ...local]);
  if (problem !== undefined) {
    counts.mergesRefused++;
    context.tell({ is: 'mergeRefused', problem });
    return false;
  }
  // The living first: what is said of the others may rest on them.
  for (const node of remote.nodes) if (node.state === 'alive') mergeAlive(context, node);
  for (const { name: node, incarnation, state, addr, port } of remote.nodes) {
    const place = { addr, port: port === 0 ? self.port : port };
    if (state === 'left') onDead(context, { is: 'dead', incarnation, node, from: node });
    // A suspect of our name at another place has not given the name up yet.
    else if (node === self.name && state === 'suspect' && !sameEndpoint(place, self)) tellConflict(context, place);
    // Another's verdict of death is only a reason for suspicion: the member gets its time to refute.
    else if (state !== 'alive') onSuspect(context, { is: 'suspect', incarnation, node, from: self.name });
  }
  if (remote.nodes.some((node) => holdsOurName(context, node))) askAgainSoon(context);
  return true;
}

/** Our name is another endpoint's there, which keeps it until it is found dead: an earlier life's, as a rule, at another IP. */
const holdsOurName = ({ self }: Context, node: PushNodeState): boolean =>
  node.name === self.name && node.state !== 'left' && !sameEndpoint(node, self);

/** What we announced was refused there, and is not told again by anybody: so states are exchanged until it is taken. */
function askAgainSoon({ config, schedule, nowMs }: Context): void {
  schedule.set('pushPullTick', nowMs + config.probeIntervalMs, { is: 'pushPullTick' });
}

function tellConflict(context: Context, claimed: Endpoint): void {
  context.counts.conflicts++;
  context.tell({ is: 'conflict', member: viewOf(context.self), claimed });
}

function mergeAlive(context: Context, { name: node, addr, port, meta, incarnation, vsn }: PushNodeState): void {
  onAlive(context, { is: 'alive', incarnation, node, addr, port: port === 0 ? context.self.port : port, meta, vsn });
}
