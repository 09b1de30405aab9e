/**
 * Which members a node starts with: those on record win over those it was started with.
 *
 * On record are the configurations in the log and, for a group whose log holds none yet, the
 * members it was first started with (data-meta.ts). Without the latter, a node that lost a torn
 * tail, or that voted and holds no entry yet, could be started without its peers and elect itself.
 * A list that names this node alone names no peers: it never replaces a record. A node that joins
 * begins with nobody, and its record may lack this node: then it waits to be added. This file must
 * never touch a disk, and never let the start's list add or remove a member.
 */

import { decodeConfiguration } from '../codec/configuration.js';
import type { FirstMembers, MemberAddress } from '../io/data-meta.js';
import type { RecoveredGroup } from '../io/wal/wal-types.js';
import type { ResolvedOptions } from './config.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { bootstrapConfiguration } from './raft/membership.js';
import { type Configuration, type ConfigurationEntry, logIndex, nodeId } from './raft/types.js';
import { joinWarning, membershipWarning } from './status.js';

export interface GroupMembership {
  /** The configuration at index 0: the same on all replicas, whatever changed since. */
  readonly bootstrap: Configuration;
  /** What the log holds, ascending. */
  readonly configurations: readonly ConfigurationEntry[];
}

export interface StartMembership {
  /** By the group's number in the log. */
  readonly groups: readonly GroupMembership[];
  /** All groups' members, ascending: whom to dial and to let in, this node included. */
  readonly members: readonly MemberAddress[];
  /** Who was a member of some group, as far as its log tells, and is one of none any more. */
  readonly former: readonly number[];
  /** The start names other members than the record: both, for the operator. */
  readonly warning: string | null;
  /** What the data directory is to remember. */
  readonly firstMembers: readonly FirstMembers[];
}

type Found = Pick<RecoveredGroup, 'group' | 'configurations'>;
type Given = Pick<ResolvedOptions, 'nodeId' | 'members'> & {
  /** Addresses by which it joins; then `members` is empty. */
  readonly join?: readonly string[];
  readonly groups: readonly { readonly name: string }[];
};

/** What a restart found. */
export interface Recorded {
  readonly groups: readonly Found[];
  readonly inDoubt: readonly number[];
  readonly firstMembers: readonly FirstMembers[];
}

/** The configurations of a group's log. Throws `ERR_STORAGE` for one that cannot be read. */
function configurationsOf(found: Found | undefined, group: string): ConfigurationEntry[] {
  return (found?.configurations ?? []).map(({ index, bytes }) => {
    try {
      return { index: logIndex(index), configuration: decodeConfiguration(bytes) };
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      const text =
        `entry ${index} of group "${group}" in the log cannot be read: ${problem}. ` +
        'Start the version of ringraft that wrote it';
      throw new RingraftError(ErrorNumber.storage, { text, cause });
    }
  });
}

/** Each member once, ascending by id; the first that names it has its address. */
function union(lists: readonly (readonly MemberAddress[])[]): MemberAddress[] {
  const byId = new Map<number, MemberAddress>();
  for (const { id, address } of lists.flat()) {
    if (!byId.has(id)) byId.set(id, { id, address });
  }
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

class Start {
  readonly #given: Given;
  readonly #recorded: Recorded;
  readonly #logs: readonly (readonly ConfigurationEntry[])[];
  /** Some group's log names its members: this node has been one of a cluster. */
  readonly #isMember: boolean;
  /** Whom the records of all groups know. */
  readonly #known: readonly MemberAddress[];

  constructor(given: Given, recorded: Recorded) {
    this.#given = given;
    this.#recorded = recorded;
    this.#logs = given.groups.map(({ name }, number) =>
      configurationsOf(
        recorded.groups.find(({ group }) => group === number),
        name,
      ),
    );
    const newest = this.#logs.flatMap((log) => log.at(-1)?.configuration.members ?? []);
    this.#isMember = newest.length > 0;
    const first = recorded.firstMembers.map(({ members }) => members);
    this.#known = union(this.#isMember ? [newest] : first);
  }

  get #namesPeers(): boolean {
    return this.#given.members.some(({ id }) => id !== this.#given.nodeId);
  }

  /** The members that this group began with, as far as this node can know. */
  #firstMembers(number: number): readonly MemberAddress[] {
    const [first] = this.#logs[number] ?? [];
    const { groups, inDoubt, firstMembers } = this.#recorded;
    const remembered = firstMembers.find((each) => each.groups.includes(number))?.members;
    // The first entry ever repeats the bootstrap; a later one may have changed it.
    if (first !== undefined && (first.index === 1 || remembered === undefined)) {
      return first.configuration.members;
    }
    const hasPast = inDoubt.includes(number) || groups.some(({ group }) => group === number);
    const keepsRecord = this.#isMember || !this.#namesPeers;
    if (remembered !== undefined && (hasPast || keepsRecord)) return remembered;
    return keepsRecord && this.#known.length > 0 ? this.#known : this.#given.members;
  }

  /** The same members; where the start names one, with the address that it gives. */
  #addressed(members: readonly MemberAddress[]): MemberAddress[] {
    return members.map(({ id, address }) => {
      const given = this.#given.members.find((each) => each.id === id);
      return { id, address: given?.address ?? address };
    });
  }

  result(): StartMembership {
    const { groups, members: given, join = [] } = this.#given;
    const memberships = groups.map((_, number) => {
      const members = this.#addressed(this.#firstMembers(number));
      const bootstrap = bootstrapConfiguration(
        members.map(({ id, address }) => ({ id: nodeId(id), address })),
      );
      return { bootstrap, configurations: this.#logs[number] ?? [] };
    });
    const inForce = memberships.map(({ bootstrap, configurations }) => {
      return (configurations.at(-1)?.configuration ?? bootstrap).members;
    });
    const warnings = groups.map(({ name }, number) => {
      const recorded = inForce[number] ?? [];
      if (join.length > 0) return joinWarning(name, join, recorded);
      return membershipWarning(name, given, recorded);
    });
    const members = this.#addressed(union(inForce));
    return {
      groups: memberships,
      members,
      former: formerOf(memberships, members),
      warning: warnings.find((warning) => warning !== null) ?? null,
      firstMembers: gathered(memberships),
    };
  }
}

function formerOf(
  memberships: readonly GroupMembership[],
  members: readonly MemberAddress[],
): number[] {
  const ever = memberships.flatMap(({ bootstrap, configurations }) => [
    ...bootstrap.members,
    ...configurations.flatMap(({ configuration }) => configuration.members),
  ]);
  const ids = new Set<number>(ever.map(({ id }) => id));
  for (const { id } of members) ids.delete(id);
  return [...ids].sort((a, b) => a - b);
}

/** Groups that began with the same members share a row: a thousand groups are one list. */
function gathered(memberships: readonly GroupMembership[]): FirstMembers[] {
  const rows = new Map<string, { groups: number[]; members: readonly MemberAddress[] }>();
  for (const [number, { bootstrap }] of memberships.entries()) {
    const members = bootstrap.members.map(({ id, address }) => ({ id, address }));
    const key = JSON.stringify(members);
    const row = rows.get(key);
    if (row === undefined) rows.set(key, { groups: [number], members });
    else row.groups.push(number);
  }
  return [...rows.values()];
}

/** Throws `ERR_STORAGE` when the log holds a configuration that this build cannot read. */
export function membershipAtStart(given: Given, recorded: Recorded): StartMembership {
  return new Start(given, recorded).result();
}
