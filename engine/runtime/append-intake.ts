/**
 * What may come into a group's log: appends of the leader with their entries, checked and placed,
 * and whether there is room for proposals made here.
 *
 * What is refused is counted: an append is then a lost message, a proposal was certainly not
 * executed. This file must never decide whether an append is right, which is the core's to say.
 */

import type { AppendRequest } from '../raft/message.js';
import type { Raft } from '../raft/raft.js';
import type { Incarnation, LogIndex, NodeId } from '../raft/types.js';
import type { GroupLog, Share } from './group-log.js';
import type { RuntimePorts } from './ports.js';
import {
  configurationsIn,
  isOfLeaders,
  isWholeSlab,
  skipEntries,
  type UnreadableEntry,
} from './slab.js';
import type { Submitter } from './submitter.js';

export interface IntakeParts {
  readonly raft: Raft;
  readonly log: GroupLog;
  readonly ports: Pick<RuntimePorts, 'storage' | 'completions'>;
  readonly submitter: Submitter;
  readonly entryBytesMax: number;
  readonly makeRoom: (bytes: number, count: number, share: Share) => boolean;
  /** The log ends at `index` now. */
  readonly truncateAfter: (index: LogIndex) => void;
}

export class AppendIntake {
  readonly #parts: IntakeParts;
  /** Appends dropped for a configuration entry that this build cannot read. */
  unreadable = 0;
  #unreadableTold = '';
  /** Proposals and appends that were refused because the disk has no space for them. */
  fullRefusals = 0;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** Entries at `slab[start, end)`; false when they are not what the message says of them. */
  take(
    message: AppendRequest,
    incarnation: Incarnation,
    slab: Buffer,
    start: number,
    end: number,
    now: number,
  ): boolean {
    const { raft, log, submitter, entryBytesMax } = this.#parts;
    const count = message.lastIndex - message.prevIndex;
    if (!isWholeSlab(slab, start, end, count, entryBytesMax)) return false;
    const first = (message.prevIndex + 1) as LogIndex;
    const configurations = configurationsIn(slab, start, end, first);
    if ('problem' in configurations) {
      this.#onUnreadable(message.from, configurations);
      return true;
    }
    // No room is a lost message: the leader asks again, the entries wait there.
    const { isFull } = this.#parts.ports.storage;
    // What leaders make themselves gets through by the reserve, or no leader could begin its term.
    const isProposed = count > 0 && !(isFull && isOfLeaders(slab, start, end));
    if (isFull && isProposed) {
      this.fullRefusals += 1;
      return true;
    }
    const bytes = end - start;
    if (count > 0 && !this.#parts.makeRoom(bytes, count, 'peer')) return true;
    const placement = raft.receive({ ...message, bytes, configurations }, incarnation, now);
    if (placement === null) return true;
    if (placement.truncateAfter !== null) this.#parts.truncateAfter(placement.truncateAfter);
    const from = skipEntries(slab, start, placement.from - first);
    log.append(slab, from, end, placement.from, null);
    if (isProposed) submitter.proposalsPlaced();
    return true;
  }

  /** The leader sends it again and again: each time is counted, the first is told. */
  #onUnreadable(from: NodeId, { index, problem }: UnreadableEntry): void {
    this.unreadable += 1;
    const text =
      `entry ${index} from node ${from} is not taken: ${problem}. This replica stays behind ` +
      'until it runs a version of ringraft that reads it';
    if (text === this.#unreadableTold) return;
    this.#unreadableTold = text;
    this.#parts.ports.completions.event({ kind: 'unreadable', index, from, text });
  }

  /** Refused here, a proposal was certainly not executed; refused by the log, nobody would know. */
  admitsProposals(bytes: number, count: number): boolean {
    if (this.#parts.ports.storage.isShort) {
      this.fullRefusals += 1;
      return false;
    }
    return this.#parts.makeRoom(bytes, count, 'proposal');
  }
}
