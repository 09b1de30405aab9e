/**
 * Reading a node's log file: its last lines, and what is added to it.
 *
 * Only the end of a file is ever held in memory, so a log of any size may be looked at. This must
 * never write to a log; the node itself does.
 */

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const TAIL_BYTES_MAX = 256 * 1024;
const POLL_MS = 150;
const NEWLINE = 0x0a;

/** Bytes in the file, 0 when there is none. */
export function logSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** The last `count` lines, none of them from before `from`; empty when there is no file. */
export function lastLines(path: string, count: number, from = 0): string[] {
  const size = logSize(path);
  const start = Math.max(from, size - TAIL_BYTES_MAX);
  const lines = readRange(path, start, size).toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  // The first line of a cut is most likely a part of one.
  if (start > from) lines.shift();
  return count === 0 ? [] : lines.slice(-count);
}

function readRange(path: string, from: number, to: number): Buffer {
  if (to <= from) return Buffer.alloc(0);
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(Math.max(0, Math.min(to, fstatSync(file).size) - from));
    let at = 0;
    while (at < bytes.length) {
      const count = readSync(file, bytes, at, bytes.length - at, from + at);
      if (count === 0) break;
      at += count;
    }
    return bytes.subarray(0, at);
  } finally {
    closeSync(file);
  }
}

/** Hands every whole line that is added after `from` to `onLine`, until the signal aborts. */
export async function followLog(
  path: string,
  from: number,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let at = from;
  while (!signal.aborted) {
    const size = logSize(path);
    if (size < at) at = 0;
    const bytes = readRange(path, at, Math.min(size, at + TAIL_BYTES_MAX));
    // A line longer than the window would never end: it is handed on in pieces.
    const whole =
      bytes.lastIndexOf(NEWLINE) + 1 || (bytes.length === TAIL_BYTES_MAX ? bytes.length : 0);
    if (whole > 0) {
      at += whole;
      const lines = bytes.toString('utf8', 0, whole).split('\n');
      if (lines.at(-1) === '') lines.pop();
      for (const line of lines) onLine(line);
      continue;
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
