/**
 * When a damaged directory must not be set aside: where it would give up the only copy, or where
 * nobody can tell that it would not. Pure: an examination in, words out.
 */

import type { Examination } from './examine.js';

const BACKUP = 'Restore the damaged files from a backup';

/** Why not, and what to do, in sentences; null when nothing speaks against it. */
export function refusalOf(examination: Examination, isForced: boolean): string | null {
  const { voters, whose, meta } = examination;
  const self = whose?.nodeId ?? 0;
  for (const [group, ids] of voters) {
    if (ids?.length !== 1 || ids[0] !== self) continue;
    const name = meta?.groups[group] ?? `number ${group}`;
    return (
      `node ${self} is the only voter of group ${name}: what is damaged here is nowhere else, ` +
      `and a new replica would have nobody to rejoin. ${BACKUP}`
    );
  }
  return isForced ? null : doubt(examination);
}

/** What only the operator can know. */
function doubt({ paths, voters, whose, isLogMissing }: Examination): string | null {
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
  const isUnknown = voters.size === 0 || [...voters.values()].some((ids) => ids === null);
  if (!isUnknown) return null;
  return (
    'nothing readable says which other voters there are. If a majority of the others is intact, ' +
    `give --force; if node ${whose.nodeId} is the only one, this is the only copy. ${BACKUP}`
  );
}
