/**
 * Loss of power after every single disk operation of a log's life, and of its recovery.
 *
 * Whatever sectors survive, the recovered log is a prefix of what was submitted and holds at
 * least what was acknowledged. docs/wal-format.md has the table of crash states; each row is met
 * here.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Disk } from '../../io/disk/disk.js';
import type { CrashOptions, SimulatedDisk } from '../../io/disk/simulated-disk.js';
import type { SyncMode } from '../../io/wal/group-commit.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import type { OpenedWal } from '../../io/wal/wal.js';
import type { PersistRequest } from '../../io/wal/wal-types.js';
import {
  DIRECTORY,
  newDisk,
  openWal,
  prefixLength,
  run,
  Submitter,
  untilPowerLoss,
} from './wal-harness.js';

const SEGMENT_BYTES = 4608;

/** What survives: nothing, everything, and three times as the coin says. */
const CRASHES: readonly (CrashOptions & { readonly seed: number })[] = [
  { seed: 1, keepSector: 0, keepDirectoryOperation: 0 },
  { seed: 2, keepSector: 1, keepDirectoryOperation: 1 },
  { seed: 3, keepSector: 0.5, keepDirectoryOperation: 1 },
  { seed: 4, keepSector: 0.5 },
  { seed: 5 },
];

/**
 * Three groups, several terms, truncations, configurations, and enough bytes for three segments.
 */
function script(): PersistRequest[] {
  const submitter = new Submitter();
  const requests: PersistRequest[] = [];
  const add = (group: number, parts: Parameters<Submitter['request']>[1]) =>
    requests.push(submitter.request(group, parts));
  add(1, { hardState: { term: 1, vote: 3 } });
  add(1, { runs: [run(1, 1, 1, 3)], configuration: { index: 1, bytes: Buffer.from('first') } });
  add(2, { hardState: { term: 2, vote: 1 }, runs: [run(2, 2, 1, 2, 300)] });
  add(1, { runs: [run(1, 1, 4, 4, 200)] });
  add(70, { runs: [run(70, 1, 1, 1, 700)] });
  add(1, { hardState: { term: 3, vote: 0 }, truncateAfter: 5, runs: [run(1, 3, 6, 2, 100)] });
  add(2, { runs: [run(2, 2, 3, 2, 900)] });
  add(1, { truncateAfter: 4, runs: [run(1, 4, 5, 1), run(1, 5, 6, 3, 200)] });
  add(70, { hardState: { term: 9, vote: 9 } });
  add(2, { truncateAfter: 1, runs: [run(2, 6, 2, 1, 900)] });
  add(1, { runs: [run(1, 5, 9, 1, 800)] });
  add(2, { runs: [run(2, 6, 3, 1, 20)] });
  return requests;
}

/** What the caller of the log knew when the power went. */
interface Witness {
  submitted: number;
  acknowledged: number;
}

/** Two requests per commit where they fit, a seal now and then, a clean close at the end. */
function live(
  disk: Disk,
  mode: SyncMode,
  requests: readonly PersistRequest[],
  seen: Witness,
): void {
  const { wal } = openWal(disk, { mode, segmentBytes: SEGMENT_BYTES });
  let now = 0;
  const commit = () => {
    now += 6;
    seen.acknowledged += wal.commit(now).length;
    wal.syncDue(now);
  };
  for (const [n, request] of requests.entries()) {
    if (n % 2 === 0) commit();
    // A refused request is staged again after the commit that makes room for it.
    if (!stageCounting(() => wal.stage(request), seen)) {
      commit();
      assert.ok(
        stageCounting(() => wal.stage(request), seen),
        'a new segment has room',
      );
    }
    if (n % 5 === 4) {
      commit();
      wal.seal();
    }
  }
  commit();
  wal.close();
}

/** Counts before the call: a power loss inside it may or may not have taken the request. */
function stageCounting(stage: () => boolean, seen: Witness): boolean {
  seen.submitted += 1;
  const staged = stage();
  if (!staged) seen.submitted -= 1;
  return staged;
}

function crashedAfter(
  budget: number,
  mode: SyncMode,
  crash: (typeof CRASHES)[number],
): { disk: SimulatedDisk; seen: Witness; crashed: boolean } {
  const disk = newDisk(crash.seed * 1000 + budget);
  const seen = { submitted: 0, acknowledged: 0 };
  const crashed = untilPowerLoss(disk, budget, crash, (power) => {
    live(power, mode, requests, seen);
  });
  return { disk, seen, crashed };
}

const requests = script();

/** Terms and votes of all groups, and what unknown ones in doubt start from. */
function hardStates({ groups, report }: OpenedWal): readonly unknown[] {
  return [report.termFloor, ...groups.map(({ group, term, vote }) => [group, term, vote])];
}

/** A block that was cut and left a trace takes back no term that it may have promised. */
function assertNoTermTakenBack(opened: OpenedWal & { readonly count: number }, seen: Witness) {
  if (opened.report.tornBlocks === 0) return 0;
  let raised = 0;
  for (const { group, hardState } of requests.slice(opened.count, seen.submitted)) {
    assert.ok(isInDoubt(opened, group), `group ${group} in doubt`);
    if (hardState === undefined) continue;
    const found = opened.groups.find((candidate) => candidate.group === group);
    const term = found?.term ?? opened.report.termFloor;
    assert.ok(term >= hardState.term, `group ${group} is at ${term}, was at ${hardState.term}`);
    if (found !== undefined && term === hardState.term) assert.notEqual(found.vote, 0);
    raised += 1;
  }
  return raised;
}

/** Opens what the crash left and finds how many of the submitted requests it holds. */
function assertPrefix(
  disk: Disk,
  seen: Witness,
  atLeast: number,
): OpenedWal & { readonly count: number } {
  const opened = openWal(disk, { segmentBytes: SEGMENT_BYTES });
  const count = prefixLength(disk, opened.groups, requests.slice(0, seen.submitted));
  assert.ok(count >= atLeast, `recovered ${count}, acknowledged ${atLeast}`);
  return { ...opened, count };
}

/**
 * Requests that a mode may not lose: in the relaxed modes up to the last one that forces a sync.
 */
function strictly(mode: SyncMode, acknowledged: number): number {
  if (mode === 'always') return acknowledged;
  const last = requests
    .slice(0, acknowledged)
    .findLastIndex((request) => request.hardState !== undefined || request.configuration);
  return last + 1;
}

for (const mode of ['always', 'batch', 'none'] as const) {
  test(`a crash after any operation leaves a prefix that holds what was promised (${mode})`, () => {
    let crashes = 0;
    for (const crash of CRASHES) {
      for (let budget = 0; ; budget += 1) {
        const { disk, seen, crashed } = crashedAfter(budget, mode, crash);
        const { wal } = assertPrefix(disk, seen, strictly(mode, seen.acknowledged));
        wal.close();
        if (!crashed) break;
        crashes += 1;
      }
    }
    assert.ok(crashes > 150, `${crashes} crashes`);
  });
}

test('a torn block takes back no term, whichever of its sectors survive', () => {
  let raised = 0;
  for (let seed = 10; seed < 30; seed += 1) {
    for (let budget = 0; ; budget += 1) {
      const crash = { seed, keepSector: 0.5, keepDirectoryOperation: 1 };
      const { disk, seen, crashed } = crashedAfter(budget, 'always', crash);
      if (!crashed) break;
      raised += assertNoTermTakenBack(assertPrefix(disk, seen, seen.acknowledged), seen);
    }
  }
  assert.ok(raised > 10, `${raised} raised`);
});

test('a process that dies without the machine loses nothing it acknowledged, in any mode', () => {
  for (const mode of ['always', 'batch', 'none'] as const) {
    for (let budget = 0; budget < 60; budget += 1) {
      const { disk, seen } = crashedAfter(budget, mode, {
        seed: 6,
        keepSector: 1,
        keepDirectoryOperation: 1,
      });
      assertPrefix(disk, seen, seen.acknowledged).wal.close();
    }
  }
});

test('a crash after each operation of recovery changes neither the log nor who is in doubt', () => {
  let interrupted = 0;
  let doubtful = 0;
  for (const first of CRASHES.slice(2)) {
    for (let budget = first.seed; ; budget += 2) {
      const whole = crashedAfter(budget, 'always', first);
      if (!whole.crashed) break;
      const expected = assertPrefix(whole.disk, whole.seen, whole.seen.acknowledged);
      const doubt = [1, 2, 70].filter((group) => isInDoubt(expected, group));
      doubtful += doubt.length;
      for (let step = 0; ; step += 1) {
        const { disk, seen } = crashedAfter(budget, 'always', first);
        const crashed = untilPowerLoss(disk, step, CRASHES[(budget + step) % 5]!, (power) => {
          openWal(power, { segmentBytes: SEGMENT_BYTES });
        });
        const opened = assertPrefix(disk, seen, seen.acknowledged);
        assert.equal(opened.count, expected.count);
        for (const group of doubt) assert.ok(isInDoubt(opened, group), `group ${group} in doubt`);
        assert.deepEqual(hardStates(opened), hardStates(expected));
        if (!crashed) break;
        interrupted += 1;
      }
    }
  }
  assert.ok(interrupted > 200, `${interrupted} interrupted recoveries`);
  assert.ok(doubtful > 5, `${doubtful} groups in doubt`);
});

test('a doubt that only a trailer tells of survives every interruption of the cut', () => {
  const path = `${DIRECTORY}/0000000000000001.wal`;
  const submitter = new Submitter();
  const request = submitter.request(1, { runs: [run(1, 1, 1, 1, 1400)] });
  for (let seed = 0; seed < 12; seed += 1) {
    for (let step = 0; step < 8; step += 1) {
      const disk = newDisk(seed);
      const { wal } = openWal(disk);
      wal.stage(request);
      const { offset } = wal.commit(0)[0]!;
      const file = disk.open(path, 'readwrite');
      file.write(new Uint8Array(1024), 0, 1024, offset);
      file.sync();
      untilPowerLoss(disk, step, { keepSector: 0.5 }, (power) => openWal(power));
      assert.ok(isInDoubt(openWal(disk), 1), `seed ${seed} step ${step}`);
    }
  }
});

test('what a killed process left unsynced is synced before anything claims that it was', () => {
  let lost = 0;
  for (let seed = 0; seed < 30; seed += 1) {
    for (let step = 0; step < 6; step += 1) {
      const disk = newDisk(seed);
      const { wal } = openWal(disk, { mode: 'none' });
      const submitter = new Submitter();
      for (let index = 1; index <= 4; index += 1) {
        wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1)] }));
        wal.commit(0);
      }
      disk.kill();
      const crashed = untilPowerLoss(disk, step, { keepSector: 0.5 }, (power) => openWal(power));
      const { groups } = openWal(disk);
      if (crashed) lost += groups[0]?.last === 4 ? 0 : 1;
      else assert.equal(groups[0]?.last, 4);
    }
  }
  assert.ok(lost > 10, `${lost} losses`);
});

test('a log goes on after any crash: what is written next is there after the next start', () => {
  for (const crash of CRASHES) {
    for (let budget = 4; budget < 60; budget += 3) {
      const { disk, seen } = crashedAfter(budget, 'always', crash);
      const { wal, groups } = assertPrefix(disk, seen, seen.acknowledged);
      const group = groups.find((candidate) => candidate.group === 1);
      const first = (group?.last ?? 0) + 1;
      const generation = group?.generation ?? 0;
      const parts = { runs: [run(1, 50, first, 2, 50)] };
      assert.ok(wal.stage({ group: 1, seq: 1, generation, term: 50, ...parts }));
      assert.equal(wal.commit(0)[0]?.lastIndex, first + 1);
      disk.crash(crash);
      const again = openWal(disk, { segmentBytes: SEGMENT_BYTES });
      const found = again.groups.find((candidate) => candidate.group === 1);
      assert.equal(found?.last, first + 1);
      assert.deepEqual(found?.termRuns.at(-1), { first, term: 50 });
      again.wal.close();
    }
  }
});
