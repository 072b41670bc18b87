/**
 * Laws: gets = cache_hits + loads; loads + refreshes = loads_coalesced + flights begun. What peers ask of this node counts
 * as gets too, and as server_requests.
 */
export interface KeyspaceCounts {
  gets: number;
  /** Answered from this node's memory, remembered absences and hot copies included. */
  cacheHits: number;
  hotHits: number;
  negativeHits: number;
  /** Answered past their expiry, at once or as the data source failed. */
  stale: number;
  /** Loads begun behind such an answer, or ahead of need. */
  refreshes: number;
  /** Reads that memory could not answer. */
  loads: number;
  /** Answers fetched from the owner. */
  peerLoads: number;
  peerErrors: number;
  /** Asked of the data source by this node: answered, and failed. */
  localLoads: number;
  localLoadErrors: number;
  /** Loads whose value was served but not kept, because a write fell into them or the owner was out of reach. */
  unkeptLoads: number;
  serverRequests: number;
  puts: number;
  deletes: number;
  /** Invalidations received. */
  invalidations: number;
  /** Answers of nodes that owned the key before. */
  recalls: number;
  /** Other nodes than the owner asked, as the owner was out of reach. */
  standIns: number;
  /** Asked nodes that did not believe to be the owner. */
  disagreements: number;
  /** Entries taken for an owner, as its replica or as the owner to come. */
  held: number;
  /** Copies compared with their owner's entry, and those of them that were not current: see Sampler. */
  copiesChecked: number;
  copiesStale: number;
}

export const noCounts = (): KeyspaceCounts => ({
  gets: 0,
  cacheHits: 0,
  hotHits: 0,
  negativeHits: 0,
  stale: 0,
  refreshes: 0,
  loads: 0,
  peerLoads: 0,
  peerErrors: 0,
  localLoads: 0,
  localLoadErrors: 0,
  unkeptLoads: 0,
  serverRequests: 0,
  puts: 0,
  deletes: 0,
  invalidations: 0,
  recalls: 0,
  standIns: 0,
  disagreements: 0,
  held: 0,
  copiesChecked: 0,
  copiesStale: 0,
});
