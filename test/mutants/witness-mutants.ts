/**
 * Bugs of witness mode that the simulator must find.
 *
 * Nothing here is ever compiled into the project itself.
 */

import type { Mutant } from './mutant.js';

const MUTANTS: readonly Mutant[] = [
  {
    name: 'witness-votes',
    what: 'a witness grants votes',
    file: 'engine/raft/election.ts',
    find: 'if (state.isWitness) return VoteGrant.refused;',
    replace: '',
  },
  {
    name: 'witness-campaigns',
    what: 'a witness seeks votes',
    file: 'engine/raft/election.ts',
    find: 'if (state.missingState || state.isWitness) return false;',
    replace: 'if (state.missingState) return false;',
  },
  {
    name: 'witness-leads-on',
    what: 'a leader that became a witness leads on when nobody took over',
    file: 'engine/raft/transfer.ts',
    find: 'const mustLeave = state.isWitness || !isVoter(',
    replace: 'const mustLeave = !isVoter(',
  },
];

export const WITNESS_MUTANTS: readonly Mutant[] = MUTANTS.map((mutant) => ({
  ...mutant,
  faults: ['process', 'network', 'transfer'],
}));
