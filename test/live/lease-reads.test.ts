/**
 * Lease and linearizable reads of a leader that was stopped by a signal while another one was
 * elected and wrote: whatever had been sent to it is answered with the new value or an error.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { leaderOf, type Node, startCluster } from './processes.js';
import { bulk, exchange } from './raw-client.js';

const ROUNDS = 3;
const PIPELINED = 20;
const TRIES = 400;

async function ask(node: Node, line: string): Promise<string> {
  const [reply] = await exchange(node.clientPort, `${line}\r\n`, 1);
  return reply as string;
}

/** Writes until it is acknowledged by one of them, whichever leads by then. */
async function write(nodes: readonly Node[], value: string): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    for (const node of nodes) if ((await ask(node, `SET a ${value}`)) === '+OK\r\n') return;
    await sleep(50);
  }
  assert.fail('the two of them elect a leader');
}

/** What the leader answers that was stopped while `meanwhile` happened. */
async function afterStop(leader: Node, meanwhile: () => Promise<void>): Promise<unknown[]> {
  process.kill(leader.pid, 'SIGSTOP');
  try {
    await meanwhile();
    // They wait in its socket when it goes on: no tick of its clock comes before them.
    const lines = 'GET a LEASE\r\nGET a LINEARIZABLE\r\n'.repeat(PIPELINED);
    const replies = exchange(leader.clientPort, lines, 2 * PIPELINED);
    await sleep(50);
    process.kill(leader.pid, 'SIGCONT');
    return await replies;
  } finally {
    process.kill(leader.pid, 'SIGCONT');
  }
}

test('a leader that was stopped meanwhile answers no read with what was overwritten', async (t) => {
  const args = ['--lease-reads', 'on', '--timeout', '2s'];
  const nodes = await startCluster(t, 3, { args });
  for (let round = 1; round <= ROUNDS; round += 1) {
    const leader = await leaderOf(nodes);
    const others = nodes.filter((node) => node !== leader);
    assert.equal(await ask(leader, `SET a old-${round}`), '+OK\r\n');
    assert.equal(await ask(leader, 'GET a LEASE'), bulk(`old-${round}`));
    const replies = await afterStop(leader, () => write(others, `new-${round}`));
    for (const reply of replies) {
      if (reply !== bulk(`new-${round}`)) assert.match(reply as string, /^-(?:ERR|REDIRECT)/);
    }
  }
});
