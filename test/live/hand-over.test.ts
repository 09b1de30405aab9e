/**
 * A leader that is asked to end hands over, on real processes: a client that writes through another
 * node meanwhile loses nothing, and the nodes that stay have their leader when the old one is gone.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { followersOf, leaderOf, type Node, startCluster } from './processes.js';
import { exchange, RawClient } from './raw-client.js';

/** Counts up through one node until it is stopped. */
class Counting {
  acknowledged = 0;
  unknown = 0;
  readonly #client: RawClient;
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(node: Node) {
    this.#client = new RawClient(node.clientPort);
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const reply = await this.#client.ask('INCR n\r\n');
      if (reply.startsWith(':')) this.acknowledged += 1;
      else if (/^-ERR outcome unknown/.test(reply)) this.unknown += 1;
      else assert.match(reply, /^-ERR (?:no leader|busy|not leader)/);
    }
  }

  async reached(count: number): Promise<void> {
    while (this.acknowledged < count) {
      await Promise.race([this.#done, new Promise((resolve) => setTimeout(resolve, 5))]);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
    this.#client.close();
  }
}

for (const [how, end] of [
  ['SIGTERM', (leader: Node) => leader.stop()],
  ['SIGINT', (leader: Node) => leader.run.stop('SIGINT')],
] as const) {
  test(`a leader ended by ${how} hands over, and no write is lost`, async (t) => {
    const nodes = await startCluster(t, 3, { args: ['--on-follower', 'forward'] });
    const leader = await leaderOf(nodes);
    const term = Number((await leader.status()).get('term'));
    const [other, third] = (await followersOf(nodes)) as [Node, Node];
    const counting = new Counting(other);
    await counting.reached(50);
    assert.equal((await end(leader)).code, 0);
    const [status, statusOfThird] = [await other.status(), await third.status()];
    const next = Number(status.get('leader_id'));
    assert.ok(next === other.id || next === third.id, `node ${next} leads, ${leader.id} is gone`);
    assert.equal(Number(status.get('term')), term + 1);
    assert.equal(Number(statusOfThird.get('term')), term + 1);
    await counting.reached(counting.acknowledged + 50);
    await counting.stop();
    const [value = ''] = await exchange(third.clientPort, 'GET n\r\n', 1);
    const counted = Number(value.split('\r\n')[1]);
    const { acknowledged, unknown } = counting;
    assert.ok(counted >= acknowledged && counted <= acknowledged + unknown, `${value} ${unknown}`);
  });
}
