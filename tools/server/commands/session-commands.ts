/**
 * SESSION: opens and closes client sessions, and wraps a write so that it may be sent again:
 *
 *   SESSION OPEN [TTL ms]             → :id
 *   SESSION CLOSE id                  → :1, or :0 when it was not open
 *   SESSION id sequence SET key value → what SET answers, each time it is sent
 *
 * A wrapped write is planned by the table as if it stood alone; only its place is noted. Nothing of
 * a session is kept here or with a connection: any connection to any node can go on with it.
 */

import { SessionAction } from '../../../codec/session-entry.js';
import {
  SESSION_TTL_MS_DEFAULT,
  SESSION_TTL_MS_MAX,
  SESSION_TTL_MS_MIN,
} from '../../../engine/runtime/sessions.js';
import { integerOf, isWord, shownTextOf, startOf } from './arguments.js';
import {
  after,
  block,
  type CommandSpec,
  integer,
  NO_KEYS,
  oneOf,
  optional,
  string,
  word,
} from './command-spec.js';
import type { Plan } from './plan.js';
import { ReplyShape } from './render-result.js';
import { type Subcommand, subcommandHandler } from './subcommands.js';

/** Arguments before the write itself: the name, the id, the sequence. */
export const SESSION_ARGUMENTS = 3;
const ZERO = 48;
const NINE = 57;

function planOpen(plan: Plan): void {
  const { request } = plan;
  if (request.count === 2) {
    plan.writeSession(SessionAction.open, SESSION_TTL_MS_DEFAULT, ReplyShape.sessionId);
    return;
  }
  if (request.count !== 4 || !isWord(request, 2, 'TTL')) {
    plan.refuse('ERR syntax error: SESSION OPEN [TTL milliseconds]');
    return;
  }
  const ttlMs = integerOf(request, 3);
  const isTtl = typeof ttlMs === 'number' && ttlMs >= SESSION_TTL_MS_MIN;
  if (isTtl && ttlMs <= SESSION_TTL_MS_MAX) {
    plan.writeSession(SessionAction.open, ttlMs, ReplyShape.sessionId);
    return;
  }
  const range = `from ${SESSION_TTL_MS_MIN} to ${SESSION_TTL_MS_MAX} milliseconds (30 days)`;
  plan.refuse(`ERR TTL is '${shownTextOf(request, 3)}', must be ${range}; without it: one hour`);
}

function planClose(plan: Plan): void {
  const id = idAt(plan, 2);
  if (id > 0) plan.writeSession(SessionAction.close, id, ReplyShape.sessionClosed);
}

/** The session's id at this argument; 0 when it was refused. */
function idAt(plan: Plan, index: number): number {
  const id = positiveOf(plan, index);
  if (id > 0) return id;
  const shown = shownTextOf(plan.request, index);
  plan.refuse(`ERR session is '${shown}', must be the number that SESSION OPEN answered`);
  return 0;
}

function positiveOf({ request }: Plan, index: number): number {
  const value = integerOf(request, index);
  return typeof value === 'number' && value >= 1 ? value : 0;
}

/** Notes the place of a write; false when it was refused. */
function takePlace(plan: Plan): boolean {
  const { request } = plan;
  if (request.count <= SESSION_ARGUMENTS) {
    plan.refuse('ERR wrong number of arguments: SESSION id sequence COMMAND [argument ...]');
    return false;
  }
  const id = idAt(plan, 1);
  if (id === 0) return false;
  const sequence = positiveOf(plan, 2);
  if (sequence > 0) {
    plan.sessionId = id;
    plan.sequence = sequence;
    return true;
  }
  const rule = 'must be a whole number from 1; a write that is sent again keeps its own';
  plan.refuse(`ERR sequence is '${shownTextOf(request, 2)}', ${rule}`);
  return false;
}

const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'OPEN',
    arity: -2,
    syntax: '[TTL milliseconds]',
    summary: 'Opens a session and answers its id. It ends after that long without a write',
    handler: planOpen,
  },
  {
    name: 'CLOSE',
    arity: 3,
    syntax: 'session',
    summary: 'Ends a session: 1, or 0 when it was not open',
    handler: planClose,
  },
];

const planSubcommand = subcommandHandler('SESSION', SUBCOMMANDS);

/** `planWrite` plans the request that begins behind the place. */
export function sessionCommands(planWrite: (plan: Plan) => void): readonly CommandSpec[] {
  return [
    {
      name: 'SESSION',
      arity: -2,
      kind: 'write',
      group: 'generic',
      summary: 'Opens or closes a session; or sends a write that may be sent again in it',
      arguments: [
        oneOf(
          'what',
          block('open', word('OPEN'), optional(after('TTL', integer('ms')))),
          after('CLOSE', integer('session')),
          block('place', integer('session'), integer('sequence'), string('write')),
        ),
      ],
      keys: NO_KEYS,
      handler: (plan) => {
        const first = plan.request.buffer[startOf(plan.request, 1)] ?? 0;
        if (first < ZERO || first > NINE) planSubcommand(plan);
        else if (takePlace(plan)) planWrite(plan);
      },
    },
  ];
}
