/**
 * Sends a command that changes the cluster to its leader: finds it by asking all nodes, follows a
 * REDIRECT, and asks again while nobody leads.
 *
 * Sent again is only what says that nothing happened. A lost answer is an outcome that nobody
 * knows: it must never be taken for a success, nor be repeated here.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import type { Reply } from '../crash/reply-stream.js';
import type { Cluster } from './cluster.js';
import { HOST } from './cluster-state.js';
import { NodeClient } from './node-client.js';
import { leaderOf, type NodeView } from './node-view.js';
import { clusterCommand } from './wording.js';

const RETRY_MS = 50;

export interface AskBounds {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The text of a reply that is no error. Throws a CommandError with the node's own words. */
export async function askLeader(
  cluster: Cluster,
  words: readonly string[],
  { timeoutMs, signal }: AskBounds,
): Promise<string> {
  const deadline = performance.now() + timeoutMs;
  let told: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    const leader = told ?? (await findLeader(cluster, deadline, signal));
    const patienceMs = Math.max(deadline - performance.now(), 1);
    const reply = await askOnce(cluster, leader, words, patienceMs);
    if (reply.kind !== 'error') return textOf(reply);
    const isNobody = /^ERR no leader/.test(reply.text);
    const redirected = /^REDIRECT (\d+)$/.exec(reply.text);
    if (!isNobody && redirected === null) throw refused(reply.text);
    if (performance.now() >= deadline) throw noLeader(cluster, timeoutMs);
    const next = Number(redirected?.[1] ?? 0);
    told = cluster.ids().includes(next) && next !== leader ? next : undefined;
    if (told === undefined) await sleep(RETRY_MS);
  }
}

async function findLeader(
  cluster: Cluster,
  deadline: number,
  signal: AbortSignal,
): Promise<number> {
  const begun = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const views = await cluster.views();
    const leader = leaderOf(views);
    if (leader !== undefined) return leader.id;
    requireAnswers(cluster, views);
    if (performance.now() >= deadline) throw noLeader(cluster, deadline - begun);
    await sleep(RETRY_MS);
  }
}

function requireAnswers(cluster: Cluster, views: readonly NodeView[]): void {
  if (views.some(({ pid }) => pid !== null)) return;
  const remedy = `start them with "${clusterCommand('start', cluster.dataDir)}"`;
  throw new CommandError(ExitCode.cannotConnect, `no node in ${cluster.dataDir} runs: ${remedy}`);
}

async function askOnce(
  cluster: Cluster,
  id: number,
  words: readonly string[],
  timeoutMs: number,
): Promise<Reply> {
  const client = new NodeClient({ host: HOST, port: cluster.node(id).clientPort });
  try {
    return await client.ask(words, timeoutMs);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const shown = words.join(' ');
    const remedy = `see "${clusterCommand('status', cluster.dataDir)}", then say it again`;
    throw new CommandError(
      ExitCode.timeout,
      `node ${id} did not answer ${shown}: ${reason}. It may happen all the same: ${remedy}`,
      cause,
    );
  } finally {
    client.close();
  }
}

function textOf(reply: Reply): string {
  if (reply.kind === 'status' || reply.kind === 'error') return reply.text;
  if (reply.kind === 'bulk') return reply.bytes.toString();
  return reply.kind === 'integer' ? String(reply.value) : '';
}

function refused(text: string): CommandError {
  const isUnknown = /^ERR outcome unknown/.test(text);
  return new CommandError(
    isUnknown ? ExitCode.timeout : ExitCode.failed,
    text.replace(/^ERR (?:membership: |transfer: )?/, ''),
  );
}

function noLeader(cluster: Cluster, afterMs: number): CommandError {
  return new CommandError(
    ExitCode.noLeader,
    `no node in ${cluster.dataDir} leads after ${(afterMs / 1000).toFixed(1)} s: a majority must ` +
      `run; see "${clusterCommand('status', cluster.dataDir)}"`,
  );
}
