/**
 * The members of a group as a node last heard of them, and what is told when they change.
 *
 * Told is what is in force here, which it is as soon as its entry is in the log of this node: one
 * that never commits is taken back, and that is told as well. Two configurations may be further
 * apart than one step, where a node catches up. Nothing here decides anything.
 */

import { decodeConfiguration } from '../codec/configuration.js';
import { isJoint } from './raft/membership-change.js';
import type { Configuration } from './raft/types.js';
import type { LearnerProgress } from './status.js';
import { type MemberStatus, membersOf } from './status.js';

/**
 * A step of a change of the membership, in force on this node.
 *
 * - `jointStarted`: from now on a majority of the old voters and one of the new must agree.
 * - `jointCompleted`: the new voters decide alone.
 * - `jointTakenBack`: the joint configuration was replaced before it was committed; the old voters
 *   decide alone.
 * - `added`, `removed`: a member of any kind. A new voter is added as a learner.
 * - `promoted`, `demoted`: a member votes from now on, or does not any more. A removed voter
 *   is told as removed alone.
 */
export interface MemberEvent {
  readonly kind:
    | 'jointStarted'
    | 'jointCompleted'
    | 'jointTakenBack'
    | 'added'
    | 'removed'
    | 'promoted'
    | 'demoted';
  /** Whom it is about; null for a joint configuration, which is about all of them. */
  readonly id: number | null;
  /** Voters before and after: of `joint…` those of the old and the new configuration. */
  readonly oldCount: number;
  readonly newCount: number;
  /** The entry of the configuration that is in force now. */
  readonly index: number;
}

export class MemberNews {
  #index = 0;
  #configuration: Configuration | null = null;
  #members: readonly MemberStatus[] = [];

  /** Of the entry of the configuration in force. */
  get index(): number {
    return this.#index;
  }

  get members(): readonly MemberStatus[] {
    return this.#members;
  }

  /** How far the learners are, by the word of this node as their leader. */
  takeProgress(learners: readonly LearnerProgress[]): void {
    this.#members = this.#members.map(({ catchUp: _, ...member }) => {
      const learner = learners.find(({ id }) => id === member.id);
      if (learner === undefined) return member;
      const { id: __, ...catchUp } = learner;
      return { ...member, catchUp };
    });
  }

  /** A configuration is in force; the first one that is heard of is no news. */
  take(index: number, base64: string): MemberEvent[] {
    const configuration = decodeConfiguration(Buffer.from(base64, 'base64'));
    const before = this.#configuration;
    const isTakenBack = index < this.#index;
    this.#index = index;
    this.#configuration = configuration;
    this.#members = membersOf(configuration);
    return before === null ? [] : memberEvents(before, configuration, index, isTakenBack);
  }
}

type Step = Omit<MemberEvent, 'index'>;

function memberEvents(
  before: Configuration,
  after: Configuration,
  index: number,
  isTakenBack: boolean,
): MemberEvent[] {
  const steps = [...jointSteps(before, after, isTakenBack), ...memberSteps(before, after)];
  return steps.map((step) => ({ ...step, index }));
}

function jointSteps(before: Configuration, after: Configuration, isTakenBack: boolean): Step[] {
  const [was, is] = [isJoint(before), isJoint(after)];
  if (was === is) return [];
  const joint = is ? after : before;
  const counts = { oldCount: joint.outgoing.length, newCount: joint.voters.length };
  if (is) return [{ kind: 'jointStarted', id: null, ...counts }];
  return [{ kind: isTakenBack ? 'jointTakenBack' : 'jointCompleted', id: null, ...counts }];
}

/** While a configuration is joint, who votes in either half of it does. */
function memberSteps(before: Configuration, after: Configuration): Step[] {
  const was = new Map<number, boolean>(membersOf(before).map(({ id, voter }) => [id, voter]));
  const is = new Map<number, boolean>(membersOf(after).map(({ id, voter }) => [id, voter]));
  const count = (members: ReadonlyMap<number, boolean>): number =>
    [...members.values()].filter((voter) => voter).length;
  const counts = { oldCount: count(was), newCount: count(is) };
  const ids = [...new Set([...was.keys(), ...is.keys()])].sort((a, b) => a - b);
  return ids.flatMap((id): Step[] => {
    const kinds = stepsOf(was.get(id), is.get(id));
    return kinds.map((kind) => ({ kind, id, ...counts }));
  });
}

/** Whether a member voted and votes; undefined for one that was or is none. */
function stepsOf(was: boolean | undefined, is: boolean | undefined): MemberEvent['kind'][] {
  if (is === undefined) return was === undefined ? [] : ['removed'];
  if (was === undefined) return is ? ['added', 'promoted'] : ['added'];
  if (was === is) return [];
  return is ? ['promoted'] : ['demoted'];
}

/** One line for a log. */
export function memberEventInWords({ kind, id, oldCount, newCount, index }: MemberEvent): string {
  const counts = `${oldCount} ${oldCount === 1 ? 'voter' : 'voters'}, then ${newCount}`;
  const at = `entry ${index}`;
  switch (kind) {
    case 'jointStarted':
      return `a joint configuration began (${counts}; ${at})`;
    case 'jointCompleted':
      return `the joint configuration ended (${counts}; ${at})`;
    case 'jointTakenBack':
      return `the joint configuration was taken back (${at})`;
    case 'added':
      return `node ${id} was added (${at})`;
    case 'removed':
      return `node ${id} was removed (${counts}; ${at})`;
    case 'promoted':
      return `node ${id} votes (${counts}; ${at})`;
    case 'demoted':
      return `node ${id} votes no more (${counts}; ${at})`;
  }
}
