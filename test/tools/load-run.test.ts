/**
 * Whole runs of the load generator against stub servers: it follows the leader, loses nothing it
 * was answered, and counts each failure as what it was.
 *
 * No assertion here depends on speed; runs are short and only what must be true at any speed is
 * asked.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommandError, ExitCode } from '../../tools/cli/exit-codes.js';
import { totalErrors } from '../../tools/load/error-kinds.js';
import { describeReport, type LoadReport } from '../../tools/load/load-report.js';
import { type LoadHooks, type LoadRequest, runLoad } from '../../tools/load/run-load.js';
import { StubRespServer } from './stub-resp-server.js';

const SHORT_MS = 150;
const POLL_MS = 5;

function drive(
  stubs: readonly StubRespServer[],
  options: Partial<LoadRequest> = {},
  hooks: LoadHooks = {},
): Promise<LoadReport> {
  return runLoad(
    {
      targets: stubs.map(({ address }) => address),
      ...{ connections: 2, inFlight: 64, keys: 500, warmupMs: 0, durationMs: SHORT_MS },
      ...options,
    },
    hooks,
  );
}

/** Runs until `done` holds, however long that takes here. */
async function driveUntil(
  done: () => boolean,
  stubs: readonly StubRespServer[],
  options: Partial<LoadRequest> = {},
): Promise<LoadReport> {
  const ending = new AbortController();
  const running = drive(stubs, { ...options, durationMs: 60_000 }, { signal: ending.signal });
  while (!done()) await sleep(POLL_MS);
  ending.abort('SIGINT');
  return running;
}

function follower(stub: StubRespServer, nodeId: number, leaderId: number, term = 1): void {
  stub.info = `node_id:${nodeId}\r\nrole:follower\r\nterm:${term}\r\nleader_id:${leaderId}\r\n`;
}

function leader(stub: StubRespServer, nodeId: number, term = 1): void {
  stub.info = `node_id:${nodeId}\r\nrole:leader\r\nterm:${term}\r\nleader_id:${nodeId}\r\n`;
}

test('every write that was answered is counted once', async () => {
  await using stub = await StubRespServer.start();
  const report = await driveUntil(() => stub.counts.set > 1000, [stub]);
  assert.ok(report.operations > 0);
  assert.equal(report.operations, report.writes);
  // What was still in flight at the end was answered too, but after the measured time.
  assert.ok(stub.counts.set >= report.writes && stub.counts.set <= report.writes + 64);
  assert.equal(totalErrors(report.errors), 0);
  assert.ok(stub.values.size <= 500);
  assert.equal(report.config.inFlight, 64);
  assert.match(describeReport(report), /commands\/s.*\nload {8}64 in flight on 2 connections/);
});

test('with a rate no more is sent than is due, and the report says what it was', async () => {
  await using stub = await StubRespServer.start();
  const rate = 2000;
  const began = performance.now();
  const report = await driveUntil(() => stub.counts.set > 100, [stub], { rate });
  const dueMax = ((performance.now() - began) / 1000) * rate;
  assert.ok(stub.counts.set <= dueMax, `${stub.counts.set} of ${dueMax} due`);
  assert.equal(report.config.rate, rate);
  assert.match(describeReport(report), /rate {8}2,000 commands\/s, kept/);
});

test('with a rate what could not be sent in time counts from when it was due', async () => {
  await using stub = await StubRespServer.start();
  // One in flight at a thousand a millisecond: almost everything waits here, and longer and longer.
  const report = await drive([stub], { connections: 1, inFlight: 1, rate: 1_000_000 });
  assert.ok(report.behind > 100_000, `${report.behind} behind`);
  const { p50 = 0 } = report.latencyMs.writes ?? {};
  assert.ok(p50 > SHORT_MS / 10, `p50 is ${p50} ms`);
  assert.match(describeReport(report), /not kept: \S+ were due and not sent at the end/);
});

test('reads and writes keep the ratio, and a filled key space has no misses', async () => {
  await using stub = await StubRespServer.start();
  const report = await drive([stub], { readShare: 0.75, fill: true });
  assert.equal(stub.values.size, 500);
  assert.equal(report.misses, 0);
  assert.equal(report.fillErrors, 0);
  const share = report.reads / report.operations;
  assert.ok(share > 0.6 && share < 0.9, String(share));
  assert.ok(report.latencyMs.reads !== null && report.latencyMs.writes !== null);
});

test('reads of an empty key space are counted as misses', async () => {
  await using stub = await StubRespServer.start();
  const report = await drive([stub], { readShare: 1 });
  assert.equal(report.misses, report.reads);
  assert.equal(report.writes, 0);
  assert.equal(report.latencyMs.writes, null);
});

test('writes go to the leader among the targets', async () => {
  await using first = await StubRespServer.start();
  await using second = await StubRespServer.start();
  follower(first, 1, 2);
  leader(second, 2);
  const report = await drive([first, second]);
  assert.equal(first.counts.set, 0);
  assert.ok(second.counts.set > 0);
  assert.deepEqual(
    report.leaders.map(({ nodeId }) => nodeId),
    [2],
  );
});

test('a redirect makes it find the new leader, and is counted', async () => {
  await using first = await StubRespServer.start();
  await using second = await StubRespServer.start();
  leader(first, 1);
  follower(second, 2, 1);
  first.answer = ([name]) => {
    if (name !== 'SET' || first.counts.set < 500) return undefined;
    follower(first, 1, 2, 2);
    leader(second, 2, 2);
    return '-REDIRECT 2\r\n';
  };
  const report = await driveUntil(() => second.counts.set > 0, [first, second]);
  assert.ok(report.errors.redirect > 0);
  assert.equal(totalErrors(report.errors), report.errors.redirect);
  assert.deepEqual(
    report.leaders.map(({ nodeId }) => nodeId),
    [1, 2],
  );
  assert.ok(report.errorSamples.includes('REDIRECT 2'));
});

test('a leader that hands over and forwards is left for the new one', async () => {
  await using first = await StubRespServer.start();
  await using second = await StubRespServer.start();
  leader(first, 1);
  follower(second, 2, 1);
  const running = driveUntil(() => second.counts.set > 0, [first, second]);
  while (first.counts.set === 0) await sleep(POLL_MS);
  follower(first, 1, 2, 2);
  leader(second, 2, 2);
  const report = await running;
  assert.equal(totalErrors(report.errors), 0);
  assert.equal(report.leaders.length, 2);
});

test('what a broken connection still owed is counted as lost, and the run goes on', async () => {
  await using stub = await StubRespServer.start();
  let swallowed = 0;
  stub.answer = ([name], socket) => {
    if (name !== 'SET' || stub.counts.set < 300 || swallowed >= 10) return undefined;
    swallowed += 1;
    if (swallowed === 10) setImmediate(() => socket.resetAndDestroy());
    return null;
  };
  const report = await driveUntil(() => stub.counts.set > 1000, [stub], { connections: 1 });
  assert.ok(report.errors.lost >= 10 && report.errors.lost <= 64, String(report.errors.lost));
  assert.ok(report.reconnects >= 1);
  assert.ok(report.writes > 300);
  assert.equal(totalErrors(report.errors), report.errors.lost);
});

test('a node that never answers is given up after the timeout', async () => {
  await using stub = await StubRespServer.start();
  stub.answer = ([name]) => (name === 'SET' ? null : undefined);
  const report = await driveUntil(() => stub.counts.set > 64, [stub], { timeoutMs: 50 });
  assert.equal(report.operations, 0);
  assert.ok(report.errors.timeout >= 64);
  assert.ok(report.gapMsMax >= 50);
});

test('busy replies are counted and slow the generator down', async () => {
  await using stub = await StubRespServer.start();
  stub.answer = ([name]) => (name === 'SET' ? '-BUSY retry in 5 ms\r\n' : undefined);
  const report = await drive([stub]);
  assert.equal(report.operations, 0);
  assert.ok(report.errors.busy > 0);
  // 64 in flight, each held back for 5 ms: no flood. Timers may fire a millisecond early.
  const turns = (report.seconds * 1000) / 4 + 2;
  assert.ok(report.errors.busy <= 64 * turns, `${report.errors.busy} in ${turns} turns`);
});

test('bytes that are no RESP end the connection, and a sample is kept', async () => {
  await using stub = await StubRespServer.start();
  stub.answer = ([name]) => (name === 'SET' ? 'HTTP/1.1 400 Bad Request\r\n' : undefined);
  const report = await drive([stub]);
  assert.ok(report.errors.other > 0);
  assert.match(report.errorSamples[0] ?? '', /not a RESP reply: HTTP/);
});

test('spreading connects to every target, leader or not', async () => {
  await using first = await StubRespServer.start();
  await using second = await StubRespServer.start();
  follower(first, 1, 3);
  const report = await drive([first, second], { spread: true, readShare: 1 });
  assert.ok(first.counts.get > 0 && second.counts.get > 0);
  assert.deepEqual(report.leaders, []);
});

test('without a leader the error says what each target is', async () => {
  await using first = await StubRespServer.start();
  await using second = await StubRespServer.start();
  follower(first, 1, 3);
  follower(second, 2, 3);
  await assert.rejects(drive([first, second], { timeoutMs: 50 }), (error: CommandError) => {
    assert.equal(error.exitCode, ExitCode.noLeader);
    assert.match(error.message, /is follower, follows node 3.*name all nodes in --targets/);
    return true;
  });
});

test('nobody listening is told apart from no leader', async () => {
  const stub = await StubRespServer.start();
  const { address } = stub;
  await stub.stop();
  await assert.rejects(runLoad({ targets: [address], timeoutMs: 50 }), (error: CommandError) => {
    assert.equal(error.exitCode, ExitCode.cannotConnect);
    return true;
  });
});

test('requests that would not fit the memory are refused with both numbers', async () => {
  const targets = [{ host: '127.0.0.1', port: 1 }];
  const request = { targets, inFlight: 1_000_000, valueSize: 1 << 20 };
  await assert.rejects(runLoad(request), /--in-flight 1000000 with --value-size 1048576 needs/);
});

test('an interrupted run reports what it has measured', async () => {
  await using stub = await StubRespServer.start();
  const report = await driveUntil(() => stub.counts.set > 100, [stub]);
  assert.equal(report.interrupted, true);
  assert.ok(report.operations > 0 && report.seconds < 60);
});
