/**
 * STATUS for somebody at the terminal: the demo's three sections, and what this node knows beyond
 * them. Text only.
 */

import type { SnapshotStatus } from '../../engine/status.js';
import { learnerInWords } from '../load/learner-words.js';
import type { StatusView } from './commands/server-view.js';
import type { NodeView } from './node-view.js';

type Row = readonly [name: string, value: string | number];

function section(title: string, rows: readonly Row[]): string {
  const lines = rows.map(([name, value]) => `  ${`${name}:`.padEnd(15)}${value}`);
  return [`=== ${title} ===`, ...lines].join('\n');
}

function roleTitle(role: string): string {
  const words = role.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return words.join('-');
}

function snapshotRows(snapshots: SnapshotStatus): readonly Row[] {
  const { taken, failed, restored, installed, index, fetchedBytes } = snapshots;
  return [
    ['Created', taken],
    ['Restored', restored],
    ...(installed === 0 ? [] : [['Installed', installed] as const]),
    ...(failed === 0 ? [] : [['Failed', failed] as const]),
    ['Last Index', index],
    ...(fetchedBytes === null ? [] : [['Fetching', `${fetchedBytes} bytes so far`] as const]),
  ];
}

function witnessRows({
  witness,
  leaderSilenceMs,
}: Pick<StatusView, 'witness' | 'leaderSilenceMs'>): readonly Row[] {
  if (!witness) return [];
  const isHeard = Number.isFinite(leaderSilenceMs);
  const heard = isHeard ? `last heard ${Math.round(leaderSilenceMs)} ms ago` : 'never heard';
  return [['Witness', `reads are stale, everything else is refused; a leader was ${heard}`]];
}

export function statusSections(view: NodeView): string {
  const { role, term, leaderId, commitIndex, lastApplied, log, ...rest } = view.status();
  const { standing, snapshots, compactedIndex, learners } = rest;
  const { keys, memoryBytes, operations } = view.figures;
  return [
    section('Cluster Status', [
      ['Node ID', view.nodeId],
      ['Role', roleTitle(role)],
      ['Term', term],
      ['Leader ID', leaderId],
      ['Commit Index', commitIndex],
      ['Last Applied', lastApplied],
      ['Standing', standing],
      ...witnessRows(rest),
      ...learners.map((learner) => [`Learner ${learner.id}`, learnerInWords(learner)] as const),
    ]),
    section('Key-Value Store', [
      ['Total Keys', keys],
      ['Total Ops', operations],
      ['Memory', `${memoryBytes} bytes`],
    ]),
    section('Snapshots', snapshotRows(snapshots)),
    section('Log', [
      ['Size', `${log.logBytes} bytes in ${log.segments} segments`],
      ['Durability', view.durability],
      ['Limit', `${log.bytesMax} bytes; from half of it on snapshots are asked for`],
      ['Compacted', compactedIndex === 0 ? 'nothing yet' : `up to entry ${compactedIndex}`],
    ]),
  ].join('\n\n');
}
