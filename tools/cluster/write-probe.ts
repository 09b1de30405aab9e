/**
 * A client that writes one small value after the other in a session, each until it is acknowledged,
 * and notes the longest time in which none was. What a rolling restart costs its clients.
 *
 * A write whose answer is lost or unknown is sent again with its place in the session, to any node:
 * it is executed once. This must never count a write as acknowledged that was not.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Reply } from '../crash/reply-stream.js';
import { HOST, type NodeRecord } from './cluster-state.js';
import { NodeClient } from './node-client.js';

export const PROBE_KEY = 'ringraft:rolling-restart';

/** One try; the write as a whole may take `patienceMs`. */
const TRY_MS = 1000;
const RETRY_MS = 2;
const TTL_MS = 3_600_000;

/** What may be sent again: nothing happened, or the session makes it happen once. */
const RETRYABLE =
  /^(?:REDIRECT \d+|ERR (?:busy|not? leader|not on all|outcome unknown|closing|witness mode))/;

type Ports = readonly Pick<NodeRecord, 'id' | 'clientPort'>[];

/** Why the probe ended before it was told to. */
export class ProbeFailed extends Error {
  constructor(what: string, reason: string) {
    super(`${what} failed: ${reason}`);
    this.name = 'ProbeFailed';
  }
}

export class WriteProbe {
  acknowledged = 0;
  /** Null while every write was acknowledged. */
  failure: Error | null = null;
  readonly #ports: Ports;
  readonly #patienceMs: number;
  #client: NodeClient | null = null;
  #at = 0;
  #isOver = false;
  #done: Promise<void> = Promise.resolve();
  #lastAckAt = 0;
  #gapMs = 0;

  private constructor(ports: Ports, patienceMs: number) {
    this.#ports = ports;
    this.#patienceMs = patienceMs;
  }

  /** Opens the session, and writes from now on. */
  static async start(ports: Ports, patienceMs: number): Promise<WriteProbe> {
    const probe = new WriteProbe(ports, patienceMs);
    const opened = await probe.#untilDone(['SESSION', 'OPEN', 'TTL', String(TTL_MS)]);
    if (opened.kind !== 'integer') throw new ProbeFailed('opening a session', shownReply(opened));
    probe.#lastAckAt = performance.now();
    probe.#done = probe.#run(String(opened.value)).catch((cause: unknown) => {
      probe.failure = cause instanceof Error ? cause : new Error(String(cause));
    });
    return probe;
  }

  async #run(session: string): Promise<void> {
    for (let sequence = 1; !this.#isOver; sequence += 1) {
      const write = ['SET', PROBE_KEY, String(sequence)];
      await this.#untilDone(['SESSION', session, String(sequence), ...write]);
      this.#note();
      this.acknowledged += 1;
    }
    await this.#untilDone(['DEL', PROBE_KEY]);
    await this.#untilDone(['SESSION', 'CLOSE', session]);
  }

  #note(): void {
    const now = performance.now();
    this.#gapMs = Math.max(this.#gapMs, now - this.#lastAckAt);
    this.#lastAckAt = now;
  }

  /** The longest time without an acknowledgement since this was asked last, up to now. */
  takeGapMs(): number {
    const gapMs = Math.max(this.#gapMs, performance.now() - this.#lastAckAt);
    this.#gapMs = 0;
    return gapMs;
  }

  /** The first reply that says it is done. Throws ProbeFailed when there is none in time. */
  async #untilDone(words: readonly string[]): Promise<Reply> {
    const deadline = performance.now() + this.#patienceMs;
    let reason = 'no node answers';
    while (performance.now() < deadline) {
      const reply = await this.#try(words);
      if (typeof reply === 'string') reason = reply;
      else if (reply.kind !== 'error') return reply;
      else if (!RETRYABLE.test(reply.text)) throw new ProbeFailed(words.join(' '), reply.text);
      else {
        reason = reply.text;
        this.#goElsewhere(reply.text);
      }
      await sleep(RETRY_MS);
    }
    throw new ProbeFailed(words.join(' '), `${reason}, for ${this.#patienceMs / 1000} s`);
  }

  /** A text: why there is no reply. */
  async #try(words: readonly string[]): Promise<Reply | string> {
    const node = this.#ports[this.#at % this.#ports.length];
    if (node === undefined) return 'there is no node';
    this.#client ??= new NodeClient({ host: HOST, port: node.clientPort });
    try {
      return await this.#client.ask(words, TRY_MS);
    } catch (cause) {
      this.#goElsewhere('');
      return `node ${node.id}: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
  }

  #goElsewhere(reply: string): void {
    const told = Number(/^REDIRECT (\d+)/.exec(reply)?.[1] ?? 0);
    const named = this.#ports.findIndex(({ id }) => id === told);
    this.#client?.close();
    this.#client = null;
    this.#at = named < 0 ? this.#at + 1 : named;
  }

  /** Ends the writing once the write under way is acknowledged; see `failure`. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
    this.#client?.close();
  }
}

function shownReply(reply: Reply): string {
  return reply.kind === 'status' || reply.kind === 'error' ? reply.text : reply.kind;
}
