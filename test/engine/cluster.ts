/**
 * A few nodes in this process, on real threads and sockets, in memory or in a temporary directory.
 *
 * Times are generous: these tests ask what happens, never how fast. Whatever is opened here is
 * closed and removed by `dispose`, also when a test fails.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../tools/cluster/free-ports.js';
import { Engine, type EngineOptions, type Group, LEDGER, type OpenEngine } from './compiled.js';

/** Calls wait this long: the machine may be busy with other tests. */
export const PATIENT_MS = 30_000;

export const bytes = (text: string): Buffer => Buffer.from(text);

export interface ClusterOptions {
  readonly nodes?: number;
  /** False: the nodes run in memory. */
  readonly durable?: boolean;
  readonly groups?: EngineOptions['groups'] | ((node: number) => EngineOptions['groups']);
  readonly options?: Partial<EngineOptions>;
}

export class TestCluster {
  readonly members: Readonly<Record<number, string>>;
  readonly directory: string;
  readonly #options: ClusterOptions;
  readonly #open = new Map<number, OpenEngine>();

  private constructor(options: ClusterOptions, ports: readonly number[]) {
    this.#options = options;
    this.members = Object.fromEntries(ports.map((port, at) => [at + 1, `127.0.0.1:${port}`]));
    this.directory = mkdtempSync(join(tmpdir(), 'ringraft-engine-'));
  }

  /** All members open, and a leader known everywhere. */
  static async start(options: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = await TestCluster.plan(options);
    try {
      await Promise.all(cluster.ids.map((id) => cluster.open(id)));
      await cluster.settle();
      return cluster;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  /** Addresses and directories, nothing open yet. */
  static async plan(options: ClusterOptions = {}): Promise<TestCluster> {
    return new TestCluster(options, await freePorts(options.nodes ?? 3));
  }

  get ids(): number[] {
    return Object.keys(this.members).map(Number);
  }

  optionsOf(id: number): EngineOptions {
    const { groups = [{ name: 'ledger', machine: LEDGER }], durable = false } = this.#options;
    return {
      nodeId: id,
      cluster: this.members,
      groups: typeof groups === 'function' ? groups(id) : groups,
      timing: 'wide-area',
      timeoutMs: PATIENT_MS,
      segmentBytes: 8 * 1024 * 1024,
      arenaBytes: 1024 * 1024,
      ...(durable ? { dataDir: this.dataDir(id) } : {}),
      ...this.#options.options,
    };
  }

  dataDir(id: number): string {
    return join(this.directory, String(id));
  }

  async open(id: number, changed: Partial<EngineOptions> = {}): Promise<OpenEngine> {
    const engine = await Engine.open({ ...this.optionsOf(id), ...changed });
    this.#open.set(id, engine);
    return engine;
  }

  engine(id: number): OpenEngine {
    const engine = this.#open.get(id);
    if (engine === undefined) throw new Error(`node ${id} is not open`);
    return engine;
  }

  group(id: number, name = 'ledger'): Group {
    return this.engine(id).group(name);
  }

  async close(id: number): Promise<void> {
    const engine = this.#open.get(id);
    this.#open.delete(id);
    await engine?.close();
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.close(id)));
  }

  /** Waits until all open nodes see one leader in every group. */
  async settle(): Promise<void> {
    for (const name of [...this.#open.values()][0]?.groups.map((group) => group.name) ?? []) {
      await this.leader(name);
    }
  }

  /** The leader that all open nodes agree on. */
  async leader(name = 'ledger'): Promise<number> {
    const groups = [...this.#open.values()].map((engine) => engine.group(name));
    return await eventually(`one leader of ${name}`, () => {
      const leaders = new Set(groups.map((group) => group.status().leader));
      const [leader = 0] = leaders;
      return leaders.size === 1 && leader !== 0 ? leader : null;
    });
  }

  /** An open node that does not lead. */
  async follower(name = 'ledger'): Promise<number> {
    const leader = await this.leader(name);
    return [...this.#open.keys()].find((id) => id !== leader) as number;
  }

  async dispose(): Promise<void> {
    await this.closeAll();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** Asks until there is an answer; fails by name after a long time. */
export async function eventually<T>(what: string, ask: () => T | null): Promise<T> {
  const end = Date.now() + PATIENT_MS;
  for (;;) {
    const answer = ask();
    if (answer !== null) return answer;
    if (Date.now() > end) throw new Error(`waited ${PATIENT_MS} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Resolves after `ms`. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
