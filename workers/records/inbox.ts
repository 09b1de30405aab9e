/**
 * Records of the inbox ring: what the main thread hands to a group's consensus worker.
 *
 *   PROPOSE  │ batch u32 │ count u32 │ deadline f64 │ mayForward u32 │ 0 u32 │ 0 f64 │ entry slab …
 *   READ     │ batch u32 │ count u32 │ deadline f64 │ consistency u32│ behind u32 │ staleness f64 │
 *            │ queries …
 *   SNAPSHOT │ id u32 │ 0 u32 │                 a snapshot is to be taken now
 *   ADMIN    │ JSON, UTF-8: a transfer or a change of the membership
 *   APPLIED, FAILED │ of a machine hosted on the main thread: see hosted.ts
 *   IMAGE, RESTORE  │ likewise: see hosted-image.ts
 *
 * The slab is entries as in codec/entry.ts; queries are u32 length + bytes, back to back. Deadlines
 * are on the monotonic clock. No other file holds an offset into these records.
 */

import type { Consistency } from '../../engine/config-reads.js';
import type { AdminRequest } from '../../engine/runtime/administration.js';
import type { ProposalBatch } from '../../engine/runtime/proposals.js';
import type { ReadRequest } from '../../engine/runtime/reads.js';

export const InboxKind = {
  propose: 1,
  read: 2,
  applied: 3,
  failed: 4,
  image: 5,
  restore: 6,
  snapshot: 7,
  admin: 8,
} as const;

/** The request for a snapshot whose answer comes back with `id`. */
export function snapshotAsk(id: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(id, 0).buffer);
}

/** The request as a record; rare enough to be text. */
export function adminAsk(request: AdminRequest): Uint8Array {
  return Buffer.from(JSON.stringify(request));
}

export function readAdmin(buffer: Buffer, at: number, bytes: number): AdminRequest {
  return JSON.parse(buffer.toString('utf8', at, at + bytes)) as AdminRequest;
}

const OFFSET_BATCH = 0;
const OFFSET_COUNT = OFFSET_BATCH + 4;
const OFFSET_DEADLINE = OFFSET_COUNT + 4;
const OFFSET_OPTION = OFFSET_DEADLINE + 8;
const OFFSET_BEHIND = OFFSET_OPTION + 4;
const OFFSET_STALENESS = OFFSET_BEHIND + 4;
export const INBOX_HEADER_BYTES = OFFSET_STALENESS + 8;

export function writeProposeHeader(
  view: DataView,
  at: number,
  batch: number,
  count: number,
  deadline: number,
  mayForward: boolean,
): void {
  view.setUint32(at + OFFSET_BATCH, batch, true);
  view.setUint32(at + OFFSET_COUNT, count, true);
  view.setFloat64(at + OFFSET_DEADLINE, deadline, true);
  view.setUint32(at + OFFSET_OPTION, mayForward ? 1 : 0, true);
  view.setUint32(at + OFFSET_BEHIND, 0, true);
  view.setFloat64(at + OFFSET_STALENESS, 0, true);
}

export function writeReadHeader(
  view: DataView,
  at: number,
  batch: number,
  count: number,
  deadline: number,
  consistency: Consistency,
  behindWrites: boolean,
  maxStalenessMs: number,
): void {
  view.setUint32(at + OFFSET_BATCH, batch, true);
  view.setUint32(at + OFFSET_COUNT, count, true);
  view.setFloat64(at + OFFSET_DEADLINE, deadline, true);
  view.setUint32(at + OFFSET_OPTION, consistency, true);
  view.setUint32(at + OFFSET_BEHIND, behindWrites ? 1 : 0, true);
  view.setFloat64(at + OFFSET_STALENESS, maxStalenessMs, true);
}

export function readPropose(
  slab: Buffer,
  view: DataView,
  at: number,
  bytes: number,
): ProposalBatch {
  return {
    id: view.getUint32(at + OFFSET_BATCH, true),
    count: view.getUint32(at + OFFSET_COUNT, true),
    deadline: view.getFloat64(at + OFFSET_DEADLINE, true),
    mayForward: view.getUint32(at + OFFSET_OPTION, true) === 1,
    slab,
    start: at + INBOX_HEADER_BYTES,
    end: at + bytes,
  };
}

export function readRead(buffer: Buffer, view: DataView, at: number, bytes: number): ReadRequest {
  return {
    id: view.getUint32(at + OFFSET_BATCH, true),
    count: view.getUint32(at + OFFSET_COUNT, true),
    deadline: view.getFloat64(at + OFFSET_DEADLINE, true),
    consistency: view.getUint32(at + OFFSET_OPTION, true) as Consistency,
    behindWrites: view.getUint32(at + OFFSET_BEHIND, true) === 1,
    maxStalenessMs: view.getFloat64(at + OFFSET_STALENESS, true),
    buffer,
    start: at + INBOX_HEADER_BYTES,
    end: at + bytes,
  };
}
