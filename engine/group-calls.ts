/**
 * What the calls of a group take and give, and what it tells its listeners. Types only.
 */

import type { AdminAnswer } from './admin-calls.js';
import type { Replication } from './config-groups.js';
import type { ConsistencyWord } from './config-reads.js';
import type { ErrorNumber, RingraftError } from './errors.js';
import type { MemberEvent } from './member-news.js';
import type { OnAllAnswer } from './replicated-results.js';
import type { SessionPlace } from './session-calls.js';
import type { SnapshotAnswer } from './snapshot-calls.js';
import type { LearnerProgress } from './status.js';
import type { StaleAnswer } from './witness-mode.js';

export interface CallOptions {
  /**
   * Milliseconds until the call ends with an error. Default: the engine's `timeoutMs`.
   *
   * The end may come up to 300 ms later: the group's thread gets that long to say what became of
   * the call, which nobody else knows. A command that it has appended, or sent to a leader, ends as
   * `ERR_OUTCOME_UNKNOWN`. While the main thread is blocked no call ends, and what was answered
   * meanwhile is handed out first.
   */
  readonly timeoutMs?: number;
  /**
   * Ends the wait with `ERR_ABORTED`; a command already sent may still be executed. A signal that
   * is aborted before the call ends it whatever else holds, and nothing is sent.
   */
  readonly signal?: AbortSignal;
}

export interface ProposeOptions extends CallOptions {
  /** False: a follower refuses with `ERR_NOT_LEADER` instead of forwarding. Default true. */
  readonly forward?: boolean;
  /**
   * `quorum`: answered once it is committed and executed here. `all`: once every voter has executed
   * it. On the leader only: a follower refuses with `ERR_NOT_LEADER`. When `timeoutMs` is over, or
   * leadership moves meanwhile, it ends as `ERR_NOT_ON_ALL`, which says that the command is
   * committed and executed, at which index, and which voters are missing. Default: the group's.
   */
  readonly replication?: Replication;
  /**
   * The command's place in a session: sent again with the same place, by any node, it answers what
   * it answered and is executed once at most. `ERR_SESSION_UNKNOWN`: the session is not open any
   * more. `ERR_SESSION_FORGOTTEN`: the place is further back than the session remembers, which is
   * 1,024 sequences and 256 KiB of results: no more than that many may be without an answer.
   */
  readonly session?: SessionPlace;
}

export interface ReadOptions extends CallOptions {
  /**
   * What the answer must reflect; the group's `reads` unless said here. Every node serves each.
   *
   * - `linearizable`: every write acknowledged before the call. One quorum round for all reads of a
   *   turn, whatever clocks do.
   * - `lease`: the same without the round, while the leader's lease holds; with it otherwise. It
   *   needs `leaseReads: true`, and clocks whose rates differ by less than `leaseDriftPercent`.
   * - `bounded`: every write acknowledged `maxStalenessMs` before the call. One round for all reads
   *   of such a time.
   * - `local`: what this node has applied, however old: nothing is asked, and no leader is needed.
   */
  readonly consistency?: ConsistencyWord;
  /** With `bounded`: how old the state may be that answers, in milliseconds. */
  readonly maxStalenessMs?: number;
}

/** The answer to a read, and where it was read. */
export interface ReadResult {
  readonly value: Buffer;
  /**
   * Entries up to this one are in the state that answered: `waitForApplied(index)` on another node,
   * and a local read there sees no less.
   */
  readonly index: number;
  /** The node whose state machine answered: this one. */
  readonly servedBy: number;
  /** Of a witness: the answer is as old as it is, and this says what is known of it. Else null. */
  readonly stale: StaleAnswer | null;
}

/** What the group's thread tells, as it comes. */
export type GroupNews =
  | { readonly kind: 'role'; readonly role: string; readonly term: number; readonly leader: number }
  | { readonly kind: 'configuration'; readonly index: number; readonly bytes: string }
  | {
      readonly kind: 'unreadable';
      readonly index: number;
      readonly from: number;
      readonly text: string;
    }
  | { readonly kind: 'catchUp'; readonly learners: readonly LearnerProgress[] }
  | { readonly kind: 'snapshotWarning'; readonly text: string }
  | SnapshotAnswer
  | AdminAnswer
  | OnAllAnswer
  | { readonly kind: 'failed'; readonly code: ErrorNumber; readonly text: string };

/** What became of one command of `proposeMany`. */
export type ProposeResult =
  | { readonly ok: true; readonly value: Buffer }
  | { readonly ok: false; readonly error: RingraftError };

/** Listeners run in a turn of their own: what they throw is theirs. */
export interface GroupEvents {
  /** Role, term or leader changed here; `previous` is the role before. */
  role: [{ role: string; previous: string; term: number; leader: number }];
  leader: [{ leader: number; previous: number; term: number }];
  /** The members changed, as far as this node knows: see `MemberEvent`. */
  member: [MemberEvent];
  /** The commit index as of now and then, not each of its steps; `term` is that entry's. */
  commit: [{ index: number; term: number }];
  /**
   * An entry of the leader that this version cannot read was not taken: the replica stays behind.
   * Once per entry; `status().unreadableAppends` counts every try.
   */
  unreadable: [{ index: number; from: number; text: string }];
  /** Something an operator should know of that stops nothing, such as a snapshot that failed. */
  warning: [{ text: string }];
  /** The group stopped on this node. Nothing is thrown when nobody listens. */
  error: [RingraftError];
}
