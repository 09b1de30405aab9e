/**
 * What a server prints when it starts: title, identity, where it listens, where its data is, and
 * the warning of a node that keeps none. Text only.
 */

import type { Engine } from '../../engine/engine.js';

export const COMMANDS_LINE =
  'Commands: SET key value | GET key | DEL key | INCR key | STAT | STATUS | QUIT';

export interface StartFacts {
  readonly engine: Engine;
  /** Null without a client port. */
  readonly clientAddress: string | null;
}

export function startScreen({ engine, clientAddress }: StartFacts): string {
  const { nodeId, clusterId, members, enablePreVote, enableReadIndex, syncMode } = engine.options;
  const { dataDir } = engine.options;
  const title = `ringraft - Node ${nodeId}`;
  const rows: readonly (readonly [string, string])[] = [
    ['Cluster', String(clusterId)],
    ['Listen', engine.status().peerAddress],
    ['Members', membersRow(members, nodeId)],
    ['Clients', clientAddress ?? 'no port (--client opens one)'],
    ['Data', dataDir === null ? 'in memory' : `${dataDir} (sync ${syncMode})`],
    ['Durable', engine.status().acknowledgement],
    ['PreVote', enabled(enablePreVote)],
    ['ReadIndex', enabled(enableReadIndex)],
  ];
  const lines = rows.map(([name, value]) => `  ${`${name}:`.padEnd(11)}${value}`);
  const started = `[NODE] ringraft node ${nodeId} started`;
  return ['', title, '='.repeat(title.length), '', started, ...lines, ''].join('\n');
}

function membersRow(members: Engine['options']['members'], self: number): string {
  const shown = members.map(({ id, address }) => `${id}=${address}`).join(' ');
  if (members.some(({ id }) => id === self)) return shown;
  const waits = `waits until the cluster adds it: ADD ${self} HOST:PORT`;
  return shown === ''
    ? `none yet; this node ${waits}`
    : `${shown}; this node is none, and ${waits}`;
}

/** Null when there is nothing to warn of. */
export function memoryWarning(engine: Engine): string | null {
  if (engine.options.dataDir !== null) return null;
  const alone = engine.options.members.length === 1;
  const rule = '*'.repeat(78);
  const lines = alone
    ? ['WARNING: no --data: everything is kept in memory and lost when this process ends.']
    : [
        'WARNING: no --data: this node keeps its log and its vote in memory only.',
        'A restarted node has forgotten its vote and its log: it counts only once a majority',
        'of the others has readmitted it, and a cluster whose majority restarts has lost its',
        'data. Give --data PATH.',
      ];
  return ['', rule, ...lines, rule, ''].join('\n');
}

function enabled(on: boolean): string {
  return on ? 'enabled' : 'disabled';
}
