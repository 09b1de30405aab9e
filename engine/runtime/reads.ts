/**
 * Reads asked on this node: linearizable ones by the core's read index, local ones at once, each
 * after the writes that were queued before it on its connection.
 *
 * A read ends by its deadline with a value or an error, also while leadership changes.
 */

import { ErrorNumber } from '../errors.js';
import type { Raft } from '../raft/raft.js';
import { type LogIndex, NOBODY } from '../raft/types.js';
import type { MachineHost } from './machine-host.js';
import { PendingReads, type ReadBatch } from './pending-reads.js';
import type { CompletionPort } from './ports.js';
import type { Proposals } from './proposals.js';

const SWEEP_MS = 25;

export const Consistency = { linearizable: 0, local: 1 } as const;
export type Consistency = (typeof Consistency)[keyof typeof Consistency];

/** A batch as it lies in the inbox: the queries at `buffer[start, end)` are only lent. */
export interface ReadRequest {
  readonly id: number;
  readonly count: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  readonly deadline: number;
  readonly consistency: Consistency;
  /** Writes were queued before these reads on the same connections: they must be seen. */
  readonly behindWrites: boolean;
}

export class Reads {
  readonly #raft: Raft;
  readonly #completions: CompletionPort;
  readonly #host: MachineHost;
  readonly #proposals: Proposals;
  readonly #pending = new PendingReads();
  #sweepAt = Number.POSITIVE_INFINITY;

  constructor(raft: Raft, completions: CompletionPort, host: MachineHost, proposals: Proposals) {
    this.#raft = raft;
    this.#completions = completions;
    this.#host = host;
    this.#proposals = proposals;
  }

  get deadline(): number {
    return this.#sweepAt;
  }

  ask(request: ReadRequest, now: number): void {
    const { id, count, deadline, behindWrites } = request;
    const queries = Buffer.from(request.buffer.subarray(request.start, request.end));
    const isLocal = request.consistency === Consistency.local;
    const behind = behindWrites ? this.#proposals.writes.lastIndex : 0;
    const unanswered = behindWrites ? this.#proposals.unansweredForwards : null;
    this.#pending.add({ id, count, queries, deadline }, behind, unanswered, isLocal);
    if (!isLocal) this.#raft.read([id], now);
    this.#sweepAt = Math.min(this.#sweepAt, now + SWEEP_MS);
  }

  grant(id: number, index: LogIndex): void {
    this.#pending.grant(id, index);
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
    this.#completions.readRefused(batch.id, batch.count, code, this.#raft.leader);
  }

  refuse(request: ReadRequest, code: ErrorNumber): void {
    this.#completions.readRefused(request.id, request.count, code, this.#raft.leader);
  }

  /** The group ends: nothing that waits, here or at the machine, is answered any more. */
  drain(code: ErrorNumber, atMachine: readonly ReadBatch[]): void {
    for (const batch of [...atMachine, ...this.#pending.drain()]) this.#refuse(batch, code);
  }
}
