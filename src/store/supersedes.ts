import type { Entry, NewEntry } from './entry.js';

/** Whether an entry takes the place of what is stored under its key. */
export function supersedes(given: NewEntry, stored: Entry): boolean {
  if (isEarlierRow(given, stored)) return false;
  if (given.version !== stored.version) return given.version > stored.version;
  const isCopy = given.owner !== '' && given.isHeld !== true;
  if (isCopy && (stored.owner === '' || stored.isHeld)) return false;
  return (
    given.expiresAtMs > stored.expiresAtMs || given.owner !== stored.owner || (given.isHeld ?? false) !== stored.isHeld
  );
}

/** A read replica of a database may lag: what it says must not take the place of a later version of the same row. */
const isEarlierRow = (given: NewEntry, stored: Entry): boolean =>
  given.sourceVersion !== undefined &&
  stored.sourceVersion !== undefined &&
  !given.wasPut &&
  !stored.wasPut &&
  given.sourceVersion < stored.sourceVersion;
