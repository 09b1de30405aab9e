/**
 * STATUS and INFO, whose key-value figures are asked from the state machine just before they are
 * shown: the shapes under which such a reply waits, and the reply once the figures are here.
 *
 * The request's bytes are gone by then; these commands have no arguments that matter, so the reply
 * is planned anew from a request of our own. It must never wait: without figures the last ones are
 * shown.
 */

import type { ReplyWriter } from '../../codec/resp/reply.js';
import { Parsed, type Request, RequestParser } from '../../codec/resp/request-parser.js';
import { QUERY_HEADER_BYTES, QueryType } from '../../engine/machines/kv/queries.js';
import { RESULT_HEADER_BYTES, ResultStatus } from '../../engine/machines/kv/results.js';
import { Plan } from './commands/plan.js';
import type { Session } from './commands/session.js';
import { openSession } from './commands/session.js';
import { planRequest } from './commands/table.js';
import type { NodeView } from './node-view.js';

/** Shapes beyond those of results, which end at 0x3f. */
const FIGURES_SHAPE = 0x40;
const STATUS_SHAPE = FIGURES_SHAPE;
const INFO_SHAPE = FIGURES_SHAPE | 1;

export function isFiguresShape(shape: number): boolean {
  return (shape & FIGURES_SHAPE) !== 0;
}

function requestOf(text: string): Request {
  const parser = new RequestParser();
  parser.push(Buffer.from(text));
  if (parser.next() !== Parsed.request) throw new Error('assertion failed: a request of our own');
  return parser;
}

/** A request for plans that have not begun yet. */
export function idleRequest(): Request {
  return requestOf('PING\r\n');
}

export class StatusReplies {
  /** What asks the figures. */
  readonly query = Buffer.alloc(QUERY_HEADER_BYTES, QueryType.stat);
  readonly #view: NodeView;
  readonly #status = requestOf('STATUS\r\n');
  readonly #info = requestOf('*1\r\n$4\r\nINFO\r\n');
  readonly #plan: Plan;

  constructor(view: NodeView) {
    this.#view = view;
    this.#plan = new Plan(view, this.#status, openSession(0, '', 0));
  }

  /** The shape under which the reply to this local command waits for figures; 0 for none. */
  shapeOf(plan: Plan, command: string): number {
    if (command === 'STATUS') return STATUS_SHAPE;
    if (command !== 'INFO') return 0;
    // Inline INFO is another name of STATUS.
    return plan.request.inline ? STATUS_SHAPE : INFO_SHAPE;
  }

  /** The answer to `query` came. */
  take(buffer: Buffer, start: number, end: number): void {
    if (buffer[start] !== ResultStatus.value) return;
    this.#view.takeFigures(buffer.toString('latin1', start + RESULT_HEADER_BYTES, end));
  }

  write(reply: ReplyWriter, shape: number, session: Session): void {
    planRequest(this.#plan, shape === INFO_SHAPE ? this.#info : this.#status, session);
    this.#plan.answer(reply);
  }
}
