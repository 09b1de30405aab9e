/**
 * What one node is doing right now: its process as the system sees it, and what it says itself.
 *
 * A node that does not answer is an everyday thing and must never be an error here.
 */

import { askNode, type NodeStatus } from '../load/node-status.js';
import { HOST, type NodeRecord } from './cluster-state.js';
import { processState } from './process-state.js';

const ASK_TIMEOUT_MS = 1000;
/** A node is called starting, not silent, for as long as it should take to serve. */
const STARTING_MS = 10_000;

export type NodeState =
  | 'serving'
  | 'no leader'
  | 'starting'
  | 'silent'
  | 'paused'
  | 'killed'
  | 'stopped'
  | 'died'
  | 'new';

export interface NodeView {
  readonly id: number;
  readonly state: NodeState;
  /** Null when no process runs. */
  readonly pid: number | null;
  readonly startedAtMs: number;
  readonly client: string;
  readonly peer: string;
  /** What it answered; null when it did not. */
  readonly status: NodeStatus | null;
}

/** Running, and not stopped by a signal: the process could take part in an election. */
export function isUp({ state }: Pick<NodeView, 'state'>): boolean {
  return ['serving', 'no leader', 'starting', 'silent'].includes(state);
}

export async function viewNode(node: NodeRecord): Promise<NodeView> {
  const process = node.process === null ? 'gone' : processState(node.process);
  const client = { host: HOST, port: node.clientPort };
  const answer = process === 'running' ? await askNode(client, ASK_TIMEOUT_MS) : undefined;
  // Another program may have the port while the node's own process still starts.
  const status = answer?.nodeId === node.id ? answer : null;
  return {
    id: node.id,
    state:
      process === 'gone' ? endOf(node) : process === 'paused' ? 'paused' : upState(node, status),
    pid: process === 'gone' ? null : (node.process?.pid ?? null),
    startedAtMs: node.startedAtMs,
    client: `${HOST}:${node.clientPort}`,
    peer: `${HOST}:${node.peerPort}`,
    status,
  };
}

function endOf({ ended, startedAtMs }: NodeRecord): NodeState {
  if (startedAtMs === 0) return 'new';
  return ended ?? 'died';
}

function upState({ startedAtMs }: NodeRecord, status: NodeStatus | null): NodeState {
  if (status !== null) return status.leaderId > 0 ? 'serving' : 'no leader';
  return Date.now() - startedAtMs < STARTING_MS ? 'starting' : 'silent';
}

/** The node that leads by these views; of two that say so the one with the higher term. */
export function leaderOf(views: readonly NodeView[]): NodeView | undefined {
  return views
    .filter(({ status }) => status?.role === 'leader')
    .sort((a, b) => (b.status?.term ?? 0) - (a.status?.term ?? 0))[0];
}
