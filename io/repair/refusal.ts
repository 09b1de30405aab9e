/**
 * When a damaged directory must not be set aside: where it would give up the only copy, or a
 * majority that no new replica can bring back, or where nobody can tell that it would not.
 *
 * Pure: an examination in, words out.
 */

import type { Electorate, Examination } from './examine.js';

const BACKUP = 'Restore the damaged files from a backup';

/** Why not, and what to do, in sentences; null when nothing speaks against it. */
export function refusalOf(examination: Examination, isForced: boolean): string | null {
  const { electorates, whose, meta } = examination;
  const self = whose?.nodeId ?? 0;
  const name = (group: number): string => meta?.groups[group] ?? `number ${group}`;
  for (const [group, electorate] of electorates) {
    const last = electorate === null ? null : lastMajority(electorate, self);
    if (last !== null) return needed(self, name(group), last);
  }
  if (isForced) return null;
  for (const [group, electorate] of electorates) {
    const weak = electorate === null ? null : weakMajority(electorate, self);
    if (weak !== null) return weakened(self, name(group), weak);
  }
  return doubt(examination);
}

/** Voters of whom no majority would be left without this node. */
function lastMajority({ voters, outgoing }: Electorate, self: number): readonly number[] | null {
  const isLost = (ids: readonly number[]): boolean =>
    ids.includes(self) && (ids.length - 1) * 2 <= ids.length;
  return [voters, outgoing].find(isLost) ?? null;
}

/** Others that did not count, so many that without this node too few did. */
function weakMajority(electorate: Electorate, self: number): readonly number[] | null {
  const { voters, outgoing, erased } = electorate;
  const isWeak = (ids: readonly number[]): boolean => {
    const counting = ids.filter((id) => id !== self && !erased.includes(id));
    return ids.includes(self) && counting.length * 2 <= ids.length;
  };
  return [voters, outgoing].some(isWeak) ? erased.filter((id) => id !== self) : null;
}

function needed(self: number, group: string, ids: readonly number[]): string {
  if (ids.length === 1) {
    return (
      `node ${self} is the only voter of group ${group}: what is damaged here is nowhere else, ` +
      `and a new replica would have nobody to rejoin. ${BACKUP}`
    );
  }
  return (
    `group ${group} has the voters ${ids.join(' and ')}, and without the data of node ${self} ` +
    'they are no majority: nobody could readmit a new replica, and the group would be down for ' +
    `good. ${BACKUP}`
  );
}

function weakened(self: number, group: string, erased: readonly number[]): string {
  return (
    `the last that can be read here is that node ${erased.join(' and node ')} of group ${group} ` +
    `had lost its data and did not count yet: without node ${self} the others may be no majority ` +
    'that could readmit a new replica. If STATUS of another node names a leader, give --force. ' +
    `If not, ${BACKUP.toLowerCase()}`
  );
}

/** What only the operator can know. */
function doubt({ paths, electorates, whose, isLogMissing }: Examination): string | null {
  if (whose === null) {
    return (
      `neither ${paths.meta} nor any segment says whose data this is. ${BACKUP}, or give ` +
      '--force: everything is set aside, and the next start makes a new, empty replica'
    );
  }
  if (isLogMissing) {
    return (
      `${paths.wal} holds no segment at all. If its disk is not mounted, mount it. If the log is ` +
      'gone for good, give --force'
    );
  }
  const known = [...electorates.values()];
  if (known.length > 0 && known.every((each) => each !== null)) return null;
  return (
    'nothing readable says which other voters there are. If a majority of the others is intact, ' +
    `give --force; if node ${whose.nodeId} is the only one, this is the only copy. ${BACKUP}`
  );
}
