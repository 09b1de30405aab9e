/**
 * Random groups, truncations, compactions, resets, copies and losses of power, against a model.
 *
 * After each crash the log is what it was after some number of requests, at least as many as were
 * acknowledged, and every entry of it can be read; and so it can in a life, wherever copies and
 * recycled files have taken it.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import type { Disk } from '../../io/disk/disk.js';
import type { CrashOptions, SimulatedDisk } from '../../io/disk/simulated-disk.js';
import type { SyncMode } from '../../io/wal/group-commit.js';
import { differs, EMPTY, type Model, RandomCaller } from './reclaim-model.js';
import { newDisk, openWal, untilPowerLoss } from './wal-harness.js';

const SEGMENT_BYTES = 8192;
const OPEN = { segmentBytes: SEGMENT_BYTES, maxLogBytes: 6 * SEGMENT_BYTES };
const GROUPS = 3;
/** Writes at first and then never again. */
const QUIET = 9;

const CRASHES: readonly CrashOptions[] = [
  { keepSector: 0, keepDirectoryOperation: 0 },
  { keepSector: 1, keepDirectoryOperation: 1 },
  { keepSector: 0.5, keepDirectoryOperation: 1 },
  { keepSector: 0.5 },
  {},
];

/** Which of the models the disk holds; at least the one after `atLeast` requests. */
function recoveredModel(disk: Disk, models: readonly Model[], atLeast: number): Model {
  const { wal, groups } = openWal(disk, OPEN);
  wal.close();
  const isIt = (model: Model): boolean =>
    [...model].every(([group, one]) => {
      const found = groups.find((candidate) => candidate.group === group);
      return !differs(disk, found, one);
    });
  const at = models.findLastIndex(isIt);
  assert.ok(at >= atLeast, `recovered ${at} of ${models.length - 1}, acknowledged ${atLeast}`);
  return models[at]!;
}

interface Totals {
  crashes: number;
  moves: number;
  freed: number;
}

function live(disk: SimulatedDisk, prng: Prng, before: Model, mode: SyncMode, t: Totals): Model {
  let caller: RandomCaller | null = null;
  const budget = prng.below(400);
  const crash = CRASHES[prng.below(CRASHES.length)]!;
  const crashed = untilPowerLoss(disk, budget, crash, (power) => {
    caller = new RandomCaller(power, prng, openWal(power, { ...OPEN, mode }), before);
    if (!before.has(QUIET)) caller.append(QUIET, 2, 30);
    for (let n = 0; n < 150; n += 1) {
      caller.step(GROUPS);
      caller.snapshotPinning();
      if (prng.chance(0.03)) caller.assertReadable();
    }
    caller.assertReadable();
    caller.wal.close();
  });
  const known = caller as RandomCaller | null;
  if (crashed) t.crashes += 1;
  t.moves += known?.moves ?? 0;
  t.freed += known?.wal.counters.freed ?? 0;
  const models = known?.models ?? [before];
  return recoveredModel(disk, models, mode === 'always' ? (known?.acknowledged ?? 0) : 0);
}

for (const mode of ['always', 'none'] as const) {
  test(`a log that gives back what it needs no more is what the model says (${mode})`, () => {
    const totals = { crashes: 0, moves: 0, freed: 0 };
    for (let seed = 1; seed <= 40; seed += 1) {
      const prng = new Prng(seed);
      const disk = newDisk(seed);
      let model: Model = new Map();
      for (let n = 0; n < 8; n += 1) {
        try {
          model = live(disk, prng, model, mode, totals);
        } catch (cause) {
          throw new Error(`seed ${seed} life ${n}`, { cause });
        }
      }
      assert.notEqual(model.get(QUIET) ?? EMPTY, null);
    }
    assert.ok(totals.crashes > 100, `${totals.crashes} crashes`);
    assert.ok(totals.moves > 20, `${totals.moves} copies`);
    assert.ok(totals.freed > 500, `${totals.freed} segments freed`);
  });
}
