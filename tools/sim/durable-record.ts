/**
 * What the log of one group has really made durable in one life, kept beside the core: no message
 * may promise more than that.
 *
 * It follows the acknowledged submissions, never the core's own opinion. It must never be asked by
 * the code under test.
 */

import { RaftLog } from '../../engine/raft/log.js';
import { type Message, MessageKind, VoteGrant } from '../../engine/raft/message.js';
import type { CoreState, Recovered } from '../../engine/raft/state.js';
import type { LogIndex, NodeId, SnapshotPoint, Term } from '../../engine/raft/types.js';
import type { Submission } from '../../engine/runtime/ports.js';

export class DurableRecord {
  readonly #log: RaftLog;
  #term: Term;
  #vote: NodeId;
  /** Terms and votes of submissions up to this one are in the log, ahead of their entries. */
  #promisedSeq = 0;

  constructor({ log, hardState }: Recovered) {
    this.#log = new RaftLog({ ...log, extents: [{ last: log.last, bytes: 0 }] });
    this.#term = hardState.term;
    this.#vote = hardState.vote;
  }

  /** The submission was acknowledged by the log. */
  persisted(submission: Submission): void {
    const { seq, reset, truncateAfter, runs, compact } = submission;
    if (seq > this.#promisedSeq) this.#keepHardState(submission);
    if (reset) this.#log.reset(reset as SnapshotPoint);
    if (truncateAfter !== null && truncateAfter < this.#log.last) {
      this.#log.truncateAfter(truncateAfter as LogIndex);
    }
    for (const { count, term } of runs) this.#log.append(count, term as Term, 0);
    if (compact) this.#forget(compact.index as LogIndex);
  }

  #forget(index: LogIndex): void {
    this.#log.committed = index;
    this.#log.applied = index;
    this.#log.durable = this.#log.last;
    this.#log.compact(index);
  }

  /** Term and vote of the submission were acknowledged, and nothing else of it. */
  promised(submission: Submission): void {
    this.#promisedSeq = submission.seq;
    this.#keepHardState(submission);
  }

  #keepHardState({ hardState }: Submission): void {
    if (hardState === null) return;
    this.#term = hardState.term as Term;
    this.#vote = hardState.vote as NodeId;
  }

  /** What the message promises and the disk does not hold; null when all is well. */
  brokenPromise(message: Message, state: CoreState): string | null {
    switch (message.kind) {
      case MessageKind.vote:
        return this.#owes(message.term, state.id);
      case MessageKind.voteReply:
        if (message.grant === VoteGrant.refused) return this.#owesTerm(message.term);
        return this.#owes(message.term, message.to);
      case MessageKind.append:
      case MessageKind.heartbeat:
        return this.#owes(message.term, state.id);
      case MessageKind.appendReply:
        if (message.accepted) return this.#owesEntry(message.match, message.term, state);
        return this.#owesTerm(message.term);
      case MessageKind.heartbeatReply:
        return this.#owesTerm(message.term);
      default:
        return null;
    }
  }

  #owes(term: Term, vote: NodeId): string | null {
    if (this.#term === term && this.#vote === vote) return null;
    return `vote ${vote} in term ${term}, the disk has vote ${this.#vote} in term ${this.#term}`;
  }

  #owesTerm(term: Term): string | null {
    return this.#term >= term ? null : `term ${term}, the disk has term ${this.#term}`;
  }

  #owesEntry(index: LogIndex, messageTerm: Term, state: CoreState): string | null {
    // What a snapshot covers is durable in its file.
    if (index <= state.log.compacted) return this.#owesTerm(messageTerm);
    const term = state.log.termAt(index);
    // A message of an earlier term of this turn may speak of entries that are gone since.
    const isHeld = this.#log.termAt(index) === term || messageTerm < state.term;
    if (isHeld) return this.#owesTerm(messageTerm);
    return `entry ${term}/${index}, the disk has ${this.#log.termAt(index) ?? 'none'} there`;
  }
}
