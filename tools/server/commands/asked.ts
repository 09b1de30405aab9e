/**
 * Commands that are answered by a promise: what the group is asked for, and what is replied then.
 *
 * Rare ones only, as each costs a promise. A promise of these never rejects: what goes wrong is a
 * reply as well. Text only; the same at the client port and at the terminal.
 */

import type { ReplyWriter } from '../../../codec/resp/reply.js';
import { RingraftError } from '../../../engine/errors.js';
import type { Group } from '../../../engine/group.js';

/** What of a group these commands need. */
export type AskedGroup = Pick<
  Group,
  | 'snapshot'
  | 'transferLeadership'
  | 'changeMembers'
  | 'planMembers'
  | 'status'
  | 'enterWitnessMode'
  | 'leaveWitnessMode'
>;

export type AskedReply = (reply: ReplyWriter) => void;
export type Asker = (group: AskedGroup) => Promise<AskedReply>;

export const ok: AskedReply = (reply) => reply.ok();

/** The reply to what a group refused; `what` names the thing that was asked for. */
export function refusalOf(what: string, cause: unknown): AskedReply {
  if (!(cause instanceof RingraftError)) {
    return (reply) => reply.error(`ERR ${what}: ${String(cause)}`);
  }
  const { code, leaderHint, message } = cause;
  if (code === 'ERR_NOT_LEADER' && leaderHint !== 0) {
    return (reply) => reply.error(`REDIRECT ${leaderHint}`);
  }
  if (code === 'ERR_NOT_LEADER' || code === 'ERR_NO_LEADER') {
    return (reply) => reply.error('ERR no leader');
  }
  if (code === 'ERR_WITNESS') return (reply) => reply.error(`ERR ${message}`);
  const isUnknown = code === 'ERR_OUTCOME_UNKNOWN';
  return (reply) => reply.error(`ERR ${isUnknown ? '' : `${what}: `}${message}`);
}
