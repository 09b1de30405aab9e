/**
 * What the tests of the two tables of docs/wal-format.md share: the small log whose states they
 * visit, and the comparison of their rows with the document's.
 *
 * A row that reaches nothing fails, and so does one that has another name there.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import type { SyncMode } from '../../io/wal/group-commit.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import type { PersistRequest } from '../../io/wal/wal-types.js';
import { ROOT } from '../../tools/house/tracked-files.js';
import type { ObservedDisk } from './observed-disk.js';
import { DIRECTORY, newDisk, openWal, prefixLength, run, Submitter } from './wal-harness.js';

const SEGMENT_BYTES = 4608;
export const OPEN = { segmentBytes: SEGMENT_BYTES };
export const FIRST = '0000000000000001.wal';
export const SECOND = '0000000000000002.wal';

function requestsOf(): PersistRequest[] {
  const submitter = new Submitter();
  return [
    submitter.request(1, { hardState: { term: 1, vote: 3 } }),
    submitter.request(1, { runs: [run(1, 1, 1, 2, 300)] }),
    submitter.request(2, { runs: [run(2, 1, 1, 1, 500)] }),
    submitter.request(1, { runs: [run(1, 1, 3, 1, 900)] }),
    submitter.request(2, { runs: [run(2, 1, 2, 1, 700)] }),
    submitter.request(1, { runs: [run(1, 1, 4, 1, 400)] }),
  ];
}

export const REQUESTS = requestsOf();

/** A moment at which the power went, and what the caller of the log knew then. */
export interface Moment {
  readonly disk: SimulatedDisk;
  readonly mode: SyncMode;
  submitted: number;
  acknowledged: number;
}

/** One block for each request, sealed after the second one and at the end. */
export function live(disk: ObservedDisk, moment: Omit<Moment, 'disk'>, requests = REQUESTS): void {
  disk.phase = 'create';
  const { wal } = openWal(disk, { ...OPEN, mode: moment.mode });
  for (const request of requests) {
    disk.phase = 'stage';
    if (!wal.stage(request)) assert.fail('a new segment has room');
    disk.phase = 'commit';
    moment.submitted += 1;
    moment.acknowledged += wal.commit(0).length;
    disk.phase = 'seal';
    if (moment.submitted === 2) wal.seal();
  }
  wal.close();
}

/** A log whose last block, of group 1, is torn: its header is there, its body is damaged. */
export function tornLog(seed: number): SimulatedDisk {
  const disk = newDisk(seed);
  const { wal } = openWal(disk, OPEN);
  for (const request of REQUESTS.slice(0, 2)) {
    wal.stage(request);
    const { offset } = wal.commit(0)[0]!;
    if (request === REQUESTS[1]) disk.flipBit(`${DIRECTORY}/${FIRST}`, offset + 100);
  }
  return disk;
}

export function assertTornIsCut(disk: SimulatedDisk): void {
  const opened = openWal(disk, OPEN);
  assert.equal(prefixLength(disk, opened.groups, REQUESTS.slice(0, 2)), 1);
  assert.ok(isInDoubt(opened, 1), 'the doubt outlives it');
  const again = openWal(disk, OPEN);
  assert.deepEqual([again.report.cut, isInDoubt(again, 1)], [null, true], 'all is cleared');
}

/** Visits the states of a row and checks each; returns how many there were. */
export type Row = readonly [name: string, visit: () => number];

export function each<T>(states: Iterable<T>, check: (state: T) => void): number {
  let visited = 0;
  for (const state of states) {
    check(state);
    visited += 1;
  }
  return visited;
}

/** The first column of a table of the document, by the first word of its head. */
function documented(head: string): string[] {
  const lines = readFileSync(join(ROOT, 'docs', 'wal-format.md'), 'utf8').split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  assert.ok(start >= 0, `a table of ${head} rows`);
  const rows = lines.slice(start + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) => line.split('|')[1]!.trim());
}

/** A test for each row, and one that the document has the same. */
export function testTable(head: string, rows: readonly Row[]): void {
  for (const [name, visit] of rows) {
    test(`${head}: ${name}`, () => {
      assert.ok(visit() > 0, 'the state is reached');
    });
  }

  test(`the document has the same ${head} rows, in this order`, () => {
    assert.deepEqual(
      documented(head),
      rows.map(([name]) => name),
    );
  });
}
