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

interface OpenSizes {
  readonly segmentBytes: number;
  readonly maxLogBytes: number;
}

export const OPEN: OpenSizes = { segmentBytes: 5120, maxLogBytes: 4 * 5120 };
/** For a log of 64 KiB, which is four whole segments. */
export const OPEN_LARGE: OpenSizes = { segmentBytes: 16_384, maxLogBytes: 5 * 16_384 };
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
  /** What was acknowledged when the log ended here, in its order. */
  readonly history: readonly Moment[];
  readonly open: OpenSizes;
}

interface Moment {
  readonly name: string;
  readonly offset: number;
  readonly model: Model;
}

/** The log after a kill, its last block proven by nobody; or closed, and sealed by that. */
export function livedLog(closed: boolean): DamageLog {
  return lived(closed, OPEN, () => undefined);
}

/** The same in segments of 16 KiB, and 64 KiB long: the newest of four is nearly full. */
export function livedLongLog(closed: boolean): DamageLog {
  return lived(closed, OPEN_LARGE, fill);
}

type Commit = () => void;

/** Room for what follows: two batches and two seals. */
const LAST_BLOCKS_BYTES = 6144;

/** Blocks of many sizes, up to the end of the fourth segment that is left. */
function fill(caller: RandomCaller, commit: Commit): void {
  const { wal } = caller;
  const oldest = wal.position.segment - wal.segmentCount + 1;
  const end = OPEN_LARGE.segmentBytes - LAST_BLOCKS_BYTES;
  for (let n = 0; wal.position.segment < oldest + 3 || wal.position.offset < end; n += 1) {
    assert.ok(caller.append(n % 5 === 0 ? QUIET : BUSY, 1 + (n % 3), (n * 37) % 420), 'room');
    commit();
    if (n % 7 === 6) wal.seal();
  }
}

/** `more`: what happens to it before its last blocks. */
function lived(
  closed: boolean,
  open: OpenSizes,
  more: (caller: RandomCaller, commit: Commit) => void,
): DamageLog {
  const disk = newDisk();
  const caller = new RandomCaller(disk, new Prng(1), openWal(disk, open), new Map());
  const { wal } = caller;
  const history: Moment[] = [];
  const commit = (): void => {
    caller.commit();
    const { segment, offset } = wal.position;
    history.push({ name: nameOf(segment), offset, model: caller.model });
  };
  caller.submit(QUIET, { hardState: { term: 1, vote: 2 } });
  caller.append(QUIET, 2, 200);
  commit();
  for (let n = 0; wal.counters.copies === 0 || wal.position.segment < 6; n += 1) {
    assert.ok(caller.append(BUSY, 1, 500 + (n % 3) * 200), 'there is room');
    commit();
    if (n % 4 === 2) wal.seal();
    if (n % 3 === 2) caller.compact(BUSY, caller.groupOf(BUSY).base.index + 2);
    commit();
  }
  more(caller, commit);
  caller.append(BUSY, 2, 300);
  commit();
  wal.seal();
  caller.append(BUSY, 1, 100);
  const { segment, offset } = wal.position;
  commit();
  assert.equal(caller.wal.counters.refusals, 0);
  if (closed) wal.close();
  const [model, before] = [caller.models.at(-1)!, caller.models.at(-2)!];
  const last = { name: nameOf(segment), offset };
  return { files: filesOf(disk), model, before, last, history, open };
}

function nameOf(segment: number): string {
  return `${segment.toString(16).padStart(16, '0')}.wal`;
}

/** The blocks of a segment, in their order. */
function blocksOf(files: Files, name: string): { offset: number; bytes: number }[] {
  const reader = readerOf(diskWith(files), name);
  const place = reader.place(reader.header()!.logId);
  const blocks: { offset: number; bytes: number }[] = [];
  for (let offset = SECTOR_BYTES; ; ) {
    const found = reader.block(offset, place);
    if (!isBlock(found)) return blocks;
    const { blockBytes: bytes } = found.frame;
    blocks.push({ offset, bytes });
    offset += bytes;
  }
}

/** Says where the block begins that a byte is part of: 0 for the header, behind all its end. */
export function blockFinder(files: Files, name: string): (at: number) => number {
  const begins = [0];
  let end = SECTOR_BYTES;
  for (const { offset, bytes } of blocksOf(files, name)) {
    end = offset + bytes;
    for (let at = offset; at < end; at += SECTOR_BYTES) begins.push(offset);
  }
  return (at) => begins[Math.floor(at / SECTOR_BYTES)] ?? end;
}

export function readerOf(disk: Disk, name: string): SegmentReader {
  const number = Number.parseInt(name, 16);
  return new SegmentReader(disk, `${DIRECTORY}/${name}`, number, SECTOR_BYTES);
}

/** Where the fields of a segment header end; zeros follow, up to its checksum. */
const HEADER_FIELDS_END = 96;

/** Segment headers and block frames: every bit of these counts. */
export function frameBytesOf(files: Files, name: string): Set<number> {
  const found = new Set<number>();
  const add = (from: number, length: number): void => {
    for (let at = from; at < from + length; at += 1) found.add(at);
  };
  add(0, HEADER_FIELDS_END);
  add(SECTOR_BYTES - 4, 4);
  for (const { offset, bytes } of blocksOf(files, name)) {
    add(offset, FRAME_BYTES);
    add(offset + bytes - FRAME_BYTES, FRAME_BYTES);
  }
  return found;
}

export function segmentsOf(files: Files): string[] {
  return [...files.keys()].filter((name) => name.endsWith('.wal'));
}

export function holds(disk: Disk, { groups }: OpenedWal, model: Model): boolean {
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
