/**
 * The parts of a local cluster that need no nodes: the state file, who a process is, ports, logs,
 * options, and what is printed.
 *
 * Processes that are signalled here are started here.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError } from '../../tools/cli/exit-codes.js';
import { DEFAULT_BASE_PORT } from '../../tools/cluster/cluster.js';
import {
  basePortFor,
  flagsFor,
  nodeCount,
  nodeFlags,
  nodeId,
} from '../../tools/cluster/cluster-options.js';
import {
  newState,
  parseState,
  readState,
  statePath,
  withNode,
  writeState,
} from '../../tools/cluster/cluster-state.js';
import { freeBasePort, freePorts, listeningRange } from '../../tools/cluster/free-ports.js';
import { nodeArguments } from '../../tools/cluster/launch.js';
import { followLog, lastLines } from '../../tools/cluster/node-log.js';
import type { NodeState, NodeView } from '../../tools/cluster/node-view.js';
import { listenersOn, portOwner, requireFree, whyNotFree } from '../../tools/cluster/ports.js';
import { identify, parsePs, parseStat, processState } from '../../tools/cluster/process-state.js';
import {
  pauseProcess,
  resumeProcess,
  signalProcess,
  stopProcess,
} from '../../tools/cluster/signals.js';
import { statusReport, statusTable } from '../../tools/cluster/status-table.js';
import { nodeEvents, reignEvents, reignOf } from '../../tools/cluster/watch-events.js';
import { clusterCommand, commandName, nodeList } from '../../tools/cluster/wording.js';
import { serverOptions } from '../../tools/server/server-options.js';

function temporary(t: { after(end: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'ringraft-cluster-parts-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('a state that was written is read back, and one that is not there is none', (t) => {
  const data = temporary(t);
  assert.equal(readState(data), undefined);
  assert.equal(readState(join(data, 'nowhere')), undefined);
  const process = { pid: 412, startTime: 99, bootId: 'b' };
  const state = withNode(newState(3, 6001, ['--sync', 'none']), 2, { process, ended: 'killed' });
  writeState(data, state);
  assert.deepEqual(readState(data), state);
  assert.deepEqual(
    state.nodes.map(({ peerPort, clientPort }) => [peerPort, clientPort]),
    [
      [6001, 6101],
      [6002, 6102],
      [6003, 6103],
    ],
  );
});

test('a damaged or foreign state file is refused by what is wrong with it', (t) => {
  const good = newState(2, 6001, []);
  const text = (change: object): string => JSON.stringify({ ...good, ...change });
  const [first, second] = good.nodes;
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{"format":', /not JSON/],
    ['7', /no object/],
    [text({ format: 2 }), /format is 2, this version knows 1/],
    [text({ flags: [1] }), /flags/],
    [text({ nodes: [] }), /1 to 9 nodes/],
    [text({ nodes: [second, first] }), /node 1 is damaged/],
    [text({ nodes: [first, { ...second, peerPort: 'x' }] }), /node 2 is damaged/],
    // A pid of 0, 1 or -1 would signal a group, the system or everything.
    [text({ nodes: [{ ...first, process: { pid: 1, startTime: 1, bootId: '' } }] }), /node 1/],
    [text({ nodes: [{ ...first, process: { pid: -1, startTime: 1, bootId: '' } }] }), /node 1/],
  ];
  for (const [damaged, why] of cases) {
    const found = parseState(damaged);
    assert.ok(typeof found === 'string', damaged);
    assert.match(found, why);
  }
  const data = temporary(t);
  writeFileSync(statePath(data), '{');
  assert.throws(() => readState(data), /cluster\.json cannot be used: it is not JSON/);
});

const STAT = (letter: string, threads: number): string =>
  `77 (a) S (b) ${letter} 1 77 77 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 ${threads} 0 104038 0 0`;

test('the state of a process is read past its name, and a zombie with threads is not gone', () => {
  assert.deepEqual(parseStat(STAT('S', 1)), { startTime: 104_038, state: 'running' });
  assert.deepEqual(parseStat(STAT('T', 7)), { startTime: 104_038, state: 'paused' });
  assert.deepEqual(parseStat(STAT('Z', 1)), { startTime: 104_038, state: 'gone' });
  assert.deepEqual(parseStat(STAT('Z', 3)), { startTime: 104_038, state: 'running' });
  assert.equal(parseStat(''), undefined);
  const line = 'Ss   Thu Nov 20 21:14:02 2026\n';
  assert.deepEqual(parsePs(line), {
    startTime: Date.parse('Thu Nov 20 21:14:02 2026') / 1000,
    state: 'running',
  });
  assert.equal(parsePs(''), undefined);
});

/** A process that does nothing until it is signalled. */
async function idle(t: { after(end: () => void): void }): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child.pid as number;
}

test('a process is followed through pause, resume and end', async (t) => {
  const record = identify(await idle(t));
  assert.ok(record !== undefined);
  assert.equal(processState(record), 'running');
  assert.ok(await pauseProcess(record));
  assert.equal(processState(record), 'paused');
  assert.ok(await resumeProcess(record));
  assert.equal(processState(record), 'running');
  assert.ok(await pauseProcess(record));
  // Stopping resumes it first, or it could not hear.
  assert.equal(await stopProcess(record, 30_000), 'ended');
  assert.equal(processState(record), 'gone');
  assert.equal(signalProcess(record, 'SIGKILL'), false);
  assert.equal(await stopProcess(record, 0), undefined);
  assert.equal(await pauseProcess(record), false);
});

test('a process that merely has the recorded number is never signalled', async (t) => {
  const record = identify(await idle(t));
  assert.ok(record !== undefined);
  const strangers = [
    { ...record, startTime: record.startTime + 1 },
    { ...record, bootId: 'another boot' },
  ];
  for (const stranger of strangers) {
    assert.equal(processState(stranger), 'gone');
    assert.equal(signalProcess(stranger, 'SIGKILL'), false);
  }
  assert.equal(processState(record), 'running');
});

test('ports for nodes are never those that the system gives to outgoing connections', () => {
  const usual = { first: 10_000, end: 32_768 };
  assert.deepEqual(listeningRange('32768\t60999\n'), usual);
  assert.deepEqual(listeningRange(null), usual);
  assert.deepEqual(listeningRange('nonsense'), usual);
  assert.deepEqual(listeningRange('49152 65535'), usual);
  assert.deepEqual(listeningRange('15000 65000'), { first: 10_000, end: 15_000 });
  assert.deepEqual(listeningRange('1024 60000'), { first: 60_001, end: 65_536 });
  assert.deepEqual(listeningRange('1024 65535'), usual, 'none is outside of it');
});

test('free ports are all different, and a base port has room for both ports of each node', async () => {
  const ports = await freePorts(6);
  assert.equal(new Set(ports).size, 6);
  const base = await freeBasePort(3, ports[0] as number);
  const taken = createServer().listen(base, '127.0.0.1');
  await once(taken, 'listening');
  assert.notEqual(await freeBasePort(3, ports[0] as number), base);
  taken.close();
});

test('a port that is taken is named with its purpose and its owner', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === 'object');
  const { port } = bound;
  assert.equal(await whyNotFree('127.0.0.1', port), 'EADDRINUSE');
  const linux = process.platform === 'linux';
  assert.equal(portOwner(port), linux ? process.pid : undefined);
  const wanted = [{ port, purpose: 'the peer port of node 2' }];
  const message = new RegExp(
    `port ${port}, the peer port of node 2, is in use[\\s\\S]*--base-port`,
  );
  await assert.rejects(requireFree('127.0.0.1', wanted), message);
  await new Promise((resolve) => server.close(resolve));
  await requireFree('127.0.0.1', wanted);
  t.diagnostic(linux ? 'owners are known here' : 'owners are not known here');
});

test('only sockets that listen on the port count as its owners', () => {
  const rows = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode',
    '   0: 0100007F:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1',
    '   1: 0100007F:1389 0100007F:9B8B 01 00000000:00000000 00:00000000 00000000 0 0 4712 1',
    '   2: 0100007F:9B8B 00000000:1389 0A 00000000:00000000 00:00000000 00000000 0 0 4713 1',
  ];
  assert.deepEqual(listenersOn(rows.join('\n'), 5001), ['4711']);
});

test('the end of a log starts at a whole line, and not before the last start', (t) => {
  const log = join(temporary(t), '1.log');
  assert.deepEqual(lastLines(log, 5), []);
  writeFileSync(log, 'one\ntwo\n');
  appendFileSync(log, 'three\nfour');
  assert.deepEqual(lastLines(log, 2), ['three', 'four']);
  assert.deepEqual(lastLines(log, 0), []);
  assert.deepEqual(lastLines(log, 9, 'one\n'.length), ['two', 'three', 'four']);
  appendFileSync(log, `\n${'é'.repeat(400_000)}\nlast\n`);
  assert.deepEqual(lastLines(log, 9), ['last'], 'what does not fit the window is left out');
});

test('a followed log hands on whole lines only, whatever letters they hold', async (t) => {
  const log = join(temporary(t), '1.log');
  writeFileSync(log, 'before\n');
  const seen: string[] = [];
  const ending = new AbortController();
  const following = followLog(log, 'before\n'.length, (line) => seen.push(line), ending.signal);
  appendFileSync(log, 'a – b\nhal');
  while (seen.length < 1) await sleep(5);
  appendFileSync(log, 'f\n\n');
  while (seen.length < 3) await sleep(5);
  ending.abort();
  await following;
  assert.deepEqual(seen, ['a – b', 'half', '']);
});

test('what every node is given is read there as it was meant', () => {
  const given = {
    'max-log': 512 * 1024 * 1024,
    'snapshot-threshold': 2000,
    'snapshot-interval': 1001,
    'snapshot-min-interval': 0,
    'snapshot-max-size': 100 * 1024 * 1024,
    'snapshot-chunk': 65_536,
    'snapshot-compression': 'off',
  };
  const words = flagsFor(given);
  for (const [name, chosen] of Object.entries(given)) {
    const printed = words[words.indexOf(`--${name}`) + 1] as string;
    const { rule } = serverOptions[name as keyof typeof given];
    assert.equal(rule.parse(printed), chosen, name);
  }
  assert.equal(words.length, Object.keys(given).length * 2);
  const snapshots = Object.keys(serverOptions).filter((name) => name.startsWith('snapshot-'));
  assert.ok(snapshots.length >= 10);
  for (const name of ['max-log', ...snapshots]) assert.ok(name in nodeFlags, name);
});

test('flags, counts, ids and base ports are what they say, or are refused', () => {
  const flags = { sync: 'batch', reads: undefined, 'on-follower': undefined, timing: 'wide-area' };
  assert.deepEqual(flagsFor(flags), ['--sync', 'batch', '--timing', 'wide-area']);
  assert.equal(nodeCount(undefined), undefined);
  assert.equal(nodeCount('9'), 9);
  for (const word of ['0', '10', 'three']) assert.throws(() => nodeCount(word), CommandError);
  assert.deepEqual(['2', 'node2', 'node-2', 'Leader', '-1'].map(nodeId), [
    ...[2, 2, 2],
    ...[undefined, undefined],
  ]);
  assert.equal(basePortFor(undefined, {}), undefined);
  assert.equal(basePortFor(undefined, { RINGRAFT_BASE_PORT: '7001' }), 7001);
  assert.equal(basePortFor(8001, { RINGRAFT_BASE_PORT: '7001' }), 8001);
  assert.throws(() => basePortFor(undefined, { RINGRAFT_BASE_PORT: '80' }), /RINGRAFT_BASE_PORT/);
  assert.equal(DEFAULT_BASE_PORT, 5001);
});

test('a node is told its ports, its directory, all members and the flags', () => {
  const state = newState(3, 6001, ['--sync', 'none']);
  const node = state.nodes[1];
  assert.ok(node !== undefined);
  assert.equal(
    nodeArguments(state, node, '/d').join(' '),
    'server --listen 127.0.0.1:6002 --node 2 ' +
      '--cluster 127.0.0.1:6001,127.0.0.1:6002,127.0.0.1:6003 ' +
      '--data /d/2 --client 6102 --sync none',
  );
});

function view(id: number, state: NodeState, role?: 'leader' | 'follower', term = 1): NodeView {
  const status =
    role === undefined
      ? null
      : {
          ...{ address: { host: '127.0.0.1', port: 6100 + id }, nodeId: id, role, term },
          ...{ leaderId: 1, commitIndex: 12, lastApplied: 11, snapshotsInstalled: 0 },
          ...{ syncMode: 'always', standing: 'full', learners: [] },
        };
  const up = ['serving', 'no leader', 'starting', 'silent', 'paused'].includes(state);
  const addresses = { client: `127.0.0.1:${6100 + id}`, peer: `127.0.0.1:${6000 + id}` };
  return { id, state, pid: up ? 400 + id : null, startedAtMs: 0, ...addresses, status };
}

test('status is a table for people and an object for programs', () => {
  const views = [view(1, 'serving', 'leader', 3), view(2, 'killed')];
  assert.equal(
    statusTable(views),
    'node  pid  role    term  leader  commit  applied  sync    client          state\n' +
      '   1  401  leader     3       1      12       11  always  127.0.0.1:6101  serving\n' +
      '   2    -  -          -       -       -        -  -       127.0.0.1:6102  killed\n',
  );
  const report = statusReport('./data', views);
  assert.equal(report.leader, 1);
  assert.deepEqual(
    report.nodes.map(({ id, pid, role, commitIndex }) => [id, pid, role, commitIndex]),
    [
      [1, 401, 'leader', 12],
      [2, null, null, null],
    ],
  );
});

test('events tell each change once: who went, who came back, who leads', () => {
  const all = [view(1, 'serving', 'leader'), view(2, 'serving', 'follower')];
  assert.deepEqual(nodeEvents(all, all), []);
  const killed = [view(1, 'killed'), view(2, 'serving', 'leader', 2)];
  assert.deepEqual(nodeEvents(all, killed), ['node 1 was killed']);
  assert.deepEqual(reignEvents(reignOf(all), reignOf(killed)), ['node 2 leads in term 2']);
  assert.deepEqual(reignEvents(reignOf(killed), reignOf(killed)), []);
  assert.deepEqual(reignEvents(reignOf(all), reignOf([view(1, 'killed')])), ['no node leads']);
  const back = [{ ...view(1, 'serving', 'follower', 2), pid: 900 }, killed[1] as NodeView];
  assert.deepEqual(nodeEvents(killed, back), ['node 1 was started (pid 900)', 'node 1 serves']);
});

test('printed commands are those that the shell in use understands', () => {
  assert.equal(commandName('/usr/bin/ringraft', {}), 'ringraft');
  assert.equal(commandName('/x/ringraft.js', { npm_command: 'exec' }), 'npx ringraft');
  assert.equal(commandName(join(process.cwd(), 'dist/tools/a.js'), {}), 'node dist/tools/a.js');
  assert.match(clusterCommand('stop', './data'), /cluster stop$/);
  assert.match(clusterCommand('stop', 'my data'), /cluster stop --data 'my data'$/);
  assert.deepEqual([[1], [1, 2], [1, 2, 3]].map(nodeList), [
    ...['node 1', 'nodes 1 and 2', 'nodes 1, 2 and 3'],
  ]);
});
