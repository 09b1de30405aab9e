/**
 * The doors of a group's runtime: storage, network, completions, old log, snapshots. A worker wires
 * them to rings, the simulator to virtual devices; the runtime knows nothing else around it.
 *
 * A port never blocks and never throws for load: what does not fit now is the port's own state, and
 * a message to a peer may be lost, as on any network.
 */

import type { ErrorNumber } from '../errors.js';
import type { AppendRequest, Message } from '../raft/message.js';
import type { NodeId, Role, Term } from '../raft/types.js';
import type { LearnerProgress } from '../status.js';
import type { AdminResult } from './administration.js';
import type { LogPiece } from './log-index.js';
import type { Lagging } from './replication-waits.js';
import type { SnapshotPort } from './snapshot-port.js';

/** A run of entries of one term that lies contiguously in the arena. */
export interface ArenaRun {
  readonly term: number;
  readonly first: number;
  readonly count: number;
  readonly position: number;
  readonly bytes: number;
}

/** The entry at `index`, which carries `term`. */
export interface LogPoint {
  readonly index: number;
  readonly term: number;
}

/** One submission to stable storage: see `Persist` in raft/ready.ts for what its fields promise. */
export interface Submission {
  readonly seq: number;
  readonly generation: number;
  readonly term: number;
  readonly hardState: { readonly term: number; readonly vote: number } | null;
  readonly truncateAfter: number | null;
  /** The whole log is dropped: it begins anew behind this point, with `runs`. */
  readonly reset?: LogPoint | null;
  readonly runs: readonly ArenaRun[];
  /** Entries up to here are no longer needed. */
  readonly compact?: LogPoint | null;
  readonly configuration: { readonly index: number; readonly bytes: Uint8Array } | null;
  readonly clearsDoubt: boolean;
  /** Nothing in it was proposed by a client: without space on the disk it may use the reserve. */
  readonly usesReserve: boolean;
}

export interface StoragePort {
  /** The arena regions of `runs` stay untouched until the submission is acknowledged. */
  submit(submission: Submission): void;
  /** The group has stopped here: nothing of its log will be forgotten before a restart. */
  stopped(): void;
  /**
   * There is no space for another segment, or the log is as long as it may be, and what is left is
   * for what is in some log already: clients' entries are to be refused before they are in one.
   */
  readonly isShort: boolean;
  /** What is left is for what was submitted here: entries of leaders are to be refused as well. */
  readonly isFull: boolean;
  /** Grows with each look at a submission that finds no space: storage waits, it is not stalled. */
  readonly waits: number;
}

/** The leader's answer to forwarded proposals. */
export interface ForwardReply {
  readonly forwardId: number;
  /** 0: appended at `first` in `term`; otherwise why not, surely not executed. */
  readonly code: ErrorNumber | 0;
  readonly first: number;
  readonly count: number;
  readonly term: number;
  readonly leader: NodeId;
}

export interface NetworkPort {
  send(message: Message): void;
  /** The arena regions of `pieces` stay untouched until `isConsumed(mark())` of this moment. */
  sendAppend(message: AppendRequest, pieces: readonly LogPiece[]): void;
  /** Entries that were read back from disk: copied before the call returns. */
  sendLoaded(message: AppendRequest, slab: Uint8Array): void;
  /** Entries proposed here, for the leader to append: copied before the call returns. */
  sendForward(to: NodeId, forwardId: number, term: Term, count: number, slab: Uint8Array): void;
  sendForwardReply(to: NodeId, reply: ForwardReply): void;
  /**
   * This configuration (codec/configuration.ts) is in force: its members are the peers. `isLost`:
   * no leader is known here that it names, so that it may be out of date.
   */
  configure(configuration: Uint8Array, isLost: boolean): void;
  /** A mark after everything sent so far; marks grow. */
  mark(): number;
  /** Whether everything sent before the mark has been taken out of the arena. */
  isConsumed(mark: number): boolean;
}

export type RuntimeEvent =
  | { readonly kind: 'role'; readonly role: Role; readonly term: Term; readonly leader: NodeId }
  | { readonly kind: 'configuration'; readonly index: number; readonly bytes: Uint8Array }
  | {
      readonly kind: 'unreadable';
      readonly index: number;
      readonly from: NodeId;
      readonly text: string;
    }
  | {
      readonly kind: 'snapshot';
      readonly id: number;
      readonly index: number;
      readonly term: number;
      readonly imageBytes: number;
      readonly fileBytes: number;
    }
  | {
      readonly kind: 'snapshotRefused';
      readonly id: number;
      readonly code: ErrorNumber;
      readonly text: string;
    }
  | { readonly kind: 'snapshotWarning'; readonly text: string }
  | { readonly kind: 'catchUp'; readonly learners: readonly LearnerProgress[] }
  | { readonly kind: 'adminDone'; readonly id: number; readonly result: AdminResult }
  | {
      readonly kind: 'adminRefused';
      readonly id: number;
      readonly code: ErrorNumber;
      readonly text: string;
      readonly leader: NodeId;
    }
  /** No voter is missing at the index that was asked for, or these are; null: nobody here knows. */
  | { readonly kind: 'onAll'; readonly id: number; readonly missing: readonly Lagging[] | null }
  | { readonly kind: 'failed'; readonly code: ErrorNumber; readonly text: string };

export interface CompletionPort {
  /**
   * Results of entries `[offset, offset + count)` of a batch (codec/results.ts): copied. In the log
   * they are those from `first` on.
   */
  results(batch: number, offset: number, count: number, bytes: Uint8Array, first: number): void;
  /** Entries of a batch that end with an error. */
  refused(batch: number, offset: number, count: number, code: ErrorNumber, leader: NodeId): void;
  /**
   * Answers to queries `[offset, offset + count)` of a read batch: copied. Entries up to `index`
   * are in the state that gave them.
   */
  readResults(batch: number, offset: number, count: number, bytes: Uint8Array, index: number): void;
  readRefused(batch: number, count: number, code: ErrorNumber, leader: NodeId): void;
  /** The state machine did not answer query `offset` as it must: what it did instead. */
  readFailed(batch: number, offset: number, text: string): void;
  event(event: RuntimeEvent): void;
}

/** Asks for entries that left memory. */
export interface LoadRequest {
  readonly id: number;
  readonly segment: number;
  readonly offset: number;
  readonly first: number;
  readonly last: number;
  readonly bytesMax: number;
  /** The one term that the wanted entries carry: versions that were truncated are skipped by it. */
  readonly term: number;
}

/**
 * Entries read back: contiguous from `first`, one slab. `count` 0: they cannot be read, and `slab`
 * is the reason as text.
 */
export interface LoadedEntries {
  readonly id: number;
  readonly first: number;
  readonly count: number;
  readonly slab: Buffer;
}

export interface LogReaderPort {
  load(request: LoadRequest): void;
}

export interface RuntimePorts {
  readonly storage: StoragePort;
  readonly network: NetworkPort;
  readonly completions: CompletionPort;
  readonly oldLog: LogReaderPort;
  readonly snapshots: SnapshotPort;
  /**
   * Milliseconds of the wall clock: stamped into entries, monotone by max, never used for timing,
   * but to notice that the monotonic clock stood still (clock-readings.ts).
   */
  readonly wallClock: () => number;
  /** Milliseconds of the monotonic clock that inputs are timed by, read at the call. */
  readonly clock: () => number;
  /** Milliseconds of a monotonic clock: only to bound how long one turn applies entries. */
  readonly stopwatch: () => number;
}
