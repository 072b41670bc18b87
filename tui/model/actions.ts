import { clean } from './text.js';

/** What may be changed from here, once confirmed. */
export type Action =
  | { readonly do: 'delete-key'; readonly keyspace: string; readonly key: string }
  | { readonly do: 'clear-keyspace'; readonly keyspace: string }
  | { readonly do: 'reset-breaker'; readonly keyspace: string; readonly nodes: readonly string[] }
  | { readonly do: 'drain-node'; readonly node: string };

/** What is asked before it is done. */
export function question(action: Action): string {
  switch (action.do) {
    case 'delete-key':
      return `Delete key ${quoted(action.key)} of ${clean(action.keyspace)} on every node?`;
    case 'clear-keyspace':
      return `Clear keyspace ${clean(action.keyspace)} on every node? All its entries are loaded anew.`;
    case 'reset-breaker':
      return `Close the breaker of ${clean(action.keyspace)} on ${listed(action.nodes)}?`;
    case 'drain-node':
      return `Drain ${clean(action.node)}? It hands over its entries and leaves the ring until it is restarted.`;
    default:
      return action satisfies never;
  }
}

export const quoted = (text: string): string => `"${clean(text)}"`;

const listed = (nodes: readonly string[]): string =>
  nodes.length <= 3 ? nodes.map(clean).join(', ') : `${nodes.length} nodes`;
