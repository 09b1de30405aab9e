/**
 * Records between a consensus worker and the io thread.
 *
 *   PERSIST │ seq │ generation │ term │ hs term │ hs vote │ truncateAfter │ configuration index │
 *           │ flags │ compact index │ its term │ reset index │ its term (twelve f64; −1: absent)│
 *           │ runs u32 │ configuration bytes u32 │
 *           │ per run: term f64 │ first f64 │ count u32 │ position u32 │ bytes u32 │ 0 u32      │
 *           │ configuration bytes                                                               │
 *   STOPPED  empty: the group submits no more and forgets nothing
 *   STORED  │ seq │ generation │ term │ lastIndex │ segment │ offset │  (six f64)
 *   PROMISED  the same: only term and vote of submission seq are durable
 *   MOVED   │ first │ last │ segment │ offset │  (four f64): where these entries lie from now on
 *   MUST_SNAPSHOT │ urgent u32: the group's entries keep the log from becoming shorter
 *
 * A run is a place in the group's arena: the bytes themselves never pass through the ring.
 */

import type { MovedStretch } from '../../engine/runtime/block-index.js';
import type { StoredAck } from '../../engine/runtime/group-runtime.js';
import type { Submission } from '../../engine/runtime/ports.js';
import type { LogPoint, MovedEntries, PersistAck, PersistRequest } from '../../io/wal/wal-types.js';

export const StorageKind = {
  persist: 1,
  stored: 2,
  promised: 3,
  moved: 4,
  mustSnapshot: 5,
  stopped: 6,
} as const;

const CLEARS_DOUBT = 1;
const USES_RESERVE = 2;

const NUMBER_BYTES = 8;
const ABSENT = -1;
const NUMBERS = 12;
const OFFSET_RUNS = NUMBERS * NUMBER_BYTES;
const OFFSET_CONFIGURATION_BYTES = OFFSET_RUNS + 4;
const PERSIST_HEADER_BYTES = OFFSET_CONFIGURATION_BYTES + 4;
const RUN_TERM = 0;
const RUN_FIRST = RUN_TERM + NUMBER_BYTES;
const RUN_COUNT = RUN_FIRST + NUMBER_BYTES;
const RUN_POSITION = RUN_COUNT + 4;
const RUN_LENGTH = RUN_POSITION + 4;
const RUN_BYTES = RUN_LENGTH + 8;
export const STORED_BYTES = 6 * NUMBER_BYTES;
export const MOVED_BYTES = 4 * NUMBER_BYTES;
export const MUST_SNAPSHOT_BYTES = 4;

export function persistBytes(submission: Submission): number {
  const configuration = submission.configuration?.bytes.length ?? 0;
  return PERSIST_HEADER_BYTES + submission.runs.length * RUN_BYTES + configuration;
}

export function writePersist(bytes: Buffer, view: DataView, at: number, from: Submission): void {
  const numbers = [
    from.seq,
    from.generation,
    from.term,
    from.hardState?.term ?? ABSENT,
    from.hardState?.vote ?? ABSENT,
    from.truncateAfter ?? ABSENT,
    from.configuration?.index ?? ABSENT,
    (from.clearsDoubt ? CLEARS_DOUBT : 0) | (from.usesReserve ? USES_RESERVE : 0),
    from.compact?.index ?? ABSENT,
    from.compact?.term ?? ABSENT,
    from.reset?.index ?? ABSENT,
    from.reset?.term ?? ABSENT,
  ];
  for (const [i, value] of numbers.entries()) view.setFloat64(at + i * NUMBER_BYTES, value, true);
  view.setUint32(at + OFFSET_RUNS, from.runs.length, true);
  view.setUint32(at + OFFSET_CONFIGURATION_BYTES, from.configuration?.bytes.length ?? 0, true);
  let run = at + PERSIST_HEADER_BYTES;
  for (const { term, first, count, position, bytes: length } of from.runs) {
    view.setFloat64(run + RUN_TERM, term, true);
    view.setFloat64(run + RUN_FIRST, first, true);
    view.setUint32(run + RUN_COUNT, count, true);
    view.setUint32(run + RUN_POSITION, position, true);
    view.setUint32(run + RUN_LENGTH, length, true);
    run += RUN_BYTES;
  }
  if (from.configuration !== null) bytes.set(from.configuration.bytes, run);
}

/** The request a record describes; `region` finds the bytes of a run in the group's arena. */
export function readPersist(
  group: number,
  bytes: Buffer,
  view: DataView,
  at: number,
  region: (position: number, length: number) => Uint8Array,
): PersistRequest {
  const number = (which: number): number => view.getFloat64(at + which * NUMBER_BYTES, true);
  const runs = [];
  let run = at + PERSIST_HEADER_BYTES;
  const count = view.getUint32(at + OFFSET_RUNS, true);
  for (let i = 0; i < count; i += 1, run += RUN_BYTES) {
    const position = view.getUint32(run + RUN_POSITION, true);
    runs.push({
      term: view.getFloat64(run + RUN_TERM, true),
      first: view.getFloat64(run + RUN_FIRST, true),
      count: view.getUint32(run + RUN_COUNT, true),
      bytes: region(position, view.getUint32(run + RUN_LENGTH, true)),
    });
  }
  const point = (which: number): LogPoint => ({ index: number(which), term: number(which + 1) });
  const configured = view.getUint32(at + OFFSET_CONFIGURATION_BYTES, true);
  return {
    group,
    seq: number(0),
    generation: number(1),
    term: number(2),
    ...(number(3) === ABSENT ? {} : { hardState: { term: number(3), vote: number(4) } }),
    ...(number(5) === ABSENT ? {} : { truncateAfter: number(5) }),
    ...(number(6) === ABSENT
      ? {}
      : {
          configuration: {
            index: number(6),
            bytes: Uint8Array.from(bytes.subarray(run, run + configured)),
          },
        }),
    clearsDoubt: (number(7) & CLEARS_DOUBT) !== 0,
    usesReserve: (number(7) & USES_RESERVE) !== 0,
    ...(number(8) === ABSENT ? {} : { compact: point(8) }),
    ...(number(10) === ABSENT ? {} : { reset: point(10) }),
    runs,
  };
}

export function writeStored(view: DataView, at: number, ack: PersistAck): void {
  const numbers = [ack.seq, ack.generation, ack.term, ack.lastIndex, ack.segment, ack.offset];
  for (const [i, value] of numbers.entries()) view.setFloat64(at + i * NUMBER_BYTES, value, true);
}

export function readStored(view: DataView, at: number): StoredAck {
  const number = (which: number): number => view.getFloat64(at + which * NUMBER_BYTES, true);
  return {
    seq: number(0),
    generation: number(1),
    term: number(2),
    lastIndex: number(3),
    segment: number(4),
    offset: number(5),
  };
}

export function writeMustSnapshot(view: DataView, at: number, isUrgent: boolean): void {
  view.setUint32(at, isUrgent ? 1 : 0, true);
}

export function readMustSnapshot(view: DataView, at: number): boolean {
  return view.getUint32(at, true) === 1;
}

export function writeMoved(view: DataView, at: number, moved: MovedEntries): void {
  const numbers = [moved.first, moved.last, moved.segment, moved.offset];
  for (const [i, value] of numbers.entries()) view.setFloat64(at + i * NUMBER_BYTES, value, true);
}

export function readMoved(view: DataView, at: number): MovedStretch {
  const number = (which: number): number => view.getFloat64(at + which * NUMBER_BYTES, true);
  return { first: number(0), last: number(1), segment: number(2), offset: number(3) };
}
