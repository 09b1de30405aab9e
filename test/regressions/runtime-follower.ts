/**
 * One group's runtime as a follower of node 2 in a cluster of three, with stub ports: tests say by
 * hand what arrives, and see what left.
 *
 * Storage acknowledges at once, unless it is told to wait. Nothing else happens by itself.
 */

import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { EMPTY_LOG } from '../../engine/raft/log.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { type AppendRequest, type Message, MessageKind } from '../../engine/raft/message.js';
import {
  incarnation,
  type LogIndex,
  logIndex,
  type NodeId,
  nodeId,
  type Term,
  term,
} from '../../engine/raft/types.js';
import { createArena } from '../../engine/runtime/arena.js';
import { GroupRuntime } from '../../engine/runtime/group-runtime.js';
import { InWorkerHost } from '../../engine/runtime/machine-host.js';
import type { ForwardReply, RuntimePorts, Submission } from '../../engine/runtime/ports.js';
import type { ApplyBatch, Restoration, StateMachine } from '../../engine/state-machine.js';
import { NO_SNAPSHOT_PORT, WITHOUT_SNAPSHOTS } from '../runtime/no-snapshots.js';

export const SELF = nodeId(1);
export const LEADER = nodeId(2);
const LEADER_LIFE = incarnation(222);

/** Remembers the last command it applied and answers every query with it. */
class LastCommand implements StateMachine {
  last = '';

  apply(batch: ApplyBatch): void {
    while (batch.next()) {
      this.last = Buffer.from(batch.data).toString();
      batch.reply(Buffer.from(`did ${this.last}`));
    }
  }

  query(): Uint8Array {
    return Buffer.from(this.last);
  }

  snapshot(): Iterable<Uint8Array> {
    return [];
  }

  restore(): Restoration {
    return { chunk: () => {}, finish: () => {} };
  }
}

/** One encoded entry. */
export function entryOf(kind: EntryKind, payload: Uint8Array): Buffer {
  const slab = Buffer.alloc(entryBytes(payload.length));
  const view = new DataView(slab.buffer, slab.byteOffset, slab.length);
  slab.set(payload, writeEntryHeader(view, 0, kind, payload.length, 0));
  return slab;
}

/** Entries with these commands, encoded back to back. */
export function slabOf(commands: readonly string[], kind: EntryKind = EntryKind.command): Buffer {
  return Buffer.concat(commands.map((command) => entryOf(kind, Buffer.from(command))));
}

export class RuntimeFollower {
  readonly runtime: GroupRuntime;
  /** What was said and answered, in order. */
  readonly events: string[] = [];
  /** Numbers of forwarded batches. */
  readonly forwards: number[] = [];
  readonly readContexts: number[] = [];
  readonly submissions: Submission[] = [];
  readonly storage = {
    submit: (submission: Submission) => this.#store(submission),
    stopped: () => undefined,
    isShort: false,
    isFull: false,
    waits: 0,
  };
  #now = 1000;

  constructor() {
    const members = [1, 2, 3].map((id) => ({ id: nodeId(id), address: `node-${id}` }));
    const raft = {
      id: SELF,
      incarnation: incarnation(111),
      seed: 1,
      electionTimeoutMin: 1_000_000,
      electionTimeoutMax: 2_000_000,
      heartbeatInterval: 1000,
      preVote: true,
      transfer: true,
      windowMessagesMax: 4,
      windowBytesMax: 1 << 20,
      appendEntriesMax: 1000,
      appendBytesMax: 1 << 16,
      diskStallMax: 1_000_000,
    };
    const recovered = {
      hardState: { term: term(0), vote: nodeId(0) },
      log: EMPTY_LOG,
      bootstrap: bootstrapConfiguration(members),
      configurations: [],
      snapshot: null,
      inDoubt: false,
    };
    const options = {
      raft,
      recovered,
      locations: [],
      arenaMemory: createArena(1 << 16),
      entryBytesMax: 1024,
      host: new InWorkerHost(new LastCommand()),
      ...WITHOUT_SNAPSHOTS,
    };
    this.runtime = new GroupRuntime(options, this.#ports(), this.#now);
    this.runtime.onPeerUp(LEADER, LEADER_LIFE, false);
  }

  #ports(): RuntimePorts {
    const text = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(4)).toString();
    return {
      storage: this.storage,
      network: {
        send: (message) => this.#sent(message),
        sendAppend: () => undefined,
        sendLoaded: () => undefined,
        sendForward: (_to, forwardId) => {
          this.forwards.push(forwardId);
        },
        configure: () => {},
        sendForwardReply: () => undefined,
        mark: () => 0,
        isConsumed: () => true,
      },
      completions: {
        results: (batch, _offset, _count, bytes) =>
          this.events.push(`write ${batch} ${text(bytes)}`),
        refused: (batch, _offset, _count, code) => this.events.push(`write ${batch} error ${code}`),
        readResults: (batch, _offset, _count, bytes) =>
          this.events.push(`read ${batch} saw ${text(bytes)}`),
        readRefused: (batch, _count, code) => this.events.push(`read ${batch} error ${code}`),
        readFailed: (batch, _offset, text) => this.events.push(`read ${batch} failed ${text}`),
        event: (event) => {
          if (event.kind === 'unreadable') this.events.push(event.text);
        },
      },
      oldLog: { load: () => undefined },
      snapshots: NO_SNAPSHOT_PORT,
      wallClock: () => 1,
      clock: () => 0,
      stopwatch: () => 0,
    };
  }

  #sent(message: Message): void {
    if (message.kind === MessageKind.readIndex) this.readContexts.push(message.context);
  }

  #store(submission: Submission): void {
    this.submissions.push(submission);
    this.#acknowledge(submission);
  }

  #acknowledge({ seq, generation, term: at, truncateAfter, runs }: Submission): void {
    const newest = runs.at(-1);
    const lastIndex = newest === undefined ? (truncateAfter ?? 0) : newest.first + newest.count - 1;
    queueMicrotask(() => {
      const place = { segment: 1, offset: 0 };
      this.runtime.onStored({ seq, generation, term: at, lastIndex, ...place }, this.#now);
    });
  }

  /** Performs what is due; storage answers before this resolves. */
  async turn(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      this.#now += 1;
      this.runtime.turn(this.#now);
      await Promise.resolve();
    }
  }

  /** The leader of term `at` sends commands behind entry `prev`. */
  append(
    at: number,
    prev: { readonly term: number; readonly index: number },
    entriesTerm: number,
    commands: readonly string[],
    commit: number,
    kind: EntryKind = EntryKind.command,
  ): void {
    this.appendSlab(at, prev, entriesTerm, slabOf(commands, kind), commands.length, commit);
  }

  /** The same with entries of any kind. */
  appendSlab(
    at: number,
    prev: { readonly term: number; readonly index: number },
    entriesTerm: number,
    slab: Buffer,
    count: number,
    commit: number,
  ): boolean {
    const message: AppendRequest = {
      kind: MessageKind.append,
      from: LEADER,
      to: SELF,
      term: at as Term,
      prevIndex: logIndex(prev.index),
      prevTerm: term(prev.term),
      lastIndex: logIndex(prev.index + count),
      entriesTerm: term(count === 0 ? 0 : entriesTerm),
      commit: logIndex(commit),
      round: 0,
      bytes: slab.length,
      configurations: [],
    };
    return this.runtime.onAppend(message, LEADER_LIFE, slab, 0, slab.length, this.#now);
  }

  propose(id: number, command: string): void {
    const slab = slabOf([command]);
    const range = { slab, start: 0, end: slab.length };
    const batch = { id, count: 1, ...range, deadline: 1e9, mayForward: true };
    this.runtime.onProposals(batch, this.#now);
  }

  /** A read behind everything that was proposed here. */
  read(id: number): void {
    const query = Buffer.from([1, 0, 0, 0, 0]);
    const range = { buffer: query, start: 0, end: query.length };
    const request = { id, count: 1, ...range, deadline: 1e9, consistency: 0 as const };
    const terms = { behindWrites: true, maxStalenessMs: 0 };
    this.runtime.onReads({ ...request, ...terms }, this.#now);
  }

  forwardReply(reply: Pick<ForwardReply, 'first' | 'term'>, which = 0): void {
    const forwardId = this.forwards[which]!;
    this.runtime.onForwardReply(
      LEADER,
      { forwardId, code: 0, count: 1, leader: LEADER as NodeId, ...reply },
      this.#now,
    );
  }

  readIndexReply(at: number, index: number): void {
    const message: Message = {
      kind: MessageKind.readIndexReply,
      from: LEADER,
      to: SELF,
      term: term(at),
      context: this.readContexts.at(-1)!,
      index: index as LogIndex,
    };
    this.runtime.onMessage(message, LEADER_LIFE, this.#now);
  }
}
