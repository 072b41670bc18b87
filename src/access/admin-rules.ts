import type { Rule } from './rpc-rules.js';

/** What a request to the admin endpoints asks of its caller, and the keyspace that it is about. */
export interface AdminRule {
  readonly rule: Rule;
  readonly keyspace?: string | undefined;
}

const looks: Rule = { is: 'node-wide', right: 'read' };
/** What tells of every keyspace, or of keys. */
const sees: Rule = { is: 'whole', right: 'read' };
const runs: Rule = { is: 'whole', right: 'admin' };

/** By path below the base path. What is not listed asks for `admin`, or for `read` where it changes nothing. */
const paths: Readonly<Record<string, Rule>> = {
  '/healthz': { is: 'open' },
  '/readyz': { is: 'open' },
  '': looks,
  '/node': looks,
  '/peers': looks,
  '/ring': looks,
  '/keyspaces': sees,
  '/hotkeys': sees,
  '/breakers': sees,
  '/config': sees,
  '/events': sees,
  '/metrics': sees,
  '/drain': runs,
};

export function adminRuleOf({ path, isWrite }: { readonly path: string; readonly isWrite: boolean }): AdminRule {
  const known = Object.hasOwn(paths, path) ? paths[path] : undefined;
  if (known !== undefined && (known === runs || !isWrite)) return { rule: known };
  const [, name, action] = /^\/(?:keyspaces|breakers)\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? [];
  if (name === undefined) return { rule: isWrite ? runs : sees };
  const right = !isWrite ? 'read' : path.startsWith('/keyspaces/') && action === 'delete' ? 'write' : 'admin';
  return { rule: { is: 'keyspace', right }, keyspace: decoded(name) };
}

/** What cannot be decoded names no keyspace, so nobody who is held to some may use it. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return '';
  }
}
