import { useCallback, useSyncExternalStore } from 'react';
import type { Seen, Session } from '../polling/session.js';

/** The one subscription of the dashboard. */
export function useSeen(session: Session): Seen {
  const subscribe = useCallback((listener: () => void) => session.subscribe(listener), [session]);
  return useSyncExternalStore(subscribe, () => session.seen);
}
