/**
 * A snapshot that one group fetches from a peer: chunks are checked before anything is made of
 * them, written in order, and the file counts only when it is whole.
 *
 * What a peer sends is not trusted: sizes are bounded before memory is taken. A chunk that comes
 * twice, or too early, is dropped; the fetcher asks again for what is missing.
 */

import type { SnapshotChunkHead } from '../codec/frames/snapshot-frames.js';
import { ChunkDamage, type ChunkFlag, checkStored } from '../codec/lz4-chunk.js';
import { isKnownSection } from '../codec/snapshot-section.js';
import { isSamePoint, type NodeId, type SnapshotPoint } from '../engine/raft/types.js';
import { DiskError } from '../io/disk/disk.js';
import { SnapshotError, SnapshotVersionError } from '../io/snapshots/snapshot-errors.js';
import { decodeSnapshotHeader } from '../io/snapshots/snapshot-format.js';
import type { SnapshotWriter } from '../io/snapshots/snapshot-writer.js';
import { checkConfiguration } from './readable-configuration.js';
import type { ServedGroup, SnapshotSurroundings } from './snapshot-server.js';

/** What refusals call a file that has no name here yet. */
const FROM_LEADER = 'the snapshot from the leader';

interface Receiving {
  readonly point: SnapshotPoint;
  /** Who was asked last. */
  peer: NodeId;
  /** Null until the first chunk has come. */
  writer: SnapshotWriter | null;
  next: number;
}

export class SnapshotReceiving {
  readonly #around: SnapshotSurroundings;
  readonly #group: ServedGroup;
  #receiving: Receiving | null = null;

  constructor(around: SnapshotSurroundings, group: ServedGroup) {
    this.#around = around;
    this.#group = group;
  }

  fetch(peer: NodeId, point: SnapshotPoint, from: number, count: number): void {
    const { group } = this.#group;
    if (this.#receiving === null || !isSamePoint(this.#receiving.point, point)) {
      this.abandon();
      this.#receiving = { point, peer, writer: null, next: 0 };
    }
    this.#receiving.peer = peer;
    this.#around.toTransport({ kind: 'fetch', peer, asked: { group, point, from, count } });
  }

  abandon(): void {
    this.#receiving?.writer?.abandon();
    this.#receiving = null;
  }

  /** A chunk lies in the slot's packed part; the slot goes back. */
  chunk(slot: number, sent: SnapshotChunkHead): void {
    const receiving = this.#receiving;
    try {
      if (receiving !== null && isOf(receiving, sent)) this.#take(receiving, slot, sent);
    } catch (cause) {
      const isExpected =
        cause instanceof DiskError ||
        cause instanceof SnapshotError ||
        cause instanceof ChunkDamage;
      if (!isExpected) throw cause;
      this.refused(sent.point as SnapshotPoint, cause.message);
    } finally {
      this.#around.slab.give(slot);
    }
  }

  #take(receiving: Receiving, slot: number, sent: SnapshotChunkHead): void {
    const { slab, toGroup } = this.#around;
    const { chunk, crc, section, ...packed } = sent.packed;
    const stored = slab.packed(slot, packed.storedBytes);
    const body = { ...packed, flags: packed.flags as ChunkFlag, storedCrc: crc };
    receiving.writer ??= this.#begin(receiving, sent);
    const { writer, point } = receiving;
    // An image without a byte comes as the empty chunk 0 of none.
    if (sent.totals.chunks > 0) {
      checkStored(body, stored, writer.header.chunkBytesMax);
      if (!isKnownSection(section)) {
        const what = `chunk ${chunk} of section ${section}, which this program does not know`;
        throw new SnapshotVersionError(FROM_LEADER, what);
      }
      writer.append({ ...body, number: chunk, section }, stored);
    }
    receiving.next += 1;
    if (receiving.next < sent.totals.chunks) {
      const { next } = receiving;
      toGroup(this.#group.group, { kind: 'fetching', point, next, bytes: writer.storedBytes });
    } else this.#finish(receiving, writer, sent);
  }

  #begin({ point }: Receiving, sent: SnapshotChunkHead): SnapshotWriter {
    const { slab, store } = this.#around;
    const header = decodeSnapshotHeader(sent.head, FROM_LEADER);
    const { group, nameHash } = this.#group;
    const isMeant =
      header.group === group && header.nameHash === nameHash && isSamePoint(header.point, point);
    if (!isMeant) throw new ChunkDamage('begins another snapshot than the one that was asked for');
    if (header.chunkBytesMax > slab.chunkBytes) {
      const sizes = `${header.chunkBytesMax} bytes, this node takes ${slab.chunkBytes}`;
      throw new ChunkDamage(`is of a snapshot in chunks of ${sizes}: upgrade this node`);
    }
    checkConfiguration(header, FROM_LEADER);
    return store.createFetched(sent.head);
  }

  #finish(receiving: Receiving, writer: SnapshotWriter, sent: SnapshotChunkHead): void {
    const { point } = receiving;
    const footer = writer.finish(sent.totals);
    this.#receiving = null;
    const { configuration, timeMs } = writer.header;
    const { chunks, rawBytes: imageBytes, fileBytes } = footer;
    const stored = { point, timeMs, configuration, chunks, imageBytes, fileBytes };
    this.#around.toGroup(this.#group.group, { kind: 'fetched', stored });
  }

  /** The connection to the peer broke; what is written stays, and goes on from there. */
  down(peer: NodeId): void {
    if (this.#receiving?.peer !== peer) return;
    const { point } = this.#receiving;
    this.#around.toGroup(this.#group.group, { kind: 'cutOff', point });
  }

  /** The peer does not have it, or what it sent is no good. */
  refused(point: SnapshotPoint, text: string): void {
    if (this.#receiving?.point.index !== point.index) return;
    this.abandon();
    this.#around.toGroup(this.#group.group, { kind: 'refused', point, text });
  }
}

function isOf({ point, next }: Receiving, sent: SnapshotChunkHead): boolean {
  return isSamePoint(sent.point, point) && sent.packed.chunk === next;
}
