/**
 * Commands about the connection itself: PING, ECHO, HELLO, SELECT, QUIT, CLIENT.
 *
 * They are answered from here and change nothing but the session. What clients send at connect
 * (HELLO 3, CLIENT SETINFO …) must keep working, or they do not start.
 */

import type { ReplyWriter } from '../../../codec/resp/reply.js';
import {
  endOf,
  integerOf,
  isWord,
  SYNTAX_ERROR,
  shownTextOf,
  startOf,
  textOf,
} from './arguments.js';
import {
  after,
  block,
  type CommandSpec,
  integer,
  NO_KEYS,
  optional,
  string,
} from './command-spec.js';
import type { Plan } from './plan.js';
import type { Session } from './session.js';
import { type Subcommand, subcommandHandler } from './subcommands.js';

/** The Redis whose commands these are: what clients that look at versions get to see. */
export const REDIS_VERSION = '7.0.15';

/** Names are kept as long as the connection lives. */
const NAME = /^[!-~]{0,256}$/;
const BAD_TEXT = 'cannot contain spaces, newlines or special characters, or exceed 256 bytes';
const BAD_NAME = `ERR Client names ${BAD_TEXT}`;

function planPing(plan: Plan): void {
  if (plan.request.count > 2) plan.refuse("ERR wrong number of arguments for 'ping' command");
  else if (plan.request.count === 2) planEcho(plan);
  else plan.local((_, reply) => reply.simple('PONG'));
}

function planEcho(plan: Plan): void {
  plan.local(({ request }, reply) => {
    reply.bulk(request.buffer, startOf(request, 1), endOf(request, 1));
  });
}

function planSelect(plan: Plan): void {
  const index = integerOf(plan.request, 1);
  if (index === null) plan.refuse('ERR invalid DB index');
  else if (index !== 0) plan.refuse('ERR DB index is out of range');
  else plan.local((_, reply) => reply.ok());
}

function planQuit(plan: Plan): void {
  plan.closes = true;
  plan.local((_, reply) => reply.ok());
}

/** HELLO changes the session when it is planned, so that what is pipelined behind it obeys. */
function planHello(plan: Plan): void {
  const error = applyHello(plan);
  if (error === null) plan.local(answerHello);
  else plan.refuse(error);
}

/** Null when it took effect, else the error. */
function applyHello({ request, session }: Plan): string | null {
  const version = request.count > 1 ? integerOf(request, 1) : session.protocol;
  if (version === null) return 'ERR Protocol version is not an integer or out of range';
  if (version !== 2 && version !== 3) return 'NOPROTO unsupported protocol version';
  let { name } = session;
  for (let i = 2; i < request.count; i += 2) {
    if (isWord(request, i, 'AUTH')) {
      return 'ERR AUTH is not supported: this server has no users and no passwords';
    }
    if (!isWord(request, i, 'SETNAME') || i + 1 === request.count) {
      return `ERR Syntax error in HELLO option '${shownTextOf(request, i)}'`;
    }
    name = textOf(request, i + 1);
    if (!NAME.test(name)) return BAD_NAME;
  }
  session.protocol = version;
  session.name = name;
  return null;
}

function answerHello({ server, session }: Plan, reply: ReplyWriter): void {
  reply.map(7);
  reply.bulkText('server');
  reply.bulkText('redis');
  reply.bulkText('version');
  reply.bulkText(REDIS_VERSION);
  reply.bulkText('proto');
  reply.integer(session.protocol);
  reply.bulkText('id');
  reply.integer(session.id);
  reply.bulkText('mode');
  reply.bulkText('standalone');
  reply.bulkText('role');
  reply.bulkText(server.status().role === 'leader' ? 'master' : 'replica');
  reply.bulkText('modules');
  reply.array(0);
}

function planSetName(plan: Plan): void {
  const name = textOf(plan.request, 2);
  if (!NAME.test(name)) {
    plan.refuse(BAD_NAME);
    return;
  }
  plan.session.name = name;
  plan.local((_, reply) => reply.ok());
}

function planGetName(plan: Plan): void {
  plan.local(({ session }, reply) => {
    if (session.name === '') reply.nil();
    else reply.bulkText(session.name);
  });
}

function planSetInfo(plan: Plan): void {
  const error = applySetInfo(plan);
  if (error === null) plan.local((_, reply) => reply.ok());
  else plan.refuse(error);
}

/** Null when it took effect, else the error. */
function applySetInfo({ request, session }: Plan): string | null {
  const option = shownTextOf(request, 2);
  const value = textOf(request, 3);
  if (!NAME.test(value)) {
    return `ERR ${option} ${BAD_TEXT}`;
  }
  if (isWord(request, 2, 'LIB-NAME')) session.libraryName = value;
  else if (isWord(request, 2, 'LIB-VER')) session.libraryVersion = value;
  else return `ERR Unrecognized option '${option}'`;
  return null;
}

function planSwitch(plan: Plan): void {
  if (isWord(plan.request, 2, 'ON') || isWord(plan.request, 2, 'OFF')) {
    plan.local((_, reply) => reply.ok());
  } else {
    plan.refuse(SYNTAX_ERROR);
  }
}

/** One line of CLIENT LIST, with those of Redis's fields that mean something here. */
function clientLine(session: Session, nowMs: number): string {
  const ageSeconds = Math.max(0, Math.floor((nowMs - session.openedAtMs) / 1000));
  return [
    `id=${session.id}`,
    `addr=${session.address}`,
    `name=${session.name}`,
    `age=${ageSeconds}`,
    `db=0`,
    `cmd=${session.lastCommand.toLowerCase()}`,
    `user=default`,
    `lib-name=${session.libraryName}`,
    `lib-ver=${session.libraryVersion}`,
    `resp=${session.protocol}`,
  ].join(' ');
}

function planList(plan: Plan): void {
  plan.local(({ server }, reply) => {
    const nowMs = server.nowMs();
    const lines = [...server.sessions()].map((session) => `${clientLine(session, nowMs)}\n`);
    reply.bulkText(lines.join(''));
  });
}

function planInfo(plan: Plan): void {
  plan.local(({ server, session }, reply) => {
    reply.bulkText(`${clientLine(session, server.nowMs())}\n`);
  });
}

const CLIENT: readonly Subcommand[] = [
  {
    name: 'ID',
    arity: 2,
    syntax: '',
    summary: "Answers this connection's number",
    handler: (plan) => plan.local(({ session }, reply) => reply.integer(session.id)),
  },
  {
    name: 'LIST',
    arity: 2,
    syntax: '',
    summary: 'Describes every open connection',
    handler: planList,
  },
  { name: 'INFO', arity: 2, syntax: '', summary: 'Describes this connection', handler: planInfo },
  {
    name: 'SETNAME',
    arity: 3,
    syntax: 'name',
    summary: 'Names this connection',
    handler: planSetName,
  },
  {
    name: 'GETNAME',
    arity: 2,
    syntax: '',
    summary: "Answers this connection's name, or nil",
    handler: planGetName,
  },
  {
    name: 'SETINFO',
    arity: 4,
    syntax: 'LIB-NAME name | LIB-VER version',
    summary: 'Tells which library is connected',
    handler: planSetInfo,
  },
  {
    name: 'NO-EVICT',
    arity: 3,
    syntax: 'ON | OFF',
    summary: 'Accepted: nothing is ever evicted',
    handler: planSwitch,
  },
  {
    name: 'NO-TOUCH',
    arity: 3,
    syntax: 'ON | OFF',
    summary: 'Accepted: reads leave no trace in the data',
    handler: planSwitch,
  },
];

const connection = (
  row: Pick<CommandSpec, 'name' | 'arity' | 'summary' | 'arguments' | 'handler'>,
): CommandSpec => ({ kind: 'local', group: 'connection', keys: NO_KEYS, ...row });

export const CONNECTION_COMMANDS: readonly CommandSpec[] = [
  connection({
    name: 'PING',
    arity: -1,
    summary: 'Answers PONG, or its argument',
    arguments: [optional(string('message'))],
    handler: planPing,
  }),
  connection({
    name: 'ECHO',
    arity: 2,
    summary: 'Answers its argument',
    arguments: [string('message')],
    handler: planEcho,
  }),
  connection({
    name: 'HELLO',
    arity: -1,
    summary: 'Chooses the protocol, RESP2 or RESP3, and describes the server',
    arguments: [
      optional(block('arguments', integer('protover'), optional(after('SETNAME', string('name'))))),
    ],
    handler: planHello,
  }),
  connection({
    name: 'SELECT',
    arity: 2,
    summary: 'Accepts database 0, the only one',
    arguments: [integer('index')],
    handler: planSelect,
  }),
  connection({
    name: 'QUIT',
    arity: -1,
    summary: 'Closes the connection',
    arguments: [],
    handler: planQuit,
  }),
  connection({
    name: 'CLIENT',
    arity: -2,
    summary: 'Describes connections: ID, LIST, INFO, SETNAME, GETNAME, SETINFO',
    arguments: [string('subcommand')],
    handler: subcommandHandler('CLIENT', CLIENT),
  }),
];
