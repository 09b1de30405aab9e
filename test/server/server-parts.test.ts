/**
 * The small parts of the server: reply queue, read fence, log, member lists, settings, error texts.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { RequestParser } from '../../codec/resp/request-parser.js';
import { resolveOptions } from '../../engine/config.js';
import { Consistency, LINEARIZABLE } from '../../engine/config-reads.js';
import { ErrorNumber, RingraftError } from '../../engine/errors.js';
import { nodeId } from '../../engine/raft/types.js';
import type { OptionValues } from '../../tools/cli/command.js';
import { ROOT_COMMAND } from '../../tools/cli/commands.js';
import { CommandError, ExitCode } from '../../tools/cli/exit-codes.js';
import { parseCommandLine } from '../../tools/cli/parse.js';
import { errorKindOf } from '../../tools/load/error-kinds.js';
import { BatchTerms } from '../../tools/server/batch-terms.js';
import { ByteBudget } from '../../tools/server/byte-budget.js';
import { DEFAULT_CLIENT_LIMITS } from '../../tools/server/client-limits.js';
import { clientAddress, members } from '../../tools/server/cluster-list.js';
import { engineOptions, settings } from '../../tools/server/engine-settings.js';
import { serverLimits } from '../../tools/server/limit-settings.js';
import { NodeLog } from '../../tools/server/node-log.js';
import { type NodeView, parseFigures } from '../../tools/server/node-view.js';
import { FENCE_WIDE, ReadFence } from '../../tools/server/read-fence.js';
import {
  overBudget,
  readRefusal,
  readRefusalOf,
  writeRefusal,
  writeRefusalOf,
} from '../../tools/server/refusals.js';
import { ReplyQueue } from '../../tools/server/reply-queue.js';
import type { serverOptions } from '../../tools/server/server-options.js';
import { statusSections } from '../../tools/server/status-sections.js';
import { array } from '../live/raw-client.js';
import { Connection, serverView } from '../tools/commands-harness.js';

const MIB = 1024 * 1024;

test('a reply queue keeps order and contents while it grows around its end', () => {
  const queue = new ReplyQueue();
  let pushed = 0;
  let shifted = 0;
  const push = (): void => {
    assert.equal(queue.nextToken, pushed);
    queue.push(pushed & 0x7f, 1, pushed);
    pushed += 1;
  };
  const shift = (): void => {
    assert.ok(queue.isHead(shifted));
    assert.equal(queue.shapeOf(shifted), shifted & 0x7f);
    assert.equal(queue.fenceOf(shifted), shifted);
    queue.shift();
    shifted += 1;
  };
  for (let round = 1; round < 200; round += 1) {
    for (let i = 0; i < round % 37; i += 1) push();
    while (shifted < pushed - (round % 5) * 10) shift();
  }
  while (shifted < pushed) shift();
  assert.equal(queue.length, 0);
  for (let i = 0; i < 5000; i += 1) push();
  while (shifted < pushed) shift();
  queue.trim();
  push();
  shift();
});

test('kept replies come out when their turn has come, and only then', () => {
  const queue = new ReplyQueue();
  const first = queue.nextToken;
  queue.push(0, 0, 0);
  queue.pushKnown(Buffer.from('b'));
  const third = queue.nextToken;
  queue.push(0, 0, 0);
  queue.keep(third, Buffer.from('c'));
  assert.equal(queue.shiftKept(), null);
  assert.ok(queue.isHead(first));
  queue.shift();
  assert.equal(String(queue.shiftKept()), 'b');
  assert.equal(String(queue.shiftKept()), 'c');
  assert.equal(queue.shiftKept(), null);
});

function placeOf(fence: ReadFence, ...words: string[]): number {
  const parser = new RequestParser();
  parser.push(array(...words));
  parser.next();
  return fence.placeOf(parser, words[0] as string, 7);
}

test('a fence counts reads by key, and knows commands of many keys', () => {
  const fence = new ReadFence();
  const place = placeOf(fence, 'GET', 'a');
  assert.equal(placeOf(fence, 'SET', 'a', 'x'), place);
  assert.equal(placeOf(fence, 'DEL', 'a'), place);
  assert.notEqual(placeOf(fence, 'GET', 'b'), place);
  for (const words of [['MSET', 'a', '1'], ['DEL', 'a', 'b'], ['FLUSHALL'], ['KEYS', '*']]) {
    assert.equal(placeOf(fence, ...words), FENCE_WIDE, words.join(' '));
  }
  assert.equal(fence.isBusy(place), false);
  fence.enter(place);
  fence.enter(place);
  fence.leave(place);
  assert.equal(fence.isBusy(place), true);
  fence.leave(place);
  assert.equal(fence.isBusy(place), false);
  assert.throws(() => fence.leave(place), /never entered/);
});

test('terms are shared for a few milliseconds; a turn has one kind of read once one waits', () => {
  const terms = new BatchTerms(5000, LINEARIZABLE);
  terms.tick(1000);
  const write = terms.forwardedWrite;
  terms.tick(1000.5);
  assert.equal(terms.read(false).behindWrites, false);
  assert.equal(terms.read(true).behindWrites, true);
  assert.equal(terms.read(false).behindWrites, true);
  terms.turnOver();
  assert.equal(terms.read(false).behindWrites, false);
  terms.tick(1000 + 100);
  assert.notEqual(terms.forwardedWrite, write);
  assert.ok(terms.forwardedWrite.deadline >= 1100 + 5000);
  const local = new BatchTerms(5000, { consistency: Consistency.local, maxStalenessMs: 0 });
  local.tick(1);
  assert.equal(local.read(true).behindWrites, true);
  assert.equal(local.read(false).behindWrites, false, 'local reads wait for nobody else');
});

test('reads that name their terms share them; those that may need no leader wait for no other', () => {
  const terms = new BatchTerms(5000, LINEARIZABLE);
  terms.tick(1000);
  const { lease, local, linearizable } = Consistency;
  const bounded = (maxStalenessMs: number) => ({
    consistency: Consistency.bounded,
    maxStalenessMs,
  });
  const plain = (consistency: Consistency) => ({ consistency, maxStalenessMs: 0 });
  assert.equal(terms.read(false, plain(linearizable)), terms.read(false));
  assert.equal(terms.read(false, plain(local)), terms.localRead(false));
  assert.equal(terms.read(false, bounded(5)), terms.read(false, bounded(5)));
  assert.deepEqual(
    [terms.read(false, bounded(5)).maxStalenessMs, terms.read(false, bounded(6)).maxStalenessMs],
    [5, 6],
  );
  assert.equal(terms.read(false, plain(lease)).consistency, lease);
  for (const each of [plain(lease), bounded(5)]) {
    assert.equal(terms.read(true, each).behindWrites, true);
  }
  assert.equal(terms.read(false, plain(lease)).behindWrites, true);
  assert.equal(terms.read(false, bounded(5)).behindWrites, false);
  assert.equal(terms.read(false).behindWrites, false, 'another kind of read');
  terms.turnOver();
  assert.equal(terms.read(false, plain(lease)).behindWrites, false);
});

test('the log repeats itself rarely, tells what it left out, and stays on its line', () => {
  const lines: string[] = [];
  let now = 0;
  const log = new NodeLog(
    (line) => lines.push(line),
    () => now,
  );
  for (let i = 0; i < 100; i += 1) log.sometimes('peer 2', 'connection refused');
  assert.equal(lines.length, 5);
  now = 10_000;
  log.sometimes('peer 2', 'connection refused');
  assert.equal(lines[5], 'connection refused (95 like it were left out)');
  log.always('a\nforged\u001b[2Jline');
  assert.equal(lines[6], 'a?forged?[2Jline');
  for (let i = 0; i < 1000; i += 1) log.sometimes(`key ${i}`, 'x');
  assert.equal(lines.length, 1007);
});

test('member lists: positions or ids, never both, nothing twice', () => {
  const { parse } = members('');
  const ids = (text: string): number[] | undefined => parse(text)?.map(({ id }) => id);
  assert.deepEqual(ids('a:1,b:2, c:3'), [1, 2, 3]);
  assert.deepEqual(ids('3=a:1,7=b:2'), [3, 7]);
  assert.deepEqual(ids('[::1]:5001'), [1]);
  for (const wrong of [
    '',
    'a',
    'a:1,,b:2',
    'a:1,a:1',
    '1=a:1,b:2',
    '1=a:1,1=b:2',
    '0=a:1',
    'a:0',
  ]) {
    assert.equal(ids(wrong), undefined, wrong);
  }
  assert.equal(clientAddress('').parse('5101')?.host, '127.0.0.1');
  assert.equal(clientAddress('').parse('0.0.0.0:5101')?.host, '0.0.0.0');
  assert.equal(clientAddress('').parse('x'), undefined);
});

type CommandLine = OptionValues<typeof serverOptions>;

function commandLine(...args: string[]): CommandLine {
  const parsed = parseCommandLine(ROOT_COMMAND, ['server', ...args]);
  assert.equal(parsed.kind, 'run');
  return parsed.options as CommandLine;
}

test('the quick starts of the demo become engine options', () => {
  const single = engineOptions(commandLine('--listen', '127.0.0.1:5001', '--node', '1'));
  assert.deepEqual(single.cluster, { 1: '127.0.0.1:5001' });
  assert.equal(single.clusterId, undefined, 'the engine has its default');
  assert.equal(single.dataDir, undefined);
  const list = '127.0.0.1:5001,127.0.0.1:5002,127.0.0.1:5003';
  const second = commandLine(
    ...['--listen', '0.0.0.0:5002', '--node', '2', '--cluster', list, '--data', 'd'],
    ...['--advertise', 'node2:5002', '--timing', 'wide-area', '--client', '5102'],
  );
  const options = resolveOptions(engineOptions(second));
  assert.equal(options.listen, '0.0.0.0:5002');
  assert.equal(options.cluster[2], 'node2:5002');
  assert.equal(options.cluster[3], '127.0.0.1:5003');
  assert.equal(options.electionTimeoutMin, 500);
  assert.equal(options.syncMode, 'always');
  assert.equal(settings(second, 1).get('port'), '5102');
  assert.equal(serverLimits(second).client.connectionsMax, 1024);
});

test('one port for peers and clients is refused, whatever its host is called', () => {
  const ports = (listen: string, client: string) => (): unknown =>
    engineOptions(commandLine('--listen', listen, '--node', '1', '--client', client));
  for (const [listen, client] of [
    ['127.0.0.1:5001', '5001'],
    ['0.0.0.0:5001', '5001'],
    ['localhost:5001', '5001'],
    ['[::1]:5001', '[::]:5001'],
    ['node1:5001', '0.0.0.0:5001'],
  ] as const) {
    const expected = /--client is \S+:5001 and --listen is \S+:5001: peers and clients need a port/;
    assert.throws(ports(listen, client), expected, `${listen} ${client}`);
  }
  for (const [listen, client] of [
    ['127.0.0.1:5001', '5101'],
    ['10.0.0.1:5001', '5001'],
    ['[::1]:5001', '0.0.0.0:5001'],
  ] as const) {
    assert.doesNotThrow(ports(listen, client), `${listen} ${client}`);
  }
});

test('election times need units and must fit together, by the names of their flags', () => {
  const given = (...times: string[]) =>
    engineOptions(commandLine('--listen', '127.0.0.1:5001', '--node', '1', ...times));
  for (const flag of ['--heartbeat', '--election-min', '--election-max']) {
    const expected = new RegExp(
      `${flag} is "50": it must be a time with its unit .* ${flag} \\d+ms`,
    );
    assert.throws(() => given(flag, '50'), expected);
  }
  const all = given('--heartbeat', '20ms', '--election-min', '0.1s', '--election-max', '200ms');
  assert.equal(all.heartbeatInterval, 20);
  assert.equal(all.electionTimeoutMin, 100);
  assert.equal(all.electionTimeoutMax, 200);
  for (const [times, expected] of [
    [['--heartbeat', '100ms'], /^--election-min is 150ms, .* 3 × --heartbeat \(100ms\) = 300ms\n/],
    [['--election-min', '300ms'], /^--election-max is 300ms, .* than --election-min \(300ms\)\n/],
    [
      ['--election-max', '1s'],
      /^--election-max is 1000ms, .* 2 × --election-min \(150ms\) = 300ms/,
    ],
    [['--election-max', '1s'], /\ntimes that are not given are those of --timing standard: give/],
  ] as const) {
    const refusal = (error: unknown): boolean =>
      error instanceof CommandError &&
      error.exitCode === ExitCode.usage &&
      expected.test(error.message);
    assert.throws(() => given(...times), refusal, times.join(' '));
  }
});

const ONE_NODE = ['--listen', '127.0.0.1:5001', '--node', '1'];

test('limits that were not given follow those that were', () => {
  const plain = serverLimits(commandLine(...ONE_NODE));
  assert.equal(plain.entryBytesMax, MIB);
  assert.deepEqual(plain.client, DEFAULT_CLIENT_LIMITS);
  const large = serverLimits(commandLine(...ONE_NODE, '--max-entry', '2m'));
  assert.equal(large.entryBytesMax, 2 * MIB);
  assert.equal(large.client.bulkBytesMax, 4 * MIB);
  assert.equal(large.client.requestBytesMax, 8 * MIB);
  const options = resolveOptions(engineOptions(commandLine(...ONE_NODE, '--max-entry', '2m')));
  assert.equal(options.groups[0]?.entryBytesMax, 2 * MIB);
  const tight = serverLimits(commandLine(...ONE_NODE, '--max-buffers', '6m', '--max-output', '1k'));
  assert.equal(tight.client.requestBytesMax, 3 * MIB);
  assert.equal(tight.client.answerBytesMax, 8 * 1024);
  const small = serverLimits(commandLine(...ONE_NODE, '--max-request', '64k'));
  assert.equal(small.client.bulkBytesMax, 64 * 1024);
});

test('limits that cannot work together are refused with both numbers and the remedy', () => {
  for (const [args, expected] of [
    [
      ['--max-bulk', '1500k'],
      /--max-bulk is 1536000: .* an entry of the log holds \(--max-entry\), 1048576 bytes; lower/,
    ],
    [['--max-bulk', '1m', '--max-request', '512k'], /--max-bulk is 1048576: .*request\), 524288 b/],
    [['--max-request', '16m', '--max-buffers', '16m'], /--max-request is 16777216: .*, 8388608 b/],
    [['--max-answer', '32m', '--max-output', '1m'], /--max-answer is .* 8 × --max-output, 8388608/],
    [['--max-answer', '32m', '--max-buffers', '64m'], /--max-answer is .* by 4, 16777216 bytes; /],
    [['--max-buffers', '1m'], /--max-bulk is 2097152: |--max-request is 2097152: /],
  ] as const) {
    const parsed = commandLine(...ONE_NODE, ...args);
    assert.throws(() => engineOptions(parsed), expected, args.join(' '));
  }
  assert.throws(() => commandLine(...ONE_NODE, '--max-entry', '64k'), /--max-entry is "64k"/);
  assert.throws(() => commandLine(...ONE_NODE, '--max-entry', '3m'), /from 1048576 to 2097152/);
});

test('a budget counts, is tight from its half on, and then shares what output may take', () => {
  const budget = new ByteBudget(16 * MIB);
  assert.equal(budget.outputShare(8 * MIB, 4), 8 * MIB);
  budget.change(9 * MIB);
  assert.equal(budget.isOver, false);
  assert.equal(budget.outputShare(8 * MIB, 4), MIB);
  assert.equal(budget.outputShare(8 * MIB, 100_000), 16 * 1024);
  assert.equal(budget.outputShare(1000, 4), 1000);
  budget.change(8 * MIB);
  assert.equal(budget.isOver, true);
  budget.change(-17 * MIB);
  assert.equal(budget.held, 0);
  assert.throws(() => budget.change(-1), /more was given back/);
});

test('the load generator understands every refusal', () => {
  const { notLeader, noLeader, outcomeUnknown, busy } = ErrorNumber;
  assert.equal(errorKindOf(writeRefusal(notLeader, 2, true)), 'redirect');
  assert.equal(errorKindOf(writeRefusal(notLeader, 2, false)), 'redirect');
  assert.equal(errorKindOf(writeRefusal(notLeader, 0, true)), 'noLeader');
  assert.equal(errorKindOf(writeRefusal(noLeader, 0, true)), 'noLeader');
  assert.equal(errorKindOf(readRefusal(noLeader)), 'noLeader');
  assert.equal(errorKindOf(writeRefusal(outcomeUnknown, 0, false)), 'unknown');
  assert.equal(errorKindOf(writeRefusal(busy, 0, false)), 'busy');
  assert.equal(errorKindOf(overBudget(1, 3, 2)), 'busy');
  for (const code of Object.values(ErrorNumber)) {
    assert.match(writeRefusal(code, 0, false), /^ERR [^\r\n]+$/);
    assert.match(readRefusal(code), /^ERR [^\r\n]+$/);
  }
});

test('figures are read out of STAT', () => {
  const text = 'kv_keys:12\nkv_memory:345\nkv_ops:6';
  assert.deepEqual(parseFigures(text), { keys: 12, memoryBytes: 345, operations: 6 });
  assert.deepEqual(parseFigures(''), { keys: 0, memoryBytes: 0, operations: 0 });
});

test('sections show what snapshots failed or came from a leader, once there is one', () => {
  const view = serverView([], new Connection().machine);
  const figures = { keys: 0, memoryBytes: 0, operations: 0 };
  const shown = (status: typeof view.status): string =>
    statusSections({ ...view, figures, status } as unknown as NodeView);
  const [counts, last] = [' {2}Created: {7}2\n {2}Restored: {6}3\n', ' {2}Last Index: {4}30\n'];
  const all = `${counts} {2}Installed: {5}4\n {2}Failed: {8}1\n${last}`;
  assert.match(shown(view.status), new RegExp(all));
  const status = view.status();
  const calm = { ...status, snapshots: { ...status.snapshots, failed: 0, installed: 0 } };
  assert.match(
    shown(() => calm),
    new RegExp(`${counts}${last}`),
  );
});

test('an error of a promise is worded as on the client port', () => {
  const { notLeader, tooLarge, timeout, outcomeUnknown } = ErrorNumber;
  const moved = new RingraftError(notLeader, { leader: nodeId(2) });
  assert.equal(writeRefusalOf(moved, true, 10, 100), 'REDIRECT 2');
  assert.equal(writeRefusalOf(moved, false, 10, 100), writeRefusal(notLeader, 2, false));
  const large = new RingraftError(tooLarge);
  assert.match(writeRefusalOf(large, true, 101, 100), /^ERR command of 101 bytes, at most 100 /);
  const unknown = new RingraftError(outcomeUnknown);
  assert.match(writeRefusalOf(unknown, true, 10, 100), /^ERR outcome unknown: /);
  assert.match(readRefusalOf(new RingraftError(timeout)), /^ERR timeout: /);
});

test('reads of a witness are local unless they say what they must see', () => {
  let isWitness = true;
  const terms = new BatchTerms(5000, LINEARIZABLE, () => isWitness);
  terms.tick(100);
  assert.equal(terms.read(false).consistency, Consistency.local);
  assert.equal(terms.read(false, LINEARIZABLE).consistency, Consistency.linearizable);
  isWitness = false;
  assert.equal(terms.read(false).consistency, Consistency.linearizable);
});
