/**
 * Records of the completion ring: what a consensus worker tells the main thread.
 *
 *   RESULTS, READ_RESULTS │ batch u32 │ offset u32 │ count u32 │ 0 u32    │ index f64 │
 *                         │ codec/results.ts
 *   REFUSED, READ_REFUSED │ batch u32 │ offset u32 │ count u32 │ code u32 │ leader f64 │ detail
 *   READ_PART             │ batch u32 │ offset u32 │ total u32 │ at u32   │ index f64 │ bytes
 *   EVENT                 │ JSON, UTF-8
 *   APPLY, QUERY          │ for a machine hosted on the main thread: see hosted.ts
 *   IMAGE, RESTORE        │ likewise: see hosted-image.ts
 *
 * `index`: entries up to there are in the state that answers a read; of RESULTS it is that of the
 * first entry.
 * `detail` is UTF-8, mostly empty: what failed, where the code alone does not tell.
 * One answer to a read that is larger than a record comes in parts, back to back: `bytes` belong at
 * byte `at` of the `total` bytes that codec/results.ts lays out. Events are rare (role changes,
 * failures) and may be JSON; nothing per operation is.
 */

export const CompletionKind = {
  results: 1,
  refused: 2,
  readResults: 3,
  readRefused: 4,
  event: 5,
  apply: 6,
  query: 7,
  readPart: 8,
  image: 9,
  restore: 10,
} as const;

const OFFSET_BATCH = 0;
const OFFSET_FIRST = OFFSET_BATCH + 4;
const OFFSET_COUNT = OFFSET_FIRST + 4;
const OFFSET_CODE = OFFSET_COUNT + 4;
const COMPLETION_HEADER_BYTES = OFFSET_CODE + 4;
const OFFSET_INDEX = COMPLETION_HEADER_BYTES;
/** Of RESULTS, READ_RESULTS and READ_PART. */
export const RESULT_HEADER_BYTES = OFFSET_INDEX + 8;
const OFFSET_LEADER = COMPLETION_HEADER_BYTES;
/** Without the detail. */
export const REFUSED_BYTES = OFFSET_LEADER + 8;
export const DETAIL_BYTES_MAX = 2048;

export interface CompletionHeader {
  readonly batch: number;
  /** Position within the batch of the first entry or query that this is about. */
  readonly offset: number;
  readonly count: number;
  readonly code: number;
}

export function writeCompletionHeader(view: DataView, at: number, header: CompletionHeader): void {
  view.setUint32(at + OFFSET_BATCH, header.batch, true);
  view.setUint32(at + OFFSET_FIRST, header.offset, true);
  view.setUint32(at + OFFSET_COUNT, header.count, true);
  view.setUint32(at + OFFSET_CODE, header.code, true);
}

export function writeIndex(view: DataView, at: number, index: number): void {
  view.setFloat64(at + OFFSET_INDEX, index, true);
}

export function readIndex(view: DataView, at: number): number {
  return view.getFloat64(at + OFFSET_INDEX, true);
}

export function writeLeader(view: DataView, at: number, leader: number): void {
  view.setFloat64(at + OFFSET_LEADER, leader, true);
}

export function readCompletionHeader(view: DataView, at: number): CompletionHeader {
  return {
    batch: view.getUint32(at + OFFSET_BATCH, true),
    offset: view.getUint32(at + OFFSET_FIRST, true),
    count: view.getUint32(at + OFFSET_COUNT, true),
    code: view.getUint32(at + OFFSET_CODE, true),
  };
}

export function readLeader(view: DataView, at: number): number {
  return view.getFloat64(at + OFFSET_LEADER, true);
}

/** Of a REFUSED record of `length` bytes. */
export function readDetail(bytes: Buffer, at: number, length: number): string {
  return length > REFUSED_BYTES ? bytes.toString('utf8', at + REFUSED_BYTES, at + length) : '';
}
