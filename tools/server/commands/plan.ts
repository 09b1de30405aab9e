/**
 * What is to be done for one request: put a command into the log, ask the state machine, answer
 * from here, ask the group for something rare, or refuse. One plan object is reused for every
 * request of a thread.
 *
 * A write or read is first only measured (`payloadBytes`), so that the server can claim room where
 * the bytes shall go, and then encoded straight into it. Between the two the request must stay as
 * it is. The plan never touches a socket, a ring or the engine.
 */

import { EntryMark } from '../../../codec/entry.js';
import type { Int64 } from '../../../codec/int64.js';
import type { ReplyWriter } from '../../../codec/resp/reply.js';
import type { Request } from '../../../codec/resp/request-parser.js';
import {
  SESSION_ENTRY_BYTES,
  SESSION_HEAD_BYTES,
  type SessionAction,
  writeSessionAction,
} from '../../../codec/session-entry.js';
import type { ReadTerms } from '../../../engine/config-reads.js';
import type { Asker } from './asked.js';
import type { ReplyShape } from './render-result.js';
import { RESP3_SHAPE } from './render-result.js';
import type { ServerView } from './server-view.js';
import type { Session } from './session.js';

export const Action = {
  /** `encode` a command for the log; render its result by `shape`. */
  write: 1,
  /** `encode` a query for the state machine; render its answer by `shape`. */
  read: 2,
  /** `answer` from here. */
  local: 3,
  /** `answer` with an error: nothing was done. */
  refused: 4,
  /** Answered when the group has done what it is asked for: see asked.ts. */
  ask: 5,
} as const;
export type Action = (typeof Action)[keyof typeof Action];

/** Writes exactly `payloadBytes` bytes at `at` and returns the offset after them. */
export type Encoder = (plan: Plan, target: Buffer, at: number) => number;
export type Answerer = (plan: Plan, reply: ReplyWriter) => void;

const encodeSessionAction: Encoder = ({ sessionAction, sessionArgument }, target, at) => {
  const view = new DataView(target.buffer, target.byteOffset, target.length);
  writeSessionAction(view, at, sessionAction, sessionArgument);
  return at + SESSION_ENTRY_BYTES;
};

export class Plan {
  action: Action = Action.refused;
  /** Size of what `encode` writes. */
  payloadBytes = 0;
  /** How to render the result; kept by the server beside the pending request. */
  shape = 0;
  /** The connection ends once the reply has been sent. */
  closes = false;
  /** Of a write: what kind of entry it becomes. */
  mark: EntryMark = EntryMark.command;
  /** The place of a write in a client session; 0: it has none. */
  sessionId = 0;
  sequence = 0;
  /** What to do to a client session, and the ttl to open one with or the session to close. */
  sessionAction: SessionAction = 1;
  sessionArgument = 0;

  request: Request;
  session: Session;
  readonly server: ServerView;

  /** What handlers leave for their encoders. */
  amount: Int64 = 0;
  setFlags = 0;
  scanCursor = 0;
  scanCount = 0;
  /** Index of the argument that holds a pattern; 0 for none. */
  patternAt = 0;
  /** A SCAN for a type that no key has. */
  otherType = false;
  /** What this read must see, where it says so; null: as the server's reads do. */
  readTerms: ReadTerms | null = null;

  #encoder: Encoder | null = null;
  #answerer: Answerer | null = null;
  #asker: Asker | null = null;
  #error = '';

  constructor(server: ServerView, request: Request, session: Session) {
    this.server = server;
    this.request = request;
    this.session = session;
  }

  /** Whether this request's reply may use RESP3. */
  get resp3(): boolean {
    return this.session.protocol === 3 && !this.request.inline;
  }

  /** Turns to another request; called before a handler fills the plan. */
  begin(request: Request, session: Session): void {
    this.request = request;
    this.session = session;
    this.closes = false;
    this.readTerms = null;
    this.sessionId = 0;
  }

  /** A command for the log. */
  write(payloadBytes: number, shape: ReplyShape, encoder: Encoder): void {
    this.mark = this.sessionId > 0 ? EntryMark.sessionCommand : EntryMark.command;
    this.#send(Action.write, payloadBytes, shape, encoder);
  }

  /** An entry of the log that opens or closes a client session. */
  writeSession(action: SessionAction, argument: number, shape: ReplyShape): void {
    this.mark = EntryMark.session;
    this.sessionAction = action;
    this.sessionArgument = argument;
    this.#send(Action.write, SESSION_ENTRY_BYTES, shape, encodeSessionAction);
  }

  /** Size of the payload of its entry: the place in a session comes before what is encoded. */
  get entryBytes(): number {
    const isInSession = this.mark === EntryMark.sessionCommand;
    return this.payloadBytes + (isInSession ? SESSION_HEAD_BYTES : 0);
  }

  /** A query for the state machine. */
  read(payloadBytes: number, shape: ReplyShape, encoder: Encoder): void {
    this.#send(Action.read, payloadBytes, shape, encoder);
  }

  local(answerer: Answerer): void {
    this.action = Action.local;
    this.#answerer = answerer;
  }

  /** Something that the group answers later. */
  ask(asker: Asker): void {
    this.action = Action.ask;
    this.#asker = asker;
  }

  /** For ask: what to ask of the group. */
  get asker(): Asker {
    if (this.#asker === null) throw new Error('assertion failed: this plan asks for nothing');
    return this.#asker;
  }

  /** `error` begins with its code, as in `ERR syntax error`. */
  refuse(error: string): void {
    this.action = Action.refused;
    this.#error = error;
  }

  /** For write and read: writes the payload and returns the offset after it. */
  encode(target: Buffer, at: number): number {
    if (this.#encoder === null) throw new Error('assertion failed: this plan has no payload');
    const end = this.#encoder(this, target, at);
    if (end !== at + this.payloadBytes)
      throw new Error('assertion failed: payload was mismeasured');
    return end;
  }

  /** For local and refused: writes the reply. */
  answer(reply: ReplyWriter): void {
    reply.resp3 = this.resp3;
    if (this.action === Action.refused) reply.error(this.#error);
    else if (this.action === Action.local && this.#answerer !== null) this.#answerer(this, reply);
    else throw new Error('assertion failed: this plan is answered elsewhere');
  }

  #send(action: Action, payloadBytes: number, shape: ReplyShape, encoder: Encoder): void {
    this.action = action;
    this.payloadBytes = payloadBytes;
    this.shape = this.resp3 ? shape | RESP3_SHAPE : shape;
    this.#encoder = encoder;
  }
}
