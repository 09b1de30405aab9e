/**
 * Bytes as one word of a line, quoted as redis-cli quotes when they need it, so that the word can
 * be typed back as an argument of an inline command and means the same bytes.
 */

const PLAIN = /^[!#-&(-~]+$/;
const ESCAPES = new Map([
  [10, '\\n'],
  [13, '\\r'],
  [9, '\\t'],
  [8, '\\b'],
  [7, '\\a'],
  [34, '\\"'],
  [92, '\\\\'],
]);

/** The word as it is when it is printable and without spaces and quotes, else in double quotes. */
export function quoteForLine(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('latin1', start, end);
  if (PLAIN.test(text)) return text;
  let quoted = '"';
  for (let at = start; at < end; at += 1) quoted += escaped(bytes[at]!);
  return `${quoted}"`;
}

function escaped(byte: number): string {
  const known = ESCAPES.get(byte);
  if (known !== undefined) return known;
  if (byte >= 32 && byte < 127) return String.fromCharCode(byte);
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
