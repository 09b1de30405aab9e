/**
 * Configurations of one group: which one is in force, how the log changes it.
 *
 * A configuration takes effect when its entry is appended and is rolled back when that entry is
 * truncated (Raft §6), so the history of those that truncation may still reach is kept.
 * This file must never count votes; see quorum.ts.
 */

import {
  assert,
  type Configuration,
  type ConfigurationEntry,
  type Incarnation,
  type LogIndex,
  type Member,
  NO_INCARNATION,
  NO_INDEX,
  type NodeId,
} from './types.js';

/** The configuration every replica of a new group starts from, at index 0. */
export function bootstrapConfiguration(
  members: readonly { readonly id: NodeId; readonly address: string }[],
): Configuration {
  const sorted = [...members].sort((a, b) => a.id - b.id);
  return {
    voters: sorted.map((member) => member.id),
    outgoing: [],
    learners: [],
    learnersNext: [],
    members: sorted.map(({ id, address }) => ({ id, address, incarnation: NO_INCARNATION })),
  };
}

export function findMember(configuration: Configuration, id: NodeId): Member | undefined {
  return configuration.members.find((member) => member.id === id);
}

/** The incarnation recorded for `id`, 0 when none is. */
export function recordedIncarnation(configuration: Configuration, id: NodeId): Incarnation {
  return findMember(configuration, id)?.incarnation ?? NO_INCARNATION;
}

export function isVoter(configuration: Configuration, id: NodeId): boolean {
  return configuration.voters.includes(id) || configuration.outgoing.includes(id);
}

/**
 * The same membership with the incarnations that `lookup` knows filled in where none is recorded.
 */
export function withIncarnations(
  configuration: Configuration,
  lookup: (id: NodeId) => Incarnation,
): Configuration {
  const members = configuration.members.map((member) =>
    member.incarnation === NO_INCARNATION ? { ...member, incarnation: lookup(member.id) } : member,
  );
  return { ...configuration, members };
}

export class Membership {
  /** Ascending by index; the last one is in force. Never empty. */
  #history: ConfigurationEntry[];

  constructor(bootstrap: Configuration, recovered: readonly ConfigurationEntry[]) {
    this.#history = [{ index: NO_INDEX, configuration: bootstrap }, ...recovered];
  }

  get entry(): ConfigurationEntry {
    return this.#history[this.#history.length - 1] as ConfigurationEntry;
  }

  get current(): Configuration {
    return this.entry.configuration;
  }

  append(entry: ConfigurationEntry): void {
    assert(entry.index > this.entry.index, 'configurations are appended in index order');
    this.#history.push(entry);
  }

  /** Forgets configurations after `index`; true when the one in force changed. */
  truncateAfter(index: LogIndex): boolean {
    const kept = this.#history.filter((entry) => entry.index <= index);
    const changed = kept.length !== this.#history.length;
    assert(kept.length > 0, 'the bootstrap configuration is never truncated');
    this.#history = kept;
    return changed;
  }

  /** Drops history that truncation can no longer reach. */
  committed(index: LogIndex): void {
    if (this.#history.length === 1) return;
    let keep = 0;
    for (const [at, entry] of this.#history.entries()) if (entry.index <= index) keep = at;
    if (keep > 0) this.#history = this.#history.slice(keep);
  }
}
