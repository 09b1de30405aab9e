/**
 * A frame with entries that is too large to leave at once, as parts that are frames of their own.
 *
 *   PART, byte 0      4        8       12     16
 *        ┌──────┬────────┬───────┬──────┬─────────────────────────┐
 *        │ kind │ number │ total │ at   │ bytes of the whole body │
 *        │ u32  │ u32    │ u32   │ u32  │ from `at` on            │
 *        └──────┴────────┴───────┴──────┴─────────────────────────┘
 *
 * `kind` and `total` are those of the whole frame and its body, the same in every part; `number`
 * tells it from the other frames that its sender has cut, so that no two are ever mixed. Parts come
 * in order, one frame at a time; only frames without entries may come between them. An assembly
 * never takes memory for a total that was not judged first, nor survives its connection.
 */

import { assert } from '../../engine/raft/types.js';
import { FRAME_HEADER_BYTES, FrameKind, sealFrame } from './frame-format.js';

const OFFSET_KIND = 0;
const OFFSET_NUMBER = OFFSET_KIND + 4;
const OFFSET_TOTAL = OFFSET_NUMBER + 4;
const OFFSET_AT = OFFSET_TOTAL + 4;
const PART_HEADER_BYTES = OFFSET_AT + 4;
const HEADERS_BYTES = FRAME_HEADER_BYTES + PART_HEADER_BYTES;

/** Parts are at least this large: the head of any message fits into the first. */
export const PART_BYTES_MIN = 1024;

/** Frames that hold entries: the only ones that may be large, and that travel in order. */
export function holdsEntries(kind: number): boolean {
  return kind === FrameKind.append || kind === FrameKind.forward;
}

/** One sealed part: the bytes of `head`, then the slabs where they lie. */
export interface FramePart {
  readonly head: Uint8Array;
  readonly slabA: Uint8Array | null;
  readonly slabB: Uint8Array | null;
  readonly bytes: number;
}

/** Bytes of all parts of a frame whose body has `bodyBytes` bytes, their headers included. */
export function partsBytes(bodyBytes: number, partBytesMax: number): number {
  return bodyBytes + Math.ceil(bodyBytes / (partBytesMax - HEADERS_BYTES)) * HEADERS_BYTES;
}

function cut(slab: Uint8Array, from: number, to: number): Uint8Array | null {
  const start = Math.max(0, from);
  const end = Math.min(slab.length, to);
  return start < end ? slab.subarray(start, end) : null;
}

/**
 * The frame of this body, `body` and then the slabs, as parts of at most `partBytesMax` bytes each.
 * `body` is copied, the slabs are referenced. `number` is a u32 that no recent frame had.
 */
export function sealParts(
  kind: FrameKind,
  number: number,
  body: Uint8Array,
  slabA: Uint8Array | null,
  slabB: Uint8Array | null,
  partBytesMax: number,
): FramePart[] {
  const startOfB = body.length + (slabA?.length ?? 0);
  const total = startOfB + (slabB?.length ?? 0);
  const step = partBytesMax - HEADERS_BYTES;
  assert(holdsEntries(kind), 'only frames with entries travel in parts');
  assert(partBytesMax >= PART_BYTES_MIN && body.length <= step, 'the head fits into one part');
  const parts: FramePart[] = [];
  for (let at = 0; at < total; at += step) {
    const end = Math.min(total, at + step);
    const inHead = PART_HEADER_BYTES + (at === 0 ? body.length : 0);
    const head = new Uint8Array(FRAME_HEADER_BYTES + inHead);
    const view = new DataView(head.buffer);
    view.setUint32(FRAME_HEADER_BYTES + OFFSET_KIND, kind, true);
    view.setUint32(FRAME_HEADER_BYTES + OFFSET_NUMBER, number, true);
    view.setUint32(FRAME_HEADER_BYTES + OFFSET_TOTAL, total, true);
    view.setUint32(FRAME_HEADER_BYTES + OFFSET_AT, at, true);
    if (at === 0) head.set(body, HEADERS_BYTES);
    const a = slabA === null ? null : cut(slabA, at - body.length, end - body.length);
    const b = slabB === null ? null : cut(slabB, at - startOfB, end - startOfB);
    const bytes = sealFrame(head, view, 0, FrameKind.part, inHead, a, b);
    parts.push({ head, slabA: a, slabB: b, bytes });
  }
  return parts;
}

/** What is wrong with a part; the connection that brought it cannot be trusted further. */
export interface PartProblem {
  readonly problem: 'malformed' | 'oversized' | 'sequence';
  readonly text: string;
}

/** A frame put together: `length` bytes of body at `offset`, as a decoder would hand it out. */
export interface WholeFrame {
  readonly kind: FrameKind;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly offset: number;
  readonly length: number;
}

/** The parts of one connection, at most one frame of them unfinished. */
export class FrameAssembly {
  #kind = 0;
  #number = 0;
  #total = 0;
  #filled = 0;
  /** Null: no frame is unfinished. */
  #bytes: Uint8Array | null = null;

  /** A frame has begun and is not whole. */
  get isOpen(): boolean {
    return this.#bytes !== null;
  }

  /** Memory held for the unfinished frame, in bytes. */
  get bufferBytes(): number {
    return this.#bytes?.length ?? 0;
  }

  /** Whether a frame of this kind may come now: entries never overtake those under way. */
  admits(kind: number): boolean {
    return this.#bytes === null || !holdsEntries(kind);
  }

  /** The connection is over: what is unfinished is given up. */
  clear(): void {
    this.#bytes = null;
  }

  /** Takes the part in `[offset, offset + length)`; null when it is the next one. */
  add(
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    length: number,
    frameBytesMax: number,
  ): PartProblem | null {
    if (length <= PART_HEADER_BYTES) {
      return { problem: 'malformed', text: `a part of ${length} bytes holds nothing` };
    }
    const kind = view.getUint32(offset + OFFSET_KIND, true);
    const number = view.getUint32(offset + OFFSET_NUMBER, true);
    const total = view.getUint32(offset + OFFSET_TOTAL, true);
    const at = view.getUint32(offset + OFFSET_AT, true);
    const end = at + length - PART_HEADER_BYTES;
    if (end > total) {
      return { problem: 'sequence', text: `a part ends at byte ${end} of a body of ${total}` };
    }
    const isFirst = this.#bytes === null;
    const problem = isFirst
      ? this.#begin(kind, total, at, frameBytesMax)
      : this.#continues(kind, number, total, at);
    if (problem !== null) return problem;
    if (isFirst) this.#number = number;
    assert(this.#bytes !== null, 'a part has a frame to go to');
    const content = bytes.subarray(offset + PART_HEADER_BYTES, offset + length);
    this.#bytes.set(content, FRAME_HEADER_BYTES + at);
    this.#filled = end;
    return null;
  }

  #begin(kind: number, total: number, at: number, frameBytesMax: number): PartProblem | null {
    if (!holdsEntries(kind)) {
      return { problem: 'malformed', text: `kind ${kind} does not travel in parts` };
    }
    if (at !== 0) {
      return { problem: 'sequence', text: `a part from byte ${at}, none before it` };
    }
    if (FRAME_HEADER_BYTES + total > frameBytesMax) {
      const text = `parts of ${total} bytes announced, at most ${frameBytesMax} allowed`;
      return { problem: 'oversized', text };
    }
    this.#kind = kind;
    this.#total = total;
    this.#filled = 0;
    this.#bytes = new Uint8Array(FRAME_HEADER_BYTES + total);
    return null;
  }

  #continues(kind: number, number: number, total: number, at: number): PartProblem | null {
    const isSame = kind === this.#kind && number === this.#number && total === this.#total;
    if (isSame && at === this.#filled) return null;
    const found = `kind ${kind}, number ${number}, from byte ${at} of ${total}`;
    const open = `kind ${this.#kind}, number ${this.#number}`;
    const wanted = `${open}, from byte ${this.#filled} of ${this.#total}`;
    return { problem: 'sequence', text: `a part of ${found}, expected ${wanted}` };
  }

  /** The frame whose last part was added; null while parts are missing. It is handed out once. */
  take(): WholeFrame | null {
    const bytes = this.#bytes;
    if (bytes === null || this.#filled < this.#total) return null;
    this.#bytes = null;
    return {
      kind: this.#kind as FrameKind,
      bytes,
      view: new DataView(bytes.buffer),
      offset: FRAME_HEADER_BYTES,
      length: this.#total,
    };
  }
}
