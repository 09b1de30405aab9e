/**
 * COMMAND, the help and the documentation, all derived from the command table.
 *
 * redis-cli asks COMMAND DOCS when it starts and builds its hints and its HELP from the answer, so
 * the form follows Redis 7. Refused commands are left out: they are not there to be used.
 */

import type { ReplyWriter } from '../../../codec/resp/reply.js';
import { shownTextOf } from './arguments.js';
import { type ArgumentSpec, type CommandSpec, NO_KEYS, string, syntaxOf } from './command-spec.js';
import type { Plan } from './plan.js';
import { type Subcommand, subcommandHandler } from './subcommands.js';

type Table = () => readonly CommandSpec[];

const SINCE = '0.1.0';

function writeFlags(reply: ReplyWriter, spec: CommandSpec): void {
  if (spec.kind === 'write') {
    reply.array(2);
    reply.simple('write');
    reply.simple('denyoom');
  } else {
    reply.array(1);
    reply.simple(spec.kind === 'read' ? 'readonly' : 'fast');
  }
}

/** One entry of COMMAND and COMMAND INFO, the ten fields of Redis 7. */
function writeInfo(reply: ReplyWriter, spec: CommandSpec): void {
  reply.array(10);
  reply.bulkText(spec.name.toLowerCase());
  reply.integer(spec.arity);
  writeFlags(reply, spec);
  for (const position of spec.keys) reply.integer(position);
  // Access categories, tips, key specifications, subcommands: there are none.
  for (let i = 0; i < 4; i += 1) reply.array(0);
}

function writeDocs(reply: ReplyWriter, spec: CommandSpec): void {
  reply.bulkText(spec.name.toLowerCase());
  reply.map(spec.arguments.length > 0 ? 4 : 3);
  for (const [field, value] of [
    ['summary', spec.summary],
    ['since', SINCE],
    ['group', spec.group],
  ] as const) {
    reply.bulkText(field);
    reply.bulkText(value);
  }
  if (spec.arguments.length === 0) return;
  reply.bulkText('arguments');
  writeArguments(reply, spec.arguments);
}

function writeArguments(reply: ReplyWriter, list: readonly ArgumentSpec[]): void {
  reply.array(list.length);
  for (const argument of list) writeArgument(reply, argument);
}

function writeArgument(reply: ReplyWriter, argument: ArgumentSpec): void {
  const { token, optional = false, multiple = false, arguments: inner } = argument;
  const flags = [...(optional ? ['optional'] : []), ...(multiple ? ['multiple'] : [])];
  const fields = [token !== undefined, flags.length > 0, inner !== undefined];
  reply.map(2 + fields.filter(Boolean).length);
  reply.bulkText('name');
  reply.bulkText(argument.name);
  reply.bulkText('type');
  reply.bulkText(argument.type);
  if (token !== undefined) {
    reply.bulkText('token');
    reply.bulkText(token);
  }
  if (flags.length > 0) {
    reply.bulkText('flags');
    reply.array(flags.length);
    for (const flag of flags) reply.simple(flag);
  }
  if (inner !== undefined) {
    reply.bulkText('arguments');
    writeArguments(reply, inner);
  }
}

function served(table: Table): readonly CommandSpec[] {
  return table().filter(({ kind }) => kind !== 'refused');
}

/** The commands that arguments 2 and on name; undefined for a name that does not exist. */
function named(plan: Plan, table: Table): readonly (CommandSpec | undefined)[] {
  const specs: (CommandSpec | undefined)[] = [];
  for (let i = 2; i < plan.request.count; i += 1) {
    const name = shownTextOf(plan.request, i).toUpperCase();
    specs.push(served(table).find((spec) => spec.name === name));
  }
  return specs;
}

function answerInfo(plan: Plan, reply: ReplyWriter, table: Table): void {
  const specs = plan.request.count > 2 ? named(plan, table) : served(table);
  reply.array(specs.length);
  for (const spec of specs) {
    if (spec === undefined) reply.nil();
    else writeInfo(reply, spec);
  }
}

function answerDocs(plan: Plan, reply: ReplyWriter, table: Table): void {
  const specs = plan.request.count > 2 ? named(plan, table) : served(table);
  const known = specs.filter((spec) => spec !== undefined);
  reply.map(known.length);
  for (const spec of known) writeDocs(reply, spec);
}

function answerList(reply: ReplyWriter, table: Table): void {
  const specs = served(table);
  reply.array(specs.length);
  for (const spec of specs) reply.bulkText(spec.name.toLowerCase());
}

function subcommands(table: Table): readonly Subcommand[] {
  return [
    {
      name: 'COUNT',
      arity: 2,
      syntax: '',
      summary: 'Counts the commands',
      handler: (plan) => plan.local((_, reply) => reply.integer(served(table).length)),
    },
    {
      name: 'DOCS',
      arity: -2,
      syntax: '[command-name ...]',
      summary: 'Documents commands, all of them by default',
      handler: (plan) => plan.local((call, reply) => answerDocs(call, reply, table)),
    },
    {
      name: 'INFO',
      arity: -2,
      syntax: '[command-name ...]',
      summary: 'Describes commands, all of them by default',
      handler: (plan) => plan.local((call, reply) => answerInfo(call, reply, table)),
    },
    {
      name: 'LIST',
      arity: 2,
      syntax: '',
      summary: 'Lists the names of the commands',
      handler: (plan) => plan.local((_, reply) => answerList(reply, table)),
    },
  ];
}

/** COMMAND itself; the table is asked for late, because COMMAND is part of it. */
export function introspectionCommands(table: Table): readonly CommandSpec[] {
  const withSubcommand = subcommandHandler('COMMAND', subcommands(table));
  return [
    {
      name: 'COMMAND',
      arity: -1,
      kind: 'local',
      group: 'server',
      summary: 'Describes the commands: COUNT, DOCS, INFO, LIST',
      arguments: [{ ...string('subcommand'), optional: true }],
      keys: NO_KEYS,
      handler: (plan) => {
        if (plan.request.count > 1) withSubcommand(plan);
        else plan.local((call, reply) => answerInfo(call, reply, table));
      },
    },
  ];
}

/** The help of the REPL: one line per command, syntax and summary. */
export function commandHelp(table: readonly CommandSpec[]): string {
  const rows = table.filter(({ kind }) => kind !== 'refused');
  const width = Math.max(...rows.map((spec) => syntaxOf(spec).length));
  return rows.map((spec) => `${syntaxOf(spec).padEnd(width)}  ${spec.summary}`).join('\n');
}

/** The documentation page: the same as a Markdown table. */
export function commandTableMarkdown(table: readonly CommandSpec[]): string {
  const rows = table
    .filter(({ kind }) => kind !== 'refused')
    .map((spec) => {
      const syntax = syntaxOf(spec).replaceAll('|', '\\|');
      return `| \`${syntax}\` | ${spec.kind} | ${spec.summary} |`;
    });
  return ['| command | kind | what it does |', '|---|---|---|', ...rows].join('\n');
}
