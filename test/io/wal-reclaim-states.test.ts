/**
 * The table of docs/wal-format.md on segments that are given back, row by row: each state is
 * reached, with everything that may survive a loss of power there, and left as the table says.
 */

import assert from 'node:assert/strict';
import { Prng } from '../../engine/raft/prng.js';
import type { Disk } from '../../io/disk/disk.js';
import type { CrashOptions, SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import type { OpenedWal } from '../../io/wal/wal.js';
import { type Change, ObservedDisk } from './observed-disk.js';
import { differs, type Model, RandomCaller } from './reclaim-model.js';
import { DIRECTORY, newDisk, openWal } from './wal-harness.js';
import { each, type Row, testTable } from './wal-table.js';

const SEGMENT_BYTES = 8192;
const OPEN = { segmentBytes: SEGMENT_BYTES, maxLogBytes: 4 * SEGMENT_BYTES };
const QUIET = 1;
const BUSY = 2;

const CRASHES: readonly CrashOptions[] = [
  { keepSector: 0, keepDirectoryOperation: 0 },
  { keepSector: 1, keepDirectoryOperation: 1 },
  { keepSector: 0, keepDirectoryOperation: 1 },
  { keepSector: 0.5, keepDirectoryOperation: 1 },
  { keepSector: 0.5 },
];

interface Moment {
  readonly disk: SimulatedDisk;
  readonly caller: RandomCaller;
}

/** An idle group beside a busy one that compacts: copies, freed segments, recycled files. */
function live(disk: ObservedDisk, begun: (caller: RandomCaller) => void): void {
  const caller = new RandomCaller(disk, new Prng(1), openWal(disk, OPEN), new Map());
  begun(caller);
  caller.append(QUIET, 2, 300);
  for (let n = 0; n < 30; n += 1) {
    disk.phase = 'stage';
    caller.append(BUSY, 1, 1200);
    disk.phase = 'commit';
    caller.wal.commit(0);
    caller.acknowledged = caller.models.length - 1;
    if (n % 6 === 5) caller.compact(BUSY, n);
    disk.phase = 'compact';
    caller.wal.commit(0);
    caller.acknowledged = caller.models.length - 1;
    disk.phase = 'copy';
    while (caller.wal.reclaim());
    disk.phase = 'recycle';
    caller.wal.recycleFreed();
  }
}

function* momentsOf(is: (change: Change, before: readonly Change[]) => boolean): Generator<Moment> {
  const whole = new ObservedDisk(newDisk());
  live(whole, () => {});
  for (const [at, change] of whole.changes.entries()) {
    if (!is(change, whole.changes.slice(0, at))) continue;
    for (const [seed, crash] of CRASHES.entries()) {
      const disk = newDisk(seed + 1);
      const observed = new ObservedDisk(disk, at + 1);
      let caller: RandomCaller | undefined;
      assert.throws(() => {
        live(observed, (begun) => {
          caller = begun;
        });
      });
      assert.ok(observed.isOff && caller !== undefined);
      disk.crash(crash);
      yield { disk, caller };
    }
  }
}

const at =
  (phase: string, operation: Change['operation'], name: RegExp) =>
  (change: Change): boolean =>
    change.phase === phase && change.operation === operation && name.test(change.name);

/** Opens it: everything acknowledged is there, every entry readable, nobody in doubt. */
function complete({ disk, caller }: Moment): OpenedWal {
  const opened = openWal(disk, OPEN);
  const holds = (model: Model): boolean =>
    [...model].every(([group, one]) => {
      const found = opened.groups.find((candidate) => candidate.group === group);
      return !differs(disk, found, one);
    });
  const found = caller.models.findLastIndex(holds);
  assert.ok(found >= caller.acknowledged, `${found} of ${caller.acknowledged}`);
  assert.ok(!isInDoubt(opened, QUIET), 'the idle group has lost nothing');
  return opened;
}

function names(disk: Disk, pattern: RegExp): string[] {
  return disk.list(DIRECTORY).filter((name) => pattern.test(name));
}

function quietSegments({ groups }: OpenedWal): number[] {
  const found = groups.find(({ group }) => group === QUIET)!;
  return [...new Set(found.locations.map(({ segment }) => segment))];
}

/** A start that finds what was to be given back gives it back, and again loses nothing. */
function assertGivesBack(moment: Moment): void {
  const opened = complete(moment);
  const [segment] = quietSegments(opened);
  assert.equal(opened.wal.segmentCount, opened.wal.position.segment - oldestNeeded(opened) + 1);
  opened.wal.recycleFreed();
  assert.ok(opened.wal.oldestSegment <= segment!);
  opened.wal.close();
  complete(moment);
}

function oldestNeeded({ groups, wal }: OpenedWal): number {
  const held = groups.flatMap(({ locations }) => locations.map(({ segment }) => segment));
  return Math.min(wal.position.segment, ...held);
}

const ROWS: readonly Row[] = [
  [
    'a block of copies is being written',
    () =>
      each(momentsOf(at('copy', 'write', /\.wal$/)), (moment) => {
        const segments = quietSegments(complete(moment));
        assert.equal(segments.length, 1, 'all of it in the old place or in the new one');
      }),
  ],
  [
    'a block of copies is synced, the old segment not given back',
    () => each(momentsOf(at('copy', 'sync', /\.wal$/)), assertGivesBack),
  ],
  [
    'a compaction is synced, segments not given back',
    () => each(momentsOf(at('compact', 'sync', /\.wal$/)), assertGivesBack),
  ],
  [
    'a freed segment is renamed to `.recycled`, directory unsynced',
    () => each(momentsOf(at('recycle', 'rename', /\.recycled$/)), assertGivesBack),
  ],
  [
    'a recycled file is renamed to `.spare`, directory unsynced',
    () =>
      each(
        momentsOf((change, before) => {
          const isNew = before.at(-1)?.name.endsWith('.tmp') === true;
          return change.operation === 'rename' && /\.spare$/.test(change.name) && !isNew;
        }),
        (moment) => {
          complete(moment).wal.close();
          assert.ok(names(moment.disk, /\.(spare|recycled)$/).length > 0);
        },
      ),
  ],
  [
    'a spare with a former life is renamed to a segment, nothing written',
    () => each(momentsOf(isNaming), assertGoesOn),
  ],
  [
    'header and checkpoint are being written over a former life',
    () => each(momentsOf(isBeginning), assertGoesOn),
  ],
];

/** Whether one of the freed files has become a spare, so that all that follow are recycled. */
function isRecycling(before: readonly Change[]): boolean {
  return before.some(({ phase }) => phase === 'recycle');
}

function isNaming(change: Change, before: readonly Change[]): boolean {
  return at('stage', 'rename', /\.wal$/)(change) && isRecycling(before);
}

function isBeginning(change: Change, before: readonly Change[]): boolean {
  return at('stage', 'write', /\.wal$/)(change) && isRecycling(before);
}

/** The log goes on where it was or in the new segment, and takes what comes. */
function assertGoesOn(moment: Moment): void {
  const { wal, groups, report } = complete(moment);
  assert.equal(report.tornBlocks, 0);
  const { generation, last, term } = groups.find(({ group }) => group === BUSY)!;
  const compact = { index: last, term: 1 };
  assert.ok(wal.stage({ group: BUSY, seq: 1, generation, term, runs: [], compact }));
  wal.commit(0);
  wal.close();
  const again = openWal(moment.disk, OPEN);
  assert.equal(again.groups.find(({ group }) => group === BUSY)!.first, last + 1);
}

testTable('giving back', ROWS);
