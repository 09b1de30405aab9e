/**
 * One group in one simulated process: the production runtime with a duty cycle like that of a
 * consensus worker, on virtual time, watched after every input.
 *
 * What arrives waits in four queues, like the rings; a turn drains them in the worker's order. It
 * must never hand the runtime anything outside a turn.
 */

import type { FrameKind } from '../../codec/frames/frame-format.js';
import { ERROR_KINDS } from '../../engine/errors.js';
import { describeMessage } from '../../engine/raft/describe.js';
import { snapshotOf } from '../../engine/raft/invariants.js';
import type { MembershipChange } from '../../engine/raft/membership-change.js';
import type { Message } from '../../engine/raft/message.js';
import { type Incarnation, nodeId, Role } from '../../engine/raft/types.js';
import type { AdminRequest, AdminResult } from '../../engine/runtime/administration.js';
import { GroupRuntime, type GroupRuntimeOptions } from '../../engine/runtime/group-runtime.js';
import type {
  CompletionPort,
  LoadedEntries,
  LogReaderPort,
  NetworkPort,
  RuntimeEvent,
  Submission,
} from '../../engine/runtime/ports.js';
import type { SnapshotNews, SnapshotPort } from '../../engine/runtime/snapshot-port.js';
import type { MovedEntries, PersistAck } from '../../io/wal/wal-types.js';
import { AllWatch } from './all-watch.js';
import { Answers, type Waiter } from './answers.js';
import { DurableRecord } from './durable-record.js';
import { takeFrame } from './frame-intake.js';
import { encodeGet, encodeWrite } from './kv-wire.js';
import type { LogDevice } from './log-device.js';
import { noteMembers } from './member-notes.js';
import type { ProcessTimer, SimProcess } from './process.js';
import { ReadWatch } from './read-watch.js';
import { SimClocks } from './sim-clocks.js';
import { SimFailure } from './sim-failure.js';
import type { World } from './world.js';

const US_PER_MS = 1_000;
/** How long an operator waits for a transfer or a change to end. */
const OPERATOR_PATIENCE_MS = 2000;

interface Arrival {
  readonly bytes: number;
  readonly act: (now: number) => void;
}

export interface GroupParts {
  readonly world: World;
  readonly node: number;
  readonly group: number;
  readonly process: SimProcess;
  readonly network: NetworkPort;
  readonly oldLog: LogReaderPort;
  readonly snapshots: SnapshotPort;
  readonly wallOffsetMs: number;
  readonly log: LogDevice;
  /** Of the group's machine, as it is now. */
  digest(): string;
  /** After every input. */
  stepped(): void;
  /** The group stops here for that reason; false: nothing was done that could make it. */
  stopped(reason: string): boolean;
}

export class SimGroup {
  readonly runtime: GroupRuntime;
  readonly group: number;
  readonly clocks: SimClocks;
  readonly #parts: GroupParts;
  readonly #record: DurableRecord;
  readonly #stored: Arrival[] = [];
  readonly #peers: Arrival[] = [];
  readonly #loaded: Arrival[] = [];
  readonly #inbox: Arrival[] = [];
  /** Replies to clients that the runtime has given and nobody has read yet. */
  readonly #replies: (() => void)[] = [];
  readonly #writes = new Answers('write batch', (reply) => this.#replies.push(reply));
  readonly #reads = new Answers('read batch', (reply) => this.#replies.push(reply));
  readonly #readWatch: ReadWatch;
  readonly #allWatch: AllWatch;
  #isWoken = false;
  #stallUs = 0;
  #timer: ProcessTimer | null = null;
  #stopwatch = 0;
  #firstInMemory = 0;
  #compacted = 0;
  /** The log has told this group that it is urgent, in this life. */
  #wasUrgent = false;
  /** The snapshot that was found to be of no use last. */
  #lost = 0;
  #turnBytes = 0;
  #requests = 0;

  constructor(parts: GroupParts, options: GroupRuntimeOptions) {
    this.#parts = parts;
    this.#record = new DurableRecord(options.recovered);
    this.group = parts.group;
    this.clocks = new SimClocks(parts.process, parts.wallOffsetMs);
    this.#readWatch = new ReadWatch({
      ...parts,
      isWaiting: (batch) => this.#reads.isWaiting(batch),
    });
    this.#allWatch = new AllWatch({
      ...parts,
      ask: (request) => this.#put(this.#inbox, 0, (now) => this.runtime.onAdmin(request(now), now)),
    });
    const { log } = parts;
    const ports = {
      storage: {
        submit: (submission: Submission) => this.#submit(submission),
        stopped: () => log.stopped(parts.group),
        get isShort(): boolean {
          return log.isShort;
        },
        get isFull(): boolean {
          return log.isFull;
        },
        get waits(): number {
          return log.waits;
        },
      },
      network: { ...parts.network, send: (message: Message) => this.#send(message) },
      oldLog: parts.oldLog,
      snapshots: parts.snapshots,
      completions: this.#completions(),
      wallClock: () => this.clocks.wall,
      clock: () => this.clocks.now,
      // Grows by the look, not by time: a turn applies a few slices and goes on in the next one.
      stopwatch: () => {
        this.#stopwatch += 0.4;
        return this.#stopwatch;
      },
    };
    this.runtime = new GroupRuntime(options, ports, this.clocks.now);
    this.#firstInMemory = this.runtime.log.map.firstInMemory;
    this.#compacted = this.runtime.raft.compactedIndex;
    if (this.runtime.raft.missingState) parts.world.counts.missingStates += 1;
  }

  /** In the next turn the thread pauses behind the reading of its clock. */
  stallNextTurn(lastsUs: number): void {
    this.#stallUs = lastsUs;
    this.wake();
  }

  start(): void {
    this.wake();
  }

  #send(message: Message): void {
    const broken = this.#record.brokenPromise(message, this.runtime.raft.state);
    if (broken !== null) {
      const says = describeMessage(message);
      throw new SimFailure(`node ${this.#parts.node}: "${says}" promises ${broken}`);
    }
    this.#parts.network.send(message);
  }

  #submit(submission: Submission): void {
    if (submission.truncateAfter !== null) this.#parts.world.counts.truncations += 1;
    if (submission.compact) this.#parts.world.counts.compactions += 1;
    if (submission.reset) {
      this.#parts.world.counts.snapshotsInstalled += 1;
      this.#parts.world.onLogReset(this.#parts.node);
    }
    if (submission.clearsDoubt) this.#parts.world.counts.doubtsCleared += 1;
    this.#parts.log.submit(this.group, submission);
  }

  #completions(): CompletionPort {
    return {
      results: (batch, offset, count, bytes, first) => {
        this.#writes.results(batch, offset, count, bytes);
        this.#allWatch.answered(first + count - 1, this.runtime.raft);
      },
      refused: (...refusal) => this.#writes.refused(...refusal),
      readResults: (batch, offset, count, bytes, index) => {
        this.#readWatch.answered(batch, count, index, this.runtime.raft);
        this.#reads.results(batch, offset, count, bytes);
      },
      readRefused: (batch, count, code, leader) =>
        this.#reads.refused(batch, 0, count, code, leader),
      readFailed: (batch, offset, text) => {
        throw new SimFailure(`query ${offset} of read batch ${batch} failed: ${text}`);
      },
      event: (event) => this.#onEvent(event),
    };
  }

  #onEvent(event: RuntimeEvent): void {
    const { world, node, group } = this.#parts;
    if (event.kind === 'role') {
      if (event.role === Role.leader) world.counts.elections += 1;
      if (event.role === Role.candidate) world.counts.campaigns += 1;
      const of = event.role === Role.follower ? ` of ${event.leader}` : '';
      world.event(node, `g${group} ${event.role}${of} in term ${event.term}`);
    } else if (event.kind === 'configuration') {
      if (event.index > 0) world.counts.configurations += 1;
      noteMembers(world, node, group, this.runtime.raft);
    } else if (event.kind === 'snapshot' || event.kind === 'catchUp') {
      return;
    } else if (!this.#parts.process.isAlive) {
      return;
    } else if (event.kind === 'adminDone') {
      this.#onAdminDone(event.result);
    } else if (event.kind === 'adminRefused') {
      world.event(node, `g${group} refused: ${ERROR_KINDS[event.code].code} ${event.text}`);
    } else if (event.kind === 'snapshotWarning' || event.kind === 'snapshotRefused') {
      world.event(node, `g${group} ${event.text}`);
    } else if (event.kind === 'unreadable') {
      throw new SimFailure(`group ${group} on node ${node}: ${event.text}`);
    } else if (event.kind === 'onAll') {
      this.#allWatch.onAnswer(event, this.runtime.raft);
    } else if (!this.#parts.stopped(event.text)) {
      throw new SimFailure(`group ${group} stopped on node ${node}: ${event.text}`);
    }
  }

  stored(ack: PersistAck, submission: Submission): void {
    this.#record.persisted(submission);
    this.#put(this.#stored, 0, (now) => {
      const { generation } = this.runtime.raft.state.log;
      if (ack.generation !== generation) this.#parts.world.counts.staleAcks += 1;
      this.runtime.onStored(ack, now);
    });
  }

  promised({ seq }: PersistAck, submission: Submission): void {
    this.#record.promised(submission);
    this.#put(this.#stored, 0, (now) => this.runtime.onPromised(seq, now));
  }

  mustSnapshot(isUrgent: boolean): void {
    this.#parts.world.counts.snapshotsForced += 1;
    this.#put(this.#stored, 0, () => {
      this.#wasUrgent ||= isUrgent;
      this.runtime.onMustSnapshot(isUrgent);
    });
  }

  /** The device's word about a snapshot; `done` gives back what it lent. */
  snapshotNews(news: SnapshotNews, done: () => void): void {
    this.#put(this.#loaded, 0, (now) => {
      this.#countNews(news);
      this.runtime.onSnapshotNews(news, now);
      done();
    });
  }

  #countNews(news: SnapshotNews): void {
    if (news.kind === 'unservable') this.#lost = news.point.index;
    const { counts, node, group } = { ...this.#parts, ...this.#parts.world };
    const at = 'stored' in news ? news.stored.point : news.point;
    if (news.kind === 'written') counts.snapshotsTaken += 1;
    else if (news.kind === 'failed') counts.snapshotsFailed += 1;
    else if (news.kind === 'fetched') counts.snapshotsFetched += 1;
    else if (news.kind === 'refused') counts.snapshotFetchesRefused += 1;
    else if (news.kind === 'unservable' && !news.isGone) counts.unservable += 1;
    else if (news.kind === 'unreadable') {
      throw new SimFailure(`node ${node} group ${group}: ${news.text}`);
    } else return;
    this.#note(() => `snapshot ${news.kind} ${at.term}/${at.index}`);
  }

  moved(moved: MovedEntries): void {
    this.#put(this.#stored, 0, () => this.runtime.onMoved(moved));
  }

  loaded(entries: LoadedEntries): void {
    this.#put(this.#loaded, 0, () => this.runtime.onLoaded(entries));
  }

  peerUp(peer: number, incarnation: Incarnation, restarted: boolean): void {
    this.#put(this.#peers, 0, () => this.runtime.onPeerUp(nodeId(peer), incarnation, restarted));
  }

  peerDown(peer: number): void {
    this.#put(this.#peers, 0, () => this.runtime.onPeerDown(nodeId(peer)));
  }

  message(message: Message, incarnation: Incarnation): void {
    this.#put(this.#peers, 0, (now) => {
      this.#note(() => describeMessage(message));
      this.runtime.onMessage(message, incarnation, now);
    });
  }

  /** A frame of this group alone. */
  frame(peer: number, kind: FrameKind, body: Buffer, incarnation: Incarnation): void {
    this.#put(this.#peers, body.length, (now) => {
      const note = (text: () => string): void => this.#note(text);
      if (takeFrame(this.runtime, { from: nodeId(peer), kind, body, incarnation }, now, note))
        return;
      throw new SimFailure(`a frame of kind ${kind} from node ${peer} is not what it says`);
    });
  }

  /** Writes of several clients, as one batch. */
  propose(waiters: readonly Waiter[], deadlineMs: number, mayForward: boolean): void {
    const { world } = this.#parts;
    if (waiters.length > 1) world.counts.batches += 1;
    const padding = world.plan.paddingBytes;
    const entries = waiters.map(({ operation, place }) => encodeWrite(operation, padding, place));
    const slab = Buffer.concat(entries);
    const id = this.#writes.open(waiters);
    this.#put(this.#inbox, slab.length, (now) => {
      const batch = { id, count: waiters.length, slab, start: 0, end: slab.length, mayForward };
      this.runtime.onProposals({ ...batch, deadline: deadlineMs }, now);
    });
  }

  read(waiters: readonly Waiter[], deadlineMs: number, behindWrites: boolean): void {
    const queries = waiters.flatMap(({ operation }) => {
      const query = encodeGet(operation.key);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(query.length);
      return [length, query];
    });
    const buffer = Buffer.concat(queries);
    const id = this.#reads.open(waiters);
    const range = { buffer, start: 0, end: buffer.length };
    const terms = this.#readWatch.ask(id, waiters[0] as Waiter, deadlineMs);
    this.#put(this.#inbox, 0, (now) => {
      const request = { id, count: waiters.length, ...range, ...terms, behindWrites };
      this.runtime.onReads({ ...request, deadline: deadlineMs }, now);
    });
  }

  /** An operator asks for a transfer. */
  transfer(to: number): void {
    this.ask((own) => ({ ...own, kind: 'transfer', target: nodeId(to) }));
  }

  /** An operator asks for another membership. */
  changeMembers(change: MembershipChange): void {
    this.ask((own) => ({ ...own, kind: 'change', change, dryRun: false }));
  }

  /** An operator asks for something that is answered by an event. */
  ask(request: (own: Pick<AdminRequest, 'id' | 'deadline'>) => AdminRequest): void {
    this.#requests += 1;
    const id = this.#requests;
    this.#put(this.#inbox, 0, (now) => {
      this.runtime.onAdmin(request({ id, deadline: now + OPERATOR_PATIENCE_MS }), now);
    });
  }

  #onAdminDone(result: AdminResult): void {
    const { world, node } = this.#parts;
    if (result.kind === 'changed') world.counts.changesMade += 1;
    if (result.kind !== 'transferred') return;
    if (result.leader !== node) world.counts.handOvers += 1;
    world.event(node, `g${this.group} handed over to ${result.leader} in term ${result.term}`);
  }

  #put(queue: Arrival[], bytes: number, act: (now: number) => void): void {
    queue.push({ bytes, act });
    this.wake();
  }

  /** Soon there will be a turn, of all that has arrived until then. */
  wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    this.#parts.process.after(this.#parts.world.plan.turnUs, () => this.#turn());
  }

  #turn(): void {
    const { now } = this.clocks;
    const { plan, scheduler } = this.#parts.world;
    const stallUs = Math.max(0, Math.min(this.#stallUs, plan.faultsEndUs - scheduler.nowUs));
    this.#stallUs = 0;
    if (stallUs === 0) {
      this.#work(now);
      return;
    }
    this.#parts.world.counts.stalls += 1;
    this.#readWatch.stallsUntil(this.#parts.process.localUs + stallUs);
    this.#parts.process.after(stallUs, () => this.#work(now));
  }

  /** Drains and acts, by a clock that was read before. */
  #work(now: number): void {
    this.#isWoken = false;
    const { runtime } = this;
    this.#turnBytes = 0;
    this.#drain(this.#stored, now);
    this.#drain(this.#peers, now);
    this.#drain(this.#loaded, now);
    this.#drain(this.#inbox, now);
    if (now >= runtime.deadline) this.#watched(() => runtime.tick(now));
    let more = false;
    this.#readWatch.beforeTurn(runtime.raft, this.clocks);
    this.#watched(() => {
      more = runtime.turn(now);
    });
    this.#countEvictions();
    const goesOn = more || runtime.isWaitingForRoom;
    if (goesOn || this.#peers.length > 0 || this.#inbox.length > 0) this.wake();
    this.#arm();
  }

  #drain(queue: Arrival[], now: number): void {
    while (queue.length > 0 && this.#turnBytes < this.#parts.world.plan.intakeBytesMax) {
      const { bytes, act } = queue.shift()!;
      this.#turnBytes += bytes;
      this.#watched(() => act(now));
    }
  }

  #watched(act: () => void): void {
    const { state } = this.runtime.raft;
    const { world, node } = this.#parts;
    const before = snapshotOf(state);
    const kept = this.#keptForTransfers();
    act();
    const witness = world.witnessOf(this.group);
    witness.step(node, before, state);
    const { appliedIndex, snapshots } = this.runtime;
    if (!snapshots.isRestoring) witness.hasApplied(node, appliedIndex);
    this.#checkKept(kept);
    this.#parts.stepped();
    // One that was taken here covers what had been applied here.
    const isFetched = (state.snapshot?.index ?? 0) > before.applied;
    if (isFetched && state.log.generation === before.generation) world.counts.logsKept += 1;
    this.#giveReplies();
  }

  /** Up to where the log may be forgotten while snapshots are being sent to peers that live. */
  #keptForTransfers(): number {
    const { snapshotFloor: floor } = this.runtime.raft;
    // What was lost cannot be sent: those who fetched it are offered another one.
    return this.#wasUrgent || floor === this.#lost ? Number.POSITIVE_INFINITY : floor;
  }

  #checkKept(kept: number): void {
    const { compactedIndex } = this.runtime.raft;
    if (compactedIndex === this.#compacted) return;
    this.#compacted = compactedIndex;
    if (compactedIndex <= kept) return;
    const { node } = this.#parts;
    const text = `forgot its log up to ${compactedIndex}, a snapshot up to ${kept} is being sent`;
    throw new SimFailure(`group ${this.group}: node ${node} ${text}`);
  }

  #giveReplies(): void {
    for (const reply of this.#replies.splice(0)) reply();
  }

  /** Something of this group that does not wait for a turn: a machine hosted elsewhere answers. */
  outside(act: () => void): void {
    this.#watched(act);
    this.wake();
  }

  #countEvictions(): void {
    const { firstInMemory } = this.runtime.log.map;
    if (firstInMemory > this.#firstInMemory) this.#parts.world.counts.evictions += 1;
    this.#firstInMemory = firstInMemory;
  }

  /** One timer for the next deadline; an earlier one replaces it, a later one finds it asleep. */
  #arm(): void {
    const { process } = this.#parts;
    const { deadline } = this.runtime;
    if (deadline === Number.POSITIVE_INFINITY) return;
    const dueLocalUs = Math.ceil(deadline * US_PER_MS);
    if (this.#timer !== null) {
      if (this.#timer.dueLocalUs <= dueLocalUs) return;
      process.cancel(this.#timer);
    }
    this.#timer = process.at(dueLocalUs, () => {
      this.#timer = null;
      // A deadline may lie behind its microsecond by what a sum of fractions is off.
      if (this.clocks.now + 1 / US_PER_MS >= this.runtime.deadline) this.wake();
      else this.#arm();
    });
  }

  #note(text: () => string): void {
    const { world, node, group } = this.#parts;
    if (world.isDetailed) world.event(node, `g${group} ${text()}`);
  }

  /** The process died. */
  end(): void {
    this.#giveReplies();
    this.#writes.abandon();
    this.#reads.abandon();
  }
}
