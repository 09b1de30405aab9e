/**
 * Sends the core's messages, with entry bytes attached to appends: from the arena when they are in
 * memory, from disk when they are not.
 *
 * The core sizes an append by an estimate: one that turns out too large for a frame, or for what
 * the disk gives at once, leaves in parts. Appends to one peer keep their order: one that waits for
 * the disk holds back those behind it. This file never decides which entries a peer needs.
 */

import { type AppendRequest, type Message, MessageKind } from '../raft/message.js';
import type { Raft } from '../raft/raft.js';
import { type LogIndex, type NodeId, Role } from '../raft/types.js';
import type { GroupLog } from './group-log.js';
import type { LogPiece } from './log-index.js';
import type { OldLog } from './old-log.js';
import type { LoadedEntries, NetworkPort } from './ports.js';

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
  readonly #bytesMax: number;
  readonly #queued = new Map<NodeId, AppendRequest[]>();
  #sent: SentRange[] = [];

  constructor(raft: Raft, log: GroupLog, oldLog: OldLog, network: NetworkPort) {
    this.#raft = raft;
    this.#log = log;
    this.#oldLog = oldLog;
    this.#network = network;
    this.#bytesMax = raft.state.options.appendBytesMax;
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
    let rest = message;
    let pieces: LogPiece[] = [];
    let bytes = 0;
    for (const piece of this.#log.pieces(first, message.lastIndex, this.#bytesMax)) {
      if (bytes > 0 && bytes + piece.bytes > this.#bytesMax) {
        const [part, left] = split(rest, (piece.first - 1) as LogIndex);
        this.#network.sendAppend({ ...part, bytes }, pieces);
        rest = left;
        pieces = [];
        bytes = 0;
      }
      pieces.push(piece);
      bytes += piece.bytes;
    }
    this.#network.sendAppend({ ...rest, bytes }, pieces);
    this.#sent.push({ mark: this.#network.mark(), first });
    return true;
  }

  #sendFromDisk(message: AppendRequest): void {
    const first = (message.prevIndex + 1) as LogIndex;
    // Forgotten while it waited behind another load: a lost message, like one that is unreadable.
    if (first <= this.#raft.compactedIndex) return;
    const queue = this.#queued.get(message.to) ?? [];
    queue.unshift(message);
    this.#queued.set(message.to, queue);
    this.#oldLog.load(first, message.lastIndex, message.entriesTerm, this.#bytesMax, (loaded) => {
      this.#onLoaded(message, loaded);
    });
  }

  #onLoaded(message: AppendRequest, loaded: LoadedEntries): void {
    const queue = this.#queued.get(message.to);
    if (queue?.[0] !== message) return;
    queue.shift();
    this.#queued.delete(message.to);
    if (this.#raft.role !== Role.leader || this.#raft.term !== message.term) return;
    // An append that cannot be read is a lost message: Raft finds out and asks again.
    if (loaded.count > 0) {
      const last = (message.prevIndex + loaded.count) as LogIndex;
      const [part, left] = split(message, last);
      this.#network.sendLoaded({ ...part, bytes: loaded.slab.length }, loaded.slab);
      if (last < message.lastIndex) this.send(left);
    }
    for (const next of queue) this.send(next);
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

/** The append up to `last`, and what follows it. */
function split(message: AppendRequest, last: LogIndex): [AppendRequest, AppendRequest] {
  const left = { ...message, prevIndex: last, prevTerm: message.entriesTerm };
  return [{ ...message, lastIndex: last }, left];
}
