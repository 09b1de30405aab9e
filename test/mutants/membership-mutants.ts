/**
 * Bugs of membership changes and transfers that the simulator must find.
 *
 * Nothing here is ever compiled into the project itself.
 */

import type { Mutant } from './mutant.js';

const MUTANTS: readonly Mutant[] = [
  {
    name: 'promoted-in-one-step',
    what: 'who votes changes without a joint configuration',
    file: 'engine/raft/reconfigure.ts',
    find: 'enterJoint(configuration, (id) => lifeOf(state, id)),',
    replace: 'leaveJoint(enterJoint(configuration, (id) => lifeOf(state, id))),',
    inTests: true,
  },
  {
    name: 'changed-before-own-commit',
    what: 'a leader changes the membership before it has committed in its own term',
    file: 'engine/raft/reconfigure.ts',
    find: 'return isSettled && committedInTerm(state) && state.transfer',
    replace: 'return isSettled && state.transfer',
  },
  {
    name: 'joint-left-too-early',
    what: 'a joint configuration is left before it is committed',
    file: 'engine/raft/reconfigure.ts',
    find: 'if (state.role !== Role.leader || !mayReconfigure(state)) return;',
    replace: `if (state.role === Role.leader && isJoint(state.configuration)) {
    appendOwn(state, leaveJoint(state.configuration));
    return;
  }
  if (state.role !== Role.leader || !mayReconfigure(state)) return;`,
  },
  {
    name: 'outgoing-not-asked',
    what: 'in a joint configuration the incoming majority alone commits',
    file: 'engine/raft/quorum.ts',
    find: 'majorityValue(configuration.outgoing, valueFor),',
    replace: 'Number.POSITIVE_INFINITY,',
  },
  {
    name: 'removed-leader-stays',
    what: 'a leader that was removed leads on',
    file: 'engine/raft/reconfigure.ts',
    find: 'else if (!isVoter(configuration, state.id)) handOver(state);',
    replace: '',
    inTests: true,
  },
  {
    name: 'strangers-refused',
    what: 'a node that knows no leader lets nobody in whom it does not know',
    file: 'workers/peer-roster.ts',
    find: 'return isWaiting || this.#lost.some((isLost) => isLost);',
    replace: 'return isWaiting;',
  },
];

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = MUTANTS.map((mutant) => ({
  ...mutant,
  faults: ['process', 'network', 'transfer', 'membership'],
}));
