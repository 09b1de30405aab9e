/**
 * Bytes of a stream that have arrived but not been understood: a chunk as the socket gave it while
 * it is parsed in one go, memory of its own for the front of a message that a chunk cut.
 *
 * So whole messages are parsed where the socket put them, and only the cut one is copied. The
 * parser bounds what may be waiting; this file only stores it.
 */

const OWNED_BYTES_MIN = 16 * 1024;
/** Memory of its own beyond this is given back as soon as it is empty. */
const OWNED_BYTES_KEPT_MAX = 64 * 1024;
const NONE = Buffer.alloc(0);

export class StreamBuffer {
  /** The unread bytes are `[at, end)` of this. */
  buffer: Buffer = NONE;
  at = 0;
  end = 0;
  #owned: Buffer = NONE;

  /** Memory that is kept from being freed, whether its bytes are read or not. */
  get heldBytes(): number {
    return this.#owned.length + (this.buffer === this.#owned ? 0 : this.buffer.length);
  }

  /** Forgets what is unread. */
  clear(): void {
    this.#owned = NONE;
    this.buffer = NONE;
    this.at = 0;
    this.end = 0;
  }

  /** Gives back its memory when nothing is unread. */
  trim(): void {
    if (this.at === this.end) this.clear();
  }

  /**
   * Adds a chunk. When nothing is unread it is used in place, so it must stay as it is until
   * everything is read or `retain` has been called.
   */
  push(chunk: Buffer): void {
    if (this.at === this.end) {
      if (this.#owned.length > OWNED_BYTES_KEPT_MAX) this.#owned = NONE;
      this.buffer = chunk;
      this.at = 0;
      this.end = chunk.length;
      return;
    }
    this.#ensureOwned(chunk.length);
    chunk.copy(this.#owned, this.end);
    this.end += chunk.length;
  }

  /** Copies what is unread out of the caller's chunk. Offsets from `at` on keep their distance. */
  retain(): void {
    if (this.at === this.end) {
      this.buffer = NONE;
      this.at = 0;
      this.end = 0;
      if (this.#owned.length > OWNED_BYTES_KEPT_MAX) this.#owned = NONE;
    } else if (this.buffer !== this.#owned) {
      this.#ensureOwned(0);
    }
  }

  /** Makes `buffer` the owned memory, with the unread bytes and room for `more`. */
  #ensureOwned(more: number): void {
    if (this.buffer === this.#owned && this.end + more <= this.#owned.length) return;
    const unread = this.end - this.at;
    let target = this.#owned;
    if (unread + more > target.length) {
      const bytes = Math.max(OWNED_BYTES_MIN, 2 * unread, unread + more);
      target = Buffer.allocUnsafeSlow(bytes);
    }
    this.buffer.copy(target, 0, this.at, this.end);
    this.#owned = target;
    this.buffer = target;
    this.at = 0;
    this.end = unread;
  }
}
