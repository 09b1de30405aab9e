/**
 * `npm start`, as the package's script runs it, but in a directory of its own: default ports, data
 * in ./data, Ctrl-C for the whole foreground group, and a second start that finds everything.
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, DEFAULT_BASE_PORT } from '../../tools/cluster/cluster.js';
import { newState } from '../../tools/cluster/cluster-state.js';
import { freeBasePort } from '../../tools/cluster/free-ports.js';
import { ROOT } from '../../tools/house/tracked-files.js';
import { type Ended, Run, temporaryDirectory } from './processes.js';
import { array, bulk, exchange } from './raw-client.js';

/** The words of the script behind `node dist/tools/ringraft.js`. */
function startWords(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const [program, script, ...words] = (scripts.start as string).split(' ');
  assert.deepEqual([program, script], ['node', 'dist/tools/ringraft.js']);
  return words;
}

test('npm start runs three nodes from port 5001, clients 100 higher, with data in ./data', () => {
  assert.deepEqual(startWords(), ['cluster', 'run', '3', '--data', './data']);
  assert.equal(DEFAULT_BASE_PORT, 5001);
  const { nodes } = newState(3, DEFAULT_BASE_PORT, []);
  assert.deepEqual(
    nodes.map(({ id, peerPort, clientPort }) => [id, peerPort, clientPort]),
    [
      [1, 5001, 5101],
      [2, 5002, 5102],
      [3, 5003, 5103],
    ],
  );
});

/** What a terminal does at Ctrl-C: the signal goes to the whole foreground group. */
async function pressCtrlC(run: Run): Promise<Ended> {
  process.kill(-(run.child.pid as number), 'SIGINT');
  return run.ended;
}

test('Ctrl-C ends it in good order, and a second start finds the data', async (t) => {
  const directory = temporaryDirectory(t, async (path) => {
    const left = new Cluster(join(path, 'data'));
    const ids = left.exists() ? left.running() : [];
    await Promise.all(ids.map((id) => left.kill(id)));
  });
  const cluster = new Cluster(join(directory, 'data'));
  const base = await freeBasePort(3, process.pid * 13);
  const start = async (): Promise<Run> => {
    const words = [...startWords(), '--base-port', String(base), '--timing', 'wide-area'];
    const run = new Run(words, { cwd: directory, detached: true });
    t.after(async () => void (await run.stop('SIGKILL')));
    await run.waitFor(/Ctrl-C stops the cluster; the data stays/);
    return run;
  };
  const ask = async (id: number, ...words: string[]): Promise<string> => {
    for (;;) {
      const [reply = ''] = await exchange(base + 99 + id, array(...words), 1);
      if (!/^-ERR (?:no leader|not leader|outcome unknown)/.test(reply)) return reply;
      await sleep(50);
    }
  };
  const first = await start();
  assert.equal(await ask(2, 'SET', 'kept', 'over a restart'), '+OK\r\n');
  assert.deepEqual(await pressCtrlC(first), { code: 0, signal: null });
  assert.match(first.output, /Stopping…\n[\s\S]*Stopped; the data stays in /);
  assert.deepEqual(cluster.running(), []);
  for (const id of [1, 2, 3]) {
    assert.ok(existsSync(join(directory, 'data', String(id), 'wal')), `data of node ${id}`);
    const log = readFileSync(join(directory, 'data', `${id}.log`), 'utf8');
    assert.match(log, /Node stopped/, 'it ended by itself');
  }
  const second = await start();
  for (const id of [1, 2, 3]) {
    assert.equal(await ask(id, 'GET', 'kept'), bulk('over a restart'));
  }
  assert.deepEqual(await pressCtrlC(second), { code: 0, signal: null });
  assert.deepEqual(cluster.running(), []);
});
