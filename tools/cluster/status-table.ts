/**
 * The views of all nodes as a table for people and as an object for programs.
 *
 * It must never ask a node; the views say all there is.
 */

import { type Learner, learnerInWords } from '../load/learner-words.js';
import { leaderOf, type NodeView } from './node-view.js';

const HEADER = [
  ...['node', 'pid', 'role', 'term', 'leader', 'commit', 'applied', 'sync', 'client', 'state'],
] as const;
/** Columns of numbers stand flush right. */
const RIGHT = new Set(['node', 'pid', 'term', 'leader', 'commit', 'applied']);

function cells({ id, pid, status, client, state }: NodeView): string[] {
  return [
    String(id),
    pid === null ? '-' : String(pid),
    status?.role ?? '-',
    status === null ? '-' : String(status.term),
    status === null || status.leaderId === 0 ? '-' : String(status.leaderId),
    status === null ? '-' : String(status.commitIndex),
    status === null ? '-' : String(status.lastApplied),
    status?.syncMode || '-',
    client,
    state,
  ];
}

export function statusTable(views: readonly NodeView[]): string {
  const rows = [HEADER, ...views.map(cells)];
  const widths = HEADER.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return RIGHT.has(HEADER[column] ?? '') ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** A line for each learner, by the word of the leader. */
export function learnerLines(views: readonly NodeView[]): string {
  const learners = leaderOf(views)?.status?.learners ?? [];
  return learners.map((each) => `learner ${each.id}: ${learnerInWords(each)}\n`).join('');
}

/** The shape of `status --json`; null stands for what is not known. */
export interface StatusReport {
  readonly data: string;
  readonly leader: number | null;
  /** By the word of the leader. */
  readonly learners: readonly Learner[];
  readonly nodes: readonly {
    readonly id: number;
    readonly pid: number | null;
    readonly state: string;
    readonly role: string | null;
    readonly term: number | null;
    readonly leader: number | null;
    readonly commitIndex: number | null;
    readonly lastApplied: number | null;
    readonly sync: string | null;
    readonly client: string;
    readonly peer: string;
    readonly startedAt: string | null;
  }[];
}

export function statusReport(data: string, views: readonly NodeView[]): StatusReport {
  return {
    data,
    leader: leaderOf(views)?.id ?? null,
    learners: leaderOf(views)?.status?.learners ?? [],
    nodes: views.map(({ id, pid, state, status, client, peer, startedAtMs }) => ({
      id,
      pid,
      state,
      role: status?.role ?? null,
      term: status?.term ?? null,
      leader: status === null || status.leaderId === 0 ? null : status.leaderId,
      commitIndex: status?.commitIndex ?? null,
      lastApplied: status?.lastApplied ?? null,
      sync: status?.syncMode || null,
      client,
      peer,
      startedAt: startedAtMs === 0 ? null : new Date(startedAtMs).toISOString(),
    })),
  };
}
