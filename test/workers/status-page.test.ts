/**
 * The status page: what is written is read, and the commit index comes with the term of its entry.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { GroupRuntime } from '../../engine/runtime/group-runtime.js';
import { createStatusPage, StatusPage } from '../../workers/status-page.js';

/** A replica in term 9 whose newest committed entry is of term 7. */
const runtime = {
  raft: {
    role: 'preCandidate',
    term: 9,
    leader: 2,
    commitIndex: 41,
    lastIndex: 44,
    durableIndex: 43,
    standing: 'full',
    state: { isWitness: true, leaderHeardAt: 7, startedAt: 7 },
    termAt: (index: number) => (index === 41 ? 7 : undefined),
  },
  appliedIndex: 40,
  snapshots: { newest: null, taken: 5, failures: 1, restored: 3, installed: 2, fetching: null },
  intake: { unreadable: 0 },
  failed: false,
  slowCalls: 3,
  slowestCallMs: 12.5,
} as unknown as GroupRuntime;

test('the commit index is read together with the term of its entry, not with the current one', () => {
  const memory = createStatusPage();
  const page = new StatusPage(memory);
  assert.deepEqual(page.readCommit(), { index: 0, term: 0 });
  page.write(runtime);
  assert.deepEqual(new StatusPage(memory).readCommit(), { index: 41, term: 7 });
  const { term, commitIndex, appliedIndex, role, slowestCallMs } = page.read();
  assert.deepEqual(
    { term, commitIndex, appliedIndex, role, slowestCallMs },
    { term: 9, commitIndex: 41, appliedIndex: 40, role: 'preCandidate', slowestCallMs: 12.5 },
  );
});

test('a witness is shown as one, and a leader that was never heard as silent for ever', () => {
  const page = new StatusPage(createStatusPage());
  page.write(runtime);
  const { witness, leaderSilenceMs } = page.read();
  assert.deepEqual({ witness, leaderSilenceMs }, { witness: true, leaderSilenceMs: Infinity });
});

test('each count of snapshots is read where it was written', () => {
  const page = new StatusPage(createStatusPage());
  page.write(runtime);
  const { snapshots } = page.read();
  const counts = { taken: 5, failed: 1, restored: 3, installed: 2 };
  assert.deepEqual(snapshots, { index: 0, ...counts, fetchedBytes: null });
});

test('a page that nobody has written yet does not speak of a full member', () => {
  const blank = new StatusPage(createStatusPage());
  assert.equal(blank.read().standing, 'fresh');
  blank.write(runtime);
  assert.equal(blank.read().standing, 'full');
});
