/**
 * A client connection without network and engine: a socket that collects what is written, a channel
 * that keeps operations until the test completes or refuses them, in whatever order it likes.
 */

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { BatchOptions, CompletionSink } from '../../engine/channel.js';
import { LINEARIZABLE } from '../../engine/config-reads.js';
import type { ErrorNumber } from '../../engine/errors.js';
import type { OperationChannel } from '../../engine/replicated-results.js';
import type { SnapshotTaken } from '../../engine/snapshot-calls.js';
import { BatchTerms } from '../../tools/server/batch-terms.js';
import { ByteBudget } from '../../tools/server/byte-budget.js';
import { ClientConnection, type ConnectionHost } from '../../tools/server/client-connection.js';
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from '../../tools/server/client-limits.js';
import type { AskedGroup } from '../../tools/server/commands/asked.js';
import { Plan } from '../../tools/server/commands/plan.js';
import type { ServerView } from '../../tools/server/commands/server-view.js';
import { openSession } from '../../tools/server/commands/session.js';
import type { NodeView } from '../../tools/server/node-view.js';
import { ReadFence } from '../../tools/server/read-fence.js';
import { idleRequest, StatusReplies } from '../../tools/server/status-replies.js';

export interface Operation {
  readonly kind: 'write' | 'read';
  readonly options: BatchOptions;
  readonly payload: Buffer;
  readonly sink: CompletionSink;
  readonly token: number;
}

/** Keeps every operation; `answer` is what the next claims say instead of taking one. */
export class FakeChannel implements OperationChannel {
  readonly operations: Operation[] = [];
  answer = 0;
  /** Marks of entries that are no plain commands. */
  readonly marks: number[] = [];
  readonly #memory = Buffer.alloc(4 * 1024 * 1024);
  #at = 0;

  get writeBuffer(): Buffer {
    return this.#memory;
  }

  get writeView(): DataView {
    const { buffer, byteOffset, length } = this.#memory;
    return new DataView(buffer, byteOffset, length);
  }

  get readBuffer(): Buffer {
    return this.#memory;
  }

  claimWrite(bytes: number, options: BatchOptions, sink: CompletionSink, token: number): number {
    return this.#claim('write', bytes, options, sink, token);
  }

  claimEntry(
    mark: number,
    bytes: number,
    options: BatchOptions,
    sink: CompletionSink,
    token: number,
  ): number {
    this.marks.push(mark);
    return this.#claim('write', bytes, options, sink, token);
  }

  claimRead(bytes: number, options: BatchOptions, sink: CompletionSink, token: number): number {
    return this.#claim('read', bytes, options, sink, token);
  }

  #claim(
    kind: 'write' | 'read',
    bytes: number,
    options: BatchOptions,
    sink: CompletionSink,
    token: number,
  ): number {
    if (this.answer < 0) return this.answer;
    if (this.#at + bytes > this.#memory.length) this.#at = 0;
    const at = this.#at;
    this.#at += bytes;
    const payload = this.#memory.subarray(at, at + bytes);
    this.operations.push({ kind, options, payload, sink, token });
    return at;
  }

  take(at = 0): Operation {
    const [operation] = this.operations.splice(at, 1);
    if (operation === undefined) throw new Error('nothing is in flight');
    return operation;
  }
}

/** As much of a socket as a connection uses. */
export class FakeSocket extends EventEmitter {
  written = '';
  writableLength = 0;
  ended = false;
  destroyed = false;
  /** What is written stays unread by the other side. */
  stuck = false;
  #paused = false;

  write(bytes: Buffer): boolean {
    this.written += bytes.toString('latin1');
    if (this.stuck) this.writableLength += bytes.length;
    return !this.stuck;
  }

  isPaused(): boolean {
    return this.#paused;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }

  resetAndDestroy(): void {
    this.destroy();
  }

  drained(): void {
    this.stuck = false;
    this.writableLength = 0;
    this.emit('drain');
  }
}

const LOG = {
  blocks: 0,
  requests: 0,
  bytesWritten: 0,
  syncs: 0,
  logBytes: 0,
  bytesMax: 0,
  segments: 0,
  commitP50Us: 0,
  commitP99Us: 0,
};

const VIEW: ServerView = {
  nodeId: 1,
  clusterId: 1,
  version: '0.0.0',
  startedAtMs: 0,
  durability: 'always: an acknowledged entry is on disks',
  nowMs: () => 0,
  status: () => ({
    role: 'leader',
    term: 1,
    leaderId: 1,
    commitIndex: 1,
    lastApplied: 1,
    kvKeys: 0,
    kvMemoryBytes: 0,
    standing: 'full',
    learners: [],
    witness: false,
    leaderSilenceMs: 0,
    log: LOG,
    snapshots: { index: 0, taken: 0, failed: 0, restored: 0, installed: 0, fetchedBytes: null },
    compactedIndex: 0,
  }),
  leaseReads: false,
  sessions: () => [],
  connectionsAccepted: 0,
  commandsProcessed: 0,
  configuration: () => new Map(),
};

const OK = Buffer.from([0]);
const NIL = Buffer.from([1]);

export class Harness implements ConnectionHost {
  readonly channel = new FakeChannel();
  readonly socket = new FakeSocket();
  readonly connection: ClientConnection;
  readonly limits: ClientLimits;
  readonly plan = new Plan(VIEW, idleRequest(), openSession(0, '', 0));
  readonly terms = new BatchTerms(5000, LINEARIZABLE);
  readonly fence = new ReadFence();
  readonly statusReplies = new StatusReplies(VIEW as NodeView);
  readonly entryBytesMax = 1024 * 1024;
  readonly budget: ByteBudget;
  /** Snapshots that were asked for and are not answered. */
  readonly snapshots: {
    readonly resolve: (taken: SnapshotTaken) => void;
    readonly reject: (cause: Error) => void;
  }[] = [];
  overdraws = 0;
  now = 1000;
  commands = 0;
  waiting = 0;
  hasEnded = false;
  #touched = false;

  constructor(limits: Partial<ClientLimits> = {}) {
    this.limits = { ...DEFAULT_CLIENT_LIMITS, ...limits };
    this.budget = new ByteBudget(this.limits.budgetBytes);
    const socket = this.socket as unknown as Socket;
    this.connection = new ClientConnection(this, socket, openSession(1, 'test', 0));
  }

  get outputBytesMax(): number {
    return this.budget.outputShare(this.limits.outputBytesMax, 1);
  }

  overdrawn(): void {
    this.overdraws += 1;
  }

  get group(): AskedGroup {
    const snapshot = (): Promise<SnapshotTaken> =>
      new Promise((resolve, reject) => {
        this.snapshots.push({ resolve, reject });
      });
    return { snapshot } as AskedGroup;
  }

  forwards(inline: boolean): boolean {
    return !inline;
  }

  turn(): number {
    this.terms.tick(this.now);
    return this.now;
  }

  counted(commands: number): void {
    this.commands += commands;
  }

  touched(): void {
    this.#touched = true;
  }

  refusedByEngine(): void {
    this.waiting += 1;
  }

  ended(): void {
    this.hasEnded = true;
  }

  /** Bytes from the client. */
  receive(bytes: string | Buffer): void {
    this.socket.emit('data', Buffer.from(bytes));
    this.endRound();
  }

  endRound(): void {
    if (!this.#touched) return;
    this.#touched = false;
    this.connection.onRoundEnd();
  }

  /** Completes an operation in flight, the oldest by default, by these result bytes. */
  complete(result: Buffer = OK, at = 0): void {
    const { sink, token } = this.channel.take(at);
    sink.result(token, result, 0, result.length, false, 0);
    this.endRound();
  }

  refuse(code: ErrorNumber, leader = 0, at = 0): void {
    const { sink, token } = this.channel.take(at);
    sink.refused(token, code, leader);
    this.endRound();
  }

  /** What was sent since the last call. */
  sent(): string {
    const { written } = this.socket;
    this.socket.written = '';
    return written;
  }

  sweep(afterMs: number): void {
    this.now += afterMs;
    this.turn();
    this.connection.sweep(this.now);
    this.endRound();
  }
}

export { NIL, OK };

/** Result bytes of a value. */
export function valueResult(text: string): Buffer {
  return Buffer.from(`\u0002${text}`, 'latin1');
}
