/**
 * A cut block that held a term or vote: the replica goes back to neither, however often it starts.
 *
 * What a frame says of its block's terms outlives the block: in the cut block, in checkpoints, and
 * for groups that the log has never seen.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import { raisedTo } from '../../io/wal/term-floor.js';
import type { OpenedWal } from '../../io/wal/wal.js';
import type { PersistRequest } from '../../io/wal/wal-types.js';
import {
  DIRECTORY,
  NODE_ID,
  newDisk,
  openWal,
  run,
  Submitter,
  untilPowerLoss,
} from './wal-harness.js';

const SECTOR = 512;
const FIRST = `${DIRECTORY}/0000000000000001.wal`;

/** Writes each list of requests as one block; answers where the last one begins. */
function write(disk: SimulatedDisk, ...blocks: readonly (readonly PersistRequest[])[]): number {
  const { wal } = openWal(disk);
  let offset = 0;
  for (const requests of blocks) {
    for (const request of requests) assert.ok(wal.stage(request));
    offset = wal.position.offset;
    wal.commit(0);
  }
  return offset;
}

/** Damages the body of the block at `offset`; its header and trailer stay recognisable. */
function damage(disk: SimulatedDisk, offset: number): void {
  disk.flipBit(FIRST, offset + 100);
}

function hardState({ groups }: OpenedWal, group: number): readonly [number, number] {
  const found = groups.find((candidate) => candidate.group === group);
  assert.ok(found !== undefined, `group ${group} is known`);
  return [found.term, found.vote];
}

/** A log whose last block, with these hard states, is damaged. Groups 1 and 2 were at 4/2, 4/0. */
function cutLog(requests: (submitter: Submitter) => readonly PersistRequest[]): SimulatedDisk {
  const disk = newDisk();
  const submitter = new Submitter();
  const known = [
    submitter.request(1, { hardState: { term: 4, vote: 2 }, runs: [run(1, 4, 1, 1)] }),
    submitter.request(2, { hardState: { term: 4, vote: 0 } }),
  ];
  damage(disk, write(disk, known, requests(submitter)));
  return disk;
}

test('a floor raises a term, takes a free vote of its own term, and keeps a known one', () => {
  assert.deepEqual(raisedTo(0, 3, { term: 0, vote: 0 }), { term: 0, vote: 0 });
  assert.deepEqual(raisedTo(0, 3, { term: 4, vote: 0 }), { term: 4, vote: 0 });
  assert.deepEqual(raisedTo(3, 3, { term: 4, vote: 0 }), { term: 4, vote: 0 });
  assert.deepEqual(raisedTo(4, 3, { term: 4, vote: 0 }), { term: 4, vote: 3 });
  assert.deepEqual(raisedTo(4, 3, { term: 4, vote: 2 }), { term: 4, vote: 2 });
  assert.deepEqual(raisedTo(5, 3, { term: 4, vote: 2 }), { term: 5, vote: 3 });
});

test('a cut block with a hard state raises the term and takes the vote, at every start', () => {
  const disk = cutLog((submitter) => [submitter.request(1, { hardState: { term: 7, vote: 1 } })]);
  for (let start = 0; start < 4; start += 1) {
    const opened = openWal(disk);
    assert.ok(isInDoubt(opened, 1));
    assert.deepEqual(hardState(opened, 1), [7, NODE_ID]);
    assert.deepEqual(hardState(opened, 2), [4, 0], 'the other group was not in the block');
    assert.equal(opened.report.termFloor, 7);
    if (start % 2 === 0) opened.wal.close();
  }
});

test('a cut vote in the recovered term is taken; a vote that is known there is kept', () => {
  const disk = cutLog((submitter) => [
    submitter.request(2, { hardState: { term: 4, vote: 1 } }),
    submitter.request(1, { runs: [run(1, 4, 2, 1)] }),
  ]);
  const opened = openWal(disk);
  assert.deepEqual(hardState(opened, 2), [4, NODE_ID]);
  assert.deepEqual(hardState(opened, 1), [4, 2]);
});

test('a cut block without a hard state raises nothing', () => {
  const opened = openWal(cutLog((s) => [s.request(1, { runs: [run(1, 4, 2, 1)] })]));
  assert.ok(isInDoubt(opened, 1));
  assert.deepEqual(hardState(opened, 1), [4, 2]);
  assert.equal(opened.report.termFloor, 0);
});

test('a header or a trailer alone raises the term', () => {
  for (const keepsHeader of [true, false]) {
    const disk = newDisk();
    const submitter = new Submitter();
    const parts = { hardState: { term: 7, vote: 1 }, runs: [run(1, 7, 1, 1, 700)] };
    const first = [submitter.request(1, { hardState: { term: 1, vote: 1 } })];
    const offset = write(disk, first, [submitter.request(1, parts)]);
    const file = disk.open(FIRST, 'readwrite');
    file.write(new Uint8Array(SECTOR), 0, SECTOR, keepsHeader ? offset + SECTOR : offset);
    file.sync();
    file.close();
    assert.deepEqual(hardState(openWal(disk), 1), [7, NODE_ID]);
  }
});

test('of several cut blocks the highest term counts', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk, { mode: 'none' });
  wal.stage(submitter.request(1, { hardState: { term: 1, vote: 1 } }));
  wal.commit(0);
  const { offset } = wal.position;
  wal.stage(submitter.request(1, { runs: [run(1, 1, 1, 1)] }));
  wal.commit(0);
  wal.stage(submitter.request(1, { hardState: { term: 9, vote: 1 } }));
  wal.commit(0);
  damage(disk, offset);
  assert.deepEqual(hardState(openWal(disk), 1), [9, NODE_ID]);
});

test('a term past 32 bits saturates the frame and is stored whole', () => {
  const request = (s: Submitter) => [s.request(1, { hardState: { term: 2 ** 40, vote: 1 } })];
  assert.deepEqual(hardState(openWal(cutLog(request)), 1), [2 ** 32 - 1, NODE_ID]);
  const whole = newDisk();
  write(whole, request(new Submitter()));
  assert.deepEqual(hardState(openWal(whole), 1), [2 ** 40, 1]);
});

test('the raised term survives a loss of power at every step of every recovery', () => {
  let interrupted = 0;
  for (let seed = 0; seed < 8; seed += 1) {
    for (let step = 0; step < 8; step += 1) {
      const disk = cutLog((s) => [
        s.request(1, { hardState: { term: 7, vote: 1 }, runs: [run(1, 7, 2, 1, 1500)] }),
        s.request(5, { hardState: { term: 6, vote: 1 } }),
      ]);
      const keep = { keepSector: (seed % 3) / 2 };
      for (const budget of [step, (step + seed) % 7, seed]) {
        if (untilPowerLoss(disk, budget, keep, (power) => openWal(power))) interrupted += 1;
      }
      const opened = openWal(disk);
      assert.deepEqual(hardState(opened, 1), [7, NODE_ID], `seed ${seed} step ${step}`);
      assert.ok(isInDoubt(opened, 5));
      assert.equal(opened.report.termFloor, 7);
    }
  }
  assert.ok(interrupted > 50, `${interrupted} interrupted recoveries`);
});

test('a damaged cut block is cut again and its term goes on', () => {
  const disk = cutLog((s) => [s.request(1, { hardState: { term: 7, vote: 1 } })]);
  const before = openWal(disk).wal.position.offset;
  // The start wrote a seal after the cut block: while that is there, damage is refused.
  const cut = before - 2 * SECTOR;
  const file = disk.open(FIRST, 'readwrite');
  file.write(new Uint8Array(SECTOR), 0, SECTOR, cut + SECTOR);
  file.sync();
  file.close();
  disk.flipBit(FIRST, cut + 200);
  const opened = openWal(disk);
  assert.equal(opened.report.tornBlocks, 1);
  assert.deepEqual(hardState(opened, 1), [7, NODE_ID]);
});

test('a newer hard state replaces the raised one, and the end of doubt keeps it', () => {
  const disk = cutLog((s) => [s.request(1, { hardState: { term: 7, vote: 1 } })]);
  const { wal } = openWal(disk);
  const parts = { group: 1, generation: 0, term: 7, runs: [] };
  wal.stage({ ...parts, seq: 1, runs: [run(1, 7, 2, 1)], clearsDoubt: true });
  wal.commit(0);
  const cleared = openWal(disk);
  assert.ok(!isInDoubt(cleared, 1));
  assert.deepEqual(hardState(cleared, 1), [7, NODE_ID]);
  cleared.wal.stage({ ...parts, seq: 1, term: 8, hardState: { term: 8, vote: 2 } });
  cleared.wal.commit(0);
  assert.deepEqual(hardState(openWal(disk), 1), [8, 2]);
});

/** Fills segments with entries of group 2 until a new one begins. */
function rollOver({ wal, groups }: OpenedWal): void {
  let index = groups.find(({ group }) => group === 2)?.last ?? 0;
  const target = wal.segmentCount + 1;
  for (let seq = 1; wal.segmentCount < target; seq += 1) {
    index += 1;
    const runs = [run(2, 4, index, 1, 900)];
    assert.ok(wal.stage({ group: 2, seq, generation: 0, term: 4, runs }));
    wal.commit(0);
  }
}

test('checkpoints repeat raised terms, and agree with what is replayed', () => {
  const disk = cutLog((s) => [
    s.request(1, { hardState: { term: 7, vote: 1 } }),
    s.request(5, { hardState: { term: 6, vote: 1 } }),
  ]);
  for (let life = 0; life < 3; life += 1) {
    const opened = openWal(disk);
    assert.deepEqual(hardState(opened, 1), [7, NODE_ID]);
    assert.equal(opened.report.termFloor, 7);
    rollOver(opened);
  }
  const opened = openWal(disk);
  assert.equal(opened.report.segments, 4);
  assert.deepEqual(hardState(opened, 1), [7, NODE_ID]);
});

test('a group that the log never saw begins at the floor, before and after a checkpoint', () => {
  const disk = cutLog((s) => [s.request(5, { hardState: { term: 6, vote: 1 } })]);
  const opened = openWal(disk);
  assert.ok(isInDoubt(opened, 5));
  assert.equal(opened.report.termFloor, 6);
  rollOver(opened);
  const second = openWal(disk);
  assert.ok(isInDoubt(second, 5));
  // Its core starts from 6/self, so its first request need not repeat that.
  second.wal.stage({ group: 5, seq: 1, generation: 0, term: 6, runs: [run(5, 6, 1, 1)] });
  second.wal.commit(0);
  rollOver(second);
  const third = openWal(disk);
  assert.deepEqual(hardState(third, 5), [6, NODE_ID]);
  assert.deepEqual(hardState(third, 1), [4, 2], 'a known group outside of the mask is not raised');
});

test('the oldest checkpoint left is believed about the floor of unknown groups', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const vote = (group: number, term: number) =>
    submitter.request(group, { term, hardState: { term, vote: 1 } });
  damage(disk, write(disk, [vote(1, 2)], [vote(5, 6)]));
  const { wal } = openWal(disk);
  // Nothing but hard states, so that the second segment needs no entry of the first one.
  for (let term = 3; wal.position.segment < 2; term += 1) {
    assert.ok(wal.stage(vote(1, term)));
    wal.commit(0);
  }
  wal.close();
  disk.remove(FIRST);
  const opened = openWal(disk);
  assert.ok(isInDoubt(opened, 5));
  assert.equal(opened.report.termFloor, 6);
  assert.equal(opened.report.segments, 1);
});
