/**
 * What replicas of one group say to each other: every peer message as a plain value.
 *
 * Messages carry index ranges and terms, never payload bytes: whoever sends an `append` attaches
 * the entry bytes of its range, whoever receives one hands the core the range and keeps the bytes.
 * The sender's incarnation is proved by the connection's handshake, not by the sender's word.
 */

import type { ConfigurationEntry, Incarnation, LogIndex, NodeId, Term } from './types.js';

export const MessageKind = {
  preVote: 1,
  preVoteReply: 2,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendReply: 6,
  heartbeat: 7,
  heartbeatReply: 8,
  readIndex: 9,
  readIndexReply: 10,
  timeoutNow: 11,
  snapshot: 12,
} as const;
export type MessageKind = (typeof MessageKind)[keyof typeof MessageKind];

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's term; in preVote the term it would campaign in. */
  readonly term: Term;
}

/** PreVote (thesis §9.6) and vote requests (§5.2). */
export interface VoteRequest extends Envelope {
  readonly kind: typeof MessageKind.preVote | typeof MessageKind.vote;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** What the candidate's log records as the voter's incarnation; 0 when it records none. */
  readonly recorded: Incarnation;
  /**
   * The candidate was told to campaign by the leader: the lease of that leader does not protect.
   */
  readonly transfer: boolean;
}

/** How much a granted vote weighs. */
export const VoteGrant = {
  refused: 0,
  /** Counts towards a majority. */
  full: 1,
  /** Counts only if every voter grants: the voter may have lost what it once acknowledged. */
  unanimous: 2,
} as const;
export type VoteGrant = (typeof VoteGrant)[keyof typeof VoteGrant];

export interface VoteReply extends Envelope {
  readonly kind: typeof MessageKind.preVoteReply | typeof MessageKind.voteReply;
  readonly grant: VoteGrant;
}

/** AppendEntries (§5.3) for `[prevIndex + 1, lastIndex]`, all of `entriesTerm`; may be empty. */
export interface AppendRequest extends Envelope {
  readonly kind: typeof MessageKind.append;
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly lastIndex: LogIndex;
  /** The one term of the entries; 0 when there are none. */
  readonly entriesTerm: Term;
  readonly commit: LogIndex;
  /** The newest read round the leader has started. */
  readonly round: number;
  /** Total entry bytes attached; 0 exactly when there are no entries. */
  readonly bytes: number;
  /** Configuration entries among the range: decoded from the bytes on receipt, never sent twice. */
  readonly configurations: readonly ConfigurationEntry[];
}

export interface AppendReply extends Envelope {
  readonly kind: typeof MessageKind.appendReply;
  readonly accepted: boolean;
  /** Accepted: the last index that is durable here and matches the leader. Refused: 0. */
  readonly match: LogIndex;
  /** Refused: the prevIndex that did not match, or the point of a snapshot that is too old. */
  readonly refusedIndex: LogIndex;
  /**
   * Refused: the largest index here, ≤ refusedIndex, whose term is ≤ the request's prevTerm; of a
   * snapshot, the least point that would do, which is > refusedIndex …
   */
  readonly conflictIndex: LogIndex;
  /** … and its term: the leader skips every entry that cannot match by whole terms. */
  readonly conflictTerm: Term;
  readonly round: number;
}

export interface Heartbeat extends Envelope {
  readonly kind: typeof MessageKind.heartbeat;
  /** min(commit, match of the receiver): never more than the receiver is known to hold. */
  readonly commit: LogIndex;
  readonly round: number;
}

export interface HeartbeatReply extends Envelope {
  readonly kind: typeof MessageKind.heartbeatReply;
  readonly round: number;
  readonly durable: LogIndex;
  readonly applied: LogIndex;
  /** What its log no longer holds is in no snapshot here: it cannot apply until it gets one. */
  readonly needsSnapshot: boolean;
}

/** A follower asks for the read index of a batch of its reads (thesis §6.4). */
export interface ReadIndexRequest extends Envelope {
  readonly kind: typeof MessageKind.readIndex;
  readonly context: number;
}

export interface ReadIndexReply extends Envelope {
  readonly kind: typeof MessageKind.readIndexReply;
  readonly context: number;
  readonly index: LogIndex;
}

/** Leadership transfer (thesis §3.10): campaign at once. */
export interface TimeoutNow extends Envelope {
  readonly kind: typeof MessageKind.timeoutNow;
}

/** InstallSnapshot (§7) without its bytes: a snapshot of the log up to here can be fetched. */
export interface SnapshotOffer extends Envelope {
  readonly kind: typeof MessageKind.snapshot;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The newest read round the leader has started. */
  readonly round: number;
}

export type Message =
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | ReadIndexRequest
  | ReadIndexReply
  | TimeoutNow
  | SnapshotOffer;
