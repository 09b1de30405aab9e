/**
 * Every core value as one short line of text, the same in scenarios, simulator traces and logs.
 *
 * A position in the log is written term/index, a range [first..last]@term, a configuration as
 * (voters)&&(outgoing). Only reads; nothing may ever parse these lines to decide something.
 */

import { isVoter } from './membership.js';
import { plannedFor } from './membership-change.js';
import {
  type AppendReply,
  type AppendRequest,
  type HeartbeatReply,
  type Message,
  MessageKind,
  VoteGrant,
  type VoteRequest,
} from './message.js';
import type { Progress } from './progress.js';
import { quorumValue } from './quorum.js';
import {
  CONTEXTS_OF_A_LIFE,
  isLeaseContext,
  numberInLane,
  type PendingRead,
  type ReaderReads,
} from './read-index.js';
import type {
  CoreEntry,
  Persist,
  Placement,
  Proposed,
  ReadGrant,
  Ready,
  SnapshotWanted,
  StorageAck,
} from './ready.js';
import type { CoreState, Recovered } from './state.js';
import {
  type Configuration,
  type ConfigurationEntry,
  type HardState,
  type IndexRange,
  type LogIndex,
  type Member,
  MemberPlan,
  NO_INCARNATION,
  NO_INDEX,
  NOBODY,
  type NodeId,
  Role,
  type SnapshotPoint,
  type Term,
  type TermRun,
  unreachable,
} from './types.js';

const MESSAGE_NAMES = {
  [MessageKind.preVote]: 'pre-vote',
  [MessageKind.preVoteReply]: 'pre-vote-reply',
  [MessageKind.vote]: 'vote',
  [MessageKind.voteReply]: 'vote-reply',
  [MessageKind.append]: 'append',
  [MessageKind.appendReply]: 'append-reply',
  [MessageKind.heartbeat]: 'heartbeat',
  [MessageKind.heartbeatReply]: 'heartbeat-reply',
  [MessageKind.readIndex]: 'read-index',
  [MessageKind.readIndexReply]: 'read-index-reply',
  [MessageKind.timeoutNow]: 'timeout-now',
  [MessageKind.snapshot]: 'snapshot',
} as const satisfies Record<MessageKind, string>;

const GRANT_NAMES = {
  [VoteGrant.refused]: 'refused',
  [VoteGrant.full]: 'granted',
  [VoteGrant.unanimous]: 'granted-if-unanimous',
} as const satisfies Record<VoteGrant, string>;

/** `vote`, `append-reply`, …: how scenarios and traces name a kind. */
export function messageName(kind: MessageKind): string {
  return MESSAGE_NAMES[kind];
}

export function describeNode(id: NodeId): string {
  return id === NOBODY ? 'nobody' : String(id);
}

/** `2/7`: term 2, index 7. */
export function describePosition(term: Term | undefined, index: LogIndex): string {
  return `${term ?? '?'}/${index}`;
}

/** `2/50`: what a snapshot ends with. */
export function describePoint({ term, index }: SnapshotPoint): string {
  return describePosition(term, index);
}

/** `[8..11]`, or `[]` when empty. */
export function describeRange(range: IndexRange): string {
  return range.last < range.first ? '[]' : `[${range.first}..${range.last}]`;
}

export function describeIds(ids: readonly NodeId[]): string {
  return `(${ids.join(' ')})`;
}

const PLAN_NAMES = ['', 'promote', 'demote', 'remove'] as const;

/** `2=host:5002 life=77`, with `promote` and the like while a change is under way. */
export function describeMember({ id, address, incarnation, plan }: Member): string {
  const life = incarnation === NO_INCARNATION ? 'unrecorded' : `life=${incarnation}`;
  return [`${id}=${address}`, life, PLAN_NAMES[plan]].filter(Boolean).join(' ');
}

/**
 * `(1 2 3)`, joint `(1 2 3)&&(1 2)`, with learners `(1 2 3) learners=(4) next=(2)`, with plans
 * `(1 2 3) learners=(4) promote=(4) remove=(1)`.
 */
export function describeConfiguration(configuration: Configuration): string {
  const { voters, outgoing, learners, learnersNext, members } = configuration;
  const parts = [describeIds(voters)];
  if (outgoing.length > 0) parts[0] += `&&${describeIds(outgoing)}`;
  if (learners.length > 0) parts.push(`learners=${describeIds(learners)}`);
  if (learnersNext.length > 0) parts.push(`next=${describeIds(learnersNext)}`);
  for (const plan of [MemberPlan.promote, MemberPlan.demote, MemberPlan.remove]) {
    const ids = plannedFor(configuration, plan);
    if (ids.length > 0) parts.push(`${PLAN_NAMES[plan]}=${describeIds(ids)}`);
  }
  const isUnrecorded = ({ id, incarnation }: Member): boolean =>
    incarnation === NO_INCARNATION && isVoter(configuration, id);
  const unrecorded = members.filter(isUnrecorded);
  if (unrecorded.length > 0) {
    parts.push(`unrecorded=${describeIds(unrecorded.map((member) => member.id))}`);
  }
  return parts.join(' ');
}

/** `@5 (1 2 3)`: the configuration that the entry at index 5 holds. */
export function describeConfigurationEntry(entry: ConfigurationEntry): string {
  return `@${entry.index} ${describeConfiguration(entry.configuration)}`;
}

export function describeHardState(hardState: HardState): string {
  return `term=${hardState.term} vote=${describeNode(hardState.vote)}`;
}

/** What follows `from->to name term=n` on a message's line; empty for kinds that carry no more. */
function describeBody(message: Message): string {
  switch (message.kind) {
    case MessageKind.preVote:
    case MessageKind.vote:
      return describeVote(message);
    case MessageKind.preVoteReply:
    case MessageKind.voteReply:
      return GRANT_NAMES[message.grant];
    case MessageKind.append:
      return describeAppend(message);
    case MessageKind.appendReply:
      return describeAppendReply(message);
    case MessageKind.heartbeat:
      return `commit=${message.commit}${describeRound(message.round)}`;
    case MessageKind.heartbeatReply:
      return describeHeartbeatReply(message);
    case MessageKind.readIndex:
      return `context=${describeContext(message.context)}`;
    case MessageKind.readIndexReply:
      return `context=${describeContext(message.context)} index=${message.index}`;
    case MessageKind.timeoutNow:
      return '';
    case MessageKind.snapshot:
      return `last=${message.lastTerm}/${message.lastIndex}${describeRound(message.round)}`;
    default:
      return unreachable(message);
  }
}

/**
 * Contexts of one life of a replica share their upper digits: `38.1` is the first of life 38, and
 * `lease:38.1` the first that a lease may answer.
 */
function describeContext(context: number): string {
  const lane = isLeaseContext(context) ? 'lease:' : '';
  const number = numberInLane(context);
  return `${lane}${Math.floor(number / CONTEXTS_OF_A_LIFE)}.${number % CONTEXTS_OF_A_LIFE}`;
}

function describeRound(round: number): string {
  return round === 0 ? '' : ` round=${round}`;
}

function describeHeartbeatReply(reply: HeartbeatReply): string {
  const needs = reply.needsSnapshot ? ' needs-snapshot' : '';
  return `durable=${reply.durable} applied=${reply.applied}${describeRound(reply.round)}${needs}`;
}

function describeVote(request: VoteRequest): string {
  const recorded = request.recorded === NO_INCARNATION ? ' unrecorded' : '';
  const transfer = request.transfer ? ' transfer' : '';
  return `last=${describePosition(request.lastTerm, request.lastIndex)}${recorded}${transfer}`;
}

function describeAppend(request: AppendRequest): string {
  const first = (request.prevIndex + 1) as LogIndex;
  const range = describeRange({ first, last: request.lastIndex });
  const entries = request.lastIndex < first ? '' : ` entries=${range}@${request.entriesTerm}`;
  const configurations = request.configurations.map(
    (entry) => ` configuration=${describeConfigurationEntry(entry)}`,
  );
  const prev = describePosition(request.prevTerm, request.prevIndex);
  const tail = `commit=${request.commit}${describeRound(request.round)}${configurations.join('')}`;
  return `prev=${prev}${entries} ${tail}`;
}

function describeAppendReply(reply: AppendReply): string {
  if (reply.accepted) return `match=${reply.match}${describeRound(reply.round)}`;
  const hint = describePosition(reply.conflictTerm, reply.conflictIndex);
  return `refused=${reply.refusedIndex} hint=${hint}${describeRound(reply.round)}`;
}

/** `1->3 append term=2 prev=2/7 entries=[8..11]@2 commit=7`. */
export function describeMessage(message: Message): string {
  const head = `${message.from}->${message.to} ${messageName(message.kind)} term=${message.term}`;
  const body = describeBody(message);
  return body === '' ? head : `${head} ${body}`;
}

/** `#3@2`: submission 3, made in term 2; `generation=1` after one truncation of the log. */
function describeSubmission({ seq, term, generation }: Persist | StorageAck): string {
  return `#${seq}@${term}${generation === 0 ? '' : ` generation=${generation}`}`;
}

/**
 * `#3@2 generation=1 term=2 vote=1 truncate>5 [6..9]@2 compact=2/4 configuration=@9 (1 2)
 * clears-doubt`; a log that begins anew after a snapshot shows `reset=2/5`.
 */
export function describePersist(persist: Persist): string {
  const parts = [describeSubmission(persist)];
  if (persist.hardState !== null) parts.push(describeHardState(persist.hardState));
  if (persist.reset !== null) parts.push(`reset=${describePoint(persist.reset)}`);
  if (persist.truncateAfter !== null) parts.push(`truncate>${persist.truncateAfter}`);
  for (const run of persist.runs) parts.push(`${describeRange(run.range)}@${run.term}`);
  if (persist.compact !== null) parts.push(`compact=${describePoint(persist.compact)}`);
  if (persist.configuration !== null) {
    parts.push(`configuration=${describeConfigurationEntry(persist.configuration)}`);
  }
  if (persist.clearsDoubt) parts.push('clears-doubt');
  return parts.join(' ');
}

/** `#3@2 last=9`: what is durable, as it was captured before the sync. */
export function describeStorageAck(ack: StorageAck): string {
  return `${describeSubmission(ack)} last=${ack.lastIndex}`;
}

/** `7 no-op`, `1 configuration (1 2 3)`. */
export function describeCoreEntry({ index, configuration }: CoreEntry): string {
  if (configuration === null) return `${index} no-op`;
  return `${index} configuration ${describeConfiguration(configuration)}`;
}

export function describeReadGrant({ id, index }: ReadGrant): string {
  return `read ${id} at ${index}`;
}

/** `wants snapshot 2/50 of 1`. */
export function describeSnapshotWanted({ from, point }: SnapshotWanted): string {
  return `wants snapshot ${describePoint(point)} of ${from}`;
}

/** `leader of term 2`, `follower in term 2 of 1`, `candidate in term 3`. */
export function describeSoft(soft: NonNullable<Ready['soft']>): string {
  if (soft.role === 'leader') return `leader of term ${soft.term}`;
  const of = soft.leader === NOBODY ? '' : ` of ${soft.leader}`;
  return `${soft.role} in term ${soft.term}${of}`;
}

/** The whole turn in the order it is performed, messages only counted; `nothing` when empty. */
export function describeReady(ready: Ready): string {
  const parts: string[] = [];
  if (ready.soft !== null) parts.push(describeSoft(ready.soft));
  if (ready.configuration !== null) {
    parts.push(`configuration ${describeConfigurationEntry(ready.configuration)}`);
  }
  if (ready.persist !== null) parts.push(`persist ${describePersist(ready.persist)}`);
  if (ready.messages.length > 0) parts.push(`send ${ready.messages.length}`);
  if (ready.committed !== null) parts.push(`apply ${describeRange(ready.committed)}`);
  parts.push(...ready.reads.map(describeReadGrant));
  if (ready.snapshotWanted !== null) parts.push(describeSnapshotWanted(ready.snapshotWanted));
  return parts.length === 0 ? 'nothing' : parts.join('; ');
}

export function describeProposed(proposed: Proposed): string {
  if ('first' in proposed) return `at ${describePosition(proposed.term, proposed.first)}`;
  return `refused: ${proposed.refused}, leader ${describeNode(proposed.leader)}`;
}

export function describePlacement(placement: Placement): string {
  const range = describeRange({ first: placement.from, last: placement.last });
  return placement.truncateAfter === null
    ? `place ${range}`
    : `truncate>${placement.truncateAfter} place ${range}`;
}

/**
 * `2: replicate match=7 next=9 inflight=1/128B`; a probe that waits for its answer is `paused`, a
 * peer that is offered a snapshot shows `offered=2/50`.
 */
export function describeProgress(progress: Progress): string {
  const { id, state, match, next, inflight, pendingSnapshot } = progress;
  const waits = progress.probeSent ? ' paused' : '';
  const flight = inflight.count === 0 ? '' : ` inflight=${inflight.count}/${inflight.bytes}B`;
  const offered = pendingSnapshot === null ? '' : ` offered=${describePoint(pendingSnapshot)}`;
  return `${id}: ${state}${waits} match=${match} next=${next}${flight}${offered}`;
}

/**
 * `[1..3]@1 [4..9]@2`: a log as its runs of equal terms, `empty` when there is none; after a base,
 * `base=1/3 [4..9]@2`.
 */
export function describeRuns(
  runs: readonly TermRun[],
  last: LogIndex,
  base: SnapshotPoint | null = null,
): string {
  if (last === NO_INDEX) return 'empty';
  const ranges = runs.map(({ first, term }, at) => {
    const end = runs[at + 1]?.first;
    return `[${first}..${end === undefined ? last : end - 1}]@${term}`;
  });
  if (base !== null && base.index > NO_INDEX) ranges.unshift(`base=${describePoint(base)}`);
  return ranges.join(' ');
}

/** `[4..]@2`: a run whose end is not its own to know. */
export function describeTermRun({ first, term }: TermRun): string {
  return `[${first}..]@${term}`;
}

/**
 * `term=2 vote=1 base=1/1 [2..3]@1 [4..9]@2 generation=1 snapshot=2/5 @1 (1 2 3)
 * configuration=@1 (1 2 3) in-doubt`.
 */
export function describeRecovered(recovered: Recovered): string {
  const { hardState, log, bootstrap, configurations, snapshot, inDoubt } = recovered;
  const newest = configurations[configurations.length - 1];
  const configuration =
    newest === undefined
      ? `bootstrap=${describeConfiguration(bootstrap)}`
      : `configuration=${describeConfigurationEntry(newest)}`;
  const base = { index: log.compacted, term: log.compactedTerm };
  const parts = [describeHardState(hardState), describeRuns(log.termRuns, log.last, base)];
  if (log.generation > 0) parts.push(`generation=${log.generation}`);
  if (snapshot !== null) {
    const holds = describeConfigurationEntry(snapshot.configuration);
    parts.push(`snapshot=${describePoint(snapshot.point)} ${holds}`);
  }
  parts.push(configuration);
  if (inDoubt) parts.push('in-doubt');
  return parts.join(' ');
}

/** `(4 5)`: reads of this replica; `38.1 of 3`: a context of another one's. */
export function describePendingRead(read: PendingRead): string {
  if ('local' in read) return `(${read.local.join(' ')})`;
  return `${describeContext(read.context)} of ${read.reader}`;
}

/** `asked=38.1(4 5) reads=(6)` of a reader, `round=2 confirms=(4 5)+38.1 of 3` of a leader. */
function describeReads({ role, reads, leaseReads, leaderReads, lease }: CoreState): string[] {
  const parts = [...describeLane(reads), ...describeLane(leaseReads)];
  if (role === Role.leader && lease.from !== null) parts.push(`lease=${lease.from.now}`);
  if (role === Role.leader && lease.isDropped) parts.push('lease-dropped');
  const { inRound, waiting: next } = leaderReads.pending;
  if (leaderReads.round > 0) parts.push(`round=${leaderReads.round}`);
  if (inRound.length > 0) parts.push(`confirms=${inRound.map(describePendingRead).join('+')}`);
  if (next.length > 0) parts.push(`next=${next.map(describePendingRead).join('+')}`);
  return parts;
}

function describeLane(reads: ReaderReads): string[] {
  const parts: string[] = [];
  const { asked, waiting } = reads.pending;
  if (reads.outstanding !== null) {
    parts.push(`asked=${describeContext(reads.outstanding)}(${asked.join(' ')})`);
  }
  if (waiting.length > 0) parts.push(`reads=(${waiting.join(' ')})`);
  return parts;
}

/** `base=1/4 snapshot=1/6 missing-state`; empty while the log is whole. */
function describeForgotten({ log, snapshot, missingState }: CoreState): string[] {
  const parts: string[] = [];
  if (log.compacted > NO_INDEX) {
    parts.push(`base=${describePosition(log.compactedTerm, log.compacted)}`);
  }
  if (snapshot !== null) parts.push(`snapshot=${describePoint(snapshot)}`);
  if (missingState) parts.push('missing-state');
  return parts;
}

/** `votes=1:full 3:refused`; empty when nobody has answered. */
function describeVotes({ votes }: CoreState): string[] {
  if (votes.size === 0) return [];
  return [`votes=${[...votes].map(([id, vote]) => `${id}:${vote}`).join(' ')}`];
}

/**
 * `1: leader term=2 vote=1 last=2/9 committed=8 applied=8 durable=9 full heartbeat@450`, with votes
 * and reads when there are any. One that does not lead shows when its election timer runs out. A
 * log that was compacted shows its base, a replica with a snapshot the point of the newest.
 */
export function describeState(state: CoreState): string {
  const { log } = state;
  const follows = state.role === 'follower' ? ` of ${describeNode(state.leader)}` : '';
  const role = `${state.id}: ${state.role}${follows}`;
  const hard = describeHardState({ term: state.term, vote: state.vote });
  const last = `last=${describePosition(log.lastTerm, log.last)}`;
  const pointers = `committed=${log.committed} applied=${log.applied} durable=${log.durable}`;
  const due =
    state.role === 'leader'
      ? `heartbeat@${state.heartbeatDue}`
      : `election@${state.electionDeadline}`;
  const now = [due, ...describeVotes(state), ...describeReads(state)].join(' ');
  const standing = state.isWitness ? `${state.standing} witness` : state.standing;
  const parts = [role, hard, last, pointers, ...describeForgotten(state), standing, now];
  return parts.join(' ');
}

/** The columns a bar of `describeQuorum` may take. */
const BAR_COLUMNS_MAX = 40;

/**
 * A quorum as a picture, one line for each voter, and what the quorum has reached:
 *
 *   1 ====>    5
 *   2 ==>      3
 *   quorum     3
 */
export function describeQuorum(
  configuration: Configuration,
  valueFor: (id: NodeId) => number,
): string[] {
  const ids = [...new Set([...configuration.voters, ...configuration.outgoing])];
  const values = ids.map((id) => ({ id, value: valueFor(id) }));
  const finite = values.map(({ value }) => value).filter((value) => Number.isFinite(value));
  const scale = Math.min(1, BAR_COLUMNS_MAX / Math.max(1, ...finite));
  const width = Math.ceil(Math.max(6, ...finite.map((value) => value * scale))) + 2;
  const lines = values.map(({ id, value }) => {
    const bar = `${'='.repeat(Math.max(0, Math.round(Math.min(value * scale, width - 2))))}>`;
    return `${id} ${bar.padEnd(width)} ${value}`;
  });
  const reached = quorumValue(configuration, valueFor);
  return [...lines, `${'quorum'.padEnd(width + 2)} ${reached}`];
}
