/**
 * What the owner of the bulk connections sees of them.
 *
 * Callbacks run inside the adapter's turn, and may send and fetch; they must never throw. `fetch`,
 * `left` and `released` are called at who has a snapshot, all the others at who fetches one.
 */

import type {
  SnapshotChunkHead,
  SnapshotFetch,
  SnapshotRefusal,
} from '../../codec/frames/snapshot-frames.js';
import type { NodeId } from '../../engine/raft/types.js';

export interface BulkHandlers {
  /** A peer asks for chunks. */
  fetch(peer: NodeId, asked: SnapshotFetch): void;
  /**
   * Room for a chunk's `storedBytes`, lent until `chunk` or `spaceLost` of this peer; null when
   * there is none now: the connection waits and asks again by `resume`. A text says why the chunk
   * cannot be taken: it ends the connection.
   */
  space(peer: NodeId, head: SnapshotChunkHead): Uint8Array | null | string;
  /** The room lent last to this peer holds the chunk as it was sent. */
  chunk(peer: NodeId, head: SnapshotChunkHead): void;
  /** The room lent last to this peer will not be filled. */
  spaceLost(peer: NodeId): void;
  /** The peer refuses, or it refused the connection that it was to be asked by. */
  refused(peer: NodeId, refusal: SnapshotRefusal): void;
  /** The connection by which we fetch ended, or could not be made; what was asked is void. */
  down(peer: NodeId): void;
  /** The connection by which the peer fetched ended; what it asked for is void. */
  left(peer: NodeId): void;
  /** The bytes sent with this token are not read any more. */
  released(token: number): void;
}
