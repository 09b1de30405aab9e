/**
 * Whose bytes a piece of a snapshot's image is: the state machine's, or the table of client
 * sessions that goes with it. The numbers stand in files and frames.
 *
 * What the bytes of a section mean is known by whoever wrote them, never here.
 */

export const SnapshotSection = { machine: 1, sessions: 2 } as const;
export type SnapshotSection = (typeof SnapshotSection)[keyof typeof SnapshotSection];

export function isKnownSection(section: number): section is SnapshotSection {
  return section === SnapshotSection.machine || section === SnapshotSection.sessions;
}
