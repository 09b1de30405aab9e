/**
 * Which configurations of one group are committed, and that every replica that has committed an
 * entry has in force there what all others have: also after a restart, and after a snapshot.
 *
 * It only looks; what is wrong is said as text, null when nothing is.
 */

import type { CoreState } from '../../engine/raft/state.js';
import type { Configuration, ConfigurationEntry, LogIndex } from '../../engine/raft/types.js';

export class ConfigurationWitness {
  /** Ascending by index. */
  readonly #known: ConfigurationEntry[] = [];
  /** By replica: what was compared last. */
  readonly #seen = new Map<number, { entry: ConfigurationEntry; committed: LogIndex }>();

  /** A replica has made a step, or begun a life. */
  sees(node: number, { membership, log }: CoreState): string | null {
    const { committed } = log;
    const seen = this.#seen.get(node);
    const entry = membership.at(committed);
    if (seen?.entry === entry && seen.committed === committed) return null;
    this.#seen.set(node, { entry, committed });
    const broken = membership.history
      .filter(({ index }) => index > 0 && index <= committed)
      .map((each) => this.#learn(node, each))
      .find((text) => text !== null);
    if (broken !== undefined) return broken;
    const newest = this.#known.findLast(({ index }) => index <= committed);
    if ((newest?.index ?? 0) <= entry.index) return null;
    return `node ${node} at ${committed} goes by ${entry.index}, not by ${newest?.index}`;
  }

  #learn(node: number, entry: ConfigurationEntry): string | null {
    const after = this.#known.findIndex(({ index }) => index >= entry.index);
    const known = this.#known[after];
    if (known?.index === entry.index) {
      if (isEqual(known.configuration, entry.configuration)) return null;
      return `node ${node} has another configuration at ${entry.index} than another had`;
    }
    this.#known.splice(after < 0 ? this.#known.length : after, 0, entry);
    return null;
  }
}

function isEqual(a: Configuration, b: Configuration): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
