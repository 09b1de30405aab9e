/**
 * The parts of the load generator that never touch a socket: request ring, reply scanner, error
 * kinds, node status, leader choice and tally.
 *
 * What they do together over sockets is load-run.test.ts.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { errorKindOf } from '../../tools/load/error-kinds.js';
import { chooseLeader } from '../../tools/load/leader-finder.js';
import { type NodeStatus, parseStatus } from '../../tools/load/node-status.js';
import { Pace } from '../../tools/load/pace.js';
import { ReplyScanner } from '../../tools/load/reply-scanner.js';
import { keyName, RequestRing, type RequestShape } from '../../tools/load/request-ring.js';
import { Tally } from '../../tools/load/tally.js';

const SHAPE: RequestShape = {
  slots: 10,
  valueBytes: 5,
  keys: 1000,
  readShare: 0,
  order: { kind: 'uniform', seed: 1 },
};

function emitted(ring: RequestRing, count: number): string {
  let text = '';
  ring.emit(count, (bytes) => {
    text += Buffer.from(bytes).toString('latin1');
  });
  return text;
}

const SET_FORM = /^\*3\r\n\$3\r\nSET\r\n\$12\r\nkey:(\d{8})\r\n\$5\r\n[\w-]{5}\r\n/;
const GET_FORM = /^\*2\r\n\$3\r\nGET\r\n\$12\r\nkey:(\d{8})\r\n/;

/** Splits emitted bytes into requests, each `SET n` or `GET n`; fails on anything else. */
function requests(text: string): string[] {
  const found: string[] = [];
  let rest = text;
  while (rest !== '') {
    const set = SET_FORM.exec(rest);
    const match = set ?? GET_FORM.exec(rest);
    assert.ok(match, `not a request: ${JSON.stringify(rest.slice(0, 60))}`);
    found.push(`${set === null ? 'GET' : 'SET'} ${Number(match[1])}`);
    rest = rest.slice(match[0].length);
  }
  return found;
}

test('a request ring emits well-formed requests across its end', () => {
  const ring = new RequestRing(SHAPE);
  const all = [...requests(emitted(ring, 7)), ...requests(emitted(ring, 10))];
  assert.equal(all.length, 17);
  assert.ok(all.every((one) => one.startsWith('SET ')));
});

test('values are found in no other slot and on no other connection', () => {
  const values = [1, 2].flatMap((seed) => {
    const order = { kind: 'uniform', seed } as const;
    const text = emitted(new RequestRing({ ...SHAPE, valueBytes: 64, order }), SHAPE.slots);
    return [...text.matchAll(/\$64\r\n([\w-]{64})\r\n/g)].map(([, value]) => value);
  });
  assert.equal(values.length, 2 * SHAPE.slots);
  const quarters = values.flatMap((value) => value?.match(/.{16}/g) ?? []);
  assert.equal(new Set(quarters).size, quarters.length);
});

test('the ratio of reads holds in every turn of the ring', () => {
  const ring = new RequestRing({ ...SHAPE, readShare: 0.3 });
  for (let turn = 0; turn < 5; turn++) {
    const reads = requests(emitted(ring, 10)).filter((one) => one.startsWith('GET'));
    assert.equal(reads.length, 3);
  }
});

test('keys are uniform over exactly the keys asked for', () => {
  const ring = new RequestRing({ ...SHAPE, slots: 1000, keys: 10 });
  const seen = new Map<string, number>();
  for (let turn = 0; turn < 10; turn++) {
    for (const one of requests(emitted(ring, 1000))) seen.set(one, (seen.get(one) ?? 0) + 1);
  }
  assert.deepEqual(
    [...seen.keys()].sort(),
    Array.from({ length: 10 }, (_, key) => `SET ${key}`),
  );
  for (const count of seen.values()) assert.ok(count > 800 && count < 1200, String(count));
});

test('the largest key still has twelve bytes', () => {
  assert.equal(keyName(99_999_999), 'key:99999999');
  const order = { kind: 'sequence', first: 99_999_998, stride: 1 } as const;
  const ring = new RequestRing({ ...SHAPE, keys: 100_000_000, order });
  assert.deepEqual(requests(emitted(ring, 2)), ['SET 99999998', 'SET 99999999']);
});

test('two sequences with the same stride name every key once', () => {
  const rings = [0, 1].map(
    (first) =>
      new RequestRing({ ...SHAPE, keys: 7, order: { kind: 'sequence', first, stride: 2 } }),
  );
  assert.deepEqual(
    rings.map((ring) => ring.left),
    [4, 3],
  );
  const all = rings.flatMap((ring) => requests(emitted(ring, ring.left)));
  assert.deepEqual(
    all.sort(),
    Array.from({ length: 7 }, (_, key) => `SET ${key}`),
  );
  assert.ok(rings.every((ring) => ring.left === 0));
});

const REPLIES =
  '+OK\r\n+OK\r\n$3\r\nabc\r\n$-1\r\n-BUSY later\r\n:12\r\n_\r\n$0\r\n\r\n+QUEUED\r\n+OK\r\n';

/** Scans `text` cut at the given places, in one piece after the other. */
function scanInPieces(text: string, cuts: readonly number[]): Record<string, unknown> {
  const errors: string[] = [];
  const scanner = new ReplyScanner((line) => errors.push(line));
  let taken = 0;
  let from = 0;
  for (const to of [...cuts, text.length]) {
    const piece = Buffer.from(text.slice(from, to), 'latin1');
    assert.equal(scanner.scan(piece, 0, piece.length, 1000), piece.length);
    taken += scanner.taken;
    from = to;
  }
  const { statuses, values, nulls } = scanner;
  return { statuses, values, nulls, taken, errors };
}

test('replies are counted alike wherever the bytes are cut', () => {
  const whole = scanInPieces(REPLIES, []);
  assert.deepEqual(whole, {
    ...{ statuses: 5, values: 2, nulls: 2, taken: 10 },
    errors: ['BUSY later'],
  });
  for (let first = 1; first < REPLIES.length; first++) {
    assert.deepEqual(scanInPieces(REPLIES, [first]), whole, `cut at ${first}`);
    for (let second = first + 1; second < REPLIES.length; second += 3) {
      assert.deepEqual(scanInPieces(REPLIES, [first, second]), whole);
    }
  }
});

test('a scan stops right after the reply it was limited to', () => {
  const scanner = new ReplyScanner(() => undefined);
  const bytes = Buffer.from(REPLIES, 'latin1');
  assert.equal(scanner.scan(bytes, 0, bytes.length, 1), 5);
  assert.equal(scanner.taken, 1);
  assert.equal(scanner.scan(bytes, 5, bytes.length, 2), 5 + 5 + 9);
  assert.equal(scanner.values, 1);
});

test('bytes that are no reply are refused by name', () => {
  const scanner = new ReplyScanner(() => undefined);
  const http = Buffer.from('HTTP/1.1 400 Bad Request\r\n');
  assert.throws(() => scanner.scan(http, 0, http.length, 1), /not a RESP reply: HTTP/);
});

test('an error line without end is bounded', () => {
  const errors: string[] = [];
  const scanner = new ReplyScanner((line) => errors.push(line));
  const long = Buffer.from(`-ERR ${'x'.repeat(100_000)}\r\n`);
  scanner.scan(long, 0, long.length, 1);
  assert.equal(errors[0]?.length, 511);
});

test('error replies fall into the kind that says whether the command ran', () => {
  const kinds = {
    'BUSY the group is overloaded, retry in 20 ms': 'busy',
    'ERR busy: 8192 proposals are pending': 'busy',
    'REDIRECT 2': 'redirect',
    'READONLY You cannot write against a read only replica.': 'redirect',
    'MOVED 3999 127.0.0.1:6381': 'redirect',
    'ERR no leader': 'noLeader',
    'ERR outcome unknown: the leader changed': 'unknown',
    "ERR unknown command 'SETT'": 'other',
    'ERR value is too large': 'other',
  } as const;
  for (const [line, kind] of Object.entries(kinds)) assert.equal(errorKindOf(line), kind, line);
});

function node(port: number, role: string, term: number, leaderId = 0): NodeStatus {
  const indexes = { commitIndex: 0, lastApplied: 0, snapshotsInstalled: 0 };
  const words = { syncMode: '', standing: 'full', learners: [] };
  return { address: { host: 'h', port }, nodeId: port, role, term, leaderId, ...indexes, ...words };
}

test('the leader is the one of the highest term that says so', () => {
  assert.equal(chooseLeader([node(1, 'leader', 4), node(2, 'leader', 5), undefined])?.nodeId, 2);
  assert.equal(chooseLeader([node(1, 'follower', 5, 3), undefined]), undefined);
  assert.equal(chooseLeader([node(1, 'follower', 5, 3)])?.nodeId, 1, 'a lone target is taken');
  assert.equal(chooseLeader([undefined]), undefined);
});

test('INFO of a node and of a plain Redis are both understood', () => {
  const address = { host: 'h', port: 1 };
  const info = 'node_id:3\r\ncluster_id:1\r\nrole:follower\r\nterm:7\r\nleader_id:2\r\n';
  const indexes =
    'commit_index:41\r\nlast_applied:40\r\ndurability:batch: within 10 ms\r\n' +
    'snapshots_installed:2\r\nlearner_4:match=3,lag=38,state=probe\r\n';
  const learners = [{ id: 4, match: 3, lag: 38, state: 'probe', leftMs: null }];
  const expected = {
    learners,
    ...{ address, nodeId: 3, role: 'follower', term: 7, leaderId: 2 },
    ...{ commitIndex: 41, lastApplied: 40, syncMode: 'batch', standing: '', snapshotsInstalled: 2 },
  };
  assert.deepEqual(parseStatus(address, info + indexes), expected);
  const redis = parseStatus(address, '# Replication\r\nrole:master\r\nconnected_slaves:0\r\n');
  assert.deepEqual([redis.role, redis.snapshotsInstalled], ['leader', 0]);
  assert.equal(parseStatus(address, '-ERR unknown command').role, 'unknown');
});

test('a pace makes commands due at their times, and gives each the time it was due', () => {
  const pace = new Pace(2000, 100);
  assert.equal(pace.batchMax, 2);
  assert.equal(pace.due(100), 0);
  assert.equal(pace.due(100.5), 1);
  assert.equal(pace.due(110), 20);
  assert.equal(pace.take(2), 100.5);
  assert.equal(pace.take(2), 101.5);
  assert.equal(pace.due(110), 16);
});

test('a pace that was held up neither skips commands nor shifts their times', () => {
  const pace = new Pace(1000, 0);
  assert.equal(pace.take(10), 1);
  // Nobody asked for ten seconds: all of them are still due, at their own times.
  assert.equal(pace.due(10_000), 9990);
  assert.equal(pace.take(1), 11);
  assert.equal(pace.due(10_000), 9989);
});

test('a pace below one command a millisecond sends them one by one', () => {
  const pace = new Pace(4, 0);
  assert.deepEqual([pace.batchMax, pace.due(249), pace.due(250), pace.take(1)], [1, 0, 1, 250]);
});

test('a tally reports percentiles to three digits, writes apart from reads', () => {
  const tally = new Tally(0);
  tally.succeed(10, 1, 90, 0, 0);
  tally.succeed(20, 10, 10, 0, 0);
  tally.succeed(30, 100, 0, 5, 2);
  const { all, writes, reads } = tally.latencies();
  assert.equal(all?.p50, 1);
  assert.equal(writes?.p99.toPrecision(3), '10.0');
  assert.equal(reads?.p50.toPrecision(3), '100');
  assert.equal(tally.operations, 105);
  assert.equal(tally.misses, 2);
});

test('the longest gap without a success counts up to now', () => {
  const tally = new Tally(0);
  tally.succeed(50, 1, 1, 0, 0);
  tally.succeed(60, 1, 1, 0, 0);
  assert.equal(tally.gapMs(70), 50);
  assert.equal(tally.gapMs(160), 100);
});

test('intervals hold only what happened in them, the total holds all', () => {
  const tally = new Tally(0);
  tally.succeed(10, 1, 3, 0, 0);
  tally.fail('busy', 2);
  const first = tally.endInterval(1000);
  assert.deepEqual([first.operations, first.errors, first.seconds], [3, 2, 1]);
  tally.succeed(1500, 1, 4, 0, 0);
  const second = tally.endInterval(2000);
  assert.deepEqual([second.operations, second.errors, second.atSeconds], [4, 0, 2]);
  assert.equal(tally.operations, 7);
  tally.restart(2000);
  assert.equal(tally.operations, 0);
  assert.equal(tally.latencies().all, undefined);
});
