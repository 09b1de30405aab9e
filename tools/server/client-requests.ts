/**
 * Carries out the requests of one connection: plans each by the command table and sends it where it
 * belongs, to the log, to the state machine, or back.
 *
 * A request costs no promise, closure or object, but for SESSION and those of asked.ts. One that
 * cannot go now (no room in the engine, too much expected, a write behind a read of its key) is
 * kept by the parser and tried again: it must never be overtaken, and never be sent twice.
 */

import { EntryMark } from '../../codec/entry.js';
import type { RequestParser } from '../../codec/resp/request-parser.js';
import { writeSessionHead } from '../../codec/session-entry.js';
import { type BatchOptions, CHANNEL_BUSY, CHANNEL_TOO_LARGE } from '../../engine/channel.js';
import { ErrorNumber } from '../../engine/errors.js';
import type { OperationChannel } from '../../engine/replicated-results.js';
import type { BatchTerms } from './batch-terms.js';
import type { ClientLimits } from './client-limits.js';
import type { AskedGroup, Asker } from './commands/asked.js';
import { Action, type Plan } from './commands/plan.js';
import type { Session } from './commands/session.js';
import { findCommand, planRequest } from './commands/table.js';
import { KeyWalk } from './key-walk.js';
import type { OwedReplies } from './owed-replies.js';
import { FENCE_NONE, FENCE_WIDE, type ReadFence } from './read-fence.js';
import { tooLargeToSend, writeRefusal } from './refusals.js';
import type { StatusReplies } from './status-replies.js';

/**
 * How large values are is known only when they come. One connection may have asked for so many that
 * they take half of the budget if each has this part of the largest entry's size; when all are
 * larger than anything before, the budget itself is what holds.
 */
const VALUE_PART_OF_ENTRY = 1 / 16;
const VALUES_PART_OF_BUDGET = 1 / 2;
const MATCH_ALL = Buffer.from('*');

/** What all connections share to carry out requests. */
export interface RequestHost {
  readonly channel: OperationChannel;
  readonly limits: ClientLimits;
  readonly plan: Plan;
  readonly terms: BatchTerms;
  readonly fence: ReadFence;
  readonly statusReplies: StatusReplies;
  readonly entryBytesMax: number;
  /** Reply bytes that a client may leave untaken, as of now: fewer while the budget is tight. */
  readonly outputBytesMax: number;
  /** Whether a write that came inline, or as an array, is forwarded to the leader. */
  forwards(inline: boolean): boolean;
  readonly group: AskedGroup;
}

export const Outcome = {
  done: 0,
  /** Try again when replies have come. */
  mustWait: 1,
  /** The engine has no room: try again soon, whatever comes. */
  noRoom: 2,
  /** Done, and the client wants to go. */
  closes: 3,
  /** Not a request of ours: nothing behind it makes sense. */
  garbage: 4,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export class ClientRequests {
  readonly #host: RequestHost;
  readonly #parser: RequestParser;
  readonly #replies: OwedReplies;
  readonly #session: Session;
  readonly #valuesInFlightMax: number;

  constructor(host: RequestHost, parser: RequestParser, replies: OwedReplies, session: Session) {
    this.#host = host;
    this.#parser = parser;
    this.#replies = replies;
    this.#session = session;
    const valueBytes = VALUES_PART_OF_BUDGET * host.limits.budgetBytes;
    this.#valuesInFlightMax = Math.max(
      1,
      Math.floor(valueBytes / (VALUE_PART_OF_ENTRY * host.entryBytesMax)),
    );
  }

  /** Carries out the parser's current request. */
  execute(): Outcome {
    const { plan } = this.#host;
    planRequest(plan, this.#parser, this.#session);
    switch (plan.action) {
      case Action.write:
        return this.#write(plan);
      case Action.read:
        return this.#read(plan);
      case Action.local:
        if (!this.#askFigures(plan)) this.#replies.answer(plan);
        return plan.closes ? Outcome.closes : Outcome.done;
      case Action.ask:
        return this.#ask(plan.asker);
      case Action.refused:
        if (this.#isGarbage()) return Outcome.garbage;
        this.#replies.answer(plan);
        return plan.closes ? Outcome.closes : Outcome.done;
    }
  }

  #write(plan: Plan): Outcome {
    const { channel, terms } = this.#host;
    if (this.#replies.hasReads && this.#replies.mustWait(this.#place(plan)))
      return Outcome.mustWait;
    const forwards = this.#host.forwards(this.#parser.inline);
    const options = forwards ? terms.forwardedWrite : terms.ownWrite;
    const token = this.#replies.nextToken;
    const at = this.#claimWrite(plan, options, token);
    if (at < 0) return this.#notClaimed(at, plan);
    plan.encode(channel.writeBuffer, at);
    this.#replies.bookWrite(plan.shape, !forwards, plan.mark === EntryMark.sessionCommand);
    return Outcome.done;
  }

  /** Room for what the plan encodes; its place in a session, if it has one, is written already. */
  #claimWrite(plan: Plan, options: BatchOptions, token: number): number {
    const { channel } = this.#host;
    const { mark, payloadBytes, entryBytes, sessionId, sequence } = plan;
    const replies = this.#replies;
    if (mark === EntryMark.command) {
      return channel.claimWrite(payloadBytes, options, replies, token);
    }
    const at = channel.claimEntry(mark, entryBytes, options, replies, token);
    if (at < 0 || mark !== EntryMark.sessionCommand) return at;
    return writeSessionHead(channel.writeView, at, sessionId, sequence);
  }

  #read(plan: Plan): Outcome {
    const { channel, terms } = this.#host;
    const values = this.#valuesAsked(plan);
    if (!this.#maySend(values)) return Outcome.mustWait;
    if (this.#session.lastCommand === 'KEYS') return this.#walkKeys(plan);
    const options = terms.read(this.#replies.hasWrites, plan.readTerms);
    const token = this.#replies.nextToken;
    const at = channel.claimRead(plan.payloadBytes, options, this.#replies, token);
    if (at < 0) return this.#notClaimed(at, plan);
    plan.encode(channel.readBuffer, at);
    this.#replies.bookRead(plan.shape, this.#place(plan), values);
    return Outcome.done;
  }

  /** Most values that the answer to this read can have, as far as it matters. */
  #valuesAsked(plan: Plan): number {
    const { lastCommand } = this.#session;
    const most = this.#valuesInFlightMax;
    if (lastCommand === 'MGET') return Math.min(this.#parser.count - 1, most);
    if (lastCommand === 'SCAN') return Math.max(1, Math.min(plan.scanCount, most));
    return 1;
  }

  /** A read goes alone, or beside others while all of them will fit. */
  #maySend(values: number): boolean {
    const inFlight = this.#replies.valuesInFlight;
    if (inFlight === 0) return true;
    const all = inFlight + values;
    if (all > this.#valuesInFlightMax) return false;
    return all * this.#replies.valueBytesExpected <= this.#host.outputBytesMax;
  }

  /** One at a time: the answers of a pipeline of them would be held together. */
  #walkKeys(plan: Plan): Outcome {
    if (this.#replies.hasReads) return Outcome.mustWait;
    const { channel, terms, limits } = this.#host;
    const { buffer, ranges, count } = this.#parser;
    const pattern = count === 1 ? MATCH_ALL : buffer.subarray(ranges[2], ranges[3]);
    const { answerBytesMax } = limits;
    const parts = { channel, terms, replies: this.#replies, pattern, answerBytesMax };
    const at = new KeyWalk(parts).begin();
    if (at < 0) return this.#notClaimed(at, plan);
    this.#replies.bookRead(plan.shape, FENCE_WIDE, 1);
    return Outcome.done;
  }

  #place({ request }: Plan): number {
    const { lastCommand, id } = this.#session;
    return this.#host.fence.placeOf(request, lastCommand, id);
  }

  /**
   * STATUS and INFO show figures of the state machine: those are asked first. False for any other
   * command, or when they cannot be asked.
   */
  #askFigures(plan: Plan): boolean {
    const { channel, terms, statusReplies } = this.#host;
    const shape = statusReplies.shapeOf(plan, this.#session.lastCommand);
    if (shape === 0) return false;
    const { query } = statusReplies;
    const options = terms.localRead(this.#replies.hasWrites);
    const at = channel.claimRead(query.length, options, this.#replies, this.#replies.nextToken);
    if (at < 0) return false;
    query.copy(channel.readBuffer, at);
    this.#replies.bookRead(shape, FENCE_NONE, 1);
    return true;
  }

  /**
   * It takes as long as it takes, and replies to what comes behind it wait; nothing else does.
   * Writes in flight end first: a snapshot covers what this connection has written.
   */
  #ask(asker: Asker): Outcome {
    const replies = this.#replies;
    if (replies.hasWrites) return Outcome.mustWait;
    const token = replies.bookOther();
    void asker(this.#host.group).then((write) => replies.answerOther(token, write));
    return Outcome.done;
  }

  #notClaimed(answer: number, plan: Plan): Outcome {
    if (answer === CHANNEL_BUSY) return Outcome.noRoom;
    plan.refuse(
      answer === CHANNEL_TOO_LARGE
        ? tooLargeToSend(plan.entryBytes, this.#host.entryBytesMax)
        : writeRefusal(ErrorNumber.closed, 0, false),
    );
    this.#replies.answer(plan);
    return Outcome.done;
  }

  /** A line that begins with bytes no command has: not somebody's typing error. */
  #isGarbage(): boolean {
    const { inline, buffer, ranges } = this.#parser;
    if (!inline || findCommand(this.#parser) !== null) return false;
    for (let at = ranges[0] as number; at < (ranges[1] as number); at += 1) {
      const byte = buffer[at] as number;
      if (byte < 0x20 || byte > 0x7e) return true;
    }
    return false;
  }
}
