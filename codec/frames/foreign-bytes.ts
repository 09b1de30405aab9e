/**
 * Which well-known protocol a stream speaks that is not one of frames, by its first bytes: for the
 * words of a log line.
 *
 * A guess: it must never decide whether a connection ends, nor make a frame of anything.
 */

/** So many bytes of a stream tell it. */
export const FOREIGN_BYTES_SEEN = 16;

const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR = 3;

/** A method and what a request can be for; `GET key` without a slash is a client's command. */
const HTTP = /^(?:(?:GET|HEAD|PUT|POST|DELETE|OPTIONS|PATCH|TRACE) [/*]|CONNECT |PRI \*|HTTP\/)/;
/** Arrays as clients send them, and the replies of a port for clients. */
const RESP = /^(?:[*$:]-?\d+\r|[-+](?:[A-Z]+ |OK\r|PONG\r))/;
/** A word, alone on its line or followed by others. */
const TEXT = /^[A-Za-z]{2,}(?: [\x20-\x7e]|\r?\n)/;

/** `HTTP`, `TLS`, `RESP` or `text`; null for what looks like none of them. */
export function foreignProtocol(first: Uint8Array): 'HTTP' | 'TLS' | 'RESP' | 'text' | null {
  if (first[0] === TLS_HANDSHAKE && first[1] === TLS_MAJOR) return 'TLS';
  const start = String.fromCharCode(...first.subarray(0, FOREIGN_BYTES_SEEN));
  if (HTTP.test(start)) return 'HTTP';
  if (RESP.test(start)) return 'RESP';
  return TEXT.test(start) ? 'text' : null;
}
