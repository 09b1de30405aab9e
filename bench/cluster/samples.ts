/**
 * What nodes and generator have done up to a moment, and what lies between two such moments: CPU
 * per write, syncs per write, entries per block.
 *
 * Both samples are taken within the measured time, so that start, warm-up and end are in neither.
 * Writes are counted by the log, not by the generator. Arithmetic only, but for `takeSample`.
 */

import type { Nodes } from './nodes.js';
import { cpuUs } from './process-figures.js';

export interface NodeSample {
  readonly id: number;
  readonly leads: boolean;
  readonly applied: number;
  readonly blocks: number;
  readonly requests: number;
  readonly syncs: number;
  readonly bytes: number;
}

export interface Sample {
  readonly atMs: number;
  readonly nodes: readonly NodeSample[];
  /** All processes together, in microseconds. */
  readonly cpuUs: number;
  readonly generatorCpuUs: number;
  readonly leaderCpuUs: number;
}

export interface Between {
  readonly writesPerSecond: number;
  readonly cpuUsPerWrite: number;
  readonly generatorCpuUsPerWrite: number;
  /** Of one core: near 1 the generator, not the nodes, may be what bounds the row. */
  readonly generatorCores: number;
  readonly leaderCpuUsPerWrite: number;
  /** On the leader. */
  readonly entriesPerBlock: number;
  readonly entriesPerRequest: number;
  readonly logBytesPerWrite: number;
  /** Per node, in order of id. */
  readonly syncsPerWrite: readonly number[];
  readonly syncsPerSecond: readonly number[];
}

function nodeSample(id: number, fields: ReadonlyMap<string, string>): NodeSample {
  const number = (name: string): number => Number(fields.get(name) ?? Number.NaN);
  return {
    id,
    leads: fields.get('role') === 'leader',
    applied: number('last_applied'),
    blocks: number('wal_blocks'),
    requests: number('wal_requests'),
    syncs: number('wal_syncs'),
    bytes: number('wal_bytes'),
  };
}

export async function takeSample(nodes: Nodes, generatorPid: number): Promise<Sample> {
  const states = await nodes.states();
  const samples = states.map(({ node, fields }) => nodeSample(node.id, fields));
  const cpu = (pid: number): number => cpuUs(pid) ?? Number.NaN;
  const leader = states.find(({ fields }) => fields.get('role') === 'leader')?.node;
  const generatorCpuUs = cpu(generatorPid);
  const nodesCpuUs = nodes.pids.reduce((sum, pid) => sum + cpu(pid), 0);
  return {
    atMs: performance.now(),
    nodes: samples,
    cpuUs: nodesCpuUs + generatorCpuUs,
    generatorCpuUs,
    leaderCpuUs: leader === undefined ? Number.NaN : cpu(nodes.pid(leader)),
  };
}

/** Null when it cannot be said: a node did not answer, or the leadership moved meanwhile. */
export function between(first: Sample, second: Sample): Between | null {
  const leader = first.nodes.find(({ leads }) => leads);
  const later = second.nodes.find(({ leads }) => leads);
  if (leader === undefined || later === undefined || leader.id !== later.id) return null;
  if (first.nodes.length !== second.nodes.length) return null;
  const writes = later.applied - leader.applied;
  const seconds = (second.atMs - first.atMs) / 1000;
  if (!(writes > 0) || !(seconds > 0)) return null;
  const syncs = second.nodes.map((node, at) => node.syncs - (first.nodes[at]?.syncs ?? Number.NaN));
  return {
    writesPerSecond: writes / seconds,
    cpuUsPerWrite: (second.cpuUs - first.cpuUs) / writes,
    generatorCpuUsPerWrite: (second.generatorCpuUs - first.generatorCpuUs) / writes,
    generatorCores: (second.generatorCpuUs - first.generatorCpuUs) / (seconds * 1e6),
    leaderCpuUsPerWrite: (second.leaderCpuUs - first.leaderCpuUs) / writes,
    entriesPerBlock: writes / (later.blocks - leader.blocks),
    entriesPerRequest: writes / (later.requests - leader.requests),
    logBytesPerWrite: (later.bytes - leader.bytes) / writes,
    syncsPerWrite: syncs.map((count) => count / writes),
    syncsPerSecond: syncs.map((count) => count / seconds),
  };
}
