/**
 * What may leave a group's log in memory, and when: the guards of truncated entries.
 *
 * Poison mode is on: a region that is released while somebody may still read it is overwritten at
 * once.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { logIndex } from '../../engine/raft/types.js';
import { createArena } from '../../engine/runtime/arena.js';
import { type EvictionLimits, GroupLog } from '../../engine/runtime/group-log.js';

const ARENA_BYTES = 4096;
const PAYLOAD_BYTES = 240;
const ENTRY_BYTES = entryBytes(PAYLOAD_BYTES);

function entry(fill: number): Buffer {
  const slab = Buffer.alloc(ENTRY_BYTES);
  const view = new DataView(slab.buffer, slab.byteOffset, slab.length);
  const at = writeEntryHeader(view, 0, EntryKind.command, PAYLOAD_BYTES, 0);
  slab.fill(fill, at, at + PAYLOAD_BYTES);
  return slab;
}

function limits(changes: Partial<EvictionLimits>): EvictionLimits {
  return {
    upTo: logIndex(0),
    referencedFrom: logIndex(Number.MAX_SAFE_INTEGER),
    storedSeq: 0,
    isConsumed: () => true,
    ...changes,
  };
}

function append(log: GroupLog, index: number, fill: number): void {
  log.append(entry(fill), 0, ENTRY_BYTES, logIndex(index), null);
}

const FIRST_POSITIONS = [0, 2 ** 31 - 128, 2 ** 31 - 8, 2 ** 32 - 128, 2 ** 32 - 8];

function filled(entries: number, firstPosition: number): GroupLog {
  const options = { poison: true, firstPosition };
  const log = new GroupLog(createArena(ARENA_BYTES), logIndex(0), options);
  for (let index = 1; index <= entries; index += 1) append(log, index, index);
  return log;
}

for (const first of FIRST_POSITIONS) {
  test(`entries leave oldest first, as far as the limits allow, from position ${first}`, () => {
    const log = filled(12, first);
    assert.equal(log.makeRoom(ENTRY_BYTES * 2, 2, 'peer', limits({})), false);
    assert.equal(log.has(logIndex(1)), true);
    assert.equal(log.makeRoom(ENTRY_BYTES * 2, 2, 'peer', limits({ upTo: logIndex(12) })), true);
    assert.equal(log.has(logIndex(1)), false);
    assert.equal(log.has(logIndex(12)), true);
  });

  test(`bytes that a truncation dropped stay until what was sent before it has left, from position ${first}`, () => {
    const log = filled(12, first);
    const dropped = log.arena.offsetOf(log.map.positionOf(logIndex(3)));
    log.truncateAfter(logIndex(2), 7, 42);
    append(log, 3, 0xaa);
    const waiting = limits({ upTo: logIndex(3), storedSeq: 7, isConsumed: (mark) => mark < 42 });
    assert.equal(log.makeRoom(ENTRY_BYTES * 2, 2, 'peer', waiting), false);
    assert.equal(log.arena.bytes[dropped + 32], 3);
    const sent = limits({ upTo: logIndex(3), storedSeq: 7 });
    assert.equal(log.makeRoom(ENTRY_BYTES * 2, 2, 'peer', sent), true);
  });

  test(`bytes that a truncation dropped stay until the submission that may write them is durable, from position ${first}`, () => {
    const log = filled(12, first);
    log.truncateAfter(logIndex(2), 7, 0);
    const unwritten = limits({ upTo: logIndex(2), storedSeq: 6 });
    assert.equal(log.makeRoom(ENTRY_BYTES * 2, 2, 'peer', unwritten), false);
  });

  test(`what truncations left dead is released although no entry may leave, from position ${first}`, () => {
    const log = filled(12, first);
    log.truncateAfter(logIndex(0), 7, 0);
    append(log, 1, 0xaa);
    const nothingApplied = limits({ storedSeq: 7 });
    assert.equal(log.makeRoom(ENTRY_BYTES * 2, 2, 'peer', nothingApplied), true);
    assert.equal(log.has(logIndex(1)), true);
  });
}
