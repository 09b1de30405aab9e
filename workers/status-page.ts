/**
 * The status page of one group: a few numbers in shared memory that its consensus worker writes
 * each turn and any thread reads at any time.
 *
 *   f64 each: role │ term │ leader │ committed │ applied │ last │ durable │ standing │ failed │
 *             slow calls │ slowest call │ unreadable appends │ term of the entry at committed │
 *             changes │ compacted │ snapshot index │ snapshots taken │ failed │ restored │
 *             bytes of a snapshot that is being fetched, -1 for none │ keeps the log │
 *             snapshots installed │ client sessions │ witness │
 *             when a leader was last heard, on the monotonic clock, -Infinity for never
 *
 * Numbers of one page may stem from neighbouring turns; nothing may be decided by them but what to
 * show. Only what `readCommit` says belongs together: changes (an i32) is odd while it is written.
 */

import { Standing } from '../engine/raft/state.js';
import { Role } from '../engine/raft/types.js';
import type { GroupRuntime } from '../engine/runtime/group-runtime.js';
import type { StatusNumbers } from '../engine/status.js';
import { monotonicMs } from '../io/clock.js';

const ROLES = [Role.follower, Role.preCandidate, Role.candidate, Role.leader] as const;
/** A page that nobody has written yet claims the least. */
const STANDINGS = [
  Standing.fresh,
  Standing.full,
  Standing.inDoubt,
  Standing.aside,
  Standing.nonVoter,
  Standing.recovering,
  Standing.standby,
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
  commitTerm: 12,
  changes: 13,
  compacted: 14,
  snapshotIndex: 15,
  snapshotsTaken: 16,
  snapshotsFailed: 17,
  snapshotsRestored: 18,
  fetching: 19,
  keepsLog: 20,
  snapshotsInstalled: 21,
  sessions: 22,
  witness: 23,
  leaderHeard: 24,
} as const;
const STATUS_PAGE_BYTES = 26 * Float64Array.BYTES_PER_ELEMENT;

const NOT_FETCHING = -1;

export function createStatusPage(): SharedArrayBuffer {
  return new SharedArrayBuffer(STATUS_PAGE_BYTES);
}

export class StatusPage {
  readonly #slots: Float64Array;
  readonly #changes: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#slots = new Float64Array(memory);
    this.#changes = new Int32Array(memory, SLOT.changes * Float64Array.BYTES_PER_ELEMENT, 1);
  }

  write(runtime: GroupRuntime): void {
    const slots = this.#slots;
    const { raft } = runtime;
    slots[SLOT.role] = ROLES.indexOf(raft.role);
    slots[SLOT.term] = raft.term;
    slots[SLOT.leader] = raft.leader;
    this.#writeCommit(raft.commitIndex, raft.termAt(raft.commitIndex) ?? 0);
    slots[SLOT.applied] = runtime.appliedIndex;
    slots[SLOT.last] = raft.lastIndex;
    slots[SLOT.durable] = raft.durableIndex;
    slots[SLOT.standing] = STANDINGS.indexOf(raft.standing);
    const { isWitness, leaderHeardAt, startedAt } = raft.state;
    slots[SLOT.witness] = isWitness ? 1 : 0;
    slots[SLOT.leaderHeard] = leaderHeardAt > startedAt ? leaderHeardAt : Number.NEGATIVE_INFINITY;
    slots[SLOT.failed] = runtime.failed ? 1 : 0;
    slots[SLOT.keepsLog] = runtime.keepsLog ? 1 : 0;
    slots[SLOT.slowCalls] = runtime.slowCalls;
    slots[SLOT.slowestCall] = runtime.slowestCallMs;
    slots[SLOT.unreadableAppends] = runtime.intake.unreadable;
    this.#writeSnapshots(runtime);
  }

  #writeSnapshots({ raft, snapshots }: GroupRuntime): void {
    const slots = this.#slots;
    slots[SLOT.compacted] = raft.compactedIndex;
    slots[SLOT.sessions] = snapshots.sessions;
    slots[SLOT.snapshotIndex] = snapshots.newest?.point.index ?? 0;
    slots[SLOT.snapshotsTaken] = snapshots.taken;
    slots[SLOT.snapshotsFailed] = snapshots.failures;
    slots[SLOT.snapshotsRestored] = snapshots.restored;
    slots[SLOT.snapshotsInstalled] = snapshots.installed;
    slots[SLOT.fetching] = snapshots.fetching?.bytes ?? NOT_FETCHING;
  }

  #writeCommit(index: number, term: number): void {
    if (this.#slots[SLOT.committed] === index) return;
    Atomics.add(this.#changes, 0, 1);
    this.#slots[SLOT.committed] = index;
    this.#slots[SLOT.commitTerm] = term;
    Atomics.add(this.#changes, 0, 1);
  }

  /** The commit index and the term of its entry; null when they are just changing: ask again. */
  readCommit(): { readonly index: number; readonly term: number } | null {
    const before = Atomics.load(this.#changes, 0);
    const index = this.#slots[SLOT.committed] as number;
    const term = this.#slots[SLOT.commitTerm] as number;
    const isWhole = before % 2 === 0 && Atomics.load(this.#changes, 0) === before;
    return isWhole ? { index, term } : null;
  }

  read(): StatusNumbers {
    const slot = (which: number): number => this.#slots[which] as number;
    const fetching = slot(SLOT.fetching);
    const role = ROLES[slot(SLOT.role)] ?? Role.follower;
    const isLeading = role === Role.leader;
    return {
      role,
      term: slot(SLOT.term),
      leader: slot(SLOT.leader),
      commitIndex: slot(SLOT.committed),
      appliedIndex: slot(SLOT.applied),
      lastIndex: slot(SLOT.last),
      durableIndex: slot(SLOT.durable),
      standing: STANDINGS[slot(SLOT.standing)] ?? Standing.fresh,
      witness: slot(SLOT.witness) === 1,
      leaderSilenceMs: isLeading ? 0 : Math.max(0, monotonicMs() - slot(SLOT.leaderHeard)),
      failed: slot(SLOT.failed) === 1,
      keepsLog: slot(SLOT.keepsLog) === 1,
      slowCalls: slot(SLOT.slowCalls),
      slowestCallMs: slot(SLOT.slowestCall),
      unreadableAppends: slot(SLOT.unreadableAppends),
      compactedIndex: slot(SLOT.compacted),
      sessions: slot(SLOT.sessions),
      snapshots: {
        index: slot(SLOT.snapshotIndex),
        taken: slot(SLOT.snapshotsTaken),
        failed: slot(SLOT.snapshotsFailed),
        restored: slot(SLOT.snapshotsRestored),
        installed: slot(SLOT.snapshotsInstalled),
        fetchedBytes: fetching === NOT_FETCHING ? null : fetching,
      },
    };
  }
}
