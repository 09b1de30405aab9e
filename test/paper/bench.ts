/**
 * One core on a bench: a test puts it into a situation, steps it by hand and reads what it would
 * do.
 *
 * Storage is immediate unless a test holds it; peers are only names that send what the test says.
 */

import assert from 'node:assert/strict';
import { checkState, checkTransition, snapshotOf } from '../../engine/raft/invariants.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { type Message, MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { allVoters } from '../../engine/raft/quorum.js';
import { Raft } from '../../engine/raft/raft.js';
import type { Placement, Ready, StorageAck } from '../../engine/raft/ready.js';
import type { RaftOptions } from '../../engine/raft/state.js';
import {
  type Configuration,
  incarnation,
  type LogIndex,
  logIndex,
  type NodeId,
  nodeId,
  type Term,
  type TermRun,
  term,
} from '../../engine/raft/types.js';
import { DEFAULT_OPTIONS } from '../raft/network.js';

const ENTRY_BYTES = 10;

export interface Situation {
  /** Ids of all voters; the core on the bench is 1. */
  readonly voters?: readonly number[];
  /** Terms of the entries on its disk. */
  readonly log?: readonly number[];
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

function runsOf(terms: readonly number[]): TermRun[] {
  return terms.flatMap((each, at) =>
    terms[at - 1] === each ? [] : [{ first: logIndex(at + 1), term: term(each) }],
  );
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
  holdsStorage = false;
  readonly #owed: StorageAck[] = [];

  constructor({ voters = [1, 2, 3], log = [], vote = 0, options = {}, ...rest }: Situation = {}) {
    const identity = { id: nodeId(1), incarnation: incarnation(1), seed: 1 };
    const newest = log[log.length - 1] ?? 0;
    this.raft = new Raft(
      { ...DEFAULT_OPTIONS, ...options, ...identity },
      {
        hardState: { term: term(rest.term ?? newest), vote: nodeId(vote) },
        log: {
          last: logIndex(log.length),
          generation: 0,
          termRuns: runsOf(log),
          extents: log.map((_, at) => ({ last: logIndex(at + 1), bytes: (at + 1) * ENTRY_BYTES })),
        },
        bootstrap: recordedConfiguration(voters),
        configurations: [],
        inDoubt: false,
      },
      0,
    );
    this.#turn();
  }

  /** Terms of its log, index 1 first. */
  get terms(): number[] {
    return Array.from(
      { length: this.raft.lastIndex },
      (_, at) => this.raft.termAt(logIndex(at + 1)) as Term,
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
    const ready: Ready = this.raft.take();
    this.sent.push(...ready.messages);
    for (const grant of ready.reads) this.grants.push(grant.id);
    if (ready.committed !== null) this.#apply(ready.committed.first, ready.committed.last);
    if (ready.persist === null) return;
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

  /** Hears a message; unless said otherwise it comes from replica 2, in the present term. */
  hear(message: Message): Placement | null {
    const proved = incarnation(message.from);
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

  hearHeartbeatReply(from: number, round = 0): void {
    const envelope = { ...this.#envelope(MessageKind.heartbeatReply), from: nodeId(from) };
    this.hear({ ...envelope, round, durable: logIndex(0), applied: logIndex(0) });
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
