import { codeOf, DistcacheError, messageOf } from '../../src/base/errors.js';
import type { AdminTarget } from '../../src/client/admin-target.js';
import type { Action } from '../model/actions.js';
import { quoted } from '../model/actions.js';
import type { Message } from '../model/ui.js';
import type { AdminApi } from './admin-api.js';

export interface Acting {
  readonly api: AdminApi;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly answering: () => readonly { readonly name: string; readonly target: AdminTarget }[];
  readonly targetOf: (name: string) => AdminTarget | undefined;
}

/** A drain hands over everything: it takes as long as there is to send. */
const drainTimeoutMs = 60_000;

/** Does what was confirmed, and says how it went; never rejects. */
export async function act(action: Action, acting: Acting): Promise<Message> {
  try {
    return await done(action, acting);
  } catch (error) {
    const hint = codeOf(error) === 'TIMEOUT' ? '; it may have been done all the same' : '';
    return { is: 'failed', text: `${messageOf(error)}${hint}` };
  }
}

async function done(action: Action, { api, timeoutMs, signal, answering, targetOf }: Acting): Promise<Message> {
  const call = { timeoutMs, signal };
  const first = (): AdminTarget => answering()[0]?.target ?? nobody();
  const at = (name: string): AdminTarget => targetOf(name) ?? nobody(name);
  switch (action.do) {
    case 'delete-key': {
      const { unreached } = await api.deleteKey(first(), action.keyspace, action.key, call);
      return unreached.length === 0
        ? { is: 'done', text: `deleted ${quoted(action.key)} of ${action.keyspace}` }
        : { is: 'failed', text: `deleted, but could not tell ${unreached.join(', ')}` };
    }
    case 'clear-keyspace': {
      const { nodes } = await api.clearKeyspace(first(), action.keyspace, call);
      const failed = nodes.filter(({ outcome }) => outcome === 'failed');
      return failed.length === 0
        ? { is: 'done', text: `cleared ${action.keyspace} on ${nodes.length} nodes` }
        : { is: 'failed', text: `${action.keyspace} was not cleared on ${failed.map(({ node }) => node).join(', ')}` };
    }
    case 'reset-breaker': {
      const results = await Promise.allSettled(
        action.nodes.map((node) => Promise.resolve().then(() => api.resetBreaker(at(node), action.keyspace, call))),
      );
      const failed = results.flatMap((result, index) =>
        result.status === 'rejected' ? [`${action.nodes[index]}: ${messageOf(result.reason)}`] : [],
      );
      return failed.length === 0
        ? { is: 'done', text: `closed the breaker of ${action.keyspace}` }
        : { is: 'failed', text: failed.join('; ') };
    }
    case 'drain-node': {
      const { handed_over, left } = await api.drain(at(action.node), { ...call, timeoutMs: drainTimeoutMs });
      return { is: 'done', text: `drained ${action.node}: ${handed_over} entries handed over, ${left} left` };
    }
    default:
      return action satisfies never;
  }
}

function nobody(name?: string): never {
  throw new DistcacheError('PEER_UNREACHABLE', name === undefined ? 'no node answers' : `${name} has no admin server`);
}
