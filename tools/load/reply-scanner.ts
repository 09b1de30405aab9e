/**
 * Counts RESP replies in a stream of bytes without making one object per reply: `+OK` in five byte
 * comparisons, a bulk string by skipping its bytes, and only errors turned into text.
 *
 * It must never lose its place between chunks: a reply may be cut anywhere. It knows no command.
 */

const PLUS = 0x2b;
const MINUS = 0x2d;
const COLON = 0x3a;
const DOLLAR = 0x24;
const UNDERSCORE = 0x5f;
const LF = 0x0a;
const OK_BYTES = 5;
const LINE_BYTES_MAX = 512;

export class ReplyScanner {
  /** Replies since the counts were last cleared, by kind. */
  statuses = 0;
  values = 0;
  nulls = 0;
  readonly #onError: (line: string) => void;
  readonly #line = Buffer.alloc(LINE_BYTES_MAX);
  #lineBytes = 0;
  #inLine = false;
  /** Bytes of a bulk string, with its line break, that are still to come. */
  #skip = 0;
  #taken = 0;

  /** `onError` gets the text of each error reply, without the minus and at most 511 bytes of it. */
  constructor(onError: (line: string) => void) {
    this.#onError = onError;
  }

  /** Replies completed by the last `scan`, errors included. */
  get taken(): number {
    return this.#taken;
  }

  /** Forgets a half-read reply, for a new connection, and the counts. */
  reset(): void {
    this.#inLine = false;
    this.#lineBytes = 0;
    this.#skip = 0;
    this.clearCounts();
  }

  clearCounts(): void {
    this.statuses = 0;
    this.values = 0;
    this.nulls = 0;
  }

  /**
   * Reads replies from `start`, at most `limit`, and returns where it stopped: at `end`, or right
   * after the last reply it was allowed. Throws on a byte that begins no reply it knows.
   */
  scan(bytes: Uint8Array, start: number, end: number, limit: number): number {
    let at = start;
    this.#taken = 0;
    while (at < end && this.#taken < limit) {
      if (this.#skip > 0) {
        at = this.#skipBulk(at, end);
      } else if (this.#inLine) {
        at = this.#continueLine(bytes, at, end);
      } else {
        at = this.#oks(bytes, at, end, limit);
        if (at < end && this.#taken < limit) at = this.#continueLine(bytes, at, end);
      }
    }
    return at;
  }

  /** The fast path: a run of whole `+OK␍␊`. Only the first and the last byte are looked at. */
  #oks(bytes: Uint8Array, start: number, end: number, limit: number): number {
    const room = start + (limit - this.#taken) * OK_BYTES;
    const last = Math.min(room, end) - OK_BYTES;
    let at = start;
    while (at <= last && bytes[at] === PLUS && bytes[at + 4] === LF) at += OK_BYTES;
    const count = (at - start) / OK_BYTES;
    this.statuses += count;
    this.#taken += count;
    return at;
  }

  #skipBulk(at: number, end: number): number {
    const step = Math.min(this.#skip, end - at);
    this.#skip -= step;
    if (this.#skip === 0) {
      this.values += 1;
      this.#taken += 1;
    }
    return at + step;
  }

  #continueLine(bytes: Uint8Array, start: number, end: number): number {
    this.#inLine = true;
    let at = start;
    while (at < end) {
      const byte = bytes[at++]!;
      if (byte === LF) {
        this.#endLine();
        return at;
      }
      if (this.#lineBytes < LINE_BYTES_MAX) this.#line[this.#lineBytes++] = byte;
    }
    return at;
  }

  #endLine(): void {
    const length = this.#lineBytes;
    const kind = this.#line[0];
    this.#inLine = false;
    this.#lineBytes = 0;
    if (kind === DOLLAR) {
      this.#bulk(Number(this.#line.toString('latin1', 1, length)));
      return;
    }
    this.#taken += 1;
    if (kind === PLUS || kind === COLON) this.statuses += 1;
    else if (kind === UNDERSCORE) this.nulls += 1;
    else if (kind === MINUS) this.#onError(this.#line.toString('latin1', 1, length).trimEnd());
    else
      throw new Error(
        `not a RESP reply: ${this.#line.toString('latin1', 0, Math.min(length, 40))}`,
      );
  }

  #bulk(length: number): void {
    if (length >= 0) {
      this.#skip = length + 2;
    } else if (length === -1) {
      this.nulls += 1;
      this.#taken += 1;
    } else {
      throw new Error('not a RESP reply: a bulk string without a valid length');
    }
  }
}
