/**
 * One record of a ring.
 *
 *   byte 0        4        8
 *       ┌────────┬────────┬───────────────┬──────────┐
 *       │ length │ kind   │ payload       │ up to 7  │
 *       │ i32    │ i32 ≥ 1│ length bytes  │ bytes    │
 *       └────────┴────────┴───────────────┴──────────┘
 *
 * A record begins on an 8-byte boundary and never wraps: when it does not fit before the end of the
 * data area, a padding record (kind -1, no meaning) fills the rest and the record begins at 0. A
 * payload is therefore always contiguous and 8-byte aligned. No other file holds an offset into a
 * record header, and this one never looks into a payload.
 */

export const RECORD_ALIGNMENT = 8;
const WORD_SHIFT = 2;
const WORD_LENGTH = 0;
const WORD_KIND = WORD_LENGTH + 1;
export const RECORD_HEADER_BYTES = (WORD_KIND + 1) << WORD_SHIFT;

/** Kind of the record that fills the end of the data area. Real kinds are ≥ 1. */
export const RECORD_PADDING = -1;

/** The largest record, header included, is this part of the capacity. */
const RECORDS_PER_RING_MIN = 8;

/** Bytes that a record with this payload takes: header and alignment included. */
export function recordBytes(payloadBytes: number): number {
  return (RECORD_HEADER_BYTES + payloadBytes + RECORD_ALIGNMENT - 1) & -RECORD_ALIGNMENT;
}

/**
 * The largest payload. An eighth of the ring, so that a record and the padding before it (less than
 * another eighth) fit long before the ring is empty: no record can starve behind smaller ones.
 */
export function payloadBytesMax(capacity: number): number {
  return capacity / RECORDS_PER_RING_MIN - RECORD_HEADER_BYTES;
}

/** `words` is the data area as int32, `at` the byte offset of the record in it. */
export function writeRecordHeader(
  words: Int32Array,
  at: number,
  payloadBytes: number,
  kind: number,
): void {
  const word = at >> WORD_SHIFT;
  words[word + WORD_LENGTH] = payloadBytes;
  words[word + WORD_KIND] = kind;
}

export function writeRecordLength(words: Int32Array, at: number, payloadBytes: number): void {
  words[(at >> WORD_SHIFT) + WORD_LENGTH] = payloadBytes;
}

export function recordLength(words: Int32Array, at: number): number {
  return words[(at >> WORD_SHIFT) + WORD_LENGTH]!;
}

export function recordKind(words: Int32Array, at: number): number {
  return words[(at >> WORD_SHIFT) + WORD_KIND]!;
}
