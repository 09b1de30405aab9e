/**
 * Records about snapshots: what a consensus worker, the bulk thread and the transport thread say to
 * each other of them. The bytes of chunks never travel in them, only slots of the shared slab.
 *
 *   consensus ══ SnapshotOrder ══▶ bulk ══ BulkToTransport ══▶ transport
 *             ◀═ SnapshotAnswer ═══     ◀═ TransportToBulk ═══
 *
 * A few per chunk at most, so they are plain values in MessagePack. Whoever receives a slot owns
 * it from then on.
 */

import { Packr } from 'msgpackr';
import type { SnapshotChunkHead } from '../../codec/frames/snapshot-frames.js';
import type { ChunkBody } from '../../codec/lz4-chunk.js';
import type { SnapshotSection } from '../../codec/snapshot-section.js';
import type { NodeId, SnapshotPoint } from '../../engine/raft/types.js';
import type { SnapshotHead, SnapshotNews } from '../../engine/runtime/snapshot-port.js';

/** A snapshot is named by its group and its point. */
interface Point {
  readonly index: number;
  readonly term: number;
}

export type SnapshotOrder =
  | { readonly kind: 'begin'; readonly head: SnapshotHead }
  /** The next `bytes` of the image, of one section, lie in the slot's raw part. */
  | {
      readonly kind: 'raw';
      readonly slot: number;
      readonly bytes: number;
      readonly section: SnapshotSection;
    }
  | { readonly kind: 'finish' }
  | { readonly kind: 'abandon' }
  | { readonly kind: 'read'; readonly point: SnapshotPoint; readonly chunk: number }
  | {
      readonly kind: 'fetch';
      readonly peer: NodeId;
      readonly point: SnapshotPoint;
      readonly from: number;
      readonly count: number;
    }
  | { readonly kind: 'abandonFetch' }
  | { readonly kind: 'retain'; readonly keep: number; readonly pinned: readonly SnapshotPoint[] };

export type SnapshotAnswer =
  | Exclude<SnapshotNews, { kind: 'read' }>
  /** The slot's raw part holds the chunk. */
  | {
      readonly kind: 'read';
      readonly point: SnapshotPoint;
      readonly chunk: number;
      readonly section: SnapshotSection;
      readonly slot: number;
      readonly bytes: number;
      readonly isLast: boolean;
    };

/** What a peer is asked for, and what it answers, as frames say it (codec/frames). */
export interface FetchAsked {
  readonly group: number;
  readonly point: Point;
  readonly from: number;
  readonly count: number;
}

export type BulkToTransport =
  /** Pack the raw part of the slot into its packed part; or leave it as it is, and sum it up. */
  | {
      readonly kind: 'pack';
      readonly job: number;
      readonly slot: number;
      readonly rawBytes: number;
      readonly compress: boolean;
    }
  | { readonly kind: 'fetch'; readonly peer: number; readonly asked: FetchAsked }
  /** The slot's packed part holds the stored bytes; the transport gives the slot back once sent. */
  | {
      readonly kind: 'chunk';
      readonly peer: number;
      readonly slot: number;
      readonly sent: SnapshotChunkHead;
    }
  | {
      readonly kind: 'refuse';
      readonly peer: number;
      readonly group: number;
      readonly point: Point;
      readonly text: string;
    };

export type TransportToBulk =
  /** Packed as asked; or, with a text, not: the slot comes back all the same. */
  | {
      readonly kind: 'packed';
      readonly job: number;
      readonly slot: number;
      readonly packed: ChunkBody | null;
      readonly problem: string;
    }
  | { readonly kind: 'asked'; readonly peer: number; readonly asked: FetchAsked }
  /** A chunk from a peer: its stored bytes, not checked yet, lie in the slot's packed part. */
  | {
      readonly kind: 'chunk';
      readonly peer: number;
      readonly slot: number;
      readonly sent: SnapshotChunkHead;
    }
  | {
      readonly kind: 'refused';
      readonly peer: number;
      readonly group: number;
      readonly point: Point;
      readonly text: string;
    }
  /** The bulk connection to a peer ended: nothing that was asked of it is answered any more. */
  | { readonly kind: 'down'; readonly peer: number }
  /** The bulk connection of a peer ended: what it asked for can be sent to it no more. */
  | { readonly kind: 'left'; readonly peer: number };

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

type SnapshotRecord = SnapshotOrder | SnapshotAnswer | BulkToTransport | TransportToBulk;

export function packRecord(record: SnapshotRecord): Buffer {
  return packr.pack(record);
}

/** The value of a record at `buffer[at, at + bytes)`; byte fields are copies. */
export function unpackRecord<T extends SnapshotRecord>(
  buffer: Buffer,
  at: number,
  bytes: number,
): T {
  // A copy, as byte fields of what is unpacked are views of what they were read from.
  return packr.unpack(Buffer.from(buffer.subarray(at, at + bytes))) as T;
}
