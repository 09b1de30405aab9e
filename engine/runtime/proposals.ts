/**
 * Proposals made on this node, and those that followers forward to it.
 *
 * The leader appends at once and answers when the entry is applied here; a follower forwards, is
 * told index and term, and answers when *it* applies them, so the result comes from its own
 * machine. An error says truthfully whether the command can still be executed. Commands are run in
 * the order in which they were proposed here: one that a younger one has overtaken is refused.
 */

import { ErrorNumber } from '../errors.js';
import { Prng } from '../raft/prng.js';
import type { Raft } from '../raft/raft.js';
import { NOBODY, type NodeId, Role, type Term } from '../raft/types.js';
import { Forwards, type HeldBatch } from './forwards.js';
import type { GroupLog } from './group-log.js';
import { type BatchPart, PendingWrites } from './pending-writes.js';
import type { ForwardReply, RuntimePorts } from './ports.js';
import { isOfCommands, isWholeSlab } from './slab.js';

/** How often waiting batches are looked at: expiry is not exact to the millisecond. */
const SWEEP_MS = 25;
/**
 * Bytes of held batches that a leader appends in one turn, unless a single one has more: all that a
 * turn appends is one request of the log, whose size has a bound.
 */
const HELD_BYTES_PER_TURN = 512 * 1024;

/** A batch as it lies in the inbox: `slab[start, end)` is only lent for the call. */
export interface ProposalBatch {
  readonly id: number;
  readonly count: number;
  readonly slab: Buffer;
  readonly start: number;
  readonly end: number;
  /** On the monotonic clock that `tick` is given. */
  readonly deadline: number;
  /** False: a follower refuses with the leader's id instead of forwarding. */
  readonly mayForward: boolean;
}

/** A follower's batch as it lies in the ring: `slab[start, end)` is only lent for the call. */
export interface ForwardedBatch {
  readonly forwardId: number;
  readonly count: number;
  /** The follower sent it to the leader of this term. */
  readonly term: Term;
  readonly slab: Buffer;
  readonly start: number;
  readonly end: number;
}

interface ProposalsParts {
  readonly raft: Raft;
  readonly log: GroupLog;
  readonly ports: RuntimePorts;
  readonly makeRoom: (bytes: number, count: number) => boolean;
  /** Entries of clients are in the log. */
  readonly placed: () => void;
  readonly forwardSettled: (id: number, lastIndex: number) => void;
  readonly entryBytesMax: number;
  /** Default: `HELD_BYTES_PER_TURN`. */
  readonly heldBytesPerTurn?: number | undefined;
}

export class Proposals {
  readonly writes = new PendingWrites();
  readonly #parts: ProposalsParts;
  readonly #forwards: Forwards;
  /** Highest index appended for each forwarding peer: it is told at once when that commits. */
  readonly #forwardedUpTo = new Map<NodeId, number>();
  /** Number of the newest forward of each peer on its connection: others are repetitions. */
  readonly #newestForward = new Map<NodeId, number>();
  /** Peers whose connection ended: what is sent to one of them is lost without a word. */
  readonly #down = new Set<NodeId>();
  #proposed = 0;
  /** Age of the youngest batch that is or may be in a log: no older one goes there behind it. */
  #youngestPlaced = 0;
  #announced = 0;
  /** Bytes of held batches that may still be appended in this turn. */
  #heldAllowance: number;
  #sweepAt = Number.POSITIVE_INFINITY;

  constructor(parts: ProposalsParts) {
    this.#parts = parts;
    this.#heldAllowance = this.#heldBytesPerTurn;
    // The seed is another one in each life of the process.
    this.#forwards = new Forwards(new Prng(parts.raft.state.options.seed).u32());
  }

  get deadline(): number {
    return this.#sweepAt;
  }

  get #heldBytesPerTurn(): number {
    return this.#parts.heldBytesPerTurn ?? HELD_BYTES_PER_TURN;
  }

  /** Ids of held or forwarded batches whose index is still unknown. */
  get unansweredForwards(): Set<number> {
    return this.#forwards.unanswered;
  }

  propose(batch: ProposalBatch, now: number): void {
    this.#proposed += 1;
    const age = this.#proposed;
    // What is held goes first, so that a connection's writes stay in their order. A follower leaves
    // it to the next sweep: the leader it knows may just have said that it leads no more.
    const isLeading = this.#appends;
    if (isLeading && this.#forwards.heldCount > 0) this.onLeaderKnown(now);
    const waits = this.#forwards.heldCount > 0;
    if (isLeading && !waits) {
      this.#appendOwn(batch, age, now);
      return;
    }
    if (this.#isElsewhere && !batch.mayForward) {
      this.refuse(batch.id, batch.count, ErrorNumber.notLeader);
      return;
    }
    const { id, count, deadline, mayForward } = batch;
    const slab = Buffer.from(batch.slab.subarray(batch.start, batch.end));
    const held = { id, age, count, slab, deadline, mayForward };
    if (waits || !this.#canForward()) this.#hold(held, now);
    else this.#forward(held, now);
  }

  /** This node leads, and goes on leading: while it hands over, what comes is held. */
  get #appends(): boolean {
    const { role, transferTarget } = this.#parts.raft;
    return role === Role.leader && transferTarget === NOBODY;
  }

  /** Another node leads. */
  get #isElsewhere(): boolean {
    const { leader, id } = this.#parts.raft;
    return leader !== NOBODY && leader !== id;
  }

  #appendOwn(
    batch: Omit<ProposalBatch, 'deadline' | 'mayForward'>,
    age: number,
    now: number,
  ): void {
    const { id, count, slab, start, end } = batch;
    const appended = this.#append(count, slab, start, end, now);
    if (appended === null) {
      this.refuse(id, count, ErrorNumber.busy);
      return;
    }
    this.writes.bind(id, appended.first, count, appended.term);
    this.#place(age);
  }

  /** A batch of this age is or may be in a log: held ones that are older must not follow it. */
  #place(age: number): void {
    this.#youngestPlaced = Math.max(this.#youngestPlaced, age);
    for (const batch of this.#forwards.takeHeldBefore(age)) {
      this.#settleRefused(batch, ErrorNumber.notLeader);
    }
  }

  /** A batch that was held or sent ends without an index. */
  #settleRefused(batch: HeldBatch, code: ErrorNumber): void {
    this.refuse(batch.id, batch.count, code);
    this.#parts.forwardSettled(batch.id, 0);
  }

  /** What was sent may be executed or not: nobody will say. */
  #settleUnknown(batches: readonly HeldBatch[]): void {
    for (const batch of batches) {
      this.#settleRefused(batch, ErrorNumber.outcomeUnknown);
      this.#place(batch.age);
    }
  }

  #canForward(): boolean {
    return this.#isElsewhere && !this.#down.has(this.#parts.raft.leader);
  }

  /** As leader: appends whole entries; null when there is no room now. */
  #append(
    count: number,
    slab: Buffer,
    start: number,
    end: number,
    now: number,
  ): { first: number; term: number } | null {
    const { raft, log, ports } = this.#parts;
    const bytes = end - start;
    if (!this.#parts.makeRoom(bytes, count)) return null;
    const proposed = raft.propose(count, bytes, now);
    if ('refused' in proposed) return null;
    log.append(slab, start, end, proposed.first, ports.wallClock());
    this.#parts.placed();
    return proposed;
  }

  #hold(batch: HeldBatch, now: number): void {
    if (!this.#forwards.hold(batch)) this.#settleRefused(batch, ErrorNumber.busy);
    this.#sweepAt = Math.min(this.#sweepAt, now + SWEEP_MS);
  }

  #forward(batch: HeldBatch, now: number): void {
    const { raft, ports } = this.#parts;
    const sending = this.#forwards.sending(batch, raft.leader);
    ports.network.sendForward(raft.leader, sending, raft.term, batch.count, batch.slab);
    this.#sweepAt = Math.min(this.#sweepAt, now + SWEEP_MS);
  }

  /**
   * A leader is known (again): what was held goes there, or is refused with its id. Answers that
   * are about to come for younger batches are awaited first: each places its batch, or brings it
   * back into its order.
   */
  onLeaderKnown(now: number): void {
    if (this.#forwards.isHeldBehindSent) return;
    if (this.#appends) this.#appendHeld(now);
    if (!this.#canForward()) return;
    for (const batch of this.#forwards.takeHeld()) {
      if (batch.mayForward) this.#forward(batch, now);
      else this.#settleRefused(batch, ErrorNumber.notLeader);
    }
  }

  /** As much as a turn may append; what proposals come meanwhile are held behind the rest. */
  #appendHeld(now: number): void {
    for (;;) {
      const isFirst = this.#heldAllowance === this.#heldBytesPerTurn;
      const bytesMax = isFirst ? Number.POSITIVE_INFINITY : this.#heldAllowance;
      const batch = this.#forwards.takeOldestHeld(bytesMax);
      if (batch === null) break;
      this.#heldAllowance -= batch.slab.length;
      this.#appendOwn({ ...batch, start: 0, end: batch.slab.length }, batch.age, now);
      // Reads behind it wait for its index.
      this.#parts.forwardSettled(batch.id, this.writes.lastIndex);
    }
    if (this.#forwards.heldCount > 0) this.#sweepAt = now;
  }

  /** What was appended is on its way to storage: as much may follow, in another request. */
  submitted(): void {
    this.#heldAllowance = this.#heldBytesPerTurn;
  }

  /** A follower's proposals; false when the frame is not what it says. */
  onForward(from: NodeId, forward: ForwardedBatch, now: number): boolean {
    const { raft, ports, entryBytesMax } = this.#parts;
    const { forwardId, count, slab, start, end } = forward;
    if (count < 1 || !isWholeSlab(slab, start, end, count, entryBytesMax)) return false;
    if (!isOfCommands(slab, start, end)) return false;
    if (!this.#isNewForward(from, forwardId)) return true;
    const reply = { forwardId, count, leader: raft.leader, first: 0, term: 0 };
    // Meant for this leader's earlier term: what was proposed after it may be in the log already.
    if (!this.#appends || raft.term !== forward.term) {
      ports.network.sendForwardReply(from, { ...reply, code: ErrorNumber.notLeader });
      return true;
    }
    const appended = this.#append(count, slab, start, end, now);
    if (appended === null) {
      ports.network.sendForwardReply(from, { ...reply, code: ErrorNumber.busy });
      return true;
    }
    this.#forwardedUpTo.set(from, appended.first + count - 1);
    ports.network.sendForwardReply(from, { ...reply, ...appended, code: 0 });
    return true;
  }

  /** A command must not be appended twice because its frame came twice. */
  #isNewForward(from: NodeId, forwardId: number): boolean {
    const newest = this.#newestForward.get(from);
    if (newest !== undefined && ((forwardId - newest) | 0) <= 0) return false;
    this.#newestForward.set(from, forwardId);
    return true;
  }

  /** A new connection brings nothing of an earlier one, and a restarted peer counts anew. */
  onPeerUp(peer: NodeId): void {
    this.#newestForward.delete(peer);
    this.#down.delete(peer);
  }

  onForwardReply(from: NodeId, reply: ForwardReply, now: number): void {
    const appended = reply.code === 0 ? reply.count : null;
    const batch = this.#forwards.answered(reply.forwardId, from, appended);
    if (batch === null) return;
    if (reply.code === 0) {
      const last = reply.first + batch.count - 1;
      // Applied before the answer came: the results are gone, the commands executed or replaced.
      const tooLate = reply.first <= this.writes.claimedUpTo;
      const overtaken = !tooLate && this.writes.isOvertaken(reply.term);
      if (tooLate) this.refuse(batch.id, batch.count, ErrorNumber.outcomeUnknown);
      else if (overtaken) this.refuse(batch.id, batch.count, ErrorNumber.notLeader);
      else this.writes.bind(batch.id, reply.first, batch.count, reply.term);
      this.#parts.forwardSettled(batch.id, overtaken ? 0 : last);
      if (!overtaken) this.#place(batch.age);
      return;
    }
    // Certainly not executed: it may go to whoever leads now, unless a younger one went before it.
    const isInOrder = batch.age > this.#youngestPlaced;
    if (reply.code === ErrorNumber.notLeader && batch.deadline > now && isInOrder) {
      this.#hold(batch, now);
      return;
    }
    this.#settleRefused(batch, reply.code);
  }

  onPeerDown(peer: NodeId): void {
    this.#down.add(peer);
    this.#settleUnknown(this.#forwards.lostPeer(peer));
  }

  /** Followers that wait for an index learn at once that it is committed. */
  announceCommits(): void {
    const { raft } = this.#parts;
    if (this.#forwardedUpTo.size === 0 || raft.commitIndex === this.#announced) return;
    this.#announced = raft.commitIndex;
    for (const [peer, last] of this.#forwardedUpTo) {
      raft.notifyCommit(peer);
      if (last <= raft.commitIndex) this.#forwardedUpTo.delete(peer);
    }
  }

  tick(now: number): void {
    if (now < this.#sweepAt) return;
    for (const batch of this.#forwards.takeExpiredHeld(now)) {
      this.#settleRefused(batch, ErrorNumber.noLeader);
    }
    this.#settleUnknown(this.#forwards.takeExpiredSent(now));
    const waits = this.#forwards.heldCount > 0 || this.#forwards.sentCount > 0;
    this.#sweepAt = waits ? now + SWEEP_MS : Number.POSITIVE_INFINITY;
    this.onLeaderKnown(now);
  }

  lost(part: BatchPart): void {
    const { ports, raft } = this.#parts;
    const count = part.last - part.first + 1;
    const { notLeader } = ErrorNumber;
    ports.completions.refused(part.batch, part.offset, count, notLeader, raft.leader);
  }

  /** Entries of a batch end with an error though they are in the log. */
  end(batch: number, offset: number, count: number, code: ErrorNumber): void {
    const { ports, raft } = this.#parts;
    ports.completions.refused(batch, offset, count, code, raft.leader);
  }

  /** A follower's proposals reach a group that has stopped here: surely not executed. */
  refuseForward(to: NodeId, forwardId: number, count: number): void {
    const reply = { forwardId, count, leader: NOBODY, first: 0, term: 0 };
    const { network } = this.#parts.ports;
    network.sendForwardReply(to, { ...reply, code: ErrorNumber.notLeader });
  }

  refuse(batch: number, count: number, code: ErrorNumber): void {
    const { ports, raft } = this.#parts;
    ports.completions.refused(batch, 0, count, code, raft.leader);
  }

  /** The group ends: what was appended or sent is unknown, what was held is `code`. */
  drain(code: ErrorNumber): void {
    const { completions } = this.#parts.ports;
    const { leader } = this.#parts.raft;
    const unknown = ErrorNumber.outcomeUnknown;
    for (const { batch, offset, first, last } of this.writes.drain()) {
      completions.refused(batch, offset, last - first + 1, unknown, leader);
    }
    for (const batch of this.#forwards.drainSent()) this.refuse(batch.id, batch.count, unknown);
    for (const batch of this.#forwards.takeHeld()) this.refuse(batch.id, batch.count, code);
  }
}
