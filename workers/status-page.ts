/**
 * The status page of one group: a few numbers in shared memory that its consensus worker writes
 * each turn and any thread reads at any time.
 *
 *   f64 each: role │ term │ leader │ committed │ applied │ last │ durable │ standing │ failed │
 *             slow calls │ slowest call │ unreadable appends
 *
 * Numbers of one page may stem from neighbouring turns; nothing may be decided by them but what to
 * show.
 */

import { Standing } from '../engine/raft/state.js';
import { Role } from '../engine/raft/types.js';
import type { GroupRuntime } from '../engine/runtime/group-runtime.js';
import type { StatusNumbers } from '../engine/status.js';

const ROLES = [Role.follower, Role.preCandidate, Role.candidate, Role.leader] as const;
const STANDINGS = [
  Standing.full,
  Standing.fresh,
  Standing.inDoubt,
  Standing.aside,
  Standing.nonVoter,
] as const;

const SLOT = {
  role: 0,
  term: 1,
  leader: 2,
  committed: 3,
  applied: 4,
  last: 5,
  durable: 6,
  standing: 7,
  failed: 8,
  slowCalls: 9,
  slowestCall: 10,
  unreadableAppends: 11,
} as const;
const STATUS_PAGE_BYTES = 16 * Float64Array.BYTES_PER_ELEMENT;

export function createStatusPage(): SharedArrayBuffer {
  return new SharedArrayBuffer(STATUS_PAGE_BYTES);
}

export class StatusPage {
  readonly #slots: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#slots = new Float64Array(memory);
  }

  write(runtime: GroupRuntime): void {
    const slots = this.#slots;
    const { raft } = runtime;
    slots[SLOT.role] = ROLES.indexOf(raft.role);
    slots[SLOT.term] = raft.term;
    slots[SLOT.leader] = raft.leader;
    slots[SLOT.committed] = raft.commitIndex;
    slots[SLOT.applied] = runtime.appliedIndex;
    slots[SLOT.last] = raft.lastIndex;
    slots[SLOT.durable] = raft.durableIndex;
    slots[SLOT.standing] = STANDINGS.indexOf(raft.standing);
    slots[SLOT.failed] = runtime.failed ? 1 : 0;
    slots[SLOT.slowCalls] = runtime.slowCalls;
    slots[SLOT.slowestCall] = runtime.slowestCallMs;
    slots[SLOT.unreadableAppends] = runtime.unreadableAppends;
  }

  read(): StatusNumbers {
    const slot = (which: number): number => this.#slots[which] as number;
    return {
      role: ROLES[slot(SLOT.role)] ?? Role.follower,
      term: slot(SLOT.term),
      leader: slot(SLOT.leader),
      commitIndex: slot(SLOT.committed),
      appliedIndex: slot(SLOT.applied),
      lastIndex: slot(SLOT.last),
      durableIndex: slot(SLOT.durable),
      standing: STANDINGS[slot(SLOT.standing)] ?? Standing.fresh,
      failed: slot(SLOT.failed) === 1,
      slowCalls: slot(SLOT.slowCalls),
      slowestCallMs: slot(SLOT.slowestCall),
      unreadableAppends: slot(SLOT.unreadableAppends),
    };
  }
}
