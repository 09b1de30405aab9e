/**
 * Sizes that must fit into each other: what the leader sends in one append reaches the follower's
 * ring and its arena, for every entry size a group may be given.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { entryBytes } from '../../codec/entry.js';
import { LIMITS } from '../../engine/limits.js';
import { Arena } from '../../engine/runtime/arena.js';
import { RingProducer } from '../../workers/ring/spsc-ring.js';
import { appendBytesMax, createGroupMemory } from '../../workers/topology.js';

const ENTRY_SIZES = [64, 1000, 65_535, 65_536, 65_537, 100_000, 200_000, 500_000, 1_048_576];
const FRAME_AND_MESSAGE_BYTES = 512;

for (const entryBytesMax of [...ENTRY_SIZES, LIMITS.entryBytesMaxMax]) {
  test(`an append and the largest entry of ${entryBytesMax} bytes fit a record and an arena`, () => {
    const memory = createGroupMemory(entryBytesMax, 1024 * 1024);
    const largest = Math.max(appendBytesMax(entryBytesMax), entryBytes(entryBytesMax));
    const { reserveBytesMax } = new Arena(memory.arena);
    assert.ok(largest <= reserveBytesMax, `${largest} bytes, a reservation of ${reserveBytesMax}`);
    for (const name of ['inbox', 'fromPeers', 'toPeers', 'loaded'] as const) {
      const { payloadBytesMax } = new RingProducer(memory[name]);
      const record = largest + FRAME_AND_MESSAGE_BYTES;
      assert.ok(
        record <= payloadBytesMax,
        `${name}: ${record} bytes, records of ${payloadBytesMax}`,
      );
    }
    assert.ok(
      LIMITS.batchBytesMax + entryBytes(0) <= new RingProducer(memory.inbox).payloadBytesMax,
    );
  });
}

test('an order to begin a snapshot has room for the largest configuration', () => {
  const { loads } = createGroupMemory(LIMITS.entryBytesMaxDefault, 1024 * 1024);
  const { payloadBytesMax } = new RingProducer(loads);
  // Besides it there are a few numbers and their names.
  assert.ok(payloadBytesMax >= LIMITS.configurationBytesMax + 1024, `${payloadBytesMax}`);
});
