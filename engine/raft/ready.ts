/**
 * `Ready`: the whole outward language of the core, one value per turn.
 *
 * The order written on each field is the contract with whoever performs it. The core keeps back
 * by itself every message that must wait for a sync (votes, vote replies, append
 * acknowledgements): it releases them when the storage acknowledgement is stepped in.
 */

import type { Message } from './message.js';
import type {
  Configuration,
  ConfigurationEntry,
  HardState,
  IndexRange,
  LogIndex,
  NodeId,
  Role,
  SnapshotPoint,
  Term,
} from './types.js';

/**
 * An entry that the core itself made. The performer collects them (`takeCreated`) after every
 * single step, before it places any other entry, so that the log is filled in index order.
 */
export interface CoreEntry {
  readonly index: LogIndex;
  /** Null: a no-op. */
  readonly configuration: Configuration | null;
}

/** One submission to stable storage. Submissions are durable in order of `seq`. */
export interface Persist {
  readonly seq: number;
  readonly generation: number;
  readonly term: Term;
  readonly hardState: HardState | null;
  /**
   * Drop the whole log before appending: it begins anew after this point, which a snapshot that is
   * durable here covers. `truncateAfter` is null then, and `configuration` is the one in force.
   */
  readonly reset: SnapshotPoint | null;
  /** Drop what follows this index before appending; null when nothing is truncated. */
  readonly truncateAfter: LogIndex | null;
  /** New entries to write, in runs of one term each; empty when only the hard state changed. */
  readonly runs: readonly { readonly term: Term; readonly range: IndexRange }[];
  /** Entries up to here are no longer needed, once all of the above is durable. */
  readonly compact: SnapshotPoint | null;
  /** The newest configuration among the new entries. */
  readonly configuration: ConfigurationEntry | null;
  /** An entry of a leader elected since is durable here: the doubt of a cut tail ends for good. */
  readonly clearsDoubt: boolean;
}

/**
 * Captured before the sync and returned unchanged after it: a stale one is recognised and ignored.
 */
export interface StorageAck {
  readonly seq: number;
  readonly generation: number;
  readonly term: Term;
  readonly lastIndex: LogIndex;
}

/** A confirmed read: it may be served once `index` is applied here. */
export interface ReadGrant {
  readonly id: number;
  readonly index: LogIndex;
}

/** What became of a proposal: the first index it got, or why it was not taken. */
export type Proposed =
  | { readonly first: LogIndex; readonly term: Term }
  | { readonly refused: 'notLeader' | 'transferring'; readonly leader: NodeId };

/** Where the entries of a received append go: `from` is the first index that is new here. */
export interface Placement {
  readonly from: LogIndex;
  readonly last: LogIndex;
  /** Entries after this index were truncated first; null when none were. */
  readonly truncateAfter: LogIndex | null;
}

/** A snapshot that this replica needs, and which peer offers it. */
export interface SnapshotWanted {
  readonly from: NodeId;
  readonly point: SnapshotPoint;
}

export interface Ready {
  /**
   * First: hand to storage, then step `stored` with the acknowledgement. Null: nothing to write.
   */
  readonly persist: Persist | null;
  /** Second: may leave at once, in parallel with the disk write. */
  readonly messages: readonly Message[];
  /** May be applied at once, even ahead of the local disk; never snapshot past what is durable. */
  readonly committed: IndexRange | null;
  readonly reads: readonly ReadGrant[];
  /** Set when role, term or leader changed in this turn. */
  readonly soft: { readonly role: Role; readonly term: Term; readonly leader: NodeId } | null;
  /** A configuration took effect (on append) or was rolled back (on truncation). */
  readonly configuration: ConfigurationEntry | null;
  /**
   * Fetch this snapshot, make it durable, then step `install`. It is said again as often as it is
   * offered: a fetch that is under way goes on.
   */
  readonly snapshotWanted: SnapshotWanted | null;
}
