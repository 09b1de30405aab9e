/**
 * A read that is pipelined behind a forwarded write waits for that write, also when the log of the
 * follower is truncated meanwhile: the write lies further on, at the leader.
 *
 * Found by the simulator: the truncation lowered what the read waited for, and it was answered
 * without the write that was acknowledged before it.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { RuntimeFollower } from './runtime-follower.js';

test('a truncation does not let a read overtake the forwarded write before it', async () => {
  const follower = new RuntimeFollower();
  follower.append(1, { term: 0, index: 0 }, 1, ['a', 'b', 'c'], 1);
  await follower.turn();

  // A leader of term 2 has entry 1, then its own ones: here 2 and 3 will be truncated.
  follower.append(2, { term: 1, index: 1 }, 2, [], 1);
  await follower.turn();
  follower.propose(7, 'mine');
  follower.read(8);
  await follower.turn();
  follower.forwardReply({ first: 4, term: 2 });
  follower.readIndexReply(2, 3);
  await follower.turn();

  follower.append(2, { term: 1, index: 1 }, 2, ['x', 'y'], 3);
  await follower.turn();
  assert.deepEqual(follower.events, [], 'the write before the read is still on its way');

  follower.append(2, { term: 2, index: 3 }, 2, ['mine'], 4);
  await follower.turn();
  assert.deepEqual(follower.events, ['write 7 did mine', 'read 8 saw mine']);
});
