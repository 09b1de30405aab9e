/**
 * RESP2 replies from a stream of bytes, one value each.
 *
 * Written apart from the server's and the library's codecs on purpose: what proves them must not
 * share their mistakes. It throws on bytes that begin no reply; it must never skip any.
 */

export type Reply =
  | { readonly kind: 'status' | 'error'; readonly text: string }
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'bulk'; readonly bytes: Buffer }
  | { readonly kind: 'null' };

const CR = 0x0d;

export class ReplyStream {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  push(chunk: Buffer): void {
    const rest = this.#bytes.subarray(this.#at);
    this.#bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#at = 0;
  }

  /** The next whole reply; undefined when more bytes are needed. */
  next(): Reply | undefined {
    const bytes = this.#bytes;
    const end = bytes.indexOf(CR, this.#at);
    if (end < 0 || end + 1 >= bytes.length) return undefined;
    const mark = String.fromCharCode(bytes[this.#at] ?? 0);
    const text = bytes.toString('latin1', this.#at + 1, end);
    const after = end + 2;
    if (mark === '$') return this.#bulk(Number(text), after);
    this.#at = after;
    if (mark === '+') return { kind: 'status', text };
    if (mark === '-') return { kind: 'error', text };
    if (mark === ':' && /^-?\d+$/.test(text)) return { kind: 'integer', value: Number(text) };
    throw new Error(`not a RESP reply: "${mark}${text.slice(0, 40)}"`);
  }

  #bulk(length: number, start: number): Reply | undefined {
    if (length === -1) {
      this.#at = start;
      return { kind: 'null' };
    }
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new Error(`a bulk string of ${length} bytes`);
    }
    if (this.#bytes.length < start + length + 2) return undefined;
    this.#at = start + length + 2;
    return { kind: 'bulk', bytes: this.#bytes.subarray(start, start + length) };
  }
}
