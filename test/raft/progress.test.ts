/**
 * What a leader believes of one peer: probe and replicate, the window, stale answers.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Inflight, Progress } from '../../engine/raft/progress.js';
import { incarnation, logIndex, nodeId, term } from '../../engine/raft/types.js';

function probing(next: number): Progress {
  return new Progress(nodeId(2), logIndex(next), 0, incarnation(1));
}

/** A peer that matches `match` and to which appends up to `next - 1` are under way. */
function replicating(match: number, next: number): Progress {
  const progress = probing(match + 1);
  progress.accepted(logIndex(match));
  for (let at = match + 1; at < next; at += 1) progress.inflight.add(logIndex(at), 100);
  progress.next = logIndex(next);
  return progress;
}

test('a peer is probed first, with one append under way', () => {
  const progress = probing(8);
  assert.equal(progress.isPaused(4, 1000), false);
  progress.probeSent = true;
  assert.equal(progress.isPaused(4, 1000), true);
});

test('an accepted probe opens the window right after what matches', () => {
  const progress = probing(8);
  progress.probeSent = true;
  assert.equal(progress.accepted(logIndex(7)), true);
  assert.deepEqual([progress.state, progress.match, progress.next], ['replicate', 7, 8]);
  assert.equal(progress.isPaused(4, 1000), false);
});

test('a refused probe goes back to the hint, never behind what matches', () => {
  const progress = probing(8);
  assert.equal(progress.refused(logIndex(7), logIndex(3)), true);
  assert.deepEqual([progress.state, progress.next], ['probe', 4]);
  assert.equal(progress.refused(logIndex(3), logIndex(0)), true);
  assert.equal(progress.next, 1);
});

test('a refusal of another probe than the last one is stale', () => {
  const progress = probing(8);
  assert.equal(progress.refused(logIndex(5), logIndex(3)), false);
  assert.equal(progress.next, 8);
});

test('a refusal while replicating means that something in flight was lost', () => {
  const progress = replicating(5, 9);
  assert.equal(progress.refused(logIndex(7), logIndex(5)), true);
  assert.deepEqual([progress.state, progress.next, progress.inflight.count], ['probe', 6, 0]);
});

test('a refusal of what is known to match since is stale', () => {
  const progress = replicating(5, 9);
  assert.equal(progress.refused(logIndex(5), logIndex(2)), false);
  assert.deepEqual([progress.state, progress.next], ['replicate', 9]);
});

test('a late acceptance says nothing new and takes nothing back', () => {
  const progress = replicating(5, 9);
  assert.equal(progress.accepted(logIndex(3)), false);
  assert.deepEqual([progress.match, progress.next, progress.inflight.count], [5, 9, 3]);
});

test('the window is full by messages or by bytes', () => {
  const progress = replicating(0, 4);
  assert.equal(progress.isPaused(4, 1000), false);
  assert.equal(progress.isPaused(3, 1000), true);
  assert.equal(progress.isPaused(4, 300), true);
  progress.accepted(logIndex(2));
  assert.equal(progress.isPaused(3, 1000), false);
});

test('a renewed connection sends again from what matches', () => {
  const progress = replicating(5, 9);
  progress.becomeProbe();
  assert.deepEqual([progress.state, progress.next, progress.inflight.count], ['probe', 6, 0]);
});

test('a renewed connection keeps the guess where nothing is known to match', () => {
  const progress = probing(1_000_001);
  progress.probeSent = true;
  progress.becomeProbe();
  assert.deepEqual([progress.next, progress.probeSent], [1_000_001, false]);
});

test('a restarted peer matches nothing until it answers', () => {
  const progress = replicating(5, 9);
  progress.restarted();
  assert.deepEqual([progress.state, progress.match, progress.next], ['probe', 0, 9]);
  assert.equal(progress.refused(logIndex(8), logIndex(4)), true);
  assert.equal(progress.next, 5);
});

test('the window holds what was added and not freed', () => {
  const steps = fc.array(fc.record({ grow: fc.integer({ min: 1, max: 3 }), free: fc.nat(4) }));
  fc.assert(
    fc.property(steps, (list) => {
      const inflight = new Inflight();
      let plain: { last: number; bytes: number }[] = [];
      let last = 0;
      for (const { grow, free } of list) {
        last += grow;
        inflight.add(logIndex(last), grow * 10);
        plain.push({ last, bytes: grow * 10 });
        inflight.free(logIndex(last - free));
        plain = plain.filter((each) => each.last > last - free);
        assert.equal(inflight.count, plain.length);
        assert.equal(
          inflight.bytes,
          plain.reduce((sum, each) => sum + each.bytes, 0),
        );
      }
      inflight.clear();
      assert.deepEqual([inflight.count, inflight.bytes], [0, 0]);
    }),
  );
});

test('whatever answers arrive, what matches never shrinks and stays before what is next', () => {
  const answer = fc.record({ accepted: fc.boolean(), at: fc.nat(20), hint: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(answer), (answers) => {
      const progress = probing(21);
      for (const { accepted, at, hint } of answers) {
        const { match } = progress;
        if (accepted) progress.accepted(logIndex(at));
        else progress.refused(logIndex(at), logIndex(Math.min(at, hint)));
        assert.ok(progress.match >= match);
        assert.ok(progress.next > progress.match);
        assert.ok(progress.next <= 21);
      }
    }),
  );
});

const POINT = { index: logIndex(20), term: term(3) };

test('a peer that waits for a snapshot is sent nothing until it has it', () => {
  const progress = replicating(5, 9);
  progress.becomeSnapshot(POINT);
  assert.deepEqual([progress.state, progress.next, progress.inflight.count], ['snapshot', 21, 0]);
  assert.equal(progress.isPaused(4, 1000), true);
  assert.equal(progress.refused(logIndex(8), logIndex(2)), false);
  assert.equal(progress.accepted(logIndex(8)), true);
  assert.deepEqual([progress.state, progress.match], ['snapshot', 8]);
  assert.equal(progress.accepted(logIndex(20)), true);
  assert.deepEqual([progress.state, progress.next], ['replicate', 21]);
  assert.equal(progress.pendingSnapshot, null);
});

test('a renewed connection goes on with the snapshot, a restarted peer is probed after it', () => {
  const progress = replicating(5, 9);
  progress.becomeSnapshot(POINT);
  progress.becomeProbe();
  assert.deepEqual([progress.state, progress.pendingSnapshot], ['snapshot', POINT]);
  progress.restarted();
  assert.deepEqual([progress.state, progress.match, progress.next], ['probe', 0, 21]);
  assert.equal(progress.pendingSnapshot, null);
});

test('a snapshot gives way to a newer one only when it is told to', () => {
  const progress = replicating(5, 9);
  progress.becomeSnapshot(POINT);
  progress.offer({ index: logIndex(30), term: term(3) });
  assert.deepEqual([progress.state, progress.next], ['snapshot', 31]);
  progress.withdraw();
  assert.deepEqual([progress.state, progress.pendingSnapshot], ['probe', null]);
});

test('a peer that only lost its state is offered a snapshot and goes on replicating', () => {
  const progress = replicating(5, 9);
  progress.offer(POINT);
  assert.deepEqual([progress.state, progress.next, progress.inflight.count], ['replicate', 9, 3]);
  progress.becomeProbe();
  progress.accepted(logIndex(8));
  assert.deepEqual([progress.state, progress.pendingSnapshot], ['replicate', POINT]);
  progress.withdraw();
  assert.deepEqual([progress.state, progress.pendingSnapshot], ['replicate', null]);
});

test('a peer that came by enough to go on is sent appends again', () => {
  const progress = replicating(5, 9);
  progress.becomeSnapshot(POINT);
  progress.accepted(logIndex(15));
  progress.endSnapshot();
  assert.deepEqual([progress.state, progress.next], ['replicate', 16]);
  assert.throws(() => progress.endSnapshot(), /only a peer that waits/);
});
