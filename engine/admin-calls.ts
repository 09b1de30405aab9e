/**
 * Transfers and changes of the membership as a caller asks for them: arguments checked, sent to the
 * group's thread, answered by its events.
 *
 * What was begun goes on when nobody waits for it any more. This file must never decide what is
 * allowed: the group does.
 */

import { addressProblem } from './config.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { shown } from './errors-shown.js';
import { EventCalls } from './event-calls.js';
import { LIMITS } from './limits.js';
import { nodeId } from './raft/types.js';
import type { AdminRequest, AdminResult } from './runtime/administration.js';
import type { RuntimeEvent } from './runtime/ports.js';

/** A member that is to be, by its id: added, changed, or moved to another address. */
export interface MemberToBe {
  readonly id: number;
  /** Where peers reach it, `host:port`. */
  readonly address: string;
  /** Default `voter`. A learner gets the log and serves reads, and neither votes nor counts. */
  readonly as?: 'voter' | 'learner';
}

/** A change of the membership as one: all of it happens, or nothing. */
export interface MemberChange {
  readonly put?: readonly MemberToBe[];
  readonly remove?: readonly number[];
}

/** The configuration in the entry at `index` is what was asked for, and committed. */
export interface MembersChanged {
  readonly index: number;
}

/** Who would vote after a change, how many of them must answer, and who does now. */
export interface MembersPlanned {
  readonly voters: readonly number[];
  readonly needed: number;
  readonly answering: readonly number[];
}

export interface LeadershipTransferred {
  /** Who leads now. */
  readonly leader: number;
  readonly term: number;
}

export type AdminAnswer = Extract<RuntimeEvent, { kind: 'adminDone' | 'adminRefused' }>;

export interface AdminBounds {
  readonly timeoutMs: number;
  /** On the monotonic clock. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

/** The group's thread answers by the deadline; should it not, the wait ends this much later. */
const GRACE_MS = 250;

export class AdminCalls {
  readonly #ask: (request: AdminRequest) => void;
  readonly #calls = new EventCalls<AdminResult>();

  /** `ask` sends a request to the group's thread. */
  constructor(ask: (request: AdminRequest) => void) {
    this.#ask = ask;
  }

  async transfer(target: number, bounds: AdminBounds): Promise<LeadershipTransferred> {
    if (target !== 0) checkId('target', target);
    const result = await this.#call(bounds, 'leadership may still go over', (id) => {
      return { id, deadline: bounds.deadline, kind: 'transfer', target: nodeId(target) };
    });
    if (result.kind !== 'transferred') throw new Error(`a transfer was answered ${result.kind}`);
    const { leader, term } = result;
    return { leader, term };
  }

  async change(asked: MemberChange, bounds: AdminBounds): Promise<MembersChanged> {
    const result = await this.#change(asked, false, bounds);
    if (result.kind !== 'changed') throw new Error(`a change was answered ${result.kind}`);
    return { index: result.index };
  }

  /** What is recorded already is told to the group. */
  async setWitness(isWitness: boolean, bounds: AdminBounds): Promise<void> {
    await this.#call(bounds, 'the mode is recorded all the same', (id) => {
      return { id, deadline: bounds.deadline, kind: 'witness', isWitness };
    });
  }

  /** Null: nothing would be changed. */
  async plan(asked: MemberChange, bounds: AdminBounds): Promise<MembersPlanned | null> {
    const result = await this.#change(asked, true, bounds);
    if (result.kind !== 'wouldChange') throw new Error(`a plan was answered ${result.kind}`);
    return result.quorum;
  }

  #change(asked: MemberChange, dryRun: boolean, bounds: AdminBounds): Promise<AdminResult> {
    const change = checkedChange(asked);
    return this.#call(bounds, 'the change may still happen', (id) => {
      return { id, deadline: bounds.deadline, kind: 'change', change, dryRun };
    });
  }

  #call(
    { timeoutMs, signal }: AdminBounds,
    goesOn: string,
    request: (id: number) => AdminRequest,
  ): Promise<AdminResult> {
    const late = (): RingraftError => new RingraftError(ErrorNumber.outcomeUnknown);
    const bounds = { timeoutMs: timeoutMs + GRACE_MS, signal, late, goesOn };
    return this.#calls.call((id) => this.#ask(request(id)), bounds);
  }

  onAnswer(answer: AdminAnswer): void {
    if (answer.kind === 'adminDone') {
      this.#calls.resolve(answer.id, answer.result);
      return;
    }
    const { id, code, text, leader } = answer;
    const isOutcome = code === ErrorNumber.outcomeUnknown && text !== '';
    const says = isOutcome ? { text: `outcome unknown: ${text}` } : { detail: text };
    this.#calls.reject(id, new RingraftError(code, text === '' ? { leader } : says));
  }

  /** Nothing will be answered any more. */
  close(error: Error): void {
    this.#calls.close(error);
  }
}

function refuse(detail: string): never {
  const text = 'an argument is not valid, nothing was sent';
  throw new RingraftError(ErrorNumber.invalidOptions, { text, detail });
}

function checkId(name: string, id: unknown): asserts id is number {
  if (Number.isSafeInteger(id) && (id as number) >= 1 && (id as number) <= LIMITS.nodeIdMax) return;
  refuse(`${name} is ${shown(id)}, must be the number of a node, from 1`);
}

function checkedChange(asked: unknown): (AdminRequest & { kind: 'change' })['change'] {
  if (typeof asked !== 'object' || asked === null) {
    refuse(
      `the change is ${shown(asked)}, must be such as { put: [{ id, address }], remove: [2] }`,
    );
  }
  const { put = [], remove = [] } = asked as { put?: unknown; remove?: unknown };
  if (!Array.isArray(put) || !Array.isArray(remove)) {
    refuse('put and remove are lists: of { id, address, as }, and of ids');
  }
  const members = put.map((member, at) => checkedMember(`put[${at}]`, member));
  for (const [at, id] of remove.entries()) checkId(`remove[${at}]`, id);
  const ids = [...members.map(({ id }) => id), ...(remove as number[])];
  if (ids.length === 0) refuse('the change is empty; name members to put or to remove');
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (twice !== undefined) refuse(`node ${twice} is named twice; name each node once`);
  return { put: members, remove: (remove as number[]).map(nodeId) };
}

function checkedMember(
  name: string,
  member: unknown,
): (AdminRequest & { kind: 'change' })['change']['put'][number] {
  if (typeof member !== 'object' || member === null) {
    refuse(`${name} is ${shown(member)}, must be such as { id: 4, address: "127.0.0.1:5004" }`);
  }
  const { id, address, as = 'voter' } = member as Record<keyof MemberToBe, unknown>;
  checkId(`${name}.id`, id);
  const problem = addressProblem(`${name}.address`, address, false);
  if (problem !== null) refuse(problem);
  if (as !== 'voter' && as !== 'learner') {
    refuse(`${name}.as is ${shown(as)}, must be "voter" or "learner"`);
  }
  return { id: nodeId(id), address: address as string, as };
}
