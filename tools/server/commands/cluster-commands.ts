/**
 * The commands that change the cluster: ADD, REMOVE, TRANSFER. On the leader only: elsewhere they
 * are answered with REDIRECT and its id, and nothing happened.
 *
 * ADD and REMOVE are answered once the change is committed, a new voter's once it has caught up.
 * With DRYRUN they say who would vote, how many of them must answer, and who does. The rules are
 * the engine's; nothing here decides what is allowed.
 */

import type { MemberChange } from '../../../engine/admin-calls.js';
import { quorumInWords } from '../../../engine/runtime/quorum-words.js';
import { integerOf, isWord, shownTextOf, textOf } from './arguments.js';
import { type Asker, ok, refusalOf } from './asked.js';
import { type CommandSpec, integer, NO_KEYS, optional, string, word } from './command-spec.js';
import type { Plan } from './plan.js';

const NOTHING_TO_CHANGE = 'nothing would change: it is so already, or just becomes so';

function idOf(plan: Plan, index: number): number | null {
  const id = integerOf(plan.request, index);
  if (typeof id === 'number' && id >= 1) return id;
  const shown = shownTextOf(plan.request, index);
  plan.refuse(`ERR node id "${shown}" must be the number of a node, from 1; STATUS shows its own`);
  return null;
}

function askChange(change: MemberChange): Asker {
  return (group) =>
    group.changeMembers(change).then(
      () => ok,
      (cause) => refusalOf('membership', cause),
    );
}

function askPlan(change: MemberChange): Asker {
  return (group) =>
    group.planMembers(change).then(
      (quorum) => (reply) =>
        reply.bulkText(quorum === null ? NOTHING_TO_CHANGE : quorumInWords(quorum)),
      (cause) => refusalOf('membership', cause),
    );
}

/** The words behind the arguments; null when one of them is none of `known`. */
function wordsFrom(plan: Plan, from: number, known: readonly string[]): Set<string> | null {
  const found = new Set<string>();
  for (let i = from; i < plan.request.count; i += 1) {
    const name = known.find((each) => isWord(plan.request, i, each));
    if (name === undefined) {
      const shown = shownTextOf(plan.request, i);
      plan.refuse(`ERR "${shown}" is not known here; it may be ${known.join(' or ')}`);
      return null;
    }
    found.add(name);
  }
  return found;
}

function planAdd(plan: Plan): void {
  const id = idOf(plan, 1);
  if (id === null) return;
  const words = wordsFrom(plan, 3, ['LEARNER', 'DRYRUN']);
  if (words === null) return;
  const address = textOf(plan.request, 2);
  const as = words.has('LEARNER') ? 'learner' : 'voter';
  const change: MemberChange = { put: [{ id, address, as }] };
  plan.ask(words.has('DRYRUN') ? askPlan(change) : askChange(change));
}

function planRemove(plan: Plan): void {
  const id = idOf(plan, 1);
  if (id === null) return;
  const words = wordsFrom(plan, 2, ['DRYRUN']);
  if (words === null) return;
  const change: MemberChange = { remove: [id] };
  plan.ask(words.has('DRYRUN') ? askPlan(change) : askChange(change));
}

function planTransfer(plan: Plan): void {
  if (plan.request.count > 2) {
    plan.refuse('ERR TRANSFER takes one node id, or none for the node that has most of the log');
    return;
  }
  const target = plan.request.count === 2 ? idOf(plan, 1) : undefined;
  if (target === null) return;
  plan.ask((group) =>
    group.transferLeadership(target).then(
      () => ok,
      (cause) => refusalOf('transfer', cause),
    ),
  );
}

const cluster = (
  row: Pick<CommandSpec, 'name' | 'arity' | 'summary' | 'arguments' | 'handler'>,
): CommandSpec => ({ kind: 'local', group: 'cluster', keys: NO_KEYS, ...row });

export const CLUSTER_COMMANDS: readonly CommandSpec[] = [
  cluster({
    name: 'TRANSFER',
    arity: -1,
    summary: 'Hands the leadership to a node; without an id to the one with most of the log',
    arguments: [optional(integer('node-id'))],
    handler: planTransfer,
  }),
  cluster({
    name: 'ADD',
    arity: -3,
    summary: 'Adds a node, or makes it a voter, a learner, or one at another address',
    arguments: [
      integer('node-id'),
      string('address'),
      optional(word('LEARNER')),
      optional(word('DRYRUN')),
    ],
    handler: planAdd,
  }),
  cluster({
    name: 'REMOVE',
    arity: -2,
    summary: 'Removes a node, which then waits until it is added again',
    arguments: [integer('node-id'), optional(word('DRYRUN'))],
    handler: planRemove,
  }),
];
