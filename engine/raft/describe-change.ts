/**
 * What was asked of the membership and of leadership, and what was answered: one short line each.
 *
 * Only reads; nothing may ever parse these lines to decide something.
 */

import { describeConfiguration, describeIds, describeNode } from './describe.js';
import type { MembershipChange } from './membership-change.js';
import type { ChangeAnswer, ChangeRefusal, QuorumToBe } from './reconfigure.js';
import type { TransferAnswer } from './transfer.js';
import { unreachable } from './types.js';

/** `4=host:5004 voter, remove 2`: what a change asks for. */
export function describeChange({ put, remove }: MembershipChange): string {
  const words = put.map(({ id, address, as }) => `${id}=${address} ${as}`);
  return [...words, ...remove.map((id) => `remove ${id}`)].join(', ');
}

/** `2 of (1 2 3), (1 3) answer`: how many must answer, and who does. */
export function describeQuorumToBe({ voters, needed, answering }: QuorumToBe): string {
  return `${needed} of ${describeIds(voters)}, ${describeIds(answering)} answer`;
}

function describeChangeRefusal(refusal: ChangeRefusal): string {
  switch (refusal.why) {
    case 'notLeader':
      return `not leader, ${describeNode(refusal.leader)} is`;
    case 'notReady':
      return 'nothing of this term is committed yet, or no quorum answers';
    case 'transferring':
      return `leadership goes to ${refusal.to}`;
    case 'changing':
      return `under way is ${describeConfiguration(refusal.configuration)}`;
    case 'addressTaken':
      return `${refusal.address} is the address of ${refusal.by}`;
    case 'noVoters':
      return 'no voter would be left';
    case 'losesQuorum':
      return `quorum would be lost: ${describeQuorumToBe(refusal.quorum)}`;
    default:
      return unreachable(refusal);
  }
}

/** `begun at 7: 3 of (1 2 3 4), (1 2 3 4) answer`, or why not. */
export function describeChangeAnswer(answer: ChangeAnswer): string {
  if ('begun' in answer) return `begun at ${answer.begun}: ${describeQuorumToBe(answer.quorum)}`;
  if ('joined' in answer) return 'under way already';
  if ('fulfilled' in answer) return `so since ${answer.fulfilled}`;
  return `refused: ${describeChangeRefusal(answer.refused)}`;
}

/** `to 2`, or why leadership is not handed over. */
export function describeTransferAnswer(answer: TransferAnswer): string {
  if ('to' in answer) return `to ${answer.to}`;
  const { refused } = answer;
  switch (refused.why) {
    case 'notLeader':
      return `refused: not leader, ${describeNode(refused.leader)} is`;
    case 'transferring':
      return `refused: leadership goes to ${refused.to}`;
    case 'disabled':
      return 'refused: transfers are switched off';
    case 'notVoter':
      return 'refused: no voter';
    case 'notReady':
      return 'refused: it does not answer, or waits for a snapshot';
    case 'nobody':
      return 'refused: no other voter could take over';
    default:
      return unreachable(refused);
  }
}
