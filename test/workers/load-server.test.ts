/**
 * Old entries on their way from the log to a group: what is read arrives, what is damaged arrives
 * as the reason, with file and byte.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { logIndex, term } from '../../engine/raft/types.js';
import { LoadServer } from '../../workers/load-server.js';
import { LOAD_BYTES, LoadKind, readLoaded, writeLoad } from '../../workers/records/load.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells } from '../../workers/ring/layout.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';
import { Bell, createGroupMemory } from '../../workers/topology.js';
import { BadSectorDisk } from '../io/bad-sector-disk.js';
import { DIRECTORY, newDisk, openWal, run, Submitter } from '../io/wal-harness.js';
import { FIRST_CURSORS, fromThere } from './first-cursors.js';

const GROUP = 1;

/** A log of two entries in a block each, the second damaged or unreadable, and its server. */
function damagedLog(first: number, isUnreadable = false) {
  const disk = newDisk();
  const { wal } = openWal(disk, { segmentBytes: 64 * 1024 });
  const submitter = new Submitter();
  const write = (index: number) => {
    assert.ok(wal.stage(submitter.request(GROUP, { runs: [run(GROUP, 1, index, 1)] })));
    return wal.commit(0)[0]!;
  };
  const good = write(1);
  const bad = write(2);
  const path = `${DIRECTORY}/0000000000000001.wal`;
  if (!isUnreadable) disk.flipBit(path, bad.offset + 100);
  const served = isUnreadable ? new BadSectorDisk(disk, path, bad.offset) : disk;
  const memory = createGroupMemory(1024, 1024 * 1024, first);
  const bell = new Doorbell(createDoorbells(Bell.consensus + 1), Bell.consensus);
  const server = new LoadServer(served, DIRECTORY, [{ group: GROUP, memory, bell }]);
  const requests = new RingProducer(memory.loads);
  const answers = new RingConsumer(memory.loaded);
  const load = (index: number, { segment, offset }: { segment: number; offset: number }) => {
    const at = requests.tryClaim(LoadKind.load, LOAD_BYTES);
    const range = { first: logIndex(index), last: logIndex(index), bytesMax: 4096 };
    writeLoad(requests.view, at, { id: index, segment, offset, ...range, term: term(1) });
    requests.commit();
    server.doWork();
    const taken: ReturnType<typeof readLoaded>[] = [];
    answers.drain((_, start, bytes) => {
      taken.push(readLoaded(answers.bytes, answers.view, start, bytes));
      return RECORD_TAKEN;
    }, Number.POSITIVE_INFINITY);
    assert.equal(taken.length, 1);
    return taken[0]!;
  };
  return { server, load, good, bad };
}

for (const first of FIRST_CURSORS) {
  test(`an entry that is damaged is answered with its file and byte${fromThere(first)}`, () => {
    const { server, load, good, bad } = damagedLog(first);
    const whole = load(1, good);
    assert.equal(whole.count, 1);
    assert.equal(server.failures, 0);
    const broken = load(2, bad);
    assert.equal(broken.count, 0);
    const where = `${DIRECTORY}/0000000000000001.wal at byte ${bad.offset}`;
    assert.ok(broken.slab.toString().includes(where), broken.slab.toString());
    assert.equal(server.failures, 1);
    server.close();
  });

  test(`an entry that the disk cannot read is answered with its file and byte${fromThere(first)}`, () => {
    const { server, load, good, bad } = damagedLog(first, true);
    for (let times = 1; times <= 2; times += 1) {
      const broken = load(2, bad);
      assert.equal(broken.count, 0);
      const where = `${DIRECTORY}/0000000000000001.wal at byte ${bad.offset}: the disk cannot read`;
      assert.ok(broken.slab.toString().includes(where), broken.slab.toString());
      assert.equal(server.failures, times);
      assert.equal(load(1, good).count, 1, 'what lies beside it is read');
    }
    server.close();
  });

  test(`an entry that is not in the log is answered with the place it was looked for${fromThere(first)}`, () => {
    const { server, load } = damagedLog(first);
    const missing = load(1, { segment: 9, offset: 512 });
    assert.equal(missing.count, 0);
    assert.equal(missing.slab.toString(), 'segment 9 does not hold it from byte 512 on');
    server.close();
  });
}
