/**
 * Clients that do not wait: each sends a write and, behind it on the same connection, a read of the
 * same key. The read must see the write, whatever the two have to go through.
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
    const replies: Reply[] = [];
    const settle = (reply: Reply): void => {
      replies.push(reply);
      if (replies.length < 2) return;
      this.#check(key, written, read);
      this.#think(client);
    };
    let written: Reply | null = null;
    let read: Reply | null = null;
    this.invoke(client, node, { op: 'set', key, value: key }, (reply) => {
      written = reply;
      settle(reply);
    });
    this.invoke(client, node, { op: 'get', key }, (reply) => {
      read = reply;
      settle(reply);
    });
  }

  #check(key: string, written: Reply | null, read: Reply | null): void {
    if (written?.kind !== 'ok' || read?.kind !== 'ok') return;
    this.#parts.counts.orderedReads += 1;
    if (read.result === key) return;
    throw new SimFailure(`a read behind the write of ${key} on its connection did not see it`);
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
