/**
 * The engine: a node with its groups. `open` starts it, `close` ends it, in between it hands out
 * groups, status and events.
 *
 * It owns the main thread's side of the rings and one timer; everything Raft lives in other
 * threads, so an application that blocks this one delays its own answers and nothing else.
 */

import { EventEmitter } from 'node:events';
import { monotonicMs } from '../io/clock.js';
import { FatalWord, NOT_FATAL } from '../workers/fatal.js';
import { IoFigures, type IoNumbers } from '../workers/io-figures.js';
import { Doorbell, DoorbellSleeper } from '../workers/ring/doorbell.js';
import { RingConsumer, RingProducer } from '../workers/ring/spsc-ring.js';
import { diskIsFull } from '../workers/spare-words.js';
import { StatusPage } from '../workers/status-page.js';
import { Bell, type GroupMemory } from '../workers/topology.js';
import { Channel } from './channel.js';
import { type EngineOptions, type ResolvedOptions, resolveOptions } from './config.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { Group } from './group.js';
import { type RunningNode, startNode } from './start-node.js';

/** How often expired calls are answered and commit listeners told. */
const SWEEP_MS = 25;

export interface PeerEvent {
  readonly remote: string;
  readonly peer: number;
  readonly reason: string;
  readonly detail: string;
}

export interface EngineEvents {
  /** A connection to a peer ended, or could not be made: one line for the log. */
  peer: [PeerEvent];
  /** The node cannot go on; it closes itself. */
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
  readonly log: IoNumbers & { readonly diskFull: boolean };
  readonly groups: readonly ReturnType<Group['status']>[];
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
  #closed = false;
  #closing: Promise<void> | null = null;

  /** Starts a node. Throws `RingraftError` with a stable `code` when it cannot run. */
  static async open(options: EngineOptions): Promise<Engine> {
    const resolved = resolveOptions(options);
    const waiting: { engine: Engine | null } = { engine: null };
    const node = await startNode(resolved, {
      died: (text) => waiting.engine?.onDeath(text),
      peer: ({ remote, peer, reason, detail }) =>
        waiting.engine?.emit('peer', { remote, peer, reason, detail }),
    });
    const engine = new Engine(resolved, node);
    waiting.engine = engine;
    return engine;
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
    const { name, entryBytesMax } = options.groups[id] as ResolvedOptions['groups'][number];
    const bell = new Doorbell(this.#node.memory.doorbells, Bell.consensus + (id % options.workers));
    const channel = new Channel({
      inbox: new RingProducer(memory.inbox),
      completions: new RingConsumer(memory.completions),
      bell,
      entryBytesMax,
      flushSoon: () => this.#flushSoon(),
      onEvent: (json) => this.#groups[id]?.onEvent(json),
    });
    const page = new StatusPage(this.#node.statusPages[id] as SharedArrayBuffer);
    const { timeoutMs, enableReadIndex: readIndex } = options;
    return new Group({ name, id, channel, page, timeoutMs, readIndex });
  }

  /** The group of this name. Throws for one that the engine was not opened with. */
  group(name: string): Group {
    const group = this.#groups.find((each) => each.name === name);
    if (group !== undefined) return group;
    const known = this.#groups.map((each) => each.name).join(', ');
    throw new RingraftError(ErrorNumber.invalidOptions, {
      detail: `there is no group "${name}"; this engine has ${known}`,
    });
  }

  get groups(): readonly Group[] {
    return this.#groups;
  }

  status(): EngineStatus {
    const { nodeId, clusterId, dataDir, syncMode } = this.options;
    const { incarnation, peerAddress, spares } = this.#node;
    return {
      nodeId,
      clusterId,
      incarnation,
      peerAddress,
      durable: dataDir !== null,
      syncMode,
      log: { ...this.#figures.read(), diskFull: diskIsFull(spares) },
      groups: this.#groups.map((group) => group.status()),
    };
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      for (const group of this.#groups) group.channel.flush();
    });
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
      if (this.#fatal.code() !== NOT_FATAL) {
        this.#drain();
        this.onDeath(this.#fatal.message());
        return;
      }
      // Sockets get their turn between two rounds of results.
      if (this.#drain() > 0) await new Promise((resolve) => setImmediate(resolve));
      else await this.#sleeper.parkAsync();
    }
  }

  #onSweep(): void {
    this.#drain();
    const now = monotonicMs();
    for (const group of this.#groups) {
      group.channel.sweep(now);
      group.pollCommit();
    }
  }

  /** A thread died: everything that waits ends, then the engine closes itself. */
  onDeath(text: string): void {
    if (this.#closed) return;
    const error = new RingraftError(ErrorNumber.storage, { detail: text });
    this.#closed = true;
    for (const group of this.#groups) {
      group.fail(error);
      group.channel.close(ErrorNumber.storage);
    }
    if (this.listenerCount('error') > 0) this.emit('error', error);
    void this.close();
  }

  /** Ends the node: admits nothing more, answers what waits, syncs the log, joins the threads. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const group of this.#groups) group.channel.flush();
    await this.#node.supervisor.stop();
    this.#drain();
    this.#closed = true;
    clearInterval(this.#sweep);
    for (const group of this.#groups) group.channel.close(ErrorNumber.closed);
    new Doorbell(this.#node.memory.doorbells, Bell.main).ring();
    await this.#node.lock?.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
