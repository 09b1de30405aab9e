/**
 * Servers as real processes for tests: starts `dist/tools/ringraft.js server` on free ports with
 * data in a temporary directory, waits until it serves, ends it by its pid, and cleans up whatever
 * happens.
 *
 * Needs the compiled build. It must never end a process that it did not start.
 */

import assert from 'node:assert/strict';
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../tools/cluster/free-ports.js';
import { ROOT } from '../../tools/house/tracked-files.js';
import { exchange } from './raw-client.js';

export { freePorts };

export const RINGRAFT = join(ROOT, 'dist', 'tools', 'ringraft.js');

const READY_MS = 30_000;
const STOP_MS = 20_000;
const POLL_MS = 25;

/** Anything with `after`: a test, or the file. */
export interface Owner {
  after(end: () => Promise<void>): void;
}

/**
 * A directory that is removed when the owner ends, after `first`: hooks run in order, and what runs
 * in the directory must be ended while its record is still there.
 */
export function temporaryDirectory(
  owner: Owner,
  first: (path: string) => Promise<unknown> = async () => {},
): string {
  const path = mkdtempSync(join(tmpdir(), 'ringraft-live-'));
  owner.after(async () => {
    await first(path);
    rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  });
  return path;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One run of the `ringraft` command, or of another script. */
export class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Everything it printed, both streams together. */
  output = '';

  constructor(args: readonly string[], options: SpawnOptions = {}, script: string = RINGRAFT) {
    assert(existsSync(RINGRAFT), 'build first: npm run build');
    this.child = spawn(process.execPath, [script, ...args], {
      ...options,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const collect = (chunk: Buffer): void => {
      this.output += chunk.toString();
    };
    this.child.stdout?.on('data', collect);
    this.child.stderr?.on('data', collect);
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Resolves when the output matches; rejects when the process ends, or in time. */
  async waitFor(pattern: RegExp): Promise<void> {
    const deadline = Date.now() + READY_MS;
    while (!pattern.test(this.output)) {
      if (!this.isRunning) throw new Error(`ended before it printed ${pattern}:\n${this.output}`);
      if (Date.now() > deadline) throw new Error(`did not print ${pattern}:\n${this.output}`);
      await sleep(POLL_MS);
    }
  }

  /** Asks it to end by SIGTERM and waits; SIGKILL when it does not listen. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    if (this.isRunning) this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    const ended = await this.ended;
    clearTimeout(late);
    return ended;
  }
}

/** One node of a test cluster, which may be started several times. */
export class Node {
  readonly id: number;
  readonly peerPort: number;
  readonly clientPort: number;
  readonly dataDir: string | null;
  readonly #host: string;
  readonly #args: readonly string[];
  #run: Run | null = null;

  constructor(parts: {
    id: number;
    /** Where it listens for peers; default 127.0.0.1. */
    host?: string;
    peerPort: number;
    clientPort: number;
    dataDir: string | null;
    args: readonly string[];
  }) {
    this.#host = parts.host ?? '127.0.0.1';
    this.id = parts.id;
    this.peerPort = parts.peerPort;
    this.clientPort = parts.clientPort;
    this.dataDir = parts.dataDir;
    this.#args = parts.args;
  }

  get run(): Run {
    if (this.#run === null) throw new Error(`node ${this.id} was not started`);
    return this.#run;
  }

  get pid(): number {
    return this.run.child.pid as number;
  }

  /** Starts it and waits until its client port is open. */
  async start(...extra: readonly string[]): Promise<void> {
    const data = this.dataDir === null ? [] : ['--data', this.dataDir];
    this.#run = new Run([
      'server',
      ...['--listen', `${this.#host}:${this.peerPort}`],
      ...['--node', String(this.id)],
      ...['--client', String(this.clientPort)],
      ...data,
      ...this.#args,
      ...extra,
    ]);
    await this.run.waitFor(/Commands: /);
  }

  async stop(): Promise<Ended> {
    return this.run.stop('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.run.stop('SIGKILL');
  }

  /** Ends it if it runs. */
  async discard(): Promise<void> {
    if (this.#run?.isRunning) await this.#run.stop('SIGKILL');
  }

  /** The fields of STATUS. */
  async status(): Promise<Map<string, string>> {
    const [reply] = await exchange(this.clientPort, 'STATUS\r\n', 1);
    const text = (reply as string).slice((reply as string).indexOf('\r\n') + 2);
    const fields = text
      .trim()
      .split('\n')
      .map((line) => line.split(':'));
    return new Map(fields.map(([name, value]) => [name as string, value as string]));
  }
}

export interface ClusterOptions {
  /** Default true. */
  readonly durable?: boolean;
  readonly args?: readonly string[];
}

/** Elections that neither a slow machine nor its neighbours disturb. */
const CALM = ['--timing', 'wide-area'];

/** Starts a cluster of `count` nodes that ends with its owner, and waits for a leader. */
export async function startCluster(
  owner: Owner,
  count: number,
  options: ClusterOptions = {},
): Promise<Node[]> {
  const directory = temporaryDirectory(owner);
  const ports = await freePorts(2 * count);
  const peers = ports.slice(0, count);
  const list = peers.map((port) => `127.0.0.1:${port}`).join(',');
  const cluster = count === 1 ? [] : ['--cluster', list];
  const nodes = peers.map(
    (peerPort, at) =>
      new Node({
        id: at + 1,
        peerPort,
        clientPort: ports[count + at] as number,
        dataDir: options.durable === false ? null : join(directory, String(at + 1)),
        args: [...cluster, ...CALM, ...(options.args ?? [])],
      }),
  );
  owner.after(async () => {
    await Promise.all(nodes.map((node) => node.discard()));
  });
  await Promise.all(nodes.map((node) => node.start()));
  await leaderOf(nodes);
  return nodes;
}

/** The leader once every node that runs follows it. */
export async function leaderOf(nodes: readonly Node[]): Promise<Node> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const alive = nodes.filter((node) => node.run.isRunning);
    const views = await Promise.all(alive.map((node) => node.status().catch(() => null)));
    const leaders = new Set(views.map((view) => view?.get('leader_id')));
    const [id] = leaders;
    const leader = nodes.find((node) => String(node.id) === id);
    if (leaders.size === 1 && leader !== undefined && alive.includes(leader)) return leader;
    if (Date.now() > deadline) throw new Error(`no common leader: ${[...leaders].join(', ')}`);
    await sleep(POLL_MS);
  }
}

export async function followersOf(nodes: readonly Node[]): Promise<Node[]> {
  const leader = await leaderOf(nodes);
  return nodes.filter((node) => node !== leader);
}
