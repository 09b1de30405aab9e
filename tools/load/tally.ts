/**
 * What was counted: operations, latencies and errors, in the present interval and since measuring
 * began. Latencies are exact, not sampled: all replies of one batch share one time difference, so
 * one histogram entry covers them.
 *
 * It must never look at a socket; connections and the driver tell it what happened.
 */

import { build, type Histogram } from 'hdr-histogram-js';
import { type ErrorCounts, type ErrorKind, noErrors, totalErrors } from './error-kinds.js';

/** Longer latencies are recorded as this: ten minutes, in microseconds. */
const MICROSECONDS_MAX = 600_000_000;
const SAMPLES_MAX = 5;

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

/** One second or so of the run, for the progress line and the series. */
export interface Interval {
  /** Since measuring (or warming up) began. */
  readonly atSeconds: number;
  readonly seconds: number;
  readonly operations: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

function newHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: MICROSECONDS_MAX,
    numberOfSignificantValueDigits: 3,
  });
}

function together(a: Histogram, b: Histogram): Histogram {
  const sum = newHistogram();
  sum.add(a);
  sum.add(b);
  return sum;
}

function percentiles(histogram: Histogram): Percentiles | undefined {
  if (histogram.totalCount === 0) return undefined;
  const at = (percent: number): number => histogram.getValueAtPercentile(percent) / 1000;
  return {
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: histogram.maxValue / 1000,
    mean: Math.round(histogram.mean) / 1000,
  };
}

export class Tally {
  writes = 0;
  reads = 0;
  /** Reads that found no value; they count as operations. */
  misses = 0;
  /** Commands sent again in their sessions. */
  retries = 0;
  readonly errors: ErrorCounts = noErrors();
  /** A few error replies of kind `redirect` and `other`, word by word. */
  readonly errorSamples: string[] = [];
  readonly series: Interval[] = [];
  #writeTimes = newHistogram();
  #readTimes = newHistogram();
  /** The present interval's, merged into the two above when it ends. */
  readonly #writesNow = newHistogram();
  readonly #readsNow = newHistogram();
  #startedAt: number;
  #intervalAt: number;
  #intervalErrors = 0;
  #lastSuccessAt: number;
  #gapMs = 0;

  constructor(now: number) {
    this.#startedAt = now;
    this.#intervalAt = now;
    this.#lastSuccessAt = now;
  }

  get operations(): number {
    return this.writes + this.reads;
  }

  /** Starts again from nothing: the warm-up is over. */
  restart(now: number): void {
    this.writes = 0;
    this.reads = 0;
    this.misses = 0;
    this.retries = 0;
    Object.assign(this.errors, noErrors());
    this.errorSamples.length = 0;
    this.series.length = 0;
    for (const histogram of [this.#writesNow, this.#readsNow]) histogram.reset();
    this.#writeTimes = newHistogram();
    this.#readTimes = newHistogram();
    this.#startedAt = now;
    this.#intervalAt = now;
    this.#intervalErrors = 0;
    this.#lastSuccessAt = now;
    this.#gapMs = 0;
  }

  /** Successful replies of one batch, sent `latencyMs` before `now`. */
  succeed(now: number, latencyMs: number, writes: number, reads: number, misses: number): void {
    const microseconds = Math.min(MICROSECONDS_MAX, Math.max(1, Math.round(latencyMs * 1000)));
    if (writes > 0) this.#writesNow.recordValueWithCount(microseconds, writes);
    if (reads > 0) this.#readsNow.recordValueWithCount(microseconds, reads);
    this.writes += writes;
    this.reads += reads;
    this.misses += misses;
    this.#gapMs = Math.max(this.#gapMs, now - this.#lastSuccessAt);
    this.#lastSuccessAt = now;
  }

  fail(kind: ErrorKind, count: number, sample?: string): void {
    this.errors[kind] += count;
    if (sample === undefined || (kind !== 'other' && kind !== 'redirect')) return;
    if (this.errorSamples.length < SAMPLES_MAX && !this.errorSamples.includes(sample)) {
      this.errorSamples.push(sample);
    }
  }

  /** Ends the present interval and returns it. */
  endInterval(now: number): Interval {
    const both = together(this.#writesNow, this.#readsNow);
    const errors = totalErrors(this.errors);
    const interval: Interval = {
      atSeconds: (now - this.#startedAt) / 1000,
      seconds: (now - this.#intervalAt) / 1000,
      operations: both.totalCount,
      errors: errors - this.#intervalErrors,
      p50Ms: both.getValueAtPercentile(50) / 1000,
      p99Ms: both.getValueAtPercentile(99) / 1000,
    };
    this.#merge();
    this.#intervalAt = now;
    this.#intervalErrors = errors;
    this.series.push(interval);
    return interval;
  }

  /** The longest time without a success, up to `now`. */
  gapMs(now: number): number {
    return Math.max(this.#gapMs, now - this.#lastSuccessAt);
  }

  secondsSinceStart(now: number): number {
    return (now - this.#startedAt) / 1000;
  }

  latencies(): Record<'all' | 'writes' | 'reads', Percentiles | undefined> {
    this.#merge();
    return {
      all: percentiles(together(this.#writeTimes, this.#readTimes)),
      writes: percentiles(this.#writeTimes),
      reads: percentiles(this.#readTimes),
    };
  }

  #merge(): void {
    this.#writeTimes.add(this.#writesNow);
    this.#readTimes.add(this.#readsNow);
    this.#writesNow.reset();
    this.#readsNow.reset();
  }
}
