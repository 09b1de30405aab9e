/**
 * Torn or corrupt: the last block in every torn form, every byte of a small log flipped, every
 * truncation of its files.
 *
 * A damaged place that may have been acknowledged is refused by name; what was never acknowledged
 * is cut, and a cut that left a trace puts its groups in doubt.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { DiskError } from '../../io/disk/disk.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import {
  WalDamage,
  WalError,
  WalForeign,
  WalUnreadable,
  WalVersionError,
} from '../../io/wal/wal-errors.js';
import type { PersistRequest } from '../../io/wal/wal-types.js';
import {
  DIRECTORY,
  diskWith,
  filesOf,
  newDisk,
  openWal,
  prefixLength,
  rewriteHeader,
  run,
  Submitter,
} from './wal-harness.js';

const SECTOR = 512;
const FIRST = '0000000000000001.wal';
const SECOND = '0000000000000002.wal';

type Files = Map<string, Uint8Array>;

function copyOf(files: Files): Files {
  return new Map([...files].map(([name, bytes]) => [name, bytes.slice()]));
}

/** A log of `requests`, one block each, as files before the last block, after it, and closed. */
function written(
  requests: readonly PersistRequest[],
  segmentBytes = 4608,
): { before: Files; after: Files; closed: Files; offset: number } {
  const disk = newDisk();
  const { wal } = openWal(disk, { segmentBytes });
  let before = filesOf(disk);
  let offset = 0;
  for (const request of requests) {
    before = filesOf(disk);
    if (!wal.stage(request)) assert.fail('one request per block');
    offset = wal.position.offset;
    assert.equal(wal.commit(0).length, 1);
  }
  const after = filesOf(disk);
  wal.close();
  return { before, after, closed: filesOf(disk), offset };
}

/** Two groups, small entries, a truncation: nine blocks over two segments of 4 KiB. */
function smallLog(): PersistRequest[] {
  const submitter = new Submitter();
  return [
    submitter.request(1, { hardState: { term: 1, vote: 2 } }),
    submitter.request(1, { runs: [run(1, 1, 1, 2)] }),
    submitter.request(2, { runs: [run(2, 1, 1, 1, 400)] }),
    submitter.request(1, { truncateAfter: 1, runs: [run(1, 2, 2, 1)] }),
    submitter.request(2, { hardState: { term: 5, vote: 1 } }),
    submitter.request(1, { configuration: { index: 3, bytes: Buffer.from('c') } }),
    submitter.request(2, { runs: [run(2, 5, 2, 1, 30)] }),
  ];
}

const OPEN = { segmentBytes: 4608 };

test('a torn last block is cut in any subset of sectors, in doubt when it left a trace', () => {
  const submitter = new Submitter();
  const requests = [
    submitter.request(1, { runs: [run(1, 1, 1, 1)] }),
    submitter.request(1, { runs: [run(1, 1, 2, 1, 1400)] }),
  ];
  const { before, after, offset } = written(requests, 8192);
  const sectors = 4;
  for (let subset = 0; subset < 1 << sectors; subset += 1) {
    const files = copyOf(before);
    for (let sector = 0; sector < sectors; sector += 1) {
      if ((subset & (1 << sector)) === 0) continue;
      const at = offset + sector * SECTOR;
      files.get(FIRST)!.set(after.get(FIRST)!.subarray(at, at + SECTOR), at);
    }
    const disk = diskWith(files);
    const opened = openWal(disk);
    const whole = subset === (1 << sectors) - 1;
    const trace = (subset & 1) !== 0 || (subset & (1 << (sectors - 1))) !== 0;
    assert.equal(prefixLength(disk, opened.groups, requests), whole ? 2 : 1);
    assert.equal(isInDoubt(opened, 1), !whole && trace, `subset ${subset.toString(2)}`);
    assert.equal(opened.report.tornBlocks, !whole && trace ? 1 : 0);
    assert.equal(opened.report.cut === null, whole || !trace);
    opened.wal.close();
    const again = openWal(disk);
    assert.equal(isInDoubt(again, 1), !whole && trace, 'the doubt outlives a restart');
    assert.equal(again.report.cut, null, 'what was cut is cleared');
  }
});

test('a flipped byte anywhere in a closed log is refused or harmless, never a wrong record', () => {
  const requests = smallLog();
  const { closed } = written(requests);
  assert.ok(closed.has(SECOND), 'the log has two segments');
  const outcomes = { damaged: 0, foreign: 0, harmless: 0 };
  for (const name of [FIRST, SECOND]) {
    for (let at = 0; at < 4608; at += 1) {
      const files = copyOf(closed);
      const bytes = files.get(name)!;
      bytes[at] = bytes[at]! ^ (1 << (at % 8));
      const disk = diskWith(files);
      try {
        const opened = openWal(disk, OPEN);
        assert.equal(prefixLength(disk, opened.groups, requests), requests.length);
        assert.ok(opened.groups.every((group) => !group.inDoubt));
        outcomes.harmless += 1;
      } catch (error) {
        assert.ok(error instanceof WalDamage, `${error}`);
        assert.equal(error.path, `${DIRECTORY}/${name}`, `byte ${at}`);
        assert.ok(error.offset <= at && at < error.offset + 1024, `${error.offset} for ${at}`);
        assert.deepEqual(filesOf(disk), files, 'a refused log is not touched');
        outcomes.damaged += 1;
      }
    }
  }
  assert.ok(outcomes.damaged > 4000 && outcomes.harmless > 1000, JSON.stringify(outcomes));
});

test('a flipped byte in the last block, acknowledged but not sealed, is a cut in doubt', () => {
  const requests = smallLog().slice(0, 3);
  const { after, offset } = written(requests);
  for (let at = offset; at < offset + 1024; at += 1) {
    const files = copyOf(after);
    const bytes = files.get(FIRST)!;
    bytes[at] = bytes[at]! ^ 0x40;
    const disk = diskWith(files);
    const opened = openWal(disk, OPEN);
    assert.equal(prefixLength(disk, opened.groups, requests), 2, `byte ${at}`);
    assert.ok(isInDoubt(opened, 2), `byte ${at}`);
    assert.ok(!isInDoubt(opened, 1));
  }
});

test('a file truncated at any length is refused: a segment has its full length from birth', () => {
  const { closed } = written(smallLog());
  for (const name of [FIRST, SECOND]) {
    for (let length = 0; length < 4608; length += 1) {
      const files = copyOf(closed);
      files.set(name, files.get(name)!.slice(0, length));
      const disk = diskWith(files);
      assert.throws(() => openWal(disk, OPEN), { code: 'walDamage', path: `${DIRECTORY}/${name}` });
    }
  }
});

test('a segment whose blocks are all gone is refused when another one follows', () => {
  const { closed } = written(smallLog());
  for (const from of [0, 512, 1024, 2048]) {
    const files = copyOf(closed);
    files.get(FIRST)!.fill(0, from);
    assert.throws(
      () => openWal(diskWith(files), OPEN),
      (error) => {
        assert.ok(error instanceof WalDamage);
        assert.equal(error.path, `${DIRECTORY}/${FIRST}`);
        assert.equal(error.offset, from);
        return true;
      },
    );
  }
});

test('a beginning of the second segment that is gone is named there, when blocks follow it', () => {
  const { closed } = written(smallLog());
  const files = copyOf(closed);
  files.get(SECOND)!.fill(0, 512, 1024);
  assert.throws(() => openWal(diskWith(files), OPEN), {
    code: 'walDamage',
    path: `${DIRECTORY}/${SECOND}`,
    offset: 512,
  });
});

test('a segment that was named and not begun is discarded, and the log goes on before it', () => {
  const requests = smallLog().slice(0, 4);
  const { after } = written(requests);
  for (const garbage of [0, 0xa5]) {
    const files = copyOf(after);
    files.set(SECOND, new Uint8Array(4608).fill(garbage));
    const disk = diskWith(files);
    const { wal, groups, report } = openWal(disk, OPEN);
    assert.equal(prefixLength(disk, groups, requests), 4);
    assert.equal(report.discarded, `${DIRECTORY}/${SECOND}`);
    assert.ok(!disk.exists(`${DIRECTORY}/${SECOND}`));
    assert.equal(wal.position.segment, 1);
  }
});

test('unsynced blocks after a lost one are cut; once a sync is on record it is corruption', () => {
  const submitter = new Submitter();
  const requests = [1, 2, 3, 4].map((index) =>
    submitter.request(1, { runs: [run(1, 1, index, 1)] }),
  );
  const disk = newDisk();
  const { wal } = openWal(disk, { mode: 'none' });
  const offsets = requests.map((request) => {
    wal.stage(request);
    return wal.commit(0)[0]!.offset;
  });
  const files = filesOf(disk);
  files.get(FIRST)!.fill(0, offsets[1]!, offsets[1]! + SECTOR);
  const lost = diskWith(files);
  const opened = openWal(lost);
  assert.equal(prefixLength(lost, opened.groups, requests), 1);
  assert.equal(opened.report.tornBlocks, 2);
  assert.ok(isInDoubt(opened, 1), 'blocks 3 and 4 left traces');
  const again = openWal(lost).report;
  assert.deepEqual([again.cut, again.tornBlocks], [null, 0], 'what was cut is cleared');

  wal.stage(submitter.request(2, { hardState: { term: 1, vote: 1 } }));
  wal.commit(0);
  wal.stage(submitter.request(1, { runs: [run(1, 1, 5, 1)] }));
  wal.commit(0);
  const later = filesOf(disk);
  later.get(FIRST)!.fill(0, offsets[1]!, offsets[1]! + SECTOR);
  assert.throws(() => openWal(diskWith(later)), {
    code: 'walDamage',
    offset: offsets[1],
    message:
      /zeros where a block was; block 7 of segment 1 says that everything up to 6 was synced/,
  });
});

test('a trace of a block, or two segments, before an unbegun one: it must have been synced', () => {
  const requests = smallLog().slice(0, 4);
  const { after, offset } = written(requests);
  const torn = copyOf(after);
  torn.get(FIRST)![offset + 100]! ^= 1;
  torn.set(SECOND, new Uint8Array(4608));
  assert.throws(() => openWal(diskWith(torn), OPEN), {
    code: 'walDamage',
    offset,
    message: /fails its checksum; segment 2 follows, and it was named only after this one was/,
  });
  const two = copyOf(after);
  two.set(SECOND, new Uint8Array(4608));
  two.set('0000000000000003.wal', new Uint8Array(4608));
  assert.throws(() => openWal(diskWith(two), OPEN), {
    code: 'walDamage',
    path: `${DIRECTORY}/${SECOND}`,
    message: /segments 2 and 3 follow/,
  });
});

test('a block or a segment of another history breaks the chain, though each is whole', () => {
  const history = (text: string) => {
    const submitter = new Submitter();
    const disk = newDisk();
    const { wal } = openWal(disk, OPEN);
    const vote = { term: 1, vote: text.length };
    wal.stage(submitter.request(1, { hardState: vote }));
    const { offset } = wal.commit(0)[0]!;
    for (let index = 1; wal.segmentCount < 2; index += 1) {
      const files = filesOf(disk);
      wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1, 700)] }));
      if (wal.segmentCount === 2) return { offset, begun: filesOf(disk), before: files };
      wal.commit(0);
    }
    return assert.fail('never rolled over');
  };
  const ours = history('a');
  const theirs = history('bb');
  const block = copyOf(ours.before);
  const foreign = theirs.before.get(FIRST)!.subarray(ours.offset, ours.offset + SECTOR);
  block.get(FIRST)!.set(foreign, ours.offset);
  assert.throws(() => openWal(diskWith(block), OPEN), {
    code: 'walDamage',
    offset: ours.offset + SECTOR,
    message: /block 3 follows another block than the one before it/,
  });
  const segment = copyOf(ours.begun);
  segment.set(SECOND, theirs.begun.get(SECOND)!);
  assert.throws(() => openWal(diskWith(segment), OPEN), { code: 'walDamage' });
});

test('a start seals what it recovered: from then on damage to it is corruption', () => {
  const requests = smallLog().slice(0, 3);
  const { after, offset } = written(requests);
  const disk = diskWith(after);
  openWal(disk, OPEN);
  const files = filesOf(disk);
  files.get(FIRST)![offset + 100]! ^= 1;
  assert.throws(() => openWal(diskWith(files), OPEN), { code: 'walDamage', offset });
});

test('old blocks in a recycled file are never read, wherever the new ones end', () => {
  const submitter = new Submitter();
  const old = newDisk();
  const { wal } = openWal(old, OPEN);
  for (
    let index = 1;
    wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1)] }));
    index += 1
  ) {
    wal.commit(0);
    if (wal.segmentCount === 2) break;
  }
  wal.close();
  const full = filesOf(old).get(FIRST)!;
  const files = filesOf(old);
  files.set('spare-00000000.spare', full);
  const disk = diskWith(files);
  const opened = openWal(disk, OPEN);
  const last = opened.groups[0]!.last;
  let index = last;
  while (opened.wal.segmentCount < 3) {
    index += 1;
    const request = { group: 1, seq: index, generation: 0, term: 1, runs: [run(1, 1, index, 1)] };
    assert.ok(opened.wal.stage(request));
    opened.wal.commit(0);
  }
  const again = openWal(diskWith(filesOf(disk)), OPEN);
  assert.equal(again.wal.position.segment, 3);
  assert.equal(again.groups[0]!.last, index);
  assert.equal(again.report.tornBlocks, 0);
  assert.equal(again.report.cut, null, 'the old bytes are no trace of anything');
});

test('another format version or an unknown required feature is refused by name', () => {
  const { closed } = written(smallLog());
  for (const [at, value, message] of [
    [8, 2, /log format version 2; this program reads 1/],
    [16, 0x30, /required features 0x00000030 are unknown/],
  ] as const) {
    for (const name of [FIRST, SECOND]) {
      const files = copyOf(closed);
      rewriteHeader(files.get(name)!, (view) => view.setUint32(at, value, true));
      assert.throws(
        () => openWal(diskWith(files), OPEN),
        (error) => {
          assert.ok(error instanceof WalVersionError);
          assert.match(error.message, message);
          assert.equal(error.path, `${DIRECTORY}/${name}`);
          return true;
        },
      );
    }
  }
});

test('an unknown optional feature is read', () => {
  const { closed } = written(smallLog());
  const files = copyOf(closed);
  rewriteHeader(files.get(FIRST)!, (view) => view.setUint32(20, 0xffff, true));
  assert.equal(openWal(diskWith(files), OPEN).groups.length, 2);
});

test('the log of another cluster, node or life is refused, naming both ids', () => {
  const { closed } = written(smallLog());
  for (const [overrides, message] of [
    [{ clusterId: 8 }, /belongs to cluster id 7, this node has cluster id 8/],
    [{ nodeId: 4 }, /belongs to node id 3, this node has node id 4/],
    [{ logId: 42 }, /belongs to log id 123456789012, this node has log id 42/],
  ] as const) {
    assert.throws(
      () => openWal(diskWith(closed), { ...OPEN, ...overrides }),
      (error) => {
        assert.ok(error instanceof WalForeign);
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test('a missing segment is refused: in the middle, at the beginning, and all of them', () => {
  const submitter = new Submitter();
  const disk = newDisk();
  const { wal } = openWal(disk, OPEN);
  for (let index = 1; wal.segmentCount < 3; index += 1) {
    assert.ok(wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1, 300)] })));
    wal.commit(0);
  }
  const files = filesOf(disk);
  const without = (name: string) => new Map([...files].filter(([found]) => found !== name));
  assert.throws(() => openWal(diskWith(without(SECOND)), OPEN), { code: 'walMissing' });
  assert.throws(() => openWal(diskWith(without(FIRST)), OPEN), {
    code: 'walMissing',
    message: /entries 1–\d+ of group 1 are in no segment that is left/,
  });
  const none = { ...OPEN, mustExist: true };
  assert.throws(() => openWal(diskWith(new Map()), none), { code: 'walMissing' });
});

test('an unfinished first segment is made again, unless the caller knows better', () => {
  const { closed } = written([]);
  const files = copyOf(closed);
  files.get(FIRST)!.fill(0);
  assert.equal(openWal(diskWith(files), OPEN).report.created, true);
  assert.throws(() => openWal(diskWith(files), { ...OPEN, mustExist: true }), WalDamage);
});

test('a file renamed to another segment number is refused', () => {
  const { closed } = written(smallLog().slice(0, 2));
  const files: Files = new Map([[SECOND, closed.get(FIRST)!]]);
  assert.throws(() => openWal(diskWith(files), OPEN), {
    code: 'walDamage',
    message: /the file is segment 1, its name says 2/,
  });
});

test('errors of the disk come through as they are, but for what it cannot read', () => {
  const disk = newDisk();
  openWal(disk).wal.close();
  for (const fault of [{ kind: 'directoryError' }, { kind: 'readError', code: 'EBADF' }] as const) {
    disk.arm(fault);
    assert.throws(() => openWal(disk), DiskError);
    disk.disarm();
  }
  disk.arm({ kind: 'readError' });
  assert.throws(() => openWal(disk), WalUnreadable);
  assert.ok(!(new DiskError('EIO', 'read', 'x') instanceof WalError));
});
