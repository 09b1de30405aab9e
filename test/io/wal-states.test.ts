/**
 * The table of crash states of docs/wal-format.md, row by row: each is reached, in every way that
 * the life of a small log offers, and left as the table says.
 */

import assert from 'node:assert/strict';
import type { Disk } from '../../io/disk/disk.js';
import type { CrashOptions, SimulatedDisk } from '../../io/disk/simulated-disk.js';
import type { SyncMode } from '../../io/wal/group-commit.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import type { OpenedWal } from '../../io/wal/wal.js';
import { WalFailed } from '../../io/wal/wal-errors.js';
import { type Change, ObservedDisk } from './observed-disk.js';
import { DIRECTORY, diskWith, filesOf, newDisk, openWal, prefixLength } from './wal-harness.js';
import {
  assertTornIsCut,
  each,
  FIRST,
  live,
  type Moment,
  OPEN,
  REQUESTS,
  type Row,
  SECOND,
  testTable,
  tornLog,
} from './wal-table.js';

const LOSE_ALL = { keepSector: 0, keepDirectoryOperation: 0 };

/** What survives a loss of power: nothing, everything, and as the coin says, three times. */
const CRASHES: readonly CrashOptions[] = [
  LOSE_ALL,
  { keepSector: 1, keepDirectoryOperation: 1 },
  { keepSector: 0.5, keepDirectoryOperation: 1 },
  { keepSector: 0.5 },
  {},
];

/** Every moment of a life at which `isAt`, with everything that may survive it. */
function* momentsOf(
  isAt: (changes: readonly Change[], at: number) => boolean,
  mode: SyncMode = 'always',
): Generator<Moment> {
  const whole = new ObservedDisk(newDisk());
  live(whole, { mode, submitted: 0, acknowledged: 0 });
  for (const [at] of whole.changes.entries()) {
    if (!isAt(whole.changes, at)) continue;
    for (const [seed, crash] of CRASHES.entries()) {
      const moment = { disk: newDisk(seed + 1), mode, submitted: 0, acknowledged: 0 };
      const observed = new ObservedDisk(moment.disk, at + 1);
      // The log may have wrapped the loss in an error of its own.
      assert.throws(() => live(observed, moment));
      assert.ok(observed.isOff);
      moment.disk.crash(crash);
      yield moment;
    }
  }
}

/** Every change of a recovery of the disk at which `isAt`, interrupted right after it. */
function* interruptions(
  prepare: (seed: number) => SimulatedDisk,
  isAt: (changes: readonly Change[], at: number) => boolean,
): Generator<SimulatedDisk> {
  const whole = new ObservedDisk(prepare(1));
  openWal(whole, OPEN);
  for (const [at] of whole.changes.entries()) {
    if (!isAt(whole.changes, at)) continue;
    for (const [seed, crash] of CRASHES.entries()) {
      const disk = prepare(seed + 1);
      const observed = new ObservedDisk(disk, at + 1);
      assert.throws(() => openWal(observed, OPEN));
      assert.ok(observed.isOff);
      disk.crash(crash);
      yield disk;
    }
  }
}

const at =
  (phase: string, operation: Change['operation'], name: RegExp) =>
  (changes: readonly Change[], index: number): boolean => {
    const change = changes[index]!;
    return change.phase === phase && change.operation === operation && name.test(change.name);
  };

/** The first moment of that kind alone. */
const first =
  (isAt: ReturnType<typeof at>) =>
  (changes: readonly Change[], index: number): boolean =>
    changes.findIndex((_, n) => isAt(changes, n)) === index;

/** Opens it and finds a prefix that holds what was acknowledged; how much of what was submitted. */
function recovered({ disk, submitted, acknowledged, mode }: Moment): OpenedWal & { count: number } {
  const opened = openWal(disk, OPEN);
  const count = prefixLength(disk, opened.groups, REQUESTS.slice(0, submitted));
  if (mode === 'always') assert.ok(count >= acknowledged, `${count} of ${acknowledged}`);
  return { ...opened, count };
}

function names(disk: Disk, pattern: RegExp): string[] {
  return disk.list(DIRECTORY).filter((name) => pattern.test(name));
}

/** A log with a second segment that has a name and nothing else. */
function unbegunLog(seed: number): SimulatedDisk {
  const disk = newDisk(seed);
  openWal(disk, OPEN);
  disk.rename(`${DIRECTORY}/spare-00000001.spare`, `${DIRECTORY}/${SECOND}`);
  disk.syncDirectory(DIRECTORY);
  return disk;
}

/** Commits three requests; what the last one's sync does is the caller's business. */
function untilLastSync(disk: SimulatedDisk, mode: SyncMode, fails: boolean): void {
  const { wal } = openWal(disk, { ...OPEN, mode });
  for (const request of REQUESTS.slice(0, 3)) {
    if (fails && request === REQUESTS[2]) disk.arm({ kind: 'syncError', path: '.wal' });
    wal.stage(request);
    if (fails && request === REQUESTS[2]) assert.throws(() => wal.commit(0), WalFailed);
    else wal.commit(0);
  }
  disk.kill();
}

/** What a start reads after a death of the process is there after a loss of power. */
function assertReadStays(disk: SimulatedDisk, atLeast: number): number {
  const { groups, report } = openWal(disk, OPEN);
  const count = prefixLength(disk, groups, REQUESTS.slice(0, 3));
  assert.ok(count >= atLeast, `${count} of ${atLeast}`);
  assert.ok(report.rewrittenBytes > 0);
  disk.crash(LOSE_ALL);
  assert.equal(prefixLength(disk, openWal(disk, OPEN).groups, REQUESTS.slice(0, 3)), count);
  return count;
}

const CRASH_STATES: readonly Row[] = [
  [
    'while a spare is filled',
    () =>
      each(momentsOf(at('stage', 'clear', /\.tmp$/)), (moment) => {
        recovered(moment);
        assert.deepEqual(names(moment.disk, /\.tmp$/), []);
      }),
  ],
  [
    'after a spare is renamed to `.spare`, directory unsynced',
    () =>
      each(momentsOf(at('stage', 'rename', /\.spare$/)), (moment) => {
        recovered(moment);
        assert.deepEqual(names(moment.disk, /\.tmp$/), []);
        assert.equal(names(moment.disk, /\.spare$/).length, 1);
      }),
  ],
  ['creating the first segment', () => creatingTheFirst()],
  [
    'a block is being written',
    () =>
      each(momentsOf(at('commit', 'write', /\.wal$/)), (moment) => {
        const opened = recovered(moment);
        const { group } = REQUESTS[moment.submitted - 1]!;
        const isWhole = opened.count === moment.submitted;
        assert.equal(opened.report.tornBlocks > 0, isInDoubt(opened, group));
        if (isWhole) assert.equal(opened.report.tornBlocks, 0);
      }),
  ],
  [
    'a block is written and synced, not acknowledged',
    () =>
      each(momentsOf(at('commit', 'sync', /\.wal$/)), (moment) => {
        assert.equal(moment.acknowledged, moment.submitted - 1);
        assert.equal(recovered(moment).count, moment.submitted);
      }),
  ],
  [
    'relaxed mode, several blocks unsynced',
    () =>
      each(momentsOf(isManyUnsynced, 'none'), (moment) => {
        const opened = recovered(moment);
        const lost = REQUESTS.slice(opened.count, moment.submitted);
        if (opened.report.tornBlocks === 0) return;
        assert.ok(lost.some(({ group }) => isInDoubt(opened, group)));
      }),
  ],
  [
    'old segment synced, spare not renamed',
    () =>
      each(momentsOf(first(at('stage', 'sync', /0001\.wal$/)), 'none'), (moment) => {
        const { wal, count } = recovered(moment);
        assert.deepEqual([wal.position.segment, count], [1, moment.submitted]);
      }),
  ],
  [
    'spare renamed, directory unsynced',
    () =>
      each(momentsOf(at('stage', 'rename', /0002\.wal$/)), (moment) => {
        const { wal, count } = recovered(moment);
        assert.deepEqual([wal.position.segment, count], [1, moment.submitted]);
        assert.deepEqual(names(moment.disk, /\.wal$/), [FIRST]);
      }),
  ],
  [
    'header and checkpoint being written',
    () =>
      each(momentsOf(first(at('stage', 'write', /0002\.wal$/))), (moment) => {
        const { wal, report, count } = recovered(moment);
        assert.equal(count, moment.submitted);
        const goesOn = wal.position.segment === 2;
        assert.equal(report.discarded, goesOn ? null : `${DIRECTORY}/${SECOND}`);
      }),
  ],
  [
    'the handover is being written',
    () =>
      each(momentsOf(at('stage', 'write', /0001\.wal$/)), (moment) => {
        const { wal, report, count } = recovered(moment);
        assert.equal(count, moment.submitted);
        assert.deepEqual([wal.position.segment, report.cut, report.discarded], [2, null, null]);
      }),
  ],
  [
    'a seal is being written',
    () =>
      each(momentsOf(at('seal', 'write', /\.wal$/)), (moment) => {
        const opened = recovered(moment);
        assert.deepEqual([opened.count, opened.report.tornBlocks], [moment.submitted, 0]);
        assert.ok(![1, 2].some((group) => isInDoubt(opened, group)));
      }),
  ],
  ['recovery writes the cut block', () => each(interruptions(tornLog, isCut), assertTornIsCut)],
  [
    'recovery clears',
    () => each(interruptions(tornLog, at('', 'clear', /\.wal$/)), assertTornIsCut),
  ],
  [
    'recovery removes a segment',
    () =>
      each(interruptions(unbegunLog, at('', 'remove', /\.wal$/)), (disk) => {
        openWal(disk, OPEN);
        assert.deepEqual(names(disk, /\.wal$/), [FIRST]);
      }),
  ],
  [
    'the process dies, the machine does not',
    () =>
      each([1, 2, 3], (seed) => {
        const disk = newDisk(seed);
        untilLastSync(disk, 'none', false);
        assert.equal(assertReadStays(disk, 3), 3);
      }),
  ],
  [
    'a sync fails, the process stops',
    () => {
      const seeds = Array.from({ length: 20 }, (_, seed) => seed + 1);
      const counts = seeds.map((seed) => {
        const disk = newDisk(seed);
        untilLastSync(disk, 'always', true);
        return assertReadStays(disk, 2);
      });
      assert.deepEqual([...new Set(counts)].sort(), [2, 3], 'read back, and not even there');
      return seeds.length;
    },
  ],
];

function creatingTheFirst(): number {
  const isFirst = (changes: readonly Change[], index: number): boolean => {
    const began = changes.findIndex(({ operation }) => operation === 'create');
    const done = changes.findIndex((c) => c.operation === 'sync' && c.name === FIRST);
    return index >= began && index < done;
  };
  let refused = 0;
  const visited = each(momentsOf(isFirst), (moment) => {
    const files = moment.disk.exists(DIRECTORY) ? filesOf(moment.disk) : new Map();
    const { report } = openWal(moment.disk, OPEN);
    const mustExist = { ...OPEN, mustExist: true };
    if (!report.created) return;
    assert.throws(() => openWal(diskWith(files), mustExist), /walMissing|walDamage|log/);
    refused += 1;
  });
  assert.ok(refused > 0);
  return visited;
}

function isManyUnsynced(changes: readonly Change[], index: number): boolean {
  const last = changes.slice(0, index).findLastIndex(({ operation }) => operation === 'sync');
  const unsynced = changes.slice(last + 1, index + 1).filter(({ phase }) => phase === 'commit');
  return unsynced.length > 1 && at('commit', 'write', /\.wal$/)(changes, index);
}

/** The write before the sync that comes before the first zeros. */
function isCut(changes: readonly Change[], index: number): boolean {
  const zeros = changes.findIndex(({ operation }) => operation === 'clear');
  return index === zeros - 2 && changes[index]?.operation === 'write';
}

testTable('crash', CRASH_STATES);
