/** What an event of the cluster says of a peer, in the words of records. */
export const saidOf = {
  'peer-joined': 'joined',
  'peer-left': 'left',
  'peer-failed': 'failed',
  'peer-updated': 'updated',
} as const;
