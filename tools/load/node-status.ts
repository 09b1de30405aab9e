/**
 * Asks one node over its client port who it is and who leads, by INFO: `role`, `term`, `leader_id`.
 *
 * It answers undefined rather than throwing, since a node that does not answer is an everyday
 * thing. A plain Redis is understood too (`role:master`), so that both can be measured by the same
 * tool.
 */

import { connect } from 'node:net';
import type { Address } from '../cli/value-rules.js';
import { type Learner, learnersIn } from './learner-words.js';

export interface NodeStatus {
  readonly address: Address;
  /** 0 when the node does not say. */
  readonly nodeId: number;
  readonly role: string;
  readonly term: number;
  /** 0 when the node knows none. */
  readonly leaderId: number;
  readonly commitIndex: number;
  readonly lastApplied: number;
  /** When the node syncs what it acknowledges: `always`, `in memory`, …; empty: it does not say. */
  readonly syncMode: string;
  /** Snapshots of a leader that replaced its state since the start; 0 when it does not say. */
  readonly snapshotsInstalled: number;
  /** Whether the replica counts: `full`, `recovering`, …; empty: it does not say. */
  readonly standing: string;
  /** Of the leader: how far each learner is. */
  readonly learners: readonly Learner[];
}

const INFO = '*1\r\n$4\r\nINFO\r\n';
const REPLY_BYTES_MAX = 64 * 1024;

/** The status in the `key:value` lines of an INFO reply. */
export function parseStatus(address: Address, text: string): NodeStatus {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const number = (name: string): number => Number(fields.get(name) ?? 0) || 0;
  const role = fields.get('role') ?? 'unknown';
  return {
    address,
    nodeId: number('node_id'),
    role: role === 'master' ? 'leader' : role,
    term: number('term'),
    leaderId: number('leader_id'),
    commitIndex: number('commit_index'),
    lastApplied: number('last_applied'),
    snapshotsInstalled: number('snapshots_installed'),
    standing: fields.get('standing') ?? '',
    learners: learnersIn(text),
    syncMode: (fields.get('durability') ?? '').split(':')[0] as string,
  };
}

/** The whole reply once `received` holds it: the bulk string's text, or an error's. */
function completeReply(received: Buffer): string | undefined {
  const lineEnd = received.indexOf('\r\n');
  if (lineEnd < 0) return undefined;
  const line = received.toString('latin1', 0, lineEnd);
  if (!line.startsWith('$')) return line;
  const end = lineEnd + 2 + Number(line.slice(1));
  return received.length >= end + 2 ? received.toString('utf8', lineEnd + 2, end) : undefined;
}

export function askNode(address: Address, timeoutMs: number): Promise<NodeStatus | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address.host, port: address.port });
    let received = Buffer.alloc(0);
    const finish = (status: NodeStatus | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(status);
    };
    const timer = setTimeout(finish, timeoutMs, undefined);
    socket.on('connect', () => socket.write(INFO));
    socket.on('error', () => finish(undefined));
    socket.on('close', () => finish(undefined));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const text = completeReply(received);
      if (text !== undefined) finish(parseStatus(address, text));
      else if (received.length > REPLY_BYTES_MAX) finish(undefined);
    });
  });
}
