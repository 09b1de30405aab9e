/**
 * Bugs that the simulator must find, of elections, replication, the log, reads and readmission;
 * those of leases and bounded reads are in read-mutants.ts, of snapshots in snapshot-mutants.ts.
 *
 * Nothing here is ever compiled into the project itself.
 */

import { MEMBERSHIP_MUTANTS } from './membership-mutants.js';
import type { Mutant } from './mutant.js';
import { READ_MUTANTS } from './read-mutants.js';
import { SESSION_MUTANTS } from './session-mutants.js';
import { SNAPSHOT_MUTANTS } from './snapshot-mutants.js';
import { WITNESS_MUTANTS } from './witness-mutants.js';

const CORE_MUTANTS: readonly Mutant[] = [
  {
    name: 'vote-not-persisted',
    what: 'a vote is granted before it is on disk',
    file: 'engine/raft/candidate.ts',
    find: 'if (isPreVote) state.send(reply);\n  else state.sendDurably(reply);',
    replace: 'state.send(reply);',
    inTests: true,
  },
  {
    name: 'held-taken-for-applied',
    what: 'a write that waits for all is answered when every voter has it in its log',
    file: 'engine/runtime/replication-waits.ts',
    find: 'return progress.applied;',
    replace: 'return progress.match;',
  },
  {
    name: 'vote-forgotten',
    what: 'term and vote are never written',
    file: 'engine/raft/state.ts',
    find: 'hardState: this.#hardStateDirty ? { term: this.term, vote: this.vote } : null,',
    replace: 'hardState: null,',
  },
  {
    name: 'commit-earlier-term',
    what: 'entries of earlier terms are committed by counting replicas',
    file: 'engine/raft/commit.ts',
    find: 'if (state.log.termAt(reached) !== state.term) return false;',
    replace: '',
    inTests: true,
  },
  {
    name: 'acknowledge-before-sync',
    what: 'the log acknowledges what it has written and not synced',
    file: 'io/wal/wal.ts',
    find: 'if (writer.schedule.written(plan.sequence, staged.strict, nowMs)) writer.sync();',
    replace: 'writer.schedule.written(plan.sequence, staged.strict, nowMs);',
    inTests: true,
  },
  {
    name: 'failed-sync-trusted',
    what: 'a restart relies on what a failed sync left in memory',
    file: 'io/wal/recovery.ts',
    find: 'const rewrittenBytes = rewriteUnproven(file, scan);',
    replace: 'const rewrittenBytes = 0;',
  },
  {
    name: 'unreadable-sector-as-zeros',
    what: 'a sector of the log that the disk cannot read is taken for one without a byte',
    file: 'io/wal/segment-reader.ts',
    find: 'throw new WalUnreadable(this.path, offset + at, error);',
    replace: 'target.fill(0, at, Math.min(at + SECTOR_BYTES, length));',
    inTests: true,
  },
  {
    name: 'queries-have-one-turn',
    what: 'queries whose time is used up are never given that of another turn',
    file: 'engine/runtime/group-runtime.ts',
    find: 'host.beginTurn?.();',
    replace: '',
    inTests: true,
  },
  {
    name: 'throwing-machine-passed-over',
    what: 'a command at which the state machine throws is passed over',
    file: 'engine/runtime/machine-host.ts',
    find: "events.failed(Math.max(cursor.index, first), cause, 'apply');\n      return;",
    replace: '',
    inTests: true,
  },
  {
    name: 'stale-storage-acknowledgement',
    what: 'an acknowledgement from before a truncation counts for what came after it',
    file: 'engine/raft/raft.ts',
    find: 'if (ack.generation === state.log.generation && ack.lastIndex > state.log.durable) {',
    replace: 'if (ack.lastIndex <= state.log.last && ack.lastIndex > state.log.durable) {',
    inTests: true,
  },
  {
    name: 'vote-for-shorter-log',
    what: 'a vote is granted to a candidate whose log is behind',
    file: 'engine/raft/election.ts',
    find: 'log.isUpToDate(request.lastIndex, request.lastTerm)',
    replace: 'log.isUpToDate(log.last, log.lastTerm)',
    inTests: true,
  },
  {
    name: 'local-read',
    what: 'reads are answered from the local machine without asking anybody',
    file: 'engine/runtime/reads.ts',
    find: 'if (consistency === Consistency.local) return 0;',
    replace: 'if (consistency !== Consistency.lease) return 0;',
    inTests: true,
  },
  {
    name: 'read-without-round',
    what: 'a leader confirms reads without asking whether it still leads',
    file: 'engine/raft/leader.ts',
    find: 'const confirmed = state.leaderReads.confirm(answered);',
    replace:
      'const confirmed = state.leaderReads.confirm(Math.max(answered, state.leaderReads.round));',
  },
  {
    name: 'read-before-first-commit',
    what: 'a new leader answers reads before it has committed in its term',
    file: 'engine/raft/leader.ts',
    find: 'if (state.leaderReads.wantsRound && committedInTerm(state)) {',
    replace: 'if (state.leaderReads.wantsRound && state.term > 0) {',
  },
  {
    name: 'commit-beyond-match',
    what: 'a follower takes the commit index though its log may differ from the leader’s',
    file: 'engine/raft/append.ts',
    find: 'const reached = Math.min(commit, equalUpTo) as LogIndex;',
    replace: 'const reached = Math.min(commit, Math.max(equalUpTo, state.log.last)) as LogIndex;',
    inTests: true,
  },
  {
    name: 'truncate-always',
    what: 'every append drops what follows it, also when it only came late',
    file: 'engine/raft/append.ts',
    find: 'while (at <= request.lastIndex && state.log.termAt(at) === request.entriesTerm) {',
    replace: 'while (at < 0) {',
  },
  {
    name: 'acknowledge-unwritten',
    what: 'a follower acknowledges entries that its disk has not',
    file: 'engine/raft/append.ts',
    find: 'match: Math.min(state.log.durable, equalUpTo) as LogIndex,',
    replace: 'match: equalUpTo,',
  },
  {
    name: 'wiped-replica-counts',
    what: 'a replica that lost its data still votes and counts',
    file: 'engine/raft/state.ts',
    find: '&& recordedIncarnation(this.configuration, id) === proved;',
    replace: '&& this.configuration.voters.includes(id);',
  },
  {
    name: 'wiped-replica-keeps-its-life',
    what: 'a replica that lost its data comes back with the incarnation that it had',
    file: 'io/data-directory.ts',
    find: 'incarnation: randomU48(),',
    replace: 'incarnation: 1000 + nodeId,',
    inTests: true,
  },
  {
    name: 'recovering-replica-votes',
    what: 'a replica grants votes, and they count, while no life of it is recorded',
    file: 'engine/raft/election.ts',
    find: 'if (isVoter(state.configuration, from) && isErased(state.configuration, from)) return;',
    replace: `if (isErased(state.configuration, from)) {
    state.votes.set(from, 'full');
    return;
  }`,
  },
  {
    name: 'recovering-replica-commits',
    what: 'a replica counts for the commit index while no life of it is recorded',
    file: 'engine/raft/commit.ts',
    find: '|| !state.isIntact(progress.id, progress.incarnation)) return NO_INDEX;',
    replace: `) return NO_INDEX;
  const member = state.configuration.members.find((each) => each.id === id);
  const isIntact = state.isIntact(progress.id, progress.incarnation);
  if (!isIntact && member?.incarnation !== 0) return NO_INDEX;`,
  },
  {
    name: 'recovering-replica-confirms-reads',
    what: 'a replica confirms that a leader leads while no life of it is recorded',
    file: 'engine/raft/leader.ts',
    find: 'return state.isIntact(id, progress.incarnation) ? progress.round : 0;',
    replace: `const member = state.configuration.members.find((each) => each.id === id);
    const isIntact = state.isIntact(id, progress.incarnation);
    return isIntact || member?.incarnation === 0 ? progress.round : 0;`,
  },
  {
    name: 'readmitted-in-one-step',
    what: 'the new life of a wiped replica is recorded before its former one is erased',
    file: 'engine/raft/readmission.ts',
    find: 'const next = recorded === NO_INCARNATION ? incarnation : NO_INCARNATION;',
    replace: 'const next = recorded > 0 ? incarnation : NO_INCARNATION;',
  },
  {
    name: 'readmitted-too-early',
    what: 'the new life of a wiped replica is recorded before the erasure is committed',
    file: 'engine/raft/reconfigure.ts',
    find: 'const isSettled = state.membership.entry.index <= state.log.committed;',
    replace: 'const isSettled = state.membership.entry.index <= state.log.last;',
  },
  {
    name: 'never-readmitted',
    what: 'a replica that lost its data stays aside for ever',
    file: 'engine/raft/readmission.ts',
    find: 'if (!mayReconfigure(state) || isJoint(state.configuration)) return;',
    replace: 'if (state.term > 0) return;',
  },
  {
    name: 'read-overtakes-write',
    what: 'a read does not wait for the write before it on its connection',
    file: 'engine/runtime/reads.ts',
    find: 'const unanswered = behindWrites ? this.#proposals.unansweredForwards : null;',
    replace: 'const unanswered = behindWrites ? new Set<number>() : null;',
  },
  {
    name: 'forward-twice',
    what: 'a forwarded proposal whose frame comes twice is appended twice',
    file: 'engine/runtime/proposals.ts',
    find: 'if (newest !== undefined && ((forwardId - newest) | 0) <= 0) return false;',
    replace: '',
    inTests: true,
  },
  {
    name: 'parts-with-holes',
    what: 'a frame is put together though a part between was lost',
    file: 'codec/frames/frame-parts.ts',
    find: 'if (isSame && at === this.#filled) return null;',
    replace: 'if (isSame) return null;',
  },
  {
    name: 'list-wins-over-record',
    what: 'a node that has voted and logged nothing takes the members that its start names',
    file: 'engine/start-membership.ts',
    find: 'const remembered = firstMembers.find((each) => each.groups.includes(number))?.members;',
    replace: 'const remembered = firstMembers.length > 0 ? this.#given.members : undefined;',
  },
];

export const MUTANTS: readonly Mutant[] = [
  ...CORE_MUTANTS,
  ...READ_MUTANTS,
  ...SNAPSHOT_MUTANTS,
  ...SESSION_MUTANTS,
  ...MEMBERSHIP_MUTANTS,
  ...WITNESS_MUTANTS,
];
