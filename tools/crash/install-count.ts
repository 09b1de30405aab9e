/**
 * How many snapshots of a leader have replaced the state of a node, from one look to the next.
 *
 * Nodes count since their start, so one that is killed forgets those since the last look: this
 * counts too few rather than too many. It must never count one twice, nor mind a silent node.
 */

export interface InstallLook {
  readonly id: number;
  /** What the node says that it has installed since its start; null: it does not answer. */
  readonly said: number | null;
}

export class InstallCount {
  /** What each node said at the last look. */
  readonly #said = new Map<number, number>();

  /** How many are new. Those who were `restarted` since the last look began at 0. */
  add(looks: readonly InstallLook[], restarted: readonly number[]): number {
    let added = 0;
    for (const { id, said } of looks) {
      const before = restarted.includes(id) ? 0 : (this.#said.get(id) ?? 0);
      const now = said ?? before;
      added += now - before;
      this.#said.set(id, now);
    }
    return added;
  }
}
