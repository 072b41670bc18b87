import { AsyncLocalStorage } from 'node:async_hooks';
import type { LoadContext } from '../ports/load-context.js';

const none: readonly string[] = [];

/** Follows asynchronous calls through Node's own context tracking. */
export function asyncLoadContext(): LoadContext {
  const storage = new AsyncLocalStorage<readonly string[]>();
  return {
    current: () => storage.getStore() ?? none,
    run: (loading, body) => storage.run(loading, body),
  };
}
