/**
 * A node is added, leads, is removed while it leads, leadership is handed over, and all nodes are
 * restarted one by one, all under load in sessions: no request fails, nothing is lost or counted
 * twice, and all nodes hold the same in the end.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { keyName } from '../../tools/load/request-ring.js';
import { runLoad } from '../../tools/load/run-load.js';
import { startedCluster } from './local-cluster.js';
import { exchange } from './raw-client.js';
import { SessionCounting } from './session-counting.js';

const RATE = 1000;
const KEYS = 500;
const READ_ALL = Array.from({ length: KEYS }, (_, at) => `GET ${keyName(at)}\r\n`).join('');

const PLAN = {
  sessions: true,
  rate: RATE,
  keys: KEYS,
  readShare: 0.2,
  warmupMs: 0,
  durationMs: 600_000,
} as const;

test('members change, leadership moves and nodes restart under load: no request fails', async (t) => {
  const { cluster, command } = await startedCluster(t);
  const done = async (words: string, says: RegExp): Promise<void> => {
    const { code, output } = await command(words);
    assert.equal(code, 0, `${words}: ${output}`);
    assert.match(output, says);
  };
  const ports = cluster.state().nodes.map(({ clientPort }) => clientPort);
  const targets = ports.map((port) => ({ host: '127.0.0.1', port }));
  const ending = new AbortController();
  t.after(() => ending.abort());
  const load = runLoad({ ...PLAN, targets }, { signal: ending.signal });
  const counting = new SessionCounting(ports);
  await done('add', /node 4 at .* is a voter/);
  await done('transfer 2', /node 2 leads/);
  await done('transfer', /leads in term/);
  await done('remove 4', /node 4 is no member any more/);
  await done('add 4', /node 4 at .* is a voter/);
  await done('transfer 4', /node 4 leads/);
  await done('remove 4', /node 4 is no member any more/);
  await done('rolling-restart', /3 nodes restarted in .*, none failed/);
  ending.abort();
  const report = await load;
  await counting.stop();
  const failed = Object.entries(report.errors).filter(([, count]) => count > 0);
  assert.deepEqual(failed, [], report.errorSamples.join('; '));
  assert.ok(report.writes > 0 && report.reads > 0);
  assert.ok(counting.acknowledged > 10);
  const held = await Promise.all(ports.map((port) => exchange(port, READ_ALL, KEYS)));
  assert.ok(held[0]?.every((value) => value !== '$-1\r\n'));
  for (const others of held.slice(1)) assert.deepEqual(others, held[0]);
});
