/**
 * Starts the threads of a node in order, watches them, and ends them in order.
 *
 *   start  io (recovers the log) → bulk → consensus → transport (peers come last)
 *          all of them load their code at once, before; none does anything until it is its turn
 *   stop   consensus → io and bulk (everything submitted is synced) → transport
 *
 * A thread that dies stops the node: the fatal word is set, every thread sees it at its next turn.
 * This file must never know what travels through the rings.
 */

import type { Worker } from 'node:worker_threads';
import { spawnWorker } from './spawn.js';
import type {
  BulkThreadData,
  ConsensusThreadData,
  IoThreadData,
  ThreadEvent,
  ThreadReady,
  TransportThreadData,
} from './thread-data.js';
import { Death, deathText, die, wakeAll } from './thread-death.js';
import { type NodeMemory, StopStage } from './topology.js';

type ThreadData = IoThreadData | BulkThreadData | ConsensusThreadData | TransportThreadData;
export type ThreadName = ThreadData['kind'];

const MODULES: Readonly<Record<ThreadName, string>> = {
  io: 'io-worker',
  bulk: 'bulk-io-worker',
  consensus: 'consensus-worker',
  transport: 'transport-worker',
};

/** How long one stage of the shutdown may take, all its threads together, before it is forced. */
const STAGE_MS_MAX = 5000;
/** The same once somebody is in a hurry: enough for a thread that is not stuck. */
const HURRIED_STAGE_MS_MAX = 100;

/** A thread refused to start: its code and text. */
export class ThreadRefused extends Error {
  readonly thread: ThreadName;
  readonly code: string;

  constructor(thread: ThreadName, code: string, text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause });
    this.name = 'ThreadRefused';
    this.thread = thread;
    this.code = code;
  }
}

interface Running {
  readonly name: ThreadName;
  readonly worker: Worker;
  readonly exited: Promise<void>;
  /** What it says first, once it was given its data. */
  readonly firstWord: Promise<ThreadReady>;
  /** It waits for its data. */
  isSpare: boolean;
  /** It has said its first word; before that it looks at no stop word. */
  ready: boolean;
}

export interface SupervisorEvents {
  /** A thread died: the node is lost. Called once. */
  died(text: string): void;
  peer(event: ThreadEvent): void;
}

export class Supervisor {
  readonly #memory: NodeMemory;
  readonly #consensusThreads: number;
  readonly #events: SupervisorEvents;
  readonly #stageMsMax: number;
  readonly #running: Running[] = [];
  readonly #stop: Int32Array;
  /** Why no thread is started or waited for any more. */
  #abandoned: { readonly cause: unknown } | null = null;
  #rejectStart: (cause: unknown) => void = () => {};
  #stopping = false;
  #dead = false;

  constructor(
    memory: NodeMemory,
    consensusThreads: number,
    events: SupervisorEvents,
    stageMsMax = STAGE_MS_MAX,
  ) {
    this.#memory = memory;
    this.#consensusThreads = consensusThreads;
    this.#events = events;
    this.#stageMsMax = stageMsMax;
    this.#stop = new Int32Array(memory.stop);
  }

  /** Threads that will be started: they load their code while others do their first work. */
  prepare(names: readonly ThreadName[]): void {
    for (const name of names) this.#spawn(name);
  }

  /** Gives a thread its data; resolves to its first word. Throws ThreadRefused if it cannot run. */
  async start(data: ThreadData): Promise<ThreadReady> {
    if (this.#abandoned !== null) throw this.#abandoned.cause;
    const name = data.kind;
    const spare = this.#running.find((thread) => thread.name === name && thread.isSpare);
    const thread = spare ?? this.#spawn(name);
    thread.isSpare = false;
    thread.worker.postMessage(data);
    const first = await new Promise<ThreadReady>((resolve, reject) => {
      this.#rejectStart = reject;
      thread.firstWord.then(resolve, reject);
    });
    thread.ready = true;
    return first;
  }

  #spawn(name: ThreadName): Running {
    const worker = spawnWorker(import.meta.url, MODULES[name], { workerData: { kind: name } });
    // Not `once` of node:events: it rejects for an error, which ends the process if nobody waits.
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const firstWord = this.#firstWordOf(name, worker);
    // A thread that ends before its turn is told by its death, and by its start if one comes.
    firstWord.catch(() => undefined);
    const thread = { name, worker, exited, firstWord, isSpare: true, ready: false };
    this.#running.push(thread);
    return thread;
  }

  #firstWordOf(name: ThreadName, worker: Worker): Promise<ThreadReady> {
    return new Promise((resolve, reject) => {
      worker.on('message', (message: ThreadReady | ThreadEvent) => {
        if (message.kind === 'peer') this.#events.peer(message);
        else if (message.kind === 'refused') {
          reject(new ThreadRefused(name, message.code, message.text));
        } else resolve(message);
      });
      worker.once('error', (cause) => {
        reject(new ThreadRefused(name, 'ERR_THREAD', String(cause), cause));
        this.#onDeath(name, cause);
      });
      worker.once('exit', () => {
        reject(new ThreadRefused(name, 'ERR_THREAD', `the ${name} thread ended`));
        this.#onDeath(name, new Error('it ended without being asked to'));
      });
    });
  }

  /** Ends the start: the thread under way is no longer waited for, none follows. */
  abandonStart(cause: unknown): void {
    this.#abandoned ??= { cause };
    this.#rejectStart(cause);
  }

  #onDeath(name: ThreadName, cause: unknown): void {
    if (this.#stopping || this.#dead) return;
    this.#dead = true;
    die(this.#memory, this.#consensusThreads, Death[name], cause);
    this.#events.died(deathText(this.#memory) ?? String(cause));
  }

  /**
   * Ends all threads in order. Returns the name of each that had to be ended by force; once `hurry`
   * is aborted that is sooner.
   */
  async stop(hurry?: AbortSignal): Promise<string[]> {
    this.#stopping = true;
    const forced: string[] = [];
    forced.push(...(await this.#stopStage(StopStage.consensus, ['consensus'], hurry)));
    forced.push(...(await this.#stopStage(StopStage.disk, ['io', 'bulk'], hurry)));
    forced.push(...(await this.#stopStage(StopStage.transport, ['transport'], hurry)));
    return forced;
  }

  async #stopStage(
    stage: number,
    names: readonly ThreadName[],
    hurry?: AbortSignal,
  ): Promise<string[]> {
    Atomics.store(this.#stop, 0, stage);
    wakeAll(this.#memory, this.#consensusThreads);
    const forced: string[] = [];
    const patience = patienceFor(this.#stageMsMax, hurry);
    for (const { name, worker, exited, ready } of this.#running) {
      if (!names.includes(name)) continue;
      if (ready) {
        if ((await Promise.race([exited, patience.late])) !== 'late') continue;
        forced.push(name);
      }
      await worker.terminate();
    }
    patience.end();
    return forced;
  }
}

/** One time box for all threads of a stage: `late` once it is over, sooner after `hurry`. */
function patienceFor(ms: number, hurry?: AbortSignal): { late: Promise<'late'>; end: () => void } {
  const timers: NodeJS.Timeout[] = [];
  let onHurry = (): void => {};
  const late = new Promise<'late'>((resolve) => {
    const giveUpIn = (wait: number): void => void timers.push(setTimeout(resolve, wait, 'late'));
    onHurry = () => giveUpIn(HURRIED_STAGE_MS_MAX);
    giveUpIn(ms);
  });
  if (hurry?.aborted) onHurry();
  hurry?.addEventListener('abort', onHurry);
  const end = (): void => {
    hurry?.removeEventListener('abort', onHurry);
    for (const timer of timers) clearTimeout(timer);
  };
  return { late, end };
}
