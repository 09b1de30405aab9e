/**
 * Three nodes as processes of their own, `ringraft server` from this very build: started, asked,
 * killed, started again and ended.
 *
 * Whatever happens, no process and no file of theirs is left behind: `close` ends and removes all,
 * and so does the end of this process.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CommandError, ExitCode } from '../../tools/cli/exit-codes.js';
import { type Address, printAddress } from '../../tools/cli/value-rules.js';
import { HOST } from '../../tools/cluster/cluster-state.js';
import { freePorts } from '../../tools/cluster/free-ports.js';
import { askOnce, parseInfo } from './node-client.js';

export const RINGRAFT = fileURLToPath(new URL('../../tools/ringraft.js', import.meta.url));

const IDS = [1, 2, 3] as const;
const START_MS_MAX = 20_000;
const STOP_MS_MAX = 10_000;
const POLL_MS = 20;
const ASK_MS = 2000;
const LOG_LINES_SHOWN = 15;

export interface Node {
  readonly id: number;
  readonly peer: Address;
  readonly client: Address;
  readonly directory: string;
  readonly log: string;
}

export interface NodeState {
  readonly node: Node;
  readonly fields: ReadonlyMap<string, string>;
}

export interface NodesOptions {
  /** Made by `start`, removed by `close`. */
  readonly directory: string;
  /** For the CPU profiles of all threads; null: none. */
  readonly profiles: string | null;
  /** Options of `ringraft server` besides those that make a cluster of the three. */
  readonly parameters?: readonly string[];
  readonly signal: AbortSignal;
}

export class Nodes {
  readonly all: readonly Node[];
  readonly #options: NodesOptions;
  readonly #processes = new Map<number, ChildProcess>();
  readonly #onExit = (): void => this.#killAll();

  private constructor(nodes: readonly Node[], options: NodesOptions) {
    this.all = nodes;
    this.#options = options;
    process.on('exit', this.#onExit);
  }

  /** Three fresh nodes that serve and agree on a leader. */
  static async start(options: NodesOptions): Promise<Nodes> {
    const ports = await freePorts(2 * IDS.length);
    const address = (at: number): Address => ({ host: HOST, port: ports[at] as number });
    const made = IDS.map((id, at) => ({
      id,
      peer: address(at),
      client: address(IDS.length + at),
      directory: join(options.directory, `node-${id}`),
      log: join(options.directory, `node-${id}.log`),
    }));
    mkdirSync(options.directory, { recursive: true });
    const nodes = new Nodes(made, options);
    try {
      for (const node of made) nodes.launch(node);
      await nodes.leader();
      return nodes;
    } catch (error) {
      await nodes.close();
      throw error;
    }
  }

  get targets(): string {
    return this.all.map(({ client }) => printAddress(client)).join(',');
  }

  pid(node: Node): number {
    const pid = this.#processes.get(node.id)?.pid;
    if (pid === undefined) throw new Error(`node ${node.id} does not run`);
    return pid;
  }

  get pids(): number[] {
    return this.all.map((node) => this.pid(node));
  }

  launch(node: Node): void {
    const { profiles } = this.#options;
    const output = openSync(node.log, 'a');
    const profiling = profiles === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
    const parameters = [
      ...[...profiling, RINGRAFT, 'server', '--no-repl'],
      ...['--node', String(node.id)],
      ...['--listen', printAddress(node.peer)],
      ...['--client', printAddress(node.client)],
      ...['--cluster', this.all.map(({ peer }) => printAddress(peer)).join(',')],
      ...['--data', node.directory],
      ...['--sync', 'always'],
      ...(this.#options.parameters ?? []),
    ];
    // A session of its own: Ctrl-C reaches the bench only, which then ends the nodes in order.
    const child = spawn(process.execPath, parameters, {
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    this.#processes.set(node.id, child);
  }

  /** Resolves once all nodes answer and name the same leader, to that leader. */
  async leader(): Promise<Node> {
    const deadline = performance.now() + START_MS_MAX;
    for (;;) {
      this.#options.signal.throwIfAborted();
      this.#requireAllAlive();
      const states = await this.states();
      const named = new Set(states.map(({ fields }) => fields.get('leader_id')));
      const [id] = named;
      const leader = this.all.find((node) => String(node.id) === id);
      const leads = states.find(({ node }) => node === leader)?.fields.get('role') === 'leader';
      if (states.length === this.all.length && named.size === 1 && leads) return leader as Node;
      if (performance.now() >= deadline) throw this.#tooLate(states);
      await sleep(POLL_MS);
    }
  }

  /** INFO of every node that answers. */
  async states(): Promise<NodeState[]> {
    const answers = await Promise.all(
      this.all.map(async (node) => {
        try {
          return [{ node, fields: parseInfo(await askOnce(node.client, ASK_MS, 'INFO')) }];
        } catch {
          return [];
        }
      }),
    );
    return answers.flat();
  }

  /** Resolves once every node has applied everything that was committed when this was called. */
  async caughtUp(): Promise<void> {
    const deadline = performance.now() + START_MS_MAX;
    const number = ({ fields }: NodeState, name: string): number => Number(fields.get(name));
    const goal = Math.max(...(await this.states()).map((state) => number(state, 'commit_index')));
    for (;;) {
      this.#options.signal.throwIfAborted();
      this.#requireAllAlive();
      const states = await this.states();
      const all = states.length === this.all.length;
      if (all && states.every((state) => number(state, 'last_applied') >= goal)) return;
      if (performance.now() >= deadline) throw this.#tooLate(states);
      await sleep(POLL_MS);
    }
  }

  /** kill -9; resolves to the moment just before the signal, on `performance.now`'s clock. */
  kill(node: Node): number {
    const pid = this.pid(node);
    const at = performance.now();
    process.kill(pid, 'SIGKILL');
    return at;
  }

  /** Resolves when the node's process is gone. */
  async gone(node: Node): Promise<void> {
    const child = this.#processes.get(node.id);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await once(child, 'exit');
  }

  /** Ends the nodes, by force if they take too long, and removes their files. */
  async close(): Promise<void> {
    for (const child of this.#processes.values()) child.kill('SIGTERM');
    const force = setTimeout(() => this.#killAll(), STOP_MS_MAX);
    await Promise.all(this.all.map((node) => this.gone(node)));
    clearTimeout(force);
    process.off('exit', this.#onExit);
    rmSync(this.#options.directory, { recursive: true, force: true });
  }

  #killAll(): void {
    for (const child of this.#processes.values()) child.kill('SIGKILL');
  }

  #requireAllAlive(): void {
    for (const node of this.all) {
      const child = this.#processes.get(node.id);
      if (child === undefined || (child.exitCode === null && child.signalCode === null)) continue;
      const lines = readFileSync(node.log, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN);
      const how = child.signalCode ?? `exit code ${child.exitCode}`;
      throw new CommandError(
        ExitCode.failed,
        [`node ${node.id} ended (${how}). It printed:`, ...lines.map((line) => `  ${line}`)].join(
          '\n',
        ),
      );
    }
  }

  #tooLate(states: readonly NodeState[]): CommandError {
    const seen = this.all.map((node) => {
      const fields = states.find((state) => state.node === node)?.fields;
      if (fields === undefined) return `node ${node.id} does not answer`;
      const applied = `applied ${fields.get('last_applied')} of ${fields.get('commit_index')}`;
      return `node ${node.id} is ${fields.get('role')}, ${applied}`;
    });
    return new CommandError(
      ExitCode.noLeader,
      `the nodes do not agree after ${START_MS_MAX / 1000} s: ${seen.join('; ')}`,
    );
  }
}
