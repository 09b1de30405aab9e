/**
 * Reads asked on this node, each after the writes that were queued before it on its connection:
 * linearizable ones by the core's read index, those by lease by the leader's lease or else the
 * same, bounded ones by a read index that is young enough (staleness.ts), local ones at once.
 *
 * A read ends by its deadline with a value or an error, also while leadership changes.
 */

import { Consistency } from '../config-reads.js';
import { ErrorNumber } from '../errors.js';
import type { Raft } from '../raft/raft.js';
import { type LogIndex, NOBODY } from '../raft/types.js';
import { clocksToJudge, readClocks, wallAheadToKeep } from './clock-readings.js';
import type { MachineHost } from './machine-host.js';
import { PendingReads, type ReadBatch } from './pending-reads.js';
import type { RuntimePorts } from './ports.js';
import type { Proposals } from './proposals.js';
import { Staleness } from './staleness.js';

const SWEEP_MS = 25;

/** A batch as it lies in the inbox: the queries at `buffer[start, end)` are only lent. */
export interface ReadRequest {
  readonly id: number;
  readonly count: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  readonly deadline: number;
  readonly consistency: Consistency;
  /** How old the state may be that answers a bounded read. */
  readonly maxStalenessMs: number;
  /** Writes were queued before these reads on the same connections: they must be seen. */
  readonly behindWrites: boolean;
}

type ReadPorts = Pick<RuntimePorts, 'completions' | 'clock' | 'wallClock'>;

export class Reads {
  readonly #raft: Raft;
  readonly #ports: ReadPorts;
  readonly #host: MachineHost;
  readonly #proposals: Proposals;
  readonly #pending = new PendingReads();
  readonly #staleness = new Staleness();
  #sweepAt = Number.POSITIVE_INFINITY;

  constructor(raft: Raft, ports: ReadPorts, host: MachineHost, proposals: Proposals) {
    this.#raft = raft;
    this.#ports = ports;
    this.#host = host;
    this.#proposals = proposals;
  }

  get deadline(): number {
    return this.#sweepAt;
  }

  ask(request: ReadRequest, now: number): void {
    const { id, count, deadline, behindWrites } = request;
    const queries = Buffer.from(request.buffer.subarray(request.start, request.end));
    const granted = this.#grantedAtOnce(request);
    const isAsked = granted === null && request.consistency !== Consistency.lease;
    const asked = isAsked ? { now, wallAhead: wallAheadToKeep(this.#ports) } : null;
    const behind = behindWrites ? this.#proposals.writes.lastIndex : 0;
    const unanswered = behindWrites ? this.#proposals.unansweredForwards : null;
    this.#pending.add({ id, count, queries, deadline }, behind, unanswered, granted, asked);
    if (isAsked) this.#raft.read([id], now);
    else if (granted === null) this.#raft.readByLease([id], now);
    this.#sweepAt = Math.min(this.#sweepAt, now + SWEEP_MS);
  }

  /** The index that a read may be answered at without asking anybody; null when there is none. */
  #grantedAtOnce({ consistency, maxStalenessMs }: ReadRequest): number | null {
    if (consistency === Consistency.local) return 0;
    if (consistency !== Consistency.bounded) return null;
    return this.#staleness.indexFor(maxStalenessMs, clocksToJudge(this.#ports));
  }

  /** To be called when what has arrived was drained, before the core acts on it. */
  readClocks(): void {
    readClocks(this.#raft, this.#ports);
  }

  grant(id: number, index: LogIndex): void {
    const asked = this.#pending.grant(id, index);
    if (asked !== null) this.#staleness.granted(asked, index);
  }

  forwardSettled(forwardId: number, lastIndex: number): void {
    this.#pending.forwardSettled(forwardId, lastIndex);
  }

  /** Of the writes made here none comes behind `index`: no read waits for one. */
  writesEnd(index: number): void {
    this.#pending.writesEnd(index);
  }

  /** Answers what the state at `applied` may answer. */
  serve(applied: LogIndex): void {
    if (this.#pending.count === 0) return;
    for (const batch of this.#pending.takeServable(applied)) this.#host.query(batch);
  }

  tick(now: number): void {
    if (now < this.#sweepAt) return;
    const known = this.#raft.leader !== NOBODY;
    const code = known ? ErrorNumber.timeout : ErrorNumber.noLeader;
    const expired = this.#pending.takeExpired(now);
    if (expired.length > 0) this.#raft.forgetReads(expired.map((batch) => batch.id));
    for (const batch of expired) this.#refuse(batch, code);
    this.#sweepAt = this.#pending.count > 0 ? now + SWEEP_MS : Number.POSITIVE_INFINITY;
  }

  #refuse(batch: ReadBatch, code: ErrorNumber): void {
    this.#ports.completions.readRefused(batch.id, batch.count, code, this.#raft.leader);
  }

  refuse(request: ReadRequest, code: ErrorNumber): void {
    this.#ports.completions.readRefused(request.id, request.count, code, this.#raft.leader);
  }

  /** The group ends: nothing that waits, here or at the machine, is answered any more. */
  drain(code: ErrorNumber, atMachine: readonly ReadBatch[]): void {
    for (const batch of [...atMachine, ...this.#pending.drain()]) this.#refuse(batch, code);
  }
}
