/**
 * Commands on the key space as a whole: KEYS, SCAN, DBSIZE, EXISTS, TYPE, FLUSHALL, STAT, DEBUG.
 *
 * SCAN answers what the state machine bounds; KEYS is planned here and asked in pages by whoever
 * carries it out. Nothing here holds more than one request.
 */

import { CommandType, commandBytes, encodeHead } from '../../../engine/machines/kv/commands.js';
import {
  encodeQuery,
  encodeScan,
  QUERY_HEADER_BYTES,
  QueryType,
  SCAN_OFFSET_PATTERN,
} from '../../../engine/machines/kv/queries.js';
import {
  acceptsKeys,
  endOf,
  integerOf,
  isWord,
  lengthOf,
  NOT_AN_INTEGER,
  SYNTAX_ERROR,
  startOf,
} from './arguments.js';
import {
  after,
  type CommandSpec,
  integer,
  key,
  many,
  NO_KEYS,
  ONE_KEY,
  oneOf,
  optional,
  string,
  word,
} from './command-spec.js';
import type { Encoder, Plan } from './plan.js';
import { ReplyShape } from './render-result.js';
import { encodeKeys, keysBytes } from './string-encoders.js';
import { type Subcommand, subcommandHandler } from './subcommands.js';

const MATCH_ALL = Buffer.from('*');
const SCAN_COUNT_DEFAULT = 10;
/** Cursors and counts travel as u32. */
const U32_MAX = 0xffff_ffff;
/** Matching one key takes up to pattern × key steps, in the group's own thread. */
const PATTERN_BYTES_MAX = 256;

function patternTooLong(bytes: number): string {
  return `ERR pattern of ${bytes} bytes, the limit is ${PATTERN_BYTES_MAX}: use a shorter one`;
}

const encodeExists: Encoder = ({ request }, target, at) => {
  const from = encodeQuery(target, at, QueryType.exists, request.buffer, 0, 0);
  return encodeKeys(request, target, from);
};

const encodeType: Encoder = ({ request }, target, at) =>
  encodeQuery(target, at, QueryType.type, request.buffer, startOf(request, 1), endOf(request, 1));

const encodeSize: Encoder = ({ request }, target, at) =>
  encodeQuery(target, at, QueryType.size, request.buffer, 0, 0);

const encodeStat: Encoder = ({ request }, target, at) =>
  encodeQuery(target, at, QueryType.stat, request.buffer, 0, 0);

const encodeDigest: Encoder = ({ request }, target, at) =>
  encodeQuery(target, at, QueryType.digest, request.buffer, 0, 0);

const encodeClear: Encoder = ({ request }, target, at) =>
  encodeHead(target, at, CommandType.clear, request.buffer, 0, 0, 0);

const encodeKeysQuery: Encoder = ({ request }, target, at) =>
  request.count === 1
    ? encodeQuery(target, at, QueryType.keys, MATCH_ALL, 0, MATCH_ALL.length)
    : encodeQuery(
        target,
        at,
        QueryType.keys,
        request.buffer,
        startOf(request, 1),
        endOf(request, 1),
      );

const encodeScanQuery: Encoder = (plan, target, at) => {
  const { request, scanCursor, scanCount, patternAt } = plan;
  if (patternAt === 0) {
    return encodeScan(target, at, scanCursor, scanCount, MATCH_ALL, 0, MATCH_ALL.length);
  }
  const start = startOf(request, patternAt);
  const end = endOf(request, patternAt);
  return encodeScan(target, at, scanCursor, scanCount, request.buffer, start, end);
};

function planExists(plan: Plan): void {
  const { request } = plan;
  if (!acceptsKeys(plan, 1, request.count - 1)) return;
  plan.read(QUERY_HEADER_BYTES + keysBytes(request), ReplyShape.plain, encodeExists);
}

function planType(plan: Plan): void {
  if (!acceptsKeys(plan, 1, 1)) return;
  plan.read(QUERY_HEADER_BYTES + lengthOf(plan.request, 1), ReplyShape.simple, encodeType);
}

function planSize(plan: Plan): void {
  plan.read(QUERY_HEADER_BYTES, ReplyShape.plain, encodeSize);
}

function planStat(plan: Plan): void {
  plan.read(QUERY_HEADER_BYTES, ReplyShape.plain, encodeStat);
}

function planDigest(plan: Plan): void {
  plan.read(QUERY_HEADER_BYTES, ReplyShape.simple, encodeDigest);
}

const DEBUG: readonly Subcommand[] = [
  {
    name: 'DIGEST',
    arity: 2,
    syntax: '',
    summary: 'Answers a fingerprint of all keys and values, equal on nodes with the same state',
    handler: planDigest,
  },
];

function planKeys(plan: Plan): void {
  const { request } = plan;
  const bytes = request.count === 1 ? MATCH_ALL.length : lengthOf(request, 1);
  const shape = request.inline ? ReplyShape.lines : ReplyShape.plain;
  if (bytes > PATTERN_BYTES_MAX) plan.refuse(patternTooLong(bytes));
  else plan.read(QUERY_HEADER_BYTES + bytes, shape, encodeKeysQuery);
}

function planClear(plan: Plan): void {
  const { request } = plan;
  const plain = request.count === 1;
  if (
    plain ||
    (request.count === 2 && (isWord(request, 1, 'ASYNC') || isWord(request, 1, 'SYNC')))
  ) {
    plan.write(commandBytes(0, 0), ReplyShape.plain, encodeClear);
  } else {
    plan.refuse(SYNTAX_ERROR);
  }
}

function planScan(plan: Plan): void {
  const { request } = plan;
  plan.scanCount = SCAN_COUNT_DEFAULT;
  plan.patternAt = 0;
  const error = readScanCursor(plan) ?? readScanOptions(plan);
  if (error !== null) {
    plan.refuse(error);
  } else if (plan.otherType) {
    answerEmptyScan(plan);
  } else {
    const bytes = plan.patternAt === 0 ? MATCH_ALL.length : lengthOf(request, plan.patternAt);
    plan.read(SCAN_OFFSET_PATTERN + bytes, ReplyShape.plain, encodeScanQuery);
  }
}

/** Null when it was understood, else the error. */
function readScanCursor(plan: Plan): string | null {
  const cursor = integerOf(plan.request, 1);
  if (typeof cursor !== 'number' || cursor < 0 || cursor > U32_MAX) return 'ERR invalid cursor';
  plan.scanCursor = cursor;
  return null;
}

function readScanOptions(plan: Plan): string | null {
  const { request } = plan;
  plan.otherType = false;
  for (let i = 2; i < request.count; i += 2) {
    if (i + 1 === request.count) return SYNTAX_ERROR;
    if (isWord(request, i, 'MATCH')) {
      const bytes = lengthOf(request, i + 1);
      if (bytes > PATTERN_BYTES_MAX) return patternTooLong(bytes);
      plan.patternAt = i + 1;
    } else if (isWord(request, i, 'TYPE')) {
      plan.otherType = !isWord(request, i + 1, 'STRING');
    } else if (isWord(request, i, 'COUNT')) {
      const count = integerOf(request, i + 1);
      if (count === null) return NOT_AN_INTEGER;
      if (count < 1) return SYNTAX_ERROR;
      plan.scanCount = Math.min(Number(count), U32_MAX);
    } else {
      return SYNTAX_ERROR;
    }
  }
  return null;
}

/** There are only strings here: a scan for another type is finished at once. */
function answerEmptyScan(plan: Plan): void {
  plan.local((_, reply) => {
    reply.array(2);
    reply.bulkText('0');
    reply.array(0);
  });
}

const clearing = optional(oneOf('flush-type', word('ASYNC'), word('SYNC')));

export const KEYSPACE_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'EXISTS',
    arity: -2,
    kind: 'read',
    group: 'generic',
    summary: 'Counts how many of the keys exist',
    arguments: [many(key())],
    keys: [1, -1, 1],
    handler: planExists,
  },
  {
    name: 'TYPE',
    arity: 2,
    kind: 'read',
    group: 'generic',
    summary: 'Answers string, or none for a key that does not exist',
    arguments: [key()],
    keys: ONE_KEY,
    handler: planType,
  },
  {
    name: 'KEYS',
    arity: 2,
    inlineCounts: [1, 2],
    kind: 'read',
    group: 'generic',
    summary:
      'Lists the keys that match a glob pattern, inline all keys without one; keys that come or ' +
      'go meanwhile may be in it or not',
    arguments: [{ name: 'pattern', type: 'pattern' }],
    keys: NO_KEYS,
    handler: planKeys,
  },
  {
    name: 'SCAN',
    arity: -2,
    kind: 'read',
    group: 'generic',
    summary: 'Walks the keys in steps; cursors are good on every node and survive growth',
    arguments: [
      integer('cursor'),
      optional(after('MATCH', { name: 'pattern', type: 'pattern' })),
      optional(after('COUNT', integer('count'))),
      optional(after('TYPE', string('type'))),
    ],
    keys: NO_KEYS,
    handler: planScan,
  },
  {
    name: 'DBSIZE',
    arity: 1,
    kind: 'read',
    group: 'server',
    summary: 'Counts the keys',
    arguments: [],
    keys: NO_KEYS,
    handler: planSize,
  },
  ...['FLUSHALL', 'FLUSHDB'].map(
    (name): CommandSpec => ({
      name,
      arity: -1,
      kind: 'write',
      group: 'server',
      summary: 'Removes every key',
      arguments: [clearing],
      keys: NO_KEYS,
      handler: planClear,
    }),
  ),
  {
    name: 'STAT',
    arity: 1,
    kind: 'read',
    group: 'server',
    summary: 'Answers key count, memory and operations of the key-value store on this node',
    arguments: [],
    keys: NO_KEYS,
    handler: planStat,
  },
  {
    name: 'DEBUG',
    arity: -2,
    kind: 'read',
    group: 'server',
    summary: 'DEBUG DIGEST answers a fingerprint of the state; slow when there are many keys',
    arguments: [string('subcommand')],
    keys: NO_KEYS,
    handler: subcommandHandler('DEBUG', DEBUG),
  },
];
