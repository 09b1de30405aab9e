/**
 * Sends the core's messages, with entry bytes attached to appends: from the arena when they are in
 * memory, from disk when they are not.
 *
 * Appends to one peer keep their order: one that waits for the disk holds back those behind it.
 * This file never changes a message but for the exact byte count of what it attaches.
 */

import { type AppendRequest, type Message, MessageKind } from '../raft/message.js';
import type { Raft } from '../raft/raft.js';
import { type LogIndex, type NodeId, Role } from '../raft/types.js';
import type { GroupLog } from './group-log.js';
import type { OldLog } from './old-log.js';
import type { LoadedEntries, NetworkPort } from './ports.js';

/** A load for a peer is one append: sized by the core, bounded here against a wrong estimate. */
const LOAD_BYTES_MAX = 4 * 1024 * 1024;
/** References that were sent but perhaps not yet taken out of the arena. */
interface SentRange {
  readonly mark: number;
  readonly first: number;
}

export class PeerSender {
  readonly #raft: Raft;
  readonly #log: GroupLog;
  readonly #oldLog: OldLog;
  readonly #network: NetworkPort;
  readonly #queued = new Map<NodeId, AppendRequest[]>();
  #sent: SentRange[] = [];

  constructor(raft: Raft, log: GroupLog, oldLog: OldLog, network: NetworkPort) {
    this.#raft = raft;
    this.#log = log;
    this.#oldLog = oldLog;
    this.#network = network;
  }

  send(message: Message): void {
    if (message.kind !== MessageKind.append) {
      this.#network.send(message);
      return;
    }
    const queue = this.#queued.get(message.to);
    if (queue !== undefined) queue.push(message);
    else if (!this.#sendFromMemory(message)) this.#sendFromDisk(message);
  }

  #sendFromMemory(message: AppendRequest): boolean {
    const first = (message.prevIndex + 1) as LogIndex;
    if (message.lastIndex < first) {
      this.#network.sendAppend({ ...message, bytes: 0 }, []);
      return true;
    }
    if (!this.#log.has(first)) return false;
    const pieces = this.#log.pieces(first, message.lastIndex);
    const bytes = pieces.reduce((total, piece) => total + piece.bytes, 0);
    this.#network.sendAppend({ ...message, bytes }, pieces);
    this.#sent.push({ mark: this.#network.mark(), first });
    return true;
  }

  #sendFromDisk(message: AppendRequest): void {
    const queue = this.#queued.get(message.to) ?? [];
    queue.unshift(message);
    this.#queued.set(message.to, queue);
    const first = (message.prevIndex + 1) as LogIndex;
    this.#oldLog.load(first, message.lastIndex, message.entriesTerm, LOAD_BYTES_MAX, (loaded) => {
      this.#onLoaded(message, loaded);
    });
  }

  #onLoaded(message: AppendRequest, loaded: LoadedEntries): void {
    const queue = this.#queued.get(message.to);
    if (queue?.[0] !== message) return;
    queue.shift();
    const isCurrent = this.#raft.role === Role.leader && this.#raft.term === message.term;
    const complete = loaded.count === message.lastIndex - message.prevIndex;
    // An append that cannot be completed is a lost message: Raft finds out and asks again.
    if (isCurrent && complete) {
      this.#network.sendLoaded({ ...message, bytes: loaded.slab.length }, loaded.slab);
    }
    this.#queued.delete(message.to);
    for (const next of queue) if (isCurrent) this.send(next);
  }

  /** Leadership ended or a peer started anew: what waits for the disk is of no use. */
  forget(): void {
    this.#queued.clear();
  }

  /** The oldest index that a message not yet taken out of the arena may refer to. */
  get referencedFrom(): LogIndex {
    this.#sent = this.#sent.filter((range) => !this.#network.isConsumed(range.mark));
    let from = Number.POSITIVE_INFINITY;
    for (const range of this.#sent) from = Math.min(from, range.first);
    return from as LogIndex;
  }
}
