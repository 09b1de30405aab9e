/**
 * How far learners are: told once a second while this replica leads and there are some, with the
 * time that is left by the speed seen, and not any more when it stops leading.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Raft } from '../../engine/raft/raft.js';
import { CatchUpWatch } from '../../engine/runtime/catch-up-watch.js';
import type { CompletionPort, RuntimeEvent } from '../../engine/runtime/ports.js';
import type { LearnerProgress } from '../../engine/status.js';

class Bench {
  readonly told: (readonly LearnerProgress[])[] = [];
  readonly raft = {
    role: 'leader',
    lastIndex: 1000,
    configuration: { learners: [4] as number[] },
    state: { progress: new Map([[4, { match: 0, state: 'probe' }]]) },
  };
  readonly watch = new CatchUpWatch(
    this.raft as unknown as Raft,
    {
      event: (event: RuntimeEvent) => {
        if (event.kind === 'catchUp') this.told.push(event.learners);
      },
    } as CompletionPort,
  );

  /** The learner is so far; then a look is due. */
  look(now: number, match: number, state = 'replicate'): LearnerProgress | undefined {
    this.raft.state.progress.set(4, { match, state });
    this.watch.tick(now);
    return this.told.at(-1)?.[0];
  }
}

test('a learner is looked at once a second, and the time that is left follows from its speed', () => {
  const bench = new Bench();
  assert.equal(bench.watch.deadline, Number.POSITIVE_INFINITY);
  bench.watch.changed(100);
  assert.equal(bench.watch.deadline, 100);
  const unknown = { id: 4, match: 0, lag: 1000, state: 'probe', leftMs: null };
  assert.deepEqual(bench.look(100, 0, 'probe'), unknown);
  bench.watch.tick(900);
  assert.equal(bench.told.length, 1, 'no sooner');
  const coming = { id: 4, match: 200, lag: 800, state: 'replicate', leftMs: 4000 };
  assert.deepEqual(bench.look(1100, 200), coming);
  bench.raft.lastIndex = 1200;
  assert.equal(bench.look(2100, 300)?.leftMs, null, 'it comes no nearer');
  assert.equal(bench.look(3100, 1200)?.leftMs, 0);
});

test('who leads no more, or has no learners any more, says so once and looks no more', () => {
  for (const end of ['role', 'learners'] as const) {
    const bench = new Bench();
    bench.watch.changed(0);
    bench.look(0, 5);
    if (end === 'role') bench.raft.role = 'follower';
    else bench.raft.configuration.learners = [];
    bench.watch.changed(10);
    bench.watch.changed(20);
    assert.deepEqual(bench.told.slice(1), [[]]);
    assert.equal(bench.watch.deadline, Number.POSITIVE_INFINITY);
  }
});
