/**
 * Client sessions through the client port of three nodes as processes: a counter stays exact though
 * its leader is killed again and again and the client sends what it has no answer to once more, to
 * any node.
 */

import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { leaderOf, type Node, startCluster } from './processes.js';
import { array, bulk, exchange, RawClient } from './raw-client.js';

const nodes = await startCluster({ after }, 3, { args: ['--timeout', '2s'] });
const WRITES = 600;
const IN_FLIGHT = 8;
const KILLS = 3;
/** A node that is gone does not always close its connections. */
const PATIENCE_MS = 4000;
const DEADLINE_MS = 120_000;

/** Opens a session at whatever node answers. */
async function openSession(): Promise<number> {
  const { clientPort } = await leaderOf(nodes);
  const [reply = ''] = await exchange(clientPort, array('SESSION', 'OPEN'), 1);
  assert.match(reply, /^:\d+\r\n$/);
  return Number(reply.slice(1));
}

/**
 * Sends writes, some at a time, each until it is answered: on any error, or none of the answers in
 * time, all that has no answer goes to the next node. Returns the numbers that were answered.
 */
class Retrier {
  readonly answers = new Map<number, number>();
  retries = 0;
  readonly #session: number;
  readonly #key: string;

  constructor(session: number, key: string) {
    this.#session = session;
    this.#key = key;
  }

  async run(count: number, inFlight: number): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS;
    const left = Array.from({ length: count }, (_, at) => at + 1);
    for (let turn = 0; left.length > 0; turn += 1) {
      assert.ok(Date.now() < deadline, `${left.length} writes have no answer in time`);
      const client = new RawClient((nodes[turn % nodes.length] as Node).clientPort);
      const isDone = await this.#sendTo(client, left, inFlight);
      client.close();
      if (!isDone) await sleep(20);
      this.retries += isDone ? 0 : 1;
    }
  }

  /** False as soon as an answer is an error or does not come. */
  async #sendTo(client: RawClient, left: number[], inFlight: number): Promise<boolean> {
    while (left.length > 0) {
      const sent = left.slice(0, inFlight);
      const parts = sent.map((sequence) =>
        array('SESSION', String(this.#session), String(sequence), 'INCR', this.#key),
      );
      client.send(Buffer.concat(parts));
      const late = sleep(PATIENCE_MS).then((): string[] => []);
      const replies = await Promise.race([client.replies(sent.length), late]);
      for (const [at, sequence] of sent.entries()) {
        const reply = replies[at] ?? '';
        if (!/^:\d+\r\n$/.test(reply)) {
          assert.doesNotMatch(reply, /session (unknown|forgotten)/);
          continue;
        }
        this.answers.set(sequence, Number(reply.slice(1)));
        left.splice(left.indexOf(sequence), 1);
      }
      if (replies.length < sent.length || left[0] === sent[0]) return false;
    }
    return true;
  }
}

async function killLeaders(until: () => boolean): Promise<number> {
  let kills = 0;
  while (kills < KILLS && !until()) {
    const leader = await leaderOf(nodes);
    await leader.kill();
    kills += 1;
    await sleep(300);
    await leader.start();
    await leaderOf(nodes);
  }
  return kills;
}

test('a counter is exact while leaders are killed and a client repeats what it must', async () => {
  const one = new Retrier(await openSession(), 'one');
  const many = new Retrier(await openSession(), 'many');
  let isOver = false;
  const kills = killLeaders(() => isOver);
  await Promise.all([one.run(WRITES, 1), many.run(WRITES, IN_FLIGHT)]);
  isOver = true;
  await kills;
  const sequences = Array.from({ length: WRITES }, (_, at) => at + 1);
  const inOrder = sequences.map((sequence) => one.answers.get(sequence));
  assert.deepEqual(inOrder, sequences, 'each write was executed once, in the order it was sent');
  const answered = [...many.answers.values()].sort((a, b) => a - b);
  assert.deepEqual(answered, sequences, 'each write has a result of its own');
  for (const node of nodes) {
    const replies = await exchange(node.clientPort, 'GET one\r\nGET many\r\n', 2);
    assert.deepEqual(replies, [bulk(String(WRITES)), bulk(String(WRITES))]);
  }
});

test('after a restart of every node a write that is sent again answers as before', async () => {
  const session = await openSession();
  const write = array('SESSION', String(session), '1', 'APPEND', 'text', 'once');
  for (const { clientPort } of nodes) {
    assert.deepEqual(await exchange(clientPort, write, 1), [':4\r\n']);
  }
  assert.match(
    (await exchange((nodes[0] as Node).clientPort, 'SNAPSHOT\r\n', 1))[0] ?? '',
    /last_index:\d/,
  );
  await Promise.all(nodes.map((node) => node.kill()));
  await Promise.all(nodes.map((node) => node.start()));
  await leaderOf(nodes);
  for (const { clientPort } of nodes) {
    assert.deepEqual(await exchange(clientPort, write, 1), [':4\r\n']);
  }
  const { clientPort } = await leaderOf(nodes);
  const close = array('SESSION', 'CLOSE', String(session));
  assert.deepEqual(await exchange(clientPort, Buffer.concat([close, close]), 2), [
    ':1\r\n',
    ':0\r\n',
  ]);
  assert.match((await exchange(clientPort, write, 1))[0] ?? '', /^-ERR session unknown: /);
  assert.deepEqual(await exchange(clientPort, 'GET text\r\n', 1), [bulk('once')]);
});
