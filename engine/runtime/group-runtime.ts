/**
 * One group on one node, without threads: the core, its log in memory, the state machine, and who
 * waits for what. Inputs are methods; outputs go through the four ports; `turn` does the work.
 *
 * A worker thread and the simulator drive the same class. It must never read a clock but through
 * its ports, wait, or touch a socket or a file. Proposals are in proposals.ts, reads in reads.ts,
 * what a leader sends in append-intake.ts.
 */

import { encodeConfiguration } from '../../codec/configuration.js';
import { EntryKind } from '../../codec/entry.js';
import { Consistency } from '../config-reads.js';
import { ErrorNumber } from '../errors.js';
import type { AppendRequest, Message } from '../raft/message.js';
import { Raft } from '../raft/raft.js';
import type { Ready } from '../raft/ready.js';
import type { RaftOptions, Recovered } from '../raft/state.js';
import {
  type Incarnation,
  type LogIndex,
  NO_INDEX,
  NOBODY,
  type NodeId,
  type SnapshotPoint,
  type Term,
} from '../raft/types.js';
import { Administration, type AdminRequest } from './administration.js';
import { AppendIntake } from './append-intake.js';
import { Applier } from './applier.js';
import type { ArenaOptions } from './arena.js';
import { BlockIndex, type BlockLocation, type MovedStretch } from './block-index.js';
import { KEEPS_LOG, machineThrew, unreadable } from './failure-words.js';
import { GroupLog, type Share } from './group-log.js';
import type { HostEvents, MachineCall, MachineHost } from './machine-host.js';
import { MembershipNews } from './membership-news.js';
import { OldLog } from './old-log.js';
import { PeerSender } from './peer-sender.js';
import type { ForwardReply, LoadedEntries, RuntimePorts } from './ports.js';
import { type ForwardedBatch, type ProposalBatch, Proposals } from './proposals.js';
import { type ReadRequest, Reads } from './reads.js';
import type { SnapshotOptions } from './snapshot-policy.js';
import type { SnapshotNews, StoredSnapshot } from './snapshot-port.js';
import { Snapshots } from './snapshots.js';
import { Submitter } from './submitter.js';

const NO_BYTES = new Uint8Array(0);
/** How long one turn applies entries before it looks at messages again. */
const APPLY_MS_MAX = 1;

export interface GroupRuntimeOptions {
  readonly raft: RaftOptions;
  readonly recovered: Recovered;
  readonly locations: readonly BlockLocation[];
  readonly arenaMemory: SharedArrayBuffer;
  readonly arena?: ArenaOptions;
  readonly entryBytesMax: number;
  /** See `Proposals`. */
  readonly heldBytesPerTurn?: number;
  readonly host: MachineHost;
  readonly snapshots: SnapshotOptions;
  /** Complete snapshots on disk, newest first. */
  readonly foundSnapshots: readonly StoredSnapshot[];
}

/** A storage acknowledgement, with where the submission's block lies. */
export interface StoredAck {
  readonly seq: number;
  readonly generation: number;
  readonly term: number;
  readonly lastIndex: number;
  readonly segment: number;
  readonly offset: number;
}

export class GroupRuntime {
  readonly raft: Raft;
  readonly log: GroupLog;
  readonly #options: GroupRuntimeOptions;
  readonly #ports: RuntimePorts;
  readonly #oldLog: OldLog;
  readonly #sender: PeerSender;
  readonly #applier: Applier;
  readonly #submitter: Submitter;
  readonly intake: AppendIntake;
  readonly snapshots: Snapshots;
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #administration: Administration;
  readonly #membershipNews: MembershipNews;
  /** Calls of the state machine that took longer than half a heartbeat, and the longest of all. */
  slowCalls = 0;
  slowestCallMs = 0;
  /** It stopped, and what it holds of the log on disk is why that cannot become shorter. */
  keepsLog = false;
  /** What `storage.waits` was when last looked at. */
  #waitsSeen = 0;
  #leading = false;
  #now = 0;
  /** With what everything that comes now is refused; null while the group runs. */
  #endedBy: ErrorNumber | null = null;

  constructor(options: GroupRuntimeOptions, ports: RuntimePorts, now: number) {
    this.#options = options;
    this.#ports = ports;
    this.raft = new Raft(options.raft, options.recovered, now);
    // A snapshot that the recovered log does not reach has begun it anew.
    const { last, generation } = this.raft.state.log;
    const isReset = generation > options.recovered.log.generation;
    this.log = new GroupLog(options.arenaMemory, last, options.arena);
    const blocks = new BlockIndex(isReset ? [] : options.locations);
    this.#oldLog = new OldLog(blocks, ports.oldLog);
    this.#submitter = new Submitter(this.log, blocks, ports.storage);
    this.#sender = new PeerSender(this.raft, this.log, this.#oldLog, ports.network);
    this.intake = new AppendIntake({
      raft: this.raft,
      log: this.log,
      ports,
      submitter: this.#submitter,
      entryBytesMax: options.entryBytesMax,
      makeRoom: (bytes, count, share) => this.#makeRoom(bytes, count, share),
      truncateAfter: (index) => this.#truncateAfter(index),
    });
    this.#proposals = new Proposals({
      raft: this.raft,
      log: this.log,
      ports,
      makeRoom: (bytes, count) => this.intake.admitsProposals(bytes, count),
      placed: () => this.#submitter.proposalsPlaced(),
      forwardSettled: (id, last) => this.#reads.forwardSettled(id, last),
      entryBytesMax: options.entryBytesMax,
      heldBytesPerTurn: options.heldBytesPerTurn,
    });
    this.#applier = new Applier({
      raft: this.raft,
      log: this.log,
      oldLog: this.#oldLog,
      host: options.host,
      writes: this.#proposals.writes,
      lost: (part) => this.#proposals.lost(part),
      skipped: ({ batch, offset, first, last }) =>
        this.#proposals.end(batch, offset, last - first + 1, ErrorNumber.outcomeUnknown),
      overtaken: (last) => this.#reads.writesEnd(Math.max(last, this.#proposals.writes.lastIndex)),
      unreadable: (index, reason) => this.fail(ErrorNumber.storage, unreadable(index, reason)),
    });
    this.#reads = new Reads(this.raft, ports, options.host, this.#proposals);
    const placeCreated = (): void => this.#placeCreated();
    this.#administration = new Administration(this.raft, ports.completions, placeCreated);
    this.#membershipNews = new MembershipNews(ports.network);
    options.host.attach(this.#hostEvents());
    this.snapshots = new Snapshots({
      raft: this.raft,
      host: options.host,
      port: ports.snapshots,
      applier: this.#applier,
      ...{ completions: ports.completions, stopwatch: ports.stopwatch },
      logIsShort: () => ports.storage.isShort,
      options: options.snapshots,
      found: options.foundSnapshots,
      logReset: (point) => this.#onLogReset(point),
      logCompacted: (index) => blocks.compact(index),
      fail: (code, text) => this.fail(code, text),
    });
  }

  #hostEvents(): HostEvents {
    return {
      applied: (last) => {
        if (!this.#failed) this.#applier.onApplied(last as LogIndex);
      },
      partDone: (...part) => this.#ports.completions.results(...part),
      partRefused: (batch, offset, code) => this.#proposals.end(batch, offset, 1, code),
      queried: (batch, offset, count, results) =>
        this.#ports.completions.readResults(batch.id, offset, count, results, this.appliedIndex),
      queryFailed: (batch, offset, text) =>
        this.#ports.completions.readFailed(batch.id, offset, text),
      failed: (index, cause, during) => this.#onMachineFailed(index, cause, during),
      image: (chunk, section) => this.snapshots.onImage(chunk, section),
      imageFailed: (cause) => this.snapshots.onImageFailed(cause, this.#now),
      restoredChunk: () => this.snapshots.onChunkTaken(),
      restored: () => this.snapshots.onRestored(),
    };
  }

  #onMachineFailed(index: number, cause: unknown, during: MachineCall): void {
    if (this.#failed) return;
    this.fail(ErrorNumber.stateMachine, machineThrew(index, cause, during), index);
  }

  get appliedIndex(): LogIndex {
    return this.#applier.applied;
  }

  /** The group stopped on this node: its state machine threw or its log cannot be read. */
  get failed(): boolean {
    return this.#failed && this.#endedBy !== ErrorNumber.closed;
  }

  get #failed(): boolean {
    return this.#endedBy !== null;
  }

  /** When `tick` must be called at the latest. */
  get deadline(): number {
    if (this.#failed) return Number.POSITIVE_INFINITY;
    const { raft, snapshots } = this;
    const own = Math.min(raft.deadline, snapshots.deadline);
    const asked = Math.min(this.#reads.deadline, this.#administration.deadline);
    return Math.min(own, this.#proposals.deadline, asked);
  }

  tick(now: number): void {
    if (this.#failed) return;
    if (now >= this.raft.deadline) {
      this.#noteWaits(now);
      this.#reads.readClocks();
      this.raft.tick(now);
      this.#placeCreated();
    }
    this.#proposals.tick(now);
    this.#reads.tick(now);
    this.#administration.tick(now);
    this.snapshots.tick(now);
  }

  /** Storage that waits for space is told from storage that has stalled. */
  #noteWaits(now: number): void {
    const { waits } = this.#ports.storage;
    if (waits !== this.#waitsSeen) this.raft.storageWaits(now);
    this.#waitsSeen = waits;
  }

  /** A message of a peer whose connection proved `incarnation`, without entries. */
  onMessage(message: Message, incarnation: Incarnation, now: number): void {
    if (this.#failed) return;
    this.raft.receive(message, incarnation, now);
    this.#placeCreated();
  }

  /** An append with its entries at `slab[start, end)`. One that is not what it says is dropped. */
  onAppend(
    message: AppendRequest,
    incarnation: Incarnation,
    slab: Buffer,
    start: number,
    end: number,
    now: number,
  ): boolean {
    if (this.#failed) return true;
    return this.intake.take(message, incarnation, slab, start, end, now);
  }

  /** A snapshot has replaced the log: what was in memory is of no use, and may still be written. */
  #onLogReset(point: SnapshotPoint): void {
    const { network } = this.#ports;
    this.log.resetTo(point.index, this.raft.state.submittedSeq + 1, network.mark());
    this.#oldLog.reset();
  }

  #truncateAfter(index: LogIndex): void {
    // The next submission carries the truncation, and with it what still refers to the dropped
    // bytes.
    const { network } = this.#ports;
    this.log.truncateAfter(index, this.raft.state.submittedSeq + 1, network.mark());
    this.#oldLog.blocks.truncateAfter(index);
  }

  onForward(from: NodeId, forward: ForwardedBatch, now: number): boolean {
    if (this.#failed) {
      this.#proposals.refuseForward(from, forward.forwardId, forward.count);
      return true;
    }
    return this.#proposals.onForward(from, forward, now);
  }

  onForwardReply(from: NodeId, reply: ForwardReply, now: number): void {
    if (!this.#failed) this.#proposals.onForwardReply(from, reply, now);
  }

  /** A peer proved itself on a new connection; `restarted` when its boot id is new. */
  onPeerUp(peer: NodeId, incarnation: Incarnation, restarted: boolean): void {
    if (this.#failed) return;
    this.#proposals.onPeerUp(peer);
    this.raft.connected(peer, incarnation, restarted);
    this.#placeCreated();
  }

  onPeerDown(peer: NodeId): void {
    if (!this.#failed) this.#proposals.onPeerDown(peer);
  }

  onProposals(batch: ProposalBatch, now: number): void {
    const refusal = this.#refusal;
    if (refusal !== null) this.#proposals.refuse(batch.id, batch.count, refusal);
    else this.#proposals.propose(batch, now);
  }

  /** With what commands and reads that need a leader are refused; null when they are not. */
  get #refusal(): ErrorNumber | null {
    return this.#endedBy ?? (this.raft.state.isWitness ? ErrorNumber.witness : null);
  }

  onReads(request: ReadRequest, now: number): void {
    const refusal = request.consistency === Consistency.local ? this.#endedBy : this.#refusal;
    if (refusal !== null) this.#reads.refuse(request, refusal);
    else this.#reads.ask(request, now);
  }

  onStored(ack: StoredAck, now: number): void {
    if (this.#failed) return;
    const { seq, generation, term, lastIndex, segment, offset } = ack;
    this.#submitter.stored(seq, segment, offset);
    const durable = { seq, generation, term: term as Term, lastIndex: lastIndex as LogIndex };
    this.raft.stored(durable, now);
    this.#placeCreated();
  }

  /** Term and vote of a submission are durable ahead of entries that wait for space. */
  onPromised(seq: number, now: number): void {
    if (this.#failed) return;
    this.raft.promised(seq, now);
    this.#placeCreated();
  }

  onSnapshotNews(news: SnapshotNews, now: number): void {
    if (!this.#failed) this.snapshots.onNews(news, now);
  }

  /** Somebody asks for a snapshot by hand; `id` comes back with the event that answers. */
  onSnapshotAsked(id: number): void {
    if (this.#endedBy === null) this.snapshots.request(id);
    else {
      const refused = { kind: 'snapshotRefused', id, code: this.#endedBy, text: '' } as const;
      this.#ports.completions.event(refused);
    }
  }

  /** Somebody asks for a transfer or a change of the membership, or who has applied an entry. */
  onAdmin(request: AdminRequest, now: number): void {
    if (this.#endedBy === null) this.#administration.ask(request, now);
    else this.#administration.refuse(request, this.#endedBy);
  }

  /** Entries were written once more elsewhere: where they were before will go. */
  onMoved(moved: MovedStretch): void {
    this.#oldLog.blocks.moved(moved);
  }

  /** The log on disk is long, and entries of this group keep it so. */
  onMustSnapshot(isUrgent: boolean): void {
    if (!this.#failed) {
      this.snapshots.pressed(isUrgent);
      return;
    }
    if (this.keepsLog) return;
    this.keepsLog = true;
    this.#ports.completions.event({ kind: 'snapshotWarning', text: KEEPS_LOG });
  }

  onLoaded(entries: LoadedEntries): void {
    if (!this.#failed) this.#oldLog.loaded(entries);
  }

  /**
   * Makes room in the arena by evicting what is durable, applied and sent. A follower's room for
   * its leader does not wait for applying: entries of an earlier term can only be committed by one
   * that must get in behind them, so they are read back from disk when their time comes.
   */
  #makeRoom(bytes: number, count: number, share: Share): boolean {
    const { log, storedSeq } = this.raft.state;
    const { applied, isLending } = this.#applier;
    const { network } = this.#ports;
    const waitsForApply = share !== 'peer' || isLending;
    const limits = {
      storedSeq,
      upTo: waitsForApply ? (Math.min(log.durable, applied) as LogIndex) : log.durable,
      referencedFrom: this.#sender.referencedFrom,
      isConsumed: (mark: number): boolean => network.isConsumed(mark),
    };
    return this.log.makeRoom(bytes, count, share, limits);
  }

  /** Entries of the core's own go into the log before anything else does. */
  #placeCreated(): void {
    for (const { configuration } of this.raft.takeCreated()) {
      const payload = configuration === null ? NO_BYTES : encodeConfiguration(configuration);
      const kind = configuration === null ? EntryKind.noop : EntryKind.configuration;
      this.#makeRoom(payload.length + 64, 1, 'own');
      this.log.appendOwn(kind, payload, this.#ports.wallClock());
    }
  }

  /** Performs what the core decided and applies a slice; true when there is more to do at once. */
  turn(now: number): boolean {
    if (this.#failed) return false;
    this.#proposals.announceCommits();
    this.#administration.turn(now);
    this.#now = now;
    this.#reads.readClocks();
    this.#perform(this.raft.take(), now);
    const { snapshots } = this;
    const { host } = this.#options;
    host.beginTurn?.();
    if (!snapshots.isRestoring && host.isWaiting === true) this.#timed(() => host.goOn?.());
    // Ahead of the next slab: a machine on another thread is never found idle behind it.
    this.#timed(() => snapshots.turn(now));
    this.#apply();
    if (this.#failed) return false;
    if (!snapshots.isRestoring) this.#timed(() => this.#reads.serve(this.#applier.applied));
    return this.#applier.hasWork || host.canGoOn === true || snapshots.hasWork;
  }

  /** The machine has more to say than there is room for: it is looked at every millisecond. */
  get isWaitingForRoom(): boolean {
    if (this.#failed) return false;
    return this.#options.host.isWaiting === true || this.snapshots.isWaitingForRoom;
  }

  #timed(call: () => void): void {
    const begun = this.#ports.stopwatch();
    call();
    this.#noteCall(this.#ports.stopwatch() - begun);
  }

  #apply(): void {
    const begun = this.#ports.stopwatch();
    let before = begun;
    while (!this.#failed && this.#applier.step() > 0) {
      const after = this.#ports.stopwatch();
      this.#noteCall(after - before);
      before = after;
      if (after - begun >= APPLY_MS_MAX) return;
    }
  }

  /** A machine that takes this long delays heartbeats: the operator must be able to see it. */
  #noteCall(ms: number): void {
    this.slowestCallMs = Math.max(this.slowestCallMs, ms);
    if (ms > this.raft.state.options.heartbeatInterval / 2) this.slowCalls += 1;
  }

  #perform(ready: Ready, now: number): void {
    if (ready.soft !== null) {
      const isLeading = ready.soft.leader === this.raft.id;
      if (this.#leading && !isLeading) this.#sender.forget();
      this.#leading = isLeading;
      this.#ports.completions.event({ kind: 'role', ...ready.soft });
    }
    if (ready.configuration !== null) {
      const { index, configuration } = ready.configuration;
      const bytes = encodeConfiguration(configuration);
      this.#ports.completions.event({ kind: 'configuration', index, bytes });
    }
    this.#membershipNews.tell(this.raft, ready);
    if (ready.soft !== null || ready.configuration !== null) this.#administration.changed(now);
    if (ready.persist !== null) this.#submitter.submit(ready.persist);
    this.#proposals.submitted();
    for (const message of this.snapshots.asHeld(ready.messages)) this.#sender.send(message);
    if (ready.committed !== null) this.#applier.commit(ready.committed.last);
    for (const grant of ready.reads) this.#reads.grant(grant.id, grant.index);
    if (ready.snapshotWanted !== null) {
      const { from, point } = ready.snapshotWanted;
      this.snapshots.wanted(from, point, now);
    }
    if (ready.soft !== null && ready.soft.leader !== NOBODY) this.#proposals.onLeaderKnown(now);
  }

  /**
   * Stops the group on this node and answers everything that waits; the core is stepped no more.
   */
  fail(code: ErrorNumber, text: string, thrownAt = NO_INDEX as number): void {
    if (this.#failed) return;
    // The reason comes first: the refusals that follow can then name it.
    this.#ports.completions.event({ kind: 'failed', code, text });
    this.#end(code, thrownAt);
    this.#oldLog.forget();
    this.#ports.storage.stopped();
  }

  /** Ends the group: everything that still waits gets an answer. */
  close(): void {
    if (!this.#failed) this.#end(ErrorNumber.closed, NO_INDEX);
  }

  #end(code: ErrorNumber, thrownAt: number): void {
    this.#endedBy = code;
    for (const part of this.#applier.takeUnfinished(thrownAt)) {
      const { batch, offset, first, last } = part;
      // Whoever waits for the entry that threw learns why; those behind it others may still apply.
      const threw = first === thrownAt ? 1 : 0;
      if (threw > 0) this.#proposals.end(batch, offset, 1, code);
      const rest = last - first + 1 - threw;
      if (rest > 0) this.#proposals.end(batch, offset + threw, rest, ErrorNumber.outcomeUnknown);
    }
    this.snapshots.end(code);
    this.#administration.end(code);
    this.#proposals.drain(code);
    this.#reads.drain(code, this.#options.host.abandonQueries?.() ?? []);
  }
}
