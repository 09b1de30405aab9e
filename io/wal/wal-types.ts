/**
 * The words that the write-ahead log and its callers share: what is submitted, what is
 * acknowledged, what recovery finds. Plain values only, so that they cross threads unchanged.
 */

/** A place in a group's log: the entry at `index` carries `term`. (0, 0) is before the first. */
export interface LogPoint {
  readonly index: number;
  readonly term: number;
}

export const LOG_START: LogPoint = { index: 0, term: 0 };

/**
 * A contiguous stretch of entries of one term: `bytes` holds `count` entries as in
 * codec/entry.ts.
 */
export interface PersistRun {
  readonly term: number;
  readonly first: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** One group's submission: everything in it becomes durable together, in submission order. */
export interface PersistRequest {
  readonly group: number;
  /** Group-local submission number, grows by one; acknowledgements name it. */
  readonly seq: number;
  /** Truncation generation *after* this request; grows by one at each truncation. */
  readonly generation: number;
  /** The submitter's term, captured before the sync and returned in the acknowledgement. */
  readonly term: number;
  /** Term and vote when they changed: synced before the acknowledgement in every sync mode. */
  readonly hardState?: { readonly term: number; readonly vote: number };
  /** Entries after this index are dropped before the runs are added. */
  readonly truncateAfter?: number;
  /**
   * The group's log is dropped as a whole and begins anew behind this point, with the runs of the
   * request. Stands beside no `truncateAfter`.
   */
  readonly reset?: LogPoint;
  readonly runs: readonly PersistRun[];
  /**
   * Entries up to this one, counted after the runs, are no longer needed. May only grow: a point
   * that is behind an earlier one changes nothing.
   */
  readonly compact?: LogPoint;
  /** The newest configuration entry among the runs, opaque here; repeated in checkpoints. */
  readonly configuration?: { readonly index: number; readonly bytes: Uint8Array };
  /**
   * Ends `RecoveredGroup.inDoubt` for good: the group durably holds a later leader's first entry.
   */
  readonly clearsDoubt?: boolean;
  /** It holds nothing that a client proposed: without room it may use the reserve. */
  readonly usesReserve?: boolean;
}

/** What is durable (or, in the relaxed modes, written) after a group commit. */
export interface PersistAck {
  readonly group: number;
  readonly seq: number;
  readonly generation: number;
  readonly term: number;
  /** Last log index of the group after this request. */
  readonly lastIndex: number;
  /** Where the block lies that holds the request's runs: segment number and byte offset. */
  readonly segment: number;
  readonly offset: number;
  /** Only term and vote of the request are durable: it waits for room, see `Wal.promise`. */
  readonly promiseOnly?: true;
}

/** First index of a block's runs for one group, with where the block lies: the sparse log index. */
export interface BlockLocation {
  readonly first: number;
  readonly segment: number;
  readonly offset: number;
}

/** Entries `[first, last]` of a group lie now in the block at `offset` of `segment`. */
export interface MovedEntries extends BlockLocation {
  readonly group: number;
  readonly last: number;
}

/** One group's part of a recovered log. */
export interface RecoveredGroup {
  readonly group: number;
  /**
   * In doubt, both may stand for a hard state that was cut (term-floor.ts): the vote is then this
   * node's own id, and must not be cast again in this term.
   */
  readonly term: number;
  readonly vote: number;
  readonly generation: number;
  /** The newest entry that was forgotten; (0, 0) for none. */
  readonly compacted: LogPoint;
  /** First index present in the log and last; last < first when empty. */
  readonly first: number;
  readonly last: number;
  /** Ascending: `{ first, term }` means entries from `first` on carry `term` until the next run. */
  readonly termRuns: readonly { readonly first: number; readonly term: number }[];
  /**
   * Ascending: last index, and entry bytes of the group from `first` up to it. Sparse, one per 64
   * KiB or segment: extent n ends the stretch that location n begins.
   */
  readonly extents: readonly { readonly last: number; readonly bytes: number }[];
  readonly locations: readonly BlockLocation[];
  /** Configuration entries found, ascending by index: payload bytes. */
  readonly configurations: readonly { readonly index: number; readonly bytes: Uint8Array }[];
  /**
   * A recognisable torn block of this group was cut: something may have been acknowledged in it.
   */
  readonly inDoubt: boolean;
}
