/**
 * What waits to be sent on one connection, and which of it goes next: control frames before entry
 * frames, one batch with its socket at a time.
 *
 * The next batch is what gathered while the last was being taken by the transport. At most
 * `batchBytesMax` of entries are with the socket, so a heartbeat is never behind more: a larger
 * frame leaves in parts (whole only to a peer that takes none). Both queues are bounded: a full one
 * is a value, and Raft sends again. Entry slabs are referenced, never copied but for tiny ones:
 * their memory is in use until the token is released. Pure: no socket here.
 */

import { FRAME_HEADER_BYTES, FrameKind, sealFrame } from '../../codec/frames/frame-format.js';
import { partsBytes, sealParts } from '../../codec/frames/frame-parts.js';
import { isHeartbeatKind } from '../../codec/frames/message-codec.js';
import { assert } from '../../engine/raft/types.js';
import { HeartbeatMerge } from './heartbeat-merge.js';

export interface SendLimits {
  /** Votes, replies and other small frames that wait, in bytes. */
  readonly controlBytesMax: number;
  /** Entry frames that wait or are with the socket, in bytes. */
  readonly dataBytesMax: number;
  /** Entry frames handed to the socket at once, in bytes. */
  readonly batchBytesMax: number;
  /** A frame with entries that is larger leaves in parts of at most this, in bytes. */
  readonly partBytesMax: number;
}

export interface Batch {
  readonly pieces: readonly Uint8Array[];
  readonly frames: number;
  readonly bytes: number;
  /** Records in its one frame of heartbeats and its one of answers; 0: there is no such frame. */
  readonly heartbeats: number;
  readonly heartbeatReplies: number;
}

interface DataFrame {
  readonly head: Uint8Array;
  readonly slabA: Uint8Array | null;
  readonly slabB: Uint8Array | null;
  readonly bytes: number;
  /** Of a frame in parts, the last one has it. */
  readonly token: number;
  /** A part before this one may be with the socket. */
  readonly continues: boolean;
}

/** Slabs up to this are cheaper to copy than to give the system call another piece. */
const COPIED_SLAB_BYTES_MAX = 1024;
const CONTROL_BYTES_INITIAL = 1024;
/** The data list is compacted once this many of its front places are empty. */
const COMPACT_AT = 256;

/** A growing run of sealed frames. */
class FrameBuffer {
  #bytes = new Uint8Array(CONTROL_BYTES_INITIAL);
  #view = new DataView(this.#bytes.buffer);
  length = 0;
  frames = 0;

  append(kind: FrameKind, body: Uint8Array): void {
    const total = FRAME_HEADER_BYTES + body.length;
    this.#makeRoom(total);
    this.#bytes.set(body, this.length + FRAME_HEADER_BYTES);
    this.length += sealFrame(this.#bytes, this.#view, this.length, kind, body.length);
    this.frames += 1;
  }

  #makeRoom(bytes: number): void {
    if (this.length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.length + bytes));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  content(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
    this.frames = 0;
  }
}

export class SendQueue {
  readonly #limits: SendLimits;
  readonly #released: (token: number) => void;
  readonly #heartbeats = new HeartbeatMerge(FrameKind.heartbeat);
  readonly #heartbeatReplies = new HeartbeatMerge(FrameKind.heartbeatReply);
  #control = new FrameBuffer();
  /** The control part of the batch that is with the socket; reused afterwards. */
  #controlSent = new FrameBuffer();
  #data: DataFrame[] = [];
  #dataHead = 0;
  #dataBytes = 0;
  readonly #tokensSent: number[] = [];
  #bytesSent = 0;
  #inFlight = false;
  heartbeatsReplaced = 0;
  /** Frames that were taken in parts. */
  framesSplit = 0;
  /** The peer puts parts together. */
  takesParts = false;

  /** `released` is called once for every accepted token other than 0. */
  constructor(limits: SendLimits, released: (token: number) => void) {
    this.#limits = limits;
    this.#released = released;
  }

  /** Entry bytes that wait or are with the socket. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  get frames(): number {
    return this.#control.frames + this.#data.length - this.#dataHead;
  }

  get inFlight(): boolean {
    return this.#inFlight;
  }

  /** A frame without entries; `body` is copied. False: full, nothing was taken. */
  pushControl(kind: FrameKind, body: Uint8Array): boolean {
    if (isHeartbeatKind(kind)) {
      const merge = kind === FrameKind.heartbeat ? this.#heartbeats : this.#heartbeatReplies;
      this.heartbeatsReplaced += merge.add(body);
      return true;
    }
    const bytes = FRAME_HEADER_BYTES + body.length;
    if (this.#control.length + bytes > this.#limits.controlBytesMax) return false;
    this.#control.append(kind, body);
    return true;
  }

  /**
   * A frame with entries: `body` is copied, the slabs are kept by reference until `token` is
   * released. False: full, nothing was taken and nothing will be released.
   */
  pushData(
    kind: FrameKind,
    body: Uint8Array,
    slabA: Uint8Array | null,
    slabB: Uint8Array | null,
    token: number,
  ): boolean {
    const slabBytes = (slabA?.length ?? 0) + (slabB?.length ?? 0);
    const bytes = FRAME_HEADER_BYTES + body.length + slabBytes;
    if (this.takesParts && bytes > this.#limits.partBytesMax) {
      return this.#pushParts(kind, body, slabA, slabB, token);
    }
    if (this.#dataBytes > 0 && this.#dataBytes + bytes > this.#limits.dataBytesMax) return false;
    const copied = slabBytes <= COPIED_SLAB_BYTES_MAX;
    const inHead = body.length + (copied ? slabBytes : 0);
    const head = new Uint8Array(FRAME_HEADER_BYTES + inHead);
    const view = new DataView(head.buffer);
    head.set(body, FRAME_HEADER_BYTES);
    if (copied) {
      const at = FRAME_HEADER_BYTES + body.length;
      if (slabA !== null) head.set(slabA, at);
      if (slabB !== null) head.set(slabB, at + (slabA?.length ?? 0));
      sealFrame(head, view, 0, kind, inHead);
      this.#data.push({ head, slabA: null, slabB: null, bytes, token, continues: false });
    } else {
      sealFrame(head, view, 0, kind, inHead, slabA, slabB);
      this.#data.push({ head, slabA, slabB, bytes, token, continues: false });
    }
    this.#dataBytes += bytes;
    return true;
  }

  #pushParts(
    kind: FrameKind,
    body: Uint8Array,
    slabA: Uint8Array | null,
    slabB: Uint8Array | null,
    token: number,
  ): boolean {
    const { partBytesMax, dataBytesMax } = this.#limits;
    const bodyBytes = body.length + (slabA?.length ?? 0) + (slabB?.length ?? 0);
    const bytes = partsBytes(bodyBytes, partBytesMax);
    if (this.#dataBytes > 0 && this.#dataBytes + bytes > dataBytesMax) return false;
    const parts = sealParts(kind, this.framesSplit >>> 0, body, slabA, slabB, partBytesMax);
    for (const [at, part] of parts.entries()) {
      const isLast = at === parts.length - 1;
      this.#data.push({ ...part, token: isLast ? token : 0, continues: at > 0 });
    }
    this.#dataBytes += bytes;
    this.framesSplit += 1;
    return true;
  }

  /** The next batch for the socket, or null when nothing waits or one is still with the socket. */
  take(): Batch | null {
    if (this.#inFlight) return null;
    const heartbeats = this.#sealHeartbeats(this.#heartbeats);
    const heartbeatReplies = this.#sealHeartbeats(this.#heartbeatReplies);
    const control = this.#control;
    const pieces: Uint8Array[] = control.length === 0 ? [] : [control.content()];
    const frames = control.frames + this.#takeData(pieces);
    if (frames === 0) return null;
    this.#control = this.#controlSent;
    this.#control.clear();
    this.#controlSent = control;
    this.#inFlight = true;
    const bytes = control.length + this.#bytesSent;
    return { pieces, frames, bytes, heartbeats, heartbeatReplies };
  }

  /** Returns how many records are in the frame. */
  #sealHeartbeats(merge: HeartbeatMerge): number {
    const { records } = merge;
    if (records > 0) this.#control.append(merge.kind, merge.take());
    return records;
  }

  #takeData(pieces: Uint8Array[]): number {
    let frames = 0;
    for (; this.#dataHead < this.#data.length; this.#dataHead += 1) {
      const frame = this.#data[this.#dataHead]!;
      if (frames > 0 && this.#bytesSent + frame.bytes > this.#limits.batchBytesMax) break;
      pieces.push(frame.head);
      if (frame.slabA !== null && frame.slabA.length > 0) pieces.push(frame.slabA);
      if (frame.slabB !== null && frame.slabB.length > 0) pieces.push(frame.slabB);
      if (frame.token !== 0) this.#tokensSent.push(frame.token);
      this.#bytesSent += frame.bytes;
      frames += 1;
    }
    this.#compact();
    return frames;
  }

  #compact(): void {
    if (this.#dataHead === this.#data.length) this.#data = [];
    else if (this.#dataHead >= COMPACT_AT) this.#data = this.#data.slice(this.#dataHead);
    else return;
    this.#dataHead = 0;
  }

  /** The transport has taken the batch, or will never read it again. */
  written(): void {
    assert(this.#inFlight, 'a batch was with the socket');
    this.#inFlight = false;
    this.#dataBytes -= this.#bytesSent;
    this.#bytesSent = 0;
    for (const token of this.#tokensSent.splice(0)) this.#released(token);
  }

  /** Drops what waits and releases it; the batch with the socket is released by `written`. */
  clear(): number {
    const waiting = this.#data.slice(this.#dataHead);
    const dropped = waiting.length + this.#control.frames;
    this.#data = [];
    this.#dataHead = 0;
    this.#control.clear();
    this.#heartbeats.take();
    this.#heartbeatReplies.take();
    // The first parts of a frame may still be with the socket: its memory is released with them.
    let isHeld = this.#inFlight;
    for (const frame of waiting) {
      isHeld &&= frame.continues;
      this.#dataBytes -= frame.bytes;
      if (frame.token === 0) continue;
      if (isHeld) this.#tokensSent.push(frame.token);
      else this.#released(frame.token);
    }
    return dropped;
  }
}
