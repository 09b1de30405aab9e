/**
 * One core on a bench: a test puts it into a situation, steps it by hand and reads what it would
 * do.
 *
 * Storage is immediate unless a test holds it; peers are only names that send what the test says.
 */

import assert from 'node:assert/strict';
import { checkState, checkTransition, snapshotOf } from '../../engine/raft/invariants.js';
import { bootstrapConfiguration, newMember } from '../../engine/raft/membership.js';
import { type Message, MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { allVoters } from '../../engine/raft/quorum.js';
import { Raft } from '../../engine/raft/raft.js';
import type {
  Persist,
  Placement,
  Ready,
  SnapshotWanted,
  StorageAck,
} from '../../engine/raft/ready.js';
import type { RaftOptions } from '../../engine/raft/state.js';
import {
  type Configuration,
  type ConfigurationEntry,
  incarnation,
  type LogIndex,
  logIndex,
  type NodeId,
  nodeId,
  type SnapshotPoint,
  type Term,
  type TermRun,
  term,
} from '../../engine/raft/types.js';
import { DEFAULT_OPTIONS } from '../raft/network.js';

const ENTRY_BYTES = 10;

export interface Situation {
  /** Ids of all voters; the core on the bench is 1. */
  readonly voters?: readonly number[];
  /** Terms of the entries on its disk, those after the base. */
  readonly log?: readonly number[];
  /** The last forgotten entry, `[term, index]`. */
  readonly base?: readonly [number, number];
  /** What its newest snapshot covers; the base when absent. Null: no snapshot is there. */
  readonly snapshot?: readonly [number, number] | null;
  readonly term?: number;
  readonly vote?: number;
  readonly options?: Partial<RaftOptions>;
}

export function recordedConfiguration(voters: readonly number[]): Configuration {
  const plain = bootstrapConfiguration(voters.map((id) => ({ id: nodeId(id), address: `n${id}` })));
  const members = plain.members.map((member) => ({
    ...member,
    incarnation: incarnation(member.id),
  }));
  return { ...plain, members };
}

/** The same with learners, of whom no life is on record. */
export function withLearners(configuration: Configuration, ...ids: number[]): Configuration {
  const learners = ids.map(nodeId);
  const added = learners.map((id) => newMember({ id, address: `n${id}` }));
  const members = [...configuration.members, ...added].sort((a, b) => a.id - b.id);
  return { ...configuration, learners, members };
}

function runsOf(terms: readonly number[], base: number): TermRun[] {
  return terms.flatMap((each, at) =>
    terms[at - 1] === each ? [] : [{ first: logIndex(base + at + 1), term: term(each) }],
  );
}

export function pointOf([inTerm, index]: readonly [number, number]): SnapshotPoint {
  return { term: term(inTerm), index: logIndex(index) };
}

/** Messages of one kind; a request for a vote and one for a pre-vote share their type. */
type OfKind<K, M = Message> = M extends { readonly kind: infer L }
  ? K extends L
    ? M & { readonly kind: K }
    : never
  : never;
type Rest<K> = Partial<Omit<OfKind<K>, 'kind'>>;

export class Bench {
  readonly raft: Raft;
  now = 0;
  /** Everything it has sent, oldest first. */
  readonly sent: Message[] = [];
  /** What it has handed out for applying, in order. */
  readonly applied: number[] = [];
  readonly grants: number[] = [];
  /** Peers that prove another life than the recorded one, which is their number. */
  readonly lives = new Map<number, number>();
  holdsStorage = false;
  /** Each turn reads the clocks for the lease. */
  readsClocks = true;
  readonly #owed: StorageAck[] = [];

  /** What it has asked for last. */
  wanted: SnapshotWanted | null = null;
  /** What it has submitted to its disk, oldest first. */
  readonly submitted: Persist[] = [];

  constructor({ voters = [1, 2, 3], log = [], vote = 0, options = {}, ...rest }: Situation = {}) {
    const identity = { id: nodeId(1), incarnation: incarnation(1), seed: 1 };
    const base = pointOf(rest.base ?? [0, 0]);
    const covered = rest.snapshot === undefined ? rest.base : rest.snapshot;
    const newest = log[log.length - 1] ?? base.term;
    const inForce = { index: logIndex(0), configuration: recordedConfiguration(voters) };
    this.raft = new Raft(
      { ...DEFAULT_OPTIONS, ...options, ...identity },
      {
        hardState: { term: term(rest.term ?? newest), vote: nodeId(vote) },
        log: {
          last: logIndex(base.index + log.length),
          generation: 0,
          compacted: base.index,
          compactedTerm: base.term,
          termRuns: runsOf(log, base.index),
          extents: log.map((_, at) => {
            return { last: logIndex(base.index + at + 1), bytes: (at + 1) * ENTRY_BYTES };
          }),
        },
        bootstrap: inForce.configuration,
        configurations: [],
        snapshot: covered == null ? null : { point: pointOf(covered), configuration: inForce },
        inDoubt: false,
      },
      0,
    );
    this.#turn();
  }

  /** Terms of its log, the oldest entry it holds first. */
  get terms(): number[] {
    const { compacted, last } = this.raft.state.log;
    return Array.from(
      { length: last - compacted },
      (_, at) => this.raft.termAt(logIndex(compacted + at + 1)) as Term,
    );
  }

  get vote(): NodeId {
    return this.raft.state.vote;
  }

  #step<T>(input: (raft: Raft) => T): T {
    const before = snapshotOf(this.raft.state);
    const result = input(this.raft);
    this.raft.takeCreated();
    const { state } = this.raft;
    assert.deepEqual([...checkState(state), ...checkTransition(before, state)], []);
    this.#turn();
    return result;
  }

  #turn(): void {
    if (this.readsClocks) this.raft.serveByLease({ now: this.now, wallAhead: 0 });
    const ready: Ready = this.raft.take();
    this.sent.push(...ready.messages);
    for (const grant of ready.reads) this.grants.push(grant.id);
    if (ready.committed !== null) this.#apply(ready.committed.first, ready.committed.last);
    if (ready.snapshotWanted !== null) this.wanted = ready.snapshotWanted;
    if (ready.persist === null) return;
    this.submitted.push(ready.persist);
    const { seq, generation, term: submitted } = ready.persist;
    this.#owed.push({ seq, generation, term: submitted, lastIndex: this.raft.lastIndex });
    if (!this.holdsStorage) this.store();
  }

  #apply(first: LogIndex, last: LogIndex): void {
    for (let at: number = first; at <= last; at += 1) this.applied.push(at);
    this.raft.applied(last);
  }

  /** Acknowledges everything that storage owes. */
  store(): void {
    for (const ack of this.#owed.splice(0)) this.#step((raft) => raft.stored(ack, this.now));
  }

  /** Time passes until its election timer runs out. */
  timeOut(): void {
    this.now = Math.max(this.now, this.raft.state.electionDeadline);
    this.#step((raft) => raft.tick(this.now));
  }

  pass(time: number): void {
    this.now += time;
    this.#step((raft) => raft.tick(this.now));
  }

  propose(count: number): void {
    this.#step((raft) => raft.propose(count, count * ENTRY_BYTES, this.now));
  }

  read(id: number): void {
    this.#step((raft) => raft.read([id], this.now));
  }

  readByLease(id: number): void {
    this.#step((raft) => raft.readByLease([id], this.now));
  }

  /** Hears a message; unless said otherwise it comes from replica 2, in the present term. */
  hear(message: Message): Placement | null {
    const proved = incarnation(this.lives.get(message.from) ?? message.from);
    return this.#step((raft) => raft.receive(message, proved, this.now));
  }

  #envelope<K extends Message['kind']>(kind: K) {
    return { kind, from: nodeId(2), to: nodeId(1), term: this.raft.term };
  }

  hearVote(rest: Rest<typeof MessageKind.vote> = {}): void {
    const last = { lastIndex: this.raft.lastIndex, lastTerm: this.raft.state.log.lastTerm };
    const asked = { ...last, recorded: incarnation(1), transfer: false };
    this.hear({ ...this.#envelope(MessageKind.vote), ...asked, ...rest });
  }

  hearPreVote(rest: Rest<typeof MessageKind.vote> = {}): void {
    const last = { lastIndex: this.raft.lastIndex, lastTerm: this.raft.state.log.lastTerm };
    const asked = { ...last, recorded: incarnation(1), transfer: false };
    this.hear({ ...this.#envelope(MessageKind.preVote), ...asked, ...rest });
  }

  hearVoteReply(from: number, granted = true, inTerm: number = this.raft.term): void {
    const envelope = { ...this.#envelope(MessageKind.voteReply), from: nodeId(from) };
    const grant = granted ? VoteGrant.full : VoteGrant.refused;
    this.hear({ ...envelope, term: term(inTerm), grant });
  }

  hearPreVoteReply(from: number, granted = true): void {
    const envelope = { ...this.#envelope(MessageKind.preVoteReply), from: nodeId(from) };
    const inTerm = term(granted ? this.raft.term + 1 : this.raft.term);
    const grant = granted ? VoteGrant.full : VoteGrant.refused;
    this.hear({ ...envelope, term: inTerm, grant });
  }

  /** An append of `count` entries of `entriesTerm` after `prev`, `[term, index]`. */
  hearAppend(
    prev: readonly [number, number],
    count: number,
    rest: Rest<typeof MessageKind.append> = {},
  ): Placement | null {
    const envelope = this.#envelope(MessageKind.append);
    return this.hear({
      ...envelope,
      prevTerm: term(prev[0]),
      prevIndex: logIndex(prev[1]),
      lastIndex: logIndex(prev[1] + count),
      entriesTerm: term(count === 0 ? 0 : (rest.entriesTerm ?? rest.term ?? envelope.term)),
      commit: logIndex(0),
      round: 0,
      bytes: count * ENTRY_BYTES,
      configurations: [],
      ...rest,
    });
  }

  hearAppendReply(from: number, match: number, rest: Rest<typeof MessageKind.appendReply> = {}) {
    this.hear({
      ...this.#envelope(MessageKind.appendReply),
      from: nodeId(from),
      accepted: true,
      match: logIndex(match),
      refusedIndex: logIndex(0),
      conflictIndex: logIndex(0),
      conflictTerm: term(0),
      round: 0,
      ...rest,
    });
  }

  hearHeartbeat(rest: Rest<typeof MessageKind.heartbeat> = {}): void {
    const envelope = this.#envelope(MessageKind.heartbeat);
    this.hear({ ...envelope, commit: logIndex(0), round: 0, ...rest });
  }

  hearHeartbeatReply(from: number, round = 0, needsSnapshot = false): void {
    const envelope = { ...this.#envelope(MessageKind.heartbeatReply), from: nodeId(from) };
    const pointers = { durable: logIndex(0), applied: logIndex(0) };
    this.hear({ ...envelope, round, ...pointers, needsSnapshot });
  }

  /** An offer of a snapshot that ends with `[term, index]`. */
  hearSnapshot(
    last: readonly [number, number],
    rest: Rest<typeof MessageKind.snapshot> = {},
  ): void {
    const { term: lastTerm, index: lastIndex } = pointOf(last);
    const envelope = this.#envelope(MessageKind.snapshot);
    this.hear({ ...envelope, lastTerm, lastIndex, round: 0, ...rest });
  }

  /** A snapshot up to `[term, index]` was fetched, with the configuration in force there. */
  install(last: readonly [number, number], given?: ConfigurationEntry): boolean {
    const configuration = given ?? this.raft.state.membership.entry;
    return this.#step((raft) => raft.install(pointOf(last), configuration, this.now));
  }

  /** Takes a snapshot of what is applied and forgets the log up to `index`. */
  compact(index: number): void {
    const { applied } = this.raft.state.log;
    const point = { index: applied, term: this.raft.termAt(applied) as Term };
    this.#step((raft) => raft.snapshotTaken(point));
    this.#step((raft) => raft.compact(logIndex(index)));
  }

  snapshotGone(last: readonly [number, number]): void {
    this.#step((raft) => raft.snapshotGone(pointOf(last)));
  }

  /** A proved connection to a peer, whose process is a new one if it `restarted`. */
  connect(peer: number, restarted: boolean): void {
    this.#step((raft) => raft.connected(nodeId(peer), incarnation(peer), restarted));
  }

  /** Takes what it has sent since, of one kind. */
  takeSent<K extends Message['kind']>(kind: K): OfKind<K>[] {
    return this.sent.splice(0).filter((message) => message.kind === kind) as OfKind<K>[];
  }

  /** Wins an election by the votes of all others; what it sent meanwhile is forgotten. */
  becomeLeader(): this {
    this.timeOut();
    const others = allVoters(this.raft.configuration).filter((id) => id !== 1);
    for (const id of others) if (this.raft.role === 'preCandidate') this.hearPreVoteReply(id);
    for (const id of others) if (this.raft.role === 'candidate') this.hearVoteReply(id);
    assert.equal(this.raft.role, 'leader');
    this.sent.length = 0;
    return this;
  }
}
