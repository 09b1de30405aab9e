/**
 * The crash proof must find what it looks for: a ledger that forgets nothing, writers that record
 * every outcome, and a check that a cluster of liars does not pass.
 *
 * Servers here are stubs in this process; the proof on real nodes is test/live/crash.test.ts.
 */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Prng } from '../../engine/raft/prng.js';
import {
  commandBytes,
  counterKey,
  counterOf,
  keyOf,
  writtenValue,
} from '../../tools/crash/commands.js';
import {
  type CrashReport,
  damageTotals,
  describeCrashRun,
  type TrialReport,
  trialLine,
} from '../../tools/crash/crash-report.js';
import { damageFiles } from '../../tools/crash/damage-files.js';
import { namesDamage } from '../../tools/crash/damaged-node.js';
import { InstallCount } from '../../tools/crash/install-count.js';
import { CounterLedger, Ledger, Outcome, WriterLedger } from '../../tools/crash/ledger.js';
import { Load } from '../../tools/crash/load.js';
import { type Reply, ReplyStream } from '../../tools/crash/reply-stream.js';
import { judge, verifyCounters, verifyKeys } from '../../tools/crash/verify.js';
import { planTrials } from '../../tools/crash/victims.js';
import { StubRespServer } from './stub-resp-server.js';

const PATIENCE_MS = 60_000;

/** A writer's ledger in which command n has the n-th outcome. */
function settled(outcomes: readonly ('acked' | 'refused' | 'unknown')[]): WriterLedger {
  const ledger = new WriterLedger(0);
  for (const outcome of outcomes) ledger.settle(ledger.next(), outcome);
  return ledger;
}

test('a ledger keeps every outcome, and settles none twice', () => {
  const ledger = new WriterLedger(3);
  for (let number = 0; number < 5000; number++) assert.equal(ledger.next(), number);
  ledger.settle(4999, 'unknown');
  ledger.see(4999);
  assert.equal(ledger.outcome(4999), Outcome.seen);
  assert.equal(ledger.outcome(0), Outcome.sent);
  assert.throws(() => ledger.settle(4999, 'acked'), /settled twice/);
  assert.throws(() => ledger.see(0), /was known/);
  assert.throws(() => ledger.outcome(5000), /was not sent/);
});

test('a value is judged by what is known about its write', () => {
  const ledger = settled(['acked', 'refused', 'unknown', 'unknown']);
  const value = (number: number): Buffer => Buffer.from(writtenValue(0, number));
  assert.equal(judge(ledger, 0, value(0)), undefined);
  assert.match(judge(ledger, 0, null) ?? '', /LOST: acknowledged/);
  assert.match(judge(ledger, 0, value(1)) ?? '', /WRONG: holds "crash:0:1=/);
  assert.match(judge(ledger, 0, Buffer.alloc(0)) ?? '', /WRONG/);
  assert.equal(judge(ledger, 1, null), undefined);
  assert.match(judge(ledger, 1, value(1)) ?? '', /it is there, though/);
  assert.equal(judge(ledger, 2, null), undefined, 'an unknown write may be missing');
  assert.equal(judge(ledger, 3, value(3)), undefined, 'or be there');
  assert.match(judge(ledger, 3, null) ?? '', /LOST: it was there before/, 'but not go again');
  ledger.next();
  assert.match(judge(ledger, 4, null) ?? '', /still in flight/);
});

test('a counter is neither short nor doubled, and never goes back', () => {
  const counter = new CounterLedger();
  assert.equal(counter.acknowledge(1), undefined);
  assert.equal(counter.acknowledge(2), undefined);
  assert.match(counter.acknowledge(2) ?? '', /two INCRs returned 2/);
  assert.match(new CounterLedger().acknowledge(0) ?? '', /returned 0/);
  const other = new CounterLedger();
  for (let value = 1; value <= 20_000; value++) assert.equal(other.acknowledge(value), undefined);
  other.unknown = 3;
  assert.match(other.read(19_999) ?? '', /less than 20000: increments were lost/);
  assert.match(other.read(20_004) ?? '', /more than 20003: increments were done twice/);
  assert.equal(other.read(20_002), undefined);
  assert.match(other.read(20_001) ?? '', /less than 20002/, 'what was seen stays');
  other.acknowledge(20_003);
  assert.match(other.read(20_002) ?? '', /less than 20003/, 'what came on top counts on top');
  assert.match(other.read(Number.NaN) ?? '', /not a whole number/);
});

test('commands are a function of writer and number, each key and value its own', () => {
  const keys = new Set<string>();
  let counters = 0;
  for (let writer = 0; writer < 4; writer++) {
    for (let number = 0; number < 500; number++) {
      assert.equal(commandBytes(writer, number), commandBytes(writer, number));
      keys.add(keyOf(writer, number));
      assert.ok(writtenValue(writer, number).startsWith(`${keyOf(writer, number)}=`));
      if (counterOf(writer, number) !== undefined) counters += 1;
    }
  }
  assert.equal(keys.size, 2000);
  assert.ok(counters > 300 && counters < 700, String(counters));
});

test('replies are read whole, wherever the stream is cut', () => {
  const text = '+OK\r\n:12\r\n:-1\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n-ERR no leader\r\n';
  const shown = (reply: Reply): string => {
    if (reply.kind === 'bulk') return `"${reply.bytes.toString('latin1')}"`;
    if (reply.kind === 'integer') return String(reply.value);
    return reply.kind === 'null' ? 'null' : `${reply.kind} ${reply.text}`;
  };
  for (let size = 1; size <= text.length; size++) {
    const stream = new ReplyStream();
    const seen: string[] = [];
    for (let at = 0; at < text.length; at += size) {
      stream.push(Buffer.from(text.slice(at, at + size)));
      for (let reply = stream.next(); reply; reply = stream.next()) seen.push(shown(reply));
    }
    assert.deepEqual(seen, [
      ...['status OK', '12', '-1', '"a\r\n"', '""', 'null', 'error ERR no leader'],
    ]);
  }
  for (const bad of ['hello\r\n', ':x\r\n', '$-2\r\n']) {
    const stream = new ReplyStream();
    stream.push(Buffer.from(bad));
    assert.throws(() => stream.next(), Error, bad);
  }
});

test('a plan has every kind of victim in each round, and is the seed’s alone', () => {
  const plan = planTrials(new Prng(7), 12, 3);
  assert.deepEqual(plan, planTrials(new Prng(7), 12, 3));
  assert.notDeepEqual(plan, planTrials(new Prng(8), 12, 3));
  for (const round of [plan.slice(0, 6), plan.slice(6)]) {
    const kinds = new Set(round.map(({ kind }) => kind));
    assert.deepEqual([...kinds].sort(), ['all', 'all, twice', 'follower', 'leader']);
  }
  const alone = planTrials(new Prng(7), 12, 1).map(({ kind }) => kind);
  assert.ok(alone.every((kind) => kind.startsWith('all')));
});

async function whilst(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (holds()) {
    assert.ok(Date.now() < deadline, `still so: ${holds}`);
    await sleep(2);
  }
}

/** A stub that also counts, as one honest node would. */
async function countingStub(): Promise<StubRespServer> {
  const stub = await StubRespServer.start();
  stub.answer = ([name, key = '']) => {
    if (name !== 'INCR') return undefined;
    const next = Number(stub.values.get(key) ?? 0) + 1;
    stub.values.set(key, String(next));
    return `:${next}\r\n`;
  };
  return stub;
}

function targetsOf(stub: StubRespServer): { id: number; address: StubRespServer['address'] }[] {
  return [{ id: 1, address: stub.address }];
}

function everything(ledger: Ledger): { writer: WriterLedger; from: number; to: number }[] {
  return ledger.writers.map((writer) => ({ writer, from: 0, to: writer.count }));
}

/** Writes through cuts and refusals until each kind of outcome was had. */
async function writeSome(stub: StubRespServer, ledger: Ledger): Promise<void> {
  const honest = stub.answer;
  const load = new Load(ledger, [stub.address], 32);
  await load.ackedAfter(0);
  stub.answer = ([name]) => (name === 'GET' ? undefined : '-ERR no leader\r\n');
  await whilst(() => ledger.refused < 20);
  // Silence, then an end without a reply: whether it was done is unknown.
  stub.answer = () => null;
  await sleep(20);
  stub.answer = honest;
  stub.cut();
  await whilst(() => ledger.unknown === 0);
  await load.ackedAfter(performance.now());
  await load.stop();
}

test('writers record each outcome, and an honest node passes', async () => {
  await using stub = await countingStub();
  const ledger = new Ledger(2);
  await writeSome(stub, ledger);
  assert.ok(ledger.acked > 0 && ledger.refused >= 20 && ledger.unknown > 0);
  const sent = ledger.writers.reduce((sum, { count }) => sum + count, 0);
  assert.equal(ledger.acked + ledger.refused + ledger.unknown, sent);
  assert.deepEqual(ledger.problems, []);
  const keys = await verifyKeys(targetsOf(stub), everything(ledger), 0);
  assert.deepEqual(keys.problems, []);
  const sets = ledger.writers.flatMap(({ writer, count }) =>
    Array.from({ length: count }, (_, number) => counterOf(writer, number)),
  );
  assert.equal(keys.checked, sets.filter((counter) => counter === undefined).length);
  assert.deepEqual((await verifyCounters(targetsOf(stub), ledger)).problems, []);
});

test('a node that lost, kept or changed what it must not is found out', async () => {
  await using stub = await countingStub();
  const ledger = new Ledger(1);
  await writeSome(stub, ledger);
  const writer = ledger.writers[0] as WriterLedger;
  const numbers = Array.from({ length: writer.count }, (_, number) => number).filter(
    (number) => counterOf(0, number) === undefined,
  );
  const having = (outcome: Outcome): number[] =>
    numbers.filter((number) => writer.outcome(number) === outcome);
  const [lost = -1, changed = -1] = having(Outcome.acked);
  const [kept = -1] = having(Outcome.refused);
  stub.values.delete(keyOf(0, lost));
  stub.values.set(keyOf(0, changed), 'something else');
  stub.values.set(keyOf(0, kept), writtenValue(0, kept));
  const { problems } = await verifyKeys(targetsOf(stub), everything(ledger), 0);
  assert.equal(problems.length, 3, problems.join('\n'));
  assert.ok(problems.some((text) => text.startsWith(`node 1, ${keyOf(0, lost)}: LOST`)));
  assert.ok(problems.some((text) => text.startsWith(`node 1, ${keyOf(0, changed)}: WRONG`)));
  assert.ok(problems.some((text) => text.startsWith(`node 1, ${keyOf(0, kept)}: it is there`)));
  const counter = ledger.counters.findIndex(({ acked }) => acked > 0);
  stub.values.set(counterKey(counter), '1000000');
  const counted = await verifyCounters(targetsOf(stub), ledger);
  assert.match(counted.problems.join(), new RegExp(`${counterKey(counter)}: 1000000 is more than`));
});

test('replies that are wrong by themselves are problems', async () => {
  await using stub = await countingStub();
  const ledger = new Ledger(1);
  stub.answer = ([name]) => (name === 'INCR' ? ':5\r\n' : '-ERR the disk is on fire\r\n');
  const load = new Load(ledger, [stub.address], 16);
  await whilst(() => ledger.problems.length < 50);
  await load.stop();
  const text = ledger.problems.join('\n');
  assert.match(text, /two INCRs returned 5/);
  assert.match(text, /-ERR the disk is on fire/);
});

test('reads go on over refusals and ended connections until every key is answered', async () => {
  await using stub = await countingStub();
  const ledger = new Ledger(1);
  ledger.writers[0]?.settle(ledger.writers[0].next(), 'unknown');
  for (let more = 0; more < 600; more++) {
    ledger.writers[0]?.settle(ledger.writers[0].next(), 'refused');
  }
  let asked = 0;
  stub.answer = ([name], socket) => {
    asked += 1;
    if (asked === 100) socket.destroy();
    return name === 'GET' && asked % 150 === 0 ? '-ERR no leader\r\n' : undefined;
  };
  const { checked, problems } = await verifyKeys(targetsOf(stub), everything(ledger), 0);
  assert.ok(checked > 300 && asked > checked);
  assert.deepEqual(problems, []);
});

test('damage is planned in some trials, where it is asked for, and changes nothing else', () => {
  const damaging = planTrials(new Prng(7), 40, 3, true);
  const damages = damaging.filter((plan) => plan.damages).length;
  assert.ok(damages > 10 && damages < 30, `${damages}`);
  assert.ok(planTrials(new Prng(7), 40, 3).every((plan) => !plan.damages));
});

test('one file of a node is damaged, of its log or its snapshots, and what was done is said', (t) => {
  const done = new Set<string>();
  for (let seed = 0; seed < 60; seed += 1) {
    const data = mkdtempSync(join(tmpdir(), 'ringraft-damage-'));
    t.after(() => rmSync(data, { recursive: true }));
    const paths = ['wal/1.wal', 'snapshots/a.snapshot'].map((name) => join(data, name));
    for (const path of paths) mkdirSync(dirname(path));
    const whole = Buffer.from('written\0\0\0');
    for (const path of paths) writeFileSync(path, whole);
    writeFileSync(join(data, 'meta'), 'whose');
    const what = damageFiles(data, new Prng(seed)) ?? '';
    const changed = paths.filter((path) => !existsSync(path) || !readFileSync(path).equals(whole));
    assert.equal(changed.length, 1);
    assert.ok(what.startsWith(`${changed[0]} `), `${what}`);
    done.add(`${paths.indexOf(changed[0]!)} ${/flipped|cut|removed/.exec(what)}`);
    assert.equal(readFileSync(join(data, 'meta'), 'utf8'), 'whose');
    const flip = /byte (\d+) flipped/.exec(what);
    assert.ok(flip === null || Number(flip[1]) < 7, 'where something was written');
  }
  const kinds = ['cut', 'flipped', 'removed'];
  assert.deepEqual(
    [...done].sort(),
    ['0', '1'].flatMap((file) => kinds.map((k) => `${file} ${k}`)),
  );
});

test('a refusal must name the damage, and where', () => {
  const data = '/d/2';
  assert.ok(namesDamage('the log is damaged: /d/2/wal/1.wal at byte 5: zeros', data));
  assert.ok(namesDamage('a part of the log is missing: /d/2/wal/3.wal: segment 2 ends', data));
  assert.ok(namesDamage('/d/2/meta says that there is a log, but /d/2/wal holds no *.wal', data));
  assert.ok(!namesDamage('the log is damaged: /d/1/wal/1.wal at byte 5: zeros', data));
  assert.ok(!namesDamage('TypeError: cannot read /d/2/wal/1.wal', data));
});

test('each snapshot of a leader is counted once, whoever was restarted since the last look', () => {
  const installs = new InstallCount();
  const said = (...figures: (number | null)[]) =>
    figures.map((figure, at) => ({ id: at + 1, said: figure }));
  assert.equal(installs.add(said(0, 1, 0), [2]), 1);
  assert.equal(installs.add(said(0, 1, 0), [3]), 0, 'node 2 says the same as before');
  assert.equal(installs.add(said(2, 1, 1), [1, 2]), 4, 'node 2 has begun anew');
  assert.equal(installs.add(said(2, 3, 1), []), 2, 'and nobody has');
  assert.equal(installs.add(said(null, null, 2), [1]), 1, 'the silent are not counted');
  assert.equal(installs.add(said(1, 4, 2), []), 2, 'until they say it');
  assert.equal(installs.add(said(0, 0, 0), [1, 2, 3]), 0);
});

test('a report counts damaged, refusing and repaired nodes, and snapshots installed', () => {
  const trial: TrialReport = {
    ...{ trial: 1, kind: 'leader', killed: [2], acked: 9, refused: 1, unknown: 1 },
    ...{ failoverMs: 2, recoveryMs: 6, checked: 7, installed: 1, problems: [] },
    damage: { node: 2, what: 'x', refusal: 'the log is damaged', remedy: 'repaired' },
  };
  const started = { ...trial, damage: { ...trial.damage!, refusal: null, remedy: null } };
  assert.match(trialLine(trial), /ok, node 2 damaged, refused, repaired$/);
  assert.match(trialLine(started), /ok, node 2 damaged, started$/);
  const totals = damageTotals([trial, started, { ...trial, damage: null, installed: 2 }]);
  assert.deepEqual(totals, { damaged: 2, refused: 1, repaired: 1, installed: 4 });
});

test('a report says what was lost, and how long it took otherwise', () => {
  const trial: TrialReport = {
    ...{ trial: 1, kind: 'leader', killed: [2], acked: 900, refused: 1, unknown: 16 },
    ...{ failoverMs: 211.4, recoveryMs: 640, checked: 700 },
    ...{ damage: null, installed: 0, problems: [] },
  };
  assert.match(trialLine(trial), /1 leader 2 .* 900 .* 16 .* 211 ms +640 ms +700 {2}ok$/);
  const report: CrashReport = {
    ...{ seed: 7, nodes: 3, flags: [], data: '/d', kept: false, startedAt: '', seconds: 9 },
    ...{ trials: [trial, { ...trial, failoverMs: 311 }], acked: 900, refused: 1, unknown: 16 },
    ...{ finalCheck: { checked: 5, problems: [] }, failure: null, passed: true },
    damage: damageTotals([trial]),
  };
  assert.match(describeCrashRun(report), /failover median 261 ms, worst 311 ms/);
  assert.match(describeCrashRun(report), /No acknowledged write was lost/);
  assert.doesNotMatch(describeCrashRun(report), /damage/);
  const damage = { node: 2, what: 'x', refusal: null, remedy: null };
  const damaged = { ...report, trials: [{ ...trial, damage, installed: 3 }] };
  const row = / damage {7}1 nodes damaged, 0 refused to start, 0 repaired, 3 snapshots installed\n/;
  assert.match(describeCrashRun(damaged), row);
  const lost = { ...trial, problems: ['node 1, crash:0:1: LOST'] };
  assert.match(trialLine(lost), /1 PROBLEMS$/);
  const failed = { ...report, trials: [lost], kept: true, passed: false };
  const text = describeCrashRun(failed);
  assert.match(text, /FAILED: 1 problems\n {2}node 1, crash:0:1: LOST\nThe data is kept in \/d/);
  assert.doesNotMatch(text, /No acknowledged write was lost/);
});
