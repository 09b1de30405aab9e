/**
 * The commands at a server's terminal, through a real pseudo-terminal made by `script`
 * (util-linux); without that program the tests are skipped.
 */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import {
  freePorts,
  leaderOf,
  type Node,
  type Owner,
  RINGRAFT,
  startCluster,
  temporaryDirectory,
} from './processes.js';
import { bulk, exchange } from './raw-client.js';

const missing =
  spawnSync('script', ['--version']).status === 0 ? false : 'script (util-linux) is not installed';

const ANSWER_MS = 30_000;

/** A server at a terminal of its own. */
class Terminal {
  readonly #child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  #seen = '';
  #read = 0;

  constructor(owner: Owner, args: readonly string[]) {
    const command = [process.execPath, RINGRAFT, 'server', ...args].join(' ');
    this.#child = spawn('script', ['-qec', command, '/dev/null'], { stdio: 'pipe' });
    this.exited = once(this.#child, 'exit');
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#seen += stripVTControlCharacters(chunk.toString()).replaceAll('\r', '');
    });
    owner.after(async () => void this.#child.kill('SIGTERM'));
  }

  type(line: string): void {
    this.#child.stdin?.write(line);
  }

  /** The text printed since the last call, once it matches. */
  async until(pattern: RegExp): Promise<string> {
    const deadline = Date.now() + ANSWER_MS;
    while (!pattern.test(this.#seen.slice(this.#read))) {
      if (Date.now() > deadline) assert.fail(`no ${pattern} in ${this.#seen.slice(this.#read)}`);
      await sleep(20);
    }
    const text = this.#seen.slice(this.#read);
    this.#read = this.#seen.length;
    return text;
  }

  /** Types a line and returns what is printed up to the next prompt. */
  async ask(line: string): Promise<string> {
    this.type(`${line}\n`);
    const text = await this.until(/\n> $/);
    return text.slice(text.indexOf('\n') + 1, -'\n> '.length);
  }
}

async function start(owner: Owner): Promise<Terminal> {
  const [port] = (await freePorts(1)) as [number];
  const data = temporaryDirectory(owner);
  const listen = ['--listen', `127.0.0.1:${port}`, '--node', '1', '--data', data];
  const terminal = new Terminal(owner, listen);
  await terminal.until(/is the leader in term \d+[\s\S]*> $/);
  return terminal;
}

test('the demo session: plain answers, STATUS in sections, QUIT', { skip: missing }, async (t) => {
  const terminal = await start(t);
  assert.equal(await terminal.ask('SET greeting "Hello, Raft!"'), 'OK');
  assert.equal(await terminal.ask('GET greeting'), 'Hello, Raft!');
  assert.equal(await terminal.ask('GET nothing'), '(nil)');
  assert.equal(await terminal.ask('INCR counter'), '1');
  assert.equal(await terminal.ask('INCR counter'), '2');
  assert.equal(await terminal.ask('DECR counter'), '1');
  assert.equal(await terminal.ask('APPEND greeting !'), '13');
  assert.deepEqual((await terminal.ask('KEYS')).split('\n').sort(), ['counter', 'greeting']);
  assert.equal(await terminal.ask('DEL greeting'), 'OK');
  assert.match(await terminal.ask('STAT'), /^Keys: 1 {2}Memory: \d+ {2}Ops: \d+$/);
  const status = await terminal.ask('STATUS');
  assert.match(status, /^=== Cluster Status ===\n {2}Node ID: {7}1\n {2}Role: {10}Leader\n/);
  assert.match(status, / {2}Term: {10}\d+\n {2}Leader ID: {5}1\n {2}Commit Index: {2}\d+\n/);
  assert.match(
    status,
    / {2}Last Applied: {2}\d+\n {2}Standing: {6}full\n\n=== Key-Value Store ===\n/,
  );
  assert.match(status, / {2}Total Keys: {4}1\n {2}Total Ops: {5}9\n/);
  assert.match(
    status,
    /=== Snapshots ===\n {2}Created: {7}0\n {2}Restored: {6}0\n {2}Last Index: {4}0\n\n=== Log/,
  );
  assert.match(
    status,
    /\n {2}Durability: {4}always: an acknowledged [^\n]+\n {2}Limit: {9}1073741824 bytes; /,
  );
  assert.match(status, /\n {2}Compacted: {5}nothing yet$/);
  assert.match(await terminal.ask('SNAPSHOT'), /^size:\d+\nlast_index:\d+\nlast_term:\d+$/);
  const after = await terminal.ask('STATUS');
  assert.match(after, / {2}Created: {7}1\n {2}Restored: {6}0\n {2}Last Index: {4}[1-9]\d*\n/);
  terminal.type('QUIT\n');
  await terminal.until(/Shutting down\.\.\.\n\[NODE\] Node stopped\n/);
  assert.equal((await terminal.exited)[0], 0);
});

test('a write in a session may be typed again', { skip: missing }, async (t) => {
  const terminal = await start(t);
  const session = await terminal.ask('SESSION OPEN');
  assert.match(session, /^\d+$/);
  for (const _ of [1, 2]) assert.equal(await terminal.ask(`SESSION ${session} 1 INCR n 7`), '7');
  assert.equal(await terminal.ask(`SESSION CLOSE ${session}`), '1');
  assert.match(await terminal.ask(`SESSION ${session} 2 INCR n`), /^\(error\) ERR session unknown/);
  assert.match(await terminal.ask('SESSION OPEN TTL 1'), /^\(error\) ERR TTL is '1', must be/);
});

test('Total Ops counts what the demo counts, however often it is asked', {
  skip: missing,
}, async (t) => {
  const terminal = await start(t);
  assert.equal(await terminal.ask('SET greeting "Hello, Raft!"'), 'OK');
  assert.equal(await terminal.ask('GET greeting'), 'Hello, Raft!');
  assert.equal(await terminal.ask('INCR counter'), '1');
  assert.equal(await terminal.ask('INCR counter'), '2');
  for (let look = 0; look < 2; look += 1) {
    const status = await terminal.ask('STATUS');
    assert.match(status, / {2}Total Keys: {4}2\n {2}Total Ops: {5}4\n/);
    assert.match(await terminal.ask('STAT'), / {2}Ops: 4$/);
  }
});

test('mistakes are told, HELP lists commands, Ctrl-D ends', { skip: missing }, async (t) => {
  const terminal = await start(t);
  assert.match(await terminal.ask('FROBNICATE'), /^\(error\) ERR unknown command 'FROBNICATE'/);
  assert.match(await terminal.ask('SET a'), /^\(error\) ERR wrong number of arguments/);
  assert.match(await terminal.ask('SET a "b'), /^\(error\) ERR Protocol error: unbalanced quotes/);
  await terminal.ask('SET word x');
  const overflow = await terminal.ask('INCR word');
  assert.equal(overflow, '(error) ERR value is not an integer or out of range');
  assert.match(await terminal.ask('TRANSFER 2'), /^\(error\) ERR transfer: .*node 2 is no voter/);
  assert.match(await terminal.ask('HELP'), /^SET key value .*\n[\s\S]*\nINCR key/m);
  terminal.type('\u0004');
  await terminal.until(/Shutting down\.\.\.\n\[NODE\] Node stopped\n/);
  assert.equal((await terminal.exited)[0], 0);
});

/** A node that follows is started again at a terminal, while the leader leads on. */
async function startFollower(
  owner: Owner,
  onFollower: string,
): Promise<{ terminal: Terminal; leader: Node }> {
  const nodes = await startCluster(owner, 3);
  const leader = await leaderOf(nodes);
  const follower = nodes.find((node) => node !== leader) as Node;
  await follower.stop();
  const list = nodes.map(({ peerPort }) => `127.0.0.1:${peerPort}`).join(',');
  const terminal = new Terminal(owner, [
    ...['--listen', `127.0.0.1:${follower.peerPort}`, '--node', String(follower.id)],
    ...['--cluster', list, '--data', follower.dataDir as string],
    ...['--timing', 'wide-area', '--on-follower', onFollower],
  ]);
  await terminal.until(new RegExp(`follows node ${leader.id} in term \\d+[\\s\\S]*> $`));
  return { terminal, leader };
}

test('on a follower a write at the terminal is forwarded, a read is answered there', {
  skip: missing,
}, async (t) => {
  const { terminal, leader } = await startFollower(t, 'auto');
  assert.equal(await terminal.ask('SET typed here'), 'OK');
  assert.equal(await terminal.ask('GET typed'), 'here');
  assert.equal(
    await terminal.ask('INCR typed'),
    '(error) ERR value is not an integer or out of range',
  );
  assert.deepEqual(await exchange(leader.clientPort, 'GET typed\r\n', 1), [bulk('here')]);
  assert.match(await terminal.ask('HELP'), /\nA write .* is forwarded to the leader; a read /);
});

test('under --on-follower redirect the terminal refuses as the client port does', {
  skip: missing,
}, async (t) => {
  const { terminal, leader } = await startFollower(t, 'redirect');
  assert.equal(await terminal.ask('SET typed here'), `(error) REDIRECT ${leader.id}`);
  assert.equal(await terminal.ask('GET typed'), '(nil)');
  assert.match(
    await terminal.ask('HELP'),
    /\nA write .* answers REDIRECT and the id of the leader/,
  );
});

test('Ctrl-C ends the node gracefully', { skip: missing }, async (t) => {
  const terminal = await start(t);
  terminal.type('\u0003');
  await terminal.until(/Shutting down\.\.\.\n\[NODE\] Node stopped\n/);
  assert.equal((await terminal.exited)[0], 0);
});
