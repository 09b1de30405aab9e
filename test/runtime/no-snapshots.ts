/**
 * A group that takes no snapshot by itself, and a port that does nothing: for tests of other parts.
 */

import type { SnapshotOptions } from '../../engine/runtime/snapshot-policy.js';
import type { SnapshotPort } from '../../engine/runtime/snapshot-port.js';

export const SNAPSHOTS_OFF: SnapshotOptions = {
  threshold: Number.MAX_SAFE_INTEGER,
  logBytes: Number.MAX_SAFE_INTEGER,
  intervalMs: 0,
  minIntervalMs: 0,
  retain: 2,
  trailingEntries: 0,
  bytesMax: 0,
};

export const NO_SNAPSHOT_PORT: SnapshotPort = {
  begin: () => undefined,
  write: () => 0,
  imageEnded: () => true,
  finish: () => undefined,
  abandon: () => undefined,
  read: () => undefined,
  fetch: () => undefined,
  abandonFetch: () => undefined,
  retain: () => undefined,
};

/** What a group is given beside the log. */
export const WITHOUT_SNAPSHOTS = { snapshots: SNAPSHOTS_OFF, foundSnapshots: [] } as const;
