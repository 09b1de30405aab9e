/**
 * STATUS for somebody at the terminal: the demo's three sections, and what this node knows beyond
 * them. Text only.
 */

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

export function statusSections(view: NodeView): string {
  const { role, term, leaderId, commitIndex, lastApplied, log } = view.status();
  const { keys, memoryBytes, operations } = view.figures;
  return [
    section('Cluster Status', [
      ['Node ID', view.nodeId],
      ['Role', roleTitle(role)],
      ['Term', term],
      ['Leader ID', leaderId],
      ['Commit Index', commitIndex],
      ['Last Applied', lastApplied],
    ]),
    section('Key-Value Store', [
      ['Total Keys', keys],
      ['Total Ops', operations],
      ['Memory', `${memoryBytes} bytes`],
    ]),
    section('Snapshots', [
      ['Created', 0],
      ['Restored', 0],
    ]),
    section('Log', [
      ['Size', `${log.logBytes} bytes in ${log.segments} segments`],
      ['Durability', view.durability],
      ['Growth', 'grows with every write until snapshots exist'],
    ]),
  ].join('\n\n');
}
