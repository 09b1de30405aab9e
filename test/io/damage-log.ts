/**
 * A small log that has lived through everything a log can: two groups, compactions, copies, seals,
 * given-back segments and one that was begun in a recycled file; and what a start may make of it
 * once it was damaged.
 *
 * The files are made once and never changed: whoever damages them works on a copy.
 */

import assert from 'node:assert/strict';
import { Prng } from '../../engine/raft/prng.js';
import type { Disk } from '../../io/disk/disk.js';
import { FRAME_BYTES } from '../../io/wal/block-format.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import { SECTOR_BYTES } from '../../io/wal/segment-format.js';
import { isBlock, SegmentReader } from '../../io/wal/segment-reader.js';
import type { OpenedWal } from '../../io/wal/wal.js';
import { differs, type Model, RandomCaller } from './reclaim-model.js';
import { DIRECTORY, diskWith, filesOf, newDisk, openWal } from './wal-harness.js';

const SEGMENT_BYTES = 5120;
export const OPEN = { segmentBytes: SEGMENT_BYTES, maxLogBytes: 4 * SEGMENT_BYTES };
export const QUIET = 1;
export const BUSY = 2;

export type Files = ReadonlyMap<string, Uint8Array>;

export interface DamageLog {
  readonly files: Files;
  /** Everything that was acknowledged. */
  readonly model: Model;
  /** The same without the last block, which holds entries of `BUSY` alone. */
  readonly before: Model;
  /** Where the last block with a request lies. */
  readonly last: { readonly name: string; readonly offset: number };
}

/** The log after a kill, its last block proven by nobody; or closed, and sealed by that. */
export function livedLog(closed: boolean): DamageLog {
  const disk = newDisk();
  const caller = new RandomCaller(disk, new Prng(1), openWal(disk, OPEN), new Map());
  const { wal } = caller;
  caller.submit(QUIET, { hardState: { term: 1, vote: 2 } });
  caller.append(QUIET, 2, 200);
  caller.commit();
  for (let n = 0; wal.counters.copies === 0 || wal.position.segment < 6; n += 1) {
    assert.ok(caller.append(BUSY, 1, 500 + (n % 3) * 200), 'there is room');
    caller.commit();
    if (n % 4 === 2) wal.seal();
    if (n % 3 === 2) caller.compact(BUSY, caller.groupOf(BUSY).base.index + 2);
    caller.commit();
  }
  caller.append(BUSY, 2, 300);
  caller.commit();
  wal.seal();
  caller.append(BUSY, 1, 100);
  const { segment, offset } = wal.position;
  caller.commit();
  assert.equal(caller.wal.counters.refusals, 0);
  if (closed) wal.close();
  const name = `${segment.toString(16).padStart(16, '0')}.wal`;
  const [model, before] = [caller.models.at(-1)!, caller.models.at(-2)!];
  return { files: filesOf(disk), model, before, last: { name, offset } };
}

/** Where the fields of a segment header end; zeros follow, up to its checksum. */
const HEADER_FIELDS_END = 96;

/** Segment headers and block frames: every bit of these counts. */
export function frameBytesOf(files: Files, name: string): Set<number> {
  const bytes = new Set<number>();
  const add = (from: number, length: number): void => {
    for (let at = from; at < from + length; at += 1) bytes.add(at);
  };
  const number = Number.parseInt(name, 16);
  const reader = new SegmentReader(diskWith(files), `${DIRECTORY}/${name}`, number, SECTOR_BYTES);
  add(0, HEADER_FIELDS_END);
  add(SECTOR_BYTES - 4, 4);
  const place = reader.place(reader.header()!.logId);
  for (let offset = SECTOR_BYTES; ; ) {
    const found = reader.block(offset, place);
    if (!isBlock(found)) return bytes;
    const { blockBytes } = found.frame;
    add(offset, FRAME_BYTES);
    add(offset + blockBytes - FRAME_BYTES, FRAME_BYTES);
    offset += blockBytes;
  }
}

export function segmentsOf(files: Files): string[] {
  return [...files.keys()].filter((name) => name.endsWith('.wal'));
}

function holds(disk: Disk, { groups }: OpenedWal, model: Model): boolean {
  return [...model].every(([group, one]) => {
    const found = groups.find((candidate) => candidate.group === group);
    return !differs(disk, found, one);
  });
}

/** Whole: everything is there. Cut: the last block alone is not, and its group is in doubt. */
export function outcomeOf(disk: Disk, opened: OpenedWal, log: DamageLog): 'whole' | 'cut' {
  if (holds(disk, opened, log.model)) {
    assert.ok(!isInDoubt(opened, QUIET) && !isInDoubt(opened, BUSY), 'nobody is in doubt');
    return 'whole';
  }
  assert.ok(
    holds(disk, opened, log.before),
    'a start that goes on has lost the last block at most',
  );
  assert.ok(isInDoubt(opened, BUSY), 'and says so');
  assert.ok(!isInDoubt(opened, QUIET), 'of nobody else');
  return 'cut';
}
