/**
 * The one command table: every command the client port knows, and how a request finds its own.
 *
 * Dispatch, COMMAND, the help and the documentation all read it. Finding a command compares bytes
 * and allocates nothing; only refusals build text.
 */

import type { Request } from '../../../codec/resp/request-parser.js';
import { endOf, SHOWN_BYTES, shownTextOf, startOf, upperCase } from './arguments.js';
import { CLUSTER_COMMANDS } from './cluster-commands.js';
import type { CommandSpec } from './command-spec.js';
import { CONNECTION_COMMANDS } from './connection-commands.js';
import { introspectionCommands } from './introspection.js';
import { KEYSPACE_COMMANDS } from './keyspace-commands.js';
import type { Plan } from './plan.js';
import { REFUSED_COMMANDS } from './refused-commands.js';
import { SERVER_COMMANDS } from './server-commands.js';
import type { Session } from './session.js';
import { SESSION_ARGUMENTS, sessionCommands } from './session-commands.js';
import { STRING_COMMANDS } from './string-commands.js';
import { satisfies } from './subcommands.js';
import { WITNESS_COMMANDS } from './witness-commands.js';

export const COMMANDS: readonly CommandSpec[] = [
  ...STRING_COMMANDS,
  ...KEYSPACE_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...SERVER_COMMANDS,
  ...CLUSTER_COMMANDS,
  ...WITNESS_COMMANDS,
  ...sessionCommands(planWrapped),
  ...introspectionCommands(() => COMMANDS),
  ...REFUSED_COMMANDS,
];

/** Commands by a hash of their name; at least four times as many slots as commands. */
const SLOTS = 1 << (34 - Math.clz32(COMMANDS.length));
const slots: (CommandSpec | null)[] = new Array(SLOTS).fill(null);

for (const spec of COMMANDS) {
  let slot = nameHash(Buffer.from(spec.name), 0, spec.name.length);
  while (slots[slot] !== null) slot = (slot + 1) % SLOTS;
  slots[slot] = spec;
}

function nameHash(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + upperCase(bytes[at]!)) | 0;
  return (hash >>> 0) % SLOTS;
}

function isName(name: string, bytes: Buffer, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i += 1) {
    if (upperCase(bytes[start + i]!) !== name.charCodeAt(i)) return false;
  }
  return true;
}

const LONGEST_NAME = Math.max(...COMMANDS.map(({ name }) => name.length));

/** The command that argument 0 names, in any case; null when there is none. */
export function findCommand(request: Request): CommandSpec | null {
  const start = startOf(request, 0);
  const end = endOf(request, 0);
  if (end - start > LONGEST_NAME) return null;
  let slot = nameHash(request.buffer, start, end);
  for (;;) {
    const spec = slots[slot];
    if (spec === null || spec === undefined) return null;
    if (isName(spec.name, request.buffer, start, end)) return spec;
    slot = (slot + 1) % SLOTS;
  }
}

/** Fills the plan with what is to be done for this request. */
export function planRequest(plan: Plan, request: Request, session: Session): void {
  plan.begin(request, session);
  const spec = findCommand(request);
  if (spec === null) plan.refuse(unknownCommand(request));
  else planCommand(plan, spec);
}

function planCommand(plan: Plan, spec: CommandSpec): void {
  const { request, session } = plan;
  session.lastCommand = spec.name;
  if (acceptsCount(spec, request)) spec.handler(plan);
  else plan.refuse(`ERR wrong number of arguments for '${spec.name.toLowerCase()}' command`);
}

/** The write that a place in a session was put before: a request of its own from there on. */
function planWrapped(plan: Plan): void {
  const { buffer, ranges, count, inline } = plan.request;
  const inner = { buffer, ranges: ranges.subarray(2 * SESSION_ARGUMENTS), inline };
  plan.request = { ...inner, count: count - SESSION_ARGUMENTS };
  const spec = findCommand(plan.request);
  if (spec === null) plan.refuse(unknownCommand(plan.request));
  else if (spec.kind === 'write' && spec.name !== 'SESSION') planCommand(plan, spec);
  else plan.refuse(`ERR ${spec.name} is no write: send it alone, without SESSION id sequence`);
}

function acceptsCount(spec: CommandSpec, request: Request): boolean {
  const counts = request.inline ? spec.inlineCounts : undefined;
  if (counts === undefined) return satisfies(spec.arity, request.count);
  return request.count >= counts[0] && request.count <= counts[1];
}

function unknownCommand(request: Request): string {
  let shown = '';
  for (let i = 1; i < request.count && shown.length < SHOWN_BYTES; i += 1) {
    shown += `'${shownTextOf(request, i, SHOWN_BYTES - shown.length)}' `;
  }
  const name = shownTextOf(request, 0);
  return `ERR unknown command '${name}', with args beginning with: ${shown}`;
}
