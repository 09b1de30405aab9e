/**
 * The engine: a node with its groups. `open` starts it, `close` ends it, in between it hands out
 * groups, status and events.
 *
 * It owns the main thread's side of the rings and one timer; everything Raft lives in other
 * threads, so an application that blocks this one delays its own answers and nothing else.
 */

import { EventEmitter } from 'node:events';
import { monotonicMs } from '../io/clock.js';
import { type NetNumbers, readNetFigures } from '../io/net/net-counters.js';
import { FatalWord, NOT_FATAL } from '../workers/fatal.js';
import { IoFigures, type IoNumbers } from '../workers/io-figures.js';
import { Doorbell, DoorbellSleeper } from '../workers/ring/doorbell.js';
import { RingConsumer, RingProducer } from '../workers/ring/spsc-ring.js';
import { diskIsFull, RoomWords } from '../workers/spare-words.js';
import { StatusPage } from '../workers/status-page.js';
import { deathText } from '../workers/thread-death.js';
import { Bell, type GroupMemory } from '../workers/topology.js';
import { checkBounds } from './call-arguments.js';
import type { BusyHint } from './call-errors.js';
import { Channel } from './channel.js';
import { type EngineOptions, type ResolvedOptions, resolveOptions } from './config.js';
import { Deadline } from './deadline.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { shown } from './errors-shown.js';
import { Group } from './group.js';
import { type HostedMachine, isHostedMachine } from './hosted-machine.js';
import { HostedRunner } from './hosted-runner.js';
import type { PartDone, PartRefused } from './runtime/apply-cursor.js';
import { type RunningNode, startNode } from './start-node.js';
import { acknowledgementInWords, type GroupStatus } from './status.js';

/** How often expired calls are answered and commit listeners told. */
const SWEEP_MS = 25;
/** A sweep this late shows that this thread was blocked: results get one more round to arrive. */
const BLOCKED_MS = 250;
/** How soon a full inbox ring is tried again. */
const FULL_RETRY_MS = 1;
/** How long `close` lets what is in flight finish before it ends as outcome unknown. */
const CLOSE_GRACE_MS = 1000;
const CLOSE_POLL_MS = 5;
/** When a refusal as busy is worth trying again: soon, or when a full disk may have room. */
const BUSY_HINT: BusyHint = { retryAfterMs: 20 };
const DISK_FULL_HINT: BusyHint = { retryAfterMs: 1000, detail: 'the disk of this node is full' };
const LOG_FULL_HINT: BusyHint = {
  retryAfterMs: 1000,
  detail: 'the log of this node has reached maxLogBytes and waits for snapshots to shorten it',
};

export interface PeerEvent {
  readonly remote: string;
  readonly peer: number;
  readonly reason: string;
  readonly detail: string;
}

export interface EngineEvents {
  /** A connection to a peer ended, or could not be made: one line for the log. */
  peer: [PeerEvent];
  /** The node cannot go on; it closes itself. Nothing is thrown when nobody listens. */
  error: [RingraftError];
}

export interface EngineStatus {
  readonly nodeId: number;
  readonly clusterId: number;
  readonly incarnation: number;
  readonly peerAddress: string;
  /** False: everything is forgotten when the process ends. */
  readonly durable: boolean;
  readonly syncMode: string;
  /** What an acknowledgement means in this mode. */
  readonly acknowledgement: string;
  readonly log: IoNumbers & { readonly diskFull: boolean };
  /** What the transport thread has sent, received and dropped; one transport for all groups. */
  readonly net: NetNumbers;
  /** What was found on disk at the start: segments, blocks, cuts. */
  readonly recovery: unknown;
  /** The data names other members than the option `cluster`: both. Null when they agree. */
  readonly membershipWarning: string | null;
  /** Snapshots that the start passed over, with the reason and what became of the file. */
  readonly snapshotWarnings: readonly string[];
  /** Why the node stopped; null while it runs. */
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly groups: readonly GroupStatus[];
}

export interface OpenOptions {
  /**
   * Milliseconds that the start may take; then it is given up and `open` throws `ERR_TIMEOUT`.
   * Default: no bound, since a large log takes its time to recover. Either way `open` ends when its
   * threads have ended and the data directory is free again, which may take a moment longer.
   */
  readonly timeoutMs?: number;
  /** Gives up the start at once: `open` throws `ERR_ABORTED`. */
  readonly signal?: AbortSignal;
}

export interface CloseOptions {
  /**
   * Milliseconds until the close loses its patience: what is in flight then ends as outcome
   * unknown, and each of its remaining steps has a tenth of a second before threads are ended by
   * force, as by `kill -9`: what was acknowledged is as safe as after a crash of the process.
   * Default: the bounds of its steps, see `close`.
   */
  readonly timeoutMs?: number;
  /** The same at once. */
  readonly signal?: AbortSignal;
}

/** How a close went. */
export interface CloseReport {
  /** Threads that did not end in time and were ended by force. */
  readonly forced: readonly string[];
}

/** Machines on this thread that an engine has begun to feed: none is fed from two logs. */
const hostedBefore = new WeakSet<HostedMachine>();

function lateStart(ms: number): RingraftError {
  const text = `the node did not start within ${ms} ms, the start was given up`;
  return new RingraftError(ErrorNumber.timeout, {
    text: `${text}. Raise timeoutMs, or leave it out for a large log`,
  });
}

function assertUnusedMachines(options: ResolvedOptions): void {
  for (const { name, machine } of options.groups) {
    if (!isHostedMachine(machine) || !hostedBefore.has(machine)) continue;
    throw new RingraftError(ErrorNumber.invalidOptions, {
      detail: `the machine of group "${name}" served another engine: give each a fresh object`,
    });
  }
}

export class Engine extends EventEmitter<EngineEvents> {
  readonly options: ResolvedOptions;
  readonly #node: RunningNode;
  readonly #groups: readonly Group[];
  readonly #sleeper: DoorbellSleeper;
  readonly #fatal: FatalWord;
  readonly #sweep: NodeJS.Timeout;
  readonly #figures: IoFigures;
  #flushing = false;
  #retrying = false;
  #sweptAt = monotonicMs();
  #failure: RingraftError | null = null;
  #closed = false;
  #closing: Promise<CloseReport> | null = null;
  /** Ends the patience of a close under way. */
  readonly #hurry = new Deadline();

  /** Starts a node. Throws `RingraftError` with a stable `code` when it cannot run. */
  static async open(options: EngineOptions, bounds: OpenOptions = {}): Promise<Engine> {
    checkBounds(bounds);
    const resolved = resolveOptions(options);
    assertUnusedMachines(resolved);
    const waiting: { engine: Engine | null } = { engine: null };
    const events = {
      died: (text: string): void => waiting.engine?.onDeath(text),
      peer: ({ remote, peer, reason, detail }: PeerEvent): void =>
        void waiting.engine?.emit('peer', { remote, peer, reason, detail }),
    };
    const giveUp = new Deadline();
    giveUp.bound(bounds, (ms) => lateStart(ms));
    try {
      const node = await startNode(resolved, events, giveUp.signal);
      const engine = new Engine(node.options, node);
      waiting.engine = engine;
      return engine;
    } finally {
      giveUp.clear();
    }
  }

  private constructor(options: ResolvedOptions, node: RunningNode) {
    super();
    this.options = options;
    this.#node = node;
    this.#fatal = new FatalWord(node.memory.fatal);
    this.#figures = new IoFigures(node.figures);
    this.#groups = options.groups.map((_, id) => this.#makeGroup(id));
    this.#sleeper = new DoorbellSleeper(node.memory.doorbells, Bell.main, () => this.#hasWork());
    this.#sweep = setInterval(() => this.#onSweep(), SWEEP_MS);
    void this.#listen();
  }

  #makeGroup(id: number): Group {
    const { options } = this;
    const memory = this.#node.memory.groups[id] as GroupMemory;
    const { name, entryBytesMax, machine } = options.groups[
      id
    ] as ResolvedOptions['groups'][number];
    const bell = new Doorbell(this.#node.memory.doorbells, Bell.consensus + (id % options.workers));
    const channel: Channel = new Channel({
      inbox: new RingProducer(memory.inbox),
      completions: new RingConsumer(memory.completions),
      bell,
      entryBytesMax,
      flushSoon: () => this.#flushSoon(),
      flushLater: () => this.#flushLater(),
      hosted: this.#makeRunner(
        id,
        (batch, offset, _, results, first) =>
          channel.deliver(batch, offset, Buffer.from(results), 0, results.length, first),
        (batch, offset, code) => channel.refuse(batch, offset, 1, code),
      ),
      onEvent: (json) => this.#groups[id]?.onEvent(json),
    });
    const page = new StatusPage(this.#node.statusPages[id] as SharedArrayBuffer);
    const { timeoutMs, enableReadIndex: readIndex, leaseReads, nodeId } = options;
    const { reads: byDefault, replication } = options.groups[
      id
    ] as ResolvedOptions['groups'][number];
    const reads = { byDefault, switches: { readIndex, leaseReads } };
    const node = { id: nodeId, incarnation: this.#node.incarnation };
    const { spares, witnesses } = this.#node;
    const room = new RoomWords(spares);
    const fullHint = (): BusyHint => (diskIsFull(spares) ? DISK_FULL_HINT : LOG_FULL_HINT);
    const busyHint = (): BusyHint => (room.isShort ? fullHint() : BUSY_HINT);
    const hosted = isHostedMachine(machine);
    const own = { name, id, node, channel, page, hosted, timeoutMs, reads, replication };
    return new Group({ ...own, witnesses, busyHint });
  }

  #makeRunner(id: number, partDone: PartDone, partRefused: PartRefused): HostedRunner | null {
    const { nodeId, groups } = this.options;
    const { name, machine, machineOptions } = groups[id] as ResolvedOptions['groups'][number];
    if (!isHostedMachine(machine)) return null;
    hostedBefore.add(machine);
    const context = { groupName: name, groupId: id, nodeId, options: machineOptions };
    const { arena } = this.#node.memory.groups[id] as GroupMemory;
    return new HostedRunner(machine, context, arena, partDone, partRefused);
  }

  /** The group of this name. Throws for one that the engine was not opened with. */
  group(name: string): Group {
    const group = this.#groups.find((each) => each.name === name);
    if (group !== undefined) return group;
    const known = this.#groups.map((each) => each.name).join(', ');
    throw new RingraftError(ErrorNumber.invalidOptions, {
      text: `there is no group ${shown(name)}; this engine was opened with ${known}`,
    });
  }

  get groups(): readonly Group[] {
    return this.#groups;
  }

  status(): EngineStatus {
    const { options } = this;
    const { incarnation, peerAddress, spares, recovery } = this.#node;
    const { membershipWarning, snapshotWarnings } = this.#node;
    return {
      nodeId: options.nodeId,
      clusterId: options.clusterId,
      incarnation,
      peerAddress,
      durable: options.dataDir !== null,
      syncMode: options.syncMode,
      acknowledgement: acknowledgementInWords(options),
      log: { ...this.#figures.read(), diskFull: diskIsFull(spares) },
      net: readNetFigures(this.#node.netFigures),
      recovery,
      membershipWarning,
      snapshotWarnings,
      failure: this.#failure && { code: this.#failure.code, message: this.#failure.message },
      groups: this.#groups.map((group) => group.status()),
    };
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flushLater(): void {
    if (this.#retrying || this.#closed) return;
    this.#retrying = true;
    setTimeout(() => {
      this.#retrying = false;
      this.#flush();
    }, FULL_RETRY_MS);
  }

  #flush(): void {
    for (const group of this.#groups) group.channel.flush();
  }

  #hasWork(): boolean {
    if (this.#closed || this.#fatal.code() !== NOT_FATAL) return true;
    return this.#groups.some((group) => group.channel.hasCompletions());
  }

  #drain(): number {
    let records = 0;
    for (const group of this.#groups) records += group.channel.drain();
    return records;
  }

  async #listen(): Promise<void> {
    while (!this.#closed) {
      const death = deathText(this.#node.memory);
      if (death !== null) {
        this.onDeath(death);
        return;
      }
      // Under load sockets get their turn between two rounds of results, and nobody has to ring.
      const ring = this.#drain() > 1 ? null : this.#sleeper.parkAsync();
      if (ring === null) await new Promise((resolve) => setImmediate(resolve));
      else await ring;
    }
  }

  #onSweep(): void {
    this.#drain();
    const now = monotonicMs();
    const wasBlocked = now - this.#sweptAt > BLOCKED_MS;
    this.#sweptAt = now;
    for (const group of this.#groups) {
      if (!wasBlocked) group.channel.sweep(now);
      group.pollCommit();
    }
  }

  /** A thread died: everything that waits ends, then the engine closes itself. */
  onDeath(text: string): void {
    if (this.#closed) return;
    this.#drain();
    const error = new RingraftError(ErrorNumber.storage, { detail: text });
    this.#failure = error;
    this.#closed = true;
    for (const group of this.#groups) {
      group.fail(error);
      group.close(ErrorNumber.storage);
    }
    queueMicrotask(() => {
      if (this.listenerCount('error') > 0) this.emit('error', error);
    });
    void this.close();
  }

  /**
   * Ends the node: admits nothing more (`ERR_CLOSED`), lets what is in flight finish for up to a
   * second, then ends it as outcome unknown; hands leadership to the best of the other voters, of
   * all groups at once and within one election timeout; syncs the log and joins the threads, each
   * within five seconds or by force. Resolves when the node is gone, also when a bound ended its
   * patience.
   *
   * Nothing is handed over where nobody can take it, with `enableLeadershipTransfer: false`, and
   * once a bound is over: the others then elect a leader when they miss this one.
   *
   * May be called again, and at any time: there is one close, and each call's bounds hold for it.
   */
  close(bounds: CloseOptions = {}): Promise<CloseReport> {
    try {
      checkBounds(bounds);
    } catch (cause) {
      return Promise.reject(cause);
    }
    this.#hurry.bound(bounds);
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<CloseReport> {
    for (const group of this.#groups) group.stopAdmitting();
    this.#flush();
    await this.#finishInFlight();
    await this.#handOver();
    const forced = await this.#node.supervisor.stop(this.#hurry.signal);
    this.#drain();
    this.#closed = true;
    clearInterval(this.#sweep);
    for (const group of this.#groups) group.close(ErrorNumber.closed);
    new Doorbell(this.#node.memory.doorbells, Bell.main).ring();
    await this.#node.lock?.release();
    this.#hurry.clear();
    return { forced };
  }

  /** What cannot finish, for want of a leader, is not waited for. */
  async #finishInFlight(): Promise<void> {
    const end = monotonicMs() + CLOSE_GRACE_MS;
    const isWaiting = ({ inflight, hasLeader }: Group): boolean => inflight > 0 && hasLeader;
    const { signal } = this.#hurry;
    const waits = (): boolean => !this.#closed && !signal.aborted && monotonicMs() < end;
    while (waits() && this.#groups.some(isWaiting)) {
      await new Promise((resolve) => setTimeout(resolve, CLOSE_POLL_MS));
    }
  }

  /** The others need not miss this node before one of them leads. */
  async #handOver(): Promise<void> {
    const { enableLeadershipTransfer, electionTimeoutMax } = this.options;
    const { signal } = this.#hurry;
    if (this.#closed || signal.aborted || !enableLeadershipTransfer) return;
    const patience = new Deadline();
    patience.bound({ timeoutMs: electionTimeoutMax, signal });
    const handed = this.#groups.map((group) => group.handOver(electionTimeoutMax, patience.signal));
    await Promise.all(handed);
    patience.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
