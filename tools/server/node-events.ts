/**
 * What of the engine's life is worth a line of the log: role changes, peers that come to nothing, a
 * replica that stays aside, a group that stopped. Reads events, changes nothing.
 */

import type { Engine } from '../../engine/engine.js';
import type { Group } from '../../engine/group.js';
import { Standing } from '../../engine/raft/state.js';
import type { NodeLog } from './node-log.js';

const STANDING_POLL_MS = 1000;

const STANDING_LINES: Partial<Record<Standing, string>> = {
  [Standing.aside]:
    'WARNING: this replica lost its data: the cluster remembers an earlier life of it. It neither ' +
    'votes nor counts, and stays aside until it is removed and added again',
  [Standing.inDoubt]:
    'WARNING: the log ended in a damaged block that may have been acknowledged. This replica ' +
    'votes only where every voter does, until it holds an entry of a leader elected since',
  [Standing.nonVoter]: 'this node is not a voter of the cluster',
};

/** Returns what ends the watching. */
export function logEvents(engine: Engine, group: Group, log: NodeLog): () => void {
  const { nodeId } = engine.options;
  group.on('role', ({ role, term, leader }) => {
    log.sometimes(`role ${role}`, `[RAFT] ${roleText(nodeId, role, term, leader)}`);
  });
  group.on('error', (error) => {
    log.always(`[NODE] ERROR: group ${group.name} stopped on this node: ${error.message}`);
  });
  engine.on('peer', ({ remote, peer, reason, detail }) => {
    const who = peer === 0 ? remote : `node ${peer} at ${remote}`;
    log.sometimes(`peer ${peer} ${reason}`, `[PEER] ${who}: ${reason}: ${detail}`);
  });
  let standing: Standing = Standing.full;
  const watch = setInterval(() => {
    const now = group.status().standing;
    const line = now === standing ? undefined : STANDING_LINES[now];
    standing = now;
    if (line !== undefined) log.always(`[NODE] ${line}`);
  }, STANDING_POLL_MS);
  return () => clearInterval(watch);
}

function roleText(nodeId: number, role: string, term: number, leader: number): string {
  if (role === 'leader') return `node ${nodeId} is the leader in term ${term}`;
  if (role === 'follower') {
    return leader === 0
      ? `node ${nodeId} is a follower in term ${term} and knows no leader`
      : `node ${nodeId} follows node ${leader} in term ${term}`;
  }
  return `node ${nodeId} campaigns as ${role} in term ${term}`;
}
