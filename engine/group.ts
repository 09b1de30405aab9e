/**
 * One group as its user sees it: proposals, reads, status, events, waiters.
 *
 * Promises are made here and nowhere below; the pipelined way without them is `channel`. This file
 * must never know Raft: it sees status numbers and results.
 */

import { EventEmitter } from 'node:events';
import { monotonicMs } from '../io/clock.js';
import { adminAsk, InboxKind, snapshotAsk } from '../workers/records/inbox.js';
import type { StatusPage } from '../workers/status-page.js';
import { aborted } from './aborted.js';
import {
  AdminCalls,
  type LeadershipTransferred,
  type MemberChange,
  type MembersChanged,
  type MembersPlanned,
  type MemberToBe,
} from './admin-calls.js';
import {
  checkBytes,
  checkCommands,
  checkForward,
  checkIndex,
  checkOptions,
  checkReplication,
  checkSignal,
  checkTimeout,
} from './call-arguments.js';
import { type BusyHint, callError } from './call-errors.js';
import { type BatchOptions, CHANNEL_BUSY, type Channel, type CompletionSink } from './channel.js';
import type { Replication } from './config-groups.js';
import { LINEARIZABLE, type ReadTerms } from './config-reads.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { failureOf } from './failure.js';
import type {
  CallOptions,
  GroupEvents,
  GroupNews,
  ProposeOptions,
  ProposeResult,
  ReadOptions,
  ReadResult,
} from './group-calls.js';
import { MemberNews } from './member-news.js';
import { lateApplied, lateLeader, pollUntil, type Wait } from './polling.js';
import { gather, noting } from './promise-sink.js';
import { Role } from './raft/types.js';
import { type ReadSwitches, readTerms } from './read-terms.js';
import { type OperationChannel, ReplicatedResults } from './replicated-results.js';
import type { AdminRequest } from './runtime/administration.js';
import {
  type CloseSessionOptions,
  checkPlace,
  claimCommand,
  closeSession,
  type OpenSessionOptions,
  only,
  openSession,
  placeAfter,
  type Session,
  type SessionPlace,
} from './session-calls.js';
import { SnapshotCalls, type SnapshotTaken } from './snapshot-calls.js';
import { type GroupStatus, standingOf } from './status.js';
import { WitnessMode } from './witness-mode.js';
import type { WitnessRecord } from './witness-record.js';

/** A large state takes seconds, whether it is stored or fetched by a new member. */
const SLOW_TIMEOUT_MS = 60_000;

interface GroupParts {
  readonly name: string;
  readonly id: number;
  readonly node: { readonly id: number; readonly incarnation: number };
  readonly channel: Channel;
  readonly page: StatusPage;
  readonly hosted: boolean;
  readonly timeoutMs: number;
  readonly reads: GroupReads;
  readonly witnesses: WitnessRecord;
  readonly replication: Replication;
  readonly busyHint: () => BusyHint;
}

/** What reads see by default, and what they may ask for here. */
interface GroupReads {
  readonly byDefault: ReadTerms;
  readonly switches: ReadSwitches;
}

export class Group extends EventEmitter<GroupEvents> {
  readonly name: string;
  readonly id: number;
  /** The pipelined interface: no promise per operation. See channel.ts. */
  readonly channel: Channel;
  /** When writes are answered unless a call says otherwise. */
  readonly replication: Replication;
  readonly #replicated: ReplicatedResults;
  readonly #onAll: OperationChannel;
  readonly #node: GroupParts['node'];
  readonly #page: StatusPage;
  readonly #hosted: boolean;
  readonly #timeoutMs: number;
  readonly #reads: GroupReads;
  readonly #busyHint: () => BusyHint;
  readonly #snapshots: SnapshotCalls;
  readonly #admin: AdminCalls;
  readonly #witness: WitnessMode;
  #role: string = Role.follower;
  #leader = 0;
  #committed = 0;
  readonly #members = new MemberNews();
  /** Why nothing is taken any more: the group failed here, or the engine closes. */
  #ended: RingraftError | null = null;
  #failure: RingraftError | null = null;

  constructor(parts: GroupParts) {
    super();
    this.name = parts.name;
    this.id = parts.id;
    this.channel = parts.channel;
    this.#node = parts.node;
    this.#page = parts.page;
    this.#hosted = parts.hosted;
    this.#timeoutMs = parts.timeoutMs;
    this.#reads = parts.reads;
    this.#busyHint = parts.busyHint;
    const { channel } = parts;
    this.#snapshots = new SnapshotCalls((id) => channel.ask(InboxKind.snapshot, snapshotAsk(id)));
    const ask = (request: AdminRequest): void => channel.ask(InboxKind.admin, adminAsk(request));
    this.#admin = new AdminCalls(ask);
    this.#witness = new WitnessMode(parts.witnesses, parts.id, this.#admin, parts.page);
    this.replication = parts.replication;
    this.#replicated = new ReplicatedResults(ask, monotonicMs);
    this.#onAll = this.#replicated.channel(channel);
  }

  /** Role, term, leader and indexes of this replica, as of its last turn. */
  status(): GroupStatus {
    const numbers = this.#page.read();
    const { index, members } = this.#members;
    return {
      name: this.name,
      inflight: this.inflight,
      ...numbers,
      standingText: standingOf(this.#node, numbers, members),
      configurationIndex: index,
      members,
      machine: this.#hosted ? 'main' : 'worker',
      failure: this.#failure && { code: this.#failure.code, message: this.#failure.message },
    };
  }

  get inflight(): number {
    return this.channel.inflight + this.#replicated.count;
  }

  /** The channel whose writes are answered as this mode says. */
  writes(replication: Replication): OperationChannel {
    return replication === 'all' ? this.#onAll : this.channel;
  }

  get hasLeader(): boolean {
    return this.#page.read().leader !== 0;
  }

  /** Proposes one command and resolves with the state machine's answer. */
  async propose(command: Uint8Array, options: ProposeOptions = {}): Promise<Buffer> {
    checkBytes('command', command);
    return only(await this.proposeMany([command], options));
  }

  /**
   * Proposes commands in order and resolves once all are answered: one promise for the batch. When
   * one is refused as busy, so are those behind it; each result says what became of its command.
   */
  async proposeMany(
    commands: readonly Uint8Array[],
    options: ProposeOptions = {},
  ): Promise<ProposeResult[]> {
    checkCommands(commands);
    const { batch, channel } = this.#writeTerms(options);
    const { session, signal } = options;
    if (session !== undefined) checkPlace(session, commands.length);
    const placeOf = (i: number): SessionPlace | undefined => placeAfter(session, i);
    let busy = false;
    const claim = (sink: CompletionSink, i: number): number => {
      const command = commands[i] as Uint8Array;
      // A later one must not be executed without those before it.
      if (busy) return CHANNEL_BUSY;
      const at = claimCommand(channel, command.length, placeOf(i), batch, sink, i);
      busy = at === CHANNEL_BUSY;
      if (at >= 0) channel.writeBuffer.set(command, at);
      return at;
    };
    return this.#collect(commands.length, signal, COMMANDS_SENT, claim, placeOf);
  }

  /**
   * Opens a client session, an entry of the log like any: its id is good on every node, and after
   * restarts. When the outcome is unknown open another: the one that may be there expires.
   */
  async openSession(options: OpenSessionOptions = {}): Promise<Session> {
    const { batch, channel } = this.#writeTerms(options);
    return openSession(channel, options.ttlMs, batch, (claim) =>
      this.#collect(1, options.signal, COMMANDS_SENT, claim),
    );
  }

  /** Ends a session. False: it was not open any more. May be repeated. */
  async closeSession(id: number, options: CloseSessionOptions = {}): Promise<boolean> {
    const { batch, channel } = this.#writeTerms(options);
    return closeSession(channel, id, batch, (claim) =>
      this.#collect(1, options.signal, COMMANDS_SENT, claim),
    );
  }

  /** What writes share; their options are checked here, in every call. */
  #writeTerms(options: ProposeOptions): { batch: BatchOptions; channel: OperationChannel } {
    checkOptions(options);
    const { forward = true, replication = this.replication } = options;
    checkForward(forward);
    checkReplication(replication);
    // Only the leader knows who has applied what.
    const mayForward = forward && replication === 'quorum';
    const batch = this.#batchOptions(options, mayForward, LINEARIZABLE);
    return { batch, channel: this.writes(replication) };
  }

  /**
   * Asks the state machine of this node. What the answer must reflect is the group's `reads`, by
   * default `linearizable`, unless `consistency` says otherwise. It ends within its timeout with
   * the answer or an error, also while leadership changes.
   */
  async read(query: Uint8Array, options: ReadOptions = {}): Promise<Buffer> {
    return this.#read(query, options, (sink) => sink);
  }

  /** The same, with the index that the answer reflects and the node that gave it. */
  async readResult(query: Uint8Array, options: ReadOptions = {}): Promise<ReadResult> {
    let readAt = 0;
    const note = (index: number): void => {
      readAt = index;
    };
    const stale = this.#witness.label();
    const value = await this.#read(query, options, (sink) => noting(note, sink));
    return { value, index: readAt, servedBy: this.#node.id, stale };
  }

  async #read(
    query: Uint8Array,
    options: ReadOptions,
    answering: (sink: CompletionSink) => CompletionSink,
  ): Promise<Buffer> {
    checkBytes('query', query);
    checkOptions(options);
    const terms = readTerms(options, this.#reads.byDefault, this.#reads.switches);
    const batch = this.#batchOptions(options, false, terms);
    const results = await this.#collect(1, options.signal, undefined, (sink, i) => {
      const at = this.channel.claimRead(query.length, batch, answering(sink), i);
      if (at >= 0) this.channel.readBuffer.set(query, at);
      return at;
    });
    return only(results);
  }

  /**
   * Takes a snapshot now, whatever the options say of when: it covers everything applied here
   * before the call. Default `timeoutMs`: 60 seconds. Throws `ERR_SNAPSHOT` with the reason.
   */
  async snapshot(options: CallOptions = {}): Promise<SnapshotTaken> {
    this.#deadline(options);
    const { timeoutMs = SLOW_TIMEOUT_MS, signal } = options;
    if (signal?.aborted) throw aborted(signal, NOTHING_SENT);
    if (this.#ended !== null) throw this.#ended;
    return this.#snapshots.take(timeoutMs, signal);
  }

  /**
   * Adds a member, or makes another one of it: a voter, a learner, one at another address. Resolves
   * once it is what it is to be; a voter is a learner first, until it has caught up. Repeating a
   * change that is under way joins it.
   *
   * On the leader only (`ERR_NOT_LEADER` names it). Default `timeoutMs`: 60 seconds; a change that
   * was begun goes on behind that (`ERR_OUTCOME_UNKNOWN`), also under another leader. Throws
   * `ERR_MEMBERSHIP` with the reason when nothing was begun.
   */
  async addMember(member: MemberToBe, options: CallOptions = {}): Promise<MembersChanged> {
    return this.changeMembers({ put: [member] }, options);
  }

  /** Removes a member, as `addMember`. A leader that removes itself hands over to another one. */
  async removeMember(id: number, options: CallOptions = {}): Promise<MembersChanged> {
    return this.changeMembers({ remove: [id] }, options);
  }

  /** Several members at once, as `addMember`: all of it happens in one step, or nothing. */
  async changeMembers(change: MemberChange, options: CallOptions = {}): Promise<MembersChanged> {
    return this.#admin.change(change, this.#adminBounds(options, SLOW_TIMEOUT_MS));
  }

  /**
   * What `changeMembers` would do, without doing it: who would vote, how many of them must answer,
   * and who does now. Null when nothing would change.
   */
  async planMembers(
    change: MemberChange,
    options: CallOptions = {},
  ): Promise<MembersPlanned | null> {
    return this.#admin.plan(change, this.#adminBounds(options, this.#timeoutMs));
  }

  /**
   * Hands leadership to a node, or to the one that has most of the log. Proposals that come
   * meanwhile wait for the new leader. It has one election timeout; then this node leads on, and
   * `ERR_TRANSFER` is thrown. On the leader only.
   */
  async transferLeadership(
    target?: number,
    options: CallOptions = {},
  ): Promise<LeadershipTransferred> {
    return this.#admin.transfer(target ?? 0, this.#adminBounds(options, this.#timeoutMs));
  }

  /**
   * This node's replica holds back: it neither campaigns nor votes, but appends and acknowledges as
   * ever. It answers local reads, labelled (`readResult`), and all else with `ERR_WITNESS`. If it
   * leads it hands over first, or `ERR_TRANSFER` says why not. A restart finds it as it was.
   */
  async enterWitnessMode(options: CallOptions = {}): Promise<void> {
    return this.#witness.enter(this.#adminBounds(options, this.#timeoutMs));
  }

  /** Full participation resumes. */
  async leaveWitnessMode(options: CallOptions = {}): Promise<void> {
    return this.#witness.leave(this.#adminBounds(options, this.#timeoutMs));
  }

  /** Whether what is asked now is asked of a witness. */
  get isWitness(): boolean {
    return this.#witness.isOn;
  }

  #adminBounds(options: CallOptions, standard: number) {
    this.#deadline(options);
    const { timeoutMs = standard, signal } = options;
    if (signal?.aborted) throw aborted(signal, NOTHING_SENT);
    if (this.#ended !== null) throw this.#ended;
    return { timeoutMs, deadline: monotonicMs() + timeoutMs, signal };
  }

  #batchOptions(options: CallOptions, mayForward: boolean, terms: ReadTerms): BatchOptions {
    const deadline = this.#deadline(options);
    return { deadline, mayForward, ...terms, behindWrites: false };
  }

  /** When the call ends; its options are checked here, in every call. */
  #deadline(options: CallOptions): number {
    checkOptions(options);
    const { timeoutMs = this.#timeoutMs, signal } = options;
    checkTimeout(timeoutMs);
    checkSignal(signal);
    return monotonicMs() + timeoutMs;
  }

  #collect(
    count: number,
    signal: AbortSignal | undefined,
    sent: string | undefined,
    claim: (sink: CompletionSink, i: number) => number,
    placeOf: (i: number) => SessionPlace | undefined = () => undefined,
  ): Promise<ProposeResult[]> {
    if (signal?.aborted) return Promise.reject(aborted(signal, NOTHING_SENT));
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return gather(count, { signal, sent }, claim, (i, code, leader, detail) =>
      callError({ code, leader, detail, place: placeOf(i) }, this.#failure, this.#busyHint),
    );
  }

  /** Resolves with the leader's node id once one is known here. */
  async waitForLeader(options: CallOptions = {}): Promise<number> {
    let leader = 0;
    await pollUntil(this.#wait(options, lateLeader), () => {
      leader = this.#ended === null ? this.#page.read().leader : 0;
      return leader !== 0;
    });
    return leader;
  }

  /** Resolves once entries up to `index` are applied here. */
  async waitForApplied(index: number, options: CallOptions = {}): Promise<void> {
    checkIndex(index);
    let applied = 0;
    const late = (): RingraftError => lateApplied(index, applied);
    await pollUntil(this.#wait(options, late), () => {
      applied = this.#page.read().appliedIndex;
      return applied >= index;
    });
  }

  #wait(options: CallOptions, late: () => RingraftError): Wait {
    const deadline = this.#deadline(options);
    return { deadline, signal: options.signal, ended: () => this.#ended, late };
  }

  /** An event of the consensus worker. Listeners must not run while a ring is drained. */
  onEvent(json: string): void {
    const event = JSON.parse(json) as GroupNews;
    if (event.kind === 'snapshot' || event.kind === 'snapshotRefused') {
      this.#snapshots.onAnswer(event);
    } else if (event.kind === 'adminDone' || event.kind === 'adminRefused') {
      this.#admin.onAnswer(event);
    } else if (event.kind === 'onAll') {
      this.#replicated.onAnswer(event);
    } else if (event.kind === 'snapshotWarning') {
      const { text } = event;
      queueMicrotask(() => this.emit('warning', { text }));
    } else if (event.kind === 'role') this.#onRole(event);
    else if (event.kind === 'catchUp') this.#members.takeProgress(event.learners);
    else if (event.kind === 'failed') this.fail(failureOf(event.code, event.text));
    else if (event.kind === 'unreadable') {
      const { index, from, text } = event;
      queueMicrotask(() => this.emit('unreadable', { index, from, text }));
    } else {
      const news = this.#members.take(event.index, event.bytes);
      for (const each of news) queueMicrotask(() => this.emit('member', each));
    }
  }

  #onRole({ role, term, leader }: { role: string; term: number; leader: number }): void {
    const previousRole = this.#role;
    const previous = this.#leader;
    this.#role = role;
    this.#leader = leader;
    queueMicrotask(() => {
      this.emit('role', { role, previous: previousRole, term, leader });
      if (previous !== leader) this.emit('leader', { leader, previous, term });
    });
  }

  /** Commit notifications, when anybody listens; called now and then. */
  pollCommit(): void {
    if (this.listenerCount('commit') === 0) return;
    const commit = this.#page.readCommit();
    if (commit === null || commit.index === this.#committed) return;
    this.#committed = commit.index;
    this.emit('commit', commit);
  }

  /** The group stopped on this node. */
  fail(error: RingraftError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#ended = error;
    this.#snapshots.close(error);
    this.#admin.close(error);
    this.#replicated.close(error);
    queueMicrotask(() => {
      if (this.listenerCount('error') > 0) this.emit('error', error);
    });
  }

  /** The engine closes: nothing more is taken. */
  stopAdmitting(): void {
    this.#ended ??= new RingraftError(ErrorNumber.closed);
    this.#snapshots.close(this.#ended);
    this.#admin.close(this.#ended);
    this.channel.stopAdmitting();
  }

  /**
   * The engine closes: if this replica leads, the best of the others takes over. Resolves when it
   * has, or will not; nothing is thrown.
   */
  async handOver(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#failure !== null || this.#page.read().role !== Role.leader) return;
    const bounds = { timeoutMs, deadline: monotonicMs() + timeoutMs, signal };
    await this.#admin.transfer(0, bounds).catch(() => undefined);
  }

  /** Nothing will come back any more. */
  close(code: ErrorNumber): void {
    this.channel.close(code);
    this.#replicated.close(new RingraftError(code));
  }

  get failure(): RingraftError | null {
    return this.#failure;
  }
}

const NOTHING_SENT = 'nothing was sent';
const COMMANDS_SENT = 'what was sent may still be executed';
