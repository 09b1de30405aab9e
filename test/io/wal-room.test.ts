/**
 * Room and failures: full blocks, roll-over, spares, a disk that fills up, a disk that fails.
 *
 * Too little room is an answer and loses nothing; a failed write or sync ends the log.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { InlineSegmentSupply, type SegmentSupply } from '../../io/wal/segment-supply.js';
import { WalFailed } from '../../io/wal/wal-errors.js';
import type { PersistRequest } from '../../io/wal/wal-types.js';
import {
  DIRECTORY,
  newDisk,
  openWal,
  prefixLength,
  readBack,
  run,
  Submitter,
} from './wal-harness.js';

const KIB = 1024;

test('a full block says no until it is committed', () => {
  const { wal } = openWal(newDisk(), { segmentBytes: 64 * KIB });
  const submitter = new Submitter();
  assert.ok(wal.stage(submitter.request(1, { runs: [run(1, 1, 1, 2, 10 * KIB)] })));
  const second = submitter.request(1, { runs: [run(1, 1, 3, 2, 10 * KIB)] });
  assert.equal(wal.stage(second), false);
  assert.equal(wal.busy, false);
  assert.equal(wal.commit(0).length, 1);
  assert.ok(wal.stage(second));
  assert.equal(wal.commit(0).length, 1);
});

test('a request larger than a block may be is refused with both numbers', () => {
  const { wal } = openWal(newDisk());
  const request = new Submitter().request(1, { runs: [run(1, 1, 1, 1, 8000)] });
  assert.throws(() => wal.stage(request), { code: 'walTooLarge', message: /8136 .* 4096 / });
  assert.equal(wal.requestBytesMax, 4096);
});

test('short writes are continued', () => {
  const disk = newDisk();
  const { wal } = openWal(disk);
  disk.arm({ kind: 'shortWrite', times: 5 });
  const requests = [new Submitter().request(1, { runs: [run(1, 1, 1, 3, 500)] })];
  wal.stage(requests[0]!);
  wal.commit(0);
  assert.ok(disk.counters().shortWrite > 1);
  assert.equal(prefixLength(disk, openWal(disk).groups, requests), 1);
});

for (const kind of ['writeError', 'syncError'] as const) {
  test(`a ${kind} of the live segment ends the log: nothing acknowledged, nothing retried`, () => {
    const disk = newDisk();
    const { wal } = openWal(disk);
    const submitter = new Submitter();
    wal.stage(submitter.request(1, { runs: [run(1, 1, 1, 1)] }));
    wal.commit(0);
    disk.arm({ kind, path: '.wal' });
    wal.stage(submitter.request(1, { runs: [run(1, 1, 2, 1)] }));
    assert.throws(() => wal.commit(0), WalFailed);
    assert.throws(() => wal.commit(0), WalFailed);
    assert.throws(() => wal.stage(submitter.request(2)), WalFailed);
    assert.throws(() => wal.seal(), WalFailed);
    wal.close();
    disk.crash();
    const { groups } = openWal(disk);
    assert.ok(groups[0]!.last >= 1, 'what was acknowledged is there');
  });
}

test('no space for the next segment is busy, loses nothing, and passes', () => {
  const disk = newDisk();
  const supply = new InlineSegmentSupply(disk, DIRECTORY, 8192);
  const { wal } = openWal(disk, { supply });
  disk.setCapacity(3 * 8192 - 1);
  const submitter = new Submitter();
  const requests: PersistRequest[] = [];
  let refused = submitter.request(1, { runs: [run(1, 1, 1, 1, 700)] });
  for (let index = 2; wal.stage(refused); index += 1) {
    requests.push(refused);
    assert.equal(wal.commit(0).length, 1);
    refused = submitter.request(1, { runs: [run(1, 1, index, 1, 700)] });
  }
  assert.equal(wal.busy, true);
  assert.equal(wal.segmentCount, 2, 'the spare was used');
  assert.equal(supply.problem?.code, 'ENOSPC');
  assert.deepEqual(wal.commit(0), []);
  assert.ok(!disk.list(DIRECTORY).some((name) => name.endsWith('.tmp')), 'no leftovers');

  const vote = submitter.request(2, { hardState: { term: 3, vote: 1 } });
  assert.ok(wal.stage(vote), 'the reserve is there for votes');
  assert.equal(wal.commit(0).length, 1);
  assert.equal(wal.stage(refused), false, 'entries still wait');

  disk.setCapacity(10 * 8192);
  assert.ok(wal.stage(refused) || wal.stage(refused), 'the refusal asked for a spare');
  assert.equal(wal.busy, false);
  assert.equal(wal.commit(0).length, 1);
  wal.close();
  const { groups } = openWal(disk);
  assert.equal(prefixLength(disk, groups, [...requests, vote, refused]), requests.length + 2);
});

test('a disk that fills half-way through a roll-over is busy, and it is finished later', () => {
  for (const kind of ['noSpace', 'directoryError'] as const) {
    const disk = newDisk();
    const { wal } = openWal(disk);
    const submitter = new Submitter();
    const requests: PersistRequest[] = [];
    const code = 'ENOSPC';
    let request = submitter.request(1, { runs: [run(1, 1, 1, 1, 700)] });
    for (let index = 2; index < 100 && !wal.busy; index += 1) {
      if (requests.length === 4)
        disk.arm({ kind, path: kind === 'noSpace' ? '2.wal' : 'spare', code });
      if (!wal.stage(request)) continue;
      requests.push(request);
      wal.commit(0);
      request = submitter.request(1, { runs: [run(1, 1, index, 1, 700)] });
    }
    assert.equal(disk.counters()[kind], 1, kind);
    assert.equal(wal.segmentCount, 1);
    disk.disarm();
    const small = submitter.request(2, { hardState: { term: 1, vote: 1 } });
    assert.ok(wal.stage(small));
    assert.equal(wal.segmentCount, 2, 'nothing is added to a segment whose successor has a name');
    assert.ok(wal.stage(request));
    assert.equal(wal.commit(0).length, 2);
    const { groups } = openWal(disk);
    assert.equal(prefixLength(disk, groups, [...requests, small, request]), requests.length + 2);
  }
});

test('a failed sync while a segment is begun ends the log, whatever its code', () => {
  const disk = newDisk();
  const { wal } = openWal(disk);
  const submitter = new Submitter();
  disk.arm({ kind: 'syncError', path: '2.wal', code: 'ENOSPC' });
  assert.throws(() => {
    for (let index = 1; index < 100; index += 1) {
      wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1, 700)] }));
      wal.commit(0);
    }
  }, WalFailed);
  wal.close();
});

test('a spare from another thread is taken when it is ready and waited for when it is not', () => {
  const disk = newDisk();
  const inner = new InlineSegmentSupply(disk, DIRECTORY, 8192);
  let wanted = 0;
  let answered = 0;
  const supply: SegmentSupply = {
    get ready() {
      return answered < wanted ? 0 : inner.ready;
    },
    isStarved: false,
    take: () => (answered < wanted ? null : inner.take()),
    want: () => {
      wanted += 1;
    },
    recycle: () => {},
  };
  const { wal } = openWal(disk, { supply });
  assert.equal(wal.segmentCount, 1, 'the first segment does not wait');
  const submitter = new Submitter();
  let request = submitter.request(1, { runs: [run(1, 1, 1, 1, 700)] });
  for (let index = 2; wal.stage(request); index += 1) {
    wal.commit(0);
    request = submitter.request(1, { runs: [run(1, 1, index, 1, 700)] });
  }
  assert.equal(wal.busy, true);
  inner.want();
  answered = wanted;
  assert.ok(wal.stage(request));
  assert.equal(wal.segmentCount, 1, 'the reserve is free for entries as soon as a spare is ready');
});

/** Spares that were made before, by someone whose directory syncs the log cannot count on. */
function givenSpares(disk: SimulatedDisk, count: number): SegmentSupply {
  const maker = new InlineSegmentSupply(disk, DIRECTORY, 8192);
  const paths: string[] = [];
  for (let n = 0; n < count; n += 1) {
    maker.want();
    paths.push(maker.take()!);
  }
  return {
    get ready() {
      return paths.length;
    },
    isStarved: false,
    take: () => paths.shift() ?? null,
    want: () => {},
    recycle: () => {},
  };
}

test('names are durable before anything in the file is acknowledged', () => {
  const disk = newDisk();
  disk.makeDirectory(DIRECTORY);
  const { wal } = openWal(disk, { supply: givenSpares(disk, 3) });
  const submitter = new Submitter();
  const requests: PersistRequest[] = [];
  while (wal.segmentCount < 2) {
    const first = requests.length + 1;
    requests.push(submitter.request(1, { runs: [run(1, 1, first, 1, 700)] }));
    assert.ok(wal.stage(requests.at(-1)!));
    assert.equal(wal.commit(0).length, 1);
  }
  disk.crash({ keepSector: 0, keepDirectoryOperation: 0 });
  assert.equal(prefixLength(disk, openWal(disk).groups, requests), requests.length);
});

test('a segment that recovery discarded stays away, whatever the next crash takes back', () => {
  const disk = newDisk();
  openWal(disk).wal.close();
  disk.rename(`${DIRECTORY}/spare-00000001.spare`, `${DIRECTORY}/0000000000000002.wal`);
  disk.syncDirectory(DIRECTORY);
  const { wal, report } = openWal(disk, { supply: givenSpares(disk, 0) });
  assert.equal(report.discarded, `${DIRECTORY}/0000000000000002.wal`);
  wal.stage(new Submitter().request(1, { runs: [run(1, 1, 1, 1)] }));
  wal.commit(0);
  disk.crash({ keepSector: 0, keepDirectoryOperation: 0 });
  assert.ok(!disk.exists(`${DIRECTORY}/0000000000000002.wal`));
});

test('leftovers of an interrupted preparation are removed, finished spares are used', () => {
  const disk = newDisk();
  openWal(disk).wal.close();
  for (const [name, bytes] of [
    ['spare-00000007.spare.tmp', 100],
    ['spare-00000008.spare', 8192],
    ['spare-00000009.spare', 512],
  ] as const) {
    const file = disk.open(`${DIRECTORY}/${name}`, 'create');
    file.write(new Uint8Array(bytes), 0, bytes, 0);
    file.close();
  }
  const supply = new InlineSegmentSupply(disk, DIRECTORY, 8192);
  assert.equal(supply.ready, 2);
  assert.deepEqual(
    disk.list(DIRECTORY).filter((name) => name.includes('spare')),
    ['spare-00000001.spare', 'spare-00000008.spare'],
  );
});

test('another segment size at a restart goes on in the old segment, new ones are larger', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const first = openWal(disk, { segmentBytes: 4608 });
  const requests = [submitter.request(1, { runs: [run(1, 1, 1, 1)] })];
  first.wal.stage(requests[0]!);
  first.wal.commit(0);
  first.wal.close();
  const second = openWal(disk, { segmentBytes: 64 * KIB });
  requests.push(submitter.request(1, { runs: [run(1, 1, 2, 1, 20 * KIB)] }));
  assert.ok(second.wal.stage(requests[1]!));
  second.wal.commit(0);
  assert.equal(second.wal.bytes, 4608 + 64 * KIB);
  second.wal.close();
  const { groups } = openWal(disk, { segmentBytes: 4608 });
  assert.equal(prefixLength(disk, groups, requests), 2);
  assert.equal(readBack(disk, groups[0]!, 2).length, 1);
});
