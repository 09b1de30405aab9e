/**
 * Records by which a state machine hosted on the main thread gives and takes images: what the
 * worker asks travels in the completion ring, the answers in the inbox ring.
 *
 *   IMAGE    │ step u32 │ image u32 │ answers: bytes of a chunk, or what was thrown, UTF-8
 *   RESTORE  │ step u32 │ sessions u32 │ last f64 │ time f64 │ bytes, or what was thrown, UTF-8
 *
 * `sessions` is how many client sessions there are, in the answer to the last step. `image` tells
 * the answers for one image from those for another that was abandoned. One record of each kind is
 * under way at a time; its bytes are at most `IMAGE_PIECE_BYTES_MAX`.
 */

export const ImageAsk = { begin: 1, pull: 2, end: 3 } as const;
export type ImageAsk = (typeof ImageAsk)[keyof typeof ImageAsk];
/** `sessions` is a chunk as well, of the table of client sessions. */
export const ImageAnswer = { chunk: 1, complete: 2, failed: 3, sessions: 4 } as const;
export type ImageAnswer = (typeof ImageAnswer)[keyof typeof ImageAnswer];
export const RestoreAsk = { begin: 1, chunk: 2, finish: 3, sessions: 4 } as const;
export type RestoreAsk = (typeof RestoreAsk)[keyof typeof RestoreAsk];
export const RestoreAnswer = { taken: 1, restored: 2, failed: 3 } as const;
export type RestoreAnswer = (typeof RestoreAnswer)[keyof typeof RestoreAnswer];

/** Larger chunks travel in pieces: every ring has room for such a record, many times. */
export const IMAGE_PIECE_BYTES_MAX = 64 * 1024;

const OFFSET_IMAGE = 4;
export const IMAGE_HEADER_BYTES = OFFSET_IMAGE + 4;
const OFFSET_SESSIONS = OFFSET_IMAGE;
const OFFSET_LAST = IMAGE_HEADER_BYTES;
const OFFSET_TIME = OFFSET_LAST + 8;
export const RESTORE_HEADER_BYTES = OFFSET_TIME + 8;

export function writeImageHeader(view: DataView, at: number, step: number, image: number): void {
  view.setUint32(at, step, true);
  view.setUint32(at + OFFSET_IMAGE, image, true);
}

export function readImageHeader(view: DataView, at: number): { step: number; image: number } {
  return { step: view.getUint32(at, true), image: view.getUint32(at + OFFSET_IMAGE, true) };
}

export interface RestoreHeader {
  readonly step: number;
  readonly sessions: number;
  /** Last entry of the state, and its time: where the step is the last one, else 0. */
  readonly last: number;
  readonly timeMs: number;
}

export function writeRestoreHeader(view: DataView, at: number, header: RestoreHeader): void {
  view.setUint32(at, header.step, true);
  view.setUint32(at + OFFSET_SESSIONS, header.sessions, true);
  view.setFloat64(at + OFFSET_LAST, header.last, true);
  view.setFloat64(at + OFFSET_TIME, header.timeMs, true);
}

export function readRestoreHeader(view: DataView, at: number): RestoreHeader {
  return {
    step: view.getUint32(at, true),
    sessions: view.getUint32(at + OFFSET_SESSIONS, true),
    last: view.getFloat64(at + OFFSET_LAST, true),
    timeMs: view.getFloat64(at + OFFSET_TIME, true),
  };
}
