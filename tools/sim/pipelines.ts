/**
 * Clients that do not wait: each sends two writes and, behind them on the same connection, a read
 * of the same key. The read must see the last one that was carried out, and the first never comes
 * after the second, whatever the three have to go through.
 *
 * Keys are fresh each time, so that nobody else's write explains what a read saw.
 */

import type { Prng } from '../../engine/raft/prng.js';
import type { Reply, Service } from './clients.js';
import type { Counts } from './counts.js';
import type { History } from './history.js';
import type { Operation } from './operation.js';
import type { Scheduler } from './scheduler.js';
import { SimFailure } from './sim-failure.js';

/** Between the operations of one pipeline: leaders may come and go meanwhile. */
const GAPS_US = [0, 0, 2_000, 60_000, 250_000] as const;
/** Clients of this kind are numbered from here in the history. */
const FIRST_CLIENT = 1_000;

export interface PipelineParts {
  readonly scheduler: Scheduler;
  readonly service: Service;
  readonly history: History;
  readonly prng: Prng;
  readonly counts: Counts;
  readonly nodes: number;
  readonly timeoutUs: number;
  readonly thinkUs: number;
}

export class Pipelines {
  readonly #parts: PipelineParts;
  #serial = 0;
  #isStopped = false;
  invoked = 0;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  start(clients: number): void {
    for (let client = 0; client < clients; client += 1) this.#think(FIRST_CLIENT + client);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #think(client: number): void {
    const { scheduler, prng, thinkUs } = this.#parts;
    scheduler.after(prng.between(thinkUs, 4 * thinkUs), () => {
      if (!this.#isStopped) this.#send(client);
    });
  }

  #send(client: number): void {
    const { prng, nodes } = this.#parts;
    this.#serial += 1;
    const key = `p${this.#serial}`;
    const node = prng.between(1, nodes);
    const operations: readonly Operation[] = [
      { op: 'set', key, value: `${key}-first` },
      { op: 'set', key, value: `${key}-second` },
      { op: 'get', key },
    ];
    const replies: (Reply | null)[] = operations.map(() => null);
    let owed = operations.length;
    const gapUs = prng.pick(GAPS_US);
    for (const [at, operation] of operations.entries()) {
      const settle = (reply: Reply): void => {
        replies[at] = reply;
        owed -= 1;
        if (owed > 0) return;
        this.#check(key, replies);
        this.#think(client);
      };
      const invoke = (): void => this.invoke(client, node, operation, settle);
      if (gapUs === 0) invoke();
      else this.#parts.scheduler.after(at * gapUs, invoke);
    }
  }

  /** What the read may see depends on which writes were certainly carried out. */
  #check(key: string, [first, second, read]: readonly (Reply | null)[]): void {
    if (read?.kind !== 'ok') return;
    const isSeen = (value: string): boolean => read.result === `${key}-${value}`;
    if (second?.kind === 'ok') {
      this.#parts.counts.orderedReads += 1;
      if (isSeen('second')) return;
    } else if (first?.kind === 'ok') {
      this.#parts.counts.orderedReads += 1;
      if (isSeen('first') || (second?.kind === 'unknown' && isSeen('second'))) return;
    } else return;
    const seen = `a read behind two writes of ${key} on its connection saw ${read.result}`;
    throw new SimFailure(`${seen}; the writes: ${first?.kind}, ${second?.kind}`);
  }

  /** One operation of one client, recorded with its outcome. */
  invoke(
    client: number,
    node: number,
    operation: Operation,
    done: (reply: Reply) => void = () => {},
  ): void {
    const { scheduler, history, service, timeoutUs } = this.#parts;
    const id = history.invoke(client, node, operation, scheduler.nowUs);
    this.invoked += 1;
    let isSettled = false;
    const settle = (reply: Reply): void => {
      if (isSettled) return;
      isSettled = true;
      scheduler.cancel(timer);
      const { nowUs } = scheduler;
      if (reply.kind === 'ok') history.ok(id, reply.result, nowUs);
      else if (reply.kind === 'fail') history.fail(id, reply.why, nowUs);
      else history.unknown(id, reply.why, nowUs);
      done(reply);
    };
    const timer = scheduler.after(timeoutUs, () => settle({ kind: 'unknown', why: 'timeout' }));
    service.submit(node, operation, settle);
  }
}
