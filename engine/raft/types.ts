/**
 * The identities, units and small values of the core.
 *
 * Branded numbers keep a term from being used as an index. Nothing here knows time, threads or
 * bytes.
 */

declare const brand: unique symbol;

/** A Raft term: grows, never shrinks, on one replica. */
export type Term = number & { readonly [brand]: 'Term' };
/** Position in the replicated log; the first entry has index 1, 0 means "before the log". */
export type LogIndex = number & { readonly [brand]: 'LogIndex' };
/** A member of the cluster, 1-based; 0 means "nobody". */
export type NodeId = number & { readonly [brand]: 'NodeId' };
/** Milliseconds of a monotonic clock whose origin means nothing. */
export type Millis = number & { readonly [brand]: 'Millis' };
/** Random identity of one life of a replica's data; 0 means "not recorded yet". */
export type Incarnation = number & { readonly [brand]: 'Incarnation' };

export const term = (value: number): Term => value as Term;
export const logIndex = (value: number): LogIndex => value as LogIndex;
export const nodeId = (value: number): NodeId => value as NodeId;
export const millis = (value: number): Millis => value as Millis;
export const incarnation = (value: number): Incarnation => value as Incarnation;

export const NOBODY = nodeId(0);
export const NO_TERM = term(0);
export const NO_INDEX = logIndex(0);
export const NO_INCARNATION = incarnation(0);

export const Role = {
  follower: 'follower',
  preCandidate: 'preCandidate',
  candidate: 'candidate',
  leader: 'leader',
} as const;
export type Role = (typeof Role)[keyof typeof Role];

/** What must be durable before it takes effect. */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId;
}

/** `first` and what follows carry `term`, until the next run. */
export interface TermRun {
  readonly first: LogIndex;
  readonly term: Term;
}

/** An inclusive range of log indexes; empty when `last < first`. */
export interface IndexRange {
  readonly first: LogIndex;
  readonly last: LogIndex;
}

/** What a snapshot covers: the log up to the entry at `index`, which has `term`. */
export interface SnapshotPoint {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Also of points that came in a record or a frame, as plain numbers. */
export function isSamePoint(
  a: { readonly index: number; readonly term: number },
  b: { readonly index: number; readonly term: number },
): boolean {
  return a.index === b.index && a.term === b.term;
}

/**
 * What the change of the membership that is under way makes of a member, as soon as all of it can
 * be done at once (see membership-change.ts).
 */
export const MemberPlan = { stay: 0, promote: 1, demote: 2, remove: 3 } as const;
export type MemberPlan = (typeof MemberPlan)[keyof typeof MemberPlan];

/** One member as the configuration records it. */
export interface Member {
  readonly id: NodeId;
  /** Where peers reach it, `host:port`; opaque to the core. */
  readonly address: string;
  /**
   * The life of its data that may vote and count; 0 until the first leader has recorded it, and
   * while one that lost its data is readmitted.
   */
  readonly incarnation: Incarnation;
  readonly plan: MemberPlan;
}

/**
 * A full joint description of the membership. `outgoing` is empty outside a joint change; while it
 * is not, decisions need a majority of `voters` and of `outgoing` (Raft §6).
 */
export interface Configuration {
  readonly voters: readonly NodeId[];
  readonly outgoing: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Outgoing voters that become learners when the joint change completes. */
  readonly learnersNext: readonly NodeId[];
  readonly members: readonly Member[];
}

/** A configuration together with the entry that holds it (index 0: the bootstrap record). */
export interface ConfigurationEntry {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/** Ends an exhaustive switch: reaching it is a programmer's mistake. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** An always-on assertion; `text` must be a constant on hot paths. */
export function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${text}`);
}
