/**
 * The fifth door of a group's runtime: snapshot files. A worker wires it to the bulk thread, the
 * codec pool and the peers' bulk connections; the simulator to virtual devices.
 *
 * Whatever is asked is answered later, by an input of the runtime. Nothing here blocks or throws:
 * a disk without space, a damaged file and a silent peer are answers too. Files are named by their
 * point; the port never decides which one a group needs.
 */

import type { SnapshotSection } from '../../codec/snapshot-section.js';
import type { NodeId, SnapshotPoint } from '../raft/types.js';

/** What a snapshot covers, and the membership that was in force there. */
export interface SnapshotHead {
  readonly point: SnapshotPoint;
  /** The log's clock at the point: machines see it never decrease. */
  readonly timeMs: number;
  /** The configuration entry in force at the point, in the layout of codec/configuration.ts. */
  readonly configuration: { readonly index: number; readonly bytes: Uint8Array };
  /** The image begins with the table of client sessions; without it there are none. */
  readonly hasSessions?: boolean;
}

/** A snapshot whose file is complete and synced. */
export interface StoredSnapshot extends SnapshotHead {
  readonly chunks: number;
  /** Bytes of the image, and of the file. */
  readonly imageBytes: number;
  readonly fileBytes: number;
}

/** One chunk of a file, unpacked and checked; `bytes` are lent for the call. */
export interface SnapshotChunk {
  readonly point: SnapshotPoint;
  readonly chunk: number;
  readonly section: SnapshotSection;
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** What the port has to say, an input of the runtime. */
export type SnapshotNews =
  /** The snapshot taken here is complete and synced; or it is not, and its file is gone. */
  | { readonly kind: 'written'; readonly stored: StoredSnapshot }
  | { readonly kind: 'failed'; readonly point: SnapshotPoint; readonly text: string }
  | ({ readonly kind: 'read' } & SnapshotChunk)
  | { readonly kind: 'unreadable'; readonly point: SnapshotPoint; readonly text: string }
  /** Chunks before `next` are written here, `bytes` of the file. */
  | {
      readonly kind: 'fetching';
      readonly point: SnapshotPoint;
      readonly next: number;
      readonly bytes: number;
    }
  | { readonly kind: 'fetched'; readonly stored: StoredSnapshot }
  /** The peer does not have it, or what it sent was refused. */
  | { readonly kind: 'refused'; readonly point: SnapshotPoint; readonly text: string }
  /** The connection to the peer broke: what was asked and has not come will not. */
  | { readonly kind: 'cutOff'; readonly point: SnapshotPoint }
  /**
   * A peer asked for the file of a point, and it cannot be read or, with `isGone`, is not there: it
   * is of no use to any other either. Nothing that the group has asked for.
   */
  | {
      readonly kind: 'unservable';
      readonly point: SnapshotPoint;
      readonly text: string;
      readonly isGone: boolean;
    };

export interface SnapshotPort {
  /** Begins the file of a snapshot that is taken here; there is at most one at a time. */
  begin(head: SnapshotHead): void;
  /**
   * Copies bytes of the image from `from` on, as far as there is room; returns how many. They are
   * all of one section.
   */
  write(bytes: Uint8Array, from: number, section: SnapshotSection): number;
  /**
   * The image has ended: the rest of it goes on its way. False while there is no room for that:
   * it is said again, and `finish` comes after.
   */
  imageEnded(): boolean;
  /** The file may be completed. Answered by `written` or `failed`. */
  finish(): void;
  /** The snapshot is given up: its file goes, nothing is answered. */
  abandon(): void;
  /** Asks for one chunk of a complete file. Answered by `read` or `unreadable`. */
  read(point: SnapshotPoint, chunk: number): void;
  /**
   * Asks a peer for a snapshot from chunk `from` on, `count` of them at most. What arrives is
   * checked and written aside. Answered by `fetching` now and then, at the end by `fetched`, or by
   * `refused`; or not at all, as on any network.
   */
  fetch(peer: NodeId, point: SnapshotPoint, from: number, count: number): void;
  /** What was fetched and is not complete goes. */
  abandonFetch(): void;
  /** Removes complete files beyond the `keep` newest, but for those at `pinned`. */
  retain(keep: number, pinned: readonly SnapshotPoint[]): void;
}
