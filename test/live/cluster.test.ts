/**
 * `ringraft cluster` on real nodes, as a user meets it: start, write on one node and read on
 * another, kill, restart, stop, and a second start that finds everything; and `run` with Ctrl-C.
 *
 * Runs the compiled command. Nodes outlive the commands, so each test ends them by their record.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from '../../tools/cluster/cluster.js';
import { freeBasePort } from '../../tools/cluster/free-ports.js';
import { Run, temporaryDirectory } from './processes.js';
import { array, bulk, exchange } from './raw-client.js';

interface Place {
  readonly cluster: Cluster;
  /** Runs `ringraft cluster …` to its end. */
  readonly command: (words: string) => Promise<{ code: number | null; output: string }>;
  /** Starts `ringraft cluster …` and leaves it running. */
  readonly begin: (words: string) => Run;
  readonly start: string;
}

async function place(t: TestContext): Promise<Place> {
  const killAll = async (path: string): Promise<void> => {
    const left = new Cluster(path);
    const ids = left.exists() ? left.running() : [];
    await Promise.all(ids.map((id) => left.kill(id)));
  };
  const cluster = new Cluster(temporaryDirectory(t, killAll));
  const begin = (words: string): Run => {
    const run = new Run(['cluster', ...words.split(' '), '--data', cluster.dataDir]);
    t.after(async () => void (await run.stop('SIGKILL')));
    return run;
  };
  const command: Place['command'] = async (words) => {
    const run = begin(words);
    const { code } = await run.ended;
    return { code, output: run.output };
  };
  const base = await freeBasePort(3, process.pid * 7);
  return { cluster, command, begin, start: `3 --base-port ${base} --timing wide-area` };
}

async function ask(cluster: Cluster, id: number, ...words: string[]): Promise<string> {
  const [reply = ''] = await exchange(cluster.node(id).clientPort, array(...words), 1);
  return reply;
}

/** Asks again while the answer is that nobody leads: an election takes its time. */
async function write(cluster: Cluster, id: number, ...words: string[]): Promise<string> {
  for (;;) {
    const reply = await ask(cluster, id, ...words);
    if (!/^-ERR (?:no leader|outcome unknown|not leader)/.test(reply)) return reply;
    await sleep(50);
  }
}

test('a write on one node is read on all, after a kill and a new start too', async (t) => {
  const { cluster, command, start } = await place(t);
  const started = await command(`start ${start}`);
  assert.equal(started.code, 0, started.output);
  assert.match(started.output, /Serving after .* leads/);
  assert.equal(await write(cluster, 1, 'SET', 'greeting', 'hello'), '+OK\r\n');
  for (const id of [1, 2, 3])
    assert.equal(await ask(cluster, id, 'GET', 'greeting'), bulk('hello'));
  const killed = await command('kill leader');
  assert.match(killed.output, /node \d was killed/);
  const victim = Number(/node (\d)/.exec(killed.output)?.[1]);
  const other = (victim % 3) + 1;
  assert.equal(await write(cluster, other, 'SET', 'after', 'kill'), '+OK\r\n');
  const restarted = await command(`restart ${victim}`);
  assert.match(restarted.output, new RegExp(`node ${victim} serves`));
  assert.equal(await ask(cluster, victim, 'GET', 'after'), bulk('kill'));
  const status = await command('status --json');
  assert.equal(status.code, 0, status.output);
  assert.match((await command('status')).output, / sync +client[\s\S]* always +127\.0\.0\.1/);
  assert.equal((await command('stop')).code, 0);
  const log = readFileSync(`${cluster.dataDir}/${other}.log`, 'utf8');
  assert.match(log, /Node stopped/, 'it ended by itself');
  assert.equal((await command('status')).code, 3);
  const again = await command('start');
  assert.equal(again.code, 0, again.output);
  assert.equal(await ask(cluster, 2, 'GET', 'greeting'), bulk('hello'));
});

test('flags of snapshots and of the log reach every node, and stay over a restart', async (t) => {
  const { cluster, command, start } = await place(t);
  const given = [
    ['snapshot-threshold', '150', '150'],
    ['snapshot-min-interval', '1500ms', '1500'],
    ['snapshot-compression', 'off', 'off'],
    ['max-log', '512m', String(512 * 1024 * 1024)],
  ] as const;
  const words = given.map(([name, value]) => `--${name} ${value}`).join(' ');
  const started = await command(`start ${start} ${words}`);
  assert.equal(started.code, 0, started.output);
  const check = async (id: number): Promise<void> => {
    const config = await ask(cluster, id, 'CONFIG', 'GET', 'snapshot-*', 'max-log');
    for (const [name, , value] of given) {
      assert.ok(config.includes(`${name}\r\n${bulk(value)}`), `node ${id} has another ${name}`);
    }
  };
  for (const id of [1, 2, 3]) await check(id);
  assert.equal((await command('kill 2')).code, 0);
  assert.equal((await command('restart 2')).code, 0);
  await check(2);
  const wrong = await command('start 3 --snapshot-compression-level 6');
  assert.equal(wrong.code, 2);
  assert.match(wrong.output, /"--snapshot-compression-level": LZ4 has one level here/);
});

test('a paused leader is replaced, and follows when it goes on', async (t) => {
  const { cluster, command, start } = await place(t);
  assert.equal((await command(`start ${start}`)).code, 0);
  const paused = await command('pause leader');
  const id = Number(/node (\d) is paused/.exec(paused.output)?.[1]);
  const other = (id % 3) + 1;
  assert.equal(await write(cluster, other, 'INCR', 'n'), ':1\r\n');
  assert.match((await command('status')).output, new RegExp(` ${id} .* paused\\n`));
  assert.equal((await command(`resume ${id}`)).code, 0);
  assert.equal(await write(cluster, id, 'INCR', 'n'), ':2\r\n');
});

test('run serves until Ctrl-C, exits with 0, and starts again on the data', async (t) => {
  const { cluster, begin, start } = await place(t);
  const first = begin(`run ${start}`);
  await first.waitFor(/Ctrl-C stops the cluster/);
  assert.match(first.output, /redis-cli -p \d+ /);
  assert.equal(await write(cluster, 3, 'SET', 'kept', 'yes'), '+OK\r\n');
  assert.deepEqual(await first.stop('SIGINT'), { code: 0, signal: null });
  assert.deepEqual(cluster.running(), []);
  const second = begin('run 3');
  await second.waitFor(/Ctrl-C stops the cluster/);
  assert.equal(await ask(cluster, 1, 'GET', 'kept'), bulk('yes'));
  assert.deepEqual(await second.stop('SIGINT'), { code: 0, signal: null });
  assert.deepEqual(cluster.running(), []);
});
