/**
 * Builds a JavaScript value of one whole reply: for people and tests, never for the data path.
 *
 * The reply must have been found by `ReplyParser`, which has checked its form; nesting is limited
 * here, since building recurses.
 */

/** An error inside a reply. Top-level errors are values too: whoever asked decides to throw. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

export type ReplyValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | ReplyError
  | ReplyValue[]
  | Map<ReplyValue, ReplyValue>;

const NESTING_MAX = 32;

/** The value of the reply in `[start, end)`. Bytes become text in UTF-8. */
export function decodeReply(buffer: Buffer, start: number, end: number): ReplyValue {
  return new ReplyDecoder(buffer, start, end).value(0);
}

class ReplyDecoder {
  readonly #buffer: Buffer;
  readonly #end: number;
  #at: number;

  constructor(buffer: Buffer, start: number, end: number) {
    this.#buffer = buffer;
    this.#end = end;
    this.#at = start;
  }

  value(depth: number): ReplyValue {
    if (depth > NESTING_MAX) throw new RangeError(`reply nested deeper than ${NESTING_MAX}`);
    const type = String.fromCharCode(this.#buffer[this.#at]!);
    const line = this.#line();
    switch (type) {
      case '+':
        return line;
      case '-':
        return new ReplyError(line);
      case ':':
        return Number.isSafeInteger(Number(line)) ? Number(line) : BigInt(line);
      case '(':
        return BigInt(line);
      case ',':
        return Number(line.replace('inf', 'Infinity'));
      case '#':
        return line === 't';
      case '_':
        return null;
      case '$':
        return this.#bulk(Number(line));
      case '=':
        return this.#bulk(Number(line))?.slice('txt:'.length) ?? null;
      case '!':
        return new ReplyError(this.#bulk(Number(line)) ?? '');
      case '%':
        return this.#map(Number(line), depth);
      default:
        return this.#array(Number(line), depth);
    }
  }

  #line(): string {
    const lineEnd = this.#buffer.indexOf('\r\n', this.#at);
    if (lineEnd < 0 || lineEnd + 2 > this.#end) throw new RangeError('reply ends within a line');
    const text = this.#buffer.toString('utf8', this.#at + 1, lineEnd);
    this.#at = lineEnd + 2;
    return text;
  }

  #bulk(length: number): string | null {
    if (length < 0) return null;
    const start = this.#at;
    this.#at += length + 2;
    return this.#buffer.toString('utf8', start, start + length);
  }

  #array(count: number, depth: number): ReplyValue[] | null {
    if (count < 0) return null;
    const items: ReplyValue[] = [];
    for (let i = 0; i < count; i += 1) items.push(this.value(depth + 1));
    return items;
  }

  #map(count: number, depth: number): Map<ReplyValue, ReplyValue> {
    const entries = new Map<ReplyValue, ReplyValue>();
    for (let i = 0; i < count; i += 1) {
      const key = this.value(depth + 1);
      entries.set(key, this.value(depth + 1));
    }
    return entries;
  }
}
