/**
 * What the log is opened with, and what it says of itself: options, counters, what was found.
 */

import type { Disk } from '../disk/disk.js';
import type { SyncPolicy } from './group-commit.js';
import type { WalReport } from './recovery.js';
import type { SegmentSupply } from './segment-supply.js';
import type { Wal } from './wal.js';
import type { RecoveredGroup } from './wal-types.js';

export interface WalOptions {
  readonly disk: Disk;
  /** Holds the segments and nothing else; made when absent. */
  readonly directory: string;
  readonly clusterId: number;
  readonly nodeId: number;
  /** The log that must be here; another one is refused. Absent: whatever log is found. */
  readonly logId?: number;
  /** Random 53-bit id for a log that has to be created; `logId` is used when that is given. */
  readonly newLogId?: number;
  /** True when the caller knows that a log was made here before: its absence is refused. */
  readonly mustExist?: boolean;
  /** Size of segments to come, and of the supply's spares; existing ones keep theirs. */
  readonly segmentBytes: number;
  readonly sync: SyncPolicy;
  readonly supply: SegmentSupply;
  /**
   * Bytes of all segments at which entries find no room any more, as long as a snapshot could give
   * some back; at half of it the log begins to ask for that. Default: without bound.
   */
  readonly maxLogBytes?: number;
  /**
   * Entry bytes that may be under way when `isShort` begins to refuse more: they still find room
   * beyond `maxLogBytes`. A group whose applied entries wait for room here could not take the very
   * snapshot that makes some. Default 0.
   */
  readonly underWayBytesMax?: number;
}

export interface OpenedWal {
  readonly wal: Wal;
  readonly groups: readonly RecoveredGroup[];
  readonly report: WalReport;
}

/** What the log has done since it was opened. */
export interface WalCounters {
  readonly blocks: number;
  readonly requests: number;
  readonly bytesWritten: number;
  readonly syncs: number;
  readonly rollOvers: number;
  /** How often a request found no prepared room. */
  readonly refusals: number;
  /** Terms and votes that went ahead of entries that found none. */
  readonly promises: number;
  /** Segments that nobody needed any more. */
  readonly freed: number;
  /** Blocks of entries that were written once more, so that their old segment became free. */
  readonly copies: number;
}
