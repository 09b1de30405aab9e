/**
 * A client connection without sockets, threads or consensus: request bytes in, reply bytes out,
 * through the parser, the command table, a key-value machine and the renderer.
 */

import assert from 'node:assert/strict';
import { ReplyWriter } from '../../codec/resp/reply.js';
import { decodeReply, type ReplyValue } from '../../codec/resp/reply-value.js';
import { Parsed, RequestParser } from '../../codec/resp/request-parser.js';
import type { ReadTerms } from '../../engine/config-reads.js';
import createKvMachine, { type KvMachine } from '../../engine/machines/kv/kv-machine.js';
import type { ApplyBatch } from '../../engine/state-machine.js';
import type { AskedGroup } from '../../tools/server/commands/asked.js';
import { Action, Plan } from '../../tools/server/commands/plan.js';
import { renderRejection, renderResult } from '../../tools/server/commands/render-result.js';
import type { ServerView } from '../../tools/server/commands/server-view.js';
import { openSession, type Session } from '../../tools/server/commands/session.js';
import { planRequest } from '../../tools/server/commands/table.js';

/** What every SNAPSHOT is answered by here. */
const STARTED_AT_MS = 1_700_000_000_000;

/** A leader that looks the same at every look. */
export function serverView(
  sessions: readonly Session[],
  machine: KvMachine,
  leaseReads = false,
): ServerView {
  return {
    nodeId: 1,
    clusterId: 1,
    version: '0.1.0',
    durability: 'always: an acknowledged entry is on disks',
    startedAtMs: STARTED_AT_MS,
    leaseReads,
    connectionsAccepted: 5,
    commandsProcessed: 7,
    nowMs: () => STARTED_AT_MS + 61_500,
    sessions: () => sessions,
    configuration: () =>
      new Map([
        ['save', ''],
        ['appendonly', 'yes'],
        ['appendfsync', 'always'],
      ]),
    status: () => ({
      role: 'leader',
      term: 3,
      leaderId: 1,
      commitIndex: 42,
      lastApplied: 42,
      kvKeys: machine.stats().keys,
      kvMemoryBytes: machine.stats().memoryBytes,
      standing: 'full',
      learners: [],
      witness: false,
      leaderSilenceMs: 0,
      log: {
        blocks: 11,
        requests: 12,
        bytesWritten: 13,
        syncs: 14,
        logBytes: 15,
        bytesMax: 16,
        segments: 1,
        commitP50Us: 47,
        commitP99Us: 77,
      },
      snapshots: { index: 30, taken: 2, failed: 1, restored: 3, installed: 4, fetchedBytes: null },
      compactedIndex: 20,
    }),
  };
}

/** One command, applied at once. */
class OneCommand implements ApplyBatch {
  readonly index = 1;
  readonly term = 1;
  readonly timeMs = 0;
  readonly context = { groupName: 'kv', groupId: 0, nodeId: 1, options: null };
  readonly wanted = true;
  readonly start = 0;
  readonly buffer: Buffer;
  result: Buffer | null = null;
  rejection: string | null = null;
  #taken = false;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  get end(): number {
    return this.buffer.length;
  }

  get data(): Uint8Array {
    return this.buffer;
  }

  next(): boolean {
    const first = !this.#taken;
    this.#taken = true;
    return first;
  }

  reply(bytes: Uint8Array): void {
    this.result = Buffer.from(bytes);
  }

  reject(reason: Uint8Array | string): void {
    this.rejection = Buffer.from(reason as string).toString();
  }
}

export class Connection {
  readonly machine: KvMachine;
  readonly session: Session;
  /** How the last request was planned. */
  action: Action = Action.refused;
  closes = false;
  /** What the last read asked to see, if it said so. */
  readTerms: ReadTerms | null = null;

  readonly #parser = new RequestParser();
  readonly #plan: Plan;
  readonly #reply = new ReplyWriter();

  constructor(machine: KvMachine = newMachine(), leaseReads = false) {
    this.machine = machine;
    this.session = openSession(9, '127.0.0.1:40000', STARTED_AT_MS);
    const view = serverView([this.session], machine, leaseReads);
    this.#plan = new Plan(view, this.#parser, this.session);
  }

  /** The reply bytes to these request bytes, as latin1. */
  send(bytes: Buffer | string): string {
    this.#parser.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    while (this.#parser.next() === Parsed.request) this.#execute();
    if (this.#parser.error !== null) this.#reply.error(`ERR ${this.#parser.error}`);
    return this.#reply.take().toString('latin1');
  }

  /** The reply to one inline command, without its last line end. */
  inline(line: string): string {
    return this.send(`${line}\r\n`).replace(/\r\n$/, '');
  }

  /** The reply to an inline command that a group answers later. */
  async asked(line: string, group: Partial<AskedGroup>): Promise<string> {
    assert.equal(this.inline(line), '', 'nothing is replied yet');
    const write = await this.#plan.asker(group as AskedGroup);
    write(this.#reply);
    return this.#reply.take().toString('latin1').replace(/\r\n$/, '');
  }

  /** The reply bytes to one command sent as a RESP array. */
  resp(...args: (string | Buffer)[]): string {
    return this.send(encodeRequest(args));
  }

  /** The reply's value. */
  value(...args: (string | Buffer)[]): ReplyValue {
    const reply = Buffer.from(this.resp(...args), 'latin1');
    return decodeReply(reply, 0, reply.length);
  }

  #execute(): void {
    const plan = this.#plan;
    planRequest(plan, this.#parser, this.session);
    this.action = plan.action;
    this.readTerms = plan.readTerms;
    this.closes = plan.closes;
    if (plan.action === Action.local || plan.action === Action.refused) {
      plan.answer(this.#reply);
      return;
    }
    if (plan.action === Action.ask) return;
    // The payload lies at an odd place, between bytes that must not change.
    const target = Buffer.alloc(plan.payloadBytes + 10, 0xee);
    const end = plan.encode(target, 5);
    if (target[4] !== 0xee || target[end] !== 0xee) throw new Error('payload out of bounds');
    const payload = target.subarray(5, end);
    if (plan.action === Action.read) this.#read(payload);
    else this.#write(payload);
  }

  #write(payload: Buffer): void {
    const command = new OneCommand(payload);
    this.machine.apply(command);
    if (command.rejection !== null) renderRejection(this.#reply, command.rejection);
    else if (command.result !== null) this.#render(command.result);
  }

  #read(payload: Buffer): void {
    this.#render(Buffer.from(this.machine.query(payload)));
  }

  #render(result: Buffer): void {
    const padded = Buffer.concat([Buffer.from('xx'), result, Buffer.from('yy')]);
    renderResult(this.#reply, this.#plan.shape, padded, 2, padded.length - 2);
  }
}

export function newMachine(): KvMachine {
  return createKvMachine({ groupName: 'kv', groupId: 1, nodeId: 1, options: undefined });
}

export function encodeRequest(args: readonly (string | Buffer)[]): Buffer {
  const parts = args.map((arg) => {
    const bytes = typeof arg === 'string' ? Buffer.from(arg, 'latin1') : arg;
    return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
  });
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...parts]);
}
