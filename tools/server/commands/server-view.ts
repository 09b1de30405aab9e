/**
 * What commands may know about the server they run in. The server implements it; tests give a fixed
 * one. Reading it must be cheap and must not wait for anything.
 */

import type { LearnerProgress, SnapshotStatus } from '../../../engine/status.js';
import type { Session } from './session.js';

/** What this node's write-ahead log has done since the start. */
export interface LogView {
  /** Group commits. */
  readonly blocks: number;
  readonly requests: number;
  readonly bytesWritten: number;
  readonly syncs: number;
  /** Bytes of all segments, and how many they may become. */
  readonly logBytes: number;
  readonly bytesMax: number;
  readonly segments: number;
  /** Times of a group commit, write and sync together, in microseconds. */
  readonly commitP50Us: number;
  readonly commitP99Us: number;
}

/** The replicated group's state on this node, as STATUS shows it. */
export interface StatusView {
  /** Lower case: `follower`, `candidate`, `leader`, … */
  readonly role: string;
  readonly term: number;
  /** 0: no leader is known. */
  readonly leaderId: number;
  readonly commitIndex: number;
  readonly lastApplied: number;
  readonly kvKeys: number;
  readonly kvMemoryBytes: number;
  /** `full`: it votes and counts. Else why not: `fresh`, `aside`, `recovering`, … */
  readonly standing: string;
  /** On the leader: each learner, and how far it is. */
  readonly learners: readonly LearnerProgress[];
  /** In witness mode: what it answers is stale, and how long no leader was heard. */
  readonly witness: boolean;
  readonly leaderSilenceMs: number;
  readonly log: LogView;
  readonly snapshots: SnapshotStatus;
  /** Entries up to here are no longer in the log. */
  readonly compactedIndex: number;
}

export interface ServerView {
  readonly nodeId: number;
  readonly clusterId: number;
  /** Of ringraft itself. */
  readonly version: string;
  /** The sync mode and what it means for a write that was acknowledged: `always: …`. */
  readonly durability: string;
  readonly startedAtMs: number;
  /** Reads by lease are served here. */
  readonly leaseReads: boolean;
  nowMs(): number;
  status(): StatusView;
  /** Open client connections, the asking one included. */
  sessions(): Iterable<Session>;
  /** Since the start: connections accepted, commands processed. */
  readonly connectionsAccepted: number;
  readonly commandsProcessed: number;
  /** What CONFIG GET shows, by name; values as text. */
  configuration(): ReadonlyMap<string, string>;
}
