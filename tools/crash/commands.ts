/**
 * Which command a writer sends as its n-th: a pure function of writer and number, so that what must
 * be read back later needs no memory.
 *
 * Every key is written once, by one command, and its value names that command. Every counter is
 * only ever incremented, by one.
 */

import { COUNTERS } from './ledger.js';

/** One command in this many is an INCR. */
const INCR_EVERY = 4;
const SMALL_BYTES_MAX = 96;
const LARGE_BYTES = 6000;
/** One value in this many is large, so that entries of all sizes meet in a block. */
const LARGE_EVERY = 256;

function mix(writer: number, number: number): number {
  let mixed = (Math.imul(writer + 1, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** The counter that the command increments; undefined for a SET. */
export function counterOf(writer: number, number: number): number | undefined {
  const chance = mix(writer, number);
  return chance % INCR_EVERY === 0 ? (chance >>> 8) % COUNTERS : undefined;
}

export function counterKey(counter: number): string {
  return `crash:counter:${counter}`;
}

export function keyOf(writer: number, number: number): string {
  return `crash:${writer}:${number}`;
}

/** The value of that key: it begins with the key itself and has a length of its own. */
export function writtenValue(writer: number, number: number): string {
  const chance = mix(number, writer);
  const large = chance % LARGE_EVERY === 0;
  const length = large ? LARGE_BYTES : (chance >>> 8) % SMALL_BYTES_MAX;
  const key = keyOf(writer, number);
  return `${key}=${String.fromCharCode(97 + (chance % 26)).repeat(length)}`;
}

/** A RESP array of words that are plain ASCII. */
export function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}

/** The bytes that send this command. */
export function commandBytes(writer: number, number: number): string {
  const counter = counterOf(writer, number);
  if (counter !== undefined) return encode(['INCR', counterKey(counter)]);
  return encode(['SET', keyOf(writer, number), writtenValue(writer, number)]);
}
