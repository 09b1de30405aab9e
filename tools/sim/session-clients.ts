/**
 * Clients with sessions: each sends a command until it is answered, whatever became of the tries
 * before and at whatever node, and sometimes once more. It must be applied once, and every answer
 * must be the same.
 *
 * A command is one operation of the history, from its first try to its first answer. Late answers
 * are looked at as well. A session that cannot have expired must never be refused as unknown.
 */

import type { Prng } from '../../engine/raft/prng.js';
import type { Reply, Service } from './clients.js';
import type { Counts } from './counts.js';
import type { History } from './history.js';
import type { Operation, Place, Result } from './operation.js';
import type { Scheduler } from './scheduler.js';
import { SimFailure } from './sim-failure.js';

/** Clients of this kind are numbered from here in the history. */
const FIRST_CLIENT = 2_000;
const TRIES_MAX = 40;
const BURST_MAX = 3;
const REPEATED = 0.4;
const CLOSED = 0.1;
const READ = 0.3;
/** Far beyond what clocks of leaders differ by. */
const CANNOT_EXPIRE_MS = 24 * 3600 * 1000;

export interface SessionClientParts {
  readonly scheduler: Scheduler;
  readonly service: Service;
  readonly history: History;
  readonly prng: Prng;
  readonly counts: Counts;
  readonly nodes: number;
  readonly timeoutUs: number;
  readonly thinkUs: number;
  readonly ttlMs: number;
}

/** A session of one client, for keys of one group. */
interface Opened {
  readonly client: number;
  readonly key: string;
  readonly id: number;
  sequence: number;
  isGone: boolean;
}

/** One command on its way. */
interface Command {
  readonly opened: Opened;
  readonly operation: Operation;
  readonly place: Place;
  /** In the history. */
  readonly id: number;
  readonly done: () => void;
  tries: number;
  /** Some try may have been executed. */
  isDoubtful: boolean;
  isSettled: boolean;
  answer: { readonly result: Result } | null;
}

export class SessionClients {
  readonly #parts: SessionClientParts;
  #serial = 0;
  #isStopped = false;
  invoked = 0;

  constructor(parts: SessionClientParts) {
    this.#parts = parts;
  }

  start(clients: number): void {
    for (let client = 0; client < clients; client += 1) this.#open(FIRST_CLIENT + client);
  }

  /** No new commands; those under way are sent until they are answered, or often enough. */
  stop(): void {
    this.#isStopped = true;
  }

  #later(longestUs: number, act: () => void): void {
    this.#parts.scheduler.after(1 + this.#parts.prng.below(longestUs), act);
  }

  /** Sends to any node; `answered` is called once, also when nobody answers. */
  #ask(
    send: (node: number, reply: (reply: Reply) => void) => void,
    answered: (reply: Reply) => void,
  ) {
    const { scheduler, prng, nodes, timeoutUs } = this.#parts;
    let isOver = false;
    const settle = (reply: Reply): void => {
      if (isOver) return;
      isOver = true;
      scheduler.cancel(timer);
      answered(reply);
    };
    const waitUs = prng.between(Math.floor(timeoutUs / 8), timeoutUs);
    const timer = scheduler.after(waitUs, () => settle({ kind: 'unknown', why: 'timeout' }));
    send(prng.between(1, nodes), settle);
  }

  #open(client: number): void {
    const { service, prng, counts, ttlMs, thinkUs } = this.#parts;
    if (this.#isStopped) return;
    const key = `${prng.pick(['s', 't'])}${prng.below(3)}`;
    const request = { op: 'openSession', key, ttlMs } as const;
    this.#ask(
      (node, reply) => service.submit(node, request, reply),
      (reply) => {
        if (reply.kind !== 'ok') {
          this.#later(thinkUs, () => this.#open(client));
          return;
        }
        counts.sessionsOpened += 1;
        const id = Number(reply.result);
        this.#goOn({ client, key, id, sequence: 0, isGone: false });
      },
    );
  }

  /** The next commands of a session, or its end. */
  #goOn(opened: Opened): void {
    const { thinkUs, prng } = this.#parts;
    this.#later(2 * thinkUs, () => {
      if (this.#isStopped) return;
      if (prng.chance(READ)) this.#read(opened);
      if (opened.isGone) this.#open(opened.client);
      else if (opened.sequence > 0 && prng.chance(CLOSED)) this.#close(opened);
      else this.#burst(opened);
    });
  }

  #read({ client, key }: Opened): void {
    const { history, scheduler, service } = this.#parts;
    const operation = { op: 'get', key } as const;
    const id = history.invoke(client, 0, operation, scheduler.nowUs);
    this.#ask(
      (node, reply) => service.submit(node, operation, reply),
      (reply) => this.#record(id, reply),
    );
  }

  #burst(opened: Opened): void {
    const { prng } = this.#parts;
    let owed = prng.between(1, BURST_MAX);
    const done = (): void => {
      owed -= 1;
      if (owed === 0) this.#goOn(opened);
    };
    for (let left = owed; left > 0; left -= 1) this.#begin(opened, done);
  }

  #begin(opened: Opened, done: () => void): void {
    const { history, scheduler } = this.#parts;
    opened.sequence += 1;
    const operation = this.#operation(opened.key, opened.client);
    const id = history.invoke(opened.client, 0, operation, scheduler.nowUs);
    this.invoked += 1;
    const place = { id: opened.id, sequence: opened.sequence };
    const fresh = { tries: 0, isDoubtful: false, isSettled: false, answer: null };
    this.#try({ opened, operation, place, id, done, ...fresh });
  }

  /** Counters and lists: what is applied twice shows in both, and where it is. */
  #operation(key: string, client: number): Operation {
    if (key.startsWith('s')) return { op: 'incr', key, by: this.#parts.prng.between(1, 3) };
    this.#serial += 1;
    return { op: 'append', key, value: `${client}-${this.#serial};` };
  }

  #try(command: Command): void {
    const { service, counts, prng } = this.#parts;
    command.tries += 1;
    if (command.tries > 1) counts.sessionRepeats += 1;
    this.#ask(
      (node, settle) => {
        const { operation, place } = command;
        service.submit(node, operation, (reply) => this.#heard(command, reply, settle), place);
      },
      (reply) => {
        if (command.isSettled) return;
        if (reply.kind === 'unknown') command.isDoubtful = true;
        if (this.#isAnswered(command, reply)) return;
        if (command.tries >= TRIES_MAX) this.#settle(command, { kind: 'unknown', why: 'given up' });
        else this.#later(prng.pick([1_000, 50_000, 200_000]), () => this.#try(command));
      },
    );
  }

  /** Every answer that comes is compared, also one that nobody waits for any more. */
  #heard(command: Command, reply: Reply, settle: (reply: Reply) => void): void {
    const { place } = command;
    if (reply.kind === 'ok') {
      const before = command.answer;
      if (before !== null && before.result !== reply.result) {
        const answers = `${String(before.result)} and ${String(reply.result)}`;
        throw new SimFailure(`session ${place.id} sequence ${place.sequence} answers ${answers}`);
      }
      command.answer = { result: reply.result };
    } else if (reply.why === 'ERR_SESSION_FORGOTTEN') {
      throw new SimFailure(`session ${place.id} has forgotten sequence ${place.sequence}`);
    }
    settle(reply);
  }

  /** Whether this ends the command. */
  #isAnswered(command: Command, reply: Reply): boolean {
    if (reply.kind === 'ok') {
      this.#settle(command, reply);
      if (this.#parts.prng.chance(REPEATED)) this.#repeat(command);
      return true;
    }
    if (reply.why !== 'ERR_SESSION_UNKNOWN') return false;
    this.#gone(command);
    const { why } = reply;
    const isOpen = command.isDoubtful || command.answer !== null;
    this.#settle(command, isOpen ? { kind: 'unknown', why } : reply);
    return true;
  }

  #gone({ opened, place }: Command): void {
    const { ttlMs, counts } = this.#parts;
    if (ttlMs >= CANNOT_EXPIRE_MS) throw new SimFailure(`session ${place.id} is unknown`);
    if (!opened.isGone) counts.sessionsExpired += 1;
    opened.isGone = true;
  }

  #settle(command: Command, reply: Reply): void {
    command.isSettled = true;
    this.#record(command.id, reply);
    command.done();
  }

  #record(id: number, reply: Reply): void {
    const { history, scheduler } = this.#parts;
    if (reply.kind === 'ok') history.ok(id, reply.result, scheduler.nowUs);
    else if (reply.kind === 'fail') history.fail(id, reply.why, scheduler.nowUs);
    else history.unknown(id, reply.why, scheduler.nowUs);
  }

  /** Once more, though it was answered: as if the answer had been lost on its way. */
  #repeat(command: Command): void {
    const { service, counts } = this.#parts;
    const { operation, place } = command;
    counts.sessionRepeats += 1;
    this.#ask(
      (node, settle) =>
        service.submit(node, operation, (reply) => this.#heard(command, reply, settle), place),
      (reply) => {
        if (reply.kind === 'fail' && reply.why === 'ERR_SESSION_UNKNOWN') this.#goneLate(command);
      },
    );
  }

  /** A repetition may come after its session was closed. */
  #goneLate(command: Command): void {
    if (!command.opened.isGone) this.#gone(command);
  }

  /** After its end a session executes nothing. */
  #close(opened: Opened): void {
    const { service } = this.#parts;
    const { key, id: session } = opened;
    opened.isGone = true;
    const request = { op: 'closeSession', key, session } as const;
    this.#ask(
      (node, reply) => service.submit(node, request, reply),
      (reply) => {
        if (reply.kind === 'ok') this.#knock(opened);
        this.#goOn(opened);
      },
    );
  }

  #knock({ key, id, sequence }: Opened): void {
    const place = { id, sequence: sequence + 1 };
    // In no history: if it were executed, nothing would explain what is read.
    const operation = this.#operation(key, 0);
    this.#ask(
      (node, settle) => this.#parts.service.submit(node, operation, settle, place),
      (reply) => {
        if (reply.kind === 'ok') throw new SimFailure(`session ${id} goes on after its end`);
      },
    );
  }
}
