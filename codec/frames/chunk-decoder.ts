/**
 * Cuts the byte stream of a bulk connection into frames, as frame-decoder.ts does, but for chunks
 * of snapshots: their stored bytes go straight to where the owner wants them, without a copy in
 * between.
 *
 * When the owner has no place now, decoding pauses: what was pushed and not decoded is kept, and
 * nothing more should be pushed until `resume`. Nothing is believed of a chunk before its head is
 * in bounds, nor said to have landed before its checksum held. After a problem nothing more is
 * decoded.
 */

import { assert } from '../../engine/raft/types.js';
import { crc32c } from '../checksum.js';
import { DecodeStatus, type OnFrame } from './frame-decoder.js';
import {
  announcedChecksum,
  checksumHolds,
  checksumOver,
  FRAME_HEADER_BYTES,
  FrameKind,
  type FrameProblem,
  frameBytes,
  frameKind,
  headerProblem,
} from './frame-format.js';
import {
  CHUNK_FIXED_BYTES,
  CHUNK_FRAME_BYTES_MAX,
  chunkHeadBytes,
  decodeChunkHead,
  type SnapshotChunkHead,
} from './snapshot-frames.js';

/** Where chunks go. */
export interface ChunkSink {
  /**
   * Room for exactly `head.packed.storedBytes` bytes, its owner's until `landed` or the end; null:
   * there is none now.
   */
  space(head: SnapshotChunkHead): Uint8Array | null;
  /** The room holds the chunk as it was sent. */
  landed(head: SnapshotChunkHead): void;
}

interface Landing {
  readonly head: SnapshotChunkHead;
  /** Null: still asked for. */
  space: Uint8Array | null;
  filled: number;
  checksum: number;
}

type Stage = 'header' | 'whole' | 'chunkFixed' | 'chunkHead';

const HELD_BYTES_INITIAL = 1024;
const NOTHING = new Uint8Array(0);

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class ChunkDecoder {
  /** Whether chunks may come: not before the handshake. */
  takesChunks = false;
  /** The largest frame but for chunks. */
  frameBytesMax: number;
  readonly #onFrame: OnFrame;
  readonly #sink: ChunkSink;
  #problem: FrameProblem | null = null;
  #stopped = false;
  /** A frame without the stored bytes of a chunk, as far as it is here. */
  #held = new Uint8Array(HELD_BYTES_INITIAL);
  #heldView = viewOf(this.#held);
  #heldBytes = 0;
  #stage: Stage = 'header';
  /** So many held bytes finish the stage. */
  #wanted = FRAME_HEADER_BYTES;
  #landing: Landing | null = null;
  /** Pushed and not decoded yet, while decoding is paused. */
  #rest: Uint8Array = NOTHING;

  constructor(frameBytesMax: number, onFrame: OnFrame, sink: ChunkSink) {
    this.frameBytesMax = frameBytesMax;
    this.#onFrame = onFrame;
    this.#sink = sink;
  }

  get problem(): FrameProblem | null {
    return this.#problem;
  }

  get bufferBytes(): number {
    return this.#held.length + this.#rest.length;
  }

  /** There is no place for the next chunk. */
  get isPaused(): boolean {
    return this.#landing !== null && this.#landing.space === null;
  }

  stop(): void {
    this.#stopped = true;
    this.#landing = null;
    this.#rest = NOTHING;
    this.#held = NOTHING;
    this.#heldBytes = 0;
  }

  push(chunk: Uint8Array): DecodeStatus {
    if (this.isPaused) {
      this.#rest = new Uint8Array(Buffer.concat([this.#rest, chunk]));
      return DecodeStatus.needMore;
    }
    return this.#decode(chunk);
  }

  /** Asks for a place again; while it is still paused afterwards there was none. */
  resume(): DecodeStatus {
    if (this.#landing === null || !this.isPaused) return this.#status();
    this.#land(this.#landing);
    if (this.isPaused) return DecodeStatus.needMore;
    const rest = this.#rest;
    this.#rest = NOTHING;
    return this.#decode(rest);
  }

  #status(): DecodeStatus {
    if (this.#stopped) return DecodeStatus.error;
    const isBetween = this.#heldBytes === 0 && this.#landing === null;
    return isBetween ? DecodeStatus.ok : DecodeStatus.needMore;
  }

  #decode(chunk: Uint8Array): DecodeStatus {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.isPaused) {
        this.#rest = new Uint8Array(chunk.subarray(at));
        break;
      }
      at += this.#landing === null ? this.#hold(chunk, at) : this.#fill(this.#landing, chunk, at);
    }
    return this.#status();
  }

  /** Takes what the stage wants; returns how many bytes of the chunk that was. */
  #hold(chunk: Uint8Array, at: number): number {
    const bytes = Math.min(chunk.length - at, this.#wanted - this.#heldBytes);
    this.#held.set(chunk.subarray(at, at + bytes), this.#heldBytes);
    this.#heldBytes += bytes;
    // A finished stage may finish the next one too: a frame without a body, a head without more.
    while (!this.#stopped && this.#landing === null && this.#isStageDone()) this.#advance();
    return bytes;
  }

  #isStageDone(): boolean {
    return this.#heldBytes === this.#wanted;
  }

  #advance(): void {
    switch (this.#stage) {
      case 'header':
        this.#onHeader();
        return;
      case 'whole':
        this.#onWhole();
        return;
      case 'chunkFixed':
        this.#onFixed();
        return;
      case 'chunkHead':
        this.#onChunkHead();
        return;
    }
  }

  #onHeader(): void {
    const isChunk = frameKind(this.#heldView, 0) === FrameKind.snapshotChunk && this.takesChunks;
    const bytesMax = isChunk ? CHUNK_FRAME_BYTES_MAX : this.frameBytesMax;
    const problem = headerProblem(this.#heldView, 0, bytesMax);
    if (problem !== null) {
      this.#fail(problem);
      return;
    }
    const total = frameBytes(this.#heldView, 0);
    const fixed = FRAME_HEADER_BYTES + CHUNK_FIXED_BYTES;
    if (!isChunk) this.#want('whole', total);
    else if (total < fixed) this.#fail('chunk');
    else this.#want('chunkFixed', fixed);
  }

  #onWhole(): void {
    const total = this.#heldBytes;
    if (!checksumHolds(this.#held, this.#heldView, 0, total)) {
      this.#fail('checksum');
      return;
    }
    const kind = frameKind(this.#heldView, 0);
    const [bytes, view] = [this.#held, this.#heldView];
    this.#startOver();
    this.#onFrame(kind, bytes, view, FRAME_HEADER_BYTES, total - FRAME_HEADER_BYTES);
  }

  #bodyBytes(): number {
    return frameBytes(this.#heldView, 0) - FRAME_HEADER_BYTES;
  }

  #onFixed(): void {
    const head = chunkHeadBytes(this.#heldView, FRAME_HEADER_BYTES, this.#bodyBytes());
    if (head === null) this.#fail('chunk');
    else this.#want('chunkHead', FRAME_HEADER_BYTES + head);
  }

  #onChunkHead(): void {
    const length = this.#bodyBytes();
    const head = decodeChunkHead(this.#held, this.#heldView, FRAME_HEADER_BYTES, length);
    if (head === null) {
      this.#fail('chunk');
      return;
    }
    const checksum = checksumOver(this.#held, 0, this.#heldBytes);
    this.#landing = { head, space: null, filled: 0, checksum };
    this.#land(this.#landing);
  }

  #land(landing: Landing): void {
    const { storedBytes } = landing.head.packed;
    landing.space = this.#sink.space(landing.head);
    if (landing.space === null || this.#stopped) return;
    assert(landing.space.length === storedBytes, 'a chunk lands where it fits exactly');
    if (storedBytes === 0) this.#finish(landing);
  }

  #fill(landing: Landing, chunk: Uint8Array, at: number): number {
    const space = landing.space ?? NOTHING;
    const bytes = Math.min(chunk.length - at, space.length - landing.filled);
    const part = chunk.subarray(at, at + bytes);
    space.set(part, landing.filled);
    landing.filled += bytes;
    landing.checksum = crc32c(part, landing.checksum);
    if (landing.filled === space.length) this.#finish(landing);
    return bytes;
  }

  #finish(landing: Landing): void {
    if (landing.checksum !== announcedChecksum(this.#heldView, 0)) {
      this.#fail('checksum');
      return;
    }
    this.#landing = null;
    this.#startOver();
    this.#sink.landed(landing.head);
  }

  #startOver(): void {
    this.#heldBytes = 0;
    this.#want('header', FRAME_HEADER_BYTES);
  }

  #want(stage: Stage, bytes: number): void {
    this.#stage = stage;
    this.#wanted = bytes;
    if (bytes <= this.#held.length) return;
    const larger = new Uint8Array(bytes);
    larger.set(this.#held.subarray(0, this.#heldBytes));
    this.#held = larger;
    this.#heldView = viewOf(larger);
  }

  #fail(problem: FrameProblem): void {
    this.#problem = problem;
    this.stop();
  }
}
