/**
 * Commands or queries gathered for one ring record, and who waits for each.
 *
 * It only gathers: what is admitted and when it leaves is channel.ts.
 */

import type { Consistency } from './config-reads.js';
import { LIMITS } from './limits.js';
import type { CompletionSink } from './sink.js';

/** What makes one record: everything in a batch shares it. */
export interface BatchOptions {
  /** On the monotonic clock: when whoever waits stops waiting. */
  readonly deadline: number;
  /** Proposals: forward from a follower. */
  readonly mayForward: boolean;
  /** Reads: what must be seen. */
  readonly consistency: Consistency;
  readonly behindWrites: boolean;
  /** Bounded reads: how old the state may be that answers, in milliseconds; absent: 0. */
  readonly maxStalenessMs?: number;
}

export class OpenBatch {
  buffer = Buffer.allocUnsafeSlow(LIMITS.batchBytesMax * 2);
  view = new DataView(this.buffer.buffer);
  length = 0;
  sinks: CompletionSink[] = [];
  tokens: number[] = [];
  options: BatchOptions | null = null;

  /** Makes sure that `bytes` more fit. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
    this.view = new DataView(larger.buffer);
  }

  clear(): void {
    this.length = 0;
    this.sinks = [];
    this.tokens = [];
    this.options = null;
  }
}

export function sameOptions(a: BatchOptions, b: BatchOptions): boolean {
  return (
    a.mayForward === b.mayForward &&
    a.consistency === b.consistency &&
    a.behindWrites === b.behindWrites &&
    a.maxStalenessMs === b.maxStalenessMs &&
    Math.abs(a.deadline - b.deadline) < 1
  );
}
