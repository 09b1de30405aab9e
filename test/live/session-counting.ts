/**
 * A client that counts up in a session, through whatever node answers, and sends again what is not
 * answered: each number that comes back is the one after the last, or something was lost or
 * executed twice. Any other answer than one that says to try again ends it.
 */

import assert from 'node:assert/strict';
import { NodeClient } from '../../tools/cluster/node-client.js';

const TRY_MS = 5000;
const PATIENCE_MS = 30_000;

export class SessionCounting {
  acknowledged = 0;
  readonly #ports: readonly number[];
  #client: NodeClient | null = null;
  #at = 0;
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#done = this.#run();
    // Whoever stops it learns of a failure.
    this.#done.catch(() => undefined);
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

  /** The number that is answered. Throws when none is in time. */
  async ask(words: readonly string[]): Promise<number> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      assert.ok(performance.now() < deadline, `${words.join(' ')} has no answer`);
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
