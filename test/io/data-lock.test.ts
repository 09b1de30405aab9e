/**
 * One process per data directory, with real processes: two at once, a killed holder, a stopped one,
 * reused pids, left-over sockets and records, and many simultaneous starters.
 *
 * Waits are for events of processes, never for times.
 */

import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DataDirectoryError } from '../../io/data-directory-error.js';
import { acquireDataLock, DataLockedError } from '../../io/data-lock.js';
import { LOCK_VERSION, type LockRecord } from '../../io/lock-record.js';
import { lockSocketFor, SOCKET_PATH_BYTES_MAX } from '../../io/lock-socket.js';
import { openLocked } from '../../io/locked-directory.js';
import { isSurelyRunning, parseStartTime, thisProcess } from '../../io/process-identity.js';
import type { LockReport } from './lock-holder.js';

const root = mkdtempSync(join(tmpdir(), 'ringraft-lock-'));
after(() => rmSync(root, { recursive: true, force: true }));
const hasProc = existsSync('/proc/self/stat');

let directories = 0;
function newPath(): string {
  directories += 1;
  return join(root, `data${directories}`);
}

async function startHolder(path: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./lock-holder.ts', import.meta.url));
  const child = fork(script, [path], { execArgv: ['--import', 'tsx'] });
  await once(child, 'message');
  return child;
}

async function order(child: ChildProcess, text: 'acquire'): Promise<LockReport>;
async function order(child: ChildProcess, text: 'release'): Promise<string>;
async function order(child: ChildProcess, text: string): Promise<unknown> {
  child.send(text);
  const [answer] = await once(child, 'message');
  return answer;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Passes when the directory is refused, in the name of this pid. */
async function isLockedBy(pid: number | undefined, path: string): Promise<void> {
  await assert.rejects(acquireDataLock(path), (error: unknown) => {
    assert.ok(error instanceof DataLockedError, `${error}`);
    assert.equal(error.code, 'ERR_DATA_LOCKED');
    assert.equal(error.holderPid, pid);
    assert.ok(error.message.includes(path), error.message);
    return true;
  });
}

/** Plants a `LOCK` as an earlier process may have left it, in the first form, without a version. */
function plant(path: string, changes: Partial<LockRecord>): void {
  mkdirSync(path, { recursive: true });
  const nonce = '00000000000000aa';
  const record = { ...thisProcess(), nonce, socket: `LOCK.${nonce}.sock`, ...changes };
  writeFileSync(join(path, 'LOCK'), JSON.stringify(record));
}

test('the lock is a 0600 record of this process, and release leaves nothing behind', async () => {
  const path = newPath();
  const lock = await acquireDataLock(path);
  const record = JSON.parse(readFileSync(join(path, 'LOCK'), 'utf8')) as LockRecord;
  assert.equal(record.pid, process.pid);
  assert.equal(statSync(join(path, 'LOCK')).mode & 0o777, 0o600);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(path), ['LOCK', `LOCK.${record.nonce}.sock`]);
  await lock.release();
  await lock.release();
  assert.deepEqual(readdirSync(path), []);
});

test('a second lock in the same process is refused, and free after release', async () => {
  const path = newPath();
  const lock = await acquireDataLock(path);
  await isLockedBy(process.pid, path);
  await isLockedBy(process.pid, path);
  assert.equal(readdirSync(path).length, 2, 'losers leave nothing behind');
  await lock.release();
  await (await acquireDataLock(path)).release();
});

test('another process is refused with the pid, and takes over after a kill -9', async () => {
  const path = newPath();
  const holder = await startHolder(path);
  assert.equal((await order(holder, 'acquire')).won, true);
  await isLockedBy(holder.pid, path);
  await kill(holder);
  assert.ok(existsSync(join(path, 'LOCK')), 'the killed holder left its lock');
  const lock = await acquireDataLock(path);
  assert.equal(readdirSync(path).length, 2, 'its socket was removed');
  await lock.release();
  assert.deepEqual(readdirSync(path), []);
});

test('a stopped holder keeps its lock; ending without release frees it', async () => {
  const path = newPath();
  const holder = await startHolder(path);
  assert.equal((await order(holder, 'acquire')).won, true);
  holder.kill('SIGSTOP');
  await isLockedBy(holder.pid, path);
  holder.kill('SIGCONT');
  const gone = once(holder, 'exit');
  holder.send('leave');
  const [code] = await gone;
  assert.equal(code, 0, 'the listening socket does not keep the process alive');
  await (await acquireDataLock(path)).release();
});

test('of two processes that start at the same moment exactly one wins, 25 times', async () => {
  const path = newPath();
  const starters = await Promise.all([startHolder(path), startHolder(path)]);
  for (let round = 0; round < 25; round++) {
    // Every other round there is a dead holder's lock to be taken over.
    if (round % 2 === 1) plant(path, { pid: 1, startTime: 7, bootId: 'x' });
    const reports = await Promise.all(starters.map((starter) => order(starter, 'acquire')));
    const won = reports.map((report) => report.won);
    assert.deepEqual([...won].sort(), [false, true], JSON.stringify(reports));
    const winner = starters[won.indexOf(true)]!;
    const loser = reports[won.indexOf(false)]!;
    assert.equal(loser.holderPid, winner.pid, loser.failure);
    await isLockedBy(winner.pid, path);
    await order(winner, 'release');
  }
  assert.deepEqual(readdirSync(path), []);
  await Promise.all(starters.map(kill));
});

test('of eight simultaneous starters in one process exactly one wins', async () => {
  const path = newPath();
  for (let round = 0; round < 10; round++) {
    const attempts = Array.from({ length: 8 }, () => acquireDataLock(path));
    const results = await Promise.allSettled(attempts);
    const locks = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    assert.equal(locks.length, 1);
    for (const result of results) {
      if (result.status === 'rejected') assert.ok(result.reason instanceof DataLockedError);
    }
    await locks[0]?.release();
  }
  assert.deepEqual(readdirSync(path), []);
});

test('a reused pid does not hold the lock: it lives, but did not write it', async () => {
  const path = newPath();
  plant(path, { pid: process.ppid, startTime: 1 });
  await (await acquireDataLock(path)).release();
});

test('pid 1 in a restarted container takes over: its own pid, an earlier start', async () => {
  const path = newPath();
  plant(path, { startTime: Math.max(1, thisProcess().startTime - 1000) });
  await (await acquireDataLock(path)).release();
  plant(path, { startTime: 0, bootId: '' });
  await (await acquireDataLock(path)).release();
});

test('a lock of an earlier boot is taken over', async () => {
  const path = newPath();
  plant(path, { bootId: '11111111-2222-3333-4444-555555555555' });
  await (await acquireDataLock(path)).release();
});

test('a holder whose socket somebody removed still holds while it runs', {
  skip: !hasProc,
}, async () => {
  const path = newPath();
  plant(path, {});
  await isLockedBy(process.pid, path);
});

test('a left-over socket with the pid of a living process is in nobody’s way', async () => {
  const path = newPath();
  const holder = await startHolder(path);
  assert.equal((await order(holder, 'acquire')).won, true);
  await kill(holder);
  const left = JSON.parse(readFileSync(join(path, 'LOCK'), 'utf8')) as LockRecord;
  assert.ok(statSync(join(path, left.socket)).isSocket());
  plant(path, { ...left, pid: process.ppid });
  await (await acquireDataLock(path)).release();
  assert.deepEqual(readdirSync(path), []);
});

test('a plain file under the name of a socket refuses like one, and is left alone', async () => {
  const path = newPath();
  plant(path, {});
  writeFileSync(join(path, 'LOCK.00000000000000aa.sock'), '');
  await (await acquireDataLock(path)).release();
  assert.deepEqual(readdirSync(path), ['LOCK.00000000000000aa.sock']);
});

test('the record of a starter that died half-way is removed with its lock', async () => {
  const path = newPath();
  plant(path, { pid: 1, startTime: 7, nonce: '00000000000000bb' });
  const record = readFileSync(join(path, 'LOCK'), 'utf8');
  writeFileSync(join(path, 'LOCK.00000000000000bb'), record);
  await (await acquireDataLock(path)).release();
  assert.deepEqual(readdirSync(path), []);
});

test('a starter that is alive is waited for, and its death lets the next one on', async () => {
  const path = newPath();
  const socket = 'LOCK.00000000000000bb.sock';
  plant(path, { nonce: '00000000000000bb', socket, startTime: 7 });
  renameSync(join(path, 'LOCK'), join(path, 'LOCK.00000000000000bb'));
  const asked = new Promise<void>((settle) => {
    const server = createServer((connection) => {
      connection.destroy();
      server.close(() => settle());
    });
    server.listen(join(path, socket));
  });
  const attempt = acquireDataLock(path);
  await asked;
  await (await attempt).release();
  assert.deepEqual(readdirSync(path), []);
});

test('garbage in LOCK is what a loss of power left, and is taken over', async () => {
  for (const text of ['', '{"pid":', '"text"', '{"pid":1}', '\0\0\0']) {
    const path = newPath();
    mkdirSync(path);
    writeFileSync(join(path, 'LOCK'), text);
    await (await acquireDataLock(path)).release();
  }
});

test('a lock says its format version, and the first form without one means the same', async () => {
  const path = newPath();
  const lock = await acquireDataLock(path);
  const { version, ...record } = JSON.parse(readFileSync(join(path, 'LOCK'), 'utf8'));
  assert.equal(version, LOCK_VERSION);
  writeFileSync(join(path, 'LOCK'), JSON.stringify(record));
  await isLockedBy(process.pid, path);
  await lock.release();
  assert.deepEqual(readdirSync(path), [], 'and its holder still knows it as its own');
  plant(path, { pid: 1, startTime: 7 });
  await (await acquireDataLock(path)).release();
  assert.deepEqual(readdirSync(path), [], 'a dead one without a version is taken over');
});

test('a lock of another format version is refused by name and never taken over', async () => {
  for (const [name, version] of [
    ['LOCK', 2],
    ['LOCK', '1'],
    ['LOCK', null],
    ['LOCK.00000000000000bb', 7],
  ] as const) {
    const path = newPath();
    mkdirSync(path);
    const text = JSON.stringify({ version, pid: 1, whatever: 'a later build says' });
    writeFileSync(join(path, name), text);
    await assert.rejects(acquireDataLock(path), (error: unknown) => {
      assert.ok(error instanceof DataDirectoryError, `${error}`);
      assert.equal(error.reason, 'unknownVersion');
      const finding = `${join(path, name)} has format version ${JSON.stringify(version)}; this`;
      assert.ok(error.message.includes(`${finding} build reads 1`), error.message);
      assert.match(error.message, /Start the version of ringraft that wrote it; if no process/);
      return true;
    });
    assert.deepEqual(readdirSync(path), [name], 'the directory is left as it was');
    assert.equal(readFileSync(join(path, name), 'utf8'), text);
  }
});

test('nothing outside is removed, whatever a lock file names as its socket', async () => {
  const path = newPath();
  const precious = join(root, 'precious');
  writeFileSync(precious, 'x');
  plant(path, { pid: 1, startTime: 7, socket: precious });
  await (await acquireDataLock(path)).release();
  assert.ok(existsSync(precious));
});

test('a path too long for a socket puts it among the temporary files', async () => {
  const path = join(newPath(), 'd'.repeat(SOCKET_PATH_BYTES_MAX));
  const lock = await acquireDataLock(path);
  const { socket } = JSON.parse(readFileSync(join(path, 'LOCK'), 'utf8')) as LockRecord;
  assert.ok(socket.startsWith(join(tmpdir(), 'ringraft-')), socket);
  assert.ok(existsSync(socket));
  await isLockedBy(process.pid, path);
  await lock.release();
  assert.equal(existsSync(socket), false);
  assert.equal(lockSocketFor('/short', '00000000000000aa'), 'LOCK.00000000000000aa.sock');
});

test('a directory that cannot be is refused as such', async () => {
  const file = newPath();
  writeFileSync(file, '');
  for (const path of [file, join(file, 'data')]) {
    await assert.rejects(acquireDataLock(path), (error: unknown) => {
      assert.ok(error instanceof DataDirectoryError, `${error}`);
      assert.equal(error.reason, 'unusable');
      return true;
    });
  }
  const blocked = newPath();
  mkdirSync(join(blocked, 'LOCK'), { recursive: true });
  await assert.rejects(acquireDataLock(blocked), { code: 'ERR_DATA_DIRECTORY' });
});

test('the start time is found behind any process name', () => {
  const fields = Array.from({ length: 40 }, (_, index) => `${index + 3}`).join(' ');
  assert.equal(parseStartTime(`12 (node) ${fields}`), 22);
  assert.equal(parseStartTime(`12 (a) b (c d)) ${fields}`), 22);
  assert.equal(parseStartTime(''), 0);
});

test('only the same pid, start and boot are surely the same process', { skip: !hasProc }, () => {
  const self = thisProcess();
  assert.equal(isSurelyRunning(self), true);
  assert.equal(isSurelyRunning({ ...self, startTime: self.startTime + 1 }), false);
  assert.equal(isSurelyRunning({ ...self, bootId: 'other' }), false);
  assert.equal(isSurelyRunning({ ...self, startTime: 0 }), false);
  assert.equal(isSurelyRunning({ ...self, bootId: '' }), false);
});

test('a copy of a data directory does not open the log that its original appends to', async () => {
  const [original, copy, log] = [newPath(), newPath(), newPath()];
  const missing = newPath();
  const first = await openLocked(original, log, () => 'opened');
  assert.equal(first.opened, 'opened');
  let opened = false;
  const openCopy = () =>
    openLocked(copy, log, () => {
      opened = true;
    });
  await assert.rejects(openCopy(), (error: unknown) => {
    assert.ok(error instanceof DataLockedError, `${error}`);
    assert.equal(error.holderPid, process.pid);
    assert.match(error.message, /^WAL directory .* a WAL directory of its own/);
    assert.ok(error.message.includes(log));
    return true;
  });
  assert.equal(opened, false);
  await first.lock.release();
  await (await openCopy()).lock.release();
  await (await acquireDataLock(log)).release();
  writeFileSync(join(copy, 'meta'), '');
  const refusal = new Error('not mounted');
  const refused = openLocked(copy, missing, () => {
    throw refusal;
  });
  await assert.rejects(refused, refusal);
  assert.ok(!existsSync(missing), 'what is refused is left as it was found');
  await (await acquireDataLock(copy)).release();
});
