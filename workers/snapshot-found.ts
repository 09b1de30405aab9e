/**
 * What a start finds of snapshots: for each group the newest that is whole, byte for byte, and the
 * one before it.
 *
 * A damaged one is set aside by the store and named here; the one before it takes its place. This
 * file must never decide whether the group can go on with what is left.
 */

import { logIndex, term } from '../engine/raft/types.js';
import type { StoredSnapshot } from '../engine/runtime/snapshot-port.js';
import { DiskError } from '../io/disk/disk.js';
import { SnapshotError } from '../io/snapshots/snapshot-errors.js';
import type { SnapshotReader } from '../io/snapshots/snapshot-reader.js';
import type { SnapshotStore } from '../io/snapshots/snapshot-store.js';
import { checkConfiguration } from './readable-configuration.js';
import { placeText, removedText } from './set-aside-text.js';

export interface FoundSnapshots {
  readonly group: number;
  /** Newest first, two at most. */
  readonly snapshots: readonly StoredSnapshot[];
  /** Files that were passed over, with the reason and where they are now. */
  readonly warnings: readonly string[];
}

/**
 * Throws SnapshotVersionError or SnapshotForeign when the newest is of another version or cluster:
 * without it the group would go back in time.
 */
export function findSnapshots(store: SnapshotStore, group: number): FoundSnapshots {
  const { reader, passedOver, removed } = store.newestValid(group, {
    deep: true,
    check: checkConfiguration,
  });
  const warnings = passedOver.map(({ reason, setAsideAs }) => {
    const where = placeText({ setAsideAs, removed: [] });
    return `a snapshot is passed over: ${reason.message}${where}`;
  });
  if (removed.length > 0) warnings.push(removedText(removed));
  if (reader === null) return { group, snapshots: [], warnings };
  const newest = closedAs(reader);
  const before = store.list(group).find(({ point }) => point.index < newest.point.index);
  const snapshots = [newest];
  try {
    if (before !== undefined) snapshots.push(closedAs(store.read(before, checkConfiguration)));
  } catch (cause) {
    // It is needed only if the newest is damaged later: then it is looked at again.
    if (!(cause instanceof SnapshotError) && !(cause instanceof DiskError)) throw cause;
    warnings.push(`an older snapshot cannot be read: ${cause.message}`);
  }
  return { group, snapshots, warnings };
}

function closedAs(reader: SnapshotReader): StoredSnapshot {
  try {
    return storedOf(reader);
  } finally {
    reader.close();
  }
}

function storedOf({ header, footer }: SnapshotReader): StoredSnapshot {
  const { index, term: ofTerm } = header.point;
  return {
    point: { index: logIndex(index), term: term(ofTerm) },
    timeMs: header.timeMs,
    configuration: { index: header.configuration.index, bytes: header.configuration.bytes.slice() },
    chunks: footer.chunks,
    imageBytes: footer.rawBytes,
    fileBytes: footer.fileBytes,
  };
}
