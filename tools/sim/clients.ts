/**
 * Simulated clients: each does one operation after the other, at some node, and writes down what it
 * saw. An answer that does not come in time is an unknown outcome, and what comes later is not
 * read.
 *
 * A client never repeats an operation: after a refusal it does the next one, with new values, so
 * that an effect of the refused one would be seen.
 */

import { Prng } from '../../engine/raft/prng.js';
import type { History } from './history.js';
import type { Operation, Place, Request, Result } from './operation.js';
import type { Scheduler } from './scheduler.js';
import type { Workload } from './workload.js';

export type Reply =
  | { readonly kind: 'ok'; readonly result: Result }
  /** Certainly not executed; `leader` is where to go instead, 0 when unknown. */
  | { readonly kind: 'fail'; readonly why: string; readonly leader: number }
  | { readonly kind: 'unknown'; readonly why: string };

/** The cluster as clients see it. `reply` is called at most once, also at once. */
export interface Service {
  submit(node: number, request: Request, reply: (reply: Reply) => void, place?: Place): void;
}

export interface ClientsOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly timeoutUs?: number;
  /** Pause after a refusal or a timeout, drawn up to this. */
  readonly backoffUsMax?: number;
}

export interface ClientCounts {
  invoked: number;
  ok: number;
  failed: number;
  unknown: number;
}

const DEFAULTS = { timeoutUs: 1_000_000, backoffUsMax: 50_000 };

export class SimClients {
  readonly counts: ClientCounts = { invoked: 0, ok: 0, failed: 0, unknown: 0 };
  readonly #scheduler: Scheduler;
  readonly #service: Service;
  readonly #workload: Workload;
  readonly #history: History;
  readonly #options: Required<ClientsOptions>;
  readonly #prng: Prng;
  readonly #nodes: number[] = [];
  #isStopped = false;

  constructor(
    scheduler: Scheduler,
    service: Service,
    workload: Workload,
    history: History,
    options: ClientsOptions,
  ) {
    this.#scheduler = scheduler;
    this.#service = service;
    this.#workload = workload;
    this.#history = history;
    this.#options = { ...DEFAULTS, ...options };
    this.#prng = new Prng(options.seed);
  }

  start(): void {
    for (let client = 0; client < this.#workload.clients; client += 1) {
      this.#nodes.push(this.#workload.homeOf(client));
      this.#think(client, 0);
    }
  }

  /** No new operations; those under way get their outcome, at the latest by their time-out. */
  stop(): void {
    this.#isStopped = true;
  }

  #think(client: number, backoffUs: number): void {
    if (this.#isStopped) return;
    const { thinkUs, operation } = this.#workload.next(client);
    this.#scheduler.after(thinkUs + backoffUs, () => {
      if (!this.#isStopped) this.#invoke(client, operation);
    });
  }

  #invoke(client: number, operation: Operation): void {
    const node = this.#nodes[client] ?? 1;
    const id = this.#history.invoke(client, node, operation, this.#scheduler.nowUs);
    this.counts.invoked += 1;
    let isSettled = false;
    const settle = (reply: Reply) => {
      if (isSettled) return;
      isSettled = true;
      this.#scheduler.cancel(timeout);
      this.#record(id, client, operation, reply);
    };
    const timeout = this.#scheduler.after(this.#options.timeoutUs, () => {
      settle({ kind: 'unknown', why: 'timeout' });
    });
    this.#service.submit(node, operation, settle);
  }

  #record(id: number, client: number, operation: Operation, reply: Reply): void {
    const { nowUs } = this.#scheduler;
    if (reply.kind === 'ok') {
      this.counts.ok += 1;
      this.#history.ok(id, reply.result, nowUs);
      this.#workload.saw(client, operation, reply.result);
      this.#think(client, 0);
      return;
    }
    if (reply.kind === 'fail') {
      this.counts.failed += 1;
      this.#history.fail(id, reply.why, nowUs);
    } else {
      this.counts.unknown += 1;
      this.#history.unknown(id, reply.why, nowUs);
    }
    this.#move(client, reply.kind === 'fail' ? reply.leader : 0);
    this.#think(client, this.#prng.below(this.#options.backoffUsMax) + 1);
  }

  /** To the leader when told where it is, though not always: reads must be tried everywhere. */
  #move(client: number, leader: number): void {
    const followHint = leader > 0 && this.#prng.chance(0.8);
    this.#nodes[client] = followHint ? leader : this.#prng.between(1, this.#options.nodes);
  }
}
