/**
 * What both threads of two-threads.test.ts agree on: a run, its records, random tiny delays.
 *
 * It must never start a thread itself.
 */

import assert from 'node:assert/strict';
import type { Prng } from '../../engine/raft/prng.js';
import type { RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';

export interface EchoRun {
  readonly toWorker: SharedArrayBuffer;
  readonly toMain: SharedArrayBuffer;
  readonly bells: SharedArrayBuffer;
  readonly records: number;
  /** Deadline of each park of the worker, in milliseconds. */
  readonly parkMs: number;
  /** Longest random delay, in loop turns, before a commit, a ring or a park; 0: none. */
  readonly spinMax: number;
  readonly seed: number;
}

export interface EchoResult {
  readonly rung: number;
  readonly timeouts: number;
  readonly lateWork: number;
  readonly missedRings: number;
}

export const WORKER_BELL = 0;
export const MAIN_BELL = 1;

/** Record `number` has a size and content of its own, so that a swap or a tear is seen. */
export function recordSize(number: number, payloadBytesMax: number): number {
  return 4 + ((Math.imul(number, 0x9e3779b1) >>> 8) % (payloadBytesMax - 3));
}

function recordKindOf(number: number): number {
  return 1 + (number % 1000);
}

/** Claims and fills record `number`; false when the ring is full. */
export function sendRecord(producer: RingProducer, number: number): boolean {
  const bytes = recordSize(number, producer.payloadBytesMax);
  const at = producer.tryClaim(recordKindOf(number), bytes);
  if (at < 0) return false;
  producer.bytes.fill(number & 255, at, at + bytes);
  producer.view.setInt32(at, number, true);
  return true;
}

export function checkRecord(
  consumer: RingConsumer,
  kind: number,
  at: number,
  bytes: number,
  number: number,
): void {
  const payloadBytesMax = consumer.capacity / 8 - 8;
  assert.equal(kind, recordKindOf(number));
  assert.equal(bytes, recordSize(number, payloadBytesMax));
  assert.equal(consumer.view.getInt32(at, true), number);
  const fill = number & 255;
  for (let i = at + 4; i < at + bytes; i += 1) {
    if (consumer.bytes[i] !== fill) assert.fail(`record ${number} is torn at byte ${i - at}`);
  }
}

/** Wastes up to `turnsMax` loop turns, so that every interleaving gets its turn. */
export function spin(prng: Prng, turnsMax: number): number {
  let waste = 0;
  for (let left = turnsMax === 0 ? 0 : prng.below(turnsMax); left > 0; left -= 1) waste ^= left;
  return waste;
}
