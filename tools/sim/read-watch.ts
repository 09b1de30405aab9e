/**
 * What is known of the reads of one group in one process from outside: what each asked to see, what
 * had been committed before, and by when it must have ended.
 *
 * It only looks: the first read that is answered from too early a state, or never, ends the run.
 */

import { Consistency } from '../../engine/config-reads.js';
import type { Clocks } from '../../engine/raft/lease.js';
import type { Raft } from '../../engine/raft/raft.js';
import { Role } from '../../engine/raft/types.js';
import type { Waiter } from './answers.js';
import type { ReadTermsOf } from './operation.js';
import type { SimProcess } from './process.js';
import { SimFailure } from './sim-failure.js';
import type { World } from './world.js';

const US_PER_MS = 1_000;
/** How late a read may be answered after its deadline, on the process's own clock. */
const READ_GRACE_MS = 100;

interface Asked {
  readonly terms: ReadTermsOf | undefined;
  readonly committedBefore: number;
}

export interface ReadWatchParts {
  readonly world: World;
  readonly node: number;
  readonly group: number;
  readonly process: SimProcess;
  /** Whether a batch is still not answered. */
  isWaiting(batch: number): boolean;
}

/** What a read asks to see; those of a batch ask for the same. */
export function termsOf({ operation }: Waiter): ReadTermsOf | undefined {
  return operation.op === 'get' ? operation.terms : undefined;
}

export class ReadWatch {
  readonly #parts: ReadWatchParts;
  readonly #asked = new Map<number, Asked>();
  #stalledUntilUs = 0;

  constructor(parts: ReadWatchParts) {
    this.#parts = parts;
  }

  /** A batch of reads is asked now; what it must see, for the runtime. */
  ask(batch: number, waiter: Waiter, deadlineMs: number) {
    const { world, group } = this.#parts;
    const terms = termsOf(waiter);
    const { committed: committedBefore } = world.witnessOf(group).invariants;
    this.#asked.set(batch, { terms, committedBefore });
    this.#expectEnd(batch, deadlineMs);
    const { consistency = 'linearizable', maxStalenessMs = 0 } = terms ?? {};
    return { consistency: Consistency[consistency], maxStalenessMs };
  }

  /** A read ends by its deadline with a value or an error, whatever happens. */
  #expectEnd(batch: number, deadlineMs: number): void {
    const { process, node, group } = this.#parts;
    const graceUs = READ_GRACE_MS * US_PER_MS;
    const check = (armedUs: number): void => {
      if (!this.#parts.isWaiting(batch)) return;
      const { localUs } = process;
      // A thread or process that was paused until now works through its backlog first.
      const isLate = localUs > armedUs + graceUs + US_PER_MS;
      if (!isLate && localUs > this.#stalledUntilUs + graceUs) {
        throw new SimFailure(`node ${node} group ${group}: read batch ${batch} never ends`);
      }
      process.after(graceUs, () => check(localUs));
    };
    const dueUs = Math.ceil((deadlineMs + READ_GRACE_MS) * US_PER_MS);
    process.at(dueUs, () => check(Number.NEGATIVE_INFINITY));
  }

  /** The thread of the group pauses until then, on the process's own clock. */
  stallsUntil(localUs: number): void {
    this.#stalledUntilUs = localUs;
  }

  beforeTurn(raft: Raft, clocks: Clocks): void {
    if (!raft.waitsForLease || raft.leaseLeft(clocks) === 0) return;
    this.#parts.world.counts.leaseTurns += 1;
  }

  /** Reads of a batch are answered from the state at `index`. */
  answered(batch: number, count: number, index: number, { role, leader }: Raft): void {
    const { counts } = this.#parts.world;
    if (role === Role.leader) counts.readsAtLeader += count;
    else if (leader > 0) counts.readsAtFollower += count;
    else counts.readsElsewhere += count;
    const { terms, committedBefore } = this.#asked.get(batch) as Asked;
    if (terms?.consistency === 'bounded') counts.boundedReads += count;
    if (terms?.consistency === 'lease') counts.readsByLease += count;
    // How stale a bounded one may be is judged by the history of all clients.
    if (terms?.consistency === 'bounded' || index >= committedBefore) return;
    const { node, group } = this.#parts;
    const what = terms === undefined ? 'linearizable reads' : 'reads by lease';
    throw new SimFailure(
      `node ${node} group ${group}: ${what} were answered at ${index}, ` +
        `${committedBefore} had been committed before they were asked`,
    );
  }
}
