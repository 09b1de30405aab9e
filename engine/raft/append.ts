/**
 * Log replication (Raft §5.3): what a leader sends next, what a follower makes of it.
 *
 * Ranges and terms only. An append carries entries of one term; a follower keeps what it already
 * has and truncates only at a real conflict, so a late or repeated append never removes anything.
 */

import { type AppendRequest, MessageKind } from './message.js';
import { type Progress, ProgressState } from './progress.js';
import type { Placement } from './ready.js';
import { offerIfBehind } from './snapshot.js';
import type { CoreState } from './state.js';
import { assert, type LogIndex, NO_TERM, type Term } from './types.js';

/** Leader: sends appends to one peer while its window has room and the log holds what is next. */
export function replicateTo(state: CoreState, progress: Progress): void {
  if (offerIfBehind(state, progress)) return;
  const { windowMessagesMax, windowBytesMax } = state.options;
  while (!progress.isPaused(windowMessagesMax, windowBytesMax)) {
    const probing = progress.state === ProgressState.probe;
    if (progress.next > state.log.last && !probing) return;
    sendAppend(state, progress);
    if (probing) return;
  }
}

/** Sends what comes next, an empty append when nothing does. */
export function sendAppend(state: CoreState, progress: Progress): void {
  const { log, options } = state;
  const prevIndex = (progress.next - 1) as LogIndex;
  const prevTerm = log.termAt(prevIndex);
  assert(prevTerm !== undefined, 'the next index lies within the log');
  const lastIndex =
    progress.next > log.last
      ? prevIndex
      : log.lastFitting(progress.next, options.appendEntriesMax, options.appendBytesMax);
  const empty = lastIndex === prevIndex;
  const bytes = log.bytesBetween(progress.next, lastIndex);
  state.send({
    kind: MessageKind.append,
    from: state.id,
    to: progress.id,
    term: state.term,
    prevIndex,
    prevTerm,
    lastIndex,
    entriesTerm: empty ? NO_TERM : (log.termAt(lastIndex) as Term),
    commit: log.committed,
    round: state.leaderReads.round,
    bytes,
    configurations: [],
  });
  if (progress.state === ProgressState.probe) {
    progress.probeSent = true;
  } else if (!empty) {
    progress.inflight.add(lastIndex, bytes);
    progress.next = (lastIndex + 1) as LogIndex;
  }
}

/**
 * Follower: whether the entry before the append is here, with the same term. What is below the base
 * is committed, so that every leader of this term or a later one has the same.
 */
export function matchesLog(state: CoreState, request: AppendRequest): boolean {
  const { log } = state;
  if (request.prevIndex < log.compacted) return true;
  return log.termAt(request.prevIndex) === request.prevTerm;
}

/** Follower: refuses, with the hint that lets the leader skip whole terms. */
export function refuseAppend(state: CoreState, request: AppendRequest): void {
  const conflictIndex = state.log.lastNotAbove(request.prevIndex, request.prevTerm);
  state.sendDurably({
    kind: MessageKind.appendReply,
    from: state.id,
    to: request.from,
    term: state.term,
    accepted: false,
    match: 0 as LogIndex,
    refusedIndex: request.prevIndex,
    conflictIndex,
    conflictTerm: state.log.termAt(conflictIndex) ?? NO_TERM,
    round: request.round,
  });
}

/** The first index of the append that is not already here with the same term. */
function firstNew(state: CoreState, request: AppendRequest): LogIndex {
  let at = (Math.max(request.prevIndex, state.log.compacted) + 1) as LogIndex;
  while (at <= request.lastIndex && state.log.termAt(at) === request.entriesTerm) {
    at = (Math.min(state.log.endOfTerm(at), request.lastIndex) + 1) as LogIndex;
  }
  return at;
}

/** Follower: adds what is new, truncating a conflicting suffix first; null when nothing is new. */
export function placeEntries(state: CoreState, request: AppendRequest): Placement | null {
  const from = firstNew(state, request);
  if (from > request.lastIndex) return null;
  let truncateAfter: LogIndex | null = null;
  if (from <= state.log.last) {
    truncateAfter = (from - 1) as LogIndex;
    state.truncateAfter(truncateAfter);
  }
  const total = request.lastIndex - request.prevIndex;
  const count = request.lastIndex - from + 1;
  const bytes = Math.ceil((request.bytes * count) / total);
  state.append(count, request.entriesTerm, bytes);
  for (const entry of request.configurations) {
    if (entry.index >= from) state.appendConfiguration(entry);
  }
  return { from, last: request.lastIndex, truncateAfter };
}

/** Follower: the leader's commit index counts only as far as the logs are known to be equal. */
export function followCommit(state: CoreState, commit: LogIndex, equalUpTo: LogIndex): void {
  const reached = Math.min(commit, equalUpTo) as LogIndex;
  assert(reached <= state.log.last, 'the commit index lies within the log');
  if (reached > state.log.committed) state.log.committed = reached;
}

/** Follower: tells the leader what is durable here and equal to its log. */
export function acknowledge(state: CoreState, equalUpTo: LogIndex, round: number): void {
  state.sendDurably({
    kind: MessageKind.appendReply,
    from: state.id,
    to: state.leader,
    term: state.term,
    accepted: true,
    match: Math.min(state.log.durable, equalUpTo) as LogIndex,
    refusedIndex: 0 as LogIndex,
    conflictIndex: 0 as LogIndex,
    conflictTerm: NO_TERM,
    round,
  });
}
