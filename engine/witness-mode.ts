/**
 * Witness mode of one group on this node, as a caller asks for it: leadership is handed over, the
 * mode is recorded, then the group's thread is told, in this order.
 *
 * What this thread knows of the mode holds for everything that is sent to the group behind it. It
 * must never be told to the group before it is durable.
 */

import type { AdminBounds, AdminCalls } from './admin-calls.js';
import { Role } from './raft/types.js';
import type { StatusNumbers } from './status.js';
import type { WitnessRecord } from './witness-record.js';

/** How old an answer may be, where nobody vouches for it. */
export interface StaleAnswer {
  /**
   * Milliseconds since this node last heard from a leader; Infinity when it has not since its
   * start. A measure of contact and no bound: what a leader elsewhere has committed meanwhile is
   * not seen, and one that was cut off as well may have been the last that was heard.
   */
  readonly ageMs: number;
}

export class WitnessMode {
  readonly #record: WitnessRecord;
  readonly #group: number;
  readonly #admin: AdminCalls;
  readonly #page: { read(): StatusNumbers };
  #isOn: boolean;

  constructor(
    record: WitnessRecord,
    group: number,
    admin: AdminCalls,
    page: { read(): StatusNumbers },
  ) {
    this.#record = record;
    this.#group = group;
    this.#admin = admin;
    this.#page = page;
    this.#isOn = record.has(group);
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** What an answer of now is labelled with; null where reads are no witness's. */
  label(): StaleAnswer | null {
    return this.#isOn ? { ageMs: this.#page.read().leaderSilenceMs } : null;
  }

  async enter(bounds: AdminBounds): Promise<void> {
    if (this.#isOn) return;
    if (this.#page.read().role === Role.leader) await this.#admin.transfer(0, bounds);
    await this.#set(true, bounds);
  }

  async leave(bounds: AdminBounds): Promise<void> {
    if (this.#isOn) await this.#set(false, bounds);
  }

  #set(isOn: boolean, bounds: AdminBounds): Promise<void> {
    this.#record.set(this.#group, isOn);
    this.#isOn = isOn;
    return this.#admin.setWitness(isOn, bounds);
  }
}
