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
  Term,
} from './types.js';

/** An entry that the core itself made: the performer encodes it into the log before anything else. */
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
  /** Drop what follows this index before appending; null when nothing is truncated. */
  readonly truncateAfter: LogIndex | null;
  /** New entries to write, in runs of one term each; empty when only the hard state changed. */
  readonly runs: readonly { readonly term: Term; readonly range: IndexRange }[];
  /** The newest configuration among the new entries. */
  readonly configuration: ConfigurationEntry | null;
}

/** Captured before the sync and returned unchanged after it: a stale one is recognised and ignored. */
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

export interface Ready {
  /** First: entries made by the core, to be placed at exactly these indexes (which are new). */
  readonly created: readonly CoreEntry[];
  /** Second: hand to storage, then step `stored` with the acknowledgement. Null: nothing to write. */
  readonly persist: Persist | null;
  /** Third: may leave at once, in parallel with the disk write. */
  readonly messages: readonly Message[];
  /** May be applied at once, even ahead of the local disk; never snapshot past what is durable. */
  readonly committed: IndexRange | null;
  readonly reads: readonly ReadGrant[];
  /** Set when role, term or leader changed in this turn. */
  readonly soft: { readonly role: Role; readonly term: Term; readonly leader: NodeId } | null;
  /** A configuration took effect (on append) or was rolled back (on truncation). */
  readonly configuration: ConfigurationEntry | null;
}
