/**
 * Brings a node back whose files were damaged, as an operator would: it starts and has everything,
 * or refuses and says why; then `ringraft repair`, or a directory moved aside, and the usual start.
 *
 * A refusal that does not name the damage is a problem of the run. It must never leave the node
 * half-way: it counts again before anything else is damaged.
 */

import { renameSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT_COMMAND } from '../cli/commands.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { main } from '../cli/main.js';
import type { Cluster } from '../cluster/cluster.js';
import { nodeDataPath } from '../cluster/cluster-state.js';
import { lastWords } from '../cluster/readiness.js';

const POLL_MS = 50;

export interface DamageReport {
  readonly node: number;
  /** What was done to which file. */
  readonly what: string;
  /** What the node said when it would not start; null: it started. */
  readonly refusal: string | null;
  readonly remedy: 'repaired' | 'moved aside' | null;
}

export interface Return {
  readonly report: DamageReport;
  readonly problems: readonly string[];
}

export async function bringBack(
  cluster: Cluster,
  damaged: { readonly node: number; readonly what: string },
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Return> {
  const { node } = damaged;
  const deadline = performance.now() + timeoutMs;
  await cluster.start([node]);
  const refusal = await refusalOf(cluster, node, deadline, signal);
  if (refusal === null) {
    await becomesFull(cluster, node, deadline, signal);
    return { report: { ...damaged, refusal, remedy: null }, problems: [] };
  }
  const data = nodeDataPath(cluster.dataDir, node);
  const problems = namesDamage(refusal, data)
    ? []
    : [`node ${node} (${damaged.what}) did not start and names no damage: ${refusal}`];
  const remedy = (await repair(data, signal)) ? 'repaired' : 'moved aside';
  if (remedy === 'moved aside') renameSync(data, `${data}.aside-${Date.now()}`);
  await cluster.start([node]);
  await becomesFull(cluster, node, deadline, signal);
  return { report: { ...damaged, refusal, remedy }, problems };
}

/** Null once the node serves; its last words when it ended before. */
async function refusalOf(
  cluster: Cluster,
  node: number,
  deadline: number,
  signal: AbortSignal,
): Promise<string | null> {
  for (;;) {
    const view = (await cluster.views()).find(({ id }) => id === node);
    if (view?.state === 'serving') return null;
    if (view?.pid === null) return lastWords(cluster, node).join('\n');
    await pause(node, 'neither serves nor ends', deadline, signal);
  }
}

/** Until the cluster counts it, whatever it has forgotten. */
async function becomesFull(
  cluster: Cluster,
  node: number,
  deadline: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const view = (await cluster.views()).find(({ id }) => id === node);
    if (view?.status?.standing === 'full') return;
    const standing = view?.status?.standing ?? view?.state;
    await pause(node, `is ${standing}, not full`, deadline, signal);
  }
}

async function pause(
  node: number,
  state: string,
  deadline: number,
  signal: AbortSignal,
): Promise<void> {
  if (performance.now() > deadline) {
    throw new CommandError(ExitCode.timeout, `node ${node} was damaged and ${state} in time`);
  }
  await sleep(POLL_MS, undefined, { signal });
}

/** Whether a refusal names the damaged part of this directory. */
export function namesDamage(refusal: string, data: string): boolean {
  return refusal.includes(data) && /damaged|missing|there is no|holds no/.test(refusal);
}

async function repair(data: string, signal: AbortSignal): Promise<boolean> {
  const quiet = { write: () => true };
  const streams = { stdin: process.stdin, stdout: quiet, stderr: quiet };
  const code = await main(ROOT_COMMAND, ['repair', data], { ...streams, env: {}, signal });
  return code === ExitCode.ok;
}
