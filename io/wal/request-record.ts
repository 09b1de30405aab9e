/**
 * One group's request as the body of a batch block holds it.
 *
 *   ┌────────────┬──────────────────────────────┬────────────────┬─────────────────────┬─ …
 *   │ head, 80 B │ configuration (record-cursor)│ run head, 24 B │ entries of the run  │ next run
 *   └────────────┴──────────────────────────────┴────────────────┴─────────────────────┴─ …
 *    … ─┬──────────────────────┬────────────────────────┐
 *       │ reset: index, term   │ compaction: index, term│  u64 each, only when their flag is set
 *    … ─┴──────────────────────┴────────────────────────┘
 *   head      u32 recordBytes, group, flags, runs
 *             u64 seq, generation, term, lastIndex, hardTerm, hardVote, truncateAfter, 0
 *   run head  u64 term, first · u32 count, bytes
 *
 * All multiples of 8, so entries keep the alignment that they have in an arena. A record without
 * points is what it was before logs were compacted, byte for byte. A *copy* repeats entries that
 * lie in an older segment, and changes nothing but where they lie.
 * No other file holds an offset into this record. This file must never interpret an entry.
 */

import { writeU64 } from '../../codec/u64.js';
import {
  CONFIGURATION_HEAD_BYTES,
  padded,
  RecordCursor,
  type WalConfiguration,
  writeConfiguration,
} from './record-cursor.js';
import type { LogPoint, PersistRequest, PersistRun } from './wal-types.js';

const HAS_HARD_STATE = 1;
const HAS_TRUNCATION = 2;
const HAS_CONFIGURATION = 4;
const CLEARS_DOUBT = 8;
const HAS_COMPACTION = 16;
const HAS_RESET = 32;
const IS_COPY = 64;
const FLAGS_KNOWN = 127;

const OFFSET_RECORD_BYTES = 0;
const OFFSET_GROUP = OFFSET_RECORD_BYTES + 4;
const OFFSET_FLAGS = OFFSET_GROUP + 4;
const OFFSET_RUNS = OFFSET_FLAGS + 4;
const OFFSET_SEQ = OFFSET_RUNS + 4;
const OFFSET_GENERATION = OFFSET_SEQ + 8;
const OFFSET_TERM = OFFSET_GENERATION + 8;
const OFFSET_LAST = OFFSET_TERM + 8;
const OFFSET_HARD_TERM = OFFSET_LAST + 8;
const OFFSET_HARD_VOTE = OFFSET_HARD_TERM + 8;
const OFFSET_TRUNCATE = OFFSET_HARD_VOTE + 8;
const OFFSET_RESERVED = OFFSET_TRUNCATE + 8;
const REQUEST_HEAD_BYTES = OFFSET_RESERVED + 8;

const OFFSET_RUN_TERM = 0;
const OFFSET_RUN_FIRST = OFFSET_RUN_TERM + 8;
const OFFSET_RUN_COUNT = OFFSET_RUN_FIRST + 8;
const OFFSET_RUN_BYTES = OFFSET_RUN_COUNT + 4;
const RUN_HEAD_BYTES = OFFSET_RUN_BYTES + 4;

const OFFSET_POINT_INDEX = 0;
const OFFSET_POINT_TERM = OFFSET_POINT_INDEX + 8;
const POINT_BYTES = OFFSET_POINT_TERM + 8;

/** A run inside a block: its entries are `bytes` of the window from byte `start`. */
export interface StoredRun {
  readonly term: number;
  readonly first: number;
  readonly count: number;
  readonly start: number;
  readonly bytes: number;
}

/** One request as a block holds it; `configuration.bytes` is a copy, runs point into the window. */
export interface StoredRequest {
  readonly group: number;
  readonly seq: number;
  readonly generation: number;
  readonly term: number;
  readonly lastIndex: number;
  readonly hardState: { readonly term: number; readonly vote: number } | null;
  readonly truncateAfter: number | null;
  readonly configuration: WalConfiguration | null;
  readonly clearsDoubt: boolean;
  readonly reset: LogPoint | null;
  readonly compact: LogPoint | null;
  readonly isCopy: boolean;
  readonly runs: readonly StoredRun[];
}

/** Bytes that a request takes in a block's body. */
export function requestRecordBytes(request: PersistRequest): number {
  let bytes = REQUEST_HEAD_BYTES + CONFIGURATION_HEAD_BYTES;
  bytes += padded(request.configuration?.bytes.length ?? 0);
  for (const run of request.runs) bytes += RUN_HEAD_BYTES + run.bytes.length;
  if (request.reset !== undefined) bytes += POINT_BYTES;
  if (request.compact !== undefined) bytes += POINT_BYTES;
  return bytes;
}

/** Writes a request record at `start` and returns where it ends. Entries are copied run by run. */
export function writeRequestRecord(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  request: PersistRequest,
  lastIndex: number,
  isCopy = false,
): number {
  const { hardState, truncateAfter, configuration, reset, compact } = request;
  const flags = flagsOf(request) | (isCopy ? IS_COPY : 0);
  view.setUint32(start + OFFSET_GROUP, request.group, true);
  view.setUint32(start + OFFSET_FLAGS, flags, true);
  view.setUint32(start + OFFSET_RUNS, request.runs.length, true);
  writeU64(view, start + OFFSET_SEQ, request.seq);
  writeU64(view, start + OFFSET_GENERATION, request.generation);
  writeU64(view, start + OFFSET_TERM, request.term);
  writeU64(view, start + OFFSET_LAST, lastIndex);
  writeU64(view, start + OFFSET_HARD_TERM, hardState?.term ?? 0);
  writeU64(view, start + OFFSET_HARD_VOTE, hardState?.vote ?? 0);
  writeU64(view, start + OFFSET_TRUNCATE, truncateAfter ?? 0);
  writeU64(view, start + OFFSET_RESERVED, 0);
  const at = writeConfiguration(bytes, view, start + REQUEST_HEAD_BYTES, configuration ?? null);
  let end = writeRuns(bytes, view, at, request.runs);
  if (reset !== undefined) end = writePoint(view, end, reset);
  if (compact !== undefined) end = writePoint(view, end, compact);
  view.setUint32(start + OFFSET_RECORD_BYTES, end - start, true);
  return end;
}

function flagsOf(request: PersistRequest): number {
  let flags = 0;
  if (request.hardState !== undefined) flags |= HAS_HARD_STATE;
  if (request.truncateAfter !== undefined) flags |= HAS_TRUNCATION;
  if (request.configuration !== undefined) flags |= HAS_CONFIGURATION;
  if (request.clearsDoubt === true) flags |= CLEARS_DOUBT;
  if (request.compact !== undefined) flags |= HAS_COMPACTION;
  if (request.reset !== undefined) flags |= HAS_RESET;
  return flags;
}

function writePoint(view: DataView, at: number, { index, term }: LogPoint): number {
  writeU64(view, at + OFFSET_POINT_INDEX, index);
  writeU64(view, at + OFFSET_POINT_TERM, term);
  return at + POINT_BYTES;
}

function writeRuns(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  runs: readonly PersistRun[],
): number {
  let at = start;
  for (const run of runs) {
    writeU64(view, at + OFFSET_RUN_TERM, run.term);
    writeU64(view, at + OFFSET_RUN_FIRST, run.first);
    view.setUint32(at + OFFSET_RUN_COUNT, run.count, true);
    view.setUint32(at + OFFSET_RUN_BYTES, run.bytes.length, true);
    bytes.set(run.bytes, at + RUN_HEAD_BYTES);
    at += RUN_HEAD_BYTES + run.bytes.length;
  }
  return at;
}

/** Decodes the requests of a verified body; null when they do not fill it exactly. */
export function readRequests(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  bodyBytes: number,
  requests: number,
): StoredRequest[] | null {
  const cursor = new RecordCursor(bytes, view, start, start + bodyBytes);
  const found: StoredRequest[] = [];
  for (let n = 0; n < requests; n += 1) {
    const request = readRequest(cursor);
    if (request === null) return null;
    found.push(request);
  }
  return cursor.at === start + bodyBytes ? found : null;
}

function readRequest(cursor: RecordCursor): StoredRequest | null {
  if (!cursor.has(REQUEST_HEAD_BYTES)) return null;
  const end = cursor.at + cursor.u32(OFFSET_RECORD_BYTES);
  const group = cursor.u32(OFFSET_GROUP);
  const flags = cursor.u32(OFFSET_FLAGS);
  const runCount = cursor.u32(OFFSET_RUNS);
  const seq = cursor.u64(OFFSET_SEQ);
  const generation = cursor.u64(OFFSET_GENERATION);
  const term = cursor.u64(OFFSET_TERM);
  const lastIndex = cursor.u64(OFFSET_LAST);
  const hardTerm = cursor.u64(OFFSET_HARD_TERM);
  const hardVote = cursor.u64(OFFSET_HARD_VOTE);
  const after = cursor.u64(OFFSET_TRUNCATE);
  cursor.at += REQUEST_HEAD_BYTES;
  const configuration = cursor.configuration();
  if (configuration === null) return null;
  const runs = readRuns(cursor, runCount);
  const reset = (flags & HAS_RESET) === 0 ? null : readPoint(cursor);
  const compact = (flags & HAS_COMPACTION) === 0 ? null : readPoint(cursor);
  if (reset === undefined || compact === undefined || (flags & ~FLAGS_KNOWN) !== 0) return null;
  if (runs === null || cursor.at !== end) return null;
  return {
    group,
    seq,
    generation,
    term,
    lastIndex,
    hardState: (flags & HAS_HARD_STATE) === 0 ? null : { term: hardTerm, vote: hardVote },
    truncateAfter: (flags & HAS_TRUNCATION) === 0 ? null : after,
    configuration: (flags & HAS_CONFIGURATION) === 0 ? null : configuration,
    clearsDoubt: (flags & CLEARS_DOUBT) !== 0,
    reset,
    compact,
    isCopy: (flags & IS_COPY) !== 0,
    runs,
  };
}

/** Steps over a point; undefined when it does not fit. */
function readPoint(cursor: RecordCursor): LogPoint | undefined {
  if (!cursor.has(POINT_BYTES)) return undefined;
  const point = { index: cursor.u64(OFFSET_POINT_INDEX), term: cursor.u64(OFFSET_POINT_TERM) };
  cursor.at += POINT_BYTES;
  return point;
}

function readRuns(cursor: RecordCursor, runCount: number): StoredRun[] | null {
  const runs: StoredRun[] = [];
  for (let n = 0; n < runCount; n += 1) {
    if (!cursor.has(RUN_HEAD_BYTES)) return null;
    const run = {
      term: cursor.u64(OFFSET_RUN_TERM),
      first: cursor.u64(OFFSET_RUN_FIRST),
      count: cursor.u32(OFFSET_RUN_COUNT),
      start: cursor.at + RUN_HEAD_BYTES,
      bytes: cursor.u32(OFFSET_RUN_BYTES),
    };
    cursor.at += RUN_HEAD_BYTES;
    if (!cursor.has(run.bytes)) return null;
    cursor.at += run.bytes;
    runs.push(run);
  }
  return runs;
}
