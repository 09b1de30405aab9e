/**
 * The client sessions of one group: which commands were applied already, and what they answered, so
 * that a command that comes twice is applied once (Raft thesis, §6.3).
 *
 * The table stands beside the state machine and is part of the replicated state: a function of the
 * log alone. Its only clock is the leader's time in entries; it must never read another, nor depend
 * on who waits for a result, or replicas would no longer agree.
 */

import { crc32c } from '../../codec/checksum.js';
import { assert } from '../raft/types.js';
import { Session } from './session.js';
import { encodeSession, SessionsImage, SessionsReader } from './session-image.js';
import { KeptKind } from './session-window.js';

/** Sessions of one group; the least recently active makes room for a new one. */
export const SESSIONS_MAX = 16_384;
/** Results of all sessions; those of the least recently active are forgotten first. */
export const SESSIONS_BYTES_MAX = 64 * 1024 * 1024;
export const SESSION_TTL_MS_MIN = 1000;
export const SESSION_TTL_MS_MAX = 30 * 24 * 3600 * 1000;
export const SESSION_TTL_MS_DEFAULT = 3600 * 1000;
/** Sessions at the old end that each entry looks at, whether they have expired. */
const SWEPT_EACH = 2;

/** What is to be done with a command. */
export const Verdict = {
  /** Not applied yet: apply it, then `record` its result. */
  apply: 0,
  /** Applied already: `kept` is what it answered. */
  repeat: 1,
  /** There is no such session: never opened, closed, expired or evicted. */
  unknown: 2,
  /** It may have been applied, and what it answered is forgotten. */
  forgotten: 3,
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

export interface KeptResult {
  bytes: Buffer;
  rejected: boolean;
}

export interface SessionBounds {
  readonly sessionsMax: number;
  readonly bytesMax: number;
}

const BOUNDS: SessionBounds = { sessionsMax: SESSIONS_MAX, bytesMax: SESSIONS_BYTES_MAX };

export class Sessions {
  /** What the last `repeat` is about: lent until the next call. */
  readonly kept: KeptResult = { bytes: Buffer.alloc(0), rejected: false };
  readonly #bounds: SessionBounds;
  readonly #byId = new Map<number, Session>();
  #oldest: Session | null = null;
  #newest: Session | null = null;
  /** No session that is older than this one keeps a result. */
  #oldestKeeping: Session | null = null;
  #bytes = 0;
  /** The command that is being applied. */
  #current: Session | null = null;
  #sequence = 0;
  #image: SessionsImage | null = null;
  #reader: SessionsReader | null = null;

  /** `bounds` are the same on all replicas of a group: others than the default are for tests. */
  constructor(bounds: SessionBounds = BOUNDS) {
    this.#bounds = bounds;
  }

  /** Sessions that are open, expired ones that nobody has noticed yet among them. */
  get size(): number {
    return this.#byId.size;
  }

  /** What the results that are kept count. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The entry at `index` opens a session, whose id it is. */
  open(index: number, ttlMs: number, timeMs: number): void {
    this.#sweep(timeMs);
    const { sessionsMax } = this.#bounds;
    if (this.#byId.size >= sessionsMax && this.#oldest !== null) this.#remove(this.#oldest);
    const ttl = Math.min(Math.max(ttlMs, SESSION_TTL_MS_MIN), SESSION_TTL_MS_MAX);
    this.#add(new Session(index, ttl, timeMs));
  }

  /** False: there is no such session, any more or at all. */
  close(id: number, timeMs: number): boolean {
    const session = this.#find(id, timeMs);
    this.#sweep(timeMs);
    if (session === null) return false;
    this.#remove(session);
    return true;
  }

  /** An entry at `timeMs` holds command `sequence` of a session: what is to be done with it. */
  begin(id: number, sequence: number, timeMs: number): Verdict {
    assert(this.#current === null, 'one command is applied at a time');
    const session = this.#find(id, timeMs);
    this.#sweep(timeMs);
    if (session === null) return Verdict.unknown;
    this.#image?.save(session);
    session.activeMs = timeMs;
    this.#moveToNewest(session);
    const { window } = session;
    if (sequence < window.floor) return Verdict.forgotten;
    const slot = window.find(sequence);
    if (slot < 0) {
      this.#current = session;
      this.#sequence = sequence;
      return Verdict.apply;
    }
    const kind = window.kindAt(slot);
    if (kind === KeptKind.tooLarge) return Verdict.forgotten;
    this.kept.bytes = window.bytesAt(slot);
    this.kept.rejected = kind === KeptKind.rejected;
    return Verdict.repeat;
  }

  /** What the command answered for which `begin` said `apply`. */
  record(bytes: Uint8Array, rejected: boolean): void {
    const session = this.#current;
    assert(session !== null, 'a command of a session is being applied');
    this.#current = null;
    const { window } = session;
    const before = window.bytes;
    window.add(this.#sequence, rejected ? KeptKind.rejected : KeptKind.reply, bytes);
    this.#bytes += window.bytes - before;
    this.#oldestKeeping ??= this.#oldest;
    this.#forgetBeyond(this.#bounds.bytesMax);
  }

  /** The machine failed at the command that is being applied. */
  abandon(): void {
    this.#current = null;
  }

  /** The session, unless it has expired by `timeMs`: then it is removed. */
  #find(id: number, timeMs: number): Session | null {
    const session = this.#byId.get(id);
    if (session === undefined) return null;
    if (!isExpired(session, timeMs)) return session;
    this.#remove(session);
    return null;
  }

  /** Frees what has expired, little by little. */
  #sweep(timeMs: number): void {
    for (let each = 0; each < SWEPT_EACH; each += 1) {
      const oldest = this.#oldest;
      if (oldest === null || !isExpired(oldest, timeMs)) return;
      this.#remove(oldest);
    }
  }

  #forgetBeyond(bytesMax: number): void {
    while (this.#bytes > bytesMax && this.#oldestKeeping !== null) {
      const session = this.#oldestKeeping;
      this.#image?.save(session);
      this.#bytes -= session.window.bytes;
      session.window.forget();
      this.#oldestKeeping = session.newer;
    }
  }

  #add(session: Session): void {
    this.#byId.set(session.id, session);
    this.#bytes += session.window.bytes;
    this.#linkAsNewest(session);
  }

  #remove(session: Session): void {
    this.#unlink(session);
    this.#byId.delete(session.id);
    this.#bytes -= session.window.bytes;
  }

  #moveToNewest(session: Session): void {
    if (session === this.#newest) return;
    this.#unlink(session);
    this.#linkAsNewest(session);
  }

  #linkAsNewest(session: Session): void {
    session.older = this.#newest;
    session.newer = null;
    if (this.#newest === null) this.#oldest = session;
    else this.#newest.newer = session;
    this.#newest = session;
    this.#oldestKeeping ??= session;
  }

  #unlink(session: Session): void {
    const { older, newer } = session;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    if (this.#oldestKeeping === session) this.#oldestKeeping = newer;
  }

  /** Sessions from the least recently active on. */
  *#inOrder(): Generator<Session> {
    for (let session = this.#oldest; session !== null; session = session.newer) yield session;
  }

  get isImaged(): boolean {
    return this.#image !== null;
  }

  /**
   * Begins an image of the table as it is now, which is pulled while entries go on changing it;
   * false: there is nothing to show.
   */
  beginImage(): boolean {
    assert(this.#image === null, 'one image at a time runs');
    if (this.#byId.size === 0) return false;
    this.#image = new SessionsImage([...this.#inOrder()]);
    return true;
  }

  /** The next bytes of the image, a slice of work; null: it is complete and over. */
  pullImage(): Uint8Array | null {
    const chunk = this.#image?.next() ?? null;
    if (chunk === null) this.#image = null;
    return chunk;
  }

  endImage(): void {
    this.#image = null;
  }

  /** The table is empty until bytes of an image come. */
  beginRestore(): void {
    this.endImage();
    this.abandon();
    this.#byId.clear();
    this.#oldest = null;
    this.#newest = null;
    this.#oldestKeeping = null;
    this.#bytes = 0;
    this.#reader = null;
  }

  /** The next bytes of an image, cut anywhere. Throws when they cannot be right. */
  restoreChunk(bytes: Uint8Array): void {
    this.#reader ??= new SessionsReader((session) => this.#add(session));
    this.#reader.take(bytes);
  }

  /** Throws when the image was not whole. */
  finishRestore(): void {
    this.#reader?.finish();
    this.#reader = null;
  }

  /** Equal for tables that hold the same. */
  digest(): string {
    let crc = 0;
    for (const session of this.#inOrder()) crc = crc32c(encodeSession(session), crc);
    return `${this.size}:${crc.toString(16).padStart(8, '0')}`;
  }
}

function isExpired(session: Session, timeMs: number): boolean {
  return timeMs - session.activeMs > session.ttlMs;
}
