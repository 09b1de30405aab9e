/**
 * The order in which a real node's threads start and end: the log is recovered before anything
 * needs it, peers come last, and nothing that was submitted misses the last sync.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, TestCluster } from './cluster.js';
import { LEDGER } from './compiled.js';
import { takeHistory } from './record-workers.js';

/** Lines of the threads that end together may come in any order. */
function inStages(history: readonly string[], ...stages: readonly string[][]): void {
  let at = 0;
  for (const stage of stages) {
    const found = history.slice(at, at + stage.length);
    assert.deepEqual([...found].sort(), [...stage].sort(), String(history));
    at += stage.length;
  }
  assert.equal(history.length, at, String(history));
}

test('threads start io, bulk, consensus, transport and end consensus, disk, transport', async () => {
  const groups = ['north', 'south'].map((name) => ({ name, machine: LEDGER }));
  await using cluster = await TestCluster.plan({ nodes: 1, durable: true, groups });
  takeHistory();
  for (let round = 1; round <= 2; round += 1) {
    const engine = await cluster.open(1);
    assert.deepEqual(takeHistory(), [
      'start io',
      'start bulk',
      'start consensus',
      'start consensus',
      'start transport',
    ]);
    const total = await cluster.group(1, 'north').propose(bytes('add 1'));
    assert.equal(Number(total), round);
    assert.deepEqual(await engine.close(), { forced: [] });
    inStages(
      takeHistory(),
      ['exit consensus', 'exit consensus'],
      ['exit io', 'exit bulk'],
      ['exit transport'],
    );
  }
});

test('a node in memory has no bulk thread and ends in the same order', async () => {
  await using cluster = await TestCluster.plan({ nodes: 1 });
  takeHistory();
  const engine = await cluster.open(1);
  assert.deepEqual(takeHistory(), ['start io', 'start consensus', 'start transport']);
  await engine.close();
  assert.deepEqual(takeHistory(), ['exit consensus', 'exit io', 'exit transport']);
});

test('a start that is refused ends every thread, also such as still waited for their turn', async () => {
  await using cluster = await TestCluster.plan({ nodes: 1 });
  takeHistory();
  const machine = new URL('./no-such-machine.mjs', import.meta.url);
  const groups = [{ name: 'ledger', machine }];
  await assert.rejects(cluster.open(1, { groups }), { code: 'ERR_STATE_MACHINE' });
  const [first, second, third, ...exits] = takeHistory();
  assert.deepEqual([first, second, third], ['start io', 'start consensus', 'start transport']);
  // The thread that refused tells the others by the fatal word: each that works ends by itself.
  assert.deepEqual(exits.sort(), ['exit consensus', 'exit io', 'exit transport']);
});
