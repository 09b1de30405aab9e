/**
 * The table of sessions as bytes: the section `sessions` of a snapshot's image, written in slices
 * while the table changes, and read back however it was cut.
 *
 *   ┌───────────────┬─────────┬────────────────┬─── …   sessions from the least recently active on
 *   │ sessions u32  │ 0 u32   │ session        │
 *   └───────────────┴─────────┴────────────────┴─── …
 *   session  0        4             8      16       24              32      40
 *            ┌────────┬─────────────┬──────┬────────┬───────────────┬───────┬──── …
 *            │ bytes  │ results u32 │ id   │ ttl ms │ last active,  │ floor │ results, by sequence
 *            │ u32    │             │ u64  │ u64    │ log's ms, u64 │ u64   │
 *            └────────┴─────────────┴──────┴────────┴───────────────┴───────┴──── …
 *   result   │ sequence u64 │ length × 4 + kind u32 │ bytes │     kind: 0 reply, 1 rejected,
 *                                                                    2 applied, not kept
 *
 * `bytes` is that of the whole session. All numbers are little-endian. No other file holds an
 * offset into these. An image must never show what was changed after it began.
 */

import { isReadableU64, readU64, writeU64 } from '../../codec/u64.js';
import { Session } from './session.js';
import { KeptKind, WINDOW_BYTES_MAX, WINDOW_SEQUENCES_MAX } from './session-window.js';

const HEAD_BYTES = 8;
const OFFSET_RESULTS = 4;
const OFFSET_ID = OFFSET_RESULTS + 4;
const OFFSET_TTL = OFFSET_ID + 8;
const OFFSET_ACTIVE = OFFSET_TTL + 8;
const OFFSET_FLOOR = OFFSET_ACTIVE + 8;
const SESSION_BYTES = OFFSET_FLOOR + 8;
const OFFSET_LENGTH = 8;
const RESULT_BYTES = OFFSET_LENGTH + 4;
const KIND_STATES = 4;
/** Far above what a session of this version has; more is refused before memory is taken. */
const SESSION_BYTES_MAX = SESSION_BYTES + WINDOW_SEQUENCES_MAX * RESULT_BYTES + WINDOW_BYTES_MAX;
/** A slice ends with the session that reaches this. */
const SLICE_BYTES = 32 * 1024;

export function encodeSession(session: Session): Buffer {
  const { id, ttlMs, activeMs, window } = session;
  const resultBytes = [...window.sequences()].reduce(
    (sum, sequence) => sum + RESULT_BYTES + window.bytesAt(window.find(sequence)).length,
    0,
  );
  const bytes = Buffer.alloc(SESSION_BYTES + resultBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(0, bytes.length, true);
  view.setUint32(OFFSET_RESULTS, window.count, true);
  writeU64(view, OFFSET_ID, id);
  writeU64(view, OFFSET_TTL, ttlMs);
  writeU64(view, OFFSET_ACTIVE, activeMs);
  writeU64(view, OFFSET_FLOOR, window.floor);
  let at = SESSION_BYTES;
  for (const sequence of window.sequences()) {
    const slot = window.find(sequence);
    const result = window.bytesAt(slot);
    writeU64(view, at, sequence);
    view.setUint32(at + OFFSET_LENGTH, result.length * KIND_STATES + window.kindAt(slot), true);
    bytes.set(result, at + RESULT_BYTES);
    at += RESULT_BYTES + result.length;
  }
  return bytes;
}

export class SessionsImage {
  readonly #sessions: readonly Session[];
  /** Sessions that have changed since the image began, as they were, until their turn comes. */
  readonly #saved = new Map<number, Buffer>();
  #next = 0;
  #hasBegun = false;

  /** Of these sessions as they are now. */
  constructor(sessions: readonly Session[]) {
    this.#sessions = sessions;
    for (const [place, session] of sessions.entries()) session.place = place;
  }

  /** A session is about to change. */
  save(session: Session): void {
    const { place } = session;
    if (place < this.#next || this.#saved.has(place)) return;
    this.#saved.set(place, encodeSession(session));
  }

  /** The next slice; null: all were given. */
  next(): Uint8Array | null {
    if (!this.#hasBegun) return this.#head();
    const parts: Buffer[] = [];
    let bytes = 0;
    while (this.#next < this.#sessions.length && bytes < SLICE_BYTES) {
      const part = this.#take(this.#next);
      this.#next += 1;
      bytes += part.length;
      parts.push(part);
    }
    return parts.length === 0 ? null : Buffer.concat(parts);
  }

  #head(): Buffer {
    this.#hasBegun = true;
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32LE(this.#sessions.length, 0);
    return head;
  }

  #take(place: number): Buffer {
    const saved = this.#saved.get(place);
    this.#saved.delete(place);
    return saved ?? encodeSession(this.#sessions[place] as Session);
  }
}

export class SessionsReader {
  readonly #found: (session: Session) => void;
  /** Bytes that are not a whole session yet. */
  #rest = Buffer.alloc(0);
  /** Sessions still to come; null before the head has come. */
  #left: number | null = null;

  constructor(found: (session: Session) => void) {
    this.#found = found;
  }

  take(bytes: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (let end = this.#endOf(at); end <= this.#rest.length; end = this.#endOf(at)) {
      this.#read(at, end);
      at = end;
    }
    this.#rest = Buffer.from(this.#rest.subarray(at));
  }

  /** Where what begins at `at` ends, as far as can be seen. */
  #endOf(at: number): number {
    if (this.#left === null) return at + HEAD_BYTES;
    if (this.#left === 0 || this.#rest.length < at + SESSION_BYTES) return at + SESSION_BYTES;
    const bytes = this.#rest.readUInt32LE(at);
    if (bytes >= SESSION_BYTES && bytes <= SESSION_BYTES_MAX) return at + bytes;
    throw new Error(`a session has ${bytes} bytes, ${SESSION_BYTES_MAX} at most are possible`);
  }

  #read(at: number, end: number): void {
    if (this.#left === null) {
      this.#left = this.#rest.readUInt32LE(at);
      return;
    }
    if (this.#left === 0) throw new Error('more sessions follow than were announced');
    this.#left -= 1;
    this.#found(decodeSession(this.#rest.subarray(at, end)));
  }

  finish(): void {
    if (this.#left === 0 && this.#rest.length === 0) return;
    const missing = this.#left === null ? 'its beginning is' : `${this.#left} sessions are`;
    throw new Error(`the table of sessions is not whole: ${missing} missing`);
  }
}

function decodeSession(bytes: Buffer): Session {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const numbers = [OFFSET_ID, OFFSET_TTL, OFFSET_ACTIVE, OFFSET_FLOOR];
  if (!numbers.every((offset) => isReadableU64(view, offset))) {
    throw new Error('a session holds a number past 2^53');
  }
  const [id = 0, ttlMs = 0, activeMs = 0, floor = 0] = numbers.map((at) => readU64(view, at));
  const session = new Session(id, ttlMs, activeMs);
  session.window.startAt(floor);
  let at = SESSION_BYTES;
  for (let left = view.getUint32(OFFSET_RESULTS, true); left > 0; left -= 1) {
    at = decodeResult(session, bytes, view, at);
  }
  if (at === bytes.length) return session;
  throw new Error(`session ${id} has ${bytes.length} bytes, its results end at ${at}`);
}

/** Takes the result at `at` into the session; returns where it ends. */
function decodeResult(session: Session, bytes: Buffer, view: DataView, at: number): number {
  const { id, window } = session;
  const isWhole = at + RESULT_BYTES <= bytes.length && isReadableU64(view, at);
  if (!isWhole) throw new Error(`the results of session ${id} are cut`);
  const sequence = readU64(view, at);
  const length = view.getUint32(at + OFFSET_LENGTH, true);
  const kind = length % KIND_STATES;
  const start = at + RESULT_BYTES;
  const end = start + Math.floor(length / KIND_STATES);
  if (end > bytes.length || !isKept(kind) || sequence < window.floor) {
    throw new Error(`result ${sequence} of session ${id} cannot be right`);
  }
  window.add(sequence, kind, bytes.subarray(start, end));
  return end;
}

function isKept(kind: number): kind is KeptKind {
  return kind <= KeptKind.tooLarge;
}
