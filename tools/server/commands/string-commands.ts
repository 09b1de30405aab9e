/**
 * Commands on one value or several: SET, GET, counters, APPEND and their kin, as entries of the
 * table.
 *
 * A handler checks the arguments, says how large the payload is and which encoder writes it. The
 * hot ones (SET, GET, INCR) allocate nothing.
 */

import { INT64_BYTES, type Int64, negateInt64 } from '../../../codec/int64.js';
import {
  commandBytes,
  PAIR_HEADER_BYTES,
  SET_FLAGS_BYTES,
  SetFlag,
} from '../../../engine/machines/kv/commands.js';
import { QUERY_HEADER_BYTES } from '../../../engine/machines/kv/queries.js';
import {
  acceptsKeys,
  integerOf,
  isWord,
  lengthOf,
  NOT_AN_INTEGER,
  SYNTAX_ERROR,
} from './arguments.js';
import {
  block,
  type CommandSpec,
  integer,
  key,
  many,
  ONE_KEY,
  oneOf,
  optional,
  string,
  word,
} from './command-spec.js';
import type { Plan } from './plan.js';
import { acceptsReadWords, readWords } from './read-words.js';
import { ReplyShape } from './render-result.js';
import {
  encodeAmount,
  encodeAppend,
  encodeConditional,
  encodeDelete,
  encodeDeleteMany,
  encodeGet,
  encodeGetDelete,
  encodeGetMany,
  encodeSet,
  encodeSetMany,
  encodeValueLength,
  keysBytes,
} from './string-encoders.js';

/** Options of SET that Redis has and we do not: keys never expire here. */
const EXPIRY_WORDS = ['EX', 'PX', 'EXAT', 'PXAT', 'KEEPTTL'];

function planSet(plan: Plan): void {
  const { request } = plan;
  if (!acceptsKeys(plan, 1, 1)) return;
  if (request.count === 3) {
    const bytes = commandBytes(lengthOf(request, 1), lengthOf(request, 2));
    plan.write(bytes, ReplyShape.plain, encodeSet);
    return;
  }
  const flags = readSetFlags(plan);
  if (flags >= 0) writeConditional(plan, flags, ReplyShape.plain);
}

/** The options from argument 3 on as flags; −1 when they were refused. */
function readSetFlags(plan: Plan): number {
  const { request } = plan;
  let flags = 0;
  for (let i = 3; i < request.count; i += 1) {
    if (isWord(request, i, 'NX')) flags |= SetFlag.ifAbsent;
    else if (isWord(request, i, 'XX')) flags |= SetFlag.ifPresent;
    else if (isWord(request, i, 'GET')) flags |= SetFlag.answerOld;
    else return refuseSetOption(plan, i);
  }
  const both = SetFlag.ifAbsent | SetFlag.ifPresent;
  if ((flags & both) !== both) return flags;
  plan.refuse(SYNTAX_ERROR);
  return -1;
}

function refuseSetOption(plan: Plan, index: number): number {
  const expiry = EXPIRY_WORDS.find((name) => isWord(plan.request, index, name));
  if (expiry === undefined) plan.refuse(SYNTAX_ERROR);
  else plan.refuse(`ERR syntax error: ${expiry} is not supported, keys do not expire here`);
  return -1;
}

function writeConditional(plan: Plan, flags: number, shape: ReplyShape): void {
  const { request } = plan;
  const valueLength = SET_FLAGS_BYTES + lengthOf(request, 2);
  plan.setFlags = flags;
  plan.write(commandBytes(lengthOf(request, 1), valueLength), shape, encodeConditional);
}

function planSetIfAbsent(plan: Plan): void {
  if (acceptsKeys(plan, 1, 1)) writeConditional(plan, SetFlag.ifAbsent, ReplyShape.flag);
}

function planSetMany(plan: Plan): void {
  const { request } = plan;
  if (request.count % 2 === 0) {
    plan.refuse(`ERR wrong number of arguments for 'mset' command`);
    return;
  }
  if (!acceptsKeys(plan, 1, request.count - 1, 2)) return;
  let bytes = commandBytes(0, 0);
  for (let i = 1; i < request.count; i += 2) {
    bytes += PAIR_HEADER_BYTES + lengthOf(request, i) + lengthOf(request, i + 1);
  }
  plan.write(bytes, ReplyShape.plain, encodeSetMany);
}

function planDelete(plan: Plan): void {
  const { request } = plan;
  if (!acceptsKeys(plan, 1, request.count - 1)) return;
  const shape = request.inline ? ReplyShape.alwaysOk : ReplyShape.plain;
  if (request.count === 2) plan.write(commandBytes(lengthOf(request, 1), 0), shape, encodeDelete);
  else plan.write(commandBytes(0, keysBytes(request)), shape, encodeDeleteMany);
}

function planGetDelete(plan: Plan): void {
  if (!acceptsKeys(plan, 1, 1)) return;
  const bytes = commandBytes(lengthOf(plan.request, 1), 0);
  plan.write(bytes, ReplyShape.plain, encodeGetDelete);
}

function planAppend(plan: Plan): void {
  const { request } = plan;
  if (!acceptsKeys(plan, 1, 1)) return;
  const bytes = commandBytes(lengthOf(request, 1), lengthOf(request, 2));
  plan.write(bytes, ReplyShape.plain, encodeAppend);
}

function writeAmount(plan: Plan, amount: Int64 | null, error: string): void {
  if (amount === null) {
    plan.refuse(error);
    return;
  }
  if (!acceptsKeys(plan, 1, 1)) return;
  plan.amount = amount;
  const bytes = commandBytes(lengthOf(plan.request, 1), INT64_BYTES);
  plan.write(bytes, ReplyShape.plain, encodeAmount);
}

/** INCR and INCRBY: argument 2 is the amount when it is there. */
function planIncrement(plan: Plan): void {
  const { request } = plan;
  writeAmount(plan, request.count > 2 ? integerOf(request, 2) : 1, NOT_AN_INTEGER);
}

function planDecrement(plan: Plan): void {
  const { request } = plan;
  const amount = request.count > 2 ? integerOf(request, 2) : 1;
  if (amount === null) plan.refuse(NOT_AN_INTEGER);
  else writeAmount(plan, negateInt64(amount), 'ERR decrement would overflow');
}

function planGet(plan: Plan): void {
  if (!acceptsKeys(plan, 1, 1) || !acceptsReadWords(plan, 2)) return;
  plan.read(QUERY_HEADER_BYTES + lengthOf(plan.request, 1), ReplyShape.plain, encodeGet);
}

function planValueLength(plan: Plan): void {
  if (!acceptsKeys(plan, 1, 1)) return;
  plan.read(QUERY_HEADER_BYTES + lengthOf(plan.request, 1), ReplyShape.plain, encodeValueLength);
}

function planGetMany(plan: Plan): void {
  const { request } = plan;
  if (!acceptsKeys(plan, 1, request.count - 1)) return;
  plan.read(QUERY_HEADER_BYTES + keysBytes(request), ReplyShape.plain, encodeGetMany);
}

type Row = Pick<CommandSpec, 'name' | 'arity' | 'summary' | 'arguments' | 'handler'>;

const write = (row: Row & Partial<CommandSpec>): CommandSpec => ({
  kind: 'write',
  group: 'string',
  keys: ONE_KEY,
  ...row,
});
const read = (row: Row & Partial<CommandSpec>): CommandSpec => ({ ...write(row), kind: 'read' });

export const STRING_COMMANDS: readonly CommandSpec[] = [
  write({
    name: 'SET',
    arity: -3,
    summary: 'Stores a value, optionally only if the key is absent (NX) or present (XX)',
    arguments: [
      key(),
      string('value'),
      optional(oneOf('condition', word('NX'), word('XX'))),
      optional(word('GET')),
    ],
    handler: planSet,
  }),
  read({
    name: 'GET',
    arity: -2,
    summary: 'Answers the value of a key, or nil; a word behind it says how fresh',
    arguments: [key(), readWords()],
    handler: planGet,
  }),
  write({
    name: 'SETNX',
    arity: 3,
    summary: 'Stores a value if the key is absent',
    arguments: [key(), string('value')],
    handler: planSetIfAbsent,
  }),
  write({
    name: 'MSET',
    arity: -3,
    summary: 'Stores several values at once, all of them or none',
    arguments: [many(block('data', key(), string('value')))],
    keys: [1, -1, 2],
    handler: planSetMany,
  }),
  read({
    name: 'MGET',
    arity: -2,
    summary: 'Answers the values of several keys, as of one moment',
    arguments: [many(key())],
    keys: [1, -1, 1],
    handler: planGetMany,
  }),
  write({
    name: 'DEL',
    arity: -2,
    group: 'generic',
    summary: 'Removes keys',
    arguments: [many(key())],
    keys: [1, -1, 1],
    handler: planDelete,
  }),
  write({
    name: 'GETDEL',
    arity: 2,
    summary: 'Removes a key and answers the value it had',
    arguments: [key()],
    handler: planGetDelete,
  }),
  write({
    name: 'APPEND',
    arity: 3,
    summary: 'Adds to the end of a value and answers its length',
    arguments: [key(), string('value')],
    handler: planAppend,
  }),
  read({
    name: 'STRLEN',
    arity: 2,
    summary: 'Answers the length of a value in bytes, 0 without one',
    arguments: [key()],
    handler: planValueLength,
  }),
  ...[
    { name: 'INCR', verb: 'Adds 1 to', handler: planIncrement },
    { name: 'DECR', verb: 'Subtracts 1 from', handler: planDecrement },
  ].map(({ name, verb, handler }) =>
    write({
      name,
      arity: 2,
      // The seed's INCR takes an amount; Redis's does not, and clients rely on its error.
      inlineCounts: [2, 3],
      summary: `${verb} a signed 64-bit counter that begins at 0; inline, by any amount`,
      arguments: [key()],
      handler,
    }),
  ),
  ...[
    { name: 'INCRBY', verb: 'Adds a number to', handler: planIncrement },
    { name: 'DECRBY', verb: 'Subtracts a number from', handler: planDecrement },
  ].map(({ name, verb, handler }) =>
    write({
      name,
      arity: 3,
      summary: `${verb} a signed 64-bit counter that begins at 0`,
      arguments: [key(), integer('amount')],
      handler,
    }),
  ),
];
