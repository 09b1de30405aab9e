/**
 * An entry that this build cannot read, a configuration or one of client sessions, sent by a leader
 * of another version: it is not taken, the operator hears of it once, every try is counted, and the
 * replica goes on afterwards.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeConfiguration } from '../../codec/configuration.js';
import { EntryKind, EntryMark } from '../../codec/entry.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { nodeId } from '../../engine/raft/types.js';
import { entryOf, RuntimeFollower, slabOf } from '../regressions/runtime-follower.js';
import { entry } from './session-entries.js';

const START = { term: 0, index: 0 };

/** A configuration as a later build might write it. */
function configuration(version: number): Buffer {
  const members = [1, 2, 3].map((id) => ({ id: nodeId(id), address: `node-${id}` }));
  const bytes = encodeConfiguration(bootstrapConfiguration(members));
  bytes.writeUInt16LE(version, 0);
  return entryOf(EntryKind.configuration, bytes);
}

test('a configuration of an unknown version is told by version and index, counted, not taken', async () => {
  const follower = new RuntimeFollower();
  const slab = Buffer.concat([slabOf(['one']), configuration(9), slabOf(['three'])]);
  for (let tries = 0; tries < 3; tries += 1) {
    assert.equal(follower.appendSlab(1, START, 1, slab, 3, 0), true, 'its sender is no intruder');
    await follower.turn();
  }
  assert.equal(follower.runtime.intake.unreadable, 3);
  assert.deepEqual(follower.events, [
    'entry 2 from node 2 is not taken: configuration of format version 9, this build reads 2. ' +
      'This replica stays behind until it runs a version of ringraft that reads it',
  ]);
  assert.equal(follower.runtime.raft.lastIndex, 0);
});

test('what a later version does to sessions, and its flags, are told and not taken', () => {
  const { command, session } = EntryMark;
  for (const [mark, payload, what] of [
    [session, [9, ...new Uint8Array(15)], 'it does 9 to a session, this version knows open'],
    [command + 0x400, [1], 'it is of kind 2 with flags 4, which this version knows not'],
  ] as const) {
    const follower = new RuntimeFollower();
    const slab = Buffer.concat([slabOf(['one']), entry(mark, Uint8Array.from(payload))]);
    assert.equal(follower.appendSlab(1, START, 1, slab, 2, 0), true);
    assert.match(
      follower.events[0] ?? '',
      new RegExp(`^entry 2 from node 2 is not taken: ${what}`),
    );
    assert.equal(follower.runtime.raft.lastIndex, 0);
  }
});

test('one that is damaged is told as such, and a readable one is taken afterwards', async () => {
  const follower = new RuntimeFollower();
  const short = entryOf(EntryKind.configuration, Buffer.from([1, 0, 0]));
  follower.appendSlab(1, START, 1, short, 1, 0);
  assert.match(follower.events[0] ?? '', /^entry 1 from node 2 .*configuration of 3 bytes/);
  follower.appendSlab(1, START, 1, Buffer.concat([configuration(2), slabOf(['x'])]), 2, 2);
  await follower.turn();
  assert.equal(follower.runtime.raft.lastIndex, 2);
  assert.equal(follower.runtime.intake.unreadable, 1);
  assert.equal(follower.runtime.raft.state.membership.entry.index, 1);
});
