/**
 * What each command of the log does to the store, and what it answers.
 *
 * A command arrives as bytes that some client chose: its lengths are checked before anything is
 * touched, and one that is wrong changes nothing and is answered by a rejection. Nothing here may
 * depend on anything but the store and the command.
 */

import {
  addInt64,
  DECIMAL_BYTES_MAX,
  INT64_BYTES,
  parseInt64,
  readInt64,
  writeDecimal,
} from '../../../codec/int64.js';
import {
  COMMAND_HEADER_BYTES,
  CommandType,
  KEY_HEADER_BYTES,
  OFFSET_KEY_LENGTH,
  OFFSET_TYPE,
  OFFSET_VALUE_LENGTH,
  PAIR_HEADER_BYTES,
  PAIR_OFFSET_VALUE_LENGTH,
  readU16,
  readU32,
  SET_FLAGS_ALL,
  SET_FLAGS_BYTES,
  SetFlag,
} from './commands.js';
import type { ResultWriter } from './results.js';
import type { Store } from './store.js';

export const NOT_AN_INTEGER = 'value is not an integer or out of range';
export const WOULD_OVERFLOW = 'increment or decrement would overflow';
const MALFORMED = 'malformed key-value command: its lengths do not add up';

/** The result's bytes, or the text of the rejection. */
type Outcome = Uint8Array | string;

export class CommandApplier {
  readonly #results: ResultWriter;
  readonly #valueBytesMax: number;
  readonly #decimal = Buffer.alloc(DECIMAL_BYTES_MAX);
  /** Empties the machine: FLUSHALL replaces the store, which a running snapshot may keep. */
  readonly #clear: () => void;

  constructor(results: ResultWriter, valueBytesMax: number, clear: () => void) {
    this.#results = results;
    this.#valueBytesMax = valueBytesMax;
    this.#clear = clear;
  }

  /**
   * Applies the command in `[start, end)` and returns its result, or the text of its rejection.
   * The result lies in memory that the next command overwrites.
   */
  apply(store: Store, buffer: Buffer, start: number, end: number): Outcome {
    if (end - start < COMMAND_HEADER_BYTES) return MALFORMED;
    const keyStart = start + COMMAND_HEADER_BYTES;
    const keyEnd = keyStart + readU16(buffer, start + OFFSET_KEY_LENGTH);
    if (keyEnd + readU32(buffer, start + OFFSET_VALUE_LENGTH) !== end) return MALFORMED;
    switch (buffer[start + OFFSET_TYPE]) {
      case CommandType.set:
        return this.#set(store, buffer, keyStart, keyEnd, end);
      case CommandType.delete:
        return this.#results.integer(store.delete(buffer, keyStart, keyEnd) ? 1 : 0);
      case CommandType.increment:
        return this.#increment(store, buffer, keyStart, keyEnd, end);
      case CommandType.append:
        return this.#append(store, buffer, keyStart, keyEnd, end);
      case CommandType.setConditional:
        return this.#setConditional(store, buffer, keyStart, keyEnd, end);
      case CommandType.setMany:
        return this.#setMany(store, buffer, keyEnd, end);
      case CommandType.deleteMany:
        return this.#deleteMany(store, buffer, keyEnd, end);
      case CommandType.getDelete:
        return this.#getDelete(store, buffer, keyStart, keyEnd);
      case CommandType.clear:
        this.#clear();
        return this.#results.ok();
      default:
        return `unknown command type ${buffer[start + OFFSET_TYPE]}`;
    }
  }

  #set(store: Store, buffer: Buffer, keyStart: number, keyEnd: number, end: number): Outcome {
    if (end - keyEnd > this.#valueBytesMax) return this.#tooLong(end - keyEnd);
    store.set(buffer, keyStart, keyEnd, buffer, keyEnd, end);
    return this.#results.ok();
  }

  #increment(store: Store, buffer: Buffer, keyStart: number, keyEnd: number, end: number): Outcome {
    if (end - keyEnd !== INT64_BYTES) return MALFORMED;
    const found = store.find(buffer, keyStart, keyEnd);
    const { records } = store;
    const before =
      found === 0
        ? 0
        : parseInt64(records.bytes(found), records.valueStart(found), records.valueEnd(found));
    if (before === null) return NOT_AN_INTEGER;
    const sum = addInt64(before, readInt64(buffer, keyEnd));
    if (sum === null) return WOULD_OVERFLOW;
    const length = writeDecimal(this.#decimal, 0, sum);
    store.set(buffer, keyStart, keyEnd, this.#decimal, 0, length);
    return this.#results.integer(sum);
  }

  #append(store: Store, buffer: Buffer, keyStart: number, keyEnd: number, end: number): Outcome {
    const found = store.find(buffer, keyStart, keyEnd);
    const before = found === 0 ? 0 : store.records.valueLength(found);
    const after = before + end - keyEnd;
    if (after > this.#valueBytesMax) return this.#tooLong(after);
    store.append(buffer, keyStart, keyEnd, buffer, keyEnd, end);
    return this.#results.integer(after);
  }

  #setConditional(
    store: Store,
    buffer: Buffer,
    keyStart: number,
    keyEnd: number,
    end: number,
  ): Outcome {
    if (end - keyEnd < SET_FLAGS_BYTES) return MALFORMED;
    const flags = buffer[keyEnd]!;
    if ((flags & ~SET_FLAGS_ALL) !== 0) return `unknown SET flags ${flags}`;
    const valueStart = keyEnd + SET_FLAGS_BYTES;
    if (end - valueStart > this.#valueBytesMax) return this.#tooLong(end - valueStart);
    const found = store.find(buffer, keyStart, keyEnd);
    const refused = (flags & (found === 0 ? SetFlag.ifPresent : SetFlag.ifAbsent)) !== 0;
    // The old value is copied into the answer before it is overwritten.
    const answersOld = (flags & SetFlag.answerOld) !== 0;
    const old = answersOld ? this.#valueOrNil(store, found) : null;
    if (!refused) store.set(buffer, keyStart, keyEnd, buffer, valueStart, end);
    return old ?? (refused ? this.#results.nil() : this.#results.ok());
  }

  /** All pairs or none: every length is checked before the first is stored. */
  #setMany(store: Store, buffer: Buffer, from: number, end: number): Outcome {
    let at = from;
    while (at + PAIR_HEADER_BYTES <= end) {
      const valueLength = readU32(buffer, at + PAIR_OFFSET_VALUE_LENGTH);
      if (valueLength > this.#valueBytesMax) return this.#tooLong(valueLength);
      at += PAIR_HEADER_BYTES + readU16(buffer, at) + valueLength;
    }
    if (at !== end || from === end) return MALFORMED;
    at = from;
    while (at < end) {
      const keyStart = at + PAIR_HEADER_BYTES;
      const keyEnd = keyStart + readU16(buffer, at);
      const valueEnd = keyEnd + readU32(buffer, at + PAIR_OFFSET_VALUE_LENGTH);
      store.set(buffer, keyStart, keyEnd, buffer, keyEnd, valueEnd);
      at = valueEnd;
    }
    return this.#results.ok();
  }

  #deleteMany(store: Store, buffer: Buffer, from: number, end: number): Outcome {
    let at = from;
    while (at + KEY_HEADER_BYTES <= end) at += KEY_HEADER_BYTES + readU16(buffer, at);
    if (at !== end || from === end) return MALFORMED;
    let removed = 0;
    for (at = from; at < end; ) {
      const keyStart = at + KEY_HEADER_BYTES;
      const keyEnd = keyStart + readU16(buffer, at);
      if (store.delete(buffer, keyStart, keyEnd)) removed += 1;
      at = keyEnd;
    }
    return this.#results.integer(removed);
  }

  #getDelete(store: Store, buffer: Buffer, keyStart: number, keyEnd: number): Outcome {
    const old = this.#valueOrNil(store, store.find(buffer, keyStart, keyEnd));
    store.delete(buffer, keyStart, keyEnd);
    return old;
  }

  #valueOrNil(store: Store, handle: number): Uint8Array {
    if (handle === 0) return this.#results.nil();
    const { records } = store;
    return this.#results.value(
      records.bytes(handle),
      records.valueStart(handle),
      records.valueEnd(handle),
    );
  }

  #tooLong(bytes: number): string {
    return `value of ${bytes} bytes exceeds the maximum of ${this.#valueBytesMax}`;
  }
}
