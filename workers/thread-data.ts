/**
 * What each thread is given when it starts, and what it says to the main thread: plain values only.
 *
 * After READY a worker leaves its event loop (all but the transport), so everything it needs is
 * here.
 */

import type { GroupDeclaration } from '../codec/frames/handshake.js';
import type { RaftOptions, Recovered } from '../engine/raft/state.js';
import type { BlockLocation } from '../engine/runtime/block-index.js';
import type { SnapshotOptions } from '../engine/runtime/snapshot-policy.js';
import type { StoredSnapshot } from '../engine/runtime/snapshot-port.js';
import type { SyncPolicy } from '../io/wal/group-commit.js';
import type { RecoveredGroup } from '../io/wal/wal-types.js';
import type { SnapshotDeskOptions } from './snapshot-desk.js';
import type { FoundSnapshots } from './snapshot-found.js';
import type { NodeMemory } from './topology.js';

interface CommonData {
  readonly memory: NodeMemory;
  /** Consensus thread of each group: index into the consensus doorbells. */
  readonly threadOfGroup: readonly number[];
}

export interface IoThreadData extends CommonData {
  readonly kind: 'io';
  /** Null: the log lives in the memory of this thread. */
  readonly walDirectory: string | null;
  readonly clusterId: number;
  readonly nodeId: number;
  readonly logId: number;
  readonly mustExist: boolean;
  readonly segmentBytes: number;
  readonly maxLogBytes: number;
  readonly sync: SyncPolicy;
  readonly spares: SharedArrayBuffer;
  readonly figures: SharedArrayBuffer;
  readonly snapshots: SnapshotDeskOptions;
}

export interface BulkThreadData extends CommonData {
  readonly kind: 'bulk';
  readonly walDirectory: string;
  readonly snapshotDirectory: string;
  readonly segmentBytes: number;
  readonly spares: SharedArrayBuffer;
  readonly firstSpareNumber: number;
  readonly snapshots: SnapshotDeskOptions;
  readonly oldestSegment: number;
  readonly filesInUse: number;
}

export interface TransportThreadData extends CommonData {
  readonly kind: 'transport';
  readonly clusterId: number;
  readonly nodeId: number;
  readonly incarnation: number;
  readonly bootId: number;
  readonly listen: string;
  /** Where peers reach this node, as it tells those that do not know it. */
  readonly address: string;
  /** A group of this node began with nobody. */
  readonly joins: boolean;
  /** Those of the start: the groups tell when their members change. */
  readonly peers: readonly { readonly id: number; readonly address: string }[];
  /** Nodes that were members once, as far as the logs tell. */
  readonly formerPeers: readonly number[];
  readonly groups: readonly GroupDeclaration[];
  readonly frameBytesMax: number;
  readonly idleMs: number;
  readonly seed: number;
  readonly figures: SharedArrayBuffer;
  readonly memoryMode: boolean;
  /** Bytes of chunks per second to all peers together; 0: no limit. */
  readonly snapshotTransferRate: number;
}

export interface GroupThreadData {
  readonly group: number;
  readonly name: string;
  readonly raft: RaftOptions;
  readonly recovered: Recovered;
  readonly locations: readonly BlockLocation[];
  readonly entryBytesMax: number;
  readonly status: SharedArrayBuffer;
  /** URL of the machine module; null: the machine is hosted on the main thread. */
  readonly machineUrl: string | null;
  readonly machineOptions: unknown;
  readonly snapshots: SnapshotOptions;
  readonly foundSnapshots: readonly StoredSnapshot[];
}

export interface ConsensusThreadData extends CommonData {
  readonly kind: 'consensus';
  readonly thread: number;
  readonly nodeId: number;
  readonly memoryMode: boolean;
  readonly spares: SharedArrayBuffer;
  /** Bytes of an image per chunk of a snapshot's file. */
  readonly snapshotChunkBytes: number;
  readonly groups: readonly GroupThreadData[];
}

/** What the io thread found on disk. */
export interface ReadyRecovered {
  readonly kind: 'recovered';
  readonly groups: readonly RecoveredGroup[];
  /** Groups, also such as the log no longer knows, whose cut tail may have been acknowledged. */
  readonly inDoubt: readonly number[];
  /** What those that the log no longer knows start from: see io/wal/term-floor.ts. */
  readonly termFloor: number;
  readonly firstSpareNumber: number;
  /** The oldest segment on disk: those that the log frees are counted from here. */
  readonly oldestSegment: number;
  /** Segments on disk, and finished spares. */
  readonly filesInUse: number;
  readonly report: unknown;
}

/** Said once by each thread, before it leaves its event loop. */
export type ThreadReady =
  | ReadyRecovered
  | { readonly kind: 'ready' }
  /** Of the bulk thread. */
  | { readonly kind: 'snapshots'; readonly found: readonly FoundSnapshots[] }
  | { readonly kind: 'listening'; readonly address: string }
  | { readonly kind: 'refused'; readonly code: string; readonly text: string };

/** A line for the log, from a thread that has an event loop. */
export interface ThreadEvent {
  readonly kind: 'peer';
  readonly remote: string;
  readonly peer: number;
  readonly reason: string;
  readonly detail: string;
}
