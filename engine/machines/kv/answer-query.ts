/**
 * What each read of the key-value machine answers.
 *
 * Nothing here changes the store. Every answer is bounded: KEYS and the like stop at
 * `answerBytesMax` with an error that says what to use instead. The work of a SCAN is bounded too,
 * by slots, keys, bytes answered and steps of matching; KEYS walks the whole store at once, so a
 * thread that others wait for must be asked SCAN after SCAN instead.
 */

import { KEY_HEADER_BYTES, readU16, readU32 } from './commands.js';
import { digestStore } from './digest.js';
import { Glob } from './glob.js';
import { RANK_END } from './key-index.js';
import {
  QUERY_HEADER_BYTES,
  QueryType,
  SCAN_KEYS_MAX,
  SCAN_OFFSET_COUNT,
  SCAN_OFFSET_CURSOR,
  SCAN_OFFSET_PATTERN,
} from './queries.js';
import { ITEM_HEADER_BYTES, type ResultWriter } from './results.js';
import type { Store } from './store.js';

/** A SCAN looks at no more than this many slots per key asked for, as Redis does. */
const SCAN_SLOTS_PER_KEY = 10;
/** A SCAN of long keys ends early rather than answer more than this. */
const SCAN_ANSWER_BYTES = 1024 * 1024;
/** A SCAN ends early when matching has taken so many steps; the slot is finished. */
const SCAN_WORK_MAX = 2_000_000;

const TYPE_STRING = Buffer.from('string');
const TYPE_NONE = Buffer.from('none');

export class QueryAnswerer {
  readonly #results: ResultWriter;
  readonly #answerBytesMax: number;

  constructor(results: ResultWriter, answerBytesMax: number) {
    this.#results = results;
    this.#answerBytesMax = answerBytesMax;
  }

  /** `operations` is what STAT reports beside the store's own figures. */
  answer(store: Store, query: Buffer, operations: number): Uint8Array {
    switch (query[0]) {
      case QueryType.get:
        return this.#get(store, query);
      case QueryType.getMany:
        return this.#getMany(store, query);
      case QueryType.exists:
        return this.#exists(store, query);
      case QueryType.valueLength:
        return this.#valueLength(store, query);
      case QueryType.type:
        return this.#type(store, query);
      case QueryType.size:
        return this.#results.integer(store.keys);
      case QueryType.stat:
        return this.#stat(store, operations);
      case QueryType.keys:
        return this.#keys(store, query);
      case QueryType.scan:
      case QueryType.scanOn:
        return this.#scan(store, query);
      case QueryType.digest:
        return this.#text(digestStore(store));
      default:
        return this.#results.error(`unknown query type ${query[0]}`);
    }
  }

  #get(store: Store, query: Buffer): Uint8Array {
    const handle = store.find(query, QUERY_HEADER_BYTES, query.length);
    if (handle === 0) return this.#results.nil();
    const { records } = store;
    return this.#results.value(
      records.bytes(handle),
      records.valueStart(handle),
      records.valueEnd(handle),
    );
  }

  #getMany(store: Store, query: Buffer): Uint8Array {
    const { records } = store;
    this.#results.beginArray();
    const whole = forEachKey(query, (start, end) => {
      const handle = store.find(query, start, end);
      if (handle === 0) {
        this.#results.nilItem();
      } else if (this.#hasRoom(records.valueLength(handle))) {
        const at = records.valueStart(handle);
        this.#results.item(records.bytes(handle), at, records.valueEnd(handle));
      } else {
        return false;
      }
      return true;
    });
    if (whole === 'malformed') return this.#malformed();
    if (whole === 'stopped') return this.#tooLarge('MGET', 'ask for fewer keys');
    return this.#results.finishArray();
  }

  #exists(store: Store, query: Buffer): Uint8Array {
    let present = 0;
    const whole = forEachKey(query, (start, end) => {
      if (store.find(query, start, end) !== 0) present += 1;
      return true;
    });
    return whole === 'malformed' ? this.#malformed() : this.#results.integer(present);
  }

  #valueLength(store: Store, query: Buffer): Uint8Array {
    const handle = store.find(query, QUERY_HEADER_BYTES, query.length);
    return this.#results.integer(handle === 0 ? 0 : store.records.valueLength(handle));
  }

  #type(store: Store, query: Buffer): Uint8Array {
    const handle = store.find(query, QUERY_HEADER_BYTES, query.length);
    const name = handle === 0 ? TYPE_NONE : TYPE_STRING;
    return this.#results.value(name, 0, name.length);
  }

  #stat(store: Store, operations: number): Uint8Array {
    return this.#text(
      `kv_keys:${store.keys}\nkv_memory:${store.memoryBytes}\nkv_ops:${operations}`,
    );
  }

  #text(text: string): Uint8Array {
    const bytes = Buffer.from(text, 'latin1');
    return this.#results.value(bytes, 0, bytes.length);
  }

  #keys(store: Store, query: Buffer): Uint8Array {
    const glob = new Glob(query.subarray(QUERY_HEADER_BYTES));
    const { records } = store;
    let overflow = false;
    this.#results.beginArray();
    store.visitAll((handle) => {
      const bytes = records.bytes(handle);
      const start = records.keyStart(handle);
      const end = records.valueStart(handle);
      if (overflow || !glob.matches(bytes, start, end)) return;
      if (this.#hasRoom(end - start)) this.#results.item(bytes, start, end);
      else overflow = true;
    });
    return overflow ? this.#tooLarge('KEYS', 'use SCAN') : this.#results.finishArray();
  }

  /** The cursor is a rank (key-index.ts), so it means the same in a table of any size. */
  #scan(store: Store, query: Buffer): Uint8Array {
    if (query.length < SCAN_OFFSET_PATTERN) return this.#malformed();
    const wanted = Math.min(Math.max(readU32(query, SCAN_OFFSET_COUNT), 1), SCAN_KEYS_MAX);
    const glob = new Glob(query.subarray(SCAN_OFFSET_PATTERN));
    const { records } = store;
    let cursor = readU32(query, SCAN_OFFSET_CURSOR);
    let seen = 0;
    this.#results.beginScan();
    for (let slots = wanted * SCAN_SLOTS_PER_KEY; slots > 0 && cursor < RANK_END; slots -= 1) {
      const to = store.index.rangeEnd(cursor);
      store.index.visit(cursor, to, (handle) => {
        const bytes = records.bytes(handle);
        const start = records.keyStart(handle);
        const end = records.valueStart(handle);
        seen += 1;
        if (glob.matches(bytes, start, end)) this.#results.item(bytes, start, end);
      });
      cursor = to;
      if (seen >= wanted || glob.work > SCAN_WORK_MAX) break;
      if (this.#results.length > SCAN_ANSWER_BYTES) break;
    }
    return this.#results.finishScan(cursor === RANK_END ? 0 : cursor);
  }

  #hasRoom(bytes: number): boolean {
    return this.#results.length + ITEM_HEADER_BYTES + bytes <= this.#answerBytesMax;
  }

  #tooLarge(name: string, remedy: string): Uint8Array {
    const limit = this.#answerBytesMax;
    return this.#results.error(`${name} would answer more than ${limit} bytes, ${remedy}`);
  }

  #malformed(): Uint8Array {
    return this.#results.error('malformed key-value query: its lengths do not add up');
  }
}

/** Walks the keys of a query of many; `visit` returns false to stop. */
function forEachKey(
  query: Buffer,
  visit: (start: number, end: number) => boolean,
): 'whole' | 'stopped' | 'malformed' {
  let at = QUERY_HEADER_BYTES;
  while (at < query.length) {
    if (at + KEY_HEADER_BYTES > query.length) return 'malformed';
    const start = at + KEY_HEADER_BYTES;
    const end = start + readU16(query, at);
    if (end > query.length) return 'malformed';
    if (!visit(start, end)) return 'stopped';
    at = end;
  }
  return 'whole';
}
