/**
 * What `status()` says: shapes, and the sentences for what a number alone does not tell.
 *
 * Nothing may be decided by a status but what to show: its numbers may stem from several turns.
 */

import type { ProgressState } from './raft/progress.js';
import { Standing } from './raft/state.js';
import type { Configuration, Role } from './raft/types.js';

/** What a consensus worker publishes of a group, as of its last turn. */
export interface StatusNumbers {
  readonly role: Role;
  readonly term: number;
  /** Node id; 0 when none is known. */
  readonly leader: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
  readonly standing: Standing;
  /** In witness mode: it neither campaigns nor votes, and answers local reads only. */
  readonly witness: boolean;
  /** Since a leader was last heard here; 0 where this replica leads, Infinity if never. */
  readonly leaderSilenceMs: number;
  readonly failed: boolean;
  /**
   * It failed, and entries that it holds keep the log on disk from becoming shorter: that grows
   * beyond `maxLogBytes` until the node is restarted with what failed mended.
   */
  readonly keepsLog: boolean;
  /** Calls of the state machine that took longer than half a heartbeat: they delay heartbeats. */
  readonly slowCalls: number;
  readonly slowestCallMs: number;
  /** Appends of a leader that were dropped for an entry which this version cannot read. */
  readonly unreadableAppends: number;
  /** Entries up to here are no longer in the log: a snapshot stands for them. */
  readonly compactedIndex: number;
  /** Client sessions in this replica's state; expired ones are noticed little by little. */
  readonly sessions: number;
  readonly snapshots: SnapshotStatus;
}

export interface SnapshotStatus {
  /** The last entry that the newest complete snapshot covers; 0 when there is none. */
  readonly index: number;
  /** Taken here, and failed, since the start. */
  readonly taken: number;
  readonly failed: number;
  /** Images that the state machine was given: at the start, and from leaders. */
  readonly restored: number;
  /** Snapshots that came from a leader and replaced the state of this replica, since the start. */
  readonly installed: number;
  /** Bytes that have come of a snapshot that is being fetched; null when none is. */
  readonly fetchedBytes: number | null;
}

/** A learner as its leader sees it. */
export interface LearnerProgress {
  readonly id: number;
  /** Entries up to here are known to be durable on it. */
  readonly match: number;
  /** Entries of the leader's log behind that. */
  readonly lag: number;
  /** `probe`: nothing is known of its log yet; `snapshot`: it is sent one before entries go on. */
  readonly state: ProgressState;
  /** By the speed of the last second; null when it does not come nearer. */
  readonly leftMs: number | null;
}

export interface MemberStatus {
  readonly id: number;
  readonly address: string;
  /** The life of this member's data that counts; 0 until it is recorded. */
  readonly incarnation: number;
  readonly voter: boolean;
  /** Of a learner, where this node leads: how far it is, as of the last second. */
  readonly catchUp?: Omit<LearnerProgress, 'id'>;
}

export interface GroupStatus extends StatusNumbers {
  readonly name: string;
  /** Operations of this process that are not answered yet. */
  readonly inflight: number;
  /** What `standing` means for this replica, with the reason. */
  readonly standingText: string;
  /** The configuration in force and the index of its entry. */
  readonly configurationIndex: number;
  readonly members: readonly MemberStatus[];
  /** Where the state machine runs. */
  readonly machine: 'worker' | 'main';
  /** Why the group does not run here any more; null while it does. */
  readonly failure: { readonly code: string; readonly message: string } | null;
}

export function membersOf(configuration: Configuration): MemberStatus[] {
  const { voters, outgoing, members } = configuration;
  return members.map(({ id, address, incarnation }) => {
    const voter = voters.includes(id) || outgoing.includes(id);
    return { id, address, incarnation, voter };
  });
}

interface Named {
  readonly id: number;
  readonly address: string;
}

/**
 * What to tell an operator who starts a node with other members than are on record for it; null
 * when they are the same. Ids count: two nodes may spell an address differently.
 */
export function membershipWarning(
  group: string,
  given: readonly Named[],
  recorded: readonly Named[],
): string | null {
  const without = (members: readonly Named[], others: readonly Named[]): number[] =>
    members.map(({ id }) => id).filter((id) => !others.some((other) => other.id === id));
  const onlyGiven = without(given, recorded);
  if (onlyGiven.length === 0 && without(recorded, given).length === 0) return null;
  const shown = (members: readonly Named[]): string =>
    members.map(({ id, address }) => `${id}=${address}`).join(' ');
  const strangers = onlyGiven.length === 0 ? '' : `, and ${onlyGiven.join(', ')} is not dialled`;
  return (
    `the data of group ${group} names the members ${shown(recorded)}, this start names ` +
    `${shown(given)}: the data counts${strangers}. Start this node with the members of the data`
  );
}

/** One sentence for the operator. `recorded` is 0 when the cluster records no life of this node. */
export function standingInWords(standing: Standing, recorded: number, own: number): string {
  switch (standing) {
    case Standing.full:
      return 'a full member: it votes and counts';
    case Standing.fresh:
      return 'new: it holds no entry yet and waits until the cluster has recorded it';
    case Standing.inDoubt:
      return (
        'in doubt: the end of its log was cut at the start and may have been acknowledged; its ' +
        'vote counts only where every voter agrees, until it holds an entry of a later leader'
      );
    case Standing.aside:
      return (
        `aside: the cluster records incarnation ${recorded} for this node, its data is ` +
        `incarnation ${own}. The data was lost or replaced: it catches up, and neither votes nor ` +
        'counts until a majority of the other data has readmitted it'
      );
    case Standing.recovering:
      return (
        `recovering: the cluster has erased what it recorded of the lost data and records ` +
        `incarnation ${own} next. Until then this replica neither votes nor counts`
      );
    case Standing.nonVoter:
      return 'a learner: it holds what the group holds, and neither votes nor counts';
    case Standing.standby:
      return 'no member: it waits until it is added';
  }
}

const WITNESS_IN_WORDS =
  'a witness: it acknowledges and counts, and neither campaigns nor votes until witness mode ends';

/** What a replica's standing means, by the members that its configuration names. */
export function standingOf(
  { id, incarnation }: { readonly id: number; readonly incarnation: number },
  { standing, witness }: Pick<StatusNumbers, 'standing' | 'witness'>,
  members: readonly MemberStatus[],
): string {
  if (witness && standing === Standing.full) return WITNESS_IN_WORDS;
  if (standing === Standing.standby) return standbyInWords(id, members);
  const own = members.find((member) => member.id === id);
  return standingInWords(standing, own?.incarnation ?? 0, incarnation);
}

/** Of a replica whose configuration does not name it. `members`: whom it names. */
export function standbyInWords(id: number, members: readonly Named[]): string {
  const waits = `It takes no part until the cluster adds it (ADD ${id} HOST:PORT)`;
  if (members.length === 0) return `a standby: no member of a cluster yet. ${waits}`;
  const names = members.map((member) => member.id).join(', ');
  return `a standby: the members are ${names}, and node ${id} is none of them. ${waits}`;
}

/**
 * What to tell an operator who starts a node that joins, though its data names members: both, and
 * which counts. Null when the data names nobody.
 */
export function joinWarning(
  group: string,
  join: readonly string[],
  recorded: readonly Named[],
): string | null {
  if (recorded.length === 0) return null;
  const shown = recorded.map(({ id, address }) => `${id}=${address}`).join(' ');
  return (
    `the data of group ${group} names the members ${shown}, this start joins by ` +
    `${join.join(' ')}: the data counts`
  );
}

/** What an acknowledgement means in the mode the node runs in. */
export function acknowledgementInWords(options: {
  readonly dataDir: string | null;
  readonly syncMode: 'always' | 'batch' | 'none';
  readonly batchSyncInterval: number;
}): string {
  if (options.dataDir === null) {
    return 'in memory: acknowledged entries, term and vote are forgotten when the process ends';
  }
  switch (options.syncMode) {
    case 'always':
      return 'an acknowledged entry is synced to the disks of a majority';
    case 'batch':
      return (
        'an acknowledged entry is written by a majority and synced up to ' +
        `${options.batchSyncInterval} ms later: a power failure of a majority can lose it, the ` +
        'end of processes cannot'
      );
    case 'none':
      return (
        'an acknowledged entry is written by a majority and synced when the system likes: a ' +
        'power failure of a majority can lose it, the end of processes cannot'
      );
  }
}
