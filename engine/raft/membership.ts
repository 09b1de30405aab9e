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
  MemberPlan,
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
    members: sorted.map(newMember),
  };
}

/** A member of which no life is recorded yet. */
export function newMember(of: { readonly id: NodeId; readonly address: string }): Member {
  const { id, address } = of;
  return { id, address, incarnation: NO_INCARNATION, plan: MemberPlan.stay };
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
 * The same membership with the incarnations of voters that `lookup` knows filled in where none is
 * recorded.
 */
export function withIncarnations(
  configuration: Configuration,
  lookup: (id: NodeId) => Incarnation,
): Configuration {
  const members = configuration.members.map((member) => {
    const isKnown = member.incarnation !== NO_INCARNATION || !isVoter(configuration, member.id);
    return isKnown ? member : { ...member, incarnation: lookup(member.id) };
  });
  return { ...configuration, members };
}

/** Whether the first leader has recorded whose data may vote. */
export function recordsLives({ members }: Configuration): boolean {
  return members.some((member) => member.incarnation !== NO_INCARNATION);
}

/** Whether a voter's life was erased, so that none of its lives counts: see readmission.ts. */
export function isErased(configuration: Configuration, id: NodeId): boolean {
  return recordedIncarnation(configuration, id) === NO_INCARNATION && recordsLives(configuration);
}

/** The same membership with another record for one member. */
export function withRecord(
  configuration: Configuration,
  id: NodeId,
  incarnation: Incarnation,
): Configuration {
  const members = configuration.members.map((member) =>
    member.id === id ? { ...member, incarnation } : member,
  );
  return { ...configuration, members };
}

export class Membership {
  /** Ascending by index; the last one is in force. Never empty. */
  #history: ConfigurationEntry[];

  constructor(bootstrap: Configuration, recovered: readonly ConfigurationEntry[]) {
    this.#history = [{ index: NO_INDEX, configuration: bootstrap }, ...recovered];
  }

  /** The configuration in force at `index`, which is not below what was applied before it. */
  at(index: LogIndex): ConfigurationEntry {
    const entry = this.#history.findLast((each) => each.index <= index);
    assert(entry !== undefined, 'the configuration at the applied index is known');
    return entry;
  }

  get entry(): ConfigurationEntry {
    return this.#history[this.#history.length - 1] as ConfigurationEntry;
  }

  /** All that truncation, or a snapshot of what is applied, may still reach; oldest first. */
  get history(): readonly ConfigurationEntry[] {
    return this.#history;
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

  /**
   * A snapshot of the log up to `index` says what is in force there; what follows `index` stays as
   * far as its entries did. True when the one in force changed.
   */
  restore(entry: ConfigurationEntry, index: LogIndex): boolean {
    assert(entry.index <= index, 'a snapshot holds a configuration of what it covers');
    const before = this.entry;
    this.#history = [entry, ...this.#history.filter((each) => each.index > index)];
    return this.entry.index !== before.index;
  }

  /** Drops history that neither truncation nor a snapshot of what is applied can reach. */
  applied(index: LogIndex): void {
    if (this.#history.length === 1) return;
    let keep = 0;
    for (const [at, entry] of this.#history.entries()) if (entry.index <= index) keep = at;
    if (keep > 0) this.#history = this.#history.slice(keep);
  }
}
