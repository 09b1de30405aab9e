/**
 * Every bit of a log of 64 KiB flipped, and every length of what a crash may leave of it, after a
 * close and after a kill.
 *
 * A start reads a segment by three functions alone: its header, a block, and the frames of a
 * sector (io/wal/segment-reader.ts). What they make of a flipped bit is its *sight*, looked at for
 * each of more than a million bits. Two flips in one sector with the same sight are the same log to
 * a start; so it is started once for each sight of each sector, and for a part of all other bits,
 * where it has to end just as that did.
 */

import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { DiskFile } from '../../io/disk/disk.js';
import type { MemoryDisk } from '../../io/disk/memory-disk.js';
import {
  type BlockFrame,
  BlockKind,
  FRAME_BYTES,
  type FramePlace,
  readHeaderFrame,
  readTrailerFrame,
} from '../../io/wal/block-format.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import { SECTOR_BYTES } from '../../io/wal/segment-format.js';
import { isBlock, type SegmentReader } from '../../io/wal/segment-reader.js';
import { WalDamage } from '../../io/wal/wal-errors.js';
import { assertNamed, Bench, type Outcome } from './damage-bench.js';
import {
  BUSY,
  blockFinder,
  type DamageLog,
  holds,
  livedLongLog,
  outcomeOf,
  QUIET,
  readerOf,
  segmentsOf,
} from './damage-log.js';
import { DIRECTORY, diskWith, openWal } from './wal-harness.js';

const LOG_BYTES = 64 * 1024;
/** A prime: bits of every place in a byte and of every byte of a frame are among them. */
const STARTED_SHARE = 31;

/** One segment as a start sees it, while a test changes it. */
class Segment {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly #file: DiskFile;
  readonly #reader: SegmentReader;
  readonly #place: FramePlace;
  /** Where the block begins that a byte is part of. */
  readonly blockAt: (at: number) => number;
  readonly #byte = new Uint8Array(1);

  constructor(disk: MemoryDisk, { files }: DamageLog, name: string) {
    this.name = name;
    this.bytes = files.get(name)!;
    this.#file = disk.open(`${DIRECTORY}/${name}`, 'readwrite');
    this.#reader = readerOf(disk, name);
    this.#place = this.#reader.place(this.#reader.header()!.logId);
    this.blockAt = blockFinder(files, name);
  }

  /** The block that began here before; null behind the end, where a former life may lie. */
  frameAt(offset: number): BlockFrame | null {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset);
    return readHeaderFrame(this.bytes, view, offset, offset, this.#place);
  }

  set(at: number, value: number): void {
    this.#byte[0] = value;
    this.#file.write(this.#byte, 0, 1, at);
  }

  /** What a start sees of the sector that this byte lies in, and of the block around it. */
  sight(at: number): string {
    const reader = this.#reader;
    reader.forget();
    if (at < SECTOR_BYTES) return JSON.stringify(reader.header());
    const found = reader.block(this.blockAt(at), this.#place);
    const block = isBlock(found) ? `block ${found.frame.crc}` : `${found.zero} ${found.what}`;
    const offset = at - (at % SECTOR_BYTES);
    const start = reader.locate(offset, SECTOR_BYTES);
    const end = SECTOR_BYTES - FRAME_BYTES;
    const { bytes, view } = reader;
    const header = readHeaderFrame(bytes, view, start, offset, this.#place);
    const trailer = readTrailerFrame(bytes, view, start + end, offset + end, this.#place);
    return `${block} ${header?.crc} ${trailer?.crc}`;
  }
}

interface Tally {
  bits: number;
  whole: number;
  cut: number;
  refused: number;
  /** How often the log was really started. */
  starts: number;
}

/** What a flip ended in, told so that two can be compared. */
function told(outcome: Outcome): string {
  return outcome instanceof WalDamage ? outcome.message : outcome;
}

function assertHarmless(outcome: Outcome, log: DamageLog, segment: Segment, at: number): void {
  const { name, blockAt } = segment;
  if (outcome instanceof WalDamage) assertNamed(outcome, name, at, blockAt(at));
  else {
    const isLast = name === log.last.name && at >= log.last.offset;
    assert.ok(outcome === 'whole' || isLast, `byte ${at} of ${name} cut the log`);
  }
}

function flipEveryBit(log: DamageLog): Tally {
  const tally: Tally = { bits: 0, whole: 0, cut: 0, refused: 0, starts: 0 };
  const bench = new Bench(log);
  const disk = diskWith(log.files);
  for (const name of segmentsOf(log.files)) {
    const segment = new Segment(disk, log, name);
    let outcomes = new Map<string, Outcome>();
    for (let at = 0; at < segment.bytes.length; at += 1) {
      if (at % SECTOR_BYTES === 0) outcomes = new Map();
      const byte = segment.bytes[at]!;
      const unharmed = segment.sight(at);
      for (let bit = 0; bit < 8; bit += 1) {
        segment.set(at, byte ^ (1 << bit));
        const sight = segment.sight(at);
        const known = outcomes.get(sight);
        let outcome = known;
        if (outcome === undefined || tally.bits % STARTED_SHARE === 0) {
          outcome = bench.flipped(name, at, 1 << bit);
          tally.starts += 1;
        }
        if (known === undefined) outcomes.set(sight, outcome);
        else if (known !== outcome) assert.equal(told(outcome), told(known), `${at} of ${name}`);
        if (sight === unharmed) assert.equal(outcome, 'whole', `byte ${at} of ${name}`);
        assertHarmless(outcome, log, segment, at);
        tally.bits += 1;
        tally[outcome instanceof WalDamage ? 'refused' : outcome] += 1;
      }
      segment.set(at, byte);
    }
  }
  bench.assertUntouched();
  return tally;
}

function tell(t: TestContext, log: DamageLog, { bits, starts, ...ends }: Tally): void {
  const bytes = segmentsOf(log.files).reduce((sum, name) => sum + log.files.get(name)!.length, 0);
  assert.equal(bytes, LOG_BYTES);
  assert.equal(bits, bytes * 8);
  t.diagnostic(`${bits} bits of ${bytes} bytes, ${starts} starts: ${JSON.stringify(ends)}`);
}

test('any bit of a closed log of 64 KiB is refused by name or harms nothing', (t) => {
  const log = livedLongLog(true);
  const tally = flipEveryBit(log);
  tell(t, log, tally);
  assert.equal(tally.cut, 0);
  assert.ok(tally.refused > 400_000 && tally.whole > 10_000, JSON.stringify(tally));
});

test('any bit of a log of 64 KiB whose process was killed costs its last block at most', (t) => {
  const log = livedLongLog(false);
  const tally = flipEveryBit(log);
  tell(t, log, tally);
  assert.ok(tally.cut > 4_000, JSON.stringify(tally));
  assert.ok(tally.refused > 400_000 && tally.whole > 10_000, JSON.stringify(tally));
});

test('a segment of any other length is refused: it has its full one from birth', () => {
  for (const closed of [true, false]) {
    const { files, open } = livedLongLog(closed);
    for (const name of segmentsOf(files)) {
      const { length: full } = files.get(name)!;
      const disk = diskWith(files);
      const file = disk.open(`${DIRECTORY}/${name}`, 'readwrite');
      const assertRefused = (length: number): void => {
        file.truncate(length);
        assert.throws(
          () => openWal(disk, open),
          (error) =>
            error instanceof WalDamage &&
            error.path === `${DIRECTORY}/${name}` &&
            /the file has (only )?\d+ bytes/.test(error.message),
          `${length} bytes of ${name}`,
        );
      };
      for (const more of [512, 1]) assertRefused(full + more);
      for (let length = full - 1; length >= 0; length -= 1) assertRefused(length);
    }
  }
});

/** How far the log is certainly whole that has zeros from this byte of this segment on. */
function momentsBefore({ history }: DamageLog, name: string, block: number): number {
  return history.filter((one) => one.name < name || (one.name === name && one.offset <= block))
    .length;
}

type TailEnd = 'whole' | 'torn' | 'ended' | 'refused';

/** What a start makes of zeros where the end of a segment was. */
function tailEnd(log: DamageLog, segment: Segment, at: number): TailEnd {
  const { name, bytes, blockAt } = segment;
  const disk = diskWith(new Map(log.files).set(name, bytes.slice().fill(0, at)));
  // Zeros that were there before are no damage.
  const first = bytes.findIndex((byte, place) => place >= at && byte !== 0);
  try {
    const opened = openWal(disk, log.open);
    const block = blockAt(first);
    const frame = first < 0 ? null : segment.frameAt(block);
    // A handover says only that the next segment was begun, and here it is.
    if (frame === null || frame.kind === BlockKind.handover) {
      assert.equal(outcomeOf(disk, opened, log), 'whole');
      return 'whole';
    }
    assert.equal(name, log.last.name, `byte ${at} of ${name}: what a later segment proves is gone`);
    const found = log.history.findLastIndex(({ model }) => holds(disk, opened, model));
    assert.ok(
      found >= momentsBefore(log, name, block) - 1,
      `byte ${at}: more than the end is gone`,
    );
    const isTorn = first >= block + FRAME_BYTES && frame.kind === BlockKind.batch;
    assert.equal(isInDoubt(opened, QUIET) || isInDoubt(opened, BUSY), isTorn, `byte ${at} says so`);
    return isTorn ? 'torn' : 'ended';
  } catch (error) {
    if (!(error instanceof WalDamage)) throw error;
    assertNamed(error, name, first, blockAt(first));
    return 'refused';
  }
}

test('a tail of zeros at any byte is refused, or is the end of what nothing later proves', (t) => {
  for (const closed of [true, false]) {
    const log = livedLongLog(closed);
    const tally = { bytes: 0, starts: 0, whole: 0, torn: 0, ended: 0, refused: 0 };
    const disk = diskWith(log.files);
    for (const name of segmentsOf(log.files)) {
      const segment = new Segment(disk, log, name);
      let ends = new Map<string, TailEnd>();
      for (let at = segment.bytes.length - 1; at >= 0; at -= 1) {
        segment.set(at, 0);
        const sight = segment.sight(at);
        if (!ends.has(sight)) {
          ends.set(sight, tailEnd(log, segment, at));
          tally.starts += 1;
        }
        tally.bytes += 1;
        tally[ends.get(sight)!] += 1;
        if (at % SECTOR_BYTES === 0) ends = new Map();
      }
    }
    assert.equal(tally.bytes, LOG_BYTES);
    t.diagnostic(`${closed ? 'closed' : 'killed'}: ${JSON.stringify(tally)}`);
    assert.ok(tally.refused > 40_000 && tally.ended > 1000, JSON.stringify(tally));
  }
});
