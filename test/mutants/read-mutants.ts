/**
 * Bugs of leases and bounded reads that the simulator must find, mostly where clocks go wrong.
 *
 * Nothing here is ever compiled into the project itself.
 */

import type { Mutant } from './mutant.js';

export const READ_MUTANTS: readonly Mutant[] = [
  {
    name: 'lease-from-answer',
    what: 'a lease runs from the time when a quorum had answered',
    file: 'engine/raft/leader.ts',
    find: 'state.lease.answered(answered, state.membership.entry);',
    replace: `const newest = Math.min(answered, state.leaderReads.round);
  state.lease.sent(newest, state.now, state.wallAhead);
  state.lease.answered(Number.POSITIVE_INFINITY, state.membership.entry);`,
    inTests: true,
  },
  {
    name: 'lease-by-an-old-clock',
    what: 'a lease is judged by a clock that was read before the reads came',
    file: 'engine/runtime/clock-readings.ts',
    find: 'raft.serveByLease(clocksToJudge(ports));',
    replace: 'raft.serveByLease(raft.state);',
  },
  {
    name: 'lease-before-first-commit',
    what: 'a lease holds before the leader has committed in its term',
    file: 'engine/raft/lease.ts',
    find: ' || !committedInTerm(state)) return 0;',
    replace: ' || committedInTerm(state) === null) return 0;',
    inTests: true,
  },
  {
    name: 'lease-through-a-transfer',
    what: 'a leader that hands over keeps its lease',
    file: 'engine/raft/lease.ts',
    find: ' || lease.isDropped) return 0;',
    replace: ') return 0;',
  },
  {
    name: 'lease-while-suspended',
    what: 'what only the wall clock shows to have passed does not count',
    file: 'engine/raft/lease.ts',
    find: 'const gained = wallAhead - from.wallAhead;',
    replace: 'const gained = Math.min(0, wallAhead - from.wallAhead);',
    inTests: true,
  },
  {
    name: 'lease-without-drift',
    what: 'a lease lasts as long as the voters wait, by its own clock',
    file: 'engine/raft/lease.ts',
    find: 'electionTimeoutMin * (1 - leaseDrift) - ran',
    replace: 'electionTimeoutMin - ran',
  },
  {
    name: 'vote-in-spite-of-a-leader',
    what: 'a voter grants votes though it has just heard a leader',
    file: 'engine/raft/election.ts',
    find: 'return state.now < state.leaderHeardAt + state.options.electionTimeoutMin;',
    replace: 'return state.now < 0;',
  },
  {
    name: 'bounded-for-ever',
    what: 'a read index answers bounded reads however old it is',
    file: 'engine/runtime/staleness.ts',
    find: 'return age <= maxStalenessMs ? this.#index : null;',
    replace: 'return age <= 1000 * maxStalenessMs + 1e6 ? this.#index : null;',
  },
];
