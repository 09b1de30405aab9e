/**
 * The `cluster` commands on stub nodes: processes that listen and answer but are no cluster. What
 * is shown is how processes are started, found again, signalled and reported.
 *
 * Every process that a test starts is killed by its record when the test ends.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ROOT_COMMAND } from '../../tools/cli/commands.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { main } from '../../tools/cli/main.js';
import { Cluster } from '../../tools/cluster/cluster.js';
import { readState, statePath, withNode, writeState } from '../../tools/cluster/cluster-state.js';
import { freeBasePort } from '../../tools/cluster/free-ports.js';
import { identify } from '../../tools/cluster/process-state.js';

process.env.RINGRAFT_BINARY = fileURLToPath(new URL('stub-node.mjs', import.meta.url));

const PATIENCE_MS = 60_000;

interface Outcome {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

/** Runs `ringraft cluster …` in this process, as the command line would. */
async function ringraft(
  words: string,
  signal = new AbortController().signal,
  onOutput: (text: string) => void = () => undefined,
): Promise<Outcome> {
  let out = '';
  let err = '';
  const code = await main(ROOT_COMMAND, ['cluster', ...words.split(' ')], {
    stdin: process.stdin,
    stdout: {
      write: (text) => {
        out += text;
        onOutput(out);
      },
    },
    stderr: {
      write: (text) => {
        err += text;
      },
    },
    env: {},
    signal,
  });
  return { code, out, err };
}

/** A place for a cluster: `data` and `start` are its words on a command line. */
async function place(t: TestContext): Promise<{ cluster: Cluster; data: string; ports: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'ringraft-cluster-'));
  const cluster = new Cluster(directory);
  t.after(async () => {
    delete process.env.STUB_DIES;
    delete process.env.STUB_DEAF;
    const ids = cluster.exists() ? cluster.running() : [];
    await Promise.all(ids.map((id) => cluster.kill(id)));
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  const base = await freeBasePort(3, process.pid);
  return { cluster, data: `--data ${directory}`, ports: `--base-port ${base}` };
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `still waiting: ${holds}`);
    await sleep(10);
  }
}

function columnOf(out: string, name: string): string[] {
  const [header = '', ...rows] = out.trim().split('\n');
  const column = header.trim().split(/ {2,}/).indexOf(name);
  return rows.map((row) => row.trim().split(/ {2,}/)[column] ?? '');
}

test('start returns when all serve and says how to talk; stop keeps the data', async (t) => {
  const { cluster, data, ports } = await place(t);
  const start = await ringraft(`start 3 ${data} ${ports} --sync batch`);
  assert.equal(start.code, ExitCode.ok, start.err);
  assert.match(start.out, /Serving after .* node 1 leads/);
  for (const { clientPort } of cluster.state().nodes) {
    assert.match(start.out, new RegExp(`redis-cli -p ${clientPort} `));
  }
  assert.match(readFileSync(join(cluster.dataDir, '2.log'), 'utf8'), /--node 2 .*--sync batch\n/);
  const status = await ringraft(`status ${data}`);
  assert.equal(status.code, ExitCode.ok);
  assert.deepEqual(columnOf(status.out, 'state'), ['serving', 'serving', 'serving']);
  assert.deepEqual(columnOf(status.out, 'role'), ['leader', 'follower', 'follower']);
  const stop = await ringraft(`stop ${data}`);
  assert.match(stop.out, /Stopped nodes 1, 2 and 3/);
  assert.deepEqual(cluster.running(), []);
  assert.match((await ringraft(`stop ${data}`)).out, /No node was running/);
  const after = await ringraft(`status ${data}`);
  assert.equal(after.code, ExitCode.noLeader);
  assert.deepEqual(columnOf(after.out, 'state'), ['stopped', 'stopped', 'stopped']);
});

test('kill, pause, resume and restart do to the named node what they say', async (t) => {
  const { cluster, data, ports } = await place(t);
  await ringraft(`start 3 ${data} ${ports}`);
  const before = cluster.node(2).process?.pid;
  assert.match((await ringraft(`kill 2 ${data}`)).out, /node 2 was killed/);
  assert.match((await ringraft(`pause leader ${data}`)).out, /node 1 is paused/);
  const status = await ringraft(`status ${data}`);
  assert.deepEqual(columnOf(status.out, 'state'), ['paused', 'killed', 'serving']);
  const again = await ringraft(`kill 2 ${data}`);
  assert.equal(again.code, ExitCode.failed);
  assert.match(again.err, /node 2 is not running/);
  assert.match((await ringraft(`resume 1 ${data}`)).out, /node 1 goes on/);
  assert.match((await ringraft(`restart 2 3 ${data}`)).out, /node 2 serves[\s\S]*node 3 serves/);
  assert.notEqual(cluster.node(2).process?.pid, before);
  const json = await ringraft(`status --json ${data}`);
  const report = JSON.parse(json.out) as { leader: number; nodes: { state: string }[] };
  assert.equal(report.leader, 1);
  assert.ok(report.nodes.every(({ state }) => state === 'serving'));
});

test('start starts what is missing, and refuses what contradicts the directory', async (t) => {
  const { cluster, data, ports } = await place(t);
  await ringraft(`start 3 ${data} ${ports}`);
  const twice = await ringraft(`start 3 ${data}`);
  assert.equal(twice.code, ExitCode.failed);
  assert.match(twice.err, /already running .*node 1 \(pid \d+\)/);
  await cluster.kill(3);
  assert.match((await ringraft(`start ${data}`)).out, /Starting node 3 in/);
  assert.match((await ringraft(`start 2 ${data}`)).err, /holds a cluster of 3 nodes, not 2/);
  assert.match((await ringraft(`start ${data} --base-port 9001`)).err, /already running/);
  assert.match((await ringraft(`run 3 ${data}`)).err, /already running .*cluster stop/);
  assert.match((await ringraft(`kill 7 ${data}`)).err, /no node 7 .* its nodes are 1, 2, 3/);
  assert.equal((await ringraft(`kill us ${data}`)).code, ExitCode.usage);
  const empty = await ringraft('status --data ./no-such-directory');
  assert.equal(empty.code, ExitCode.failed);
  assert.match(empty.err, /no cluster in .*cluster start 3/);
});

test('a port that is taken stops the start before any process', async (t) => {
  const { cluster, data, ports } = await place(t);
  const base = Number(ports.split(' ')[1]);
  const server = createServer().listen(base + 101, '127.0.0.1');
  t.after(() => void server.close());
  const start = await ringraft(`start 3 ${data} ${ports}`);
  assert.equal(start.code, ExitCode.failed);
  assert.match(start.err, new RegExp(`port ${base + 101}, the client port of node 2, is in use`));
  assert.equal(cluster.exists(), false);
});

test('a node that dies at its start is quoted, and the others are taken back', async (t) => {
  const { cluster, data, ports } = await place(t);
  process.env.STUB_DIES = '2';
  const start = await ringraft(`start 3 ${data} ${ports}`);
  assert.equal(start.code, ExitCode.failed);
  assert.match(start.err, /node 2 ended by itself before it served.*\n[\s\S]*the disk is on fire/);
  assert.deepEqual(cluster.running(), []);
});

test('a node that does not listen is killed after the timeout of stop', async (t) => {
  const { cluster, data, ports } = await place(t);
  process.env.STUB_DEAF = '1';
  await ringraft(`start 2 ${data} ${ports}`);
  const stop = await ringraft(`stop ${data} --timeout 300ms`);
  assert.match(stop.out, /node 1 had not ended after 0.3 s and was killed/);
  assert.deepEqual(cluster.running(), []);
});

test('a record whose process is another one by now is not signalled', async (t) => {
  const { cluster, data, ports } = await place(t);
  await ringraft(`start 1 ${data} ${ports}`);
  await ringraft(`stop ${data}`);
  const state = readState(cluster.dataDir);
  const self = identify(process.pid);
  assert.ok(state !== undefined && self !== undefined);
  // As after a restart of the machine: the number is in use again, by this very test.
  const stranger = { ...self, startTime: self.startTime - 1 };
  writeState(cluster.dataDir, withNode(state, 1, { process: stranger, ended: null }));
  for (const verb of ['kill', 'pause', 'resume']) {
    assert.match((await ringraft(`${verb} 1 ${data}`)).err, /node 1 is not running/);
  }
  assert.match((await ringraft(`stop ${data}`)).out, /No node was running/);
  assert.deepEqual(columnOf((await ringraft(`status ${data}`)).out, 'state'), ['died']);
});

test('of two starts at once one starts the nodes and the other says so', async (t) => {
  const { cluster, data, ports } = await place(t);
  const both = await Promise.all([1, 2].map(() => ringraft(`start 2 ${data} ${ports}`)));
  assert.deepEqual(both.map(({ code }) => code).sort(), [ExitCode.ok, ExitCode.failed]);
  assert.match(both.map(({ err }) => err).join(''), /already running/);
  assert.deepEqual(cluster.running(), [1, 2]);
});

test('run tells what happens, and ends the nodes and itself with 0 when asked', async (t) => {
  const { cluster, data, ports } = await place(t);
  const ending = new AbortController();
  let seen = '';
  const running = ringraft(`run 2 ${data} ${ports}`, ending.signal, (out) => {
    seen = out;
  });
  await until(() => /Ctrl-C stops the cluster/.test(seen));
  await cluster.kill(2);
  await until(() => /node 2 was killed/.test(seen));
  await cluster.start([2]);
  await until(() => /node 2 was started[\s\S]*node 2 serves/.test(seen));
  ending.abort('SIGINT');
  const { code, out } = await running;
  assert.equal(code, ExitCode.ok);
  assert.match(out, /Stopping…\nStopped; the data stays/);
  assert.deepEqual(cluster.running(), []);
});

test('run ends with a cluster stopped elsewhere, and fails when all died', async (t) => {
  const { cluster, data, ports } = await place(t);
  let isUp = false;
  const watch = (out: string): void => {
    isUp = out.includes('Ctrl-C stops the cluster');
  };
  const first = ringraft(`run 1 ${data} ${ports}`, undefined, watch);
  await until(() => isUp);
  await cluster.stop(1, 30_000);
  assert.equal((await first).code, ExitCode.ok);
  isUp = false;
  const second = ringraft(`run ${data}`, undefined, watch);
  await until(() => isUp);
  process.kill(cluster.node(1).process?.pid as number, 'SIGKILL');
  const { code, out, err } = await second;
  assert.equal(code, ExitCode.failed);
  assert.match(out, /node 1 died\n[\s\S]*start it again: .* cluster restart 1/);
  assert.match(err, /no node is left/);
});

test('logs shows the end of each log, and marks whose line it is', async (t) => {
  const { data, ports, cluster } = await place(t);
  await ringraft(`start 2 ${data} ${ports}`);
  assert.match((await ringraft(`logs 2 -n 1 ${data}`)).out, /^stub node 2: .*\n$/);
  assert.match(
    (await ringraft(`logs ${data}`)).out,
    /^1 \| .*\n1 \| stub node 1[\s\S]*\n2 \| stub/,
  );
  const ending = new AbortController();
  let seen = '';
  const following = ringraft(`logs 1 -f ${data}`, ending.signal, (out) => {
    seen = out;
  });
  await until(() => seen.includes('stub node 1: server'));
  await cluster.stop(1, 30_000);
  await until(() => seen.includes('was asked to end'));
  ending.abort('SIGINT');
  assert.equal((await following).code, ExitCode.interrupted);
});

test('a directory that is one node’s own, or whose state is damaged, is left alone', async (t) => {
  const { cluster, data, ports } = await place(t);
  writeFileSync(join(cluster.dataDir, 'meta'), '');
  assert.match((await ringraft(`start 3 ${data} ${ports}`)).err, /data directory of a single node/);
  writeFileSync(statePath(cluster.dataDir), '{');
  const start = await ringraft(`start 3 ${data} ${ports}`);
  assert.match(start.err, /cluster\.json cannot be used: it is not JSON/);
  assert.equal(readFileSync(statePath(cluster.dataDir), 'utf8'), '{');
  rmSync(statePath(cluster.dataDir));
});
