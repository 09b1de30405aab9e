/**
 * One typed line → one answer as text, on this node's own group: the commands of the client port
 * for somebody at the terminal. Takes the same table, so that a command means the same in both
 * places.
 *
 * On a node that does not lead a write is forwarded, as a RESP client's is, unless the server
 * redirects; refusals are worded as on the client port. One line at a time, by promises: people
 * type slowly. It must never end the process; QUIT is only reported.
 */

import { EntryMark } from '../../codec/entry.js';
import { ReplyWriter } from '../../codec/resp/reply.js';
import { decodeReply, ReplyError, type ReplyValue } from '../../codec/resp/reply-value.js';
import { Parsed, RequestParser } from '../../codec/resp/request-parser.js';
import { SessionAction } from '../../codec/session-entry.js';
import { type ReadTermsGiven, termsGiven } from '../../engine/config-reads.js';
import { RingraftError } from '../../engine/errors.js';
import type { Group } from '../../engine/group.js';
import { QUERY_HEADER_BYTES, QueryType } from '../../engine/machines/kv/queries.js';
import { RESULT_HEADER_BYTES } from '../../engine/machines/kv/results.js';
import type { SessionPlace } from '../../engine/session-calls.js';
import { commandHelp } from './commands/introspection.js';
import { Action, Plan } from './commands/plan.js';
import { renderRejection, renderResult } from './commands/render-result.js';
import { openSession } from './commands/session.js';
import { COMMANDS, planRequest } from './commands/table.js';
import { KeyPages, PageOutcome } from './key-pages.js';
import type { NodeView } from './node-view.js';
import { readRefusalOf, writeRefusalOf } from './refusals.js';
import { idleRequest } from './status-replies.js';
import { statusSections } from './status-sections.js';

export interface Answer {
  readonly text: string;
  readonly quits: boolean;
}

export interface DialectOptions {
  readonly forward: boolean;
  readonly reads: ReadTermsGiven;
  readonly timeoutMs: number;
  readonly entryBytesMax: number;
  readonly answerBytesMax: number;
}

const STAT_QUERY = Buffer.alloc(QUERY_HEADER_BYTES, QueryType.stat);
/** Figures that do not come at once are shown as they last were. */
const FIGURES_MS = 500;

export class LocalDialect {
  readonly #group: Group;
  readonly #view: NodeView;
  readonly #options: DialectOptions;
  readonly #plan: Plan;
  readonly #session = openSession(0, 'terminal', Date.now());

  constructor(group: Group, view: NodeView, options: DialectOptions) {
    this.#group = group;
    this.#view = view;
    // Who waits for all asks the leader itself, which alone knows.
    const forward = options.forward && group.replication !== 'all';
    this.#options = { ...options, forward };
    this.#plan = new Plan(view, idleRequest(), this.#session);
  }

  async execute(line: string): Promise<Answer> {
    const parser = new RequestParser();
    parser.push(Buffer.from(`${line}\n`));
    const parsed = parser.next();
    if (parsed === Parsed.needMore) return { text: '', quits: false };
    if (parsed === Parsed.error) return { text: `(error) ERR ${parser.error}`, quits: false };
    const name = parser.buffer.toString('latin1', parser.ranges[0], parser.ranges[1]).toUpperCase();
    if (name === 'HELP') return { text: this.#help(), quits: false };
    planRequest(this.#plan, parser, this.#session);
    if (this.#plan.action === Action.local && (name === 'STATUS' || name === 'INFO')) {
      await this.#askFigures();
      return { text: statusSections(this.#view), quits: false };
    }
    if (this.#plan.action === Action.read && name === 'STAT') {
      await this.#askFigures();
      const { keys, memoryBytes, operations } = this.#view.figures;
      return { text: `Keys: ${keys}  Memory: ${memoryBytes}  Ops: ${operations}`, quits: false };
    }
    const { closes } = this.#plan;
    const reply = await this.#reply();
    const value = decodeReply(reply, 0, reply.length);
    return { text: closes ? '' : print(value, ''), quits: closes };
  }

  #help(): string {
    const elsewhere = this.#options.forward
      ? 'is forwarded to the leader'
      : 'answers REDIRECT and the id of the leader, and is not executed ' +
        '(--on-follower redirect or --replication all)';
    const rule = `A write on a node that does not lead ${elsewhere}; a read is answered here.`;
    return `${commandHelp(COMMANDS)}\n\n${rule}`;
  }

  /** The reply to the current plan, as the client port would send it. */
  async #reply(): Promise<Buffer> {
    const plan = this.#plan;
    const writer = new ReplyWriter();
    if (plan.action === Action.local || plan.action === Action.refused) {
      plan.answer(writer);
      return writer.take();
    }
    if (plan.action === Action.ask) {
      const write = await plan.asker(this.#group);
      write(writer);
      return writer.take();
    }
    if (plan.action === Action.write && plan.mark === EntryMark.session) {
      await this.#sessionEntry(writer);
      return writer.take();
    }
    const { shape, action, entryBytes, sessionId, sequence } = plan;
    const place = sessionId > 0 ? { id: sessionId, sequence } : undefined;
    const payload = Buffer.alloc(plan.payloadBytes);
    plan.encode(payload, 0);
    try {
      const isWalk = this.#session.lastCommand === 'KEYS';
      const result = isWalk
        ? await this.#walkKeys(payload.subarray(QUERY_HEADER_BYTES))
        : Buffer.from(await this.#ask(action, payload, place));
      renderResult(writer, shape, result, 0, result.length);
    } catch (error) {
      if (!(error instanceof RingraftError)) throw error;
      if (error.data !== null) renderRejection(writer, Buffer.from(error.data).toString());
      else writer.error(this.#refusal(action, error, entryBytes, place !== undefined));
    }
    return writer.take();
  }

  async #sessionEntry(writer: ReplyWriter): Promise<void> {
    const { sessionAction, sessionArgument, entryBytes } = this.#plan;
    const { forward, timeoutMs } = this.#options;
    const options = { forward, timeoutMs };
    try {
      if (sessionAction === SessionAction.open) {
        const { id } = await this.#group.openSession({ ...options, ttlMs: sessionArgument });
        writer.integer(id);
      } else {
        writer.integer((await this.#group.closeSession(sessionArgument, options)) ? 1 : 0);
      }
    } catch (error) {
      if (!(error instanceof RingraftError)) throw error;
      writer.error(this.#refusal(Action.write, error, entryBytes));
    }
  }

  async #walkKeys(pattern: Buffer): Promise<Buffer> {
    const pages = new KeyPages(pattern, this.#options.answerBytesMax);
    for (;;) {
      const answer = Buffer.from(await this.#ask(Action.read, pages.query));
      const outcome = pages.take(answer, 0, answer.length);
      if (outcome === PageOutcome.whole) return pages.result();
      if (outcome === PageOutcome.tooLarge) return pages.refusal();
    }
  }

  #refusal(action: Action, error: RingraftError, payloadBytes: number, inSession = false): string {
    if (action !== Action.write) return readRefusalOf(error);
    const { forward, entryBytesMax } = this.#options;
    return writeRefusalOf(error, !forward, payloadBytes, entryBytesMax, inSession);
  }

  #ask(action: Action, payload: Buffer, session?: SessionPlace): Promise<Uint8Array> {
    const { forward, reads, timeoutMs } = this.#options;
    if (action === Action.write) {
      return this.#group.propose(payload, { forward, timeoutMs, ...(session && { session }) });
    }
    const { readTerms } = this.#plan;
    const byDefault: ReadTermsGiven = this.#group.isWitness ? { consistency: 'local' } : reads;
    const terms = readTerms === null ? byDefault : termsGiven(readTerms);
    return this.#group.read(payload, { ...terms, timeoutMs });
  }

  async #askFigures(): Promise<void> {
    try {
      const terms = { consistency: 'local', timeoutMs: FIGURES_MS } as const;
      const answer = Buffer.from(await this.#group.read(STAT_QUERY, terms));
      this.#view.takeFigures(answer.toString('latin1', RESULT_HEADER_BYTES));
    } catch (error) {
      // A group that stopped still has a status worth seeing.
      if (!(error instanceof RingraftError)) throw error;
    }
  }
}

/**
 * As the demo prints: `OK`, the raw value, the plain number; lists are numbered as by redis-cli.
 */
function print(value: ReplyValue, indent: string): string {
  if (value === null) return '(nil)';
  if (value instanceof ReplyError) return `(error) ${value.message}`;
  if (value instanceof Map) return print([...value].flat(), indent);
  if (!Array.isArray(value)) return String(value);
  if (value.length === 0) return '(empty)';
  const deeper = `${indent}   `;
  return value
    .map((item, at) => `${at === 0 ? '' : indent}${at + 1}) ${print(item, deeper)}`)
    .join('\n');
}
