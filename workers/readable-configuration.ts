/**
 * Whether this build can read the configuration that a snapshot carries. It is asked before
 * anything is made of the snapshot: a file that is kept and cannot be read would end the thread of
 * its group, and every start after it.
 *
 * Its checksum was right when it came here, so what cannot be read is of another version: it must
 * never be taken for damage, which would be passed over and lost.
 */

import { decodeConfiguration } from '../codec/configuration.js';
import { SnapshotVersionError } from '../io/snapshots/snapshot-errors.js';
import type { StoredHeader } from '../io/snapshots/snapshot-format.js';

/** Throws a SnapshotVersionError that names `path`. */
export function checkConfiguration({ configuration }: StoredHeader, path: string): void {
  try {
    decodeConfiguration(configuration.bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new SnapshotVersionError(path, cause.message);
  }
}
