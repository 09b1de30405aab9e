/**
 * What of the engine's life is worth a line of the log: role changes, peers that come to nothing, a
 * replica that stays aside, a snapshot that was not taken, a group that stopped. Reads events,
 * changes nothing.
 */

import type { Engine } from '../../engine/engine.js';
import type { Group } from '../../engine/group.js';
import { memberEventInWords } from '../../engine/member-news.js';
import { Standing } from '../../engine/raft/state.js';
import type { NodeLog } from './node-log.js';

const STANDING_POLL_MS = 1000;

/** What an operator should look at. The others are what a healthy start goes through. */
const WORRYING: readonly Standing[] = [
  Standing.inDoubt,
  Standing.aside,
  Standing.recovering,
  Standing.standby,
];

/** Returns what ends the watching. */
export function logEvents(engine: Engine, group: Group, log: NodeLog): () => void {
  const { nodeId } = engine.options;
  const { membershipWarning, snapshotWarnings } = engine.status();
  if (membershipWarning !== null) log.always(`[NODE] WARNING: ${membershipWarning}`);
  for (const warning of snapshotWarnings) log.always(`[NODE] WARNING: ${warning}`);
  let lastRole = '';
  const logRole = (role: string, term: number, leader: number): void => {
    const text = roleText(nodeId, role, term, leader);
    // The status may be ahead of the event that tells the same.
    if (text !== lastRole) log.sometimes(`role ${role}`, `[RAFT] ${text}`);
    lastRole = text;
  };
  group.on('role', ({ role, term, leader }) => logRole(role, term, leader));
  const start = group.status();
  // What happened before anybody listened.
  if (start.leader !== 0) logRole(start.role, start.term, start.leader);
  let isTold = false;
  const logFailure = ({ message }: Error): void => {
    if (!isTold) log.always(`[NODE] ERROR: group ${group.name} stopped on this node: ${message}`);
    isTold = true;
  };
  group.on('error', logFailure);
  if (group.failure !== null) logFailure(group.failure);
  group.on('member', (news) => log.always(`[RAFT] ${memberEventInWords(news)}`));
  group.on('warning', ({ text }) => log.sometimes('warning', `[NODE] WARNING: ${text}`));
  group.on('unreadable', ({ text }) => log.always(`[RAFT] ERROR: ${text}`));
  engine.on('peer', ({ remote, peer, reason, detail }) => {
    const who = peer === 0 ? remote : `node ${peer} at ${remote}`;
    log.sometimes(`peer ${peer} ${reason}`, `[PEER] ${who}: ${reason}: ${detail}`);
  });
  let last: Standing = Standing.full;
  const watch = setInterval(() => {
    const { standing, standingText } = group.status();
    if (standing === last) return;
    const worrying = WORRYING.includes(standing);
    if (worrying) log.always(`[NODE] WARNING: this replica is ${standingText}`);
    else if (WORRYING.includes(last)) log.always(`[NODE] this replica is ${standingText}`);
    last = standing;
  }, STANDING_POLL_MS);
  return () => {
    clearInterval(watch);
    engine.removeAllListeners('peer');
    group.removeAllListeners('role');
    group.removeAllListeners('member');
    group.removeAllListeners('unreadable');
    group.removeAllListeners('warning');
  };
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
