/**
 * Cuts a byte stream into frames: push what arrived, get one callback per whole frame.
 *
 * A frame that lies whole in the pushed chunk is handed out where it lies; only one that is split
 * over chunks is gathered, in a buffer that is never larger than the largest legal frame.
 * What the callback gets is valid during the callback only. After a problem nothing more is
 * decoded: a stream that was wrong once has no next frame.
 */

import {
  checksumHolds,
  FRAME_HEADER_BYTES,
  type FrameProblem,
  frameBytes,
  frameKind,
  headerProblem,
} from './frame-format.js';

export const DecodeStatus = {
  /** All bytes were consumed. */
  ok: 0,
  /** The last bytes begin a frame; they are kept. */
  needMore: 1,
  /** Invalid, and cannot recover: see `problem`. */
  error: 2,
} as const;
export type DecodeStatus = (typeof DecodeStatus)[keyof typeof DecodeStatus];

/** `length` bytes of body at `offset` of `bytes`; `view` covers exactly `bytes`. */
export type OnFrame = (
  kind: number,
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  length: number,
) => void;

/** A gathering buffer up to this size is kept from frame to frame, a larger one is let go. */
const HELD_BYTES_KEPT = 512 * 1024;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class FrameDecoder {
  readonly #onFrame: OnFrame;
  #frameBytesMax: number;
  #problem: FrameProblem | null = null;
  #stopped = false;
  #held = new Uint8Array(FRAME_HEADER_BYTES);
  #heldView = viewOf(this.#held);
  #heldBytes = 0;

  constructor(frameBytesMax: number, onFrame: OnFrame) {
    this.#frameBytesMax = frameBytesMax;
    this.#onFrame = onFrame;
  }

  get problem(): FrameProblem | null {
    return this.#problem;
  }

  /** Memory held for an unfinished frame, in bytes. */
  get bufferBytes(): number {
    return this.#held.length;
  }

  /** The largest frame that is accepted from the next one on. */
  set frameBytesMax(bytes: number) {
    this.#frameBytesMax = bytes;
  }

  /** Ends decoding, also from inside the callback: the rest of the chunk is dropped. */
  stop(): void {
    this.#stopped = true;
    this.#resetHeld();
  }

  push(chunk: Uint8Array): DecodeStatus {
    if (this.#stopped) return DecodeStatus.error;
    const start = this.#heldBytes === 0 ? 0 : this.#completeHeld(chunk);
    if (this.#stopped) return DecodeStatus.error;
    const at = start === chunk.length ? start : this.#decodeChunk(chunk, start);
    if (this.#stopped) return DecodeStatus.error;
    if (at < chunk.length) this.#hold(chunk, at, chunk.length);
    return this.#heldBytes === 0 ? DecodeStatus.ok : DecodeStatus.needMore;
  }

  /** Hands out the frames that lie whole in the chunk; returns where the unfinished one begins. */
  #decodeChunk(chunk: Uint8Array, start: number): number {
    const view = viewOf(chunk);
    let at = start;
    while (!this.#stopped && chunk.length - at >= FRAME_HEADER_BYTES) {
      const problem = headerProblem(view, at, this.#frameBytesMax);
      if (problem !== null) return this.#fail(problem, at);
      const total = frameBytes(view, at);
      if (chunk.length - at < total) break;
      this.#emit(chunk, view, at, total);
      at += total;
    }
    return at;
  }

  #emit(bytes: Uint8Array, view: DataView, at: number, total: number): void {
    if (!checksumHolds(bytes, view, at, total)) {
      this.#fail('checksum', at);
      return;
    }
    const length = total - FRAME_HEADER_BYTES;
    this.#onFrame(frameKind(view, at), bytes, view, at + FRAME_HEADER_BYTES, length);
  }

  /** Continues the held frame from the chunk; returns how many bytes of the chunk it took. */
  #completeHeld(chunk: Uint8Array): number {
    let at = 0;
    if (this.#heldBytes < FRAME_HEADER_BYTES) {
      at = Math.min(FRAME_HEADER_BYTES - this.#heldBytes, chunk.length);
      this.#hold(chunk, 0, at);
      if (this.#stopped || this.#heldBytes < FRAME_HEADER_BYTES) return at;
    }
    const total = frameBytes(this.#heldView, 0);
    const end = Math.min(at + total - this.#heldBytes, chunk.length);
    this.#hold(chunk, at, end);
    if (this.#heldBytes === total) this.#emitHeld(total);
    return end;
  }

  #emitHeld(total: number): void {
    this.#heldBytes = 0;
    this.#emit(this.#held, this.#heldView, 0, total);
    if (this.#held.length > HELD_BYTES_KEPT) this.#resetHeld();
  }

  /** Keeps `chunk[from, to)`; as soon as the header is whole, it is judged and room is made. */
  #hold(chunk: Uint8Array, from: number, to: number): void {
    if (this.#heldBytes >= FRAME_HEADER_BYTES) {
      this.#append(chunk, from, to);
      return;
    }
    const split = Math.min(to, from + FRAME_HEADER_BYTES - this.#heldBytes);
    this.#append(chunk, from, split);
    if (this.#heldBytes < FRAME_HEADER_BYTES) return;
    const problem = headerProblem(this.#heldView, 0, this.#frameBytesMax);
    if (problem !== null) {
      this.#fail(problem, 0);
      return;
    }
    this.#makeRoom(frameBytes(this.#heldView, 0));
    this.#append(chunk, split, to);
  }

  #append(chunk: Uint8Array, from: number, to: number): void {
    if (to <= from) return;
    this.#held.set(chunk.subarray(from, to), this.#heldBytes);
    this.#heldBytes += to - from;
  }

  #makeRoom(bytes: number): void {
    if (this.#held.length >= bytes) return;
    const doubled = Math.min(2 * this.#held.length, this.#frameBytesMax);
    const larger = new Uint8Array(Math.max(bytes, doubled));
    larger.set(this.#held.subarray(0, this.#heldBytes));
    this.#held = larger;
    this.#heldView = viewOf(larger);
  }

  #resetHeld(): void {
    this.#held = new Uint8Array(FRAME_HEADER_BYTES);
    this.#heldView = viewOf(this.#held);
    this.#heldBytes = 0;
  }

  #fail(problem: FrameProblem, at: number): number {
    this.#problem = problem;
    this.stop();
    return at;
  }
}
