/**
 * The text form of a segment, as the inspector prints it: one golden for a whole log, one for
 * damage.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { describeSegment, isSegment } from '../../io/wal/describe.js';
import { DIRECTORY, newDisk, openWal, run, Submitter } from './wal-harness.js';

const FIRST = `${DIRECTORY}/0000000000000001.wal`;

function text(disk: Parameters<typeof describeSegment>[0], path: string): string {
  return `\n${[...describeSegment(disk, path)].join('\n')}\n`;
}

function sample() {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk, { segmentBytes: 4608 });
  wal.stage(submitter.request(1, { term: 2, hardState: { term: 2, vote: 3 } }));
  wal.stage(
    submitter.request(40, {
      runs: [run(40, 1, 1, 2), run(40, 2, 3, 1)],
      configuration: { index: 3, bytes: Buffer.from('members') },
    }),
  );
  wal.commit(0);
  wal.stage(submitter.request(40, { truncateAfter: 2, runs: [], clearsDoubt: true }));
  const { offset } = wal.commit(0)[0]!;
  wal.seal();
  wal.stage(submitter.request(1, { runs: [run(1, 2, 1, 1, 1500)] }));
  wal.commit(0);
  return { disk, wal, offset };
}

const HEADER = `
segment 1 format 1 features required 00000001 optional 00000000 \
cluster 7 node 3 log 123456789012 size 4608
       512 checkpoint #1 durable 0 512 bytes
      1024 batch #2 durable 1 512 bytes groups 00000100:00000002 terms ≤ 2`;

test('a segment prints every block, request and run on a line', () => {
  const { disk, wal } = sample();
  wal.close();
  assert.equal(
    text(disk, FIRST),
    `${HEADER}
           group 1 request 1 term 2 generation 0 hard state 2/3 last 0
           group 40 request 1 term 1 generation 0 entries 1–2@1 (48 bytes) \
entries 3–3@2 (24 bytes) configuration 3 (7 bytes) last 3
      1536 batch #3 durable 2 512 bytes groups 00000100:00000000
           group 40 request 2 term 1 generation 1 truncate after 2 clears doubt last 2
      2048 seal #4 durable 3 512 bytes
      2560 handover #6 durable 5 512 bytes
      3072 end, 1536 bytes free
`,
  );
});

test('compactions, resets and copies are named, and the base of each group in checkpoints', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk, { segmentBytes: 4608, maxLogBytes: 4 * 4608 });
  const commit = (...request: Parameters<Submitter['request']>): void => {
    assert.ok(wal.stage(submitter.request(...request)));
    wal.commit(0);
  };
  commit(1, { runs: [run(1, 1, 1, 2)] });
  commit(2, { reset: { index: 7, term: 3 }, runs: [run(2, 3, 8, 1)] });
  for (let index = 9; wal.segmentCount < 3; index += 1) {
    commit(2, { runs: [run(2, 3, index, 1, 900)], compact: { index: index - 1, term: 3 } });
  }
  while (wal.reclaim());
  const second = DIRECTORY.concat('/0000000000000002.wal');
  const third = DIRECTORY.concat('/0000000000000003.wal');
  assert.match(text(disk, FIRST), /group 2 request 1 .* reset to 7@3 entries 8–8@3 .* last 8/);
  assert.match(text(disk, second), /group 2 hard .* compacted \d+@3 snapshot 0/);
  assert.match(text(disk, second), /entries (\d+)–\1@3 \(\d+ bytes\) compact up to \d+@3 last \1/);
  assert.match(text(disk, third), /group 1 copy term 0 .* entries 1–2@1 \(\d+ bytes\) last 2/);
  wal.recycleFreed();
  disk.rename(`${DIRECTORY}/0000000000000001.recycled`, `${DIRECTORY}/0000000000000009.wal`);
  const recycled = text(disk, `${DIRECTORY}/0000000000000009.wal`);
  assert.match(recycled, /^segment 1 .*\n {2}named segment 9 and not begun: .* former life/m);
});

test('damage is a line, and what is still recognisable after it is listed', () => {
  const { disk, offset } = sample();
  disk.flipBit(FIRST, offset + 120);
  assert.match(
    text(disk, FIRST),
    /1536 end: the body of block 3 fails its checksum; traces of blocks up to 3072/,
  );
  assert.match(text(disk, FIRST), /2048 unreachable seal #4 durable 3 512 bytes/);
});

test('another format version and a file that is no segment say so', () => {
  const { disk } = sample();
  const file = disk.open(`${DIRECTORY}/note`, 'create');
  file.write(Buffer.from('hello'), 0, 5, 0);
  file.close();
  assert.equal(
    text(disk, `${DIRECTORY}/note`),
    `\n${DIRECTORY}/note: no segment header (5 bytes)\n`,
  );
  assert.equal(isSegment(disk, `${DIRECTORY}/note`), false);
  assert.equal(isSegment(disk, FIRST), true);
});
