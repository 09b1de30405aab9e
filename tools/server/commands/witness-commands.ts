/**
 * WITNESS on|off, and WITNESS alone, which answers the label of what this node reads: whether it is
 * a witness, up to which entry it has applied, and how long it has heard no leader.
 *
 * The values of GET stay as they are, as every client expects: the label is asked beside them. Here
 * it is never decided whether the node may enter or leave.
 */

import { isWord, shownTextOf } from './arguments.js';
import { type Asker, ok, refusalOf } from './asked.js';
import { type CommandSpec, NO_KEYS, oneOf, optional, word } from './command-spec.js';
import type { Plan } from './plan.js';
import type { StatusView } from './server-view.js';

type Field = readonly [string, string | number];

/** Milliseconds without a leader; -1: none was heard since the start. */
function ageOf({ leaderSilenceMs }: StatusView): number {
  return Number.isFinite(leaderSilenceMs) ? Math.round(leaderSilenceMs) : -1;
}

/** What STATUS shows beyond the rest on a witness. */
export function witnessFields(status: StatusView): readonly Field[] {
  if (!status.witness) return [];
  return [
    ['witness', 1],
    ['witness_age_ms', ageOf(status)],
  ];
}

const enter: Asker = (group) =>
  group.enterWitnessMode().then(
    () => ok,
    (cause) => refusalOf('witness', cause),
  );

const leave: Asker = (group) =>
  group.leaveWitnessMode().then(
    () => ok,
    (cause) => refusalOf('witness', cause),
  );

function planWitness(plan: Plan): void {
  const { request } = plan;
  if (request.count === 1) {
    plan.local(({ server }, reply) => {
      const status = server.status();
      const { witness, lastApplied } = status;
      const fields = [
        `witness:${witness ? 1 : 0}`,
        `index:${lastApplied}`,
        `age_ms:${ageOf(status)}`,
      ];
      reply.bulkText(fields.join('\n'));
    });
  } else if (request.count === 2 && isWord(request, 1, 'ON')) plan.ask(enter);
  else if (request.count === 2 && isWord(request, 1, 'OFF')) plan.ask(leave);
  else plan.refuse(`ERR WITNESS takes on, off or nothing, not "${shownTextOf(request, 1)}"`);
}

export const WITNESS_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'WITNESS',
    arity: -1,
    kind: 'local',
    group: 'cluster',
    summary: 'Has this node hold back, or take part again; alone it answers how old its reads are',
    arguments: [optional(oneOf('mode', word('ON'), word('OFF')))],
    keys: NO_KEYS,
    handler: planWitness,
  },
];
