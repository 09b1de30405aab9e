/**
 * The smallest rings and arena, replies far larger than the rings, and a main thread that
 * is blocked again and again. Nothing waits for ring space, so nothing may be lost, doubled or
 * stuck.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, PATIENT_MS, pause, TestCluster } from './cluster.js';
import { LEDGER } from './compiled.js';

/** How long the main thread is blocked in each round. */
const ROUNDS_BLOCKED_MS = [1200, 10_000];
const PER_ROUND = 1500;
/** Replies of one round are many times the completion ring. */
const REPLY_BYTES = 6000;

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('overload and a blocked main thread lose no answer and no leadership', async () => {
  const names = ['a', 'b'];
  await using cluster = await TestCluster.start({
    groups: names.map((name) => ({ name, machine: LEDGER, entryBytesMax: 8192 })),
    options: {
      workers: 1,
      arenaBytes: 1024 * 1024,
      heartbeatInterval: 100,
      electionTimeoutMin: 2000,
      electionTimeoutMax: 4000,
    },
  });
  const terms = names.map((name) => cluster.group(1, name).status().term);
  const outcomes = new Map<string, number>();
  const count = (outcome: string): void =>
    void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  let executed = 0;
  for (const blockedMs of ROUNDS_BLOCKED_MS) {
    const calls: Promise<void>[] = [];
    for (let i = 0; i < PER_ROUND; i += 1) {
      const group = cluster.group((i % 3) + 1, names[i % 2]);
      const command = i % 3 === 0 ? bytes(`large ${REPLY_BYTES}`) : Buffer.alloc(8000, 'add 1 ');
      const settle = ({ length }: Buffer): void => {
        executed += 1;
        count(length === REPLY_BYTES || length < 10 ? 'done' : `a reply of ${length} bytes`);
      };
      calls.push(group.propose(command).then(settle, ({ code }) => count(code)));
      if (i % 50 === 0) {
        const reading = group.read(bytes(`large ${REPLY_BYTES}`));
        calls.push(
          reading.then(
            () => count('read'),
            ({ code }) => count(code),
          ),
        );
      }
    }
    await pause(20);
    block(blockedMs);
    await Promise.all(calls);
  }
  const seen = Object.fromEntries(outcomes);
  for (const outcome of outcomes.keys()) {
    assert.ok(['done', 'read', 'ERR_BUSY'].includes(outcome), JSON.stringify(seen));
  }
  assert.ok((seen.done ?? 0) > PER_ROUND / 10, JSON.stringify(seen));
  let counted = 0;
  for (const [which, name] of names.entries()) {
    const status = cluster.group(1, name).status();
    assert.equal(status.term, terms[which], 'nobody saw an election');
    const totals = await Promise.all(
      cluster.ids.map((id) =>
        cluster.group(id, name).read(bytes('count'), { timeoutMs: PATIENT_MS }).then(Number),
      ),
    );
    assert.deepEqual(totals, [totals[0], totals[0], totals[0]]);
    counted += totals[0] as number;
  }
  assert.equal(counted, executed, 'what was acknowledged was executed, once, and nothing else was');
  for (const id of cluster.ids) {
    for (const name of names) assert.equal(cluster.group(id, name).status().inflight, 0);
  }
});
