/**
 * The key-value state itself: records found by key, with every change announced to a running
 * snapshot before it happens.
 *
 * All arguments are byte ranges of somebody else's memory and are copied. This file knows no
 * command and no reply; it must stay deterministic, so nothing here depends on where a record
 * lies.
 */

import { copyBytes, hashBytes } from './bytes.js';
import { KeyIndex } from './key-index.js';
import { Records } from './records.js';

/** A running snapshot, as the store sees it. */
export interface ImageTap {
  /** Bytes of whole chunks that wait to be pulled. */
  readonly backlogBytes: number;
  /** Called with a record that is about to be overwritten or removed. */
  beforeChange(handle: number): void;
}

export class Store {
  readonly records = new Records();
  readonly index = new KeyIndex(this.records);
  readonly hashSeed: number;
  /** Snapshots begun so far; records carry the value of their last write. */
  epoch = 0;
  /** The running snapshot, if any. */
  tap: ImageTap | null = null;

  constructor(hashSeed: number) {
    this.hashSeed = hashSeed;
  }

  get keys(): number {
    return this.index.count;
  }

  /** Bytes of the slots that hold records: the same on every node. */
  get memoryBytes(): number {
    return this.records.pages.usedBytes;
  }

  /** Bytes obtained from the system, tables included. */
  get reservedBytes(): number {
    return this.records.pages.reservedBytes + this.index.tableBytes;
  }

  /** The record of a key, or 0. For reading only. */
  find(key: Buffer, start: number, end: number): number {
    return this.index.find(this.#hash(key, start, end), key, start, end - start);
  }

  /** Stores a value, whatever was there. */
  set(
    key: Buffer,
    keyStart: number,
    keyEnd: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
  ): void {
    const length = valueEnd - valueStart;
    const handle = this.#write(key, keyStart, keyEnd, length, 0);
    const at = this.records.valueStart(handle);
    copyBytes(value, valueStart, valueEnd, this.records.bytes(handle), at);
  }

  /** Adds to the end of a value, which begins empty, and returns its new length. */
  append(
    key: Buffer,
    keyStart: number,
    keyEnd: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
  ): number {
    const found = this.find(key, keyStart, keyEnd);
    const before = found === 0 ? 0 : this.records.valueLength(found);
    const after = before + valueEnd - valueStart;
    const handle = this.#write(key, keyStart, keyEnd, after, before);
    const at = this.records.valueStart(handle) + before;
    copyBytes(value, valueStart, valueEnd, this.records.bytes(handle), at);
    return after;
  }

  /** Removes a key; false when it was not there. */
  delete(key: Buffer, start: number, end: number): boolean {
    this.index.advance();
    const hash = this.#hash(key, start, end);
    const handle = this.index.find(hash, key, start, end - start);
    if (handle === 0) return false;
    if (this.tap !== null) this.tap.beforeChange(handle);
    this.index.removeFound();
    this.records.release(handle);
    return true;
  }

  /** Calls `visitor` for every record, in no order that means anything. */
  visitAll(visitor: (handle: number) => void): void {
    this.index.visitAll(visitor);
  }

  /** Makes the record's value `length` bytes long, the first `keep` of them as before. */
  #write(key: Buffer, start: number, end: number, length: number, keep: number): number {
    this.index.advance();
    const hash = this.#hash(key, start, end);
    const found = this.index.find(hash, key, start, end - start);
    if (found === 0) {
      const created = this.records.create(key, start, end, length, this.epoch);
      this.index.insert(hash, created);
      return created;
    }
    if (this.tap !== null) this.tap.beforeChange(found);
    const handle = this.records.resize(found, length, keep, this.epoch);
    if (handle !== found) this.index.replaceFound(handle);
    return handle;
  }

  #hash(key: Buffer, start: number, end: number): number {
    return hashBytes(key, start, end, this.hashSeed);
  }
}
