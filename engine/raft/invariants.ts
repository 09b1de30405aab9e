/**
 * What must be true of one replica, in a state and from one state to the next: one sentence a
 * check.
 *
 * Run after every step in tests and simulation; each check costs the same however long the log is.
 * Nothing here may change a state. What must hold across replicas is in cluster-invariants.ts.
 */

import { isErased, isVoter, recordedIncarnation } from './membership.js';
import { type Message, MessageKind } from './message.js';
import { type Progress, ProgressState } from './progress.js';
import { allVoters, quorumValue } from './quorum.js';
import { type CoreState, Standing } from './state.js';
import {
  type Configuration,
  type ConfigurationEntry,
  type LogIndex,
  type Member,
  MemberPlan,
  NO_INCARNATION,
  NO_INDEX,
  NOBODY,
  type NodeId,
  Role,
  type Term,
} from './types.js';

export { ClusterInvariants } from './cluster-invariants.js';

/** A rule and whether a subject keeps it. */
type Rule<T> = readonly [text: string, holds: (subject: T) => boolean];

const isSeekingVotes = ({ role }: CoreState): boolean =>
  role === Role.candidate || role === Role.preCandidate;

const STATE_RULES: readonly Rule<CoreState>[] = [
  ['Only committed entries are applied.', ({ log }) => log.applied <= log.committed],
  ['Only handed out entries are applied.', ({ log, handedOut }) => log.applied <= handedOut],
  ['Only committed entries are handed out.', ({ log, handedOut }) => handedOut <= log.committed],
  ['The commit index lies within the log.', ({ log }) => log.committed <= log.last],
  ['Only committed entries are forgotten.', ({ log }) => log.compacted <= log.committed],
  [
    'Unless state is missing, only applied entries are forgotten.',
    (s) => s.missingState || s.log.compacted <= s.log.applied,
  ],
  ['A snapshot covers only what is applied.', (s) => (s.snapshot?.index ?? 0) <= s.log.applied],
  [
    'A snapshot ends with an entry of the log, or before it.',
    ({ log, snapshot }) =>
      snapshot === null || snapshot.index < log.compacted || log.contains(snapshot),
  ],
  [
    'Nothing is handed out while state is missing.',
    (s) => !s.missingState || s.handedOut === (s.snapshot?.index ?? 0),
  ],
  [
    'A replica that misses state neither leads nor seeks votes.',
    (s) => !s.missingState || s.role === Role.follower,
  ],
  ['No append carries entries that were forgotten.', sendsWhatItHas],
  ['Nothing is durable that is not in the log.', ({ log }) => log.durable <= log.last],
  ['No entry is of a later term than the replica.', ({ log, term }) => log.lastTerm <= term],
  ['Indexes and terms grow along the log.', runsGrow],
  [
    'Storage acknowledges only what was submitted.',
    (s) => s.storedSeq <= s.promisedSeq && s.promisedSeq <= s.submittedSeq,
  ],
  ['A log is equal to a leader’s only as far as it goes.', (s) => s.equalUpTo <= s.log.last],
  ['A vote belongs to a term.', (s) => s.term > 0 || s.vote === NOBODY],
  ['Whoever is leader, and nobody else, names itself.', namesItself],
  ['A leader voted for itself.', (s) => s.role !== Role.leader || s.vote === s.id],
  ['A leader’s vote is durable.', (s) => s.role !== Role.leader || s.hardStateDurable],
  ['A leader’s term has an entry of its own.', opensItsTerm],
  ['A candidate voted for itself.', (s) => s.role !== Role.candidate || s.vote === s.id],
  ['Whoever seeks votes knows no leader.', (s) => !isSeekingVotes(s) || s.leader === NOBODY],
  [
    'Only a voter that lives its recorded life, or is not removed for good, seeks votes.',
    seeksRightfully,
  ],
  ['A leader lives its recorded life.', livesAsRecorded],
  ['No vote counts of a replica whose life was erased.', countsNoErased],
  ['Only a replica that seeks votes counts them.', (s) => isSeekingVotes(s) || s.votes.size === 0],
  ['Only a leader tracks progress.', (s) => s.role === Role.leader || s.progress.size === 0],
  ['Only a leader confirms reads.', (s) => s.role === Role.leader || !s.leaderReads.hasRound],
  ['A leader tracks every other member.', tracksMembers],
  ['Whoever asks another replica to campaign has dropped its lease.', handsOverWithoutLease],
  ['The configuration in force is in the log.', (s) => s.membership.entry.index <= s.log.last],
  ['Every voter and learner is a member, and no learner votes.', membersAddUp],
  ['A witness seeks no votes.', (s) => !s.isWitness || !isSeekingVotes(s)],
  [
    'A witness leads only while it hands over.',
    (s) => !s.isWitness || s.role !== Role.leader || s.transfer !== null,
  ],
  ['Only a leader hands leadership over.', (s) => s.transfer === null || s.role === Role.leader],
];

function runsGrow({ log }: CoreState): boolean {
  const newest = log.termRuns[log.termRuns.length - 1];
  const before = log.termRuns[log.termRuns.length - 2];
  if (newest === undefined) return log.last === log.compacted;
  if (newest.first > log.last) return false;
  if (before === undefined) {
    return newest.first === log.compacted + 1 && newest.term >= log.compactedTerm;
  }
  return before.first < newest.first && before.term < newest.term;
}

function sendsWhatItHas({ outbox, log }: CoreState): boolean {
  return outbox.every((message) => {
    if (message.kind !== MessageKind.append || message.lastIndex === message.prevIndex) return true;
    return message.prevIndex >= log.compacted;
  });
}

function handsOverWithoutLease({ outbox, lease }: CoreState): boolean {
  return lease.isDropped || outbox.every(({ kind }) => kind !== MessageKind.timeoutNow);
}

function namesItself(state: CoreState): boolean {
  return (state.role === Role.leader) === (state.leader === state.id);
}

function opensItsTerm({ role, log, term, termStart }: CoreState): boolean {
  if (role !== Role.leader) return true;
  // Of what was forgotten, only the end is known.
  const opened = Math.max(termStart, log.compacted) as LogIndex;
  return termStart > NO_INDEX && log.termAt(opened) === term && log.lastTerm === term;
}

function seeksRightfully(state: CoreState): boolean {
  if (!isSeekingVotes(state)) return true;
  const { standing, membership, log, id } = state;
  if (standing === Standing.fresh) return log.last === NO_INDEX;
  if (standing === Standing.full || standing === Standing.inDoubt) return true;
  const isLeaving = standing === Standing.nonVoter || standing === Standing.standby;
  const wasVoter = membership.history.some(({ configuration }) => isVoter(configuration, id));
  return isLeaving && wasVoter && membership.entry.index > log.committed;
}

/** One that is a member no more leads on only until that is committed, and another one can. */
function livesAsRecorded({ role, id, configuration, options }: CoreState): boolean {
  if (role !== Role.leader || !isVoter(configuration, id)) return true;
  return recordedIncarnation(configuration, id) === options.incarnation;
}

function countsNoErased({ votes, configuration }: CoreState): boolean {
  const counts = [...votes.keys()].filter((id) => isVoter(configuration, id));
  return counts.every((id) => !isErased(configuration, id));
}

function tracksMembers(state: CoreState): boolean {
  if (state.role !== Role.leader) return true;
  if (state.progress.has(state.id)) return false;
  const others = state.configuration.members.filter((member) => member.id !== state.id);
  return others.every((member) => state.progress.has(member.id));
}

/** Configurations never change once made: each is looked at once. */
const soundConfigurations = new WeakSet<Configuration>();

function membersAddUp({ configuration, membership }: CoreState): boolean {
  if (soundConfigurations.has(configuration)) return true;
  // One that waits to be added begins with nobody; no entry of a log ever says so.
  const isWaiting = configuration.members.length === 0 && allVoters(configuration).length === 0;
  if (isWaiting) return membership.entry.index === NO_INDEX;
  if (!isSound(configuration)) return false;
  soundConfigurations.add(configuration);
  return true;
}

function isSound(configuration: Configuration): boolean {
  const { voters, outgoing, learners, learnersNext, members } = configuration;
  if (voters.length === 0) return false;
  const known = (id: NodeId): boolean => members.some((member) => member.id === id);
  if (![...voters, ...outgoing, ...learners].every(known)) return false;
  if (!learnersNext.every((id) => outgoing.includes(id) && !voters.includes(id))) return false;
  if (!members.every(({ id }) => isVoter(configuration, id) !== learners.includes(id)))
    return false;
  return members.every((member) => isPlanSound(configuration, member));
}

/** Learners are promoted, voters are demoted or removed, and a joint configuration has no plans. */
function isPlanSound(configuration: Configuration, { id, plan }: Member): boolean {
  if (plan === MemberPlan.stay) return true;
  if (configuration.outgoing.length > 0) return false;
  return configuration.learners.includes(id) === (plan === MemberPlan.promote);
}

/** A leader's view of one peer. */
type PeerView = {
  readonly peer: Progress;
  readonly last: LogIndex;
  readonly committed: LogIndex;
};

const waits = ({ peer }: PeerView): boolean => peer.state === ProgressState.snapshot;

const PROGRESS_RULES: readonly Rule<PeerView>[] = [
  ['A peer matches only what the leader has.', ({ peer, last }) => peer.match <= last],
  ['What matches is not sent again.', ({ peer }) => peer.match < peer.next],
  [
    'What is sent next follows the log at most directly.',
    ({ peer, last }) => peer.next <= last + 1,
  ],
  [
    'A probed peer has no window in flight.',
    ({ peer }) => peer.state !== ProgressState.probe || peer.inflight.count === 0,
  ],
  [
    'Only a probed peer waits for a probe.',
    ({ peer }) => peer.state === ProgressState.probe || !peer.probeSent,
  ],
  [
    'A peer that waits for a snapshot has nothing in flight.',
    (view) => !waits(view) || view.peer.inflight.count === 0,
  ],
  [
    'A peer waits for a snapshot of more than it has.',
    (view) => !waits(view) || (view.peer.pendingSnapshot?.index ?? 0) > view.peer.match,
  ],
  [
    'A peer that waits for a snapshot goes on after it.',
    (view) => !waits(view) || view.peer.next === (view.peer.pendingSnapshot?.index ?? 0) + 1,
  ],
  [
    'Only a snapshot of what is committed is offered.',
    ({ peer, committed }) => (peer.pendingSnapshot?.index ?? 0) <= committed,
  ],
  [
    'An empty window weighs nothing.',
    ({ peer }) => peer.inflight.count > 0 || peer.inflight.bytes === 0,
  ],
];

/** Every sentence that `checkState` may answer, so that a test can demand to have seen each. */
export const STATE_SENTENCES: readonly string[] = [...STATE_RULES, ...PROGRESS_RULES].map(
  ([text]) => text,
);

/** What is wrong with this state; empty when nothing is. */
export function checkState(state: CoreState): string[] {
  const broken = brokenRules(STATE_RULES, state);
  for (const peer of state.progress.values()) {
    const { last, committed } = state.log;
    broken.push(...brokenRules(PROGRESS_RULES, { peer, last, committed }));
  }
  return broken;
}

function brokenRules<T>(rules: readonly Rule<T>[], subject: T): string[] {
  const broken: string[] = [];
  for (const [text, holds] of rules) if (!holds(subject)) broken.push(text);
  return broken;
}

/** What a transition is compared with: a few numbers of the state before it. */
export interface Snapshot {
  readonly now: number;
  readonly role: Role;
  readonly term: Term;
  readonly vote: NodeId;
  readonly leader: NodeId;
  readonly last: LogIndex;
  readonly lastTerm: Term;
  readonly durable: LogIndex;
  readonly committed: LogIndex;
  readonly committedTerm: Term | undefined;
  readonly applied: LogIndex;
  readonly handedOut: LogIndex;
  readonly generation: number;
  readonly compacted: LogIndex;
  readonly snapshot: LogIndex;
  readonly missingState: boolean;
  readonly configuration: ConfigurationEntry;
  readonly submittedSeq: number;
  readonly storedSeq: number;
  /** The read round whose confirmation is awaited; 0 when none is. */
  readonly readRound: number;
  /** To whom leadership is handed over; NOBODY when it is not. */
  readonly successor: NodeId;
  readonly isWitness: boolean;
}

export function snapshotOf(state: CoreState): Snapshot {
  const { log } = state;
  return {
    now: state.now,
    role: state.role,
    term: state.term,
    vote: state.vote,
    leader: state.leader,
    last: log.last,
    lastTerm: log.lastTerm,
    durable: log.durable,
    committed: log.committed,
    committedTerm: log.termAt(log.committed),
    applied: log.applied,
    handedOut: state.handedOut,
    generation: log.generation,
    compacted: log.compacted,
    snapshot: state.snapshot?.index ?? NO_INDEX,
    missingState: state.missingState,
    configuration: state.membership.entry,
    submittedSeq: state.submittedSeq,
    storedSeq: state.storedSeq,
    readRound: state.leaderReads.awaited,
    successor: state.transfer?.target ?? NOBODY,
    isWitness: state.isWitness,
  };
}

interface Transition {
  readonly before: Snapshot;
  readonly after: CoreState;
}

const sameTerm = ({ before, after }: Transition): boolean => before.term === after.term;
const untruncated = ({ before, after }: Transition): boolean =>
  before.generation === after.log.generation;
const staysLeader = (step: Transition): boolean =>
  sameTerm(step) && step.before.role === Role.leader && step.after.role === Role.leader;

const TRANSITION_RULES: readonly Rule<Transition>[] = [
  ['Time never runs backwards.', ({ before, after }) => after.now >= before.now],
  ['The term never shrinks.', ({ before, after }) => after.term >= before.term],
  ['Within a term the vote is set at most once.', keepsVote],
  ['A witness votes for nobody.', votesAsWitness],
  ['Within a term the leader does not change.', keepsLeader],
  ['A leader was a candidate of its term before.', wasCandidate],
  ['A candidate’s term is new.', campaignsInNewTerm],
  ['A leader only appends to its log.', (step) => !staysLeader(step) || onlyAppended(step)],
  ['Without a truncation the log only grows.', (step) => !untruncated(step) || onlyAppended(step)],
  ['The truncation generation never shrinks.', (step) => generationGrows(step)],
  [
    'The commit index never shrinks.',
    ({ before, after }) => after.log.committed >= before.committed,
  ],
  ['A committed entry is never truncated.', keepsCommitted],
  ['The base never shrinks.', ({ before, after }) => after.log.compacted >= before.compacted],
  [
    'The newest snapshot never gets older.',
    ({ before, after }) => (after.snapshot?.index ?? NO_INDEX) >= before.snapshot,
  ],
  [
    'State that is here never goes missing.',
    ({ before, after }) => before.missingState || !after.missingState,
  ],
  ['A leader commits by counting only entries of its own term.', countsOwnTerm],
  ['Reads are confirmed only by replicas that live their recorded lives.', confirmsRightfully],
  ['The applied index never shrinks.', ({ before, after }) => after.log.applied >= before.applied],
  ['Entries are handed out once.', ({ before, after }) => after.handedOut >= before.handedOut],
  ['Without a truncation what is durable stays durable.', keepsDurable],
  [
    'Only what storage acknowledges becomes durable.',
    ({ before, after }) =>
      after.log.durable <= before.durable || after.storedSeq > before.storedSeq,
  ],
  ['A leader changes the configuration only when the one before is committed.', changesInTurn],
  ['Who hands leadership over appends nothing.', holdsStill],
  ['A leader changes the configuration only once its own term has committed.', changesInOwnTerm],
  ['Who votes changes only into a joint configuration, and out of it.', changesJointly],
  ['A leader erases the life of a member before it records another one.', erasesBefore],
  ['Submissions are numbered upwards.', (step) => sequencesGrow(step)],
];

function keepsVote({ before, after }: Transition): boolean {
  if (before.term !== after.term) return true;
  return before.vote === NOBODY || before.vote === after.vote;
}

function votesAsWitness({ before, after }: Transition): boolean {
  if (!before.isWitness || !after.isWitness) return true;
  return after.vote === (before.term === after.term ? before.vote : NOBODY);
}

function keepsLeader({ before, after }: Transition): boolean {
  if (before.term !== after.term) return true;
  return before.leader === NOBODY || after.leader === NOBODY || before.leader === after.leader;
}

function wasCandidate({ before, after }: Transition): boolean {
  if (after.role !== Role.leader) return true;
  if (before.term !== after.term) return false;
  return before.role === Role.leader || before.role === Role.candidate;
}

function campaignsInNewTerm({ before, after }: Transition): boolean {
  if (after.role !== Role.candidate || before.role === Role.candidate) return true;
  return after.term > before.term;
}

function onlyAppended({ before, after }: Transition): boolean {
  return after.log.last >= before.last && after.log.termAt(before.last) === before.lastTerm;
}

function generationGrows({ before, after }: Transition): boolean {
  return after.log.generation >= before.generation;
}

/** What has been forgotten since cannot be compared: a snapshot covers it. */
function keepsCommitted({ before, after }: Transition): boolean {
  if (before.committed < after.log.compacted) return true;
  return after.log.termAt(before.committed) === before.committedTerm;
}

function countsOwnTerm({ before, after }: Transition): boolean {
  if (after.role !== Role.leader || after.log.committed === before.committed) return true;
  return after.log.termAt(after.log.committed) === after.term;
}

/** A round that is over although nobody was answered was only forgotten. */
function confirmsRightfully(step: Transition): boolean {
  const { before, after } = step;
  const isOver = staysLeader(step) && before.readRound > 0 && !after.leaderReads.hasRound;
  if (!isOver || (after.grants.length === 0 && !after.outbox.some(isReadAnswer))) return true;
  const { configuration } = before.configuration;
  const answered = quorumValue(configuration, (id) => {
    if (id === after.id) return before.readRound;
    const peer = after.progress.get(id);
    const recorded = recordedIncarnation(configuration, id);
    const counts = recorded !== NO_INCARNATION && peer?.incarnation === recorded;
    return counts ? peer.round : 0;
  });
  return answered >= before.readRound;
}

function isReadAnswer({ kind }: Message): boolean {
  return kind === MessageKind.readIndexReply;
}

function keepsDurable(step: Transition): boolean {
  return !untruncated(step) || step.after.log.durable >= step.before.durable;
}

function changesConfiguration(step: Transition): boolean {
  return staysLeader(step) && step.before.configuration !== step.after.membership.entry;
}

function changesInTurn(step: Transition): boolean {
  const { configuration } = step.before;
  return !changesConfiguration(step) || configuration.index <= step.after.log.committed;
}

function holdsStill({ before, after }: Transition): boolean {
  const isHandingOver = before.successor !== NOBODY && after.transfer?.target === before.successor;
  return !isHandingOver || after.log.last === before.last;
}

/** The entry that opens a term may record the lives of the first members. */
function changesInOwnTerm(step: Transition): boolean {
  if (!changesConfiguration(step)) return true;
  const { membership, termStart, log } = step.after;
  return membership.entry.index === termStart || log.committed >= termStart;
}

function changesJointly(step: Transition): boolean {
  if (!changesConfiguration(step)) return true;
  const [before, after] = [step.before.configuration.configuration, step.after.configuration];
  const areSame = (a: readonly NodeId[], b: readonly NodeId[]): boolean => `${a}` === `${b}`;
  if (before.outgoing.length > 0) {
    return after.outgoing.length === 0 && areSame(after.voters, before.voters);
  }
  if (after.outgoing.length > 0) return areSame(after.outgoing, before.voters);
  return areSame(after.voters, before.voters);
}

function erasesBefore(step: Transition): boolean {
  if (!changesConfiguration(step)) return true;
  return keepsOrErasesLives(step.before.configuration.configuration, step.after.configuration);
}

/** Whether no recorded life was replaced by another one. */
function keepsOrErasesLives(before: Configuration, after: Configuration): boolean {
  return before.members.every(({ id, incarnation }) => {
    const now = recordedIncarnation(after, id);
    return incarnation === NO_INCARNATION || now === NO_INCARNATION || now === incarnation;
  });
}

function sequencesGrow({ before, after }: Transition): boolean {
  return after.submittedSeq >= before.submittedSeq && after.storedSeq >= before.storedSeq;
}

/** Every sentence that `checkTransition` may answer. */
export const TRANSITION_SENTENCES: readonly string[] = TRANSITION_RULES.map(([text]) => text);

/** What must not have happened between the two; both are of the same life of a replica. */
export function checkTransition(before: Snapshot, after: CoreState): string[] {
  return brokenRules(TRANSITION_RULES, { before, after });
}
