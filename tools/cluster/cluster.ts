/**
 * A local cluster: nodes as processes of this machine, found again through the state file by every
 * later command. The library form that the `cluster` commands, the crash proof and tests share.
 *
 * It must never print, and never signal a process that it did not record as its own. Whatever
 * changes the state file does so under the lock of the directory; what merely waits does not.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireDataLock, type DataLock, DataLockedError } from '../../io/data-lock.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import {
  type ClusterState,
  HOST,
  type Membership,
  NODES_MAX,
  type NodeRecord,
  newNode,
  newState,
  portsOf,
  readState,
  withNode,
  writeState,
} from './cluster-state.js';
import { launchNode } from './launch.js';
import { type NodeView, viewNode } from './node-view.js';
import { requireFree } from './ports.js';
import { processState } from './process-state.js';
import { killProcess, pauseProcess, resumeProcess, signalProcess, stopProcess } from './signals.js';

const LOCK_PATIENCE_MS = 15_000;
const LOCK_RETRY_MS = 50;
export const STOP_PATIENCE_MS = 15_000;

export interface Shape {
  /** How many nodes; undefined: as many as there are, or three. */
  readonly count: number | undefined;
  readonly basePort: number | undefined;
  readonly flags: readonly string[];
}

const DEFAULT_COUNT = 3;
export const DEFAULT_BASE_PORT = 5001;

export class Cluster {
  readonly dataDir: string;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  /** A cluster was started here before. */
  exists(): boolean {
    return readState(this.dataDir) !== undefined;
  }

  /** The recorded state. Throws a CommandError when no cluster was ever started here. */
  state(): ClusterState {
    const state = readState(this.dataDir);
    if (state !== undefined) return state;
    throw new CommandError(
      ExitCode.failed,
      `there is no cluster in ${this.dataDir}: start one with "ringraft cluster start 3 ` +
        `--data ${this.dataDir}", or name another directory with --data`,
    );
  }

  node(id: number): NodeRecord {
    const { nodes } = this.state();
    const found = nodes.find((node) => node.id === id);
    if (found !== undefined) return found;
    const known = nodes.map((node) => node.id).join(', ');
    throw new CommandError(
      ExitCode.usage,
      `there is no node ${id} in ${this.dataDir}: its nodes are ${known}`,
    );
  }

  ids(): number[] {
    return this.state().nodes.map(({ id }) => id);
  }

  /** Ids of the nodes whose process runs, paused ones included. */
  running(): number[] {
    return this.state().nodes.flatMap((node) => (isRunning(node) ? [node.id] : []));
  }

  views(): Promise<NodeView[]> {
    return Promise.all(this.state().nodes.map(viewNode));
  }

  /**
   * Starts every node that does not run, making the cluster when there is none, and returns their
   * ids. Throws when all run, a port is taken, or the shape is not the recorded one.
   */
  async startMissing(shape: Shape): Promise<number[]> {
    return this.#locked(async () => {
      const state = this.#shaped(readState(this.dataDir), shape);
      const missing = state.nodes.filter((node) => !isRunning(node)).map(({ id }) => id);
      if (missing.length === 0) throw alreadyRunning(this.dataDir, state.nodes);
      await this.#launch(state, missing);
      return missing;
    });
  }

  /** Starts these nodes with the recorded ports and flags. */
  async start(ids: readonly number[]): Promise<void> {
    await this.#locked(async () => {
      const nodes = ids.map((id) => this.node(id));
      const running = nodes.filter(isRunning);
      if (running.length > 0) throw alreadyRunning(this.dataDir, running);
      await this.#launch(this.state(), ids);
    });
  }

  /** Which node `startNext` would start, and where peers would reach it. Throws when it is full. */
  nextNode(): { readonly id: number; readonly address: string } {
    const { nodes } = this.state();
    const id = nodes.length + 1;
    if (id > NODES_MAX) {
      throw new CommandError(
        ExitCode.failed,
        `${this.dataDir} holds ${nodes.length} nodes, and may hold ${NODES_MAX}: ` +
          'add a node that runs elsewhere by its id and address',
      );
    }
    return { id, address: `${HOST}:${portsOf(nodes[0]?.peerPort ?? 0, id).peerPort}` };
  }

  /** Starts one more node, which waits until it is added. */
  async startNext(): Promise<NodeRecord> {
    const { id } = this.nextNode();
    await this.#locked(async () => {
      const state = this.state();
      const node = newNode(id, state.nodes[0]?.peerPort ?? 0);
      const nodes = [...state.nodes, { ...node, membership: 'joining' as const }];
      await this.#launch({ ...state, nodes }, [id]);
    });
    return this.node(id);
  }

  /** Records what the cluster has made of a node, for its next start. */
  async setMembership(id: number, membership: Membership): Promise<void> {
    await this.#locked(async () => {
      writeState(this.dataDir, withNode(this.state(), id, { membership }));
    });
  }

  /** Kills with -9; resolves to false when the node was not running. */
  async kill(id: number): Promise<boolean> {
    const { process } = this.node(id);
    const killed = process !== null && (await killProcess(process));
    if (killed) await this.#record(id, { ended: 'killed' });
    return killed;
  }

  /** Lets the node end by itself; after `patienceMs` it is killed. */
  async stop(id: number, patienceMs: number): Promise<'ended' | 'forced' | undefined> {
    const { process } = this.node(id);
    const how = process === null ? undefined : await stopProcess(process, patienceMs);
    if (how !== undefined) await this.#record(id, { ended: 'stopped' });
    return how;
  }

  /** Stops the node's process in its tracks; false when it was not running. */
  async pause(id: number): Promise<boolean> {
    const { process } = this.node(id);
    return process !== null && (await pauseProcess(process));
  }

  /** Lets a paused node go on; false when it was not running. */
  async resume(id: number): Promise<boolean> {
    const { process } = this.node(id);
    return process !== null && (await resumeProcess(process));
  }

  /** Signals every running node at once without waiting, for a process that is about to exit. */
  abandon(signal: 'SIGTERM' | 'SIGKILL'): void {
    for (const { process } of readState(this.dataDir)?.nodes ?? []) {
      if (process === null || !signalProcess(process, signal)) continue;
      signalProcess(process, 'SIGCONT');
    }
  }

  #shaped(state: ClusterState | undefined, shape: Shape): ClusterState {
    const { count, basePort, flags } = shape;
    if (state === undefined) {
      this.#requireNotANode();
      return newState(count ?? DEFAULT_COUNT, basePort ?? DEFAULT_BASE_PORT, flags);
    }
    const { nodes } = state;
    if (count !== undefined && count !== nodes.length) {
      throw new CommandError(
        ExitCode.failed,
        `${this.dataDir} holds a cluster of ${nodes.length} nodes, not ${count}: ` +
          `say ${nodes.length}, or name another directory with --data`,
      );
    }
    const moves = basePort !== undefined && basePort !== nodes[0]?.peerPort;
    const running = nodes.filter(isRunning);
    if (!moves) return { ...state, flags };
    if (running.length > 0) throw alreadyRunning(this.dataDir, running);
    return {
      ...state,
      flags,
      nodes: nodes.map((one) => ({ ...one, ...portsOf(basePort, one.id) })),
    };
  }

  /** The directory of one node has a file `meta`; a cluster keeps those one level below. */
  #requireNotANode(): void {
    if (!existsSync(join(this.dataDir, 'meta'))) return;
    throw new CommandError(
      ExitCode.failed,
      `${this.dataDir} is the data directory of a single node: name another one with --data`,
    );
  }

  async #launch(first: ClusterState, ids: readonly number[]): Promise<void> {
    await requireFree(HOST, first.nodes.filter(({ id }) => ids.includes(id)).flatMap(portsWanted));
    let state = first;
    for (const id of ids) {
      const node = state.nodes[id - 1];
      if (node === undefined) throw new Error(`node ${id} is not in the state`);
      state = withNode(state, id, await launchNode(state, node, this.dataDir));
      // After each one: should this process die now, the nodes are known and can be stopped.
      writeState(this.dataDir, state);
    }
  }

  async #record(id: number, change: Partial<Omit<NodeRecord, 'id'>>): Promise<void> {
    const seen = this.node(id).process;
    await this.#locked(async () => {
      const state = this.state();
      const now = state.nodes[id - 1]?.process;
      // Somebody started it anew meanwhile: what we saw is about a process that is history.
      if (now?.pid !== seen?.pid || now?.startTime !== seen?.startTime) return;
      writeState(this.dataDir, withNode(state, id, change));
    });
  }

  async #locked<T>(change: () => Promise<T>): Promise<T> {
    const lock = await this.#lock();
    try {
      return await change();
    } finally {
      await lock.release();
    }
  }

  async #lock(): Promise<DataLock> {
    const deadline = performance.now() + LOCK_PATIENCE_MS;
    for (;;) {
      try {
        return await acquireDataLock(this.dataDir);
      } catch (error) {
        if (!(error instanceof DataLockedError)) throw error;
        if (performance.now() >= deadline) {
          throw new CommandError(
            ExitCode.failed,
            `another command, process ${error.holderPid}, is changing the cluster in ` +
              `${this.dataDir} since ${LOCK_PATIENCE_MS / 1000} s: try again when it is done`,
            error,
          );
        }
      }
      await sleep(LOCK_RETRY_MS);
    }
  }
}

function isRunning({ process }: NodeRecord): boolean {
  return process !== null && processState(process) !== 'gone';
}

function portsWanted({
  id,
  peerPort,
  clientPort,
}: NodeRecord): { port: number; purpose: string }[] {
  return [
    { port: peerPort, purpose: `the peer port of node ${id}` },
    { port: clientPort, purpose: `the client port of node ${id}` },
  ];
}

function alreadyRunning(dataDir: string, nodes: readonly NodeRecord[]): CommandError {
  const list = nodes.map(({ id, process }) => `node ${id} (pid ${process?.pid})`).join(', ');
  return new CommandError(
    ExitCode.failed,
    `already running in ${dataDir}: ${list}. ` +
      `"ringraft cluster stop --data ${dataDir}" ends all of them`,
  );
}
