/**
 * Send buffers of the transport: entry bytes are copied out of an arena into one, and it comes back
 * when the socket is done with it. So a slow peer never holds a region of an arena.
 *
 * Sizes are powers of two; a few of each are kept, the rest is left to the garbage collector.
 */

const BYTES_MIN = 4096;
const KEPT_PER_SIZE = 16;

export class SlabPool {
  readonly #free = new Map<number, Buffer[]>();
  readonly #lent = new Map<number, Buffer>();
  #nextToken = 1;

  /** A buffer of at least `bytes`, and the token under which it is given back. */
  take(bytes: number): { token: number; buffer: Buffer } {
    const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, BYTES_MIN)));
    const buffer = this.#free.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
    const token = this.#nextToken;
    this.#nextToken = token >= 0xffff_ffff ? 1 : token + 1;
    this.#lent.set(token, buffer);
    return { token, buffer };
  }

  give(token: number): void {
    const buffer = this.#lent.get(token);
    if (buffer === undefined) return;
    this.#lent.delete(token);
    const free = this.#free.get(buffer.length) ?? [];
    if (free.length < KEPT_PER_SIZE) free.push(buffer);
    this.#free.set(buffer.length, free);
  }
}
