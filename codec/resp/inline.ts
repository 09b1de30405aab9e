/**
 * Splits one line into arguments with the quoting rules of redis-cli, rewriting the bytes in place.
 *
 *   plain words · "double \x41 \n \" quoted" · 'single \' quoted'
 *
 * What is unquoted is never longer than what was quoted, so each argument is written over its own
 * source. A quoted part must be followed by a space or the end. HTTP is recognised here, because a
 * browser that is led to this port sends lines that look like commands.
 */

export type InlineFailure = 'quotes' | 'http';

const DOUBLE = 34;
const SINGLE = 39;
const BACKSLASH = 92;
const LETTER_X = 120;

/** What follows a backslash within double quotes and means another byte. */
const ESCAPES = new Map([
  [110, 10],
  [114, 13],
  [116, 9],
  [98, 8],
  [97, 7],
]);

/** Calls `add` with the range of each argument of `[start, end)`. */
export function splitInline(
  bytes: Buffer,
  start: number,
  end: number,
  add: (start: number, end: number) => void,
): InlineFailure | null {
  if (looksLikeHttp(bytes, start, end)) return 'http';
  let at = start;
  for (;;) {
    while (at < end && isSpace(bytes[at]!)) at += 1;
    if (at === end) return null;
    const from = at;
    let to = at;
    while (at < end && !isSpace(bytes[at]!)) {
      const quote = bytes[at]!;
      if (quote !== DOUBLE && quote !== SINGLE) {
        bytes[to] = quote;
        at += 1;
        to += 1;
        continue;
      }
      const written = unquote(bytes, at, end, to);
      if (written === null) return 'quotes';
      at = written.next;
      to = written.to;
      if (at < end && !isSpace(bytes[at]!)) return 'quotes';
    }
    add(from, to);
  }
}

/** Reads the quoted part that opens at `at`, writes it to `to`; null when it never closes. */
function unquote(
  bytes: Buffer,
  at: number,
  end: number,
  to: number,
): { readonly next: number; readonly to: number } | null {
  const quote = bytes[at]!;
  let from = at + 1;
  let out = to;
  while (from < end) {
    const byte = bytes[from]!;
    if (byte === quote) return { next: from + 1, to: out };
    let value = byte;
    let width = 1;
    if (byte === BACKSLASH && from + 1 < end) {
      const next = bytes[from + 1]!;
      const hex = quote === DOUBLE && next === LETTER_X ? hexByte(bytes, from + 2, end) : -1;
      if (hex >= 0) {
        value = hex;
        width = 4;
      } else if (quote === DOUBLE) {
        value = ESCAPES.get(next) ?? next;
        width = 2;
      } else if (next === SINGLE) {
        value = SINGLE;
        width = 2;
      }
    }
    bytes[out] = value;
    out += 1;
    from += width;
  }
  return null;
}

function hexByte(bytes: Buffer, at: number, end: number): number {
  if (at + 2 > end) return -1;
  const high = hexDigit(bytes[at]!);
  const low = hexDigit(bytes[at + 1]!);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

const HTTP_LINE =
  /^(?:(?:GET|HEAD|PUT|POST|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PRI) \S+ HTTP\/\d|POST |Host:)/i;
const HTTP_LINE_BYTES_MIN = 5;
/** Longer request lines than any server accepts. */
const HTTP_LINE_BYTES_MAX = 8 * 1024;

/** A request line, or one of the two words that Redis, too, takes for a cross-protocol attack. */
function looksLikeHttp(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < HTTP_LINE_BYTES_MIN) return false;
  return HTTP_LINE.test(
    bytes.toString('latin1', start, Math.min(end, start + HTTP_LINE_BYTES_MAX)),
  );
}
