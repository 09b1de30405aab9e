/**
 * Changes of the membership as pure arithmetic: from one configuration to the next (Raft §6).
 *
 *   (1 2 3) ──put 4──▶ (1 2 3) learners=(4) promote=(4)     4 catches up; nothing else changes
 *           ──joint──▶ (1 2 3 4)&&(1 2 3)                   both majorities decide
 *           ──leave──▶ (1 2 3 4)
 *
 * What a change makes of members is written into the configuration first, as a plan, so that it
 * goes on under another leader. Only the two joint steps change who counts. When which step is
 * taken is decided in reconfigure.ts; nothing here knows time, progress or messages.
 */

import { findMember, isVoter, newMember } from './membership.js';
import {
  type Configuration,
  type Incarnation,
  type Member,
  MemberPlan,
  NO_INCARNATION,
  type NodeId,
} from './types.js';

/** What the membership is to be; what a change does not name stays as it is. */
export interface MembershipChange {
  /** Members that are to be, each with its address and as what; ids are not repeated. */
  readonly put: readonly {
    readonly id: NodeId;
    readonly address: string;
    readonly as: 'voter' | 'learner';
  }[];
  /** Members that are not to be; none of those in `put`. */
  readonly remove: readonly NodeId[];
}

const ascending = (ids: readonly NodeId[]): NodeId[] => [...ids].sort((a, b) => a - b);

export function isJoint({ outgoing }: Configuration): boolean {
  return outgoing.length > 0;
}

/** The members that the change under way makes something else of. */
export function plannedFor({ members }: Configuration, plan: MemberPlan): NodeId[] {
  return members.filter((member) => member.plan === plan).map(({ id }) => id);
}

export function hasPlans({ members }: Configuration): boolean {
  return members.some(({ plan }) => plan !== MemberPlan.stay);
}

/** The voters that there are once everything planned is done. */
export function votersToBe({ voters, members }: Configuration): NodeId[] {
  const leaves = (id: NodeId): boolean => {
    const plan = members.find((member) => member.id === id)?.plan;
    return plan === MemberPlan.demote || plan === MemberPlan.remove;
  };
  const promoted = members.filter(({ plan }) => plan === MemberPlan.promote).map(({ id }) => id);
  return ascending([...voters.filter((id) => !leaves(id)), ...promoted]);
}

/** Whether the configuration is what the change asks for, with nothing left to do. */
export function isFulfilled(configuration: Configuration, change: MembershipChange): boolean {
  const { voters, learners } = configuration;
  if (isJoint(configuration)) return false;
  const isPut = change.put.every(({ id, address, as }) => {
    const member = findMember(configuration, id);
    if (member?.address !== address || member.plan !== MemberPlan.stay) return false;
    return (as === 'voter' ? voters : learners).includes(id);
  });
  return isPut && change.remove.every((id) => findMember(configuration, id) === undefined);
}

/** What a member is on its way to be: what it is, where nothing changes that. */
function headsFor(configuration: Configuration, member: Member): 'voter' | 'learner' | 'removed' {
  const { voters, outgoing, learnersNext } = configuration;
  const { id, plan } = member;
  if (plan === MemberPlan.promote) return 'voter';
  if (plan === MemberPlan.remove) return 'removed';
  if (plan === MemberPlan.demote || learnersNext.includes(id)) return 'learner';
  if (voters.includes(id)) return 'voter';
  return outgoing.includes(id) ? 'removed' : 'learner';
}

/** Whether what is under way ends with what the change asks for. */
export function isUnderWay(configuration: Configuration, change: MembershipChange): boolean {
  const goalOf = (id: NodeId): string => {
    const member = findMember(configuration, id);
    return member === undefined ? 'removed' : headsFor(configuration, member);
  };
  const isPut = change.put.every(({ id, address, as }) => {
    return findMember(configuration, id)?.address === address && goalOf(id) === as;
  });
  return isPut && change.remove.every((id) => goalOf(id) === 'removed');
}

/** Whether the change does no more than to take back members that were still to be promoted. */
export function isWithdrawal(configuration: Configuration, change: MembershipChange): boolean {
  if (isJoint(configuration) || change.put.length > 0) return false;
  const promoted = plannedFor(configuration, MemberPlan.promote);
  return change.remove.every((id) => promoted.includes(id));
}

/**
 * The first step of a change: learners and addresses at once, all that votes as a plan. Who takes
 * back all that were to come takes back the whole change: nobody leaves without who was to replace
 * it.
 */
export function planChange(configuration: Configuration, change: MembershipChange): Configuration {
  const isRemoved = (id: NodeId): boolean => change.remove.includes(id);
  const isGone = (id: NodeId): boolean => isRemoved(id) && !isVoter(configuration, id);
  const kept = configuration.members
    .filter(({ id }) => !isGone(id))
    .map((member) => (isRemoved(member.id) ? { ...member, plan: MemberPlan.remove } : member));
  const put = change.put.map(({ id, address, as }) => {
    const member = findMember(configuration, id) ?? newMember({ id, address });
    return { ...member, address, plan: planFor(isVoter(configuration, id), as) };
  });
  const isPut = (id: NodeId): boolean => put.some((member) => member.id === id);
  const asked = [...kept.filter(({ id }) => !isPut(id)), ...put].sort((a, b) => a.id - b.id);
  const isTakenBack = hasPlans(configuration) && !asked.some(isPromoted);
  const members = isTakenBack
    ? asked.map((member) => ({ ...member, plan: MemberPlan.stay }))
    : asked;
  const learners = members.map(({ id }) => id).filter((id) => !isVoter(configuration, id));
  return { ...configuration, learners, members };
}

function isPromoted({ plan }: Member): boolean {
  return plan === MemberPlan.promote;
}

function planFor(isVoterNow: boolean, as: 'voter' | 'learner'): MemberPlan {
  if (as === 'voter') return isVoterNow ? MemberPlan.stay : MemberPlan.promote;
  return isVoterNow ? MemberPlan.demote : MemberPlan.stay;
}

/**
 * All plans at once, as a joint configuration. `lifeOf` a promoted member is what its connection
 * proved: from now on that life votes and counts.
 */
export function enterJoint(
  configuration: Configuration,
  lifeOf: (id: NodeId) => Incarnation,
): Configuration {
  const promoted = plannedFor(configuration, MemberPlan.promote);
  const members = configuration.members.map((member): Member => {
    const isPromoted = member.plan === MemberPlan.promote;
    const incarnation = isPromoted ? lifeOf(member.id) : member.incarnation;
    return { ...member, incarnation, plan: MemberPlan.stay };
  });
  return {
    voters: votersToBe(configuration),
    outgoing: configuration.voters,
    learners: configuration.learners.filter((id) => !promoted.includes(id)),
    learnersNext: plannedFor(configuration, MemberPlan.demote),
    members,
  };
}

/** The incoming voters alone. Of a learner no life is recorded: it is when it is promoted. */
export function leaveJoint(configuration: Configuration): Configuration {
  const { voters, learnersNext } = configuration;
  const learners = ascending([...configuration.learners, ...learnersNext]);
  const members = configuration.members
    .filter(({ id }) => voters.includes(id) || learners.includes(id))
    .map((member) =>
      learners.includes(member.id) ? { ...member, incarnation: NO_INCARNATION } : member,
    );
  return { voters, outgoing: [], learners, learnersNext: [], members };
}
