/**
 * The byte layout of key-value commands as they lie in the log, little-endian and packed:
 *
 *   byte  0      1         3           7         7 + keyLen
 *         ┌──────┬─────────┬───────────┬─────────┬─────────────┐
 *         │ type │ keyLen  │ valueLen  │ key     │ value       │
 *         │ u8   │ u16     │ u32       │         │             │
 *         └──────┴─────────┴───────────┴─────────┴─────────────┘
 *
 * Types 1 … 4 are the server guide's. From 16 on the value has an inner layout:
 *
 *   SET_CONDITIONAL  u8 flags, value
 *   SET_MANY         repeated (u16 keyLen, u32 valueLen, key, value); the outer key is empty
 *   DELETE_MANY      repeated (u16 keyLen, key); the outer key is empty
 *
 * An INCREMENT's value is an int64. Encoders write into memory that the caller has sized by the
 * matching `…Bytes` function, and return the offset after what they wrote. They must not allocate.
 */

import { INT64_BYTES, type Int64, writeInt64 } from '../../../codec/int64.js';
import { copyBytes } from './bytes.js';

export const CommandType = {
  set: 1,
  delete: 2,
  increment: 3,
  append: 4,
  setConditional: 16,
  setMany: 17,
  deleteMany: 18,
  getDelete: 19,
  clear: 20,
} as const;
export type CommandType = (typeof CommandType)[keyof typeof CommandType];

export const SetFlag = {
  /** Store only when the key is absent. */
  ifAbsent: 1,
  /** Store only when the key is present. */
  ifPresent: 2,
  /** Answer the value that was there, stored over or not. */
  answerOld: 4,
} as const;
export const SET_FLAGS_ALL = SetFlag.ifAbsent | SetFlag.ifPresent | SetFlag.answerOld;

export const OFFSET_TYPE = 0;
export const OFFSET_KEY_LENGTH = OFFSET_TYPE + 1;
export const OFFSET_VALUE_LENGTH = OFFSET_KEY_LENGTH + 2;
export const COMMAND_HEADER_BYTES = OFFSET_VALUE_LENGTH + 4;

/** Before each pair of SET_MANY: key length, value length. */
export const PAIR_OFFSET_VALUE_LENGTH = 2;
export const PAIR_HEADER_BYTES = PAIR_OFFSET_VALUE_LENGTH + 4;
/** Before each key of DELETE_MANY, and of queries of many keys. */
export const KEY_HEADER_BYTES = 2;
export const SET_FLAGS_BYTES = 1;

export function commandBytes(keyLength: number, valueLength: number): number {
  return COMMAND_HEADER_BYTES + keyLength + valueLength;
}

/** Writes header and key; the value goes to the returned offset. */
export function encodeHead(
  target: Buffer,
  at: number,
  type: CommandType,
  source: Buffer,
  keyStart: number,
  keyEnd: number,
  valueLength: number,
): number {
  const keyLength = keyEnd - keyStart;
  target[at + OFFSET_TYPE] = type;
  writeU16(target, at + OFFSET_KEY_LENGTH, keyLength);
  writeU32(target, at + OFFSET_VALUE_LENGTH, valueLength);
  copyBytes(source, keyStart, keyEnd, target, at + COMMAND_HEADER_BYTES);
  return at + COMMAND_HEADER_BYTES + keyLength;
}

/** SET, APPEND, DELETE (empty value) and GETDEL (empty value): `commandBytes` long. */
export function encodeCommand(
  target: Buffer,
  at: number,
  type: CommandType,
  source: Buffer,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): number {
  const length = valueEnd - valueStart;
  const valueAt = encodeHead(target, at, type, source, keyStart, keyEnd, length);
  copyBytes(source, valueStart, valueEnd, target, valueAt);
  return valueAt + length;
}

/** `commandBytes(keyLength, INT64_BYTES)` long. */
export function encodeIncrement(
  target: Buffer,
  at: number,
  source: Buffer,
  keyStart: number,
  keyEnd: number,
  amount: Int64,
): number {
  const type = CommandType.increment;
  const valueAt = encodeHead(target, at, type, source, keyStart, keyEnd, INT64_BYTES);
  return writeInt64(target, valueAt, amount);
}

/** `commandBytes(keyLength, SET_FLAGS_BYTES + valueLength)` long. */
export function encodeSetConditional(
  target: Buffer,
  at: number,
  source: Buffer,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
  flags: number,
): number {
  const length = SET_FLAGS_BYTES + valueEnd - valueStart;
  const type = CommandType.setConditional;
  const flagsAt = encodeHead(target, at, type, source, keyStart, keyEnd, length);
  target[flagsAt] = flags;
  copyBytes(source, valueStart, valueEnd, target, flagsAt + SET_FLAGS_BYTES);
  return flagsAt + length;
}

/** One pair of SET_MANY, after an `encodeHead` with an empty key. */
export function encodePair(
  target: Buffer,
  at: number,
  source: Buffer,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): number {
  writeU16(target, at, keyEnd - keyStart);
  writeU32(target, at + PAIR_OFFSET_VALUE_LENGTH, valueEnd - valueStart);
  const keyAt = at + PAIR_HEADER_BYTES;
  const valueAt = keyAt + keyEnd - keyStart;
  copyBytes(source, keyStart, keyEnd, target, keyAt);
  copyBytes(source, valueStart, valueEnd, target, valueAt);
  return valueAt + valueEnd - valueStart;
}

/** One key of DELETE_MANY or of a query of many keys. */
export function encodeKey(
  target: Buffer,
  at: number,
  source: Buffer,
  keyStart: number,
  keyEnd: number,
): number {
  writeU16(target, at, keyEnd - keyStart);
  copyBytes(source, keyStart, keyEnd, target, at + KEY_HEADER_BYTES);
  return at + KEY_HEADER_BYTES + keyEnd - keyStart;
}

export function readU16(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function readU32(bytes: Buffer, at: number): number {
  const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
  return (low | (bytes[at + 3]! << 24)) >>> 0;
}

export function writeU16(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function writeU32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
