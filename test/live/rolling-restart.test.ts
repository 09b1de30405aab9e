/**
 * `ringraft cluster rolling-restart` on real nodes, while a client counts in a session and sends
 * again what is not answered: everything is counted once, and every node has another process.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Cluster } from '../../tools/cluster/cluster.js';
import { freeBasePort } from '../../tools/cluster/free-ports.js';
import { NodeClient } from '../../tools/cluster/node-client.js';
import { type Owner, Run, temporaryDirectory } from './processes.js';

const TRY_MS = 5000;

interface Called {
  readonly code: number | null;
  readonly output: string;
}

async function started(owner: Owner) {
  const directory = temporaryDirectory(owner, async (path) => {
    const nodes = new Cluster(path);
    if (nodes.exists()) await Promise.all(nodes.running().map((id) => nodes.kill(id)));
  });
  const cluster = new Cluster(directory);
  const command = async (words: string): Promise<Called> => {
    const run = new Run(['cluster', ...words.split(' '), '--data', directory]);
    const { code } = await run.ended;
    return { code, output: run.output };
  };
  const base = await freeBasePort(3, process.pid);
  const start = await command(`start 3 --base-port ${base} --timing wide-area`);
  assert.equal(start.code, 0, start.output);
  return { cluster, command };
}

/** Counts up in a session, through whatever node answers, until it is stopped. */
class SessionCounting {
  acknowledged = 0;
  readonly #ports: readonly number[];
  #client: NodeClient | null = null;
  #at = 0;
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    const session = String(await this.ask(['SESSION', 'OPEN']));
    while (!this.#isOver) {
      const sequence = String(this.acknowledged + 1);
      const value = await this.ask(['SESSION', session, sequence, 'INCR', 'counted']);
      this.acknowledged += 1;
      assert.equal(value, this.acknowledged);
    }
  }

  /** The number that is answered, at last. */
  async ask(words: readonly string[]): Promise<number> {
    for (;;) {
      const port = this.#ports[this.#at % this.#ports.length] as number;
      this.#client ??= new NodeClient({ host: '127.0.0.1', port });
      const reply = await this.#client.ask(words, TRY_MS).catch(() => null);
      if (reply?.kind === 'integer') return reply.value;
      if (reply?.kind === 'error') {
        assert.match(
          reply.text,
          /^(?:REDIRECT|ERR (?:no leader|not leader|outcome unknown|closing))/,
        );
      }
      this.#client.close();
      this.#client = null;
      this.#at += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
    this.#client?.close();
  }
}

test('all nodes restart under a client in a session: nothing is lost or counted twice', async (t) => {
  const { cluster, command } = await started(t);
  const pids = (await cluster.views()).map(({ pid }) => pid);
  const counting = new SessionCounting(cluster.state().nodes.map(({ clientPort }) => clientPort));
  const { code, output } = await command('rolling-restart');
  await counting.stop();
  assert.equal(code, 0, output);
  const restarted = [...output.matchAll(/node (\d) restarted and caught up after /g)];
  assert.deepEqual(restarted.map(([, id]) => Number(id)).sort(), [1, 2, 3]);
  const [, last] = /node (\d) handed over: no write acknowledged for \d+ ms/.exec(output) ?? [];
  assert.equal(last, restarted.at(-1)?.[1], 'the leader comes last');
  assert.match(output, /3 nodes restarted in .*: \d+ writes in a session, none failed, /);
  for (const [at, { pid }] of (await cluster.views()).entries()) assert.notEqual(pid, pids[at]);
  assert.ok(counting.acknowledged > 10);
  const { clientPort } = cluster.node(1);
  const client = new NodeClient({ host: '127.0.0.1', port: clientPort });
  const left = await client.ask(['GET', 'ringraft:rolling-restart'], TRY_MS);
  client.close();
  assert.equal(left.kind, 'null', 'nothing is left behind');
});

test('it does not begin while a node is down', async (t) => {
  const { cluster, command } = await started(t);
  await command('kill 2');
  const pids = (await cluster.views()).map(({ pid }) => pid);
  const { code, output } = await command('rolling-restart');
  assert.equal(code, 1, output);
  assert.match(output, /node 2 is killed: nothing was restarted, since one more would be down/);
  assert.deepEqual(
    (await cluster.views()).map(({ pid }) => pid),
    pids,
  );
});
