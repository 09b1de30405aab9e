/**
 * Waits until nodes serve: the client port answers as the right node, and a leader is known.
 *
 * A node that ended meanwhile is reported at once with what it printed last, since nobody else will
 * ever say why. This must never start or stop anything.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import type { Cluster } from './cluster.js';
import { isMember, logPath } from './cluster-state.js';
import { lastLines } from './node-log.js';
import { isUp, type NodeView, viewNode } from './node-view.js';

const POLL_MS = 50;
const LOG_LINES_SHOWN = 15;

export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Called once for each node, when it first answers. */
  readonly onAnswer?: (view: NodeView) => void;
}

/**
 * Resolves to the views of all nodes once those in `ids` serve. Where no leader can be known, for
 * want of a running majority or by a node that is no member, an answer is enough. Rejects with a
 * CommandError.
 */
export async function waitServing(
  cluster: Cluster,
  ids: readonly number[],
  patience: Patience,
): Promise<NodeView[]> {
  const deadline = performance.now() + patience.timeoutMs;
  const answered = new Set<number>();
  for (;;) {
    patience.signal?.throwIfAborted();
    const all = await cluster.views();
    const awaited = all.filter(({ id }) => ids.includes(id));
    const gone = awaited.find((view) => view.pid === null);
    if (gone !== undefined) throw ended(cluster, gone);
    for (const view of awaited) {
      if (view.status === null || answered.has(view.id)) continue;
      answered.add(view.id);
      patience.onAnswer?.(view);
    }
    const waiting = cluster.state().nodes.filter((node) => !isMember(node));
    const isWaiting = ({ id }: NodeView): boolean => waiting.some((node) => node.id === id);
    const members = all.filter((view) => !isWaiting(view));
    const canElect = members.filter(isUp).length > members.length / 2;
    const isReady = (view: NodeView): boolean => {
      const mayBeLeaderless = !canElect || isWaiting(view);
      return view.state === 'serving' || (mayBeLeaderless && view.status !== null);
    };
    if (awaited.every(isReady)) return all;
    if (performance.now() >= deadline) throw tooLate(awaited, patience.timeoutMs);
    await sleep(POLL_MS);
  }
}

/** Resolves once the node answers at its client port, whether it knows a leader or not. */
export async function waitAnswering(
  cluster: Cluster,
  id: number,
  { timeoutMs, signal }: Patience,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const view = await viewNode(cluster.node(id));
    if (view.pid === null) throw ended(cluster, view);
    if (view.status !== null) return;
    if (performance.now() >= deadline) throw tooLate([view], timeoutMs);
    await sleep(POLL_MS);
  }
}

/** What a dead node printed since its last start, for an error message. */
export function lastWords(cluster: Cluster, id: number, count = LOG_LINES_SHOWN): string[] {
  const path = logPath(cluster.dataDir, id);
  return lastLines(path, count, cluster.node(id).logStart);
}

function ended(cluster: Cluster, { id, state }: NodeView): CommandError {
  const lines = lastWords(cluster, id).map((line) => `  ${line}`);
  const how = state === 'died' ? 'ended by itself' : `was ${state}`;
  const words = lines.length === 0 ? 'It printed nothing.' : 'The last lines of its log:';
  return new CommandError(
    ExitCode.failed,
    [`node ${id} ${how} before it served. ${words}`, ...lines].join('\n'),
  );
}

function tooLate(awaited: readonly NodeView[], timeoutMs: number): CommandError {
  const late = awaited.filter(({ state }) => state !== 'serving');
  const list = late.map(({ id, state }) => `node ${id} is ${describeState(state)}`).join(', ');
  return new CommandError(
    late.every(({ state }) => state === 'no leader') ? ExitCode.noLeader : ExitCode.timeout,
    `not serving after ${timeoutMs / 1000} s: ${list}. ` +
      'Look at "ringraft cluster logs N", or wait longer with --timeout',
  );
}

function describeState(state: NodeView['state']): string {
  if (state === 'no leader') return 'without a leader';
  return state === 'starting' ? 'still starting' : state;
}
