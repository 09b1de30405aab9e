/**
 * The parent's side of node-process.mjs: starts a node in a process of its own and talks to it.
 *
 * Every child is ended by `kill`, by its id, also when a test fails.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { EngineStatus } from '../../engine/engine.js';
import type { EngineOptions } from './compiled.js';

const PROGRAM = fileURLToPath(new URL('./node-process.mjs', import.meta.url));

export type Outcome = { readonly value: string } | { readonly code: string; message: string };

export interface NodeEvent {
  readonly kind: 'leader' | 'error';
  readonly code?: string;
  readonly message?: string;
  readonly leader?: number;
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

/** An error as the child reported it. */
export class RemoteError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class NodeProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (value: never) => void; reject: (error: Error) => void }
  >();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (reply: Reply) => this.#onReply(reply));
    child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the process ended'));
      this.#waiting.clear();
    });
  }

  /** A process with no node in it yet. */
  static async start(): Promise<NodeProcess> {
    const child = fork(PROGRAM, [], {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await new Promise((resolve) => child.once('message', resolve));
    return new NodeProcess(child);
  }

  static async open(options: EngineOptions): Promise<NodeProcess> {
    const node = await NodeProcess.start();
    try {
      await node.#call('open', { options: plain(options) });
      return node;
    } catch (error) {
      await node.kill();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  #onReply({ id, value, error }: Reply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value as never);
    else waiting?.reject(new RemoteError(error.code, error.message));
  }

  #call<T>(operation: string, parameters: object = {}): Promise<T> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, operation, ...parameters });
    });
  }

  status(): Promise<EngineStatus> {
    return this.#call('status');
  }

  /** What happened since it was last asked. */
  events(): Promise<NodeEvent[]> {
    return this.#call('events');
  }

  propose(command: string, group = 'ledger'): Promise<Outcome> {
    return this.#call('propose', { group, command });
  }

  read(query: string, group = 'ledger'): Promise<Outcome> {
    return this.#call('read', { group, query });
  }

  proposeAll(command: string, count: number, group = 'ledger'): Promise<Outcome[]> {
    return this.#call('proposeAll', { group, command, count });
  }

  /** Proposes, then blocks the event loop of the process; resolves when all is answered. */
  proposeAndBlock(command: string, count: number, ms: number): Promise<Outcome[]> {
    return this.#call('proposeAndBlock', { group: 'ledger', command, count, ms });
  }

  limitFiles(bytes: number): Promise<void> {
    return this.#call('limitFiles', { bytes });
  }

  close(): Promise<void> {
    return this.#call('close');
  }

  /** Ends the process at once, as kill -9 does. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** Options as they survive JSON: URLs become text. */
function plain(options: EngineOptions): object {
  const groups = options.groups.map((group) => ({ ...group, machine: String(group.machine) }));
  return { ...options, groups };
}
