/**
 * A second key-value machine for the same commands, queries and answers: a Map of buffers, cheap to
 * make by the thousand. Most runs use it; the others use the machine that ships.
 *
 * It knows only what the simulator's clients say. Anything else is a mistake and throws.
 */

import { createHash } from 'node:crypto';
import { addInt64, INT64_BYTES, parseInt64, readInt64, writeInt64 } from '../../codec/int64.js';
import { NOT_AN_INTEGER, WOULD_OVERFLOW } from '../../engine/machines/kv/apply-command.js';
import {
  COMMAND_HEADER_BYTES,
  CommandType,
  OFFSET_KEY_LENGTH,
  readU16,
  SET_FLAGS_BYTES,
} from '../../engine/machines/kv/commands.js';
import { QUERY_HEADER_BYTES, QueryType } from '../../engine/machines/kv/queries.js';
import { RESULT_HEADER_BYTES, ResultStatus } from '../../engine/machines/kv/results.js';
import type { ApplyBatch, Restoration } from '../../engine/state-machine.js';

const OK = Buffer.from([ResultStatus.ok]);
const NIL = Buffer.from([ResultStatus.nil]);
const NO_BYTES = Buffer.alloc(0);

/** The part of a state machine that the simulator drives. */
export interface InnerMachine {
  apply(batch: ApplyBatch): void;
  query(query: Buffer): Uint8Array;
  digest(): string;
  snapshot(): Iterable<Uint8Array>;
  restore(): Restoration;
  imageBacklogBytes?(): number;
}

export class MapMachine implements InnerMachine {
  #values = new Map<string, Buffer>();

  apply(batch: ApplyBatch): void {
    while (batch.next()) {
      const { buffer, start, end } = batch;
      const keyAt = start + COMMAND_HEADER_BYTES;
      const keyEnd = keyAt + readU16(buffer, start + OFFSET_KEY_LENGTH);
      const key = buffer.toString('latin1', keyAt, keyEnd);
      const outcome = this.#execute(buffer[start], key, buffer.subarray(keyEnd, end));
      if (typeof outcome === 'string') batch.reject(outcome);
      else batch.reply(outcome);
    }
  }

  #execute(type: number | undefined, key: string, value: Buffer): Buffer | string {
    const before = this.#values.get(key);
    switch (type) {
      case CommandType.set:
        this.#values.set(key, Buffer.from(value));
        return OK;
      case CommandType.delete:
        return integer(this.#values.delete(key) ? 1 : 0);
      case CommandType.append: {
        const after = Buffer.concat([before ?? NO_BYTES, value]);
        this.#values.set(key, after);
        return integer(after.length);
      }
      case CommandType.setConditional:
        if (before !== undefined) return NIL;
        this.#values.set(key, Buffer.from(value.subarray(SET_FLAGS_BYTES)));
        return OK;
      case CommandType.increment:
        return this.#increment(key, before, value);
      default:
        throw new Error(`the simulator's machine knows no command of type ${type}`);
    }
  }

  #increment(key: string, before: Buffer | undefined, by: Buffer): Buffer | string {
    const from = before === undefined ? 0 : parseInt64(before, 0, before.length);
    if (from === null) return NOT_AN_INTEGER;
    const sum = addInt64(from, readInt64(by, 0));
    if (sum === null) return WOULD_OVERFLOW;
    this.#values.set(key, Buffer.from(String(sum)));
    return integer(sum);
  }

  query(query: Buffer): Uint8Array {
    if (query[0] !== QueryType.get) throw new Error(`no query of type ${query[0]}`);
    const value = this.#values.get(query.toString('latin1', QUERY_HEADER_BYTES));
    return value === undefined ? NIL : Buffer.concat([Buffer.from([ResultStatus.value]), value]);
  }

  /** A header with the number of records, then one record a chunk: many slices for few keys. */
  snapshot(): Iterable<Uint8Array> {
    // Values are replaced and never changed, so a copy of the map is the state as it is now.
    return imageOf(new Map(this.#values));
  }

  restore(): Restoration {
    this.#values = new Map();
    const parts: Buffer[] = [];
    return {
      chunk: (bytes) => parts.push(Buffer.from(bytes)),
      finish: () => {
        this.#values = valuesOf(Buffer.concat(parts));
      },
    };
  }

  digest(): string {
    const hash = createHash('sha256');
    for (const key of [...this.#values.keys()].sort()) {
      hash.update(`${key}\0`).update(this.#values.get(key)!).update('\0');
    }
    return hash.digest('hex').slice(0, 16);
  }
}

function integer(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(RESULT_HEADER_BYTES + INT64_BYTES, ResultStatus.integer);
  writeInt64(bytes, RESULT_HEADER_BYTES, value);
  return bytes;
}

const COUNT_BYTES = 4;
const LENGTHS_BYTES = 8;

function* imageOf(values: ReadonlyMap<string, Buffer>): Generator<Uint8Array> {
  const count = Buffer.alloc(COUNT_BYTES);
  count.writeUInt32LE(values.size);
  yield count;
  for (const [key, value] of values) {
    const lengths = Buffer.alloc(LENGTHS_BYTES);
    lengths.writeUInt32LE(key.length, 0);
    lengths.writeUInt32LE(value.length, 4);
    yield Buffer.concat([lengths, Buffer.from(key, 'latin1'), value]);
  }
}

function valuesOf(image: Buffer): Map<string, Buffer> {
  const values = new Map<string, Buffer>();
  let at = COUNT_BYTES;
  for (let left = image.readUInt32LE(0); left > 0; left -= 1) {
    const keyAt = at + LENGTHS_BYTES;
    const valueAt = keyAt + image.readUInt32LE(at);
    at = valueAt + image.readUInt32LE(at + 4);
    values.set(image.toString('latin1', keyAt, valueAt), Buffer.from(image.subarray(valueAt, at)));
  }
  if (at !== image.length) throw new Error(`an image of ${image.length} bytes ends at ${at}`);
  return values;
}
