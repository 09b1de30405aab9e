/**
 * Why a transfer or a change of the membership did not happen, in a sentence with its remedy.
 *
 * For people only: programs match on codes. Nothing here decides anything.
 */

import { LIMITS } from '../limits.js';
import { plannedFor } from '../raft/membership-change.js';
import type { ChangeRefusal } from '../raft/reconfigure.js';
import type { TransferRefusal } from '../raft/transfer.js';
import { type Configuration, MemberPlan, NOBODY, type NodeId } from '../raft/types.js';
import { nodes, quorumInWords } from './quorum-words.js';

/** What is under way, as far as a configuration shows it. */
export function changeInWords(configuration: Configuration): string {
  const { voters, outgoing, learnersNext } = configuration;
  const parts: string[] = [];
  const add = (ids: readonly NodeId[], what: string): void => {
    if (ids.length > 0) parts.push(`${nodes(ids)} ${what}`);
  };
  add(plannedFor(configuration, MemberPlan.promote), 'to become a voter once caught up');
  add(plannedFor(configuration, MemberPlan.demote), 'to become a learner');
  add(plannedFor(configuration, MemberPlan.remove), 'to be removed');
  const leaves = (id: NodeId): boolean => !voters.includes(id) && !learnersNext.includes(id);
  if (outgoing.length > 0) {
    add(
      voters.filter((id) => !outgoing.includes(id)),
      'becomes a voter',
    );
    add(learnersNext, 'becomes a learner');
    add(outgoing.filter(leaves), 'is removed');
  }
  return parts.length === 0 ? 'the last step is not committed yet' : parts.join(', ');
}

export function refusedChange(
  refusal: Exclude<ChangeRefusal, { why: 'notLeader' | 'notReady' }>,
): string {
  switch (refusal.why) {
    case 'transferring':
      return `leadership is just being handed to node ${refusal.to}; ask that one in a moment`;
    case 'changing':
      return (
        `another change is under way (${changeInWords(refusal.configuration)}). One change at a ` +
        'time: wait for it; a node that does not come can be taken back by removing it'
      );
    case 'addressTaken':
      return `${refusal.address} is the address of node ${refusal.by} already; give another one`;
    case 'noVoters':
      return 'no voter would be left; a group needs at least one';
    case 'losesQuorum':
      return (
        `nothing could be committed any more: ${quorumInWords(refusal.quorum)}. Start the others ` +
        'first, or remove those that are down'
      );
  }
}

export function tooManyMembers(bytes: number): string {
  const most = LIMITS.configurationBytesMax;
  return `all members with their addresses would make ${bytes} bytes, at most ${most} are allowed`;
}

export function changeNotBegun(): string {
  return 'nothing was begun: no quorum of the voters answers. Check that a majority of nodes runs';
}

export function changeGoesOn(configuration: Configuration): string {
  return `it was begun and goes on by itself: ${changeInWords(configuration)}. status() shows it`;
}

export function changeTakenBack(): string {
  return 'it was begun, and taken back by another call or leader: status() shows the members';
}

export function refusedTransfer(
  target: NodeId,
  refusal: Exclude<TransferRefusal, { why: 'notLeader' }>,
): string {
  const whom = target === NOBODY ? 'the target' : `node ${target}`;
  switch (refusal.why) {
    case 'disabled':
      return 'enableLeadershipTransfer is false on this node';
    case 'transferring':
      return `leadership is just being handed to node ${refusal.to}; ask again in a moment`;
    case 'notVoter':
      return `${whom} is no voter of the group; status() lists those that are`;
    case 'notReady':
      return `${whom} does not answer, or waits for a snapshot. Choose another one, or start it`;
    case 'nobody':
      return 'no other voter answers that could take over. Start one first';
  }
}

/** `term` is that of an election since, 0 when there was none. */
export function transferFailed(to: NodeId, leadsOn: boolean, term: number): string {
  if (!leadsOn) return `node ${to} was asked to take over, and no leader is known yet`;
  const since = term === 0 ? '' : ` since term ${term}`;
  return `node ${to} did not take over within an election timeout; this node leads on${since}`;
}
